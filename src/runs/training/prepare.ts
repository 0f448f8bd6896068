/**
 * @file From what somebody asks of a training to the request that does it: the config of the run that is there, or a new one,
 * planned where the settings leave anything open.
 */
import { existsSync } from 'node:fs';
import { openDataset } from '../../../data/open.ts';
import { parseConfig } from '../../config/schema.ts';
import { unlessStopped } from '../../core/stopping.ts';
import { runSchema } from '../../families/config.ts';
import type { RunSettings } from '../../families/resolve.ts';
import { runPaths } from '../../io/runfolder.ts';
import { configOfRun, expectRunFolder } from '../run.ts';
import type { Session } from '../session.ts';
import type { DataRequest, TrainRequest } from './request.ts';

/** What is asked for. */
export interface AskedTraining extends DataRequest, RunSettings {
  /** Starts the backend, before anything is measured. */
  readonly start: () => Promise<unknown>;
}

/**
 * Settles the config of a training, starts its backend, and says what was planned.
 * @returns undefined if it was stopped; nothing is written then
 * @throws UserError if the settings do not fit, or the data of a new run cannot be used
 */
export async function prepareTraining(
  session: Session,
  asked: AskedTraining,
): Promise<Pick<TrainRequest, 'config' | 'plan' | 'opened'> | undefined> {
  return unlessStopped(session.signal, () => prepare(session, asked));
}

async function prepare(
  session: Session,
  asked: AskedTraining,
): Promise<Pick<TrainRequest, 'config' | 'plan' | 'opened'>> {
  const { data, out, format, strict, preset, fields = {}, start } = asked;
  const { reporter, now, signal } = session;
  const { leavesOpen, planTraining } = await import('../plan/plan.ts');
  if (existsSync(runPaths(out).config) || !leavesOpen(asked)) {
    const config = await configOfRun(out, { preset, fields });
    await start();
    return { config };
  }
  const began = now();
  parseConfig(runSchema(), fields, 'config');
  await expectRunFolder(out);
  const opened = await openDataset(data, { format, strict, signal });
  await start();
  reporter.stage('plan');
  const plan = await planTraining({ dataset: opened, preset, fields, now, began, signal });
  reporter.done('looked at the data and measured this machine');
  const { describePlan } = await import('../plan/describe.ts');
  reporter.message(describePlan(plan));
  return { config: plan.config, plan: plan.kept, opened };
}
