/**
 * @file `tessera features`: trains towers of captions and images on a data set, to judge models by where no pretrained
 * network is at hand. The folder is laid out as a run whose only trained part is its text encoder (runs.ts); it must not
 * be the text encoder that a judged model was conditioned by, so it is trained anew from a seed of its own.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { openDataset } from '../../data/index.ts';
import {
  captionSchema,
  checkConfig,
  imagesSchema,
  type RunConfig,
  runSchema,
  textSchema,
  textTrainSchema,
} from '../config.ts';
import { lockRun, openRun, runPaths } from '../runs.ts';
import { splitDataset } from './images.ts';
import type { Session } from './session.ts';
import { Job } from './training/job.ts';
import { textStage } from './training/rival.ts';

const STAGES = ['caption tokenizer', 'text encoder'];

/** What of a run's config features have; the rest has no meaning here. */
export const featuresFields = {
  seed: z.number().int().min(0).max(0xffffffff).default(1).describe('not that of the runs that are judged, which is 0'),
  images: z
    .object({
      imageSize: z.number().int().positive().multipleOf(8).default(64).describe('pictures are judged at this size'),
      validation: imagesSchema.shape.validation,
    })
    .prefault({}),
  caption: captionSchema
    .extend({
      vocabSize: z.number().int().min(256).max(16384).default(4096).describe('largest number of byte-pair entries'),
    })
    .prefault({}),
  text: textSchema.prefault({}),
  textTrain: textTrainSchema.prefault({}),
};

export interface FeaturesRequest {
  readonly data: string;
  readonly out: string;
  readonly format?: string;
  readonly strict?: boolean;
  /** What the user asked for, fields of `featuresFields`: must agree with a folder that is there. */
  readonly given: Readonly<Record<string, unknown>>;
}

/** The config of a folder of features. @throws UserError if the parts do not fit together */
export function featuresConfig(given: FeaturesRequest['given']): RunConfig {
  const { images, ...others } = z.object(featuresFields).parse(given);
  // One crop of each image, since training cuts them anew. A run's config has a patch tokenizer that fits its images.
  const unused = { patch: { grid: images.imageSize / 8 } };
  return checkConfig(runSchema.parse({ ...others, images: { ...images, crops: 1 }, ...unused }));
}

/**
 * Trains towers to their end, or goes on with those that are there.
 * @returns in words how well they retrieve; undefined if it was stopped before
 */
export async function trainFeatures(session: Session, request: FeaturesRequest): Promise<string | undefined> {
  const { data, out, format, strict, given } = request;
  const fresh = featuresConfig(given);
  // As for a run: where the data cannot be used, nothing is written.
  const dataset = existsSync(runPaths(out).config) ? undefined : await openDataset(data, { format, strict });
  if (dataset !== undefined) splitDataset(dataset, fresh.images);
  const { config, resumed } = await openRun(out, fresh, given);
  const job = new Job(
    session,
    { data, out, format, strict, config, given, command: 'features' },
    {
      config,
      stages: STAGES,
      dataset,
    },
  );
  if (resumed) session.reporter.message(`${out}: going on with the features that are there`);
  const unlock = await lockRun(out);
  try {
    const captions = await job.captionStage();
    const trained = await textStage(job, captions);
    trained?.model.dispose();
    return trained?.note;
  } finally {
    job.close();
    await unlock();
  }
}
