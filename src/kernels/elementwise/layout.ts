/** @file What lies where in the arrays of tfjs's own operations, and the formulas of it in the calls of their kernels. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

const { sizeFromShape } = tf.util;

/** Whether the C++ kernels take it: floats, and at least one. */
export function isFloat(x: TensorInfo): boolean {
  return x.dtype === 'float32' && sizeFromShape(x.shape) > 0;
}

/** Types of four bytes an element, which copies need not tell apart. */
export function isWord(x: TensorInfo): boolean {
  return (x.dtype === 'float32' || x.dtype === 'int32') && sizeFromShape(x.shape) > 0;
}

/** How far each axis moves along in memory. */
export function strides(shape: readonly number[]): number[] {
  return shape.map((_, i) => sizeFromShape(shape.slice(i + 1)));
}

/** Elements up to the last one that is reached by steps along so many axes. */
export function reach(axes: number, sizes: string, steps: string): string {
  return ['1', ...Array.from({ length: axes }, (_, i) => `(${sizes}[${i}] - 1) * ${steps}[${i}]`)].join(' + ');
}

/** Elements of so many axes. */
export function product(axes: number, sizes: string): string {
  return Array.from({ length: axes }, (_, i) => `${sizes}[${i}]`).join(' * ');
}
