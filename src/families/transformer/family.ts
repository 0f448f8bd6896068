/** @file The transformer (Ramesh et al. 2021, arXiv:2102.12092): captions and codes as one sequence. Presets are its own. */
import { codebookSizeOf } from '../../config/patch-sizes.ts';
import { defineBuiltInFamily } from '../registry.ts';
import { checkNewTransformer, leastOfTransformer, transformerSections } from './config.ts';
import { checkTransformer } from './config-checks.ts';
import { transformerPlanning } from './planning.ts';

defineBuiltInFamily({
  name: 'transformer',
  sections: transformerSections,
  check: checkTransformer,
  leastParameters: leastOfTransformer,
  checkNew: checkNewTransformer,
  stages: ['captions', 'patch', 'codes'],
  sampling: ({ sampling: { temperature, fineTemperature, topK, topP, cfgScale }, model: { order } }) => ({
    ...{ temperature, topK, topP, cfgScale },
    ...(order === 'interlaced' && { fineTemperature }),
  }),
  piecewise: true,
  validation: {
    curves: ['val_image', 'val_loss'],
    // What guessing has.
    untaught: ({ patch }) => Math.log(codebookSizeOf(patch)),
    suffices: true,
  },
  words: {
    title: 'transformer',
    paints: 'a transformer paints code by code',
    colour: { light: '#0072b2', dark: '#56b4e9' },
    unit: 'tokens',
    loss: 'loss, nats an image code',
    progress: ({ val_image: image }) => (image === undefined ? undefined : `held out ${image.toFixed(3)} nats a code`),
    aids: ({ model: { dropout, codeNoise, coarse, variants }, sampling: { cfgScale } }) => [
      ...(coarse > 0 ? [`${coarse} coarse pictures beside each`] : []),
      ...(dropout > 0 ? [`dropout ${dropout}`] : []),
      ...(codeNoise > 0 ? [`code noise ${codeNoise}`] : []),
      ...(variants.length > 0 ? [`changed pictures (${variants.join(', ')})`] : []),
      ...(cfgScale !== 1 ? [`guidance ${cfgScale}`] : []),
    ],
  },
  planning: transformerPlanning,
  adapt: async (start, target) => (await import('./adapt.ts')).adapt(start, target),
  create: async making => (await import('./model.ts')).createTransformer(making),
});
