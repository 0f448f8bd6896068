/** @file Energy models against their closed forms: normalising constants, gradients and stationary moments. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import {
  energyGradient,
  jemEnergy,
  jemTerms,
  nceTerms,
  normalLogDensity,
  ReplayBuffer,
  sgld,
} from '../../scripts/studies/stability/energy.ts';
import { Random } from '../../src/core/random.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { expectAllclose, finiteDifferences, normal, onEveryBackend, useNative } from '../support.ts';

describe('JEM', () => {
  test('the energy is minus the logsumexp, also of logits whose exponential is none', async () => {
    await useNative();
    const logits = tf.tensor([
      [0, Math.log(2), Math.log(5)],
      [1000, 1000, -1000],
    ]);
    expectAllclose(await jemEnergy(logits).data(), [-Math.log(8), -(1000 + Math.log(2))]);
  });

  test('its terms are cross-entropy plus the contrastive term', async () => {
    await useNative();
    const [logits, sampled] = [normal([5, 4], 1), normal([5, 4], 2)];
    const labels = [3, 0, 1, 1, 2];
    const classes = tf.tensor(
      labels.flatMap(y => [0, 1, 2, 3].map(k => (k === y ? 1 : 0))),
      [5, 4],
    );
    const [f, g] = [await logits.array(), await sampled.array()] as [number[][], number[][]];
    const lse = (row: number[]) => Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
    const crossEntropy = labels.map((y, i) => -Math.log(Math.exp(f[i][y]) / Math.exp(lse(f[i]))));
    const expected = labels.map((_, i) => crossEntropy[i] + lse(g[i]) - lse(f[i]));
    expectAllclose(await jemTerms(logits, classes, sampled).data(), expected, { absolute: 1e-5 });
  });

  onEveryBackend("the energy's gradient is what differences say", async () => {
    const [hidden, out] = [normal([2, 16], 3), normal([16, 4], 4, 0.5)];
    const energy = (x: tf.Tensor) => jemEnergy(tf.matMul(tf.tanh(tf.matMul(x, hidden)), out));
    const x = normal([6, 2], 5);
    const { indices, derivatives } = await finiteDifferences(at => tf.sum(energy(at)), x);
    const gradient = await energyGradient(energy, x).data();
    expectAllclose(
      indices.map(i => gradient[i]),
      derivatives,
      { relative: 5e-3, absolute: 2e-3 },
    );
  });
});

describe('SGLD', () => {
  /** Mean and variance of many chains after many steps of E = (x - mu)^2 / (2 s^2). */
  async function moments(s: number, step: number, noise: number) {
    const random = new Random(7);
    const [chains, steps, mu] = [10_000, 60, 0.7];
    const end = sgld(x => tf.mul(tf.square(tf.sub(x, mu)), 0.5 / s ** 2), tf.zeros([chains]), {
      steps,
      step,
      noise,
      normals: i => tf.tensor(random.fork('step', i).normals(chains)),
    });
    const values = (await end.data()) as Float32Array;
    const mean = values.reduce((sum, value) => sum + value, 0) / chains;
    return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (chains - 1) };
  }

  test.each([
    { name: 'a small step samples the Gaussian itself', s: 0.5, step: 0.02, noise: 0.2, variance: 0.25 / (1 - 0.04) },
    { name: 'less noise samples a colder one', s: 1, step: 0.5, noise: 0.1, variance: 0.01 / (1 - 0.25) },
  ])('$name, with the moments that its recurrence has', async ({ s, step, noise, variance }) => {
    await useNative();
    const a = 1 - step / s ** 2;
    expect(noise ** 2 / (1 - a * a)).toBeCloseTo(variance, 2);
    const found = await moments(s, step, noise);
    // Five standard errors of each moment of 10,000 independent chains; after 60 steps a^60 < 0.01 of the start is left.
    const exact = noise ** 2 / (1 - a * a);
    expect(Math.abs(found.mean - 0.7 * (1 - a ** 60))).toBeLessThan(5 * Math.sqrt(exact / 10_000));
    expect(Math.abs(found.variance - exact * (1 - a ** 120))).toBeLessThan(5 * exact * Math.sqrt(2 / 10_000));
  });
});

describe('noise-contrastive estimation', () => {
  test('the log density of a normal is the formula', async () => {
    await useNative();
    const density = Math.exp((await normalLogDensity(tf.tensor([[1, -2]]), 1.5).data())[0]);
    const each = (x: number) => Math.exp(-(x * x) / (2 * 2.25)) / (1.5 * Math.sqrt(2 * Math.PI));
    expect(density).toBeCloseTo(each(1) * each(-2), 7);
  });

  test('recovers the normalising constant of N(0, 1) from noise N(0, 4): ln Z = 0.9189', async () => {
    await useNative();
    // Both sides by the midpoint rule: 4,000 points of density p and q, weighted.
    const n = 4000;
    const x = Float32Array.from({ length: n }, (_, i) => -12 + (24 * (i + 0.5)) / n);
    const weights = (deviation: number) =>
      tf.tensor(x.map(v => (Math.exp(-0.5 * (v / deviation) ** 2) / (deviation * Math.sqrt(2 * Math.PI))) * (24 / n)));
    const [p, q] = [weights(1), weights(2)];
    const points = tf.tensor2d(x, [n, 1]);
    const energy = tf.tidy(() => tf.mul(tf.square(tf.squeeze(points, [1])), 0.5));
    const logNoise = normalLogDensity(points, 2);
    const logZ = tf.variable(tf.scalar(0));
    for (let i = 0; i < 80; i++) {
      const { loss, gradients } = valueAndGradients(() => {
        const u = tf.sub(tf.sub(tf.neg(energy), logZ), logNoise);
        // Terms of data and of noise have weights of their own, so each is taken where the other's u is far out.
        const [far, near] = [tf.fill([n], -60), tf.fill([n], 60)];
        const ofData = tf.sum(tf.mul(nceTerms(u, far), p));
        const ofNoise = tf.sum(tf.mul(nceTerms(near, u), q));
        return { loss: tf.add(ofData, ofNoise) };
      }, [logZ]);
      const gradient = gradients[0] as tf.Tensor;
      logZ.assign(tf.tidy(() => tf.sub(logZ, tf.mul(gradient, 4)) as tf.Scalar));
      tf.dispose([loss, gradient]);
    }
    expect((await logZ.data())[0]).toBeCloseTo(0.5 * Math.log(2 * Math.PI), 3);
    expect(0.5 * Math.log(2 * Math.PI)).toBeCloseTo(0.9189, 4);
  });
});

describe('the replay buffer', () => {
  test('gives back what was put, and begins chains anew as often as it is told', () => {
    let begun = 0;
    const buffer = new ReplayBuffer(50, 2, new Random(1), () => Float32Array.of(++begun, -begun));
    expect(begun).toBe(50);
    const kept = buffer.take(20, 0, new Random(2));
    expect(begun).toBe(50);
    expect([...kept.rows]).toEqual([...kept.places].flatMap(place => [place + 1, -(place + 1)]));
    buffer.put(
      kept.rows.map(() => 99),
      kept.places,
    );
    expect([...buffer.first(50)].filter(value => value === 99).length).toBe(2 * new Set(kept.places).size);
    const again = buffer.take(400, 0, new Random(3));
    const changed = new Set(kept.places);
    again.places.forEach((place, i) => {
      expect(again.rows[2 * i]).toBe(changed.has(place) ? 99 : place + 1);
    });
    buffer.take(1000, 0.3, new Random(4));
    expect(begun - 50).toBeGreaterThan(230);
    expect(begun - 50).toBeLessThan(370);
  });
});
