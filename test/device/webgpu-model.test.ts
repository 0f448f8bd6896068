/**
 * @file A training step of the whole model on WebGPU: loss and every gradient as on the CPU, without ever waiting for the
 * GPU: this backend cannot in Node.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import type { ModelConfig } from '../../src/families/transformer/config.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { Optimizer } from '../../src/training/optimizer.ts';
import { batchOf, configs, randomModel } from '../families/transformer/tiny-model.ts';
import { expectAllclose, noWebgpu } from '../support.ts';

const plainBackend = registerAddon() === undefined ? 'native' : 'cpu';

interface Step {
  readonly loss: Float32Array;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** One forward and backward pass on the active backend. */
async function stepOf(config: ModelConfig): Promise<Step> {
  const model = randomModel(config);
  const batch = batchOf([3, 5, 0, 4], config, { dropped: [0, 0, 0, 1] });
  const parameters = model.parameters.list();
  const { loss, gradients } = valueAndGradients(
    () => ({ loss: model.loss(batch, { random: new Random(3) }).loss }),
    parameters.map(({ variable }) => variable as tf.Tensor),
  );
  const read = async (x: tf.Tensor | null) => Float32Array.from(await (x as tf.Tensor).data());
  const found = new Map<string, Float32Array>();
  for (const [i, { name }] of parameters.entries()) found.set(name, await read(gradients[i]));
  const result = { loss: await read(loss), gradients: found };
  tf.dispose([loss, ...gradients] as tf.Tensor[]);
  model.dispose();
  return result;
}

/** Losses of training on four batches in turn, on the active backend. */
async function trainedLosses(steps: number): Promise<number[]> {
  const config = { ...configs.modern, layers: 1 };
  const model = randomModel(config);
  const parameters = model.parameters.list();
  const optimizer = new Optimizer(parameters, { beta1: 0.9, beta2: 0.95, weightDecay: 0.05, clip: 1, ema: 0.99 });
  const batches = [1, 2, 3, 4].map(seed => batchOf([3, 5, 0, 4], config, { seed }));
  const losses: tf.Tensor[] = [];
  for (let step = 0; step < steps; step++) {
    const { loss, gradients } = valueAndGradients(
      () => ({ loss: model.loss(batches[step % 4], { random: new Random(step) }).loss }),
      parameters.map(({ variable }) => variable as tf.Tensor),
    );
    losses.push(loss);
    await optimizer.step(gradients, 1e-3);
  }
  const values = await tf.stack(losses).data();
  tf.dispose(losses);
  optimizer.dispose();
  model.dispose();
  return Array.from(values);
}

const peak = (values: Float32Array) => values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);

const cases: readonly (readonly [name: string, config: ModelConfig])[] = [
  ['the default choices', configs.modern],
  ['coarse codes first', configs.interlaced],
  ["the paper's choices", configs.dalle],
].flatMap(([name, config]) => [
  [`${name}`, config as ModelConfig] as const,
  [`${name}, with dropout`, { ...(config as ModelConfig), dropout: 0.2 }] as const,
]);

describe(noWebgpu === undefined ? 'a training step on webgpu' : `(skipped: ${noWebgpu})`, () => {
  for (const [name, config] of cases) {
    test.skipIf(noWebgpu !== undefined)(`${name}: as on ${plainBackend}`, async () => {
      await selectBackend(plainBackend, { precision: 'fp32' });
      const expected = await stepOf(config);
      await selectBackend('webgpu', { precision: 'fp32' });
      const before = tf.memory().numTensors;
      const found = await stepOf(config);
      expect(tf.memory().numTensors).toBe(before);
      expectAllclose(found.loss, expected.loss, { relative: 1e-5 });
      for (const [parameter, wanted] of expected.gradients) {
        const got = found.gradients.get(parameter) as Float32Array;
        if (peak(wanted) === 0) throw new Error(`${parameter} has a zero gradient: the test would prove nothing`);
        expectAllclose(got, wanted, { relative: 1e-4, absolute: 1e-5 * peak(wanted) });
      }
    });
  }

  test.skipIf(noWebgpu !== undefined)(`the loss follows that on ${plainBackend} over 200 steps`, async () => {
    await selectBackend(plainBackend, { precision: 'fp32' });
    const expected = await trainedLosses(200);
    await selectBackend('webgpu', { precision: 'fp32' });
    const found = await trainedLosses(200);
    // Roundings differ, and training makes differences grow.
    expectAllclose(found.slice(0, 20), expected.slice(0, 20), { relative: 1e-4 });
    expectAllclose(found, expected, { relative: 2e-2 });
    expect(expected[199]).toBeLessThan(0.7 * expected[0]);
  });

  test.skipIf(noWebgpu !== undefined)('the same bits twice', async () => {
    await selectBackend('webgpu', { precision: 'fp32' });
    const config = { ...configs.modern, dropout: 0.2 };
    const [first, again] = [await stepOf(config), await stepOf(config)];
    expect(again).toEqual(first);
  });
});
