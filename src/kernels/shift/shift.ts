/** @file Moving each image of a batch by whole pixels; what comes in is zero. C++: native/resample.cc. */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../core/errors.ts';
import { nativeCall, reads, writes } from '../../device/native/calls.ts';
import { type Attributes, defineBuiltInKernel, run } from '../registry.ts';
import { shiftWebgpu } from './webgpu.ts';

const shiftImagesCall = nativeCall({
  kernel: 'shiftImages',
  buffers: { x: reads('B * H * W * C'), shifts: reads('2 * B', 'int32'), y: writes('B * H * W * C') },
  numbers: { B: 'size', H: 'size', W: 'size', C: 'size' },
});

/** How far each image moves down and right, [2 B]; `back` the other way. */
function shiftsOf({ by, back }: Attributes): number[] {
  return String(by)
    .split(',')
    .map(shift => (back === true ? -Number(shift) : Number(shift)));
}

defineBuiltInKernel({
  name: 'Shift',
  reference: ({ x }, attributes) => {
    const [B, H, W, C] = x.shape;
    const shifts = shiftsOf(attributes);
    const images = Array.from({ length: B }, (_, b) => {
      const [down, right] = [shifts[2 * b], shifts[2 * b + 1]];
      const kept = [H - Math.abs(down), W - Math.abs(right)];
      if (kept[0] <= 0 || kept[1] <= 0) return tf.mul(tf.slice(x, [b, 0, 0, 0], [1, H, W, C]), 0);
      const from = [b, Math.max(0, -down), Math.max(0, -right), 0];
      return tf.pad(tf.slice(x, from, [1, ...kept, C]), [
        [0, 0],
        [Math.max(0, down), Math.max(0, -down)],
        [Math.max(0, right), Math.max(0, -right)],
        [0, 0],
      ]);
    });
    return [tf.concat(images, 0)];
  },
  native: ({ x }, attributes, backend) => {
    const [B, H, W, C] = x.shape;
    const y = backend.output([B, H, W, C]);
    const shifts = Int32Array.from(shiftsOf(attributes));
    backend.call(shiftImagesCall, { x, shifts, y }, { B, H, W, C });
    return [y];
  },
  webgpu: ({ x }, attributes, backend) => shiftWebgpu(x, shiftsOf(attributes), backend),
  gradient: {
    saveInputs: [],
    run: ([dy], _, { by, back }) => ({
      x: () => run('Shift', { x: dy as Tensor }, { by: by as string, back: back !== true })[0],
    }),
  },
});

/**
 * Moves images.
 * @param x [B, H, W, C] float32
 * @param shifts [2 B], how many pixels each image moves down and right
 * @returns like x, owned by the caller
 * @throws ShapeError if there are not two shifts an image
 */
export function shiftImages(x: Tensor, shifts: readonly number[]): Tensor {
  const { B } = expectShape('shiftImages: x', x.shape, ['B', 'H', 'W', 'C']);
  expectShape('shiftImages: shifts', [shifts.length], [2 * B]);
  return run('Shift', { x }, { by: shifts.join(','), back: false })[0];
}
