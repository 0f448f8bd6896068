/** @file The U-Net: its gradients against differences, its counts against what it runs, what it is told and what not. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { diffusionSchema } from '../../../src/families/diffusion/config.ts';
import { UNet } from '../../../src/families/diffusion/unet.ts';
import { valueAndGradients } from '../../../src/kernels/autodiff.ts';
import { Parameters } from '../../../src/nn/module.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../../support.ts';
import { tinyConfig, tinyDiffusion, tinyShape } from './tiny-diffusion.ts';

const images = () => tf.mul(normal([3, 8, 8, 3], 1), 0.5);
const texts = () => normal([3, 6], 2);

onEveryBackend(
  'gradients of the loss equal differences, for every parameter (on slow backends, for every fourth)',
  async backend => {
    for (const precond of backend === 'native' ? (['edm', 'flow'] as const) : (['edm'] as const)) {
      const model = tinyDiffusion({ precond }, { random: true });
      const parameters = model.parameters.list();
      const first = (t: tf.Tensor) =>
        tf.slice(
          t,
          t.shape.map(() => 0),
          [2, ...t.shape.slice(1)],
        );
      const [x, text] = [first(images()), first(texts())];
      const [noise, keep] = [normal(x.shape, 3), tf.tensor2d([1, 0], [2, 1])];
      const levels = precond === 'edm' ? [0.2, 3] : [0.2, 0.8];
      const loss = () => tf.mean(model.losses(x, noise, levels, { text, keep }));
      const lossNow = async () => {
        const y = tf.tidy(loss);
        const [value] = await y.data();
        y.dispose();
        return value;
      };
      const { loss: value, gradients } = valueAndGradients(
        () => ({ loss: loss() }),
        parameters.map(({ variable }) => variable as tf.Tensor),
      );
      value.dispose();
      for (let i = 0; i < parameters.length; i++) {
        const { name, variable } = parameters[i];
        const gradient = gradients[i];
        if (gradient === null || gradient === undefined) throw new Error(`no gradient for ${name}`);
        const g = Float64Array.from(await gradient.data());
        const length = Math.hypot(...g);
        expect(length, name).toBeGreaterThan(1e-6);
        if (backend !== 'native' && i % 4 !== 0) continue;
        // Half along the gradient, where the slope is steep, and half along what knows nothing of it.
        const random = new Random(5).fork(name).normals(g.length, 1 / Math.sqrt(g.length));
        const direction = g.map((v, j) => v / length + random[j]);
        const slope = direction.reduce((sum, d, j) => sum + d * g[j], 0);
        const step = Math.min(0.02, 0.05 / length);
        const original = (await variable.data()).slice() as Float32Array;
        const put = (values: Float32Array) => tf.tidy(() => variable.assign(tf.tensor(values, variable.shape)));
        const at = async (delta: number) => {
          put(Float32Array.from(original, (v, j) => v + delta * direction[j]));
          return lossNow();
        };
        const measured = ((await at(step)) - (await at(-step))) / (2 * step);
        put(original.slice());
        expect(Math.abs(measured - slope), `${precond} ${name}`).toBeLessThan(0.02 * length + 2e-4);
        gradient.dispose();
      }
      model.dispose();
    }
  },
);

test('counts the operations of the products that run', async () => {
  await useNative();
  const config = diffusionSchema.parse({ width: 32, multipliers: [1, 2, 3], blocks: 2, attention: [8, 4], stem: 2 });
  const network = new UNet(new Parameters(new Random(1)), config, { imageSize: 32, textDim: 10 });
  const [x, text] = [normal([1, 32, 32, 3], 1), normal([1, 10], 2)];
  const { kernels } = await tf.profile(() => network.apply(x, [0.1], text));
  let flops = 0;
  for (const { name, inputShapes, outputShapes } of kernels) {
    const [first, weight] = inputShapes as number[][];
    const outputs = tf.util.sizeFromShape(outputShapes[0]);
    if (name.startsWith('Conv2d')) flops += 2 * outputs * weight[1] * weight[2] * weight[3];
    else if (name.startsWith('Linear')) flops += 2 * outputs * weight[1];
    else if (name === 'Attention') flops += 4 * first[1] * first[2] * first[2] * first[3];
  }
  expect(kernels.filter(({ name }) => name === 'Attention')).toHaveLength(8);
  expect(network.flops).toBe(flops);
});

test('sees captions, their absence and the noise level, each image its own', async () => {
  await useNative();
  const config = { ...tinyConfig };
  const parameters = new Parameters(new Random(1));
  const network = new UNet(parameters, config, tinyShape);
  for (const { name, variable } of parameters.list()) {
    variable.assign(tf.tensor(new Random(3).fork(name).normals(variable.size, 0.3), variable.shape));
  }
  const [x, text] = [images(), texts()];
  const row = (t: tf.Tensor, i: number) => tf.slice(t, [i, ...t.shape.slice(1).map(() => 0)], [1, ...t.shape.slice(1)]);
  const together = network.apply(x, [-1, 0.3, 1], text);
  for (const i of [0, 1, 2]) {
    const alone = network.apply(row(x, i), [[-1, 0.3, 1][i]], row(text, i));
    expectAllclose(await row(together, i).data(), await alone.data());
  }
  const difference = async (a: tf.Tensor, b: tf.Tensor) => (await tf.max(tf.abs(tf.sub(a, b))).data())[0];
  const rolled = tf.concat([tf.slice(text, [1, 0], [2, 6]), tf.slice(text, [0, 0], [1, 6])], 0);
  expect(await difference(together, network.apply(x, [-1, 0.3, 1], rolled))).toBeGreaterThan(0.01);
  expect(await difference(together, network.apply(x, [-1, 0.5, 1], text))).toBeGreaterThan(0.01);
  // A caption that is left out is the same as none.
  const dropped = network.apply(x, [0.2], text, { keep: tf.tensor2d([0, 1, 0], [3, 1]) });
  const none = network.apply(x, [0.2], null);
  const all = network.apply(x, [0.2], text);
  for (const i of [0, 1, 2]) {
    expectAllclose(await row(dropped, i).data(), await row(i === 1 ? all : none, i).data());
  }
});

test('leaves no tensors behind', async () => {
  await useNative();
  const network = new UNet(new Parameters(new Random(1)), tinyConfig, tinyShape);
  const [x, text] = [images(), texts()];
  const before = tf.memory().numTensors;
  network.apply(x, [0.1], text).dispose();
  network.apply(x, [0.1], null).dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('names sizes that do not fit', () => {
  const build = (more: object, imageSize: number) => () =>
    new UNet(new Parameters(new Random(1)), { ...tinyConfig, ...more }, { imageSize, textDim: 6 });
  expect(build({}, 10)).toThrow(/multiple of 4 pixels, got 10/);
  expect(build({ width: 12 }, 8)).toThrow(/multiples of 8, got 12/);
});
