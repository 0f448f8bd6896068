/**
 * @file The scales of pixels, and every way from one to another: bytes 0 to 255 in files, floats in [0, 1] between parts of
 * the program, floats in [-1, 1] inside networks. A quantizer or a pretrained network with a scale of its own keeps it.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { Images } from './images.ts';

/** Bytes to [0, 1]. */
export function bytesToUnit(bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) values[i] = bytes[i] / 255;
  return values;
}

/** Bytes to [-1, 1]. */
export function bytesToSigned(bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) values[i] = bytes[i] / 127.5 - 1;
  return values;
}

/** [0, 1] to the nearest bytes; values outside are clipped, NaN becomes 0. */
export function unitToBytes(values: Float32Array): Uint8Array {
  // A clamped array rounds halves to even and clips; it does what is wanted but for the scale.
  const bytes = new Uint8ClampedArray(values.length);
  for (let i = 0; i < values.length; i++) bytes[i] = values[i] * 255;
  return new Uint8Array(bytes.buffer);
}

/** [0, 1] to [-1, 1], of the same shape. Inside `tf.tidy`, as any formula. */
export function unitToSigned(x: Tensor): Tensor {
  return tf.sub(tf.mul(x, 2), 1);
}

/** [-1, 1] to [0, 1], of the same shape and not clipped. Inside `tf.tidy`, as any formula. */
export function signedToUnit(x: Tensor): Tensor {
  return tf.add(tf.mul(x, 0.5), 0.5);
}

/** @returns [n, height, width, 3] float32 in [0, 1], owned by the caller */
export function imagesToTensor({ bytes, count, height, width }: Images): Tensor {
  return tf.tensor(bytesToUnit(bytes), [count, height, width, 3]);
}

/** @returns [n, height, width, 3] float32 in [-1, 1], owned by the caller */
export function imagesToSignedTensor({ bytes, count, height, width }: Images): Tensor {
  return tf.tensor(bytesToSigned(bytes), [count, height, width, 3]);
}

/** Reads images from a device. @param x [n, height, width, 3] in [0, 1]; stays the caller's */
export async function tensorToImages(x: Tensor): Promise<Images> {
  const [, height, width] = x.shape;
  return new Images(unitToBytes((await x.data()) as Float32Array), { width, height });
}
