/** @file Images as bytes and as what networks take. */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Bytes [n, S, S, 3] as float32 in [0, 1], owned by the caller. */
export function imagesToTensor(bytes: Uint8Array, size: number): Tensor {
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) values[i] = bytes[i] / 255;
  return tf.tensor(values, [bytes.length / (size * size * 3), size, size, 3]);
}

/** Bytes [n, S, S, 3] as float32 in [-1, 1], owned by the caller. */
export function imagesToSignedTensor(bytes: Uint8Array, size: number): Tensor {
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) values[i] = bytes[i] / 127.5 - 1;
  return tf.tensor(values, [bytes.length / (size * size * 3), size, size, 3]);
}
