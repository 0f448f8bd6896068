/**
 * @file Models of an energy E, with density exp(-E) up to a constant. JEM (Grathwohl et al. 2020, arXiv:1912.03263)
 * reads a classifier's logits f as a joint density, ln p(x, y) = f_y(x) + constant, so E(x) = -logsumexp f(x), and
 * draws its samples by stochastic gradient Langevin dynamics from a replay buffer. Noise-contrastive estimation
 * (Gutmann and Hyvarinen 2010) learns ln p with its constant by telling data from noise of a known density. Works on
 * tensors of any shape and knows no network.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../../src/core/errors.ts';
import type { Random } from '../../../src/core/random.ts';
import { valueAndGradients } from '../../../src/kernels/autodiff.ts';
import { detached } from '../../../src/kernels/detached.ts';

/**
 * A classifier's energy, E(x) = -logsumexp_k f_k(x).
 * @param logits [..., K]
 * @returns [...], owned by the caller
 */
export function jemEnergy(logits: Tensor): Tensor {
  return tf.tidy(() => {
    const axis = logits.rank - 1;
    // Any constant is right; the largest logit keeps exp in range.
    const top = detached(() => tf.max(logits, axis, true));
    const sum = tf.sum(tf.exp(tf.sub(logits, top)), axis, true);
    return tf.neg(tf.squeeze(tf.add(tf.log(sum), top), [axis]));
  });
}

/**
 * What JEM minimises the mean of: cross-entropy plus the likelihood's contrastive term, (-f_y(x) - E(x)) + E(x) - E(x')
 * = -f_y(x) - E(x') for a data point x of class y and a sample x' of the model; the data's own energy cancels.
 * @param logits [..., K] at data; @param classes [..., K], 1 at each one's class and 0 elsewhere
 * @param sampled [..., K] at as many samples
 * @returns [...], owned by the caller
 * @throws ShapeError if the shapes differ
 */
export function jemTerms(logits: Tensor, classes: Tensor, sampled: Tensor): Tensor {
  expectShape('jemTerms: classes', classes.shape, logits.shape);
  expectShape('jemTerms: sampled', sampled.shape, logits.shape);
  return tf.tidy(() => tf.neg(tf.add(tf.sum(tf.mul(logits, classes), logits.rank - 1), jemEnergy(sampled))));
}

/**
 * What noise-contrastive estimation minimises the mean of, softplus(-u(x)) + softplus(u(n)) with u = ln p - ln q: the
 * logistic loss of telling data x from as much noise n of density q. At its minimum p is the data's density, constant
 * included.
 * @param data u at data; @param noise u at noise, of the same shape
 * @returns of their shape, owned by the caller
 * @throws ShapeError if the shapes differ
 */
export function nceTerms(data: Tensor, noise: Tensor): Tensor {
  expectShape('nceTerms: noise', noise.shape, data.shape);
  return tf.tidy(() => tf.add(tf.softplus(tf.neg(data)), tf.softplus(noise)));
}

/**
 * ln of the normal density with mean 0 and the same deviation along every coordinate.
 * @param x [..., n]; @returns [...], owned by the caller
 */
export function normalLogDensity(x: Tensor, deviation: number): Tensor {
  return tf.tidy(() => {
    const n = x.shape[x.rank - 1];
    const constant = n * (Math.log(deviation) + 0.5 * Math.log(2 * Math.PI));
    return tf.sub(tf.mul(tf.sum(tf.square(x), x.rank - 1), -0.5 / deviation ** 2), constant);
  });
}

/** dE/dx of energies that depend on their own point alone. @returns like x, owned by the caller */
export function energyGradient(energy: (x: Tensor) => Tensor, x: Tensor): Tensor {
  const { loss, gradients } = valueAndGradients(() => ({ loss: tf.sum(energy(x)) }), [x]);
  loss.dispose();
  return gradients[0] ?? tf.zerosLike(x);
}

export interface SgldOptions {
  readonly steps: number;
  /** Factor of the energy's gradient. */
  readonly step: number;
  /** Factor of the normal noise; sqrt(2 step) samples exp(-E) itself as the step goes to 0, less a colder one. */
  readonly noise: number;
  /** Standard normals of x's shape for step i; disposed here. */
  readonly normals: (i: number) => Tensor;
}

/**
 * Stochastic gradient Langevin dynamics (Welling and Teh 2011), x <- x - step dE/dx + noise n. For E = x^2 / (2 s^2)
 * and a = 1 - step / s^2 its stationary distribution is N(0, noise^2 / (1 - a^2)), which is N(0, s^2) but for the
 * step's size.
 * @param x where the chains start, still the caller's
 * @returns like x, owned by the caller
 */
export function sgld(energy: (x: Tensor) => Tensor, x: Tensor, options: SgldOptions): Tensor {
  const { steps, step, noise, normals } = options;
  let at = tf.clone(x);
  for (let i = 0; i < steps; i++) {
    const slope = energyGradient(energy, at);
    const n = normals(i);
    const next = tf.tidy(() => tf.add(tf.sub(at, tf.mul(slope, step)), tf.mul(n, noise)));
    tf.dispose([at, slope, n]);
    at = next;
  }
  return at;
}

/** Where chains go on from step to step (persistent contrastive divergence, Tieleman 2008): rows of numbers. */
export class ReplayBuffer {
  readonly #rows: Float32Array;
  readonly #width: number;
  readonly #fresh: (random: Random) => Float32Array;

  /**
   * @param size rows kept; @param width numbers in each
   * @param fresh where a chain begins
   */
  constructor(size: number, width: number, random: Random, fresh: (random: Random) => Float32Array) {
    this.#rows = new Float32Array(size * width);
    this.#width = width;
    this.#fresh = fresh;
    for (let i = 0; i < size; i++) this.#rows.set(fresh(random), i * width);
  }

  /**
   * Rows to go on from, each begun anew with probability `restart`.
   * @returns [count, width] row-major, and their places for `put`
   */
  take(count: number, restart: number, random: Random): { readonly rows: Float32Array; readonly places: Int32Array } {
    const size = this.#rows.length / this.#width;
    const places = Int32Array.from({ length: count }, () => random.integer(size));
    const rows = new Float32Array(count * this.#width);
    places.forEach((place, i) => {
      const again = random.uniform() < restart;
      const row = again ? this.#fresh(random) : this.#rows.subarray(place * this.#width, (place + 1) * this.#width);
      rows.set(row, i * this.#width);
    });
    return { rows, places };
  }

  /** The first rows as they are, [count, width] row-major; a copy. */
  first(count: number): Float32Array {
    return this.#rows.slice(0, count * this.#width);
  }

  /** Puts rows back to the places that `take` gave. */
  put(rows: Float32Array, places: Int32Array): void {
    places.forEach((place, i) => {
      this.#rows.set(rows.subarray(i * this.#width, (i + 1) * this.#width), place * this.#width);
    });
  }
}
