/**
 * @file tfjs's own operations on the native backend that only move numbers: transposition, joining, cutting, padding,
 * filling. Whatever is unusual is left to tfjs's cpu kernels. Imported by elementwise.ts; it exports nothing.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { nativeCall, reads, writes } from '../../device/native/calls.ts';
import { type NativeBackend, overrideNative } from '../../device/native/native.ts';
import { isFloat, isWord, product, reach, strides } from './layout.ts';

const { sizeFromShape, parseAxisParam } = tf.util;

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
