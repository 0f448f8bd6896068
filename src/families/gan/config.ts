/** @file Settings of the GANs, and what of them must fit together. */
import { z } from 'zod';
import { amount, channels, count, depth, fraction, positive } from '../../config/fields.ts';
import { rejectConfig } from '../../config/reject.ts';
import { checkCaptionDrop, type RunConfig } from '../../config/run.ts';
import { checkText, checkTextTraining, leastOfText, textSections } from '../contrastive/config.ts';

export const ganLosses = ['minimax', 'nonsaturating', 'hinge', 'relativistic'] as const;
const predictions = ['none', 'G', 'both'] as const;
const augmentations = ['colour', 'translation', 'cutout'] as const;

/** The generator, the discriminator and their game. */
export const ganSchema = z.object({
  latent: count.max(16384).default(64).describe('dimension of the noise'),
  width: channels.default(32).describe('channels at the finest stage; doubled with every halving, up to eight times'),
  blocks: depth.default(1).describe('r3gan: residual blocks at each resolution'),
  loss: z.enum(ganLosses).default('nonsaturating').describe('what the two players minimise'),
  r1: amount.default(0).describe('weight of the squared gradient of D at real images; 0: none'),
  r2: amount.default(0).describe('weight of the squared gradient of D at generated images; 0: none'),
  gammaEnd: positive.max(1).default(1).describe('share of r1 and r2 that is left after the burn-in (cosine)'),
  burnIn: fraction.default(0.1).describe('share of the steps in which they fall to it'),
  predict: z.enum(predictions).default('none').describe('prediction method: who stands ahead while the other moves'),
  augment: z
    .array(z.enum(augmentations))
    .max(16)
    .default(['colour', 'translation', 'cutout'])
    .describe('DiffAugment on every image that D sees'),
  mismatch: amount.default(0.5).describe("weight of D's loss on real images with another's caption"),
  captionDrop: fraction.default(0.1).describe('share of captions left out in training, to paint without one'),
});

export type GanConfig = Readonly<z.infer<typeof ganSchema>>;
export type GanLoss = GanConfig['loss'];

/** Sections of a GAN's run. */
export const ganSections = { ...textSections, gan: ganSchema };

declare module '../../config/run.ts' {
  interface Sections {
    gan: typeof ganSchema;
  }
}

/** A lower bound of the numbers of its networks: the convolutions at the coarsest grids of both players, and the text encoder. */
export function leastOfGan(config: RunConfig): number {
  const { latent, width, blocks } = config.gan;
  const { imageSize } = config.images;
  // Doubled with every halving from the finest grid to 4 x 4, up to eight times; DCGAN's finest is half of the image.
  const coarsest = width * Math.min(8, Math.max(1, imageSize / 8));
  if (config.family === 'r3gan') return 2 * blocks * coarsest ** 2 + leastOfText(config);
  return 32 * latent * coarsest + 16 * coarsest ** 2 + leastOfText(config);
}

/** @throws UserError naming the fields that do not fit together */
export function checkGan(config: RunConfig): void {
  checkText(config);
  const {
    family,
    images: { imageSize },
  } = config;
  if (imageSize < 8 || !Number.isInteger(Math.log2(imageSize))) {
    rejectConfig(`imageSize ${imageSize}, expected a power of two from 8 on for ${family}`, 'e.g. --image-size 64');
  }
}

/** @throws UserError naming the field with which nothing would be learnt */
export function checkNewGan(config: RunConfig): void {
  checkTextTraining(config);
  const { gan, train } = config;
  checkCaptionDrop('gan.captionDrop', gan.captionDrop);
  if (gan.mismatch > 0 && train.batchSize === train.accumulate) {
    rejectConfig(
      `gan.mismatch ${gan.mismatch}: another's caption needs two images that are computed together, got parts of one (train.batchSize ${train.batchSize}, accumulate ${train.accumulate})`,
      'e.g. --mismatch 0, or --batch-size 16 --accumulate 1',
    );
  }
}
