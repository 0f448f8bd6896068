/**
 * @file The patch tokenizer's settings: its network and its training. The tokenizer reads them by these types; a family
 * that paints codes brings them into the config of a run.
 */
import { z } from 'zod';
import { amount, batch, belowOne, channels, count, depth, fraction, optimizers, positive } from './fields.ts';

export const quantizers = ['fsq', 'vq', 'dvae'] as const;

/** The patch tokenizer's network. */
export const patchSchema = z.object({
  grid: count.max(128).default(32).describe('codes along each side of the image'),
  quantizer: z.enum(quantizers).default('fsq').describe('how a patch becomes one of the codes'),
  levels: z
    .array(count.min(2).max(65536))
    .min(1)
    .max(16)
    .default([8, 5, 5, 5])
    .describe('fsq: values along each axis; their product is the codebook'),
  codebookSize: count.min(2).max(65536).default(8192).describe('vq and dvae: number of codes'),
  codeDim: count.max(4096).default(8).describe('vq: dimension of a code'),
  width: channels.default(32).describe('channels at the finest stage of the network'),
  maxWidth: channels.default(96).describe('channels at the code grid'),
  stem: count.max(64).default(2).describe('pixels folded into channels before the first convolution'),
  blocks: depth.default(2).describe('residual blocks of the decoder at each resolution; the encoder has half'),
  codeBlocks: depth.default(2).describe('residual blocks at the code grid, likewise'),
});

/** How the patch tokenizer is trained. */
export const patchTrainSchema = z.object({
  steps: count.default(10000).describe('optimizer steps'),
  batchSize: batch.default(8).describe('images a step; small is quick'),
  optimizer: z.enum(optimizers).default('adamw').describe('as for the transformer'),
  lr: positive.default(2e-3).describe('peak learning rate'),
  warmup: fraction.default(0.03).describe('share of the steps in which the learning rate rises'),
  finalLr: fraction.default(0.05).describe('last learning rate as a share of the peak (cosine)'),
  decay: fraction.default(1).describe('share of the steps after which the learning rate is at its last'),
  beta1: belowOne.default(0.9).describe('AdamW: decay of the mean of gradients'),
  beta2: belowOne.default(0.99).describe('AdamW: decay of the mean of squared gradients'),
  weightDecay: amount.default(0.01).describe('decay of weight matrices towards 0'),
  clip: positive.default(1).describe('largest global norm of the gradient'),
  ema: belowOne.default(0.998).describe('decay of the averaged weights'),
  l1: amount.default(0.5).describe('weight of the absolute error'),
  l2: amount.default(5).describe('weight of the squared error'),
  edges: amount.default(0.5).describe('weight of the absolute error of image gradients'),
  commitment: amount.default(0.25).describe('vq: weight of the commitment loss'),
  reviveAfter: count.default(200).describe('vq: steps after which an unused code takes the place of an encoded patch'),
  klWeight: amount
    .default(6.6)
    .describe('dvae: final weight of the KL term, before the division by the values of a patch'),
  klWarmup: fraction.default(0.0017).describe('dvae: share of the steps in which it rises (cosine)'),
  temperature: positive.default(1 / 16).describe('dvae: final temperature of the Gumbel softmax'),
  temperatureSteps: fraction.default(0.05).describe('dvae: share of the steps in which it falls from 1 (cosine)'),
});

export type PatchConfig = Readonly<z.infer<typeof patchSchema>>;
export type PatchTrainConfig = Readonly<z.infer<typeof patchTrainSchema>>;
