/**
 * @file Small dense networks, one for each lane: weights [R, in, out] and biases [R, 1, out], in a flat list
 * W1, b1, W2, b2, ... The slopes of a leaky ReLU can be had as constants, from which the gradient by the input is
 * written out: its own gradient by the weights is then exact without a second derivative of anything.
 */
import * as tf from '@tensorflow/tfjs-core';
import { silu } from '../../../src/kernels/activation/activation.ts';
import '../../../src/kernels/elementwise/elementwise.ts';
import '../../../src/kernels/matmul/matmul.ts';
import type { Random } from '../../../src/core/random.ts';
import { detached } from '../../../src/kernels/detached.ts';
import type { Lanes } from './lanes.ts';

export type Bend = 'tanh' | 'lrelu' | 'silu';

export interface MlpSpec {
  /** Units of the input, of each hidden layer and of the output. */
  readonly sizes: readonly number[];
  readonly bend: Bend;
  /** orthogonal: as the prediction method's toy, with its biases of 0.1; he: N(0, 2 / in) and no biases. */
  readonly start: 'orthogonal' | 'he';
}

/** Slope of the leaky ReLU below 0. */
const LEAK = 0.2;

/** First weights of every lane; the caller owns them. */
export function firstWeights(lanes: Lanes, { sizes, start }: MlpSpec, label: string): tf.Tensor[] {
  return sizes.slice(1).flatMap((to, i) => {
    const from = sizes[i];
    const weight = lanes.draw(`weights/${label}`, i, [from, to], random =>
      start === 'he' ? random.normals(from * to, Math.sqrt(2 / from)) : orthogonal(random, from, to),
    );
    return [weight, tf.fill([lanes.count, 1, to], start === 'he' ? 0 : 0.1)];
  });
}

/** @param x [R, B, in]; @returns [R, B, out] */
export function forward(weights: readonly tf.Tensor[], x: tf.Tensor, bend: Bend): tf.Tensor {
  return passed(weights, x, bend).y;
}

/** As `forward`, with the leaky ReLUs' slopes as constants, [R, B, units] for each hidden layer. */
export function forwardWithSlopes(weights: readonly tf.Tensor[], x: tf.Tensor) {
  return passed(weights, x, 'lrelu');
}

function passed(weights: readonly tf.Tensor[], x: tf.Tensor, bend: Bend) {
  const slopes: tf.Tensor[] = [];
  let y = x;
  for (let i = 0; i < weights.length; i += 2) {
    y = tf.add(tf.matMul(y, weights[i]), weights[i + 1]); // [R, B, units]
    if (i + 2 === weights.length) continue;
    if (bend === 'tanh') y = tf.tanh(y);
    else if (bend === 'silu') y = silu(y);
    else {
      const pre = y;
      const slope = detached(() => leakySlope(pre));
      slopes.push(slope);
      y = tf.mul(pre, slope);
    }
  }
  return { y, slopes };
}

/** 1 above 0 and LEAK below, in three passes of operations that are native (a comparison is not). */
function leakySlope(x: tf.Tensor): tf.Tensor {
  return tf.tidy(() => tf.minimum(tf.maximum(tf.mul(x, 1e30), LEAK), 1));
}

/**
 * The gradient of a leaky network's single output by its input, as a function of the weights: its own gradient by them
 * is exact, for the slopes do not depend on them but at the kinks.
 * @param slopes of `forwardWithSlopes` at the points in question
 * @returns [R, B, in]
 */
export function inputGradient(weights: readonly tf.Tensor[], slopes: readonly tf.Tensor[]): tf.Tensor {
  const last = weights.length / 2 - 1;
  let up = tf.transpose(weights[2 * last], [0, 2, 1]); // [R, 1, units]
  for (let i = last - 1; i >= 0; i--) {
    up = tf.matMul(tf.mul(up, slopes[i]), weights[2 * i], false, true); // [R, B, units]
  }
  return up;
}

/** Orthonormal rows or columns, whichever are fewer, by Gram and Schmidt over normals. Row-major [rows, columns]. */
export function orthogonal(random: Random, rows: number, columns: number): Float32Array {
  const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
  const vectors: Float64Array[] = [];
  while (vectors.length < count) {
    const v = Float64Array.from({ length }, () => random.normal());
    // Twice is enough (Giraud et al. 2005).
    for (const known of [...vectors, ...vectors]) {
      const share = dot(v, known);
      for (let k = 0; k < length; k++) v[k] -= share * known[k];
    }
    const norm = Math.sqrt(dot(v, v));
    vectors.push(v.map(value => value / norm));
  }
  return Float32Array.from({ length: rows * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns];
    return rows <= columns ? vectors[row][column] : vectors[column][row];
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, k) => sum + value * b[k], 0);
}
