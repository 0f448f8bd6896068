/** @file Training a diffusion model: exact resuming, evaluations that repeat, and captions that are learned. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, test } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import type { DiffusionConfig } from '../../../src/families/diffusion/config.ts';
import { DiffusionTask } from '../../../src/families/diffusion/task.ts';
import { Images } from '../../../src/image/images.ts';
import type { CaptionedBatch, CaptionedStream } from '../../../src/training/captioned.ts';
import { train } from '../../../src/training/loop.ts';
import type { Metrics } from '../../../src/training/measured.ts';
import type { LoopConfig, Weights } from '../../../src/training/task.ts';
import { expectAllclose, useNative } from '../../support.ts';
import { tinyDiffusion } from './tiny-diffusion.ts';

const folders: string[] = [];
const temporary = () => {
  const folder = mkdtempSync(join(tmpdir(), 'diffusion-'));
  folders.push(folder);
  return folder;
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** Four captions, and for each a picture of one colour. */
const captions = Array.from({ length: 4 }, (_, i) => new Random(6).fork('caption', i).normals(6));
const colours = [
  [255, 255, 0],
  [0, 255, 255],
  [255, 0, 0],
  [0, 0, 255],
];

function batchOf(indices: readonly number[]): CaptionedBatch {
  const images = new Uint8Array(indices.length * 192);
  const text = new Float32Array(indices.length * 6);
  indices.forEach((index, i) => {
    for (let p = 0; p < 64; p++) images.set(colours[index], i * 192 + p * 3);
    text.set(captions[index], i * 6);
  });
  return { images: new Images(images, { width: 8, height: 8 }), text };
}

/** The four in random order, for ever. */
function stream(size: number): CaptionedStream {
  let position = 0;
  return {
    next: async () => {
      const random = new Random(7).fork('batch', position++);
      return batchOf(Array.from({ length: size }, () => random.integer(4)));
    },
    state: () => position,
    restore: state => {
      position = state as number;
    },
  };
}

const loop: LoopConfig = {
  steps: 8,
  accumulate: 2,
  lr: 0.01,
  warmup: 0.2,
  finalLr: 0.1,
  beta1: 0.9,
  beta2: 0.99,
  weightDecay: 0,
  clip: 1,
  ema: 0.9,
  evalEvery: 4,
  sampleEvery: 100,
  saveEvery: 100,
  logEvery: 1,
  seed: 3,
};

function makeTask(config: Partial<DiffusionConfig>, accumulate = loop.accumulate): DiffusionTask {
  return new DiffusionTask(tinyDiffusion(config), stream(4), batchOf([0, 1, 2, 3, 0, 1, 2, 3, 0]), {
    batchSize: 4,
    accumulate,
  });
}

async function run(task: DiffusionTask, config: LoopConfig, folder: string, stopAfter = Number.POSITIVE_INFINITY) {
  const controller = new AbortController();
  const records: Metrics[] = [];
  let saved: { weights: Weights; average: Weights } | undefined;
  let time = 0;
  await train(task, config, {
    folder,
    signal: controller.signal,
    now: () => time++,
    watcher: {
      onStep: ({ step }) => {
        if (step >= stopAfter) controller.abort();
      },
      onLog: record => records.push(record),
      onSave: async (weights, average) => {
        saved = { weights, average };
      },
    },
  });
  return { saved, losses: records.flatMap(({ step, loss, val_loss = 0 }) => [step, loss ?? 0, val_loss]) };
}

test('a run stopped and resumed equals one that never stopped, bit for bit', async () => {
  await useNative();
  for (const precond of ['edm', 'flow'] as const) {
    const config = { precond, dropout: 0.2, captionDrop: 0.3 };
    const straight = await run(makeTask(config), loop, temporary());
    const folder = temporary();
    const first = await run(makeTask(config), loop, folder, 4);
    const second = await run(makeTask(config), loop, folder);
    expect(second.saved).toEqual(straight.saved);
    expect([...first.losses, ...second.losses]).toEqual(straight.losses);
    expect(first.saved).not.toEqual(straight.saved);
  }
});

