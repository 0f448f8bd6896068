/** @file What of a run's config `tessera features` has: the fields that are its flags, and the config that they make. */
import { z } from 'zod';
import { captionSchema, imagesSchema, type RunConfig } from '../config/run.ts';
import { parseConfig } from '../config/schema.ts';
import { checkConfig, checkNewConfig, runSchema } from '../families/config.ts';
import { checkText, checkTextTraining, textSections } from '../families/contrastive/config.ts';

/** What of a run's config features have; the rest has no meaning here. */
export const featuresFields = {
  seed: z.number().int().min(0).max(0xffffffff).default(1).describe('not that of the runs that are judged, which is 0'),
  images: z
    .object({
      imageSize: z.number().int().positive().multipleOf(8).default(64).describe('pictures are judged at this size'),
      validation: imagesSchema.shape.validation,
      split: imagesSchema.shape.split,
    })
    .prefault({}),
  caption: captionSchema
    .extend({
      vocabSize: z.number().int().min(256).max(16384).default(4096).describe('largest number of byte-pair entries'),
    })
    .prefault({}),
  text: textSections.text.prefault({}),
  textTrain: textSections.textTrain.prefault({}),
};

/** The config of a folder of features. @throws UserError if the parts do not fit together */
export function featuresConfig(given: Readonly<Record<string, unknown>>): RunConfig {
  const { images, ...others } = parseConfig(z.object(featuresFields), given, 'config');
  // One crop of each image, since training cuts them anew. A run's config has a patch tokenizer that fits its images.
  const unused = { patch: { grid: images.imageSize / 8 } };
  const config = runSchema().parse({ ...others, images: { ...images, crops: 1 }, ...unused });
  checkText(config);
  checkTextTraining(config);
  return checkNewConfig(checkConfig(config));
}
