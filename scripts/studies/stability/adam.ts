/**
 * @file Adam (Kingma and Ba 2014, arXiv:1412.6980) for lanes with a learning rate each. What is stored is the weights
 * divided by the lane's rate: an update by the true weights' gradient then has step length 1 in every lane, so that one
 * call of the fused kernel serves them all, and the rate comes in where the weights are read. Also the moving average
 * and the look-ahead of the prediction method (Yadav et al. 2018, arXiv:1705.07364).
 */
import * as tf from '@tensorflow/tfjs-core';
import { adamwStep } from '../../../src/kernels/adamw/adamw.ts';
import type { Lanes } from './lanes.ts';

export interface AdamOptions {
  readonly beta1: number;
  readonly beta2: number;
  /** Decay of the weights' moving average; 0 keeps none. */
  readonly ema?: number;
  /** Whether `ahead` will be asked for. */
  readonly predict?: boolean;
}

const EPSILON = 1e-8;

interface Slot {
  /** Weights over rate. */
  readonly value: tf.Variable;
  readonly m: tf.Variable;
  readonly v: tf.Variable;
  readonly ema: tf.Variable | undefined;
}

export class LaneAdam {
  readonly #rates: tf.Tensor;
  readonly #options: AdamOptions;
  readonly #slots: readonly Slot[];
  #weights: tf.Tensor[];
  #ahead: tf.Tensor[] | undefined;
  #taken = 0;

  /** @param weights [R, ...] of every lane; taken over */
  constructor(lanes: Lanes, weights: tf.Tensor[], options: AdamOptions) {
    this.#rates = lanes.rates;
    this.#options = options;
    this.#weights = weights;
    this.#slots = weights.map(weight => {
      const value = tf.tidy(() => tf.variable(tf.div(weight, lanes.rates)));
      const zeros = () => tf.tidy(() => tf.variable(tf.zerosLike(weight)));
      const ema = (options.ema ?? 0) > 0 ? tf.tidy(() => tf.variable(tf.clone(value as tf.Tensor))) : undefined;
      return { value, m: zeros(), v: zeros(), ema };
    });
  }

  /** The weights as they are now, until the next update; still the optimizer's. */
  get weights(): readonly tf.Tensor[] {
    return this.#weights;
  }

  /**
   * The weights if the last update were to repeat itself, weights + (weights - weights before); until the next update.
   */
  get ahead(): readonly tf.Tensor[] {
    return this.#ahead ?? this.#weights;
  }

  /** One update of every lane. @param gradients by the weights, in their order; disposed */
  step(gradients: readonly (tf.Tensor | null)[]): void {
    this.#taken++;
    const { beta1, beta2, ema = 0, predict = false } = this.#options;
    // Early averages would otherwise remember the random start.
    const emaDecay = Math.min(ema, (1 + this.#taken) / (10 + this.#taken));
    const slots = this.#slots.flatMap((slot, i) => {
      const gradient = gradients[i];
      return gradient === null ? [] : [{ ...slot, gradient, weightDecay: 0 }];
    });
    adamwStep(slots, { lr: 1, beta1, beta2, eps: EPSILON, step: this.#taken, emaDecay });
    tf.dispose(gradients.filter(gradient => gradient !== null));
    const before = this.#weights;
    this.#weights = this.#slots.map(({ value }) => tf.tidy(() => tf.mul(value as tf.Tensor, this.#rates)));
    if (predict) {
      tf.dispose(this.#ahead ?? []);
      this.#ahead = this.#weights.map((now, i) => tf.tidy(() => tf.sub(tf.mul(now, 2), before[i])));
    }
    tf.dispose(before);
  }

  /** The averaged weights, or the weights where no average is kept; the caller owns them. */
  average(): tf.Tensor[] {
    return this.#slots.map(({ value, ema }) => tf.tidy(() => tf.mul((ema ?? value) as tf.Tensor, this.#rates)));
  }

  dispose(): void {
    tf.dispose([...this.#weights, ...(this.#ahead ?? [])]);
    for (const { value, m, v, ema } of this.#slots) tf.dispose([value, m, v, ...(ema === undefined ? [] : [ema])]);
  }
}
