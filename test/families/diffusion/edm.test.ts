/** @file EDM's scales, its sampler and its score against published numbers and mixtures of Gaussians in closed form. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import {
  type Denoiser,
  edmRegression,
  heun,
  karrasSigmas,
  lossWeight,
  precondition,
  score,
} from '../../../src/families/diffusion/edm.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../../support.ts';

describe('the scales', () => {
  test('have the values of the paper', () => {
    const half = precondition(0.5);
    expectAllclose([half.skip, half.out, half.input, half.noise], [0.5, 0.353553, Math.SQRT2, -0.173287], {
      relative: 2e-6,
    });
    expect(lossWeight(0.5)).toBeCloseTo(8, 10);
    expectAllclose([precondition(0.002).out, lossWeight(0.002)], [0.00199998, 250004], { relative: 3e-6 });
    const high = precondition(80);
    expectAllclose([high.skip, high.noise], [3.9061e-5, 1.09551], { relative: 2e-5, absolute: 0 });
  });

  onEveryBackend('are the same for tensors', async () => {
    const sigmas = [0.002, 0.1, 0.5, 3, 80];
    const scales = precondition(tf.tensor(sigmas), 0.7);
    for (const name of ['skip', 'out', 'input', 'noise'] as const) {
      expectAllclose(
        await scales[name].data(),
        sigmas.map(sigma => precondition(sigma, 0.7)[name]),
      );
    }
    expectAllclose(
      await lossWeight(tf.tensor(sigmas), 0.7).data(),
      sigmas.map(sigma => lossWeight(sigma, 0.7)),
    );
  });

  test("make the network's task the weighted denoising loss, at unit variance", () => {
    for (const sigma of [0.002, 0.3, 1, 80]) {
      const { skip, out, input } = precondition(sigma);
      const regression = edmRegression(sigma);
      const [y, n, F] = [0.37, -1.2, 0.81];
      const x = y + sigma * n;
      expect(regression.input.y * y + regression.input.n * n).toBeCloseTo(input * x, 10);
      const target = regression.target.y * y + regression.target.n * n;
      const denoised = skip * x + out * F;
      expectAllclose([(F - target) ** 2], [lossWeight(sigma) * (denoised - y) ** 2], { relative: 1e-6 });
      // Data of standard deviation 0.5: input and target have variance 1, so F = 0 costs 1.
      for (const { y: a, n: b } of [regression.input, regression.target]) expect(a * a * 0.25 + b * b).toBeCloseTo(1);
    }
  });
});

test("the sampler's noise levels are those of the paper", () => {
  const sigmas = karrasSigmas(18);
  expect(sigmas).toHaveLength(19);
  expectAllclose(sigmas.slice(0, 4), [80, 57.58598472, 40.7855738, 28.3745846], { relative: 1e-8 });
  expectAllclose(sigmas.slice(-3), [0.00752802, 0.002, 0], { relative: 1e-6 });
  expect(karrasSigmas(1)).toEqual([80, 0]);
});

/** A mixture of isotropic Gaussians in two dimensions. */
const weights = [0.5, 0.3, 0.2];
const centres = [
  [-1, 0.5],
  [1.5, 1],
  [0.5, -1.5],
];
const tau = 0.2;

/** The best denoiser, E[y | x], and the score of the noised mixture, by their formulas in doubles. */
function mixture(x: ArrayLike<number>, sigma: number) {
  const variance = tau ** 2 + sigma ** 2;
  const denoised: number[] = [];
  const gradient: number[] = [];
  for (let i = 0; i < x.length; i += 2) {
    const logs = centres.map(
      ([a, b], k) => Math.log(weights[k]) - ((x[i] - a) ** 2 + (x[i + 1] - b) ** 2) / (2 * variance),
    );
    const most = Math.max(...logs);
    const shares = logs.map(l => Math.exp(l - most));
    const sum = shares.reduce((a, b) => a + b);
    for (const j of [0, 1]) {
      const mean = centres.reduce((total, centre, k) => total + (shares[k] / sum) * centre[j], 0);
      denoised.push((tau ** 2 * x[i + j] + sigma ** 2 * mean) / variance);
      gradient.push((mean - x[i + j]) / variance);
    }
  }
  return { denoised, gradient };
}

