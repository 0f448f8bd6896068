/**
 * @file The activations that products end with: their names, and what they and their slopes are in plain operations.
 * WGSL: activation/webgpu.ts; C++: native/gemm_vector.h.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { oneOf } from '../device/native/calls.ts';

export const activations = ['none', 'gelu', 'silu', 'relu', 'lrelu'] as const;
export type Activation = (typeof activations)[number];

/** An activation among a native call's numbers. */
export const activationNumber = oneOf('Activation', activations);

/** Slope of lrelu below zero, as kLeak in native/gemm_vector.h. */
export const LEAK = 0.2;

export const GELU_SCALE = Math.sqrt(2 / Math.PI);
export const GELU_CUBIC = 0.044715;

/** The activation as plain operations; gelu is the tanh form (Hendrycks and Gimpel 2016, arXiv:1606.08415). */
export function activateReference(x: Tensor, activation: Activation): Tensor {
  switch (activation) {
    case 'none':
      return x;
    case 'relu':
      return tf.relu(x);
    case 'lrelu': // tfjs cannot differentiate its own leakyRelu twice
      return tf.add(tf.mul(x, LEAK), tf.mul(tf.relu(x), 1 - LEAK));
    case 'silu':
      return tf.mul(x, tf.sigmoid(x));
    case 'gelu': {
      const u = tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), GELU_CUBIC)), GELU_SCALE);
      return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(u), 1));
    }
    default:
      activation satisfies never;
      return x;
  }
}

/** The derivative of the activation at the pre-activation x, as plain operations. */
export function activationSlopeReference(x: Tensor, activation: Activation): Tensor {
  switch (activation) {
    case 'none':
      return tf.onesLike(x);
    case 'relu':
      return tf.step(x);
    case 'lrelu':
      return tf.add(tf.mul(tf.step(x), 1 - LEAK), LEAK);
    case 'silu': {
      const s = tf.sigmoid(x);
      return tf.mul(s, tf.add(tf.mul(x, tf.sub(1, s)), 1));
    }
    case 'gelu': {
      const square = tf.square(x);
      const t = tf.tanh(tf.mul(tf.add(x, tf.mul(tf.mul(square, x), GELU_CUBIC)), GELU_SCALE));
      const slope = tf.mul(tf.add(tf.mul(square, 3 * GELU_CUBIC), 1), GELU_SCALE); // du/dx
      const half = tf.mul(tf.mul(x, tf.sub(1, tf.square(t))), slope);
      return tf.mul(tf.add(tf.add(half, t), 1), 0.5);
    }
    default:
      activation satisfies never;
      return x;
  }
}
