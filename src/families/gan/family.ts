/**
 * @file The two GANs: DCGAN (Radford et al. 2016, with DiffAugment, Zhao et al. 2020, and an averaged generator) and R3GAN
 * (Huang et al. 2024). Their settings are published values at the size of the presets `small` and `tiny`.
 */
import type { RunConfig } from '../../config/run.ts';
import type { FamilyPlanning } from '../planning.ts';
import { defineBuiltInFamily } from '../registry.ts';
import { describeChecks } from '../words.ts';
import { checkGan, checkNewGan, ganSections, leastOfGan } from './config.ts';

/** What the two have in common. */
const shared = {
  sections: ganSections,
  check: checkGan,
  leastParameters: leastOfGan,
  checkNew: checkNewGan,
  stages: ['captions', 'text'],
  sized: ['text', 'gan.latent', 'gan.width', 'gan.blocks'],
  sampling: () => ({}),
  interpolates: true,
  game: true,
} as const;

/** By the operations a pixel at the default width. */
const planningBy = (operations: number): FamilyPlanning => ({
  operations: ({ images, gan }) => operations * images.imageSize ** 2 * (gan.width / 32) ** 2,
});

const words = {
  paints: 'a generator paints the whole image in one pass',
  loss: 'losses of the two players',
  progress: describeChecks,
  aids: aidsOf,
  setting: (field: string, value: string) => {
    if (field === 'gan.loss') return `${value} loss`;
    if (field === 'gan.predict') return value === 'none' ? 'no prediction' : `prediction ${value}`;
    return undefined;
  },
};

defineBuiltInFamily({
  ...shared,
  name: 'dcgan',
  defaults: {
    train: {
      batchSize: 32,
      optimizer: 'adamw',
      lr: 2e-4,
      warmup: 0,
      finalLr: 1,
      beta1: 0.5,
      beta2: 0.999,
      weightDecay: 0,
      clip: 1e9,
      ema: 0.995,
      checkSamples: 128,
    },
  },
  words: {
    ...words,
    title: 'DCGAN',
    noLikelihood: 'a GAN (dcgan) has no likelihood',
    colour: { light: '#c65102', dark: '#f5894a' },
  },
  planning: planningBy(1.6e5),
  create: async making => (await import('./model.ts')).createGan(making, 'dcgan'),
});

defineBuiltInFamily({
  ...shared,
  name: 'r3gan',
  // The penalties' weight is the paper's at 64 pixels, the learning rate that of narrower networks.
  defaults: {
    gan: { loss: 'relativistic', r1: 2, r2: 2, gammaEnd: 0.1 },
    train: {
      batchSize: 16,
      optimizer: 'adamw',
      lr: 1e-3,
      warmup: 0,
      finalLr: 0.25,
      beta1: 0,
      beta2: 0.99,
      weightDecay: 0,
      clip: 1e9,
      ema: 0.995,
      checkSamples: 128,
    },
  },
  words: {
    ...words,
    title: 'R3GAN',
    noLikelihood: 'a GAN (r3gan) has no likelihood',
    colour: { light: '#a9508a', dark: '#e096c4' },
  },
  planning: planningBy(3e5),
  create: async making => (await import('./model.ts')).createGan(making, 'r3gan'),
});

function aidsOf({ gan }: RunConfig): string[] {
  const aids = [`${gan.loss} loss`];
  if (gan.r1 > 0) aids.push(`R1 ${gan.r1}`);
  if (gan.r2 > 0) aids.push(`R2 ${gan.r2}`);
  if (gan.predict !== 'none') aids.push(`prediction of ${gan.predict === 'both' ? 'both players' : gan.predict}`);
  if (gan.augment.length > 0) aids.push(`DiffAugment (${gan.augment.join(', ')})`);
  if (gan.mismatch > 0) aids.push(`mismatched captions (${gan.mismatch})`);
  return aids;
}
