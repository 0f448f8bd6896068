/**
 * @file Normalisation: RMSNorm (Zhang & Sennrich 2019, arXiv:1910.07467), LayerNorm (Ba et al. 2016, arXiv:1607.06450)
 * and GroupNorm (Wu & He 2018, arXiv:1803.08494). One pass over memory forward, one backward (GroupNorm: two); the sums
 * over rows for gain and bias are taken in a fixed order, so equal input gives equal bits.
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../core/errors.ts';
import { nativeCall, reads, writes } from '../../device/native/calls.ts';
import { throughActivation } from '../linear/linear.ts';
import { type Activation, activateReference, activationNumber } from '../pointwise.ts';
import { type Attributes, defineBuiltInKernel, run } from '../registry.ts';
import { rowNormGradientWebgpu, rowNormWebgpu } from './webgpu.ts';
import { groupNormGradWebgpu, groupNormWebgpu } from './webgpu-group.ts';

const rowNumbers = { rows: 'size', C: 'size', eps: 'float' } as const;

const rmsNormCall = nativeCall({
  kernel: 'rmsNorm',
  buffers: { x: reads('rows * C'), gain: reads('C'), y: writes('rows * C') },
  numbers: rowNumbers,
});

const rmsNormGradientCall = nativeCall({
  kernel: 'rmsNormGradient',
  buffers: {
    x: reads('rows * C'),
    gain: reads('C'),
    dy: reads('rows * C'),
    dx: writes('rows * C'),
    dGain: writes('C'),
  },
  numbers: rowNumbers,
});

const layerNormCall = nativeCall({
  kernel: 'layerNorm',
  buffers: { x: reads('rows * C'), gain: reads('C'), bias: reads('C'), y: writes('rows * C') },
  numbers: rowNumbers,
});

const layerNormGradientCall = nativeCall({
  kernel: 'layerNormGradient',
  buffers: {
    x: reads('rows * C'),
    gain: reads('C'),
    dy: reads('rows * C'),
    dx: writes('rows * C'),
    dGain: writes('C'),
    dBias: writes('C'),
  },
  numbers: rowNumbers,
});

/** P pixels an image; the gains of two images are gainStep apart, which is 0 where they share them. */
const groupNumbers = {
  B: 'size',
  P: 'size',
  C: 'size',
  G: 'size',
  gainStep: 'size',
  activation: activationNumber,
} as const;

const groupNormCall = nativeCall({
  kernel: 'groupNorm',
  buffers: {
    x: reads('B * P * C'),
    gain: reads('(B - 1) * gainStep + C'),
    bias: reads('(B - 1) * gainStep + C'),
    y: writes('B * P * C'),
    moments: writes('2 * B * G'), // mean, 1 / standard deviation
  },
  numbers: { ...groupNumbers, eps: 'double' },
});

const groupNormGradientCall = nativeCall({
  kernel: 'groupNormGradient',
  buffers: {
    x: reads('B * P * C'),
    gain: reads('(B - 1) * gainStep + C'),
    bias: reads('(B - 1) * gainStep + C'),
    moments: reads('2 * B * G'),
    dy: reads('B * P * C'),
    dx: writes('B * P * C'),
    dGain: writes('(B - 1) * gainStep + C'),
    dBias: writes('(B - 1) * gainStep + C'),
  },
  numbers: groupNumbers,
});

export const RMS_NORM_EPS = 1e-6;
export const LAYER_NORM_EPS = 1e-5;

/**
 * RMSNorm, x / sqrt(mean(x^2) + eps) * gain over the last axis.
 * @param x [..., C]; @param gain [C]
 * @returns like x
 * @throws ShapeError if gain is not [C]
 */
export function rmsNorm(x: Tensor, gain: Tensor, eps = RMS_NORM_EPS): Tensor {
  expectShape('rmsNorm: gain', gain.shape, [x.shape[x.rank - 1]]);
  return run('RmsNorm', { x, gain }, { eps })[0];
}

