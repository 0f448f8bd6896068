/** @file The patch tokenizer: shapes, determinism, losses against plain loops, overfitting, saving and loading. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type PatchConfig,
  type PatchTrainConfig,
  patchSchema,
  patchTrainSchema,
  quantizers,
} from '../../src/config/patch.ts';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { adamwStep, squaredNorm } from '../../src/kernels/adamw/adamw.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { autoencoderFlops } from '../../tokenizer/autoencoder.ts';
import { PatchTokenizer } from '../../tokenizer/patch.ts';
import { measureQuality, QualityMeter } from '../../tokenizer/quality.ts';
import { expectAllclose, normal } from '../support.ts';

beforeAll(async () => {
  await selectBackend('auto', { precision: 'fp32', threads: 1, warn: () => {} });
});

const tiny = (changes: Partial<PatchConfig> = {}): PatchConfig =>
  patchSchema.parse({ grid: 4, codebookSize: 64, width: 16, maxWidth: 32, stem: 2, ...changes });

const make = (changes: Partial<PatchConfig> = {}, imageSize = 16, seed = 1) =>
  new PatchTokenizer(tiny(changes), imageSize, new Random(seed));

/** Drawings: a disc and a bar of random colours on white. */
function drawings(count: number, size: number, seed: number): tf.Tensor {
  const random = new Random(seed);
  const values = new Float32Array(count * size * size * 3).fill(1);
  for (let n = 0; n < count; n++) {
    const [x0, y0, radius] = [
      0.3 + 0.4 * random.uniform(),
      0.3 + 0.4 * random.uniform(),
      0.15 + 0.2 * random.uniform(),
    ];
    const [disc, bar] = [0, 1].map(() => [random.uniform(), random.uniform(), random.uniform()]);
    const row = random.integer(size - 3);
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const inside = Math.hypot((x + 0.5) / size - x0, (y + 0.5) / size - y0) < radius;
        const colour = inside ? disc : y >= row && y < row + 3 ? bar : undefined;
        if (colour !== undefined) values.set(colour, ((n * size + y) * size + x) * 3);
      }
    }
  }
  return tf.tensor(values, [count, size, size, 3]);
}

/** Tiles of 4x4 pixels, each of one of eight colours. */
function mosaics(count: number, size: number, seed: number): tf.Tensor {
  const random = new Random(seed);
  const palette = Array.from({ length: 8 }, () => [random.uniform(), random.uniform(), random.uniform()]);
  const side = size / 4;
  const tiles = Array.from({ length: count * side * side }, () => palette[random.integer(8)]);
  const values = Array.from({ length: count * size * size }, (_, i) => {
    const [n, y, x] = [Math.floor(i / size ** 2), Math.floor(i / size) % size, i % size];
    return tiles[(n * side + (y >> 2)) * side + (x >> 2)];
  });
  return tf.tensor(values.flat(), [count, size, size, 3]);
}

/** Adam with a cosine schedule. */
async function train(
  tokenizer: PatchTokenizer,
  images: tf.Tensor,
  options: { readonly steps: number; readonly lr: number; readonly config: PatchTrainConfig },
): Promise<void> {
  const { steps, lr, config } = options;
  const variables = tokenizer.parameters.list().map(({ variable }) => variable);
  const moments = variables.map(v => [tf.variable(tf.zerosLike(v)), tf.variable(tf.zerosLike(v))]);
  await tokenizer.beforeTraining(images, new Random(5));
  for (let step = 1; step <= steps; step++) {
    const moment = { progress: (step - 1) / steps, random: new Random(6).fork('step', step), config };
    const rate = lr * (0.5 + 0.5 * Math.cos((Math.PI * step) / (steps + 1)));
    const { loss, aux, gradients } = valueAndGradients(() => {
      const { loss, observed } = tokenizer.loss(images, moment);
      return { loss, aux: observed };
    }, variables);
    const slots = variables.flatMap((value, i) => {
      const gradient = gradients[i];
      return gradient === null ? [] : [{ value, gradient, m: moments[i][0], v: moments[i][1], weightDecay: 0 }];
    });
    const clipScale = Math.min(1, 1 / Math.sqrt(await squaredNorm(slots.map(slot => slot.gradient))));
    adamwStep(slots, { lr: rate, beta1: 0.9, beta2: 0.99, eps: 1e-8, step, clipScale });
    await tokenizer.afterStep(aux, moment);
    tf.dispose([loss, ...aux, ...gradients.filter(g => g !== null)]);
  }
  tf.dispose(moments);
}

