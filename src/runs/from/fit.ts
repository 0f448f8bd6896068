/**
 * @file From the costs of a training from a trained model to its numbers of steps: those of its rule (rule.ts), which are as many
 * as are worth it, or fewer where the time is short. Pure: the same costs give the same steps.
 */
import type { RunConfig, TrainConfig } from '../../config/run.ts';
import { mergeConfig } from '../../config/schema.ts';
import { rehearsedOf } from '../../families/transformer/rehearsal.ts';
import type { Costs, LoopCosts, Sides } from '../plan/costs.ts';
import {
  FIRST_SHARE,
  type Fitted,
  overheads,
  rhythmOf,
  roundSteps,
  secondsAStep,
  sheetsOf,
  stageOrder,
  sum,
  tenthsSeconds,
} from '../plan/fit.ts';
import type { KeptPlan, StagePlan } from '../plan/kept.ts';
import { codedCrops } from '../run-images.ts';
import { FEWEST_REHEARSED } from './rehearsed-data.ts';

/** What is fitted, and what stands. */
export interface StartFitting {
  readonly costs: Costs;
  readonly sides: Sides;
  /** For everything that is left to do; left out: the steps are the rule's. */
  readonly seconds?: number;
  /** Fields that stand, e.g. `train.steps`. */
  readonly fixed: ReadonlySet<string>;
}

/** What becomes of the patch tokenizer, as far as that is known before its pictures are measured. */
export type PatchFate = 'kept' | 'trained' | 'likely kept';

/** Of a family without one it is as if it were kept. */
export function fateOfPatch({ from }: RunConfig): PatchFate {
  const { patch = 'keep' } = from ?? {};
  if (patch === 'keep') return 'kept';
  return patch === 'auto' ? 'likely kept' : 'trained';
}

/** Fits a config that has the rule's steps. The costs have no loop of what is kept. */
export function fitStart(config: RunConfig, fitting: StartFitting): Fitted {
  const { costs, seconds } = fitting;
  const around = overheadsOf(config, fitting);
  const left = seconds === undefined ? undefined : seconds - sum(Object.values(around));
  const patch = fitPatch(config, { ...fitting, seconds: left });
  const ofPatch = patch === undefined || patch.ifNeeded === true ? 0 : (patch.loopSeconds ?? 0);
  const ofModel = left === undefined ? undefined : left - ofPatch;
  const train = fitModel(config, { ...fitting, seconds: ofModel });
  const tuned = patch?.steps === undefined ? {} : { patchTrain: { steps: patch.steps } };
  const fitted = mergeConfig(config, tuned, { train }) as RunConfig;
  const loops = { patch, model: planOfModel(fitted, { ...fitting, seconds: ofModel, most: config.train.steps }) };
  const plans = stageOrder(config).map(stage => {
    const loop = loops[stage as keyof typeof loops];
    const ofLoop = loop?.ifNeeded === true ? 0 : (loop?.loopSeconds ?? 0);
    return [stage, { ...loop, seconds: (around[stage] ?? 0) + ofLoop }] as const;
  });
  const stages: KeptPlan['stages'] = Object.fromEntries(plans);
  const all = sum(plans.map(([, plan]) => plan.seconds));
  const model = costs.loops.model ?? NOTHING;
  const { steps, sampleEvery } = fitted.train;
  const first = Math.min(sampleEvery, steps) * secondsAStep(model, fitted.train) + model.evaluation + model.sheet;
  const before = all - loops.model.loopSeconds;
  return { config: fitted, stages, seconds: all, firstSamples: before + first };
}

const NOTHING: LoopCosts = { step: 0, evaluation: 0, sheet: 0, save: 0 };
/** Passes of a reconstruction, in those that encode. */
const RECONSTRUCTION = 3;

/** Seconds outside of loops: also measuring the tokenizer of patches, and encoding what is rehearsed. */
function overheadsOf(config: RunConfig, { costs, sides, fixed }: StartFitting): ReturnType<typeof overheads> {
  const around = overheads(config, { costs, sides, fixed });
  if (around.codes === undefined) return around;
  const { from, train } = config;
  const share = from?.keep?.share;
  const rehearsed =
    share === undefined ? 0 : Math.max(FEWEST_REHEARSED, train.steps * rehearsedOf(train.batchSize, share));
  const codes = around.codes + rehearsed * (codedCrops(config) * costs.encode + costs.decode);
  return { ...around, captions: 0, codes, patch: (around.patch ?? 0) + sides.heldOut * costs.encode * RECONSTRUCTION };
}

/** The loop of the patch tokenizer; undefined where there is none. */
function fitPatch(config: RunConfig, { costs, seconds, fixed }: StartFitting): Omit<StagePlan, 'seconds'> | undefined {
  const loop = costs.loops.patch;
  if (loop === undefined) return undefined;
  const stands = seconds === undefined || fixed.has('patchTrain.steps');
  const most = config.patchTrain.steps;
  const steps = stands
    ? most
    : Math.min(most, roundSteps((seconds * FIRST_SHARE.patch - tenthsSeconds(loop, 0)) / loop.step));
  const plan = { steps, loopSeconds: tenthsSeconds(loop, steps), fitted: !stands };
  return fateOfPatch(config) === 'likely kept' ? { ...plan, ifNeeded: true } : plan;
}

/** Looks before the first step and after the last. */
function atEnds({ evaluation, sheet, save }: LoopCosts): number {
  return 2 * (evaluation + sheet) + save;
}

/** Fields of the model's training: where the steps are fewer than the rule's, sheets and states are no larger a share of them. */
function fitModel({ train }: RunConfig, { costs, sides, seconds, fixed }: StartFitting): Partial<TrainConfig> {
  const loop = costs.loops.model ?? NOTHING;
  const whole = atEnds(loop) + train.steps * secondsAStep(loop, train);
  if (seconds === undefined || fixed.has('train.steps') || whole <= seconds) return {};
  const rhythm = rhythmOf(seconds, { costs: loop, sides, batchSize: train.batchSize });
  const often = (['sampleEvery', 'saveEvery'] as const).filter(name => !fixed.has(`train.${name}`));
  const third = Math.floor(seconds / loop.step / 3);
  const watched = Object.fromEntries(often.map(name => [name, Math.max(train[name], Math.min(third, rhythm[name]))]));
  const rate = secondsAStep(loop, { ...train, ...watched });
  return { ...watched, steps: Math.min(train.steps, roundSteps((seconds - atEnds(loop)) / rate)) };
}

/** @param options.most steps of the rule */
function planOfModel(config: RunConfig, options: StartFitting & { readonly most: number }) {
  const { costs, seconds, fixed, most } = options;
  const { train } = config;
  const loop = costs.loops.model ?? NOTHING;
  const loopSeconds = atEnds(loop) + train.steps * secondsAStep(loop, train);
  const plan: Omit<StagePlan, 'seconds'> = { steps: train.steps };
  if (seconds === undefined || fixed.has('train.steps')) return { ...plan, loopSeconds, fitted: false };
  const secondsAtMost = Math.max(loopSeconds, seconds);
  return { ...plan, loopSeconds, fitted: true, secondsAtMost, stepsAtMost: most, ...sheetsOf(config, fixed) };
}
