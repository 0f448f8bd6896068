/**
 * @file Draws against the analytic distribution, and every backend's against the reference, draw for draw.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { activeGpu, type GpuBackend } from '../../src/device/webgpu/webgpu.ts';
import { type DrawOptions, drawCode, drawCodes, GpuDraws } from '../../src/kernels/draw/draw.ts';
import { expectAllclose, noWebgpu, onEveryBackend, useNative } from '../support.ts';

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

describe('logits that are no numbers, and settings at the ends of their range', () => {
  const [nan, low, high] = [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const u = Float64Array.from([0, 0.3, 0.6, 0.999]);
  const settings: readonly DrawOptions[] = [
    {},
    { temperature: 0 },
    { temperature: 1e-30 },
    { temperature: 1e-300 },
    { temperature: 1e30 },
    { temperature: 1e300 },
    { topK: 2 },
    { topK: 1e9 },
    { topP: 0 },
    { topP: 0.5, topK: 3 },
  ];
  const rows: readonly (readonly number[])[] = [
    [nan, 1, low, 1.5, nan, 0.2, low, -2],
    [low, low, low, 0, low, low, low, low],
    [nan, nan, nan, nan, nan, nan, nan, -1e30],
    [0, high, 3, high, nan, low, 1, 2],
    [1, 2, 3, 2, 1, 0, -1, -1e30],
  ];

  onEveryBackend('are drawn from as the reference says', async () => {
    for (const row of rows) {
      for (const options of settings) {
        const logits = tf.tensor2d([...row, ...row, ...row, ...row], [4, 8]);
        const { codes, logProbability } = await drawCodes(logits, u, options);
        logits.dispose();
        for (let i = 0; i < 4; i++) {
          const wanted = drawCode(Float32Array.from(row), u[i], options);
          expect([row, options, i, codes[i]]).toEqual([row, options, i, wanted.code]);
          expect(row[codes[i]]).toBeGreaterThan(low);
          expectAllclose([logProbability[i]], [wanted.logProbability], { relative: 1e-5, absolute: 2e-5 });
        }
      }
    }
  });

  onEveryBackend('codes that captioned and uncaptioned logits both exclude stay excluded', async () => {
    const logits = tf.tensor2d([low, 1, 2, nan, low, 0, 2, 3], [2, 4]);
    const { codes } = await drawCodes(logits, Float64Array.from([0.5]), { cfgScale: 3, temperature: 0 });
    logits.dispose();
    expect([...codes]).toEqual([1]); // guided: none, 3, 2, none
  });

  onEveryBackend('an image without a code to draw is named', async () => {
    for (const row of [
      [nan, nan, nan],
      [low, low, low],
      [nan, low, nan],
    ]) {
      for (const options of [{}, { temperature: 0 }, { topK: 1 }, { topP: 0.5 }]) {
        const logits = tf.tensor2d([0, 1, 2, ...row], [2, 3]);
        await expect(drawCodes(logits, Float64Array.from([0.5, 0.5]), options)).rejects.toThrow(
          'draw: expected a logit above -Infinity for image 1, got none',
        );
        logits.dispose();
      }
    }
  });

  onEveryBackend('settings at the ends of their ranges draw as their limits do', async () => {
    const K = 1030;
    const values = Float32Array.from({ length: K }, (_, k) => 4 * Math.sin(k * 1.7) + (k === 777 ? 1 : 0));
    const best = values.indexOf(Math.max(...values));
    const logits = tf.tensor2d(values, [1, K]);
    const codeOf = async (options: DrawOptions) => (await drawCodes(logits, Float64Array.of(0.999), options)).codes[0];
    for (const temperature of [0, 1e-300, 1e-45, 1e-40, 1e-38, 1e-30, 1e-12]) {
      for (const more of [{}, { topK: 5 }, { topP: 0.9 }, { topP: 1e-300 }, { topK: 2 ** 40 }]) {
        expect([temperature, more, await codeOf({ temperature, ...more })]).toEqual([temperature, more, best]);
      }
    }
    expect(await codeOf({ topP: 1e-300 })).toBe(best);
    expect(await codeOf({ temperature: 100, topK: 1 })).toBe(best);
    expect(await codeOf({ temperature: 1e300, topK: 2 ** 53 - 1 })).toBe(Math.floor(0.999 * K)); // all alike
    logits.dispose();
  });

  onEveryBackend('settings out of their range are refused before anything is drawn', async () => {
    const wrong: readonly [DrawOptions, RegExp][] = [
      [{ temperature: -1 }, /temperature to be a number of at least 0, got -1/],
      [{ temperature: nan }, /temperature .* got NaN/],
      [{ temperature: high }, /temperature .* got Infinity/],
      [{ topK: -1 }, /topK to be a whole number of at least 0, got -1/],
      [{ topK: 2.5 }, /topK .* got 2.5/],
      [{ topP: -0.1 }, /topP to be a number from 0 to 1, got -0.1/],
      [{ topP: 1.1 }, /topP .* got 1.1/],
      [{ topP: nan }, /topP .* got NaN/],
      [{ cfgScale: nan }, /cfgScale to be a number, got NaN/],
    ];
    const logits = tf.tensor2d([1, 2, 3, 1, 2, 3], [2, 3]);
    for (const [options, message] of wrong) {
      const images = options.cfgScale === undefined ? 2 : 1;
      await expect(drawCodes(logits, new Float64Array(images), options)).rejects.toThrow(message);
    }
    logits.dispose();
  });

  test('C++ refuses what TypeScript would not let through', async () => {
    const backend = await useNative();
    const good = { images: 2, rows: 2, K: 3, guidance: 1, temperature: 1, most: 3, share: 1 };
    const draw = (change: Partial<typeof good> = {}, images = 2) => {
      const logits = Float32Array.of(1, 2, 3, 1, 2, 3);
      const views = [logits, new Float64Array(images), new Int32Array(2), new Float64Array(2)];
      backend.callPacked('drawCodes', views, Object.values({ ...good, ...change }));
    };
    draw();
    const wrong: readonly Partial<typeof good>[] = [
      ...[{ images: 3 }, { rows: 3 }, { K: 4 }, { images: -1 }, { K: 0 }, { guidance: 2 }],
      ...[{ temperature: -1 }, { temperature: nan }, { most: 0 }, { most: 4 }, { most: -5 }],
      ...[{ share: -0.5 }, { share: 2 }, { share: nan }],
    ];
    for (const change of wrong) expect(() => draw(change), JSON.stringify(change)).toThrow(/^draw/);
    expect(() => draw({}, 1)).toThrow(/expected u of images elements, 2, got 1/);
    draw();
  });
});

describe.skipIf(noWebgpu !== undefined)(`on webgpu${noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`}`, () => {
  const logits = [1.5, -0.3, 0.8, 2.1, -1.2, 0.8, 0, 1.1];
  const plain = [0.2, 0.1, -0.5, 1.4, 0.3, 0.9, -2, 1];
  /** Evenly spread numbers draw each code as often as its probability says, but for one at either edge. */
  const images = 64;
  const numbers = Float64Array.from({ length: images }, (_, i) => (i + 0.5) / images);
  const cases: readonly DrawOptions[] = [
    {},
    { temperature: 0.5, topK: 4 }, // cuts the tie of codes 2 and 5
    { topP: 0.75, cfgScale: 2 },
    { topK: 6, topP: 0.8, temperature: 1.3, cfgScale: 1.5 },
  ];

  test('counts and log-probabilities are those of the distribution', async () => {
    await selectBackend('webgpu');
    for (const options of cases) {
      const { cfgScale = 1 } = options;
      const rows = cfgScale === 1 ? [logits] : [logits, plain];
      const guided = Float32Array.from(logits, (x, k) => (cfgScale === 1 ? x : plain[k] + cfgScale * (x - plain[k])));
      // The reference's own distribution, from many more numbers.
      const probabilities = new Map<number, number>();
      for (let i = 0; i < 4096; i++) {
        const { code, logProbability } = drawCode(guided, (i + 0.5) / 4096, options);
        probabilities.set(code, Math.exp(logProbability));
      }
      const input = tf.tensor(rows.flatMap(row => new Array<number[]>(images).fill(row)));
      const { codes, logProbability } = await drawCodes(input, numbers, options);
      input.dispose();
      const counts = new Map<number, number>();
      codes.forEach((code, i) => {
        counts.set(code, (counts.get(code) ?? 0) + 1);
        expectAllclose([Math.exp(logProbability[i])], [probabilities.get(code) ?? 0], { relative: 1e-5 });
      });
      for (const [code, probability] of probabilities) {
        expect(Math.abs((counts.get(code) ?? 0) - probability * images)).toBeLessThan(1.001);
      }
    }
  });

  test('is the reference, draw for draw, whatever the number of codes', async () => {
    await selectBackend('webgpu');
    for (const [K, options] of [
      [1, {}],
      [5, { topK: 3 }],
      [256, { topP: 0.6 }],
      [257, { topK: 100, topP: 0.9 }],
      [8192, { topK: 500, topP: 0.95, temperature: 0.9 }],
    ] as const) {
      const rows = [new Random(K).normals(K, 2), new Random(K + 1).normals(K, 2)];
      // Near the middle of what the code takes up, where rounding decides nothing.
      const u = Float64Array.from(rows, row => middleOf(row, drawCode(row, 0.32, options).code, options));
      const input = tf.tensor2d(
        rows.flatMap(row => [...row]),
        [2, K],
      );
      const { codes } = await drawCodes(input, u, options);
      input.dispose();
      expect([...codes]).toEqual(rows.map((row, i) => drawCode(row, u[i], options).code));
    }
  });

  test('keeps the codes of several draws until they are read', async () => {
    await selectBackend('webgpu');
    const before = tf.memory().numTensors;
    const u = Float64Array.from([0.1, 0.9, 0.5, 0.3, 0.7, 0.2]);
    const draws = new GpuDraws(activeGpu() as GpuBackend, { images: 2, K: 8 }, u, {});
    const input = tf.tensor([logits, plain]);
    draws.begin(2);
    draws.draw(input);
    draws.draw(input);
    const first = await draws.read();
    draws.begin(1);
    draws.draw(input);
    const second = await draws.read();
    const last = [...(await draws.ids.data())];
    const wanted = Array.from(u, (x, i) => drawCode(Float32Array.from(i % 2 === 0 ? logits : plain), x));
    expect([...first.codes, ...second.codes]).toEqual(wanted.map(({ code }) => code));
    expectAllclose(
      [...first.logProbability, ...second.logProbability],
      wanted.map(({ logProbability }) => logProbability),
    );
    expect(last).toEqual([...second.codes]);
    draws.dispose();
    input.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

/** A number in the middle of those that draw the code. */
function middleOf(logits: Float32Array, code: number, options: DrawOptions): number {
  const edge = (side: (drawn: number) => boolean) => {
    let [low, high] = [0, 1];
    for (let i = 0; i < 40; i++) {
      const middle = (low + high) / 2;
      if (side(drawCode(logits, middle, options).code)) high = middle;
      else low = middle;
    }
    return low;
  };
  return (edge(drawn => drawn >= code) + edge(drawn => drawn > code)) / 2;
}
