/**
 * @file Training of a run: does whatever stage of a run is missing and goes on with the one that was interrupted. The
 * stages are those of the run's family; each leaves files by which the next start knows that it is done.
 */
import { existsSync } from 'node:fs';
import { openDataset } from '../../data/open.ts';
import { runPaths } from '../io/runfolder.ts';
import { withRun } from './run.ts';
import { divideData } from './run-images.ts';
import type { Session } from './session.ts';
import { Job, type TrainRequest } from './training/job.ts';
import { stagesOf, trainStages } from './training/model.ts';

export type { TrainRequest } from './training/job.ts';

/**
 * Trains a run to its end, or until a stage before its model is done.
 * @returns false if it was stopped before; started again it goes on
 * @throws UserError if the data cannot be used, or the run's family has no stage of the name of `until`
 */
export async function trainRun(session: Session, request: TrainRequest): Promise<boolean> {
  const { data, out, format, strict, config, until } = request;
  const stages = stagesOf(config.family, until);
  // A new run begins with its data: where that cannot be used, nothing is written.
  const dataset = existsSync(runPaths(out).config) ? undefined : await openDataset(data, { format, strict });
  if (dataset !== undefined) divideData(dataset, config.images);
  return withRun(out, config, async ({ resumed }) => {
    if (resumed) session.reporter.message(`${out}: going on with the run that is there`);
    const job = new Job(session, request, { stages, dataset });
    try {
      return await trainStages(job);
    } finally {
      job.close();
    }
  });
}
