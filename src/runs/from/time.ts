/**
 * @file How long a training from a trained model takes on this machine: by measuring its own steps, evaluations and paintings,
 * and what of it is done in a given time.
 */
import type { RunConfig } from '../../config/run.ts';
import { formatWhole } from '../../core/numbers.ts';
import { spanInWords } from '../../core/times.ts';
import { checkConfig } from '../../families/config.ts';
import type { StageName } from '../../families/family.ts';
import { expectFits } from '../memory.ts';
import { fixedFields } from '../plan/choose.ts';
import { planLine } from '../plan/describe.ts';
import type { KeptPlan } from '../plan/kept.ts';
import { expectEnough } from '../plan/length.ts';
import { measureCosts } from '../plan/machine.ts';
import { divideData, measuredAtMost } from '../run-images.ts';
import { fateOfPatch, fitStart } from './fit.ts';
import type { PlannedStart } from './plan.ts';

/** What is timed, and by what clock. */
export interface TimedStart {
  readonly start: PlannedStart;
  /** Fields that were asked for, which stand. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Milliseconds. */
  readonly now: () => number;
  /** When the work began that the minutes are for, by `now`. */
  readonly began: number;
  readonly signal?: AbortSignal;
}

/** A training that fits its time. */
export interface FittedStart {
  readonly config: RunConfig;
  /** For `TrainRequest.plan`. */
  readonly plan: KeptPlan;
  /** Minutes of everything, what was spent on this included, and until the first samples after the first step. */
  readonly minutes: number;
  readonly firstSamples: number;
  /** Steps that are worth it. */
  readonly useful: number;
  /** Whether it ends where no validation is better any more. */
  readonly mayEndSooner: boolean;
}

/**
 * Measures on the active backend, and fits the steps to the config's minutes, if it has any.
 * @param config with the steps that are worth it
 * @throws UserError if the minutes are too few; the signal's reason once it is aborted
 */
export async function fitToTime(config: RunConfig, timed: TimedStart): Promise<FittedStart> {
  const { start, fields, now, began, signal } = timed;
  expectFits(config);
  const { minutes } = config.plan;
  const { dataset, surveyed } = start;
  const { training, heldOut } = divideData(dataset, config.images);
  const sides = { training: training.length, heldOut: Math.min(heldOut.length, measuredAtMost(config.images)) };
  const fate = fateOfPatch(config);
  // Without minutes nothing follows the time, so that what is likely kept is not measured.
  const isKept = fate === 'kept' || (fate === 'likely kept' && minutes === undefined);
  const kept: readonly StageName[] = isKept ? ['text', 'patch'] : ['text'];
  const { costs } = await measureCosts(config, { surveyed, sides, kept, now, signal });
  const spent = (now() - began) / 1000;
  const seconds = minutes === undefined ? undefined : Math.max(1, 60 * minutes - spent);
  const fitted = fitStart(config, { costs, sides, seconds, fixed: fixedFields(fields) });
  const follows = Object.values(fitted.stages).some(stage => stage?.fitted === true);
  if (minutes !== undefined && follows) expectEnough(minutes, fitted.seconds + spent, 'give it more');
  return {
    config: checkConfig(fitted.config),
    plan: { stages: fitted.stages },
    minutes: (fitted.seconds + spent) / 60,
    firstSamples: (fitted.firstSamples + spent) / 60,
    useful: config.train.steps,
    mayEndSooner: sides.heldOut > 0 && config.train.patience > 0,
  };
}

/** Share of the given minutes that may be left without a word. */
const LEFT = 0.1;

/** The time in a line, as a plan has it. */
export function describeTime({ config, minutes, firstSamples, useful, mayEndSooner }: FittedStart): string {
  const { plan, train } = config;
  const most = mayEndSooner ? 'at most ' : '';
  const time = `${most}${spanInWords(60 * minutes)} in all, first samples after ${spanInWords(60 * firstSamples)}`;
  return planLine('time', `${time}${ofMinutes()}`);

  function ofMinutes(): string {
    const steps = formatWhole(useful);
    if (plan.minutes === undefined) return ' (less: --minutes N)';
    if (train.steps < useful)
      return `: ${formatWhole(train.steps)} of the ${steps} steps that are worth it (more: --minutes N)`;
    if (minutes > (1 - LEFT) * plan.minutes) return '';
    return `; of ${spanInWords(60 * plan.minutes)} no more is worth it (more than ${steps} steps: --steps N)`;
  }
}
