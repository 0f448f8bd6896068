/**
 * @file Activations and dropout. Dropout's mask is a function of (seed, stream, element), so it is never stored: the
 * gradient makes it again, and every backend makes the same one.
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, ShapeError } from '../../core/errors.ts';
import { philox } from '../../core/random.ts';
import { nativeCall, optional, reads, writes } from '../../device/native/calls.ts';
import type { InputInfos, NativeBackend } from '../../device/native/native.ts';
import { activationWebgpu, slopeWebgpu, swigluGradientWebgpu, swigluWebgpu } from '../elementwise/webgpu.ts';
import { throughActivation } from '../linear/linear.ts';
import { GELU_CUBIC, GELU_SCALE } from '../pointwise.ts';
import { defineBuiltInKernel, run } from '../registry.ts';
import { dropoutWebgpu } from './webgpu-dropout.ts';

/**
 * SwiGLU, silu(a) * b (Shazeer 2020, arXiv:2002.05202).
 * @param x [..., 2H] = [a | b]
 * @returns [..., H]
 * @throws ShapeError if the last axis is odd
 */
export function swiglu(x: Tensor): Tensor {
  const width = x.shape[x.rank - 1];
  if (width % 2 !== 0) throw new ShapeError(`swiglu: expected an even last axis, got [${x.shape.join(', ')}]`);
  return run('Swiglu', { x })[0];
}

/** GELU by its tanh approximation, x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks & Gimpel 2016, arXiv:1606.08415). */
export function gelu(x: Tensor): Tensor {
  return run('Gelu', { x })[0];
}

/** SiLU, x * sigmoid(x). */
export function silu(x: Tensor): Tensor {
  return run('Silu', { x })[0];
}

/**
 * t times the slope of lrelu at the point where lrelu gave y, of which t alone is differentiated: the tangent of lrelu.
 * @param t any shape; @param y of that shape, lrelu's result or what went into it (both have the same sign)
 * @throws ShapeError if the shapes differ
 */
export function leakySlope(t: Tensor, y: Tensor): Tensor {
  expectShape('leakySlope: y', y.shape, t.shape);
  return run('LeakySlope', { t, y })[0];
}

/** Which elements to drop: element i uses word i % 4 of Philox block i / 4 under the key (seed, stream). */
export interface DropoutOptions {
  /** Share of elements set to 0, in [0, 1). */
  readonly rate: number;
  /** Integers in [0, 2^32). */
  readonly seed: number;
  readonly stream: number;
}

/** Sets a share of the elements to 0 and scales the others by 1 / (1 - rate). */
export function dropout(x: Tensor, options: DropoutOptions): Tensor {
  return options.rate === 0 ? tf.clone(x) : run('Dropout', { x }, { ...options })[0];
}

/**
 * residual + dropout(x), in one pass.
 * @throws ShapeError if the shapes differ
 */
export function dropoutAdd(x: Tensor, residual: Tensor, options: DropoutOptions): Tensor {
  expectShape('dropoutAdd: residual', residual.shape, x.shape);
  return options.rate === 0 ? tf.add(x, residual) : run('DropoutAdd', { x, residual }, { ...options })[0];
}

function geluTanh(x: Tensor): Tensor {
  return tf.tanh(tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), GELU_CUBIC)), GELU_SCALE));
}

/** d silu(x) / dx. */
function siluSlope(x: Tensor): Tensor {
  const s = tf.sigmoid(x);
  return tf.mul(s, tf.add(tf.mul(x, tf.sub(1, s)), 1));
}

const sizeNumber = { size: 'size' } as const;

/** y = f(x) for every element. */
function declareActivation(kernel: string) {
  return nativeCall({ kernel, buffers: { x: reads('size'), y: writes('size') }, numbers: sizeNumber });
}

/** dx = f'(x) dy for every element. */
function declareSlope(kernel: string) {
  const buffers = { x: reads('size'), dy: reads('size'), dx: writes('size') };
  return nativeCall({ kernel, buffers, numbers: sizeNumber });
}

const geluCall = declareActivation('gelu');
const siluCall = declareActivation('silu');
const geluGradientCall = declareSlope('geluGradient');
const siluGradientCall = declareSlope('siluGradient');

/** The slope at y of t: t where y is positive, LEAK t elsewhere. */
const leakySlopeCall = nativeCall({
  kernel: 'leakySlope',
  buffers: { t: reads('size'), y: reads('size'), slope: writes('size') },
  numbers: sizeNumber,
});