/**
 * LayerNorm, (x - mean) / sqrt(variance + eps) * gain + bias over the last axis.
 * @param x [..., C]; @param gain [C]; @param bias [C]
 * @returns like x
 * @throws ShapeError if gain or bias is not [C]
 */
export function layerNorm(x: Tensor, gain: Tensor, bias: Tensor, eps = LAYER_NORM_EPS): Tensor {
  const C = x.shape[x.rank - 1];
  expectShape('layerNorm: gain', gain.shape, [C]);
  expectShape('layerNorm: bias', bias.shape, [C]);
  return run('LayerNorm', { x, gain, bias }, { eps })[0];
}

export interface GroupNormOptions {
  readonly eps?: number;
  /** Applied to the result in the same pass. */
  readonly activation?: Activation;
}

/**
 * GroupNorm: as LayerNorm, with mean and variance over each image's pixels and each group of C/groups channels; then an
 * activation. With a gain and a bias for every image it is the adaptive norm of diffusion models (Dhariwal & Nichol 2021,
 * arXiv:2105.05233).
 * @param x [B, H, W, C]; @param gain [C], or [B, C] for each image its own; @param bias like gain
 * @param groups divides C
 * @returns like x
 * @throws ShapeError if gain or bias is neither [C] nor [B, C], or groups does not divide C
 */
export function groupNorm(
  x: Tensor,
  gain: Tensor,
  bias: Tensor,
  groups: number,
  options: GroupNormOptions = {},
): Tensor {
  const { eps = 1e-5, activation = 'none' } = options;
  const { B, C } = expectShape('groupNorm: x', x.shape, ['B', 'H', 'W', 'C']);
  expectShape('groupNorm: gain', gain.shape, gain.rank === 2 ? [B, C] : [C]);
  expectShape('groupNorm: bias', bias.shape, gain.shape);
  expectShape(`groupNorm: ${groups} groups of channels`, [C % groups], [0]);
  const [y, moments] = run('GroupNorm', { x, gain, bias }, { eps, groups, activation });
  moments.dispose();
  return y;
}

/**
 * Batch norm (Ioffe & Szegedy 2015, arXiv:1502.03167) with the batch's own mean and variance by channel, then an
 * activation: group norm of all images as one, with a group a channel.
 * @param x [B, H, W, C]; @param gain [C]; @param bias [C]
 * @returns y like x; moments [2, C], the mean and one over the standard deviation, of which no gradient is taken
 * @throws ShapeError if gain or bias is not [C]
 */
export function batchNorm(
  x: Tensor,
  gain: Tensor,
  bias: Tensor,
  options: GroupNormOptions = {},
): { readonly y: Tensor; readonly moments: Tensor } {
  const { eps = 1e-5, activation = 'none' } = options;
  const { B, H, W, C } = expectShape('batchNorm: x', x.shape, ['B', 'H', 'W', 'C']);
  expectShape('batchNorm: gain', gain.shape, [C]);
  expectShape('batchNorm: bias', bias.shape, [C]);
  return tf.tidy(() => {
    const all = tf.reshape(x, [1, B * H, W, C]);
    const [y, moments] = run('GroupNorm', { x: all, gain, bias }, { eps, groups: C, activation });
    return { y: tf.reshape(y, x.shape), moments: tf.reshape(moments, [2, C]) };
  });
}

/** What the C++ kernels need to know of x seen as a matrix. */
function rowsOf({ shape }: TensorInfo, { eps }: Attributes) {
  return { rows: tf.util.sizeFromShape(shape.slice(0, -1)), C: shape[shape.length - 1], eps: eps as number };
}

/** All axes but the last. */
function leading(x: Tensor): number[] {
  return [...Array(x.rank - 1).keys()];
}

