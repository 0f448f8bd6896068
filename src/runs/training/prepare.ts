/**
 * @file From what somebody asks of a training to the request that does it: the config of the run that is there, or a new one,
 * planned where the settings leave anything open.
 */
import { existsSync } from 'node:fs';
import { openDataset } from '../../../data/open.ts';
import type { RunConfig } from '../../config/run.ts';
import { flattenConfig, parseConfig } from '../../config/schema.ts';
import { unlessStopped } from '../../core/stopping.ts';
import { runSchema } from '../../families/config.ts';
import type { RunSettings } from '../../families/resolve.ts';
import { runPaths } from '../../io/runfolder.ts';
import type { FromRequest } from '../from/plan.ts';
import type { TimedStart } from '../from/time.ts';
import type { Plan } from '../plan/plan.ts';
import { expectRunFolder } from '../run.ts';
import type { Session } from '../session.ts';
import type { DataRequest, TrainRequest } from './request.ts';

/** What is asked for. */
export interface AskedTraining extends DataRequest, RunSettings, FromRequest {
  /** Starts the backend, before anything is measured. */
  readonly begin: () => Promise<unknown>;
  /** Told what was planned, where anything was. */
  readonly onPlan?: (plan: Plan) => void;
}

/** What of a request is settled. */
type Prepared = Pick<TrainRequest, 'config' | 'plan' | 'opened' | 'start' | 'asked'>;

/**
 * Settles the config of a training, starts its backend, and says what was planned.
 * @returns undefined if it was stopped; nothing is written then
 * @throws UserError if the settings do not fit, or the data of a new run cannot be used
 */
export async function prepareTraining(session: Session, asked: AskedTraining): Promise<Prepared | undefined> {
  return unlessStopped(session.signal, () => prepare(session, asked));
}

async function prepare(session: Session, asked: AskedTraining): Promise<Prepared> {
  const { data, out, format, strict, preset, fields = {}, from, weights, patch, keep, keepData, begin, onPlan } = asked;
  const { reporter, now, signal } = session;
  const given = Object.keys(flattenConfig(fields));
  const began = now();
  const { leavesOpen, planTraining } = await import('../plan/plan.ts');
  const starts = [from, weights, patch, keep, keepData].some(value => value !== undefined);
  if (existsSync(runPaths(out).config) || starts || !leavesOpen(asked)) {
    const { configFrom } = await import('../from/plan.ts');
    const place = { data, out, format, strict, now, signal };
    const settled = await configFrom({ preset, fields }, place, { from, weights, patch, keep, keepData });
    await begin();
    const { config, start } = settled;
    if (start === undefined) return { config, asked: given };
    return { start, ...(await fitFrom(session, { config, start, fields, began })), asked: given };
  }
  parseConfig(runSchema(), fields, 'config');
  await expectRunFolder(out);
  const opened = await openDataset(data, { format, strict, signal });
  await begin();
  reporter.stage('plan');
  const plan = await planTraining({ dataset: opened, preset, fields, now, began, signal });
  reporter.done('looked at the data and measured this machine');
  const { describePlan } = await import('../plan/describe.ts');
  reporter.message(describePlan(plan));
  onPlan?.(plan);
  return { config: plan.config, plan: plan.kept, opened, asked: given };
}

/** A new run from a trained model, whose steps stand or are those of its rule: fitted to its minutes, and timed, which is said. */
async function fitFrom(
  { reporter, now, signal }: Session,
  { config, ...timed }: Pick<TimedStart, 'start' | 'fields' | 'began'> & { readonly config: RunConfig },
): Promise<Pick<Prepared, 'config' | 'plan'>> {
  const { minutes, epochs } = config.plan;
  const stands = (timed.fields.train as { steps?: number } | undefined)?.steps !== undefined;
  if (stands && (minutes ?? epochs) === undefined) return { config };
  const { fitToTime, describeTime } = await import('../from/time.ts');
  reporter.stage('plan');
  const fitted = await fitToTime(config, { ...timed, now, signal });
  reporter.done('measured this machine');
  reporter.message(describeTime(fitted));
  return { config: fitted.config, plan: fitted.plan };
}
