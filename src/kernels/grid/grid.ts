/**
 * @file The ways images change their grid by copying pixels: nearest doubling, cutting into patches and putting patches
 * together. Images are [B, H, W, C]. C++: native/grid.cc.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, ShapeError } from '../../core/errors.ts';
import { nativeCall, reads, writes } from '../../device/native/calls.ts';
import { defineBuiltInKernel, run } from '../registry.ts';
import { patchifyWebgpu, unpatchifyWebgpu, upsample2xGradientWebgpu, upsample2xWebgpu } from './webgpu.ts';

const gridNumbers = { B: 'size', H: 'size', W: 'size', C: 'size' } as const;

const upsample2xCall = nativeCall({
  kernel: 'upsample2x',
  buffers: { x: reads('B * H * W * C'), y: writes('4 * B * H * W * C') },
  numbers: gridNumbers,
});

const upsample2xGradientCall = nativeCall({
  kernel: 'upsample2xGradient',
  buffers: { dy: reads('4 * B * H * W * C'), dx: writes('B * H * W * C') },
  numbers: gridNumbers,
});

/** B, H, W and C are the image's; `size` is the side of a patch. */
const patchNumbers = { ...gridNumbers, size: 'size' } as const;

const patchifyCall = nativeCall({
  kernel: 'patchify',
  buffers: { x: reads('B * H * W * C'), y: writes('B * H * W * C') },
  numbers: patchNumbers,
});

const unpatchifyCall = nativeCall({
  kernel: 'unpatchify',
  buffers: { x: reads('B * H * W * C'), y: writes('B * H * W * C') },
  numbers: patchNumbers,
});

defineBuiltInKernel({
  name: 'Upsample2x',
  reference: ({ x }) => {
    const [B, H, W, C] = x.shape;
    const lines = tf.reshape(tf.concat([x, x], 3), [B * H, 2 * W * C]);
    return [tf.reshape(tf.concat([lines, lines], 1), [B, 2 * H, 2 * W, C])];
  },
  native: ({ x }, _, backend) => {
    const [B, H, W, C] = x.shape;
    const y = backend.output([B, 2 * H, 2 * W, C]);
    backend.call(upsample2xCall, { x, y }, { B, H, W, C });
    return [y];
  },
  webgpu: upsample2xWebgpu,
  gradient: { saveInputs: [], run: ([dy]) => ({ x: () => run('Upsample2xGradient', { dy: dy as Tensor })[0] }) },
});

defineBuiltInKernel({
  name: 'Upsample2xGradient',
  reference: ({ dy }) => {
    const [B, H2, W2, C] = dy.shape;
    const lines = tf.sum(tf.reshape(dy, [(B * H2) / 2, 2, W2 * C]), 1);
    return [tf.reshape(tf.sum(tf.reshape(lines, [-1, 2, C]), 1), [B, H2 / 2, W2 / 2, C])];
  },
  native: ({ dy }, _, backend) => {
    const [B, H2, W2, C] = dy.shape;
    const dx = backend.output([B, H2 / 2, W2 / 2, C]);
    backend.call(upsample2xGradientCall, { dy, dx }, { B, H: H2 / 2, W: W2 / 2, C });
    return [dx];
  },
  webgpu: upsample2xGradientWebgpu,
});

/**
 * Doubles an image by repeating each pixel (nearest neighbour).
 * @param x [B, H, W, C] float32
 * @returns [B, 2H, 2W, C], owned by the caller
 */
export function upsample2x(x: Tensor): Tensor {
  expectShape('upsample2x: x', x.shape, ['B', 'H', 'W', 'C']);
  return run('Upsample2x', { x })[0];
}

defineBuiltInKernel({
  name: 'Patchify',
  reference: ({ x }, { p }) => {
    const [B, H, W, C] = x.shape;
    const size = p as number;
    const rows = tf.transpose(tf.reshape(x, [(B * H) / size, size, W / size, size * C]), [0, 2, 1, 3]);
    return [tf.reshape(rows, [B, H / size, W / size, size * size * C])];
  },
  native: ({ x }, { p }, backend) => {
    const [B, H, W, C] = x.shape;
    const size = p as number;
    const y = backend.output([B, H / size, W / size, size * size * C]);
    backend.call(patchifyCall, { x, y }, { B, H, W, C, size });
    return [y];
  },
  webgpu: patchifyWebgpu,
  gradient: {
    saveInputs: [],
    run: ([dy], _, { p }) => ({ x: () => run('Unpatchify', { x: dy as Tensor }, { p })[0] }),
  },
});

defineBuiltInKernel({
  name: 'Unpatchify',
  reference: ({ x }, { p }) => {
    const [B, h, w, D] = x.shape;
    const size = p as number;
    const rows = tf.transpose(tf.reshape(x, [B * h, w, size, D / size]), [0, 2, 1, 3]);
    return [tf.reshape(rows, [B, h * size, w * size, D / size / size])];
  },
  native: ({ x }, { p }, backend) => {
    const [B, h, w, D] = x.shape;
    const size = p as number;
    const [H, W, C] = [h * size, w * size, D / size / size];
    const y = backend.output([B, H, W, C]);
    backend.call(unpatchifyCall, { x, y }, { B, H, W, C, size });
    return [y];
  },
  webgpu: unpatchifyWebgpu,
  gradient: { saveInputs: [], run: ([dy], _, { p }) => ({ x: () => run('Patchify', { x: dy as Tensor }, { p })[0] }) },
});

/**
 * Cuts an image into p x p patches; a patch's values run over (line, column, channel).
 * @param x [B, H, W, C] float32, H and W multiples of p
 * @returns [B, H/p, W/p, p p C], owned by the caller
 * @throws ShapeError if p does not divide H and W
 */
export function patchify(x: Tensor, p: number): Tensor {
  const { H, W } = expectShape('patchify: x', x.shape, ['B', 'H', 'W', 'C']);
  if (H % p !== 0 || W % p !== 0) throw new ShapeError(`patchify: x: expected multiples of ${p}, got ${H} x ${W}`);
  return run('Patchify', { x }, { p })[0];
}

/**
 * The inverse of `patchify`.
 * @param x [B, h, w, p p C] float32
 * @returns [B, h p, w p, C], owned by the caller
 * @throws ShapeError if p p does not divide the last axis
 */
export function unpatchify(x: Tensor, p: number): Tensor {
  const { D } = expectShape('unpatchify: x', x.shape, ['B', 'h', 'w', 'D']);
  if (D % (p * p) !== 0) throw new ShapeError(`unpatchify: x: expected a multiple of ${p * p} channels, got ${D}`);
  return run('Unpatchify', { x }, { p })[0];
}