function center(x: Tensor, eps: number): { readonly normalized: Tensor; readonly scale: Tensor } {
  const centered = tf.sub(x, tf.mean(x, -1, true));
  const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centered), -1, true), eps));
  return { normalized: tf.mul(centered, scale), scale };
}

defineBuiltInKernel({
  name: 'RmsNorm',
  cheap: true,
  reference: ({ x, gain }, { eps }) => {
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps as number));
    return [tf.mul(tf.mul(x, scale), gain)];
  },
  native: ({ x, gain }, attributes, backend) => {
    const y = backend.output(x.shape);
    backend.call(rmsNormCall, { x, gain, y }, rowsOf(x, attributes));
    return [y];
  },
  webgpu: rowNormWebgpu,
  gradient: {
    saveInputs: ['x', 'gain'],
    run: ([dy], { x, gain }, { eps }) => {
      const [dx, dGain] = run('RmsNormGrad', { x, gain, dy: dy as Tensor }, { eps });
      return { x: dx, gain: dGain };
    },
  },
});

defineBuiltInKernel({
  name: 'RmsNormGrad',
  reference: ({ x, gain, dy }, { eps }) => {
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps as number));
    const normalized = tf.mul(x, scale);
    const g = tf.mul(dy, gain);
    const dx = tf.mul(tf.sub(g, tf.mul(normalized, tf.mean(tf.mul(g, normalized), -1, true))), scale);
    return [dx, tf.sum(tf.mul(dy, normalized), leading(x))];
  },
  native: ({ x, gain, dy }, attributes, backend) => {
    const [dx, dGain] = [backend.output(x.shape), backend.output(gain.shape)];
    backend.call(rmsNormGradientCall, { x, gain, dy, dx, dGain }, rowsOf(x, attributes));
    return [dx, dGain];
  },
  webgpu: (inputs, attributes, backend) => rowNormGradientWebgpu(inputs, attributes, backend, false),
});

defineBuiltInKernel({
  name: 'LayerNorm',
  cheap: true,
  reference: ({ x, gain, bias }, { eps }) => [tf.add(tf.mul(center(x, eps as number).normalized, gain), bias)],
  native: ({ x, gain, bias }, attributes, backend) => {
    const y = backend.output(x.shape);
    backend.call(layerNormCall, { x, gain, bias, y }, rowsOf(x, attributes));
    return [y];
  },
  webgpu: rowNormWebgpu,
  gradient: {
    saveInputs: ['x', 'gain', 'bias'],
    run: ([dy], { x, gain }, { eps }) => {
      const [dx, dGain, dBias] = run('LayerNormGrad', { x, gain, dy: dy as Tensor }, { eps });
      return { x: dx, gain: dGain, bias: dBias };
    },
  },
});

defineBuiltInKernel({
  name: 'LayerNormGrad',
  reference: ({ x, gain, dy }, { eps }) => {
    const { normalized, scale } = center(x, eps as number);
    const g = tf.mul(dy, gain);
    const projected = tf.mul(normalized, tf.mean(tf.mul(g, normalized), -1, true));
    const dx = tf.mul(tf.sub(tf.sub(g, tf.mean(g, -1, true)), projected), scale);
    return [dx, tf.sum(tf.mul(dy, normalized), leading(x)), tf.sum(dy, leading(x))];
  },
  native: ({ x, gain, dy }, attributes, backend) => {
    const [dx, dGain, dBias] = [x, gain, gain].map(like => backend.output(like.shape));
    backend.call(layerNormGradientCall, { x, gain, dy, dx, dGain, dBias }, rowsOf(x, attributes));
    return [dx, dGain, dBias];
  },
  webgpu: (inputs, attributes, backend) => rowNormGradientWebgpu(inputs, attributes, backend, true),
});

/** [B, H, W, C] as [B, HW, G, C/G]. */
function grouped(x: Tensor, groups: number): Tensor {
  const [B, H, W, C] = x.shape;
  return tf.reshape(x, [B, H * W, groups, C / groups]);
}

