/**
 * @file Windows over images [B, H, W, C], where they lie as TensorFlow lays them, and the largest or the mean of each: one
 * axis after the other, in operations that are fast on every backend.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Along one axis: `size` pixels, `stride` apart. */
export interface Window {
  readonly size: number;
  readonly stride: number;
}

/** How many windows there are along an axis, and how many pixels before the image the first one begins. */
export interface Placement {
  readonly count: number;
  readonly before: number;
}

export function place(length: number, { size, stride }: Window, padding: 'same' | 'valid'): Placement {
  if (padding === 'valid') return { count: Math.floor((length - size) / stride) + 1, before: 0 };
  const count = Math.ceil(length / stride);
  return { count, before: Math.floor(Math.max(0, (count - 1) * stride + size - length) / 2) };
}

/**
 * The largest value or the mean in each window. Means are over the pixels that are there.
 * @param windows of lines and of columns
 * @returns [B, H', W', C]; inside `tf.tidy`, as any formula
 */
export function pool(
  x: Tensor,
  windows: readonly [Window, Window],
  { kind, padding }: { readonly kind: 'max' | 'mean'; readonly padding: 'same' | 'valid' },
): Tensor {
  const places = windows.map((window, i) => place(x.shape[1 + i], window, padding));
  let y = x;
  windows.forEach((window, i) => {
    y = alongAxis(y, 1 + i, { ...window, ...places[i], kind });
  });
  if (kind === 'max') return y;
  const [lines, columns] = windows.map((window, i) => covered(x.shape[1 + i], window, places[i]));
  const shares = lines.flatMap(line => columns.map(column => 1 / (line * column)));
  return tf.mul(y, tf.tensor(shares, [1, lines.length, columns.length, 1]));
}

/** Pixels of the image that each window covers. */
function covered(length: number, { size, stride }: Window, { count, before }: Placement): number[] {
  return Array.from({ length: count }, (_, i) => {
    const from = i * stride - before;
    return Math.min(length, from + size) - Math.max(0, from);
  });
}

function alongAxis(x: Tensor, axis: number, { kind, ...along }: Along & { readonly kind: 'max' | 'mean' }): Tensor {
  return kind === 'max'
    ? taps(x, axis, along, Number.NEGATIVE_INFINITY).reduce((a, b) => tf.maximum(a, b))
    : tf.addN(taps(x, axis, along));
}

type Along = Window & Placement;

/** What the windows along one axis see at their first pixel, at their second, and so on: each as long as there are windows. */
export function taps(x: Tensor, axis: number, { size, stride, count, before }: Along, outside = 0): Tensor[] {
  const after = Math.max(0, size - 1 + count * stride - before - x.shape[axis]);
  const padded = before + after === 0 ? x : widen(x, axis, [before, after], outside);
  return Array.from({ length: size }, (_, i) => every(padded, axis, { from: i, count, stride }));
}

/** Pixels `from`, `from + stride`, ... along an axis, which must reach to the end of the last stride. */
function every(
  x: Tensor,
  axis: number,
  { from, count, stride }: { readonly from: number; readonly count: number; readonly stride: number },
): Tensor {
  const part = cut(x, axis, { from, count: count * stride });
  const { shape } = part;
  if (stride === 1) return part;
  const [outer, inner] = [shape.slice(0, axis), shape.slice(axis + 1)];
  const first = tf.slice(tf.reshape(part, [product(outer) * count, stride, product(inner)]), [0, 0, 0], [-1, 1, -1]);
  return tf.reshape(first, [...outer, count, ...inner]);
}

/** A margin along one axis. One at a time is what backends are quick at. */
export function widen(x: Tensor, axis: number, [before, after]: readonly [number, number], outside = 0): Tensor {
  return tf.pad(
    x,
    x.shape.map((_, i): [number, number] => (i === axis ? [before, after] : [0, 0])),
    outside,
  );
}

/** A part along one axis. */
export function cut(
  x: Tensor,
  axis: number,
  { from, count }: { readonly from: number; readonly count: number },
): Tensor {
  return tf.slice(
    x,
    x.shape.map((_, i) => (i === axis ? from : 0)),
    x.shape.map((length, i) => (i === axis ? count : length)),
  );
}

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);
