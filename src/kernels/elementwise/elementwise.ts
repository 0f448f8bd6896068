/**
 * @file tfjs's own operations on the native backend, where they show up between the fused ones: arithmetic with
 * broadcasting, functions of one number, sums, maxima, softmax. What only moves numbers is in rearrange.ts. Same results as tfjs's
 * cpu kernels up to rounding; whatever is unusual (other types, more axes, empty tensors) is left to those.
 * On webgpu, sums of equal shapes. Import this file once; it exports nothing.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { nativeCall, oneOf, reads, writes } from '../../device/native/calls.ts';
import { overrideNative } from '../../device/native/native.ts';
import { isFloat, product, reach, strides } from './layout.ts';
import './rearrange.ts';
import { overrideAdd } from './webgpu.ts';

overrideAdd();

const { sizeFromShape, parseAxisParam } = tf.util;

/** Most axes that the broadcasting kernel walks, as kAxes in native/elementwise.cc. */
const AXES = 4;

// ---- Arithmetic ----

/** tfjs's names and those of native/elementwise.cc. */
const binaries = {
  Add: 'add',
  Sub: 'sub',
  Multiply: 'mul',
  RealDiv: 'div',
  Maximum: 'maximum',
  Minimum: 'minimum',
  SquaredDifference: 'squaredDifference',
} as const;

const binaryCall = nativeCall({
  kernel: 'binary',
  buffers: {
    a: reads(reach(AXES, 'sizes', 'aSteps')),
    b: reads(reach(AXES, 'sizes', 'bSteps')),
    y: writes(product(AXES, 'sizes')),
  },
  numbers: {
    which: oneOf('Binary', Object.values(binaries)),
    sizes: { list: AXES },
    aSteps: { list: AXES },
    bSteps: { list: AXES },
  },
});

/**
 * Sizes of the result and strides of both operands, neighbouring axes merged where both move through them alike.
 * @returns null if the shapes need more axes than the kernel has
 */
function broadcast(aShape: readonly number[], bShape: readonly number[]) {
  const shape = tf.broadcast_util.assertAndGetBroadcastShape([...aShape], [...bShape]);
  const stridesOf = (from: readonly number[]) => {
    const own = strides(from);
    const missing = shape.length - from.length;
    return shape.map((_, i) => (i < missing || from[i - missing] === 1 ? 0 : own[i - missing]));
  };
  const [a, b] = [stridesOf(aShape), stridesOf(bShape)];
  const merged = { sizes: [] as number[], a: [] as number[], b: [] as number[] };
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i];
    if (size === 1) continue;
    const alike =
      merged.sizes.length > 0 && a[i] === merged.a[0] * merged.sizes[0] && b[i] === merged.b[0] * merged.sizes[0];
    if (alike) {
      merged.sizes[0] *= size;
      continue;
    }
    merged.sizes.unshift(size);
    merged.a.unshift(a[i]);
    merged.b.unshift(b[i]);
  }
  const missing = AXES - merged.sizes.length;
  if (missing < 0) return null;
  const pad = (values: number[], value: number) => [...Array(missing).fill(value), ...values];
  return { shape, numbers: { sizes: pad(merged.sizes, 1), aSteps: pad(merged.a, 0), bSteps: pad(merged.b, 0) } };
}

for (const [name, which] of Object.entries(binaries)) {
  overrideNative(name, ({ a, b }, _, backend) => {
    if (!isFloat(a) || !isFloat(b)) return undefined;
    const plan = broadcast(a.shape, b.shape);
    if (plan === null) return undefined;
    const y = backend.output(plan.shape);
    backend.call(binaryCall, { a, b, y }, { which, ...plan.numbers });
    return [y];
  });
}

/** A call of the addon takes 32 buffers. */
const MOST_TERMS = 31;

const addAllCall = nativeCall({
  kernel: 'addAll',
  buffers: { y: writes('size') },
  numbers: { size: 'size' },
  slots: { most: MOST_TERMS, buffers: { x: reads('size') }, numbers: {} },
});

overrideNative('AddN', (inputs, _, backend) => {
  const terms = Object.values(inputs);
  if (terms.length > MOST_TERMS || !terms.every(isFloat)) return undefined;
  const y = backend.output(terms[0].shape);
  const size = sizeFromShape(y.shape);
  backend.call(
    addAllCall,
    { y },
    { size },
    terms.map(x => ({ buffers: { x }, numbers: {} })),
  );
  return [y];
});