describe('encode and decode', () => {
  test.each(
    quantizers.flatMap(quantizer => [
      { quantizer, imageSize: 16, stem: 2 },
      { quantizer, imageSize: 32, stem: 2 },
      { quantizer, imageSize: 32, stem: 8 },
    ]),
  )(
    '$quantizer, $imageSize pixels, stem $stem: shapes, ranges, determinism',
    async ({ quantizer, imageSize, stem }) => {
      const tokenizer = make({ quantizer, stem }, imageSize);
      const images = drawings(3, imageSize, 2);
      const codes = tokenizer.encode(images);
      expect([codes.shape, codes.dtype]).toEqual([[3, 16], 'int32']);
      const ids = await codes.data();
      expect(Math.min(...ids)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...ids)).toBeLessThan(tokenizer.vocabSize);
      const decoded = tokenizer.decode(codes);
      expect(decoded.shape).toEqual([3, imageSize, imageSize, 3]);
      const values = await decoded.data();
      expect(values.every(v => v >= 0 && v <= 1)).toBe(true);
      // The same seed gives the same network, and an image's codes do not depend on its batch.
      const again = make({ quantizer, stem }, imageSize);
      const second = tf.slice(images, [1, 0, 0, 0], [1, -1, -1, -1]);
      expect(await again.encode(second).data()).toEqual(ids.slice(16, 32));
      expectAllclose(
        await again.decode(tf.slice(codes, [1, 0], [1, 16])).data(),
        values.slice(values.length / 3, (2 * values.length) / 3),
        { absolute: 1e-5 },
      );
    },
  );

  test('many images are passed through in parts, and nothing is left behind', async () => {
    const tokenizer = make(
      { grid: 2, stem: 8, width: 4, maxWidth: 4, blocks: 1, codeBlocks: 1 },
      64 /* 128 images a part */,
    );
    const images = normal([131, 64, 64, 3], 3, 0.3);
    const before = tf.memory().numTensors;
    const codes = tokenizer.encode(images);
    const decoded = tokenizer.decode(codes);
    expect(tf.memory().numTensors).toBe(before + 2);
    const last = tf.slice(images, [128, 0, 0, 0], [3, -1, -1, -1]);
    expect(await codes.data().then(ids => ids.slice(128 * 4))).toEqual(await tokenizer.encode(last).data());
    expect(decoded.shape).toEqual([131, 64, 64, 3]);
  });

  test('images and codes of another size are refused', () => {
    const tokenizer = make();
    expect(() => tokenizer.encode(tf.zeros([1, 32, 32, 3]))).toThrow('expected [B, 16, 16, 3], got [1, 32, 32, 3]');
    expect(() => tokenizer.decode(tf.zeros([1, 15], 'int32'))).toThrow('expected [B, 16], got [1, 15]');
  });
});

describe('loss', () => {
  test.each(quantizers)('%s: reaches every parameter, and only the draws passed in matter', async quantizer => {
    const tokenizer = make({ quantizer });
    const images = drawings(2, 16, 4);
    const parameters = tokenizer.parameters.list();
    const config = patchTrainSchema.parse({ temperature: 0.5 });
    const run = (seed: number) =>
      valueAndGradients(
        () => ({ loss: tokenizer.loss(images, { progress: 0.5, random: new Random(seed), config }).loss }),
        parameters.map(({ variable }) => variable),
      );
    const { loss, gradients } = run(1);
    for (let i = 0; i < parameters.length; i++) {
      const gradient = gradients[i];
      if (gradient === null) throw new Error(`no gradient for ${parameters[i].name}`);
      expect((await gradient.data()).every(Number.isFinite), parameters[i].name).toBe(true);
    }
    const value = (await loss.data())[0];
    expect((await run(1).loss.data())[0]).toBe(value);
    if (quantizer === 'dvae') expect((await run(2).loss.data())[0]).not.toBe(value);
  });

  test('what training sees with hard codes is what decoding gives', async () => {
    const tokenizer = make({ quantizer: 'fsq' });
    const images = drawings(2, 16, 5);
    const moment = { progress: 0, random: new Random(1), config: patchTrainSchema.parse({ l1: 0, edges: 0, l2: 1 }) };
    const { loss } = tokenizer.loss(images, moment);
    const decoded = tokenizer.decode(tokenizer.encode(images));
    const clipped = (await tf.mean(tf.squaredDifference(decoded, images)).data())[0];
    // Clipping to [0, 1] can only bring pixels nearer.
    expect(clipped).toBeLessThanOrEqual((await loss.data())[0] + 1e-6);
    expect(clipped).toBeGreaterThan(0.1 * (await loss.data())[0]);
  });
});

