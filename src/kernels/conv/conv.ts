/**
 * @file Convolution with fused bias, activation and residual. Images are [B, H, W, C]. C++: native/conv.cc, where the patches
 * of a convolution exist only inside the packing of a matrix product (implicit im2col).
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, ShapeError } from '../../core/errors.ts';
import {
  type KernelWork,
  type NamedNumbers,
  nativeCall,
  optional,
  precisionNumber,
  reads,
  writes,
} from '../../device/native/calls.ts';
import type { InputInfos, NativeBackend } from '../../device/native/native.ts';
import { defineProduct, once, throughActivation } from '../linear/linear.ts';
import { type Activation, activateReference, activationNumber } from '../pointwise.ts';
import { type Attributes, defineBuiltInKernel, type Inputs, recording, run } from '../registry.ts';
import { convInputGradientWebgpu, convWebgpu, convWeightGradientWebgpu } from './webgpu.ts';

const MOST_TAPS = 64; // kMostTaps in native/conv_pack.h

/** Images of H x W x C convolved with O filters of KH x KW. */
const convolutionNumbers = {
  B: 'size',
  H: 'size',
  W: 'size',
  C: 'size',
  O: 'size',
  KH: 'size',
  KW: 'size',
  stride: 'size',
  activation: activationNumber,
  precision: precisionNumber,
} as const;

const INPUT = 'B * H * W * C';
const OUTPUT = 'B * ceil(H / stride) * ceil(W / stride) * O';
const WEIGHT = 'O * KH * KW * C';

function convolutionWork({ numbers }: NamedNumbers<typeof convolutionNumbers>): KernelWork {
  const { B, H, W, C, O, KH, KW, stride } = numbers;
  return {
    shape: `${B}x${H}x${W}x${C} ${KH}x${KW} ${O}`,
    flops: 2 * B * Math.ceil(H / stride) * Math.ceil(W / stride) * O * KH * KW * C,
  };
}

const conv2dCall = nativeCall({
  kernel: 'conv2d',
  buffers: {
    x: reads(INPUT),
    weight: reads(WEIGHT),
    bias: optional(reads('O')),
    residual: optional(reads(OUTPUT)),
    y: writes(OUTPUT),
    pre: optional(writes(OUTPUT)),
  },
  numbers: convolutionNumbers,
  atMost: { 'KH * KW': MOST_TAPS },
  work: convolutionWork,
});

const conv2dInputGradientCall = nativeCall({
  kernel: 'conv2dInputGradient',
  buffers: { dy: reads(OUTPUT), weight: reads(WEIGHT), pre: optional(reads(OUTPUT)), dx: writes(INPUT) },
  numbers: convolutionNumbers,
  atMost: { 'KH * KW': MOST_TAPS },
  work: convolutionWork,
});

const conv2dWeightGradientCall = nativeCall({
  kernel: 'conv2dWeightGradient',
  buffers: {
    dy: reads(OUTPUT),
    x: reads(INPUT),
    pre: optional(reads(OUTPUT)),
    dWeight: writes(WEIGHT),
    dBias: optional(writes('O')),
  },
  numbers: convolutionNumbers,
  atMost: { 'KH * KW': MOST_TAPS },
  work: convolutionWork,
});

type Image = readonly [batch: number, height: number, width: number, channels: number];

function imageOf(shape: readonly number[]): Image {
  return [shape[0], shape[1], shape[2], shape[3]];
}

/** The sizes of one convolution. */
interface Sizes {
  readonly x: Image;
  readonly y: Image;
  readonly weight: readonly [outputs: number, kernelHeight: number, kernelWidth: number, channels: number];
  readonly stride: number;
}

function sizesOf(xShape: readonly number[], weightShape: readonly number[], stride: number): Sizes {
  const x = imageOf(xShape);
  const weight = imageOf(weightShape);
  return { x, weight, stride, y: [x[0], Math.ceil(x[1] / stride), Math.ceil(x[2] / stride), weight[0]] };
}

