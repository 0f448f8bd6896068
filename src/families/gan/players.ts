/**
 * @file What the two networks of a GAN must be, whichever their kind: a generator of images in [-1, 1] (or about that) and
 * a discriminator's features of them. Both go through grids of 4 x 4, 8 x 8 ... pixels. Captions are gan.ts's concern.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import { UserError } from '../../core/errors.ts';
import type { Dual } from './penalty.ts';

export interface Generator {
  /** Multiply-adds of one image, forward. */
  readonly multiplyAdds: number;
  /** @param input [B, inputs]; @returns [B, S, S, 3], each image by itself */
  apply(input: Tensor): Tensor;
  /**
   * As `apply`, but norms over a batch use that batch's statistics.
   * @returns also these, for `follow`
   */
  train(input: Tensor): { readonly images: Tensor; readonly moments: readonly Tensor[] };
  /** Moves the running statistics that `apply` uses towards those of a batch. */
  follow(moments: readonly Tensor[]): void;
  /** The running statistics: parameters that no loss depends on. */
  readonly statistics: readonly Tensor[];
}

export interface Discriminator {
  /** Multiply-adds of one image, forward. */
  readonly multiplyAdds: number;
  /** @param x [B, S, S, 3]; @returns [B, FEATURES] */
  features(x: Dual): Dual;
}

/** Features that a discriminator compares with the caption's. */
export const FEATURES = 128;

/** One grid that a network passes. */
export interface Stage {
  readonly grid: number;
  readonly channels: number;
}

/**
 * The grids from 4 pixels to `finest`; `width` channels at the finest, doubled with every halving, up to eight times.
 * @throws UserError if `finest` is not 4 times a power of two
 */
export function stagesOf(finest: number, width: number): readonly Stage[] {
  const stages: Stage[] = [];
  for (let grid = 4; grid <= finest; grid *= 2) {
    stages.push({ grid, channels: width * Math.min(8, finest / grid) });
  }
  return stages;
}

/** @throws UserError unless the size is one that a GAN can paint */
export function checkImageSize(imageSize: number): void {
  const sizes = [8, 16, 32, 64, 128, 256, 512];
  if (!sizes.includes(imageSize)) {
    throw new UserError(
      'gan',
      `expected an image size of ${sizes.join(', ')}, got ${imageSize}`,
      'try --image-size 64',
    );
  }
}

/** Standard deviation of weights before a leaky ReLU of slope 0.2 that keeps the scale of what goes through (He et al. 2015). */
export function leakyDeviation(inputs: number): number {
  return Math.sqrt(2 / 1.04 / inputs);
}