test.each(['fsq', 'vq'] as const)('%s: a tiny tokenizer learns four drawings by heart', async quantizer => {
  const tokenizer = make({ quantizer, codebookSize: 128, blocks: 1, codeBlocks: 1 });
  const images = drawings(4, 16, 11);
  expect((await measureQuality(tokenizer, [images])).psnr).toBeLessThan(20);
  await train(tokenizer, images, { steps: 250, lr: 1e-2, config: patchTrainSchema.parse({ reviveAfter: 20 }) });
  expect((await measureQuality(tokenizer, [images])).psnr).toBeGreaterThan(30);
});

test('dvae: a tiny tokenizer learns four mosaics by heart, and uses as many codes as there are tiles', async () => {
  const tokenizer = make({ quantizer: 'dvae', codebookSize: 64, stem: 4, blocks: 1, codeBlocks: 1 });
  const images = mosaics(4, 16, 11);
  const config = patchTrainSchema.parse({ klWeight: 0, temperatureSteps: 0.7, temperature: 0.1 });
  expect((await measureQuality(tokenizer, [images])).psnr).toBeLessThan(20);
  await train(tokenizer, images, { steps: 150, lr: 1e-2, config });
  const { psnr, usage } = await measureQuality(tokenizer, [images]);
  expect(psnr).toBeGreaterThan(30);
  expect(usage * 64).toBeGreaterThanOrEqual(8);
});

test('saved parameters and state give the same tokenizer', async () => {
  const tokenizer = make({ quantizer: 'vq' });
  const images = drawings(3, 16, 12);
  const config = patchTrainSchema.parse({ reviveAfter: 3 });
  await train(tokenizer, images, { steps: 5, lr: 1e-3, config });
  const restored = make({ quantizer: 'vq' }, 16, 99);
  restored.parameters.load(await tokenizer.parameters.values(), 'test');
  restored.loadState(tokenizer.state(), 'test');
  expect(restored.state()).toEqual(tokenizer.state());
  const codes = tokenizer.encode(images);
  expect(await restored.encode(images).data()).toEqual(await codes.data());
  expect(await restored.decode(codes).data()).toEqual(await tokenizer.decode(codes).data());
});

describe('quality', () => {
  test('decibels, usage and perplexity of known errors and counts', async () => {
    const meter = new QualityMeter(8);
    const images = tf.fill([2, 4, 4, 3], 0.5);
    const off = tf.concat([tf.fill([1, 4, 4, 3], 0.6), tf.fill([1, 4, 4, 3], 0.51)], 0);
    await meter.add(tf.tensor([0, 1, 2, 3], [2, 2], 'int32'), off, images);
    await meter.add(tf.tensor([0, 1, 2, 3], [2, 2], 'int32'), off, images);
    const { psnr, usage, perplexity, counts, images: count } = meter.quality();
    // 20 dB for an error of a tenth, 40 dB for a hundredth.
    expect(psnr).toBeCloseTo(30, 3);
    expect(usage).toBe(0.5);
    expect(counts).toEqual([2, 2, 2, 2, 0, 0, 0, 0]);
    expect(perplexity).toBeCloseTo(4, 10);
    expect(count).toBe(4);
  });
});

test('counted operations are two for each weight at each position it is used at', () => {
  const tokenizer = make({ blocks: 2, codeBlocks: 1 }, 32); // stages of 16, 8 and 4 positions a side
  const sides: Readonly<Record<string, number>> = {
    'encoder.input': 16,
    'encoder.stages.0.blocks': 16,
    'encoder.stages.0.down': 8,
    'encoder.stages.1.blocks': 8,
    'encoder.stages.1.down': 4,
    'encoder.stages.2.blocks': 4,
    'encoder.output': 4,
    'decoder.input': 4,
    'decoder.stages.0.blocks': 4,
    'decoder.stages.0.up': 4,
    'decoder.stages.1.blocks': 8,
    'decoder.stages.1.up': 8,
    'decoder.stages.2.blocks': 16,
    'decoder.output': 16,
  };
  let total = 0;
  for (const { name, variable } of tokenizer.parameters.list()) {
    if (!name.endsWith('weight')) continue;
    const prefix = Object.keys(sides).find(key => name.startsWith(key));
    if (prefix === undefined) throw new Error(name);
    total += 2 * sides[prefix] ** 2 * variable.size;
  }
  const { encode, decode } = autoencoderFlops(tokenizer.config, { imageSize: 32, codeChannels: 4, channels: 3 });
  expect(encode + decode).toBe(total);
});
