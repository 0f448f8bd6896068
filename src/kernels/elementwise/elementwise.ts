/**
 * @file tfjs's own operations on the native backend, where they show up between the fused ones: arithmetic with
 * broadcasting, functions of one number, sums, maxima, softmax, transposition, copies of blocks. Same results as tfjs's
 * cpu kernels up to rounding; whatever is unusual (other types, more axes, empty tensors) is left to those.
 * On webgpu, sums of equal shapes. Import this file once; it exports nothing.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { nativeCall, oneOf, reads, writes } from '../../device/native/calls.ts';
import { type NativeBackend, overrideNative } from '../../device/native/native.ts';
import { overrideAdd } from './webgpu.ts';

overrideAdd();

const { sizeFromShape, parseAxisParam } = tf.util;

/** Most axes that the broadcasting kernel walks, as kAxes in native/elementwise.cc. */
const AXES = 4;

function isFloat(x: TensorInfo): boolean {
  return x.dtype === 'float32' && sizeFromShape(x.shape) > 0;
}

/** Types of four bytes an element, which copies need not tell apart. */
function isWord(x: TensorInfo): boolean {
  return (x.dtype === 'float32' || x.dtype === 'int32') && sizeFromShape(x.shape) > 0;
}

/** How far each axis moves along in memory. */
function strides(shape: readonly number[]): number[] {
  return shape.map((_, i) => sizeFromShape(shape.slice(i + 1)));
}

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

/** Elements up to the last one that is reached by steps along so many axes. */
function reach(axes: number, sizes: string, steps: string): string {
  return ['1', ...Array.from({ length: axes }, (_, i) => `(${sizes}[${i}] - 1) * ${steps}[${i}]`)].join(' + ');
}

function product(axes: number, sizes: string): string {
  return Array.from({ length: axes }, (_, i) => `${sizes}[${i}]`).join(' * ');
}

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

// ---- Rearrangement ----

/** Axes of a transposition, as in native/elementwise.cc. */
const TURNED = 5;

/** Elements of four bytes; sizes of y from the outermost, and how far x moves along each. */
const transposeAxesCall = nativeCall({
  kernel: 'transposeAxes',
  buffers: { x: reads(reach(TURNED, 'sizes', 'steps')), y: writes(product(TURNED, 'sizes')) },
  numbers: { sizes: { list: TURNED }, steps: { list: TURNED } },
});

/** Elements of four bytes: `width` of them from each of `rows` rows. */
const copyRowsCall = nativeCall({
  kernel: 'copyRows',
  buffers: { x: reads('xStart + (rows - 1) * xStep + width'), y: writes('yStart + (rows - 1) * yStep + width') },
  numbers: { rows: 'size', width: 'size', xStep: 'size', yStep: 'size', xStart: 'size', yStart: 'size' },
  work: ({ numbers: { rows, width } }) => ({ shape: `${rows}x${width}`, bytes: 8 * rows * width }),
});

/** A word-sized output of x's type. */
function outputLike(x: TensorInfo, shape: number[], backend: NativeBackend): TensorInfo {
  return backend.output(shape, x.dtype === 'int32' ? 'int32' : 'float32');
}

/** The axes of a transposition from the result's side, merged where they stay neighbours: sizes, and strides of x. */
function mergedAxes(shape: readonly number[], perm: readonly number[]): { sizes: number[]; steps: number[] } {
  const own = strides(shape);
  const sizes: number[] = [];
  const steps: number[] = [];
  for (let i = perm.length - 1; i >= 0; i--) {
    const [size, step] = [shape[perm[i]], own[perm[i]]];
    if (size === 1) continue;
    if (sizes.length > 0 && step === steps[0] * sizes[0]) {
      sizes[0] *= size;
    } else {
      sizes.unshift(size);
      steps.unshift(step);
    }
  }
  return { sizes, steps };
}

overrideNative('Transpose', ({ x }, { perm }, backend) => {
  if (!isWord(x)) return undefined;
  const order = perm as number[];
  const { sizes, steps } = mergedAxes(x.shape, order);
  // The kernel wants x's last axis last or next to last in the result.
  if (sizes.length > TURNED || steps.lastIndexOf(1) < sizes.length - 2) return undefined;
  const shape = order.map(axis => x.shape[axis]);
  const y = outputLike(x, shape, backend);
  if (sizes.length <= 1) {
    const width = sizeFromShape(x.shape);
    backend.call(copyRowsCall, { x, y }, { rows: 1, width, xStep: 0, yStep: 0, xStart: 0, yStart: 0 });
  } else {
    const missing = TURNED - sizes.length;
    const pad = (values: number[], value: number): number[] => [...Array(missing).fill(value), ...values];
    backend.call(transposeAxesCall, { x, y }, { sizes: pad(sizes, 1), steps: pad(steps, 0) });
  }
  return [y];
});

