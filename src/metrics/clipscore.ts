/**
 * @file CLIPScore: how well pictures fit their captions, 2.5 max(cos(image, text), 0), per picture. The factor spreads
 * CLIP's cosines over [0, 1]; other features have other ranges, so compare it within one kind of features only. Not
 * with the CLIP that the samples were ranked by. Hessel et al. 2021 (arXiv:2104.08718), equation 1.
 */
import { defineBuiltInMetric } from './define.ts';
import { mean, meanInterval } from './intervals.ts';
import { type Matrix, takeRows } from './matrix.ts';

defineBuiltInMetric({
  name: 'clip-score',
  gives: [{ name: 'clip-score', title: 'CLIPScore', better: 'higher', note: 'how well an image fits its caption' }],
  needs: ['pictures', 'features', 'texts'],
  least: 2,
  measure: ({ pictures, features: { row }, texts }, random) => {
    const place = new Map(texts.captions.map((caption, i) => [caption, i]));
    const own = pictures.captions.map(caption => place.get(caption) as number); // the texts hold every caption
    const scores = clipScores(row, takeRows(texts.features, own));
    const interval = meanInterval([...scores], { random });
    return [{ metric: 'clip-score', value: mean(scores), interval, n: row.rows, reference: 0 }];
  },
});

const FACTOR = 2.5;

/**
 * @param images [n, d]; @param texts [n, d], the caption of each picture in the same order; lengths do not matter
 * @returns one score in [0, 2.5] a picture; 0 where a row is all zeros
 */
export function clipScores(images: Matrix, texts: Matrix): Float64Array {
  const { rows, columns } = images;
  if (texts.rows !== rows || texts.columns !== columns) {
    throw new RangeError(
      `clipScores: expected [${rows}, ${columns}] of captions too, got [${texts.rows}, ${texts.columns}]`,
    );
  }
  return Float64Array.from({ length: rows }, (_, i) => {
    let [dot, a, b] = [0, 0, 0];
    for (let j = i * columns; j < (i + 1) * columns; j++) {
      dot += images.data[j] * texts.data[j];
      a += images.data[j] ** 2;
      b += texts.data[j] ** 2;
    }
    return a > 0 && b > 0 ? FACTOR * Math.max(0, dot / Math.sqrt(a * b)) : 0;
  });
}
