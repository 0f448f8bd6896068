/**
 * @file Finite scalar quantization: each of a few channels is bounded and rounded to one of its levels; the code is the
 * number that the levels spell in mixed radix. No parameters, no codebook to collapse, no loss of its own.
 * @see Mentzer et al. 2023, "Finite Scalar Quantization: VQ-VAE Made Simple", section 3 and appendix A.1 (arXiv:2309.15505)
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape } from '../../src/core/errors.ts';
import { detached } from '../../src/kernels/detached.ts';
import { plainPixels } from './pixels.ts';
import type { Quantized, Quantizer, QuantizerState } from './quantizer.ts';

/** Keeps the outermost levels reachable at finite inputs. */
const EPS = 1e-3;

export class FsqQuantizer implements Quantizer {
  readonly codebookSize: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly pixels = plainPixels;
  private readonly levels: readonly number[];
  /** Half of the range between a channel's outermost levels. */
  private readonly half: readonly number[];
  /** An even number of levels has none in the middle: the grid sits half a step lower, and inputs are shifted to match. */
  private readonly offset: readonly number[];
  private readonly shift: readonly number[];
  /** Level 0 in units of steps from the centre, and what maps levels to about [-1, 1]. */
  private readonly halfWidth: readonly number[];
  /** Place values of the mixed-radix number; the first channel is the lowest digit. */
  private readonly basis: readonly number[];

  /** @param levels values along each channel, each at least 2 */
  constructor(levels: readonly number[]) {
    this.levels = levels;
    this.inputs = levels.length;
    this.outputs = levels.length;
    this.half = levels.map(L => ((L - 1) * (1 - EPS)) / 2);
    this.offset = levels.map(L => (L % 2 === 0 ? 0.5 : 0));
    this.shift = levels.map((_, i) => Math.tan(this.offset[i] / this.half[i]));
    this.halfWidth = levels.map(L => Math.floor(L / 2));
    this.basis = levels.map((_, i) => levels.slice(0, i).reduce((a, b) => a * b, 1));
    this.codebookSize = levels.reduce((a, b) => a * b, 1);
  }

  /** tanh(z + shift) half - offset: rounds to the integers -floor(L/2) .. floor((L-1)/2). */
  private bound(z: Tensor): Tensor {
    return tf.sub(tf.mul(tf.tanh(tf.add(z, tf.tensor1d([...this.shift]))), [...this.half]), [...this.offset]);
  }

  quantize(encoded: Tensor): Quantized {
    expectShape('fsq: encoded', encoded.shape, ['B', 'h', 'w', this.inputs]);
    const bounded = this.bound(encoded);
    const rounded = tf.add(
      bounded,
      detached(() => tf.sub(tf.round(bounded), bounded)),
    );
    return { vectors: tf.div(rounded, [...this.halfWidth]), losses: {}, observed: [] };
  }

  encode(encoded: Tensor): Tensor {
    expectShape('fsq: encoded', encoded.shape, ['B', 'h', 'w', this.inputs]);
    return tf.tidy(() => {
      const digits = tf.add(tf.round(this.bound(encoded)), [...this.halfWidth]); // [B, h, w, d], whole numbers
      return tf.cast(tf.sum(tf.mul(digits, [...this.basis]), -1), 'int32'); // [B, h, w]; exact below 2^24
    });
  }

  decode(codes: Tensor): Tensor {
    return tf.tidy(() => {
      const digits = this.levels.map((L, i) =>
        // The fraction is at least 1 / (2 basis) away from the next integer, far more than float32's error.
        tf.mod(tf.floor(tf.div(tf.add(tf.cast(codes, 'float32'), 0.5), this.basis[i])), L),
      );
      return tf.div(tf.sub(tf.stack(digits, -1), [...this.halfWidth]), [...this.halfWidth]); // [B, h, w, d]
    });
  }

  state(): QuantizerState {
    return {};
  }

  loadState(): void {}
}
