/**
 * @file Draws against the analytic distribution, and every backend's against the reference, draw for draw.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { type DrawOptions, drawCode, drawCodes } from '../../src/kernels/draw.ts';
import { Random } from '../../src/random.ts';
import { expectAllclose, onEveryBackend } from '../support.ts';

/** Counts of many draws. */
function draws(logits: Float32Array, options: DrawOptions, count: number, seed = 1): number[] {
  const random = new Random(seed);
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < count; i++) counts[drawCode(logits, random.uniform(), options).code]++;
  return counts;
}

/** softmax(logits / temperature) over the kept codes, 0 elsewhere. */
function softmax(logits: ArrayLike<number>, temperature: number, kept: readonly number[]): number[] {
  const weights = Array.from(logits, (x, k) => (kept.includes(k) ? Math.exp(x / temperature) : 0));
  const total = weights.reduce((a, b) => a + b);
  return weights.map(weight => weight / total);
}

function chiSquare(counts: readonly number[], probabilities: readonly number[]): number {
  const total = counts.reduce((a, b) => a + b);
  return counts.reduce((sum, count, k) => {
    const expected = probabilities[k] * total;
    if (expected === 0) return count === 0 ? sum : Number.POSITIVE_INFINITY;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
}

describe('drawCode', () => {
  const logits = Float32Array.from([1.5, -0.3, 0.8, 2.1, -1.2, 0.8, 0, 1.1]);
  const all = [...logits.keys()];
  const ordered = [3, 0, 7, 2, 5, 6, 1, 4]; // by logit, the tie of 2 and 5 by code

  // 0.1% limits of chi-square with 7, 6, ... degrees of freedom.
  const limits = [0, 10.8, 13.8, 16.3, 18.5, 20.5, 22.5, 24.3];
  const cases: readonly {
    name: string;
    options: DrawOptions;
    kept: number[];
    temperature: number;
  }[] = [
    { name: 'temperature 1', options: {}, kept: all, temperature: 1 },
    { name: 'temperature 0.5', options: { temperature: 0.5 }, kept: all, temperature: 0.5 },
    { name: 'temperature 2', options: { temperature: 2 }, kept: all, temperature: 2 },
    { name: 'top-k 3', options: { topK: 3 }, kept: ordered.slice(0, 3), temperature: 1 },
    { name: 'top-k 4, cutting a tie', options: { topK: 4 }, kept: ordered.slice(0, 4), temperature: 1 },
    { name: 'top-k of more than there are', options: { topK: 100 }, kept: all, temperature: 1 },
    // Probabilities by size: .374 .205 .138 .102 .102 .046 .034 .014; sums .374 .579 .717 .819
    { name: 'top-p 0.7', options: { topP: 0.7 }, kept: ordered.slice(0, 3), temperature: 1 },
    { name: 'top-p 0.75, cutting a tie', options: { topP: 0.75 }, kept: ordered.slice(0, 4), temperature: 1 },
    {
      name: 'top-p after top-k, of what it left',
      options: { topK: 3, topP: 0.75 },
      kept: ordered.slice(0, 2),
      temperature: 1,
    },
    {
      name: 'top-p after temperature',
      options: { temperature: 0.5, topP: 0.7 },
      kept: ordered.slice(0, 2),
      temperature: 0.5,
    },
  ];
  for (const { name, options, kept, temperature } of cases) {
    test(`${name}: counts and log-probabilities are those of the softmax`, () => {
      const probabilities = softmax(logits, temperature, kept);
      const statistic = chiSquare(draws(logits, options, 8000), probabilities);
      expect(statistic).toBeLessThan(limits[kept.length - 1]);
      const random = new Random(2);
      for (let i = 0; i < 50; i++) {
        const { code, logProbability } = drawCode(logits, random.uniform(), options);
        expectAllclose([logProbability], [Math.log(probabilities[code])], { relative: 1e-6, absolute: 1e-9 });
      }
    });
  }

  test('the test itself would see a wrong temperature', () => {
    expect(chiSquare(draws(logits, {}, 8000), softmax(logits, 1.1, all))).toBeGreaterThan(24.3);
  });

  test('temperature 0, top-k 1 and top-p 0 take the likeliest code, with certainty', () => {
    for (const options of [{ temperature: 0 }, { topK: 1 }, { topP: 0 }, { topP: 1e-9 }]) {
      const random = new Random(3);
      for (let i = 0; i < 20; i++)
        expect(drawCode(logits, random.uniform(), options)).toEqual({ code: 3, logProbability: 0 });
    }
  });

  test('ties go to the smaller code', () => {
    const level = new Float32Array(5);
    for (const options of [{ temperature: 0 }, { topK: 1 }, { topP: 0.1 }]) {
      expect(drawCode(level, 0.4, options).code).toBe(0);
    }
    expect(new Set(draws(level, { topK: 2 }, 100).flatMap((count, k) => (count > 0 ? [k] : [])))).toEqual(
      new Set([0, 1]),
    );
    // Half of the mass of five equal codes is reached with the third.
    expect(draws(level, { topP: 0.5 }, 200).map(count => count > 0)).toEqual([true, true, true, false, false]);
  });

  test('top-p 1 leaves out nothing, however unlikely', () => {
    const steep = Float32Array.from([0, -3]);
    const counts = draws(steep, { topP: 1 }, 4000);
    expect(chiSquare(counts, softmax(steep, 1, [0, 1]))).toBeLessThan(10.8);
  });

  test('survives logits beyond the range of exp', () => {
    const huge = Float32Array.from([3000, 2999, -3000]);
    const counts = draws(huge, {}, 4000);
    expect(chiSquare(counts.slice(0, 2), softmax([1, 0], 1, [0, 1]))).toBeLessThan(10.8);
    expect(counts[2]).toBe(0);
    expect(drawCode(huge, 0.4, { temperature: 1e-3 }).code).toBe(0);
  });

  test('leaves the logits alone', () => {
    const before = logits.slice();
    for (const options of [{}, { temperature: 0 }, { topK: 1 }, { topK: 3, topP: 0.5 }]) drawCode(logits, 0.3, options);
    expect(logits).toEqual(before);
  });
});

describe('drawCodes', () => {
  const K = 700;
  const images = 40;
  const random = new Random(5);
  // Some rows flat, some peaked; some with many ties.
  const rows = Array.from({ length: 2 * images }, (_, i) =>
    random.normals(K, [0.1, 1, 4][i % 3]).map(x => (i % 5 === 0 ? Math.round(2 * x) / 2 : x)),
  );
  const settings: readonly DrawOptions[] = [
    {},
    { temperature: 0 },
    { temperature: 0.3 },
    { topK: 1 },
    { topK: 5 },
    { topK: 300, temperature: 1.5 },
    { topK: K + 1 },
    { topP: 0 },
    { topP: 0.5 },
    { topP: 0.9, topK: 60, temperature: 0.8 },
    { cfgScale: 3 },
    { cfgScale: 0, topP: 0.95 },
    { cfgScale: 2.5, topK: 20, topP: 0.7, temperature: 0.9 },
  ];
  onEveryBackend('is the reference, row for row', async () => {
    for (const options of settings) {
      const { cfgScale = 1 } = options;
      const used = cfgScale === 1 ? rows.slice(0, images) : rows;
      const logits = tf.tensor2d(
        used.flatMap(row => [...row]),
        [used.length, K],
      );
      const u = Float64Array.from({ length: images }, (_, i) => new Random(6).fork('draw', i).uniform());
      const { codes, logProbability } = await drawCodes(logits, u, options);
      logits.dispose();
      let differing = 0;
      for (let i = 0; i < images; i++) {
        const guided = rows[i].map((x, k) =>
          cfgScale === 1 ? x : rows[images + i][k] + cfgScale * (x - rows[images + i][k]),
        );
        const wanted = drawCode(guided, u[i], options);
        // Where u falls on the edge between two codes, rounding may decide: never more than once in these.
        if (codes[i] !== wanted.code) differing++;
        else expectAllclose([logProbability[i]], [wanted.logProbability], { relative: 1e-5, absolute: 2e-5 });
      }
      expect(differing).toBeLessThanOrEqual(1);
    }
  });

  onEveryBackend('the extreme numbers draw the first and the last code that is kept', async () => {
    const logits = tf.tensor2d([-1e30, 0, 1, -1e30, 0.5, -1e30, -1e30, 0, 1, -1e30, 0.5, -1e30], [2, 6]);
    const { codes } = await drawCodes(logits, Float64Array.from([0, 1 - 1e-16]));
    expect([...codes]).toEqual([1, 4]);
    logits.dispose();
  });
});