/** What the C++ kernels are told. */
function numbersOf({ x, weight, stride }: Sizes, { activation }: Attributes, { precision }: NativeBackend) {
  const [B, H, W, C] = x;
  const [O, KH, KW] = weight;
  return { B, H, W, C, O, KH, KW, stride, activation: activation as Activation, precision };
}

/** What the WGSL kernels are told. */
function convolution(sizes: Sizes, { activation }: Attributes) {
  return { ...sizes, activation: activation as Activation };
}

/** Pixels before the image that a kernel of that size reaches. */
const before = (kernel: number) => Math.floor((kernel - 1) / 2);

/** Each tap's position in the kernel. */
function tapsOf({ weight: [, kernelHeight, kernelWidth] }: Sizes): [number, number][] {
  return Array.from({ length: kernelHeight * kernelWidth }, (_, t) => [Math.floor(t / kernelWidth), t % kernelWidth]);
}

/** The matrix of patches, [B H' W', KH KW C]. */
function patchesReference(x: Tensor, sizes: Sizes): Tensor {
  const { y, weight, stride } = sizes;
  const [B, H, W, C] = sizes.x;
  const [height, width] = [y[1] * stride, y[2] * stride];
  const [top, left] = [before(weight[1]), before(weight[2])];
  const padded = tf.pad(x, [
    [0, 0],
    [top, height + weight[1] - 1 - top - H],
    [left, width + weight[2] - 1 - left - W],
    [0, 0],
  ]);
  const taps = tapsOf(sizes).map(([i, j]) => {
    const window = tf.slice(padded, [0, i, j, 0], [B, height, width, C]);
    const lines = tf.slice(tf.reshape(window, [B * y[1], stride, width * C]), [0, 0, 0], [-1, 1, -1]);
    return tf.reshape(tf.slice(tf.reshape(lines, [B * y[1] * y[2], stride, C]), [0, 0, 0], [-1, 1, -1]), [-1, C]);
  });
  return tf.concat(taps, 1);
}

/** The adjoint of `patchesReference`: adds patches into an image. */
function fromPatchesReference(patches: Tensor, sizes: Sizes): Tensor {
  const { y, weight, stride } = sizes;
  const [B, H, W, C] = sizes.x;
  const [height, width] = [y[1] * stride, y[2] * stride];
  let sum: Tensor | undefined;
  tapsOf(sizes).forEach(([i, j], t) => {
    const tap = tf.reshape(tf.slice(patches, [0, t * C], [-1, C]), [-1, 1, C]);
    const columns = tf.pad(tap, [
      [0, 0],
      [0, stride - 1],
      [0, 0],
    ]);
    const lines = tf.pad(tf.reshape(columns, [B * y[1], 1, width * C]), [
      [0, 0],
      [0, stride - 1],
      [0, 0],
    ]);
    const shifted = tf.pad(tf.reshape(lines, [B, height, width, C]), [
      [0, 0],
      [i, weight[1] - 1 - i],
      [j, weight[2] - 1 - j],
      [0, 0],
    ]);
    sum = sum === undefined ? shifted : tf.add(sum, shifted);
  });
  return tf.slice(sum as Tensor, [0, before(weight[1]), before(weight[2]), 0], [B, H, W, C]);
}

function convReference({ x, weight, bias, residual }: Inputs, attributes: Attributes): Tensor[] {
  const sizes = sizesOf(x.shape, weight.shape, attributes.stride as number);
  const rows = tf.reshape(weight, [sizes.weight[0], -1]);
  let pre: Tensor = tf.reshape(tf.matMul(patchesReference(x, sizes), rows, false, true), [...sizes.y]);
  if (bias !== undefined) pre = tf.add(pre, bias);
  const y = activateReference(pre, attributes.activation as Activation);
  return [residual === undefined ? y : tf.add(y, residual), pre];
}