const swigluCall = nativeCall({
  kernel: 'swiglu',
  buffers: { x: reads('rows * 2 * H'), y: writes('rows * H') },
  numbers: { rows: 'size', H: 'size' },
});

const swigluGradientCall = nativeCall({
  kernel: 'swigluGradient',
  buffers: { x: reads('rows * 2 * H'), dy: reads('rows * H'), dx: writes('rows * 2 * H') },
  numbers: { rows: 'size', H: 'size' },
});

const dropoutCall = nativeCall({
  kernel: 'dropout',
  buffers: { x: reads('size'), residual: optional(reads('size')), y: writes('size') },
  numbers: { size: 'size', rate: 'double', seed: 'uint32', stream: 'uint32' },
});

function sizeOf({ shape }: TensorInfo): { readonly size: number } {
  return { size: tf.util.sizeFromShape(shape) };
}

function activateNative(call: typeof geluCall, x: TensorInfo, backend: NativeBackend): TensorInfo[] {
  const y = backend.output(x.shape);
  backend.call(call, { x, y }, sizeOf(x));
  return [y];
}

function slopeNative(call: typeof geluGradientCall, { x, dy }: InputInfos, backend: NativeBackend): TensorInfo[] {
  const dx = backend.output(x.shape);
  backend.call(call, { x, dy, dx }, sizeOf(x));
  return [dx];
}

function halves(x: TensorInfo): { readonly H: number; readonly rows: number; readonly shape: number[] } {
  const H = x.shape[x.shape.length - 1] / 2;
  const leading = x.shape.slice(0, -1);
  return { H, rows: tf.util.sizeFromShape(leading), shape: [...leading, H] };
}

defineBuiltInKernel({
  name: 'Swiglu',
  cheap: true,
  reference: ({ x }) => {
    const [a, b] = tf.split(x, 2, x.rank - 1);
    return [tf.mul(tf.mul(a, tf.sigmoid(a)), b)];
  },
  native: ({ x }, _, backend) => {
    const { H, rows, shape } = halves(x);
    const y = backend.output(shape);
    backend.call(swigluCall, { x, y }, { rows, H });
    return [y];
  },
  webgpu: ({ x }, _, backend) => swigluWebgpu(x, backend),
  gradient: {
    saveInputs: ['x'],
    run: ([dy], { x }) => ({ x: run('SwigluGrad', { x, dy: dy as Tensor })[0] }),
  },
});

defineBuiltInKernel({
  name: 'SwigluGrad',
  reference: ({ x, dy }) => {
    const [a, b] = tf.split(x, 2, x.rank - 1);
    const da = tf.mul(tf.mul(dy, b), siluSlope(a));
    return [tf.concat([da, tf.mul(tf.mul(dy, a), tf.sigmoid(a))], x.rank - 1)];
  },
  native: ({ x, dy }, _, backend) => {
    const { H, rows } = halves(x);
    const dx = backend.output(x.shape);
    backend.call(swigluGradientCall, { x, dy, dx }, { rows, H });
    return [dx];
  },
  webgpu: ({ x, dy }, _, backend) => swigluGradientWebgpu(x, dy, backend),
});

defineBuiltInKernel({
  name: 'Gelu',
  cheap: true,
  reference: ({ x }) => [tf.mul(tf.mul(x, 0.5), tf.add(geluTanh(x), 1))],
  native: ({ x }, _, backend) => activateNative(geluCall, x, backend),
  webgpu: ({ x }, _, backend) => activationWebgpu(x, 'gelu', backend),
  gradient: {
    saveInputs: ['x'],
    run: ([dy], { x }) => ({ x: run('GeluGrad', { x, dy: dy as Tensor })[0] }),
  },
});

defineBuiltInKernel({
  name: 'GeluGrad',
  reference: ({ x, dy }) => {
    const t = geluTanh(x);
    const inner = tf.mul(tf.add(tf.mul(tf.square(x), 3 * GELU_CUBIC), 1), GELU_SCALE);
    const bent = tf.mul(tf.mul(tf.mul(x, 0.5), tf.sub(1, tf.square(t))), inner);
    return [tf.mul(dy, tf.add(tf.mul(tf.add(t, 1), 0.5), bent))];
  },
  native: (inputs, _, backend) => slopeNative(geluGradientCall, inputs, backend),
  webgpu: ({ x, dy }, _, backend) => slopeWebgpu(x, dy, 'gelu', backend),
});

