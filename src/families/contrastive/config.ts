/** @file Settings of the contrastive towers, the frozen text encoder of the families that paint from features of captions. */
import { z } from 'zod';
import {
  amount,
  batch,
  belowOne,
  channels,
  count,
  depth,
  fraction,
  optimizers,
  positive,
} from '../../config/fields.ts';
import { rejectConfig } from '../../config/reject.ts';
import type { RunConfig } from '../../config/run.ts';

/** The text encoder: a contrastive pair of towers, trained on the captions first and then frozen. */
export const textSchema = z.object({
  length: count.max(256).default(32).describe('caption ids it reads'),
  dim: count.max(16384).default(128).describe('features of a caption'),
  width: channels.default(128).describe('channels of its transformer'),
  layers: depth.default(2).describe('layers of its transformer'),
  heads: count.max(1024).default(4).describe('attention heads of each layer'),
  imageWidth: channels.default(32).describe('channels of its image tower at the finest stage'),
});

/** How the text encoder is trained. */
export const textTrainSchema = z.object({
  steps: count.default(600).describe('optimizer steps'),
  batchSize: batch.default(64).describe('pairs a step; the others of a batch are the wrong answers'),
  optimizer: z.enum(optimizers).default('muon').describe('as for the transformer'),
  lr: positive.default(4e-3).describe('peak learning rate'),
  warmup: fraction.default(0.05).describe('share of the steps in which the learning rate rises'),
  finalLr: fraction.default(0.05).describe('last learning rate as a share of the peak (cosine)'),
  beta1: belowOne.default(0.9).describe('AdamW: decay of the mean of gradients'),
  beta2: belowOne.default(0.98).describe('AdamW: decay of the mean of squared gradients'),
  weightDecay: amount.default(0.1).describe('decay of weight matrices towards 0'),
  clip: positive.default(1).describe('largest global norm of the gradient'),
  ema: belowOne.default(0.99).describe('decay of the averaged weights'),
  crop: belowOne.default(0.1).describe('how far every image is shifted and zoomed anew, as a share of its side'),
  views: amount.default(0).describe('weight of the loss between two crops of an image; 0 computes none'),
});

export type TextConfig = Readonly<z.infer<typeof textSchema>>;
export type TextTrainConfig = Readonly<z.infer<typeof textTrainSchema>>;

/** Sections of a run with a text encoder. */
export const textSections = { text: textSchema, textTrain: textTrainSchema };

declare module '../../config/run.ts' {
  interface Sections {
    text: typeof textSchema;
    textTrain: typeof textTrainSchema;
  }
}

/** A lower bound of the towers' numbers: the matrices of the text tower's layers, and the image tower's first blocks. */
export function leastOfText({ text: { width, layers, length, dim, imageWidth } }: Pick<RunConfig, 'text'>): number {
  return layers * 12 * width ** 2 + (256 + length + dim) * width + 20 * imageWidth ** 2;
}

/** @throws UserError naming the fields that do not fit together */
export function checkText({ text }: Pick<RunConfig, 'text'>): void {
  if (text.width % text.heads !== 0) {
    rejectConfig(
      `text.width ${text.width} / text.heads ${text.heads}: expected whole channels a head`,
      'e.g. --text.width 128 --text.heads 4',
    );
  }
}

/** @throws UserError naming the field with which nothing would be learnt */
export function checkTextTraining({ textTrain }: Pick<RunConfig, 'textTrain'>): void {
  if (textTrain.batchSize === 1) {
    rejectConfig(
      'textTrain.batchSize 1: a pair learns from the others of its batch, so that nothing would be learnt; expected at least 2',
      'e.g. --text-train.batch-size 64',
    );
  }
}
