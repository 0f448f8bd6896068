/**
 * @file Training of a run: does whatever stage of a run is missing and goes on with the one that was interrupted. The
 * stages are those of the run's family; each leaves files by which the next start knows that it is done.
 */
import { existsSync } from 'node:fs';
import { openDataset } from '../../data/index.ts';
import type { Family } from '../config/run.ts';
import { splitDataset } from './images.ts';
import { runPaths, withRun } from './run.ts';
import type { Session } from './session.ts';
import { Job, type TrainRequest } from './training/job.ts';
import { rivalStages, trainRival } from './training/rival.ts';
import { trainTransformer, transformerStages } from './training/transformer.ts';

export type { TrainRequest } from './training/job.ts';

/** Names of a family's stages, in their order. */
export function stagesOf(family: Family): readonly string[] {
  return family === 'transformer' ? transformerStages : rivalStages(family);
}

/**
 * Trains a run to its end.
 * @returns false if it was stopped before; started again it goes on
 */
export async function trainRun(session: Session, request: TrainRequest): Promise<boolean> {
  const { data, out, format, strict, config } = request;
  // A new run begins with its data: where that cannot be used, nothing is written.
  const dataset = existsSync(runPaths(out).config) ? undefined : await openDataset(data, { format, strict });
  if (dataset !== undefined) splitDataset(dataset, config.images);
  return withRun(out, config, async ({ resumed }) => {
    if (resumed) session.reporter.message(`${out}: going on with the run that is there`);
    const job = new Job(session, request, { stages: stagesOf(config.family), dataset });
    try {
      return await (config.family === 'transformer' ? trainTransformer(job) : trainRival(job));
    } finally {
      job.close();
    }
  });
}
