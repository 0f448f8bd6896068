/**
 * @file Training features: towers of captions and images on a data set, to judge models by where no pretrained
 * network is at hand. The folder is laid out as a run whose only trained part is its text encoder (runs.ts); it must not
 * be the text encoder that a judged model was conditioned by, so it is trained anew from a seed of its own.
 */
import { existsSync } from 'node:fs';
import { openDataset } from '../../data/index.ts';
import { textSections } from '../families/contrastive/config.ts';
import { featuresConfig } from '../families/featuresconfig.ts';
import { runPaths } from '../io/runfolder.ts';
import { splitDataset } from './images.ts';
import { lockRun, openRun } from './run.ts';
import type { Session } from './session.ts';
import { Job } from './training/job.ts';
import { textStage } from './training/parts.ts';

const STAGES = ['caption tokenizer', 'text encoder'];

export interface FeaturesRequest {
  readonly data: string;
  readonly out: string;
  readonly format?: string;
  readonly strict?: boolean;
  /** What the user asked for, fields of `featuresFields`: must agree with a folder that is there. */
  readonly given: Readonly<Record<string, unknown>>;
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
  const { config, resumed } = await openRun(out, fresh, { given, sections: Object.keys(textSections) });
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
