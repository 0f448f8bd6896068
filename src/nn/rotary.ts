/**
 * @file Rotary positions (Su et al. 2021, RoFormer) for a caption followed by an image: half of a head's pairs turn with
 * the first coordinate, half with the second. A caption position p is (p, p); the code in row r and column c is
 * (captionLength + 1 + r, captionLength + 1 + c). So the caption is one-dimensional, the image two-dimensional, and no
 * position is left without an angle of its own (an all-zero rotation would make attention to the caption blind).
 */
import * as tf from '@tensorflow/tfjs-core';
import { type SequenceShape, sequenceLength } from './masks.ts';

/** cos and sin of every position's angles, [T, headDim / 2] each; the caller owns them. */
export interface RotaryTables {
  readonly cos: tf.Tensor;
  readonly sin: tf.Tensor;
}

/**
 * @param headDim channels of a head, a multiple of 4
 * @param base wavelengths grow geometrically to 2 pi base
 */
export function rotaryTables(shape: SequenceShape, headDim: number, base = 10000): RotaryTables {
  const length = sequenceLength(shape);
  const half = headDim / 2;
  const quarter = headDim / 4;
  const cos = new Float32Array(length * half);
  const sin = new Float32Array(length * half);
  const text = shape.captionLength + 1;
  for (let position = 0; position < length; position++) {
    const code = position - text;
    const first = code < 0 ? position : text + Math.floor(code / shape.grid);
    const second = code < 0 ? position : text + (code % shape.grid);
    for (let i = 0; i < half; i++) {
      const frequency = base ** (-(i % quarter) / quarter);
      const angle = (i < quarter ? first : second) * frequency;
      cos[position * half + i] = Math.cos(angle);
      sin[position * half + i] = Math.sin(angle);
    }
  }
  return { cos: tf.tensor(cos, [length, half]), sin: tf.tensor(sin, [length, half]) };
}