/** tfjs's names and those of native/elementwise.cc. */
const unaries = {
  Square: 'square',
  Sqrt: 'sqrt',
  Rsqrt: 'rsqrt',
  Exp: 'exp',
  Log: 'log',
  Relu: 'relu',
  Sigmoid: 'sigmoid',
  Tanh: 'tanh',
  Softplus: 'softplus',
  Neg: 'negate',
  Abs: 'abs',
  Reciprocal: 'reciprocal',
} as const;

const unaryCall = nativeCall({
  kernel: 'unary',
  buffers: { x: reads('size'), y: writes('size') },
  numbers: { size: 'size', which: oneOf('Unary', Object.values(unaries)) },
});

for (const [name, which] of Object.entries(unaries)) {
  overrideNative(name, ({ x }, _, backend) => {
    if (!isFloat(x)) return undefined;
    const y = backend.output(x.shape);
    backend.call(unaryCall, { x, y }, { size: sizeFromShape(x.shape), which });
    return [y];
  });
}

// ---- Reductions ----

interface Reduction {
  readonly outer: number;
  readonly reduced: number;
  readonly inner: number;
  readonly shape: number[];
}

/** A reduction over neighbouring axes as one over the middle axis of three; null for any other. */
function reduction(x: TensorInfo, axis: unknown, keepDims: unknown): Reduction | null {
  const axes = parseAxisParam((axis ?? null) as number[], x.shape).sort((i, j) => i - j);
  if (axes.length === 0 || axes[axes.length - 1] - axes[0] !== axes.length - 1) return null;
  const end = axes[axes.length - 1] + 1;
  const kept = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
  return {
    outer: sizeFromShape(x.shape.slice(0, axes[0])),
    reduced: sizeFromShape(x.shape.slice(axes[0], end)),
    inner: sizeFromShape(x.shape.slice(end)),
    shape: keepDims ? kept : x.shape.filter((_, i) => !axes.includes(i)),
  };
}

const sumAxisCall = nativeCall({
  kernel: 'sumAxis',
  buffers: { x: reads('outer * reduced * inner'), y: writes('outer * inner') },
  numbers: { outer: 'size', reduced: 'size', inner: 'size', factor: 'double' },
});

const rowNumbers = { rows: 'size', C: 'size' } as const;

const maxRowsCall = nativeCall({
  kernel: 'maxRows',
  buffers: { x: reads('rows * C'), y: writes('rows') },
  numbers: rowNumbers,
});

/** The first of the largest. */
const argMaxRowsCall = nativeCall({
  kernel: 'argMaxRows',
  buffers: { x: reads('rows * C'), y: writes('rows', 'int32') },
  numbers: rowNumbers,
});

const softmaxRowsCall = nativeCall({
  kernel: 'softmaxRows',
  buffers: { x: reads('rows * C'), y: writes('rows * C') },
  numbers: rowNumbers,
});

for (const name of ['Sum', 'Mean']) {
  overrideNative(name, ({ x }, { axis, keepDims }, backend) => {
    if (!isFloat(x)) return undefined;
    const plan = reduction(x, axis, keepDims);
    if (plan === null) return undefined;
    const y = backend.output(plan.shape);
    const factor = name === 'Mean' ? 1 / plan.reduced : 1;
    const { outer, reduced, inner } = plan;
    backend.call(sumAxisCall, { x, y }, { outer, reduced, inner, factor });
    return [y];
  });
}

overrideNative('Max', ({ x }, { reductionIndices, keepDims }, backend) => {
  if (!isFloat(x)) return undefined;
  const plan = reduction(x, reductionIndices, keepDims);
  if (plan === null || plan.inner !== 1) return undefined;
  const y = backend.output(plan.shape);
  backend.call(maxRowsCall, { x, y }, { rows: plan.outer, C: plan.reduced });
  return [y];
});

overrideNative('ArgMax', ({ x }, { axis }, backend) => {
  if (!isFloat(x)) return undefined;
  const plan = reduction(x, axis, false);
  if (plan === null || plan.inner !== 1) return undefined;
  const y = backend.output(plan.shape, 'int32');
  backend.call(argMaxRowsCall, { x, y }, { rows: plan.outer, C: plan.reduced });
  return [y];
});

overrideNative('Softmax', ({ logits }, { dim }, backend) => {
  const rank = logits.shape.length;
  if (!isFloat(logits) || (dim as number) !== rank - 1) return undefined;
  const C = logits.shape[rank - 1];
  const y = backend.output(logits.shape);
  backend.call(softmaxRowsCall, { x: logits, y }, { rows: sizeFromShape(logits.shape) / C, C });
  return [y];
});
