/**
 * @file Many small trainings at once: a lane is one run, with a learning rate and a seed of its own, and all lanes of a
 * family are one batch. Everything has the lane as its first axis, and nothing crosses that axis, so a run is the same
 * alone and among others. Runs that share a seed share first weights, data and noise, and differ by their rate alone.
 */
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../../src/core/random.ts';

export interface Lane {
  readonly lr: number;
  readonly seed: number;
}

export class Lanes {
  readonly all: readonly Lane[];
  /** [R, 1, 1] */
  readonly rates: tf.Tensor;
  readonly #seeds: readonly number[];

  constructor(all: readonly Lane[]) {
    this.all = all;
    this.#seeds = [...new Set(all.map(({ seed }) => seed))];
    this.rates = tf.tensor(
      all.map(({ lr }) => lr),
      [all.length, 1, 1],
    );
  }

  /** Every rate with every seed, the rates in the outer loop. */
  static grid(rates: readonly number[], seeds: readonly number[]): Lanes {
    return new Lanes(rates.flatMap(lr => seeds.map(seed => ({ lr, seed }))));
  }

  get count(): number {
    return this.all.length;
  }

  /**
   * One block of numbers a lane; lanes of one seed get the same.
   * @param make the block of a seed, from a generator that only this label and index have
   * @returns [R, ...shape], owned by the caller
   */
  draw(label: string, index: number, shape: readonly number[], make: (random: Random) => Float32Array): tf.Tensor {
    const size = tf.util.sizeFromShape([...shape]);
    const blocks = new Map(this.#seeds.map(seed => [seed, make(new Random(seed).fork(label, index))]));
    const values = new Float32Array(this.count * size);
    this.all.forEach(({ seed }, r) => {
      values.set(blocks.get(seed) ?? [], r * size);
    });
    return tf.tensor(values, [this.count, ...shape]);
  }

  /** Standard normals, [R, ...shape]. */
  normals(label: string, index: number, shape: readonly number[]): tf.Tensor {
    const size = tf.util.sizeFromShape([...shape]);
    return this.draw(label, index, shape, random => random.normals(size));
  }

  dispose(): void {
    this.rates.dispose();
  }
}
