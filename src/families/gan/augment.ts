/**
 * @file Differentiable augmentation (DiffAugment, Zhao et al. 2020, arXiv:2006.10738): what the discriminator sees of every
 * image, real or generated, in both players' steps, so that it cannot learn few images by heart. Colours (brightness,
 * saturation, contrast), a shift by up to an eighth of the side, and a square of half the side cut out. Every draw is made
 * beforehand, so that an image, its gradient and its tangent see the same change; given the draws it is an affine map.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Random } from '../../core/random.ts';
import { shiftImages } from '../../kernels/shift/shift.ts';
import { type Dual, dual } from './penalty.ts';

export type Augmentation = 'colour' | 'translation' | 'cutout';

/** What happens to each of B images; what is absent does not happen. */
export interface AugmentDraws {
  readonly colour?: {
    /** Added to every value, in [-1/2, 1/2) (images in [-1, 1]). */
    readonly brightness: Float32Array;
    /** Factor on the deviations from the pixel's mean over channels, in [0, 2). */
    readonly saturation: Float32Array;
    /** Factor on the deviations from the image's mean, in [1/2, 3/2). */
    readonly contrast: Float32Array;
  };
  /** [2 B], how far each image moves down and right; zeros come in. */
  readonly shifts?: readonly number[];
  /** [2 B], line and column that the square set to zero is around: from half its side before to half its side after. */
  readonly holes?: readonly number[];
}

/** Draws of every kind named, for B images of S x S pixels. */
export function drawAugmentation(kinds: readonly Augmentation[], B: number, S: number, random: Random): AugmentDraws {
  const each = (label: string, count: number, draw: (random: Random) => number) => {
    const stream = random.fork(label);
    return Array.from({ length: count }, () => draw(stream));
  };
  const between = (low: number, high: number) => (random: Random) => low + (high - low) * random.uniform();
  const reach = Math.round(S / 8);
  return {
    ...(kinds.includes('colour') && {
      colour: {
        brightness: Float32Array.from(each('brightness', B, between(-0.5, 0.5))),
        saturation: Float32Array.from(each('saturation', B, between(0, 2))),
        contrast: Float32Array.from(each('contrast', B, between(0.5, 1.5))),
      },
    }),
    ...(kinds.includes('translation') && {
      shifts: each('translation', 2 * B, stream => stream.integer(2 * reach + 1) - reach),
    }),
    ...(kinds.includes('cutout') && { holes: each('cutout', 2 * B, stream => stream.integer(S)) }),
  };
}

/**
 * Changes images as drawn; a tangent goes through the linear part.
 * @param x [B, S, S, C] in [-1, 1], and its tangent if it has one
 */
export function augment(x: Dual, draws: AugmentDraws): Dual {
  const tangent = x.tangent === undefined ? undefined : changed(x.tangent, draws, false);
  return dual(changed(x.value, draws, true), tangent);
}

function changed(x: Tensor, { colour, shifts, holes }: AugmentDraws, constants: boolean): Tensor {
  return tf.tidy(() => {
    const [B, H, W] = x.shape as [number, number, number, number];
    const perImage = (values: Float32Array) => tf.tensor(values, [B, 1, 1, 1]);
    let y = x;
    if (colour !== undefined) {
      if (constants) y = tf.add(y, perImage(colour.brightness));
      y = scaledAround(y, tf.mean(y, 3, true), perImage(colour.saturation));
      y = scaledAround(y, tf.mean(y, [1, 2, 3], true), perImage(colour.contrast));
    }
    if (shifts !== undefined) y = shiftImages(y, shifts);
    if (holes !== undefined) y = tf.mul(y, tf.tensor(maskOf(holes, H, W), [B, H, W, 1]));
    return y === x ? tf.clone(x) : y;
  });
}

function scaledAround(x: Tensor, middle: Tensor, factor: Tensor): Tensor {
  return tf.add(tf.mul(tf.sub(x, middle), factor), middle);
}

/** 0 in the holes, 1 elsewhere, [B, H, W]. */
function maskOf(holes: readonly number[], H: number, W: number): Float32Array {
  const mask = new Float32Array((holes.length / 2) * H * W).fill(1);
  for (let b = 0; 2 * b < holes.length; b++) {
    const [line, column] = [holes[2 * b], holes[2 * b + 1]];
    const left = Math.max(0, column - Math.floor(W / 4));
    const right = Math.min(W, column - Math.floor(W / 4) + Math.floor(W / 2));
    const top = Math.max(0, line - Math.floor(H / 4));
    const bottom = Math.min(H, line - Math.floor(H / 4) + Math.floor(H / 2));
    for (let y = top; y < bottom; y++) mask.fill(0, (b * H + y) * W + left, (b * H + y) * W + right);
  }
  return mask;
}
