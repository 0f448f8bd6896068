/**
 * @file `tessera train`: runs whatever stage of a run is missing and goes on with the one that was interrupted. The
 * stages are those of the run's family; each leaves files by which the next start knows that it is done.
 */
import { existsSync } from 'node:fs';
import { openDataset } from '../../../data/index.ts';
import { runPaths } from '../../io/runfolder.ts';
import { splitDataset } from '../../runs/images.ts';
import { lockRun, openRun } from '../../runs/run.ts';
import type { Session } from '../../runs/session.ts';
import { Job, type TrainRequest } from '../../runs/training/job.ts';
import { stagesOf, trainStages } from '../../runs/training/model.ts';

export type { TrainRequest } from '../../runs/training/job.ts';

/**
 * Trains a run to its end.
 * @returns false if it was stopped before; started again it goes on
 */
export async function trainRun(session: Session, request: TrainRequest): Promise<boolean> {
  const { data, out, format, strict } = request;
  // A new run begins with its data: where that cannot be used, nothing is written.
  const dataset = existsSync(runPaths(out).config) ? undefined : await openDataset(data, { format, strict });
  if (dataset !== undefined) splitDataset(dataset, request.config.images);
  const { config, resumed } = await openRun(out, request.config, { given: request.given });
  const job = new Job(session, request, { config, stages: stagesOf(config.family), dataset });
  if (resumed) session.reporter.message(`${request.out}: going on with the run that is there`);
  const unlock = await lockRun(out);
  try {
    return await trainStages(job);
  } finally {
    job.close();
    await unlock();
  }
}
