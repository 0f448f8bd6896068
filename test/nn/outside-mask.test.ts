/**
 * @file A mask pattern from outside: defined in this file alone, it is trained with, painted with and taken out again. It
 * has five kinds of tables, so that no place in the program may count on the three of DALL·E's.
 */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/schema.ts';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { type ModelConfig, modelSchema } from '../../src/families/transformer/config.ts';
import { Dalle } from '../../src/families/transformer/dalle.ts';
import { createDecoder } from '../../src/families/transformer/decoder.ts';
import { generate, imagesOfSeed } from '../../src/families/transformer/generate.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { column, conv, defineMask, type MaskRule, overImage, removeMask, row } from '../../src/nn/masks.ts';
import { Optimizer } from '../../src/training/optimizer.ts';
import { plainPatterns, plainRun } from '../families/transformer/plain-dalle.ts';
import { batchOf, randomModel, randomWeights, vocabulary } from '../families/transformer/tiny-model.ts';
import { expectAllclose, onEveryBackend } from '../support.ts';

/** Every second code before it. */
const dilated: MaskRule = overImage((query, key) => (query - key) % 2 === 0);
/** Blocks of two rows: the own one and nothing before it. */
const block: MaskRule = overImage(
  (query, key, { grid }) => Math.floor(query / (2 * grid)) === Math.floor(key / (2 * grid)),
);
const woven = [dilated, block, row, column, conv];

const words = vocabulary;
const size = { captionLength: 5, width: 16, layers: 5, heads: 2, convKernel: 3, dropout: 0 };
const parse = (): ModelConfig => modelSchema.parse({ ...size, attention: 'woven' });

beforeAll(() => {
  expect(() => parseConfig(modelSchema, { ...size, attention: 'woven' }, 'config')).toThrow(
    'config: attention: expected one of full or dalle, got "woven"',
  );
  defineMask({ name: 'woven', ruleOf: layer => woven[layer] });
  // The same once more for the plain model, in rows and columns.
  plainPatterns.set('woven', (config, grid, layer, { query, key }) => {
    const [down, across] = [Math.floor(query / grid) - Math.floor(key / grid), (query % grid) - (key % grid)];
    if (layer === 1) return Math.abs(down * grid + across) % 2 === 0;
    if (layer === 2) return down === 0 || (down === 1 && Math.floor(query / grid) % 2 === 1);
    if (layer === 3) return query - key <= grid;
    if (layer === 4) return across === 0;
    return (plainPatterns.get('dalle') as NonNullable<ReturnType<typeof plainPatterns.get>>)(config, grid, 5, {
      query,
      key,
    });
  });
});

afterAll(() => {
  removeMask('woven');
  plainPatterns.delete('woven');
  expect(() => parse()).toThrow();
  expect(() => new Dalle({ ...modelSchema.parse(size), attention: 'woven' }, words)).toThrow(
    /model.attention: expected one of full, dalle, got woven/,
  );
});

const scalar = async (x: tf.Tensor) => (await x.data())[0];

/** Logits of every code of every row, without a cache: [rows, N, codes]. */
async function wholeLogits(model: Dalle, captions: Int32Array, codes: Int32Array): Promise<Float32Array> {
  const rows = codes.length / model.codes;
  const inputs = [
    tf.tensor2d(captions, [rows, captions.length / rows], 'int32'),
    tf.tensor2d(codes, [rows, model.codes], 'int32'),
  ];
  const logits = model.logits(inputs[0], inputs[1]);
  const values = Float32Array.from(await logits.data());
  tf.dispose([inputs, logits]);
  return values;
}

describe('a pattern of five tables from outside', () => {
  onEveryBackend('equals the plain model: losses, gradients, logits', async backend => {
    const config = parse();
    const batch = batchOf([3, 5, 0], config, { words });
    await selectBackend('cpu');
    const probe = new Dalle(config, words);
    const plain = await plainRun(randomWeights(probe, 1), config, words, batch, config.zLoss);
    probe.dispose();
    await selectBackend(backend as 'cpu', { precision: 'fp32' });
    const model = randomModel(config, 1, words);
    const parameters = model.parameters.list();
    const { loss, gradients } = valueAndGradients(
      () => ({ loss: model.loss(batch, { random: new Random(1) }).loss }),
      parameters.map(({ variable }) => variable as tf.Tensor),
    );
    expectAllclose([await scalar(loss)], [plain.loss], { relative: 5e-6 });
    for (const [i, { name }] of parameters.entries()) {
      const wanted = plain.gradients.get(name) as Float32Array;
      const peak = wanted.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      expectAllclose(await (gradients[i] as tf.Tensor).data(), wanted, { relative: 1e-4, absolute: 2e-5 * peak });
    }
    expectAllclose(await wholeLogits(model, batch.captions, batch.codes), plain.imageLogits, {
      ...{ relative: 1e-4, absolute: 2e-5 },
    });
    tf.dispose([loss, gradients as tf.Tensor[]]);
    model.dispose();
  });

  onEveryBackend('trains, and paints with a cache what it would paint without', async () => {
    const config = parse();
    const model = new Dalle(config, words, new Random(3));
    const batch = batchOf([3, 5, 4, 2], config, { words });
    const parameters = model.parameters.list();
    const optimizer = new Optimizer(parameters, { beta1: 0.9, beta2: 0.95, weightDecay: 0, clip: 1, ema: 0 });
    const losses: number[] = [];
    for (let step = 0; step < 8; step++) {
      const { loss, gradients } = valueAndGradients(
        () => ({ loss: model.loss(batch, { random: new Random(step) }).loss }),
        parameters.map(({ variable }) => variable as tf.Tensor),
      );
      losses.push(await scalar(loss));
      loss.dispose();
      await optimizer.step(gradients, 0.05);
    }
    optimizer.dispose();
    expect(losses[7]).toBeLessThan(losses[0] - 0.3);

    // One position after the other, in the order of the whole sequence.
    const N = model.codes;
    const K = words.image;
    const whole = await wholeLogits(model, batch.captions, batch.codes);
    const decoder = createDecoder(model, 4);
    let logits = decoder.start(batch.captions, new Int32Array(0));
    for (let place = 0; place < N; place++) {
      const expected = Float32Array.from(
        { length: 4 * K },
        (_, i) => whole[(Math.floor(i / K) * N + place) * K + (i % K)],
      );
      expectAllclose(await logits.data(), expected, { relative: 1e-4, absolute: 5e-5 });
      logits.dispose();
      if (place + 1 < N) logits = decoder.next(Int32Array.from({ length: 4 }, (_, i) => batch.codes[i * N + place]));
    }
    decoder.dispose();

    // A greedy painting is its own answer: every code is the likeliest after those before it.
    const captions = [batch.captions.subarray(0, 5), batch.captions.subarray(5, 10)];
    let painted: Int32Array = new Int32Array(0);
    for await (const { codes } of generate(model, { captions, images: imagesOfSeed(2), temperature: 0 }))
      painted = codes;
    const answers = await wholeLogits(model, batch.captions.slice(0, 10), painted);
    for (let i = 0; i < 2 * N; i++) {
      const row = answers.subarray(i * K, (i + 1) * K);
      expect(painted[i]).toBe(row.indexOf(Math.max(...row)));
    }
    model.dispose();
  });

  test('a model that is disposed leaves nothing on the backend', async () => {
    await selectBackend('cpu');
    const before = tf.memory().numTensors;
    const model = randomModel(parse(), 1, words);
    const batch = batchOf([3], parse(), { words });
    await wholeLogits(model, batch.captions, batch.codes);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
