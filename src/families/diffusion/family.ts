/** @file The diffusion model (Karras et al. 2022, arXiv:2206.00364), or a rectified flow on the same network. */
import type { RunConfig } from '../../config/run.ts';
import { defineBuiltInFamily } from '../registry.ts';
import { describeChecks } from '../words.ts';
import { checkDiffusion, checkNewDiffusion, diffusionSections, leastOfDiffusion } from './config.ts';

defineBuiltInFamily({
  name: 'diffusion',
  sections: diffusionSections,
  defaults: {
    train: {
      batchSize: 32,
      optimizer: 'adamw',
      lr: 1e-3,
      warmup: 0.02,
      finalLr: 0.1,
      beta1: 0.9,
      beta2: 0.99,
      weightDecay: 0,
      clip: 1,
      ema: 0.997,
      checkSamples: 64,
    },
    sampling: { cfgScale: 2 },
  },
  check: checkDiffusion,
  leastParameters: leastOfDiffusion,
  checkNew: checkNewDiffusion,
  stages: ['captions', 'text'],
  sized: [
    'text',
    ...['precond', 'stem', 'width', 'multipliers', 'blocks', 'attention', 'embedding'].map(name => `diffusion.${name}`),
  ],
  sampling: ({ sampling, diffusion: { sampleSteps } }) => ({ cfgScale: sampling.cfgScale, steps: sampleSteps }),
  interpolates: true,
  validation: {
    curves: ['val_loss'],
    // With EDM's weights, no network at all has 1.
    untaught: ({ diffusion: { precond } }) => (precond === 'edm' ? 1 : Number.POSITIVE_INFINITY),
    suffices: false,
  },
  words: {
    title: 'diffusion',
    paints: 'a diffusion model denoises the whole image at once',
    colour: { light: '#00805c', dark: '#2fc79b' },
    loss: 'denoising loss',
    noLikelihood: 'of a diffusion model only a bound exists',
    progress: describeChecks,
    aids: aidsOf,
    setting: (field, value) => (field === 'diffusion.precond' ? value : undefined),
  },
  planning: {
    operations: ({ images, diffusion }) => 8e5 * images.imageSize ** 2 * (diffusion.width / 64) ** 2,
    passes: ({ diffusion: { sampleSteps } }) => ({
      painting: 2 * sampleSteps,
      checking: sampleSteps,
      // Checks paint in half of the steps and without guidance, which is half of the passes.
      checkingShare: sampleSteps > 1 ? 0.25 : 1,
      validation: 2,
      validatedAtMost: 256,
    }),
  },
  create: async making => (await import('./model.ts')).createDiffusion(making),
});

function aidsOf({ diffusion: { dropout }, sampling: { cfgScale } }: RunConfig): string[] {
  const aids: string[] = [];
  if (dropout > 0) aids.push(`dropout ${dropout}`);
  if (cfgScale !== 1) aids.push(`guidance ${cfgScale}`);
  return aids;
}
