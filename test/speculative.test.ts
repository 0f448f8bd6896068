/**
 * @file Speculative decoding is exact: greedy it paints what plain decoding paints, drawn it follows the model's own joint
 * distribution, which a model of a few codes has few enough of to write down.
 */
import * as tf from '@tensorflow/tfjs-core';
import { beforeEach, describe, expect, test } from 'vitest';
import { selectBackend } from '../src/backends/index.ts';
import { registerNative } from '../src/backends/native.ts';
import { type ModelConfig, modelSchema } from '../src/config.ts';
import type { Dalle } from '../src/dalle.ts';
import { type GenerateRequest, generate } from '../src/generate.ts';
import { Random } from '../src/random.ts';
import { couple } from '../src/speculative.ts';
import { caption, configs, randomModel } from './tiny-model.ts';

const reason = registerNative();

async function paint(model: Dalle, request: GenerateRequest) {
  const painting = generate(model, request);
  const steps: number[] = [];
  let codes: Int32Array = new Int32Array();
  for (;;) {
    const next = await painting.next();
    if (next.done === true) return { codes: [...codes], steps, logProbability: [...next.value] };
    steps.push(next.value.painted);
    codes = next.value.codes;
  }
}

function chiSquare(counts: readonly number[], probabilities: readonly number[]): { statistic: number; cells: number } {
  const total = counts.reduce((a, b) => a + b);
  let statistic = 0;
  let cells = 0;
  // Cells that expect fewer than five are one.
  const rest = { count: 0, expected: 0 };
  counts.forEach((count, i) => {
    const expected = probabilities[i] * total;
    if (expected < 5) {
      rest.count += count;
      rest.expected += expected;
      return;
    }
    statistic += (count - expected) ** 2 / expected;
    cells++;
  });
  if (rest.expected > 0) {
    statistic += (rest.count - rest.expected) ** 2 / rest.expected;
    cells++;
  }
  return { statistic, cells };
}

/** Below it in all but one of 10,000 cases (Wilson and Hilferty 1931). */
function limit(cells: number): number {
  const n = cells - 1;
  return n * (1 - 2 / (9 * n) + 3.719 * Math.sqrt(2 / (9 * n))) ** 3;
}

test('coupled draws follow p, and keep the guess as often as can be', () => {
  const random = new Random(1);
  const q = Float32Array.from([0.5, 0.3, 0.2, 0]);
  const p = Float32Array.from([0.1, 0.3, 0.25, 0.35]);
  const counts = [0, 0, 0, 0];
  let kept = 0;
  const draws = 40000;
  for (let i = 0; i < draws; i++) {
    const u = random.uniform();
    const guess = u < 0.5 ? 0 : u < 0.8 ? 1 : 2;
    const drawn = couple(p, { code: guess, from: q }, random);
    expect(drawn.kept).toBe(drawn.code === guess);
    counts[drawn.code]++;
    if (drawn.kept) kept++;
  }
  expect(chiSquare(counts, [...p]).statistic).toBeLessThan(limit(4));
  expect(Math.abs(kept / draws - 0.6)).toBeLessThan(0.012); // 1 - total variation; five deviations
});

