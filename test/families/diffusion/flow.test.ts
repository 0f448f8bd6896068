/** @file Rectified flow on Gaussian data, where the velocity and the path have closed forms. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import {
  flowRegression,
  flowTimes,
  followFlow,
  logitNormal,
  timeOf,
  type Velocity,
} from '../../../src/families/diffusion/flow.ts';
import { expectAllclose, normal, useNative } from '../../support.ts';

const [mean, deviation] = [0.8, 0.3];

/** E[n - y | z_t = z] for y ~ N(mean, deviation^2): linear regression of a jointly Gaussian pair. */
function slope(t: number): { readonly gain: number; readonly offset: number } {
  const variance = (1 - t) ** 2 * deviation ** 2 + t ** 2;
  const gain = (t - (1 - t) * deviation ** 2) / variance;
  return { gain, offset: -mean - gain * (1 - t) * mean };
}

const exact: Velocity = (z, t) => {
  const { gain, offset } = slope(t);
  return tf.tidy(() => tf.add(tf.mul(z, gain), offset));
};

test('the regression of the target on the input is the velocity', () => {
  const random = new Random(4);
  for (const t of [0.1, 0.5, 0.9]) {
    const { input, target, noise } = flowRegression(t);
    expect(noise).toBe(t);
    let [zz, zv, z1, v1] = [0, 0, 0, 0];
    const N = 40000;
    for (let i = 0; i < N; i++) {
      const y = mean + deviation * random.normal();
      const n = random.normal();
      const z = input.y * y + input.n * n;
      const v = target.y * y + target.n * n;
      [zz, zv, z1, v1] = [zz + z * z, zv + z * v, z1 + z, v1 + v];
    }
    const gain = (zv / N - (z1 / N) * (v1 / N)) / (zz / N - (z1 / N) ** 2);
    expectAllclose([gain, v1 / N - (gain * z1) / N], Object.values(slope(t)), { relative: 0.02, absolute: 0.02 });
  }
});

test('following the exact velocity scales and shifts noise to the data', async () => {
  await useNative();
  const noise = normal([300, 2], 6);
  const wanted = await tf.add(tf.mul(noise, deviation), mean).data();
  const distance = async (steps: number, method: 'euler' | 'heun') => {
    const samples = await followFlow(exact, noise, flowTimes(steps), { method });
    const [worst] = await tf.max(tf.abs(tf.sub(samples, tf.tensor(wanted, [300, 2])))).data();
    return worst;
  };
  const [euler, eulerFine] = [await distance(40, 'euler'), await distance(80, 'euler')];
  const [heun, heunFine] = [await distance(40, 'heun'), await distance(80, 'heun')];
  expect(heunFine).toBeLessThan(2e-3);
  expect(heun).toBeLessThan(euler);
  expect(euler / eulerFine).toBeGreaterThan(1.7);
  expect(heun / heunFine).toBeGreaterThan(3);
});

test('a step of Euler costs one evaluation, one of Heun two but the last, and nothing is left behind', async () => {
  await useNative();
  const noise = normal([4, 2], 1);
  const before = tf.memory().numTensors;
  for (const [method, expected] of [
    ['euler', 10],
    ['heun', 19],
  ] as const) {
    const seen: number[] = [];
    const steps: number[] = [];
    const velocity: Velocity = (z, t) => {
      seen.push(t);
      return exact(z, t);
    };
    const onStep = (done: number) => steps.push(done);
    const samples = await followFlow(velocity, noise, flowTimes(10), { method, onStep });
    samples.dispose();
    expect(seen).toHaveLength(expected);
    expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(Math.min(...seen)).toBeGreaterThan(0);
  }
  expect(tf.memory().numTensors).toBe(before);
});

test('times of training are logit-normal, and sigma is noise over data', () => {
  expect(logitNormal(0)).toBe(0.5);
  expectAllclose([logitNormal(1.3)], [Math.exp(1.3) / (1 + Math.exp(1.3))]);
  const { input } = flowRegression(timeOf(2.5));
  expectAllclose([input.n / input.y], [2.5]);
});
