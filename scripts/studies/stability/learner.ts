/** @file What the study asks of every family: a step of training in all lanes, and samples from each. */
import type * as tf from '@tensorflow/tfjs-core';
import type { Lanes } from './lanes.ts';

export interface Learner {
  /** One step of every lane. @param step from 0, which all draws of the step depend on */
  train(step: number): void | Promise<void>;
  /** @returns [R, count, 2], owned by the caller */
  sample(count: number): tf.Tensor | Promise<tf.Tensor>;
  dispose(): void;
}

export interface LearnerOptions {
  readonly lanes: Lanes;
  /** Points a step, of each lane. */
  readonly batch: number;
  /** Units of every hidden layer. */
  readonly width: number;
}