function convNative(inputs: InputInfos, attributes: Attributes, backend: NativeBackend, keepPre: boolean) {
  const { x, weight, bias, residual } = inputs;
  const sizes = sizesOf(x.shape, weight.shape, attributes.stride as number);
  const outputs = [backend.output([...sizes.y]), ...(keepPre ? [backend.output([...sizes.y])] : [])];
  const [y, pre] = outputs;
  backend.call(conv2dCall, { x, weight, bias, residual, y, pre }, numbersOf(sizes, attributes, backend));
  return outputs;
}

defineProduct('Conv2d', {
  reference: convReference,
  native: convNative,
  webgpu: (inputs, attributes, backend, keepPre) => {
    const sizes = sizesOf(inputs.x.shape, inputs.weight.shape, attributes.stride as number);
    return convWebgpu(inputs, convolution(sizes, attributes), backend, keepPre);
  },
  gradient: (dy, { x, weight, y1: pre }, attributes) => {
    const kernel = { kernelHeight: weight.shape[1] as number, kernelWidth: weight.shape[2] as number };
    const both = once(() => run('Conv2dWeightGradient', { dy, x, pre }, { ...attributes, ...kernel }));
    const size = { height: x.shape[1] as number, width: x.shape[2] as number };
    const dx = () => run('Conv2dInputGradient', { dy, weight, pre }, { ...attributes, ...size })[0];
    return { x: dx, weight: () => both()[0], bias: () => both()[1], residual: dy };
  },
});

/** The sizes of the convolution whose gradient dy is. */
function sizesFromGradient(dy: TensorInfo, weight: TensorInfo, { height, width, stride }: Attributes): Sizes {
  const x = [dy.shape[0], height as number, width as number, weight.shape[3]];
  return sizesOf(x, weight.shape, stride as number);
}

defineBuiltInKernel({
  name: 'Conv2dInputGradient',
  reference: (inputs, attributes) => {
    const { dy, weight } = inputs;
    const sizes = sizesFromGradient(dy, weight, attributes);
    const g = tf.reshape(throughActivation(inputs, attributes.activation as Activation), [-1, sizes.y[3]]);
    return [fromPatchesReference(tf.matMul(g, tf.reshape(weight, [sizes.weight[0], -1])), sizes)];
  },
  native: ({ dy, weight, pre }, attributes, backend) => {
    const sizes = sizesFromGradient(dy, weight, attributes);
    const dx = backend.output([...sizes.x]);
    backend.call(conv2dInputGradientCall, { dy, weight, pre, dx }, numbersOf(sizes, attributes, backend));
    return [dx];
  },
  webgpu: (inputs, attributes, backend) => {
    const sizes = sizesFromGradient(inputs.dy, inputs.weight, attributes);
    return convInputGradientWebgpu(inputs, convolution(sizes, attributes), backend);
  },
  // Of a transposed convolution, which has no activation.
  gradient: {
    saveInputs: ['dy', 'weight'],
    run: ([g], { dy, weight }, attributes) => {
      const image = g as Tensor;
      const kernel = { kernelHeight: weight.shape[1] as number, kernelWidth: weight.shape[2] as number };
      return {
        dy: () => conv2d(image, weight, { stride: attributes.stride as 1 | 2 }),
        weight: () => run('Conv2dWeightGradient', { dy, x: image }, { ...attributes, ...kernel })[0],
      };
    },
  },
});

function weightShape(dy: TensorInfo, x: TensorInfo, { kernelHeight, kernelWidth }: Attributes): number[] {
  return [dy.shape[3], kernelHeight as number, kernelWidth as number, x.shape[3]];
}

