/**
 * @file Smooth changes of an image's grid by the separable filter [1, 3, 3, 1]: doubling, where a new pixel is 3/4 of
 * the nearest old one and 1/4 of the next nearest along each axis, and halving, a quarter of its adjoint. Beyond the
 * border the outermost pixel goes on, so that both keep constant images. C++: native/resample.cc.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, ShapeError } from '../../core/errors.ts';
import { nativeCall, reads, writes } from '../../device/native/calls.ts';
import { defineBuiltInKernel, run } from '../registry.ts';
import { smoothDoubleWebgpu, smoothFoldWebgpu } from './webgpu.ts';

/** B, H, W and C are those of the smaller image. */
const smoothNumbers = { B: 'size', H: 'size', W: 'size', C: 'size', scale: 'float' } as const;

const smoothDoubleCall = nativeCall({
  kernel: 'smoothDouble',
  buffers: { x: reads('B * H * W * C'), y: writes('4 * B * H * W * C') },
  numbers: smoothNumbers,
});

const smoothFoldCall = nativeCall({
  kernel: 'smoothFold',
  buffers: { x: reads('4 * B * H * W * C'), y: writes('B * H * W * C') },
  numbers: smoothNumbers,
});

/** All but the last, behind `first`. */
function later(first: Tensor, x: Tensor): Tensor {
  const [N, L, D] = x.shape;
  return L === 1 ? first : tf.concat([first, tf.slice(x, [0, 0, 0], [N, L - 1, D])], 1);
}

/** All but the first, before `last`. */
function sooner(x: Tensor, last: Tensor): Tensor {
  const [N, L, D] = x.shape;
  return L === 1 ? last : tf.concat([tf.slice(x, [0, 1, 0], [N, L - 1, D]), last], 1);
}

/** Entry i along the middle axis of [N, L, D]. */
function entry(x: Tensor, i: number): Tensor {
  return tf.slice(x, [0, i, 0], [x.shape[0], 1, x.shape[2] as number]);
}

function mix(near: Tensor, far: Tensor): Tensor {
  return tf.add(tf.mul(near, 0.75), tf.mul(far, 0.25));
}

/** Doubles the middle axis of [N, L, D]. */
function double(x: Tensor): Tensor {
  const [N, L, D] = x.shape;
  const even = mix(x, later(entry(x, 0), x));
  const odd = mix(x, sooner(x, entry(x, L - 1)));
  return tf.reshape(tf.concat([even, odd], 2), [N, 2 * L, D]);
}

/** The adjoint of `double`. */
function fold(y: Tensor): Tensor {
  const [N, twice, D] = y.shape;
  const L = twice / 2;
  const pairs = tf.reshape(y, [N, L, 2 * D]);
  const [even, odd] = [tf.slice(pairs, [0, 0, 0], [N, L, D]), tf.slice(pairs, [0, 0, D], [N, L, D])];
  return mix(tf.add(even, odd), tf.add(later(entry(even, 0), odd), sooner(even, entry(odd, L - 1))));
}

defineBuiltInKernel({
  name: 'SmoothDouble',
  reference: ({ x }, { scale }) => {
    const [B, H, W, C] = x.shape;
    const lines = tf.reshape(double(tf.reshape(x, [B, H, W * C])), [2 * B * H, W, C]);
    return [tf.reshape(tf.mul(double(lines), scale as number), [B, 2 * H, 2 * W, C])];
  },
  native: ({ x }, { scale }, backend) => {
    const [B, H, W, C] = x.shape;
    const y = backend.output([B, 2 * H, 2 * W, C]);
    backend.call(smoothDoubleCall, { x, y }, { B, H, W, C, scale: scale as number });
    return [y];
  },
  webgpu: smoothDoubleWebgpu,
  gradient: {
    saveInputs: [],
    run: ([dy], _, attributes) => ({ x: () => run('SmoothFold', { x: dy as Tensor }, attributes)[0] }),
  },
});

defineBuiltInKernel({
  name: 'SmoothFold',
  reference: ({ x }, { scale }) => {
    const [B, H2, W2, C] = x.shape;
    const [H, W] = [H2 / 2, W2 / 2];
    const lines = tf.reshape(fold(tf.reshape(x, [B, H2, W2 * C])), [B * H, W2, C]);
    return [tf.reshape(tf.mul(fold(lines), scale as number), [B, H, W, C])];
  },
  native: ({ x }, { scale }, backend) => {
    const [B, H2, W2, C] = x.shape;
    const [H, W] = [H2 / 2, W2 / 2];
    const y = backend.output([B, H, W, C]);
    backend.call(smoothFoldCall, { x, y }, { B, H, W, C, scale: scale as number });
    return [y];
  },
  webgpu: smoothFoldWebgpu,
  gradient: {
    saveInputs: [],
    run: ([dy], _, attributes) => ({ x: () => run('SmoothDouble', { x: dy as Tensor }, attributes)[0] }),
  },
});

/**
 * Doubles an image smoothly.
 * @param x [B, H, W, C] float32
 * @returns [B, 2H, 2W, C], owned by the caller
 */
export function doubleSmoothly(x: Tensor): Tensor {
  expectShape('doubleSmoothly: x', x.shape, ['B', 'H', 'W', 'C']);
  return run('SmoothDouble', { x }, { scale: 1 })[0];
}

/**
 * Halves an image smoothly.
 * @param x [B, H, W, C] float32, H and W even
 * @returns [B, H/2, W/2, C], owned by the caller
 * @throws ShapeError if H or W is odd
 */
export function halveSmoothly(x: Tensor): Tensor {
  const { H, W } = expectShape('halveSmoothly: x', x.shape, ['B', 'H', 'W', 'C']);
  if (H % 2 !== 0 || W % 2 !== 0) throw new ShapeError(`halveSmoothly: x: expected even sizes, got ${H} x ${W}`);
  return run('SmoothFold', { x }, { scale: 0.25 })[0];
}
