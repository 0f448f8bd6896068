/**
 * @file Training features: towers of captions and images on a data set, to judge models by where no pretrained
 * network is at hand. The folder is laid out as a run whose only trained part is its text encoder (src/io/runfolder.ts); it must
 * not be the text encoder that a judged model was conditioned by, so it is trained anew from a seed of its own.
 */
import { existsSync } from 'node:fs';
import { openDataset } from '../../data/open.ts';
import type { RunConfig } from '../config/run.ts';
import { stageTitles } from '../families/family.ts';
import { runPaths } from '../io/runfolder.ts';
import { featuresConfig } from './features-config.ts';
import { planRun, withRun } from './run.ts';
import { divideData } from './run-images.ts';
import type { Session } from './session.ts';
import { Job } from './training/job.ts';
import { textStage } from './training/parts.ts';

const STAGES = [stageTitles.captions, stageTitles.text];

export interface FeaturesRequest {
  readonly data: string;
  readonly out: string;
  readonly format?: string;
  readonly strict?: boolean;
  /** What the user asked for, fields of `featuresFields`: must agree with a folder that is there. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Trains towers to their end, or goes on with those that are there.
 * @returns in words how well they retrieve; undefined if it was stopped before
 */
export async function trainFeatures(session: Session, request: FeaturesRequest): Promise<string | undefined> {
  const { data, out, format, strict, fields } = request;
  const config = await planFeatures(out, fields);
  // As for a run: where the data cannot be used, nothing is written.
  const dataset = existsSync(runPaths(out).config) ? undefined : await openDataset(data, { format, strict });
  if (dataset !== undefined) divideData(dataset, config.images);
  return withRun(out, config, async ({ resumed }) => {
    if (resumed) session.reporter.message(`${out}: going on with the features that are there`);
    const job = new Job(
      session,
      { data, out, format, strict, config, command: 'features' },
      { stages: STAGES, dataset },
    );
    try {
      const captions = await job.captionStage();
      const trained = await textStage(job, captions);
      trained?.model.dispose();
      return trained?.note;
    } finally {
      job.close();
    }
  });
}

/**
 * The config that features are to be trained with: new ones, or that of those that are there.
 * @throws UserError if those that are there were made with other values, or the values do not fit together
 */
export function planFeatures(out: string, fields: FeaturesRequest['fields']): Promise<RunConfig> {
  return planRun(out, { fields }, () => featuresConfig(fields));
}
