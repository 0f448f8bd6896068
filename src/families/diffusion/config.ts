/** @file Settings of the diffusion model, and what of them must fit together. */
import { z } from 'zod';
import { belowOne, channels, count, depth, fraction, positive } from '../../config/fields.ts';
import { rejectConfig } from '../../config/reject.ts';
import { checkCaptionDrop, type RunConfig } from '../../config/run.ts';
import { checkText, checkTextTraining, leastOfText, textSections } from '../contrastive/config.ts';

const preconditionings = ['edm', 'flow'] as const;

/** The denoiser and its noise. */
export const diffusionSchema = z.object({
  precond: z.enum(preconditionings).default('edm').describe('edm (Karras et al. 2022) or rectified flow'),
  stem: count.max(64).default(2).describe('pixels folded into channels before the first convolution'),
  width: channels.default(64).describe('channels at the finest stage'),
  multipliers: z
    .array(count.max(1024))
    .min(1)
    .max(16)
    .default([1, 2, 4])
    .describe('channels of each stage over the width'),
  blocks: depth.default(1).describe('residual blocks at each stage'),
  attention: z
    .array(count.max(4096))
    .max(16)
    .default([8])
    .describe('sides of the stages with attention, in folded pixels'),
  embedding: channels.default(256).describe('channels of the noise and caption embedding'),
  dropout: belowOne.default(0).describe('share of channels left out inside residual blocks'),
  captionDrop: fraction.default(0.1).describe('share of captions left out in training, for guidance'),
  sigmaData: positive.default(0.5).describe('edm: standard deviation of the data'),
  meanSigma: z.number().min(-100).max(100).default(-1.2).describe('edm: mean of ln sigma in training'),
  deviationSigma: positive.default(1.2).describe('edm: standard deviation of ln sigma in training'),
  sigmaMin: positive.default(0.002).describe('edm: least noise in sampling'),
  sigmaMax: positive.default(80).describe('edm: most noise in sampling'),
  rho: positive.default(7).describe('edm: how the noise levels of sampling are spaced'),
  sampleSteps: count.max(1000).default(18).describe('steps of sampling (edm: two passes each but the last)'),
});

export type DiffusionConfig = Readonly<z.infer<typeof diffusionSchema>>;

/** Sections of a diffusion model's run. */
export const diffusionSections = { ...textSections, diffusion: diffusionSchema };

declare module '../../config/run.ts' {
  interface Sections {
    diffusion: typeof diffusionSchema;
  }
}

/** Channels of a group in group norm, which the denoiser's widths are made of. */
export const GROUP_CHANNELS = 8;

/** A lower bound of the numbers of its networks: the convolutions of the denoiser's blocks, and the text encoder. */
export function leastOfDiffusion(config: RunConfig): number {
  const { width, multipliers, blocks, embedding } = config.diffusion;
  const convolutions = multipliers.reduce((sum, multiplier) => sum + 2 * blocks * 18 * (multiplier * width) ** 2, 0);
  return convolutions + embedding ** 2 + leastOfText(config);
}

/** @throws UserError naming the fields that do not fit together */
export function checkDiffusion(config: RunConfig): void {
  checkText(config);
  const {
    images: { imageSize },
    diffusion,
  } = config;
  const { stem, width, multipliers, sigmaMin, sigmaMax } = diffusion;
  if (sigmaMin >= sigmaMax) {
    rejectConfig(`sigmaMin ${sigmaMin}, expected less than sigmaMax, which is ${sigmaMax}`, 'e.g. --sigma-min 0.002');
  }
  const folded = stem * 2 ** (multipliers.length - 1);
  if (imageSize % folded !== 0) {
    rejectConfig(
      `imageSize ${imageSize}, expected a multiple of ${folded}: stem ${stem}, halved ${multipliers.length - 1} times`,
      'e.g. --image-size 64 --diffusion.stem 2 --multipliers 1,2,2',
    );
  }
  const odd = multipliers.map(multiplier => width * multiplier).find(channels => channels % GROUP_CHANNELS !== 0);
  if (odd !== undefined) {
    rejectConfig(
      `diffusion.width times multipliers gives ${odd}, expected multiples of ${GROUP_CHANNELS} channels`,
      'e.g. --diffusion.width 64',
    );
  }
}

/** @throws UserError naming the field with which nothing would be learnt */
export function checkNewDiffusion(config: RunConfig): void {
  checkTextTraining(config);
  checkCaptionDrop('diffusion.captionDrop', config.diffusion.captionDrop);
}
