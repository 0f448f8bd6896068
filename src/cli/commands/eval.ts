/** @file `tessera eval`: how good a run's pictures are, in numbers with intervals, as a table. */
import { type EvalRequest, evaluateRun } from '../../runs/evaluate.ts';
import type { Session } from '../../runs/session.ts';
import { resultTable } from '../terminal/results.ts';

/** Evaluates and prints the table. */
export async function evalCommand(session: Session, request: EvalRequest): Promise<void> {
  const { step, weights, records } = await evaluateRun(session, request);
  const { run, numImages, seed } = request;
  session.print(`${run}: step ${step}, ${weights} weights, ${numImages} images of held-out captions, seed ${seed}`);
  for (const line of resultTable(records)) session.print(line);
}
