/** @file Flags of commands that paint: the settings of sampling, and what chooses among pictures. */
import type { z } from 'zod';
import { samplingSchema } from '../config/run.ts';
import { count, folder } from './common-flags.ts';

/** The run's own settings unless asked otherwise. */
const settings = Object.fromEntries(
  Object.entries(samplingSchema.shape).map(([name, field]) => [
    name,
    field
      .removeDefault()
      .optional()
      .describe(`${field.description} (default: the run's, usually ${field.parse(undefined)})`),
  ]),
) as { readonly [Name in keyof typeof samplingSchema.shape]: z.ZodOptional<z.ZodNumber> };

export const samplingFlags = {
  ...settings,
  steps: count("diffusion: steps of sampling (default: the run's)").max(1000).optional(),
};

export const choiceFlags = {
  rerank: folder(
    'what chooses: a folder of `tessera features`, or a CLIP by its folder or hub id such as Xenova/clip-vit-base-patch32 ' +
      '(default with --best-of: what came with the run)',
  ).optional(),
  bestOf: count('paint so many of a caption and keep those that fit it best').optional(),
};
