/**
 * @file R-precision: for each picture, whether its own caption is the nearest by cosine among it and 99 other captions,
 * drawn at random from those that differ. Chance is 1 in 100. Xu et al. 2018, AttnGAN (arXiv:1711.10485), section 4.1.
 */

import type { Random } from '../core/random.ts';
import { defineBuiltInMetric } from './define.ts';
import { wilson } from './intervals.ts';
import { type Matrix, unitRows } from './matrix.ts';

const DISTRACTORS = 99;

defineBuiltInMetric({
  name: 'r-precision',
  gives: [
    {
      name: 'r-precision',
      title: 'R-precision',
      better: 'higher',
      note: 'share of images whose own caption scores highest among others',
    },
  ],
  needs: ['pictures', 'features', 'texts'],
  refuse: ({ texts: { captions } }) =>
    captions.length > DISTRACTORS
      ? undefined
      : `needs more than ${DISTRACTORS} different captions, there are ${captions.length}`,
  measure: ({ pictures, features: { row }, texts }, random) => {
    const right = rPrecision(row, pictures.captions, texts, { random });
    const hits = right.reduce((a, b) => a + b, 0);
    const interval = wilson(hits, right.length);
    const details = { distractors: DISTRACTORS };
    return [{ metric: 'r-precision', value: hits / right.length, interval, n: right.length, reference: 0, details }];
  },
});

/**
 * @param images [n, d]; @param captions the caption of each picture, n of them
 * @param pool different captions, each once, with their features [captions, d]; must contain every picture's
 * @param distractors others that a caption has to beat, fewer than the captions of the pool
 * @returns 1 or 0 a picture: its own caption is strictly nearer than every other, since features that are all alike
 *   know nothing
 */
export function rPrecision(
  images: Matrix,
  captions: readonly string[],
  pool: { readonly captions: readonly string[]; readonly features: Matrix },
  { random, distractors = DISTRACTORS }: { readonly random: Random; readonly distractors?: number },
): Uint8Array {
  const count = pool.captions.length;
  if (count <= distractors) {
    throw new RangeError(`rPrecision: expected more than ${distractors} different captions, got ${count}`);
  }
  const place = new Map(pool.captions.map((caption, i) => [caption, i]));
  const texts = unitRows(pool.features);
  const d = images.columns;
  return Uint8Array.from(captions, (caption, i) => {
    const own = place.get(caption);
    if (own === undefined) throw new RangeError(`rPrecision: "${caption}" is not in the pool`);
    const dot = (text: number) => {
      let sum = 0;
      for (let j = 0; j < d; j++) sum += images.data[i * d + j] * texts.data[text * d + j];
      return sum;
    };
    const score = dot(own);
    return drawDistractors(count, own, distractors, random.fork('distractors', i)).every(text => dot(text) < score)
      ? 1
      : 0;
  });
}

/** Different numbers below n, never `own`. */
function drawDistractors(n: number, own: number, count: number, random: Random): number[] {
  const drawn = new Set<number>();
  // Rejection is quick where few of many are drawn.
  if (count * 2 < n) {
    while (drawn.size < count) {
      const text = random.integer(n);
      if (text !== own) drawn.add(text);
    }
    return [...drawn];
  }
  return Array.from(random.permutation(n))
    .filter(text => text !== own)
    .slice(0, count);
}
