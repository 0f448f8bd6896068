/**
 * @file Training of a run: does whatever stage of a run is missing and goes on with the one that was interrupted. The
 * stages are those of the run's family; each leaves files by which the next start knows that it is done.
 */
import type { Session } from './session.ts';
import { holdRun } from './training/hold.ts';
import { stagesOf, trainStages } from './training/model.ts';
import type { TrainRequest } from './training/request.ts';

export type { TrainRequest } from './training/request.ts';

/**
 * Trains a run to its end, or until a stage before its model is done.
 * @returns false if it was stopped before; started again it goes on
 * @throws UserError if the data cannot be used or is not that of the run, or its family has no stage of the name of `until`
 */
export async function trainRun(session: Session, request: TrainRequest): Promise<boolean> {
  const stages = stagesOf(request.config.family, request.until);
  return (await holdRun(session, request, { ...stages, what: 'the run', work: trainStages })) === true;
}