const exact: Denoiser = async (x, sigma) => tf.tensor(mixture(await x.data(), sigma).denoised, x.shape);

describe('on a mixture of Gaussians', () => {
  test('the score of the best denoiser is the gradient of the log density', async () => {
    await useNative();
    for (const sigma of [0.05, 0.5, 2, 20]) {
      const x = tf.mul(normal([40, 2], 3), 1 + sigma);
      const { denoised, gradient } = mixture(await x.data(), sigma);
      const byNumber = await score(x, tf.tensor(denoised, [40, 2]), sigma).data();
      const byTensor = await score(x, tf.tensor(denoised, [40, 2]), tf.fill([40, 1], sigma)).data();
      expectAllclose(byNumber, gradient, { relative: 1e-4, absolute: 1e-4 });
      expectAllclose(byTensor, byNumber);
    }
  });

  test('samples have its weights, means and spread', async () => {
    await useNative();
    const N = 4000;
    const points = await (await heun(exact, normal([N, 2], 8), karrasSigmas(48))).data();
    const groups = centres.map(() => ({ n: 0, sum: [0, 0], squares: 0 }));
    for (let i = 0; i < N; i++) {
      const distances = centres.map(([a, b]) => (points[2 * i] - a) ** 2 + (points[2 * i + 1] - b) ** 2);
      const nearest = distances.indexOf(Math.min(...distances));
      const group = groups[nearest];
      group.n++;
      group.sum[0] += points[2 * i];
      group.sum[1] += points[2 * i + 1];
      group.squares += distances[nearest];
    }
    groups.forEach(({ n, sum, squares }, k) => {
      // Four standard errors, and the discretisation's share.
      expectAllclose([n / N], [weights[k]], { relative: 0, absolute: 4 * Math.sqrt(0.25 / N) + 0.005 });
      expectAllclose([sum[0] / n, sum[1] / n], centres[k], { relative: 0, absolute: (4 * tau) / Math.sqrt(n) + 0.005 });
      expectAllclose([Math.sqrt(squares / n / 2)], [tau], { relative: 0.06 });
    });
  });
});

test('on Gaussian data Heun scales the noise as the flow does, with an error of second order', async () => {
  await useNative();
  // D*(x) = x tau^2 / (tau^2 + sigma^2) makes x proportional to sqrt(tau^2 + sigma^2) along the flow.
  const noise = normal([50, 3, 3, 2], 2);
  const denoise: Denoiser = (x, sigma) => tf.mul(x, 0.49 / (0.49 + sigma ** 2));
  const exactScale = (80 * 0.7) / Math.sqrt(0.49 + 80 ** 2);
  const scaleOf = async (steps: number) => {
    const samples = await (await heun(denoise, noise, karrasSigmas(steps))).data();
    const scale = samples[7] / (await noise.data())[7];
    expectAllclose(samples, await tf.mul(noise, scale).data(), { relative: 1e-4 });
    return scale;
  };
  const errors = [await scaleOf(10), await scaleOf(20), await scaleOf(40)].map(scale => Math.abs(scale - exactScale));
  expect(errors[2]).toBeLessThan(0.01);
  for (const ratio of [errors[0] / errors[1], errors[1] / errors[2]]) {
    expect(ratio).toBeGreaterThan(3);
    expect(ratio).toBeLessThan(6);
  }
});

test('sampling evaluates 2 N - 1 times, reports every step and leaves nothing behind', async () => {
  await useNative();
  const noise = normal([4, 2], 1);
  const before = tf.memory().numTensors;
  let evaluations = 0;
  const steps: number[] = [];
  const denoise: Denoiser = x => {
    evaluations++;
    return tf.mul(x, 0.5);
  };
  const samples = await heun(denoise, noise, karrasSigmas(18), (done, total) => steps.push(done / total));
  expect(evaluations).toBe(35);
  expect(steps).toHaveLength(18);
  expect(steps.at(-1)).toBe(1);
  samples.dispose();
  expect(tf.memory().numTensors).toBe(before);
  const same = await heun(x => x, noise, karrasSigmas(3)); // a denoiser may hand back what it was given
  expectAllclose(await same.data(), await tf.mul(noise, 80).data());
});
