/** @file Gumbel softmax and divergence from uniform against their definitions, on every backend. */
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { gumbelSoftmax, klToUniform } from '../../src/kernels/categorical/categorical.ts';
import { expectAllclose, finiteDifferences, normal, onEveryBackend } from '../support.ts';

const shapes = [
  [1, 1],
  [3, 17],
  [5, 65],
  [2, 130],
  [2, 1100],
];

onEveryBackend('a relaxed sample is the softmax of logits plus noise, and the noise is standard Gumbel', async () => {
  const [N, K] = [40, 250];
  const y = await gumbelSoftmax(tf.zeros([N, K]), { temperature: 1, seed: 3, stream: 4 }).data();
  // With equal logits, logarithms of ratios within a row are differences of Gumbel variables: standard logistic.
  const differences: number[] = [];
  for (let i = 0; i + 1 < y.length; i += 2) differences.push(Math.log(y[i] / y[i + 1]));
  const n = differences.length;
  differences.sort((a, b) => a - b);
  const distance = Math.max(...differences.map((d, i) => Math.abs((i + 0.5) / n - 1 / (1 + Math.exp(-d)))));
  expect(distance).toBeLessThan(1.95 / Math.sqrt(n)); // Kolmogorov and Smirnov, 0.1% of samples

  for (const shape of shapes) {
    const logits = normal(shape, 5, 2);
    const values = await logits.data();
    const options = { temperature: 0.7, seed: 0xfffffff1, stream: 12 };
    const sample = await gumbelSoftmax(logits, options).data();
    expect(await gumbelSoftmax(logits, options).data()).toEqual(sample);
    // The words of the counter-based generator, by the class that the rest of the program draws from.
    const random = new Random(options.seed, options.stream);
    const noisy = Array.from(values, v => {
      const u = ((random.uint32() >>> 9) + 0.5) / 2 ** 23;
      return Math.exp((v - Math.log(-Math.log(u))) / 0.7);
    });
    const wanted = noisy.map((e, i) => {
      const row = Math.floor(i / shape[1]) * shape[1];
      return e / noisy.slice(row, row + shape[1]).reduce((a, b) => a + b, 0);
    });
    expectAllclose(sample, wanted, { relative: 1e-4, absolute: 1e-7 });
  }
});

onEveryBackend('gradients of relaxed samples are those of finite differences', async () => {
  for (const shape of shapes) {
    const [logits, weights] = [normal(shape, 6), normal(shape, 7)];
    const f = (x: tf.Tensor) => tf.sum(tf.mul(gumbelSoftmax(x, { temperature: 0.9, seed: 1, stream: 2 }), weights));
    const { gradients } = valueAndGradients(() => ({ loss: f(logits) }), [logits]);
    const analytic = await (gradients[0] as tf.Tensor).data();
    const { indices, derivatives } = await finiteDifferences(f, logits, { step: 2e-3 });
    expectAllclose(
      indices.map(i => analytic[i]),
      derivatives,
      { relative: 2e-2, absolute: 1e-3 },
    );
  }
});

onEveryBackend('divergence from uniform: 0, ln K, the sum in between, and its gradient', async () => {
  for (const [N, K] of shapes) {
    const logits = normal([N, K], 8, 3);
    const values = await logits.data();
    const wanted = Array.from({ length: N }, (_, n) => {
      const p = [...values.slice(n * K, n * K + K)].map(Math.exp);
      const sum = p.reduce((a, b) => a + b, 0);
      return p.reduce((kl, e) => kl + (e / sum) * Math.log((e / sum) * K), 0);
    });
    expectAllclose(await klToUniform(logits).data(), wanted, { relative: 1e-4, absolute: 1e-5 });
    const weights = normal([N], 9);
    const f = (x: tf.Tensor) => tf.sum(tf.mul(klToUniform(x), weights));
    const { gradients } = valueAndGradients(() => ({ loss: f(logits) }), [logits]);
    const analytic = await (gradients[0] as tf.Tensor).data();
    const { indices, derivatives } = await finiteDifferences(f, logits, { step: 4e-3 });
    expectAllclose(
      indices.map(i => analytic[i]),
      derivatives,
      { relative: 2e-2, absolute: 2e-3 },
    );
  }
  const sure = tf.tensor(
    Array.from({ length: 50 }, (_, k) => (k === 7 ? 300 : 0)),
    [1, 50],
  );
  expectAllclose(await klToUniform(sure).data(), [Math.log(50)], { absolute: 1e-5 });
  expectAllclose(await klToUniform(tf.fill([2, 50], -4)).data(), [0, 0], { absolute: 1e-5 });
});
