/** @file Pictures that are learnt by their coarse codes alone, the first of the interlaced order. */
import '@tensorflow/tfjs-layers'; // tfjs's own gradients
import type * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import { runSchema } from '../../../src/families/config.ts';
import type { CaptionedCodes } from '../../../src/families/family.ts';
import { resolveConfig } from '../../../src/families/resolve.ts';
import type { ModelConfig } from '../../../src/families/transformer/config.ts';
import type { Vocabulary } from '../../../src/families/transformer/dalle.ts';
import { logProbabilities } from '../../../src/families/transformer/likelihood.ts';
import { DalleTask } from '../../../src/families/transformer/task.ts';
import { valueAndGradients } from '../../../src/kernels/autodiff.ts';
import { coarsePlaces, orderOf } from '../../../src/nn/orders.ts';
import { batchOf, configs, randomModel } from './tiny-model.ts';

beforeAll(() => selectBackend('cpu'));

const words: Vocabulary = { caption: 11, image: 13, grid: 8 };
const N = words.grid ** 2;
const small: ModelConfig = { ...configs.interlaced, layers: 2, width: 8, heads: 2, mlpWidth: 8 };

test.each([
  [8, 4],
  [32, 64],
  [10, 9],
])('of a grid of %d the coarse codes are the first %d of the order, on every fourth row and column', (grid, count) => {
  expect(coarsePlaces(grid)).toBe(count);
  const cells = [...orderOf('interlaced', grid).cells.subarray(0, count)].sort((a, b) => a - b);
  const every4 = Array.from({ length: Math.ceil(grid / 4) }, (_, i) => 4 * i);
  expect(cells).toEqual(every4.flatMap(row => every4.map(column => row * grid + column)));
});

test('the loss of the first codes is the mean of what each costs in the whole', async () => {
  const model = randomModel(small, 1, words);
  const batch = batchOf([2, 4], small, { words });
  const captions = [0, 1].map(b => batch.captions.subarray(b * small.captionLength, (b + 1) * small.captionLength));
  const each = await logProbabilities(model, captions, batch.codes);
  for (const places of [1, 4, 16, N]) {
    const { image } = model.loss({ ...batch, places });
    const cells = model.order.cells.subarray(0, places);
    let sum = 0;
    for (const b of [0, 1]) for (const cell of cells) sum -= each[b * N + cell];
    expect((await image.data())[0]).toBeCloseTo(sum / (2 * places), 4);
  }
  const whole = await model.loss(batch).caption.data();
  expect((await model.loss({ ...batch, places: 4 }).caption.data())[0]).toBeCloseTo(whole[0], 5); // captions come first
  model.dispose();
});

describe('a training with coarse pictures', () => {
  const ITEMS = 30;
  const data: CaptionedCodes = {
    set: {
      ids: Array.from({ length: ITEMS }, (_, i) => `${i}.png`),
      crops: 1,
      length: N,
      codes: Uint16Array.from({ length: ITEMS * N }, (_, i) => (i * 7 + Math.floor(i / N)) % words.image),
    },
    captions: Array.from({ length: ITEMS }, () => ['a']),
  };
  const options = { batchSize: 4, bpeDropout: 0, seed: 5, imageSize: 32 };

  /** The losses and gradients of a step's parts, added up. */
  async function stepOf(config: ModelConfig, accumulate: number, step = 2) {
    const model = randomModel(config, 1, words);
    const encoder = { encodeCaption: () => ({ ids: model.emptyCaption(), cut: false }) };
    const task = new DalleTask(model, encoder, { training: data, heldOut: data }, { ...options, accumulate });
    const gradients: number[] = [];
    const metrics: Record<string, number> = {};
    let loss = 0;
    const variables = model.parameters.list().map(({ variable }) => variable);
    for (let part = 0; part < accumulate; part++) {
      const losses = await task.batch(step, part);
      const names: string[] = [];
      const made = valueAndGradients(() => {
        const { loss: own, metrics: scalars } = losses(new Random(1));
        names.push(...Object.keys(scalars));
        return { loss: own, aux: Object.values(scalars) };
      }, variables);
      loss += (await made.loss.data())[0] / accumulate;
      for (const [i, name] of names.entries())
        metrics[name] = (metrics[name] ?? 0) + ((await (made.aux ?? [])[i].data())[0] as number) / accumulate;
      const flat = (await Promise.all(made.gradients.map(async g => [...(await (g as tf.Tensor).data())]))).flat();
      flat.forEach((g, i) => {
        gradients[i] = (gradients[i] ?? 0) + g / accumulate;
      });
    }
    const { unitsPerStep, flopsPerStep, imagesPerStep } = task;
    const one = model.flopsPerSequence();
    const coarse = model.flopsPerSequence(coarsePlaces(words.grid));
    model.dispose();
    return { loss, metrics, gradients, unitsPerStep, flopsPerStep, imagesPerStep, one, coarse };
  }

  test('weighs them as much as whole ones, and counts their work', async () => {
    const plain = await stepOf(small, 1);
    const both = await stepOf({ ...small, coarse: 3 }, 1);
    expect(Object.keys(plain.metrics)).toEqual(['caption', 'image']);
    expect(Object.keys(both.metrics)).toEqual(['caption', 'image', 'coarse']);
    expect(both.metrics.image).toBe(plain.metrics.image); // the whole pictures are the same
    const L = small.captionLength;
    expect(both.unitsPerStep).toBe(4 * (L + N) + 12 * (L + 4));
    expect(both.flopsPerStep).toBeCloseTo(4 * both.one + 12 * both.coarse, -3);
    expect(both.imagesPerStep).toBe(4);
    const weight = (1 - small.captionWeight) / 2;
    const codes = weight * (both.metrics.image + both.metrics.coarse);
    expect(both.loss - codes).toBeGreaterThan(0); // captions, and the squared partition
    expect(both.loss - codes).toBeLessThan(1);
    expect(both.gradients.some((g, i) => Math.abs(g - plain.gradients[i]) > 1e-4)).toBe(true);
  });

  test('is the same in however many parts', async () => {
    const config = { ...small, coarse: 3, codeNoise: 0.2 };
    const [one, two] = [await stepOf(config, 1), await stepOf(config, 2)];
    expect(two.loss).toBeCloseTo(one.loss, 5);
    one.gradients.forEach((g, i) => {
      expect(two.gradients[i]).toBeCloseTo(g, 5);
    });
  });

  test('reads other pictures in every step', async () => {
    const config = { ...small, coarse: 3 };
    const losses = await Promise.all([0, 1, 1].map(step => stepOf(config, 1, step)));
    expect(losses[0].metrics.coarse).not.toBe(losses[1].metrics.coarse);
    expect(losses[2].metrics.coarse).toBe(losses[1].metrics.coarse);
  });
});

test.each([
  [{ model: { coarse: 4 } }, 'coarse 4 with order raster'],
  [{ model: { coarse: 4, order: 'interlaced' }, patch: { grid: 4 }, images: { imageSize: 32 } }, 'grid 4'],
])('is refused where there is nothing coarse: %j', (config, message) => {
  expect(() => resolveConfig({ fields: config })).toThrow(message);
  expect(runSchema().parse({ model: { coarse: 2, order: 'interlaced' } }).model.coarse).toBe(2);
});