defineBuiltInKernel({
  name: 'Silu',
  cheap: true,
  reference: ({ x }) => [tf.mul(x, tf.sigmoid(x))],
  native: ({ x }, _, backend) => activateNative(siluCall, x, backend),
  webgpu: ({ x }, _, backend) => activationWebgpu(x, 'silu', backend),
  gradient: {
    saveInputs: ['x'],
    run: ([dy], { x }) => ({ x: run('SiluGrad', { x, dy: dy as Tensor })[0] }),
  },
});

defineBuiltInKernel({
  name: 'SiluGrad',
  reference: ({ x, dy }) => [tf.mul(dy, siluSlope(x))],
  native: (inputs, _, backend) => slopeNative(siluGradientCall, inputs, backend),
  webgpu: ({ x, dy }, _, backend) => slopeWebgpu(x, dy, 'silu', backend),
});

defineBuiltInKernel({
  name: 'LeakySlope',
  reference: ({ t, y }) => [throughActivation({ dy: t, pre: y }, 'lrelu')],
  native: ({ t, y }, _, backend) => {
    const slope = backend.output(t.shape);
    backend.call(leakySlopeCall, { t, y, slope }, sizeOf(t));
    return [slope];
  },
  webgpu: ({ t, y }, _, backend) => slopeWebgpu(y, t, 'lrelu', backend),
  gradient: {
    saveInputs: ['y'],
    run: ([dy], { y }) => ({ t: () => leakySlope(dy as Tensor, y), y: () => tf.zerosLike(y) }),
  },
});

/** 1 / (1 - rate) where an element stays, 0 where it goes. */
function dropoutMask(shape: number[], { rate, seed, stream }: DropoutOptions): Tensor {
  const size = tf.util.sizeFromShape(shape);
  const values = new Float32Array(size);
  const threshold = Math.floor(rate * 2 ** 32);
  const scale = 1 / (1 - rate);
  const block = new Uint32Array(4);
  for (let i = 0; i < size; i += 4) {
    block[0] = i / 4;
    block[1] = Math.floor(i / 2 ** 34);
    block[2] = 0;
    block[3] = 0;
    philox(block, seed, stream);
    for (let j = 0; j < 4 && i + j < size; j++) values[i + j] = block[j] >= threshold ? scale : 0;
  }
  return tf.tensor(values, shape);
}

function dropoutOptions(attributes: Readonly<Record<string, unknown>>): DropoutOptions {
  const { rate, seed, stream } = attributes as Record<string, number>;
  return { rate, seed, stream };
}

function nativeDropout(x: TensorInfo, residual: TensorInfo | null, options: DropoutOptions, backend: NativeBackend) {
  const y = backend.output(x.shape);
  backend.call(dropoutCall, { x, residual, y }, { ...sizeOf(x), ...options });
  return [y];
}

defineBuiltInKernel({
  name: 'Dropout',
  reference: ({ x }, attributes) => [tf.mul(x, dropoutMask(x.shape, dropoutOptions(attributes)))],
  native: ({ x }, attributes, backend) => nativeDropout(x, null, dropoutOptions(attributes), backend),
  webgpu: ({ x }, attributes, backend) => dropoutWebgpu(x, undefined, dropoutOptions(attributes), backend),
  gradient: {
    saveInputs: [],
    run: ([dy], _, attributes) => ({ x: dropout(dy as Tensor, dropoutOptions(attributes)) }),
  },
});

defineBuiltInKernel({
  name: 'DropoutAdd',
  reference: ({ x, residual }, attributes) => [
    tf.add(residual, tf.mul(x, dropoutMask(x.shape, dropoutOptions(attributes)))),
  ],
  native: ({ x, residual }, attributes, backend) => nativeDropout(x, residual, dropoutOptions(attributes), backend),
  webgpu: ({ x, residual }, attributes, backend) => dropoutWebgpu(x, residual, dropoutOptions(attributes), backend),
  gradient: {
    saveInputs: [],
    run: ([dy], _, attributes) => ({
      x: dropout(dy as Tensor, dropoutOptions(attributes)),
      residual: () => tf.clone(dy as Tensor),
    }),
  },
});