/** A gain or bias against [B, H, W, C]. */
function spread(gain: Tensor): Tensor {
  return gain.rank === 2 ? tf.reshape(gain, [gain.shape[0], 1, 1, -1]) : gain;
}

/** What the C++ kernels need to know. */
function groupsOf(x: TensorInfo, gain: TensorInfo, { groups, activation }: Attributes) {
  const [B, H, W, C] = x.shape;
  const gainStep = gain.shape.length === 2 ? C : 0;
  return { B, P: H * W, C, G: groups as number, gainStep, activation: activation as Activation };
}

defineBuiltInKernel({
  name: 'GroupNorm',
  reference: ({ x, gain, bias }, { eps, groups, activation }) => {
    const G = groups as number;
    const shaped = grouped(x, G); // [B, HW, G, C/G]
    const mean = tf.mean(shaped, [1, 3], true); // [B, 1, G, 1]
    const centered = tf.sub(shaped, mean);
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centered), [1, 3], true), eps as number));
    const normalized = tf.reshape(tf.mul(centered, scale), x.shape);
    const moments = tf.stack([tf.reshape(mean, [-1, G]), tf.reshape(scale, [-1, G])]); // [2, B, G]
    const pre = tf.add(tf.mul(normalized, spread(gain)), spread(bias));
    return [activateReference(pre, activation as Activation), moments];
  },
  native: ({ x, gain, bias }, attributes, backend) => {
    const numbers = { ...groupsOf(x, gain, attributes), eps: attributes.eps as number };
    const [y, moments] = [backend.output(x.shape), backend.output([2, numbers.B, numbers.G])];
    backend.call(groupNormCall, { x, gain, bias, y, moments }, numbers);
    return [y, moments];
  },
  webgpu: groupNormWebgpu,
  gradient: {
    saveInputs: ['x', 'gain', 'bias'],
    saveOutputs: [false, true],
    run: ([dy], { x, gain, bias, y1 }, { groups, activation }) => {
      const inputs = { x, gain, bias, moments: y1, dy: dy as Tensor };
      const [dx, dGain, dBias] = run('GroupNormGrad', inputs, { groups, activation });
      return { x: dx, gain: dGain, bias: dBias };
    },
  },
});

defineBuiltInKernel({
  name: 'GroupNormGrad',
  reference: ({ x, gain, bias, moments, dy }, { groups, activation }) => {
    const G = groups as number;
    const [mean, scale] = tf.split(moments, 2).map(m => tf.reshape(m, [x.shape[0], 1, G, 1]));
    const normalized = tf.mul(tf.sub(grouped(x, G), mean), scale); // [B, HW, G, C/G]
    const xhat = tf.reshape(normalized, x.shape);
    const pre = tf.add(tf.mul(xhat, spread(gain)), spread(bias));
    const d = throughActivation({ dy, pre }, activation as Activation);
    const g = grouped(tf.mul(d, spread(gain)), G);
    const projected = tf.mul(normalized, tf.mean(tf.mul(g, normalized), [1, 3], true));
    const dx = tf.mul(tf.sub(tf.sub(g, tf.mean(g, [1, 3], true)), projected), scale);
    const axes = gain.rank === 2 ? [1, 2] : [0, 1, 2];
    return [tf.reshape(dx, x.shape), tf.sum(tf.mul(d, xhat), axes), tf.sum(d, axes)];
  },
  native: ({ x, gain, bias, moments, dy }, attributes, backend) => {
    const [dx, dGain, dBias] = [x, gain, gain].map(like => backend.output(like.shape));
    const buffers = { x, gain, bias, moments, dy, dx, dGain, dBias };
    backend.call(groupNormGradientCall, buffers, groupsOf(x, gain, attributes));
    return [dx, dGain, dBias];
  },
  webgpu: groupNormGradWebgpu,
});
