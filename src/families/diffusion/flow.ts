/**
 * @file Rectified flow (Liu et al. 2022, arXiv:2209.03003): z_t = (1 - t) y + t n goes from data to noise in a straight
 * line, a network learns its velocity v = E[n - y | z_t], and dz/dt = v is followed from t = 1 back to 0. Training times
 * are logit-normal (Esser et al. 2024, arXiv:2403.03206). Knows neither networks nor images.
 *
 * It is EDM's family of noised data in other coordinates: z_t = (1 - t) x with sigma = t / (1 - t).
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Regression, reportStep } from './edm.ts';

/** The time at which the noise is sigma times the data, sigma / (1 + sigma). */
export function timeOf(sigma: number): number {
  return sigma / (1 + sigma);
}

/** A training time for a standard normal draw: its sigmoid. */
export function logitNormal(draw: number): number {
  return 1 / (1 + Math.exp(-draw));
}

/** What the network sees at time t and what it should answer, n - y. */
export function flowRegression(t: number): Regression {
  return { input: { y: 1 - t, n: t }, target: { y: -1, n: 1 }, noise: t };
}

/** Times of the sampler: steps + 1 numbers, falling evenly from 1 to 0. */
export function flowTimes(steps: number): number[] {
  return Array.from({ length: steps + 1 }, (_, i) => 1 - i / steps);
}

/** Predicts n - y at a time. The result is taken over by the sampler. */
export type Velocity = (z: Tensor, t: number) => Tensor | Promise<Tensor>;

/**
 * Follows the flow from noise to data.
 * @param noise [...] standard normal, still the caller's
 * @param times as of `flowTimes`: from 1 down to 0
 * @param options.method `euler`: one evaluation a step; `heun` (default): two, and one in the last step
 * @param options.onStep called after each of the times.length - 1 steps; what it throws ends the sampling
 * @returns like noise, owned by the caller
 */
export async function followFlow(
  velocity: Velocity,
  noise: Tensor,
  times: readonly number[],
  options: {
    readonly method?: 'euler' | 'heun';
    readonly onStep?: (done: number, total: number) => void;
  } = {},
): Promise<Tensor> {
  const { method = 'heun', onStep } = options;
  const total = times.length - 1;
  let z = tf.clone(noise);
  for (let i = 0; i < total; i++) {
    const [t, next] = [times[i], times[i + 1]];
    const v = await velocity(z, t);
    let moved = tf.tidy(() => tf.add(z, tf.mul(v, next - t)));
    if (method === 'heun' && i < total - 1) {
      const there = await velocity(moved, next);
      moved.dispose();
      moved = tf.tidy(() => tf.add(z, tf.mul(tf.add(v, there), (next - t) / 2)));
      there.dispose();
    }
    v.dispose();
    z.dispose();
    z = moved;
    reportStep(z, () => onStep?.(i + 1, total));
  }
  return z;
}
