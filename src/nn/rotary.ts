/**
 * @file Rotary positions (Su et al. 2021, RoFormer) for a caption followed by an image: half of a head's pairs turn with
 * the first coordinate, half with the second. A caption position p is (p, p); the code in row r and column c is
 * (captionLength + 1 + r, captionLength + 1 + c). So the caption is one-dimensional, the image two-dimensional, and no
 * position is left without an angle of its own (an all-zero rotation would make attention to the caption blind).
 *
 * In raster order the code that a position predicts is always the next cell. In another order it may be anywhere, so that what looks
 * for it (the query) turns by the cell that is to be predicted, and what is found (the key) by the cell that was read.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type SequenceShape, sequenceLength } from './masks.ts';
import type { CodeOrder } from './orders.ts';

/** cos and sin of every position's angles, [T, headDim / 2] each; the caller owns them. */
export interface RotaryTables {
  readonly cos: tf.Tensor;
  readonly sin: tf.Tensor;
  /** 0, or T: the tables are [2T, headDim / 2] then, those of queries behind those of keys. */
  readonly shift: number;
}

export interface RotaryOptions {
  /** Channels of a head, a multiple of 4. */
  readonly headDim: number;
  /** Wavelengths grow geometrically to 2 pi base; default 10,000. */
  readonly base?: number;
  /** Left out: raster, where queries turn as keys do. */
  readonly order?: CodeOrder;
}

export function rotaryTables(shape: SequenceShape, { headDim, base = 10000, order }: RotaryOptions): RotaryTables {
  const { captionLength, grid } = shape;
  const length = sequenceLength(shape);
  const text = captionLength + 1;
  /** Coordinates of the code at a place, or of a caption's position. */
  const placeOf = (position: number, code: number): readonly [number, number] => {
    if (code < 0) return [position, position];
    const cell = order === undefined ? code : order.cells[code];
    return [text + Math.floor(cell / grid), text + (cell % grid)];
  };
  const positions = Array.from({ length }, (_, position) => placeOf(position, position - text));
  const targets = Array.from({ length }, (_, position) => placeOf(position, position + 1 - text));
  const rows = order === undefined ? positions : [...positions, ...targets];
  return { ...turned(rows, headDim, base), shift: order === undefined ? 0 : length };
}

/** @param places coordinates by row; @returns [places, headDim / 2] */
function turned(places: readonly (readonly [number, number])[], headDim: number, base: number) {
  const half = headDim / 2;
  const quarter = headDim / 4;
  const cos = new Float32Array(places.length * half);
  const sin = new Float32Array(places.length * half);
  places.forEach(([first, second], row) => {
    for (let i = 0; i < half; i++) {
      const frequency = base ** (-(i % quarter) / quarter);
      const angle = (i < quarter ? first : second) * frequency;
      cos[row * half + i] = Math.cos(angle);
      sin[row * half + i] = Math.sin(angle);
    }
  });
  const shape: [number, number] = [places.length, half];
  return { cos: tf.tensor(cos, shape), sin: tf.tensor(sin, shape) };
}