defineBuiltInKernel({
  name: 'Conv2dWeightGradient',
  reference: (inputs, attributes) => {
    const { dy, x } = inputs;
    const shape = weightShape(dy, x, attributes);
    const sizes = sizesOf(x.shape, shape, attributes.stride as number);
    const g = tf.reshape(throughActivation(inputs, attributes.activation as Activation), [-1, sizes.y[3]]);
    return [tf.reshape(tf.matMul(g, patchesReference(x, sizes), true), shape), tf.sum(g, 0)];
  },
  native: ({ dy, x, pre }, attributes, backend) => {
    const shape = weightShape(dy, x, attributes);
    const sizes = sizesOf(x.shape, shape, attributes.stride as number);
    const dW = backend.output(shape);
    const db = backend.output([shape[0]]);
    const buffers = { dy, x, pre, dWeight: dW, dBias: db };
    backend.call(conv2dWeightGradientCall, buffers, numbersOf(sizes, attributes, backend));
    return [dW, db];
  },
  webgpu: (inputs, attributes, backend) => {
    const { dy, x } = inputs;
    const sizes = sizesOf(x.shape, weightShape(dy, x, attributes), attributes.stride as number);
    return convWeightGradientWebgpu(inputs, convolution(sizes, attributes), backend);
  },
});

/**
 * A convolution with "same" padding: act(conv(x, weight) + bias) + residual.
 * Zeros pad (K - 1) / 2 pixels before the image, rounded down, and as many after it as the last patch needs.
 * @param x [B, H, W, C] float32
 * @param weight [O, KH, KW, C], at most 64 taps
 * @param options `stride` 1 or 2; `bias` [O]; `activation`; `residual` [B, H', W', O], added after the activation
 * @returns [B, H', W', O] with H' = ceil(H / stride), owned by the caller
 * @throws ShapeError if the shapes do not fit
 */
export function conv2d(
  x: Tensor,
  weight: Tensor,
  options: {
    readonly bias?: Tensor;
    readonly stride?: 1 | 2;
    readonly activation?: Activation;
    readonly residual?: Tensor;
  } = {},
): Tensor {
  const { bias, stride = 1, activation = 'none', residual } = options;
  const bound = expectShape('conv2d: x', x.shape, ['B', 'H', 'W', 'C']);
  expectShape('conv2d: weight', weight.shape, ['O', 'KH', 'KW', 'C'], bound);
  if (bound.KH * bound.KW > MOST_TAPS) {
    throw new ShapeError(`conv2d: weight: expected at most ${MOST_TAPS} taps, got ${bound.KH} x ${bound.KW}`);
  }
  if (bias !== undefined) expectShape('conv2d: bias', bias.shape, ['O'], bound);
  if (residual !== undefined) {
    expectShape('conv2d: residual', residual.shape, sizesOf(x.shape, weight.shape, stride).y);
  }
  const name = activation !== 'none' && recording() ? 'Conv2dActivation' : 'Conv2d';
  const [y, pre] = run(name, { x, weight, bias, residual }, { stride, activation });
  pre?.dispose();
  return y;
}

/**
 * A transposed convolution of stride 2, the adjoint of `conv2d` by its input: doubles the image.
 * @param x [B, H, W, O] float32
 * @param weight [O, KH, KW, C], at most 64 taps: of the convolution that goes the other way
 * @returns [B, 2H, 2W, C], owned by the caller
 * @throws ShapeError if the shapes do not fit
 */
export function convTranspose2d(x: Tensor, weight: Tensor): Tensor {
  const bound = expectShape('convTranspose2d: x', x.shape, ['B', 'H', 'W', 'O']);
  expectShape('convTranspose2d: weight', weight.shape, ['O', 'KH', 'KW', 'C'], bound);
  if (bound.KH * bound.KW > MOST_TAPS) {
    throw new ShapeError(`convTranspose2d: weight: expected at most ${MOST_TAPS} taps, got ${bound.KH} x ${bound.KW}`);
  }
  const size = { height: 2 * bound.H, width: 2 * bound.W };
  return run('Conv2dInputGradient', { dy: x, weight }, { stride: 2, activation: 'none', ...size })[0];
}
