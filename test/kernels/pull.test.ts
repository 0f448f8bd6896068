/** @file Decay towards given weights, against its formula in double precision and with an optimizer's step behind it. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { pullStep } from '../../src/kernels/pull/pull.ts';
import { Parameters } from '../../src/nn/module.ts';
import { Optimizer, type OptimizerConfig } from '../../src/training/optimizer.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../support.ts';
import { expectNoLeak } from './gradients.ts';

function variable(initial: tf.Tensor): tf.Variable {
  const made = tf.variable(initial);
  initial.dispose();
  return made;
}

onEveryBackend('goes its share of the way to the anchor', async () => {
  const shapes = [[1], [3], [17, 5], [65], [2, 3, 4], [100, 400], [0], ...Array.from({ length: 15 }, () => [7])];
  const slots = shapes.map((shape, i) => ({
    value: variable(normal(shape, i + 1)),
    anchor: normal(shape, i + 200),
    share: i % 3 === 0 ? 0 : 0.01 * i,
  }));
  const before = await Promise.all(slots.map(async ({ value }) => (await value.data()).slice()));
  await expectNoLeak(() => pullStep(slots));
  for (const [i, { value, anchor, share }] of slots.entries()) {
    const to = await anchor.data();
    expectAllclose(
      await value.data(),
      before[i].map((w, j) => w + share * (to[j] - w)),
      { absolute: 1e-6 },
    );
    value.dispose();
    anchor.dispose();
  }
});

const config: OptimizerConfig = {
  beta1: 0.9,
  beta2: 0.95,
  weightDecay: 0.3,
  pull: 2,
  clip: 1e9,
  ema: 0.9,
  optimizer: 'muon',
};

/** Parameters of all kinds: Muon's, AdamW's, and a gain, which does not decay. */
function parametersOf(): Parameters {
  const parameters = new Parameters(null);
  const made = [
    parameters.scope('layers', { inner: true }).normal('matrix', [6, 4], 1),
    parameters.normal('head', [5, 4], 1),
    parameters.ones('gain', [4]),
    parameters.normal('free', [3, 4], 1),
  ];
  made.forEach((made, i) => {
    const values = normal(made.shape, i + 1);
    made.assign(values);
    values.dispose();
  });
  return parameters;
}

onEveryBackend('takes the place of the decay in an optimizer, for what decays and has an anchor', async () => {
  const [pulled, plain] = [parametersOf(), parametersOf()];
  const anchors = new Map(
    await Promise.all(
      ['layers.matrix', 'head', 'gain'].map(async (name, i) => {
        const { shape } = pulled.list().find(parameter => parameter.name === name)!.variable;
        const tensor = normal(shape, i + 40);
        const values = (await tensor.data()).slice() as Float32Array;
        tensor.dispose();
        return [name, { shape, values }] as const;
      }),
    ),
  );
  const optimizers = [
    new Optimizer(pulled.list(), config, { anchors }),
    // The same without any decay: what is pulled differs from it by lr pull (w0 - w), what has no anchor by -lr decay w.
    new Optimizer(plain.list(), { ...config, weightDecay: 0, pull: 0 }),
  ];
  const before = await plain.values();
  const lr = 0.01;
  for (const [i, parameters] of [pulled, plain].entries()) {
    const gradients = parameters.list().map(({ variable: { shape } }, j) => normal(shape, j + 70));
    await optimizers[i].step(gradients, lr);
  }
  const [after, reference] = [await pulled.values(), await plain.values()];
  for (const [name, { values: w }] of before) {
    const anchor = anchors.get(name)?.values;
    const expected = reference.get(name)!.values.map((x, i) => {
      if (name === 'gain') return x;
      return anchor === undefined ? x - lr * 0.3 * w[i] : x + lr * 2 * (anchor[i] - w[i]);
    });
    expectAllclose(after.get(name)!.values, expected, { relative: 1e-5, absolute: 2e-6 });
  }
  for (const optimizer of optimizers) optimizer.dispose();
  for (const parameters of [pulled, plain]) parameters.dispose();
});

test('refuses an anchor of another shape', async () => {
  await useNative();
  const slot = { value: variable(normal([3], 1)), anchor: normal([4], 2), share: 0.1 };
  expect(() => pullStep([slot])).toThrow(/expected \[3\], got \[4\]/);
});