test('four parts of one equal one batch of four, but for rounding', async () => {
  await useNative();
  const config = { captionDrop: 0.4 };
  const whole = await run(makeTask(config, 1), { ...loop, accumulate: 1 }, temporary());
  const parts = await run(makeTask(config, 4), { ...loop, accumulate: 4 }, temporary());
  for (const [name, { values }] of parts.saved?.weights ?? []) {
    expectAllclose(values, whole.saved?.weights.get(name)?.values ?? [], { relative: 1e-3, absolute: 1e-4 });
  }
  expectAllclose(parts.losses, whole.losses, { relative: 1e-3, absolute: 1e-5 });
});

test('an evaluation is the same every time, by band too, and moves with the weights', async () => {
  await useNative();
  const task = makeTask({});
  const before = await task.evaluate();
  expect(await task.evaluate()).toEqual(before);
  expect(Object.keys(before)).toEqual(['loss', 'loss_least', 'loss_less', 'loss_more', 'loss_most', 'items']);
  const bands = [before.loss_least, before.loss_less, before.loss_more, before.loss_most];
  expect(before.loss).toBeCloseTo(bands.reduce((a, b) => a + b) / 4, 10);
  // A network of zeros, on pixels of -1 and 1: E target^2 = (sigma^2 E y^2 / s^2 + s^2) / (sigma^2 + s^2), E y^2 = 1.
  const quantiles = [-1.5341, -0.8871, -0.4888, -0.1573, 0.1573, 0.4888, 0.8871, 1.5341];
  const expected = quantiles.map(z => {
    const variance = Math.exp(2 * (-1.2 + 1.2 * z));
    return (4 * variance + 0.25) / (variance + 0.25);
  });
  expectAllclose(
    bands,
    [0, 2, 4, 6].map(i => (expected[i] + expected[i + 1]) / 2),
    { relative: 0.15, absolute: 0 },
  );
  await run(task, { ...loop, steps: 3 }, temporary());
  expect((await task.evaluate()).loss).not.toBe(before.loss);
});

test('counts images and operations of a step', () => {
  const task = makeTask({});
  expect(task.imagesPerStep).toBe(4);
  expect(task.flopsPerStep).toBe(12 * tinyDiffusion().flops);
});

test('learns which picture a caption means, from noise that hides it', async () => {
  await useNative();
  // Noise of 12 to 50 times the colours: what is known of a picture is its caption.
  const config = { meanSigma: 3.2, deviationSigma: 0.4, captionDrop: 0.1 };
  const model = tinyDiffusion(config);
  const task = new DiffusionTask(model, stream(16), batchOf([0, 1, 2, 3]), { batchSize: 16 });
  await run(task, { ...loop, accumulate: 1, steps: 150, evalEvery: 150, logEvery: 50 }, temporary());
  const sigma = 25;
  const order = [0, 1, 2, 3];
  const { images, text } = batchOf(order);
  const pictures = tf.tensor4d(
    Array.from(images.bytes, v => v / 127.5 - 1),
    [4, 8, 8, 3],
  );
  const x = tf.add(pictures, tf.mul(tf.tensor4d(new Random(8).normals(768), [4, 8, 8, 3]), sigma));
  const errorOf = async (rows: tf.Tensor | null) =>
    (await tf.mean(tf.squaredDifference(model.denoise(x, sigma, rows), pictures)).data())[0];
  const rows = tf.tensor2d(text, [4, 6]);
  const rolled = tf.concat([tf.slice(rows, [1, 0], [3, 6]), tf.slice(rows, [0, 0], [1, 6])], 0);
  // Blind to captions, nothing beats the mean picture, whose error is the variance of the colours.
  const channel = (c: number) => order.map(i => colours[i][c] / 127.5 - 1);
  const variance = [0, 1, 2]
    .map(c => channel(c).reduce((sum, v) => sum + (v - channel(c).reduce((a, b) => a + b) / 4) ** 2 / 4, 0))
    .reduce((sum, v) => sum + v / 3, 0);
  expect(await errorOf(rows)).toBeLessThan(0.35 * variance);
  expect(await errorOf(rolled)).toBeGreaterThan(1.2 * variance);
  expect(await errorOf(null)).toBeGreaterThan(0.5 * variance);
});