/** Copies a block of `size` along an axis: from x at `from` to y at `to`. */
function copyAlong(
  axis: number,
  size: number,
  source: { readonly x: TensorInfo; readonly from: number },
  target: { readonly y: TensorInfo; readonly to: number },
  backend: NativeBackend,
): void {
  const { x, from } = source;
  const { y, to } = target;
  const rows = sizeFromShape(x.shape.slice(0, axis));
  const inner = sizeFromShape(x.shape.slice(axis + 1));
  const steps = { xStep: x.shape[axis] * inner, yStep: y.shape[axis] * inner };
  const starts = { xStart: from * inner, yStart: to * inner };
  backend.call(copyRowsCall, { x, y }, { rows, width: size * inner, ...steps, ...starts });
}

overrideNative('Concat', (inputs, { axis }, backend) => {
  const parts = Object.values(inputs).filter(x => sizeFromShape(x.shape) > 0);
  const [first] = parts;
  if (parts.length < 2 || !parts.every(isWord) || parts.some(x => x.dtype !== first.dtype)) return undefined;
  const [at] = parseAxisParam(axis as number, first.shape);
  const total = parts.reduce((sum, x) => sum + x.shape[at], 0);
  const y = outputLike(first, first.shape.with(at, total), backend);
  let to = 0;
  for (const x of parts) {
    copyAlong(at, x.shape[at], { x, from: 0 }, { y, to }, backend);
    to += x.shape[at];
  }
  return [y];
});

overrideNative('Slice', ({ x }, { begin, size }, backend) => {
  if (!isWord(x)) return undefined;
  const [from, sizes] = tf.slice_util.parseSliceParams(
    { shape: x.shape } as tf.Tensor,
    begin as number[],
    size as number[],
  );
  const cut = x.shape.flatMap((length, i) => (sizes[i] === length ? [] : [i]));
  // One axis, and not the first: slices along that one are views.
  if (cut.length !== 1 || sizeFromShape(x.shape.slice(0, cut[0])) === 1 || sizes[cut[0]] <= 0) return undefined;
  const [axis] = cut;
  if (from[axis] < 0 || from[axis] + sizes[axis] > x.shape[axis]) return undefined;
  const y = outputLike(x, sizes, backend);
  copyAlong(axis, sizes[axis], { x, from: from[axis] }, { y, to: 0 }, backend);
  return [y];
});

overrideNative('PadV2', ({ x }, { paddings, constantValue }, backend) => {
  const pads = paddings as [number, number][];
  const padded = pads.flatMap(([before, after], i) => (before + after > 0 ? [i] : []));
  if (!isFloat(x) || padded.length !== 1) return undefined;
  const [axis] = padded;
  const [before, after] = pads[axis];
  const shape = x.shape.with(axis, x.shape[axis] + before + after);
  const [y] = filled(shape, constantValue as number, backend);
  copyAlong(axis, x.shape[axis], { x, from: 0 }, { y, to: before }, backend);
  return [y];
});

overrideNative('SplitV', ({ x }, { numOrSizeSplits, axis }, backend) => {
  const [at] = parseAxisParam(axis as number, x.shape);
  if (!isWord(x) || sizeFromShape(x.shape.slice(0, at)) === 1) return undefined;
  const sizes = tf.backend_util.prepareSplitSize({ shape: x.shape } as tf.Tensor, numOrSizeSplits as number[], at);
  if (sizes.length < 2 || sizes.some(size => size === 0)) return undefined;
  let from = 0;
  return sizes.map(size => {
    const y = outputLike(x, x.shape.with(at, size), backend);
    copyAlong(at, size, { x, from }, { y, to: 0 }, backend);
    from += size;
    return y;
  });
});

overrideNative('Cast', ({ x }, { dtype }, backend) => {
  if (dtype !== 'float32' || (x.dtype !== 'int32' && x.dtype !== 'bool')) return undefined;
  const y = backend.output(x.shape);
  (backend.values(y) as Float32Array).set(backend.values(x));
  return [y];
});

function filled(shape: number[], value: number, backend: NativeBackend): TensorInfo[] {
  const y = backend.output(shape);
  (backend.values(y) as Float32Array).fill(value);
  return [y];
}

overrideNative('Fill', (_, { shape, value, dtype }, backend) => {
  if (typeof value !== 'number' || (dtype ?? 'float32') !== 'float32') return undefined;
  return filled(shape as number[], value, backend);
});

overrideNative('ZerosLike', ({ x }, _, backend) => (x.dtype === 'float32' ? filled(x.shape, 0, backend) : undefined));

overrideNative('OnesLike', ({ x }, _, backend) => (x.dtype === 'float32' ? filled(x.shape, 1, backend) : undefined));
