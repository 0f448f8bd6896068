/** @file The plan of a training from a program, without the training: what `tessera train` prints before it begins. */
import { presetNames } from '../config/presets.ts';
import type { RunConfig, RunConfigInput } from '../config/run.ts';
import { booleanCheck, checkOptions, choiceCheck, objectCheck, pathCheck, textCheck } from '../core/checks.ts';
import { type EngineOptions, engineChecks, engineOf } from './engine.ts';
import { openSession, stoppable, type WorkOptions, workChecks } from './progress.ts';
import type { TrainOptions } from './train.ts';

/** What to plan, on what: as for `train`. */
export interface PlanOptions
  extends EngineOptions,
    WorkOptions,
    Pick<TrainOptions, 'data' | 'format' | 'strict' | 'preset'> {
  /** Fields that stand; `plan.minutes` or `plan.epochs` among them says how long it is to take. */
  readonly config?: RunConfigInput;
}

/** What would be trained, and what is predicted of it. Fit for JSON. */
export interface TrainingPlan {
  /** All fields: `train` with them trains what was planned, and plans nothing itself. */
  readonly config: RunConfig;
  /** In words, six lines. */
  readonly lines: readonly string[];
  /** Of everything, and until the first painted samples. */
  readonly minutes: number;
  readonly firstSamples: number;
  /** Seconds by stage. */
  readonly stageSeconds: Readonly<Record<string, number>>;
  /** Bytes; a lower bound where the model is on a GPU. */
  readonly memory: number;
  /** Images that are trained on, and images that are held out. */
  readonly training: number;
  readonly heldOut: number;
}

/**
 * Plans a training as `train` would: looks at a sample of the data and measures this machine, which takes seconds. Writes nothing.
 * @throws UserError if the data cannot be used, the config does not fit or the minutes are too few
 */
export async function planTraining(options: PlanOptions): Promise<TrainingPlan> {
  const own = { data: pathCheck, format: textCheck, strict: booleanCheck, config: objectCheck };
  const checks = { ...engineChecks, ...workChecks, ...own, preset: choiceCheck(presetNames) };
  checkOptions('planTraining', options, checks, ['data']);
  const { data, format, strict, preset, config: fields = {} } = options;
  const { openDataset } = await import('../../data/open.ts');
  const { startEngine } = await import('../runs/session.ts');
  const { planTraining: plan } = await import('../runs/plan/plan.ts');
  const { describePlan } = await import('../runs/plan/describe.ts');
  const session = openSession(options);
  return stoppable(options, async () => {
    const { now, signal } = session;
    const dataset = await openDataset(data, { format, strict, signal });
    await startEngine(session, engineOf(options));
    const made = await plan({ dataset, preset, fields, now, signal });
    const stages = Object.entries(made.kept.stages).map(([stage, { seconds }]) => [stage, seconds] as const);
    return {
      config: { ...made.config, plan: {} }, // with the minutes it would be planned again
      lines: describePlan(made),
      minutes: made.minutes,
      firstSamples: made.firstSamples,
      stageSeconds: Object.fromEntries(stages),
      memory: made.memory,
      training: made.sides.training,
      heldOut: made.sides.heldOut,
    };
  });
}