describe.skipIf(reason !== undefined)(`speculative${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  beforeEach(() => selectBackend('native', { precision: 'fp32' }));

  for (const [name, config] of Object.entries(configs)) {
    test(`${name}: greedy, it paints what plain decoding paints, whatever the window`, async () => {
      const model = randomModel(config, 2);
      const captions = [3, 5, 1].map(length => caption(new Random(length), length, config));
      const given = Int32Array.from([-1, 5, -1, -1, 8, 2, -1, -1, 6]);
      for (const settings of [{}, { cfgScale: 2.5 }, { given }, { given, cfgScale: 2 }, { imagesPerCaption: 2 }]) {
        const request = { captions, temperature: 0, ...settings };
        const plain = await paint(model, request);
        for (const window of [1, 2, 3, 5, 9, 40, undefined]) {
          const { codes } = await paint(model, { ...request, decode: 'speculative', window });
          expect(codes).toEqual(plain.codes);
        }
      }
      model.dispose();
    });
  }

  /** Every image of a model of 3 codes on a 2 x 2 grid, with its probability, from the whole sequence at once. */
  async function joint(model: Dalle, ids: Int32Array, guidance: number): Promise<number[]> {
    const images = Array.from({ length: 81 }, (_, i) => [0, 1, 2, 3].map(place => Math.floor(i / 3 ** place) % 3));
    const logits = async (text: Int32Array) => {
      const captions = tf.tensor2d(
        images.flatMap(() => [...text]),
        [81, text.length],
        'int32',
      );
      const codes = tf.tensor2d(images.flat(), [81, 4], 'int32');
      const y = model.logits(captions, codes);
      const values = (await y.array()) as number[][][];
      tf.dispose([captions, codes, y]);
      return values;
    };
    const [captioned, plain] = [await logits(ids), await logits(model.emptyCaption())];
    return images.map((codes, i) =>
      codes.reduce((product, code, place) => {
        const l = captioned[i][place].map((x, k) => plain[i][place][k] + guidance * (x - plain[i][place][k]));
        const weights = l.map(x => Math.exp(x / 1.3));
        return (product * weights[code]) / weights.reduce((a, b) => a + b);
      }, 1),
    );
  }

  for (const [window, guidance] of [
    [1, 1],
    [2, 1],
    [4, 1],
    [4, 2],
  ] as const) {
    test(`window ${window}, guidance ${guidance}: images follow the joint distribution`, async () => {
      const config: ModelConfig = modelSchema.parse({ captionLength: 3, width: 8, layers: 2, heads: 2, dropout: 0 });
      const model = randomModel(config, 6, { caption: 5, image: 3, grid: 2 });
      const ids = caption(new Random(3), 2, config, { caption: 5, image: 3, grid: 2 });
      const probabilities = await joint(model, ids, guidance);
      expect(Math.abs(probabilities.reduce((a, b) => a + b) - 1)).toBeLessThan(1e-6);
      const images = 6000;
      const request: GenerateRequest = {
        captions: [ids],
        imagesPerCaption: images,
        temperature: 1.3,
        cfgScale: guidance,
        decode: 'speculative',
        window,
        seed: 5,
      };
      const { codes, logProbability } = await paint(model, request);
      const counts = new Array<number>(81).fill(0);
      for (let i = 0; i < images; i++) {
        const index = [0, 1, 2, 3].reduce((sum, place) => sum + codes[4 * i + place] * 3 ** place, 0);
        counts[index]++;
        expect(Math.abs(logProbability[i] - Math.log(probabilities[index]))).toBeLessThan(1e-3);
      }
      const { statistic, cells } = chiSquare(counts, probabilities);
      expect(cells).toBeGreaterThan(20);
      expect(statistic).toBeLessThan(limit(cells));
      // The test itself would see a wrong temperature.
      const wrong = probabilities.map(x => x ** 1.15);
      const sum = wrong.reduce((a, b) => a + b);
      expect(
        chiSquare(
          counts,
          wrong.map(x => x / sum),
        ).statistic,
      ).toBeGreaterThan(limit(cells));
      model.dispose();
    });
  }

  test('yields the image as it grows, and leaves no tensors behind, also when it is left early', async () => {
    const model = randomModel(configs.modern, 9);
    const ids = caption(new Random(1), 3, configs.modern);
    const before = tf.memory().numTensors;
    const { steps } = await paint(model, { captions: [ids, ids], decode: 'speculative', cfgScale: 2, every: 3 });
    expect(steps.at(-1)).toBe(9);
    expect(steps.every((step, i) => i === 0 || step > steps[i - 1])).toBe(true);
    for await (const { painted } of generate(model, { captions: [ids], every: 1, decode: 'speculative' })) {
      if (painted >= 2) break;
    }
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  test('says what it needs where positions are read one by one', async () => {
    await selectBackend('cpu');
    const model = randomModel(configs.modern, 9);
    const ids = caption(new Random(1), 3, configs.modern);
    const before = tf.memory().numTensors;
    await expect(paint(model, { captions: [ids], decode: 'speculative' })).rejects.toThrow('needs the native backend');
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });
});
