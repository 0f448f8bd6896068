/**
 * @file How far reconstructed pixels are from the original ones, in one pass: absolute, squared, and the absolute error of
 * the differences between neighbours, which is what a blurred outline gets wrong. C++: native/pixelloss.cc.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../core/errors.ts';
import { nativeCall, reads, writes } from '../../device/native/calls.ts';
import { defineBuiltInKernel, run } from '../registry.ts';
import { pixelLossesGradientWebgpu, pixelLossesWebgpu } from './webgpu.ts';

const imageNumbers = { B: 'size', H: 'size', W: 'size', C: 'size' } as const;

const pixelLossesCall = nativeCall({
  kernel: 'pixelLosses',
  buffers: {
    output: reads('B * H * W * C'),
    images: reads('B * H * W * C'),
    l1: writes('1'),
    l2: writes('1'),
    edges: writes('1'),
  },
  numbers: imageNumbers,
});

const pixelLossesGradientCall = nativeCall({
  kernel: 'pixelLossesGradient',
  buffers: {
    output: reads('B * H * W * C'),
    images: reads('B * H * W * C'),
    dl1: reads('1'),
    dl2: reads('1'),
    dedges: reads('1'),
    dOutput: writes('B * H * W * C'),
  },
  numbers: imageNumbers,
});

/** Scalars, each a mean over what it counts. */
export interface PixelLosses {
  /** mean |e| of e = output - images. */
  readonly l1: Tensor;
  /** mean e^2. */
  readonly l2: Tensor;
  /** (mean |e(x+1) - e(x)| + mean |e(y+1) - e(y)|) / 2. */
  readonly edges: Tensor;
}

/**
 * The three pixel losses.
 * @param output [B, H, W, C], H and W at least 2; differentiable
 * @param images of the same shape; constant
 * @throws ShapeError if the shapes differ
 */
export function pixelLosses(output: Tensor, images: Tensor): PixelLosses {
  expectShape('pixelLosses: output', output.shape, ['B', 'H', 'W', 'C']);
  expectShape('pixelLosses: images', images.shape, output.shape);
  const [l1, l2, edges] = run('PixelLosses', { output, images });
  return { l1, l2, edges };
}

/** e(i+1) - e(i) along axis 1 or 2. */
function differences(error: Tensor, axis: 1 | 2): Tensor {
  const shape: readonly number[] = error.shape;
  const at = (begin: number) => [0, 1, 2, 3].map(a => (a === axis ? begin : 0));
  const size = shape.map((n, a) => (a === axis ? n - 1 : n));
  return tf.sub(tf.slice(error, at(1), size), tf.slice(error, at(0), size));
}

/** The adjoint of `differences`. */
function spread(dy: Tensor, axis: 1 | 2): Tensor {
  const pad = (before: number, after: number) =>
    tf.pad(
      dy,
      [0, 1, 2, 3].map(a => (a === axis ? [before, after] : [0, 0])),
    );
  return tf.sub(pad(1, 0), pad(0, 1));
}

defineBuiltInKernel({
  name: 'PixelLosses',
  reference: ({ output, images }) => {
    const error = tf.sub(output, images);
    const [across, down] = [differences(error, 2), differences(error, 1)];
    return [
      tf.mean(tf.abs(error)),
      tf.mean(tf.square(error)),
      tf.mul(tf.add(tf.mean(tf.abs(across)), tf.mean(tf.abs(down))), 0.5),
    ];
  },
  native: ({ output, images }, _, backend) => {
    const [B, H, W, C] = output.shape;
    const [l1, l2, edges] = [backend.output([]), backend.output([]), backend.output([])];
    backend.call(pixelLossesCall, { output, images, l1, l2, edges }, { B, H, W, C });
    return [l1, l2, edges];
  },
  webgpu: pixelLossesWebgpu,
  gradient: {
    saveInputs: ['output', 'images'],
    run: (dys, { output, images }) => {
      const [dl1, dl2, dedges] = dys.map(dy => dy ?? tf.scalar(0));
      return { output: run('PixelLossesGradient', { output, images, dl1, dl2, dedges })[0] };
    },
  },
});

defineBuiltInKernel({
  name: 'PixelLossesGradient',
  reference: ({ output, images, dl1, dl2, dedges }) => {
    const error = tf.sub(output, images);
    const [across, down] = [differences(error, 2), differences(error, 1)];
    const direct = tf.add(
      tf.mul(tf.sign(error), tf.div(dl1, error.size)),
      tf.mul(error, tf.div(tf.mul(dl2, 2), error.size)),
    );
    const half = tf.mul(dedges, 0.5);
    return [
      tf.add(
        direct,
        tf.add(
          spread(tf.mul(tf.sign(across), tf.div(half, across.size)), 2),
          spread(tf.mul(tf.sign(down), tf.div(half, down.size)), 1),
        ),
      ),
    ];
  },
  native: ({ output, images, dl1, dl2, dedges }, _, backend) => {
    const [B, H, W, C] = output.shape;
    const dOutput = backend.output([B, H, W, C]);
    backend.call(pixelLossesGradientCall, { output, images, dl1, dl2, dedges, dOutput }, { B, H, W, C });
    return [dOutput];
  },
  webgpu: pixelLossesGradientWebgpu,
});
