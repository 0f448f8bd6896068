/**
 * @file Denoising as EDM does it (Karras et al. 2022, arXiv:2206.00364): x = y + sigma n with n ~ N(0, 1), and a network F
 * behind scales that keep its input and its target at unit variance for every sigma,
 * D(x; sigma) = c_skip x + c_out F(c_in x, c_noise). D's least squares are denoising score matching (Vincent 2011): the
 * gradient of the noised data's log density is (D(x; sigma) - x) / sigma^2. Knows neither networks nor images: points and
 * pictures share it.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** The scales of Karras et al. 2022, table 1. */
export interface Preconditioning<T extends number | Tensor = number> {
  /** c_skip = s^2 / (sigma^2 + s^2). */
  readonly skip: T;
  /** c_out = sigma s / sqrt(sigma^2 + s^2). */
  readonly out: T;
  /** c_in = 1 / sqrt(sigma^2 + s^2). */
  readonly input: T;
  /** c_noise = ln(sigma) / 4. */
  readonly noise: T;
}

/**
 * @param sigma standard deviation of the noise, > 0; a number, or a tensor of any shape
 * @param sigmaData s, the standard deviation of the data
 * @returns scales like sigma; tensors are owned by the caller
 */
export function precondition(sigma: number, sigmaData?: number): Preconditioning;
export function precondition(sigma: Tensor, sigmaData?: number): Preconditioning<Tensor>;
export function precondition(sigma: number | Tensor, sigmaData = 0.5): Preconditioning | Preconditioning<Tensor> {
  const variance = sigmaData ** 2;
  if (typeof sigma === 'number') {
    const total = sigma ** 2 + variance;
    const input = 1 / Math.sqrt(total);
    return { skip: variance / total, out: sigma * sigmaData * input, input, noise: Math.log(sigma) / 4 };
  }
  return tf.tidy(() => {
    const total = tf.add(tf.square(sigma), variance);
    const input = tf.rsqrt(total);
    const out = tf.mul(tf.mul(sigma, sigmaData), input);
    return { skip: tf.div(variance, total), out, input, noise: tf.mul(tf.log(sigma), 0.25) };
  });
}

/**
 * The weight of ||D(y + sigma n; sigma) - y||^2 in the loss, (sigma^2 + s^2) / (sigma s)^2 = 1 / c_out^2.
 * @returns like sigma; a tensor is owned by the caller
 */
export function lossWeight(sigma: number, sigmaData?: number): number;
export function lossWeight(sigma: Tensor, sigmaData?: number): Tensor;
export function lossWeight(sigma: number | Tensor, sigmaData = 0.5): number | Tensor {
  if (typeof sigma === 'number') return (sigma ** 2 + sigmaData ** 2) / (sigma * sigmaData) ** 2;
  return tf.tidy(() => tf.add(1 / sigmaData ** 2, tf.reciprocal(tf.square(sigma))));
}

/** What F sees and what it should answer, as combinations of the data y and the standard normal noise n. */
export interface Regression {
  /** F's input is input.y y + input.n n. */
  readonly input: { readonly y: number; readonly n: number };
  /** F's target is target.y y + target.n n. */
  readonly target: { readonly y: number; readonly n: number };
  /** What tells F the level of noise. */
  readonly noise: number;
}

/**
 * The weighted loss seen from F: with the weight 1 / c_out^2 it is ||F(input) - target||^2, where
 * target = (y - c_skip x) / c_out = (sigma y / s - s n) / sqrt(sigma^2 + s^2). In this form nothing small is divided by
 * anything small, so float32 serves from sigma 0.002 to 80.
 */
export function edmRegression(sigma: number, sigmaData = 0.5): Regression {
  const { input, noise } = precondition(sigma, sigmaData);
  return {
    input: { y: input, n: input * sigma },
    target: { y: (input * sigma) / sigmaData, n: -input * sigmaData },
    noise,
  };
}

/**
 * Noise levels of the sampler, (max^(1/rho) + i / (steps - 1) (min^(1/rho) - max^(1/rho)))^rho, and 0 (Karras et al. 2022,
 * eq. 5).
 * @returns steps + 1 numbers, falling from max over min to 0
 */
export function karrasSigmas(
  steps: number,
  options: { readonly min?: number; readonly max?: number; readonly rho?: number } = {},
): number[] {
  const { min = 0.002, max = 80, rho = 7 } = options;
  const [first, last] = [max ** (1 / rho), min ** (1 / rho)];
  const sigmas = Array.from({ length: steps }, (_, i) => {
    if (i === 0) return max; // not its root's power, which may differ in the last digit
    return i === steps - 1 ? min : (first + (i / (steps - 1)) * (last - first)) ** rho;
  });
  return [...sigmas, 0];
}

/** Predicts the clean data from noised data. The result is taken over by the sampler. */
export type Denoiser = (x: Tensor, sigma: number) => Tensor | Promise<Tensor>;

/**
 * Heun's method of second order on the probability flow, dx/dsigma = (x - D(x; sigma)) / sigma (Karras et al. 2022,
 * algorithm 1 without churn). Evaluates the denoiser twice a step, and once in the last one.
 * @param noise [...] standard normal, still the caller's
 * @param sigmas as of `karrasSigmas`: falling, ending in 0
 * @param onStep called after each of the sigmas.length - 1 steps; what it throws ends the sampling
 * @returns like noise, owned by the caller
 */
export async function heun(
  denoise: Denoiser,
  noise: Tensor,
  sigmas: readonly number[],
  onStep?: (done: number, total: number) => void,
): Promise<Tensor> {
  const total = sigmas.length - 1;
  let x = tf.tidy(() => tf.mul(noise, sigmas[0]));
  for (let i = 0; i < total; i++) {
    const [sigma, next] = [sigmas[i], sigmas[i + 1]];
    const slope = await slopeAt(denoise, x, sigma);
    let moved = tf.tidy(() => tf.add(x, tf.mul(slope, next - sigma)));
    if (next > 0) {
      const slopeThere = await slopeAt(denoise, moved, next);
      moved.dispose();
      moved = tf.tidy(() => tf.add(x, tf.mul(tf.add(slope, slopeThere), (next - sigma) / 2)));
      slopeThere.dispose();
    }
    slope.dispose();
    x.dispose();
    x = moved;
    reportStep(x, () => onStep?.(i + 1, total));
  }
  return x;
}

/** Says that a step is done; whoever listens may end the sampling by throwing, and the picture so far is freed. */
export function reportStep(x: Tensor, report: () => void): void {
  try {
    report();
  } catch (error) {
    x.dispose();
    throw error;
  }
}

/** (x - D(x; sigma)) / sigma. */
async function slopeAt(denoise: Denoiser, x: Tensor, sigma: number): Promise<Tensor> {
  const denoised = await denoise(x, sigma);
  const slope = tf.tidy(() => tf.div(tf.sub(x, denoised), sigma));
  if (denoised !== x) denoised.dispose();
  return slope;
}

/**
 * The gradient of the log density of data with noise, (D(x; sigma) - x) / sigma^2; exact where D is the best denoiser.
 * @param denoised D(x; sigma), like x; @param sigma a number, or a tensor that x's shape takes
 * @returns like x, owned by the caller
 */
export function score(x: Tensor, denoised: Tensor, sigma: number | Tensor): Tensor {
  return tf.tidy(() => tf.div(tf.sub(denoised, x), typeof sigma === 'number' ? sigma ** 2 : tf.square(sigma)));
}
