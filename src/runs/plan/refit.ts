/**
 * @file What a plan has become: of what was planned when the run was made and what its saved states say since, so that it is
 * the same however often the training was stopped. Steps that follow the time are those of the states; the stages after a first
 * one get the time that it has left.
 */
import type { RunConfig } from '../../config/run.ts';
import { mergeConfig } from '../../config/schema.ts';
import { checkConfig } from '../../families/config.ts';
import type { RunPaths } from '../../io/runfolder.ts';
import { loadState } from '../../io/state.ts';
import { sampleEveryOf } from '../../training/fit.ts';
import { readLoopState, type StoredLoopState } from '../../training/loop-state.ts';
import { isOver } from '../../training/saved-training.ts';
import { TUNING_PATIENCE } from '../from/patch-decision.ts';
import { sectionOf, type TrainedStage } from './costs.ts';
import { FEWEST_STEPS } from './fit.ts';
import type { KeptPlan, StagePlan } from './kept.ts';

/** What is known of a stage that was trained or is under way. */
export type SavedPace = Pick<StoredLoopState, 'step' | 'steps' | 'spent' | 'waited'>;

/** The stages that have a state; `whole` is the patch tokenizer of which after its decoder all is tuned. */
export type SavedPaces = Readonly<Partial<Record<TrainedStage | 'whole', SavedPace>>>;

/** What of a plan follows the time. */
export interface Refitted {
  /** Steps of the stages that follow the time. */
  readonly steps: Readonly<Partial<Record<TrainedStage, number>>>;
  /** Most steps that they may have: as many as were planned, or, of what fills its time, whatever fits it. */
  readonly most: Readonly<Partial<Record<TrainedStage, number>>>;
  /** Seconds that their loops may take. */
  readonly seconds: Readonly<Partial<Record<TrainedStage, number>>>;
  /** Steps between the model's sheets of samples, where the plan says so. */
  readonly sampleEvery?: number;
}

/** How much slower than measured the first stage must have been for the next to be taken to be so too. */
const SLOWER = 1.1;
/** Changes of less than this share are not worth it. */
const SMALL = 0.03;

/** Puts a plan and the saved states together. @param states of stages that have one */
export function refit({ stages }: KeptPlan, states: SavedPaces): Refitted {
  const steps: Partial<Record<TrainedStage, number>> = {};
  const most: Partial<Record<TrainedStage, number>> = {};
  const seconds: Partial<Record<TrainedStage, number>> = {};
  for (const stage of ['text', 'patch', 'model'] as const) {
    const plan = stages[stage];
    if (plan?.fitted !== true || plan.steps === undefined || plan.loopSeconds === undefined) continue;
    const whole = stage === 'patch' ? states.whole?.steps : undefined;
    steps[stage] = whole ?? states[stage]?.steps ?? plan.steps;
    most[stage] = plan.fillsTime === true ? Number.POSITIVE_INFINITY : plan.steps;
    seconds[stage] = plan.secondsAtMost ?? plan.loopSeconds;
  }
  const { model } = stages;
  if (steps.model === undefined || model?.steps === undefined || model.loopSeconds === undefined) {
    return { steps, most, seconds };
  }
  const planned = { ...model, steps: model.steps, loopSeconds: model.loopSeconds };
  const before = stages.patch === undefined ? [states.text] : [states.patch, states.whole];
  const next = after(stages.patch ?? stages.text, before.filter(isThere), planned);
  if (next !== undefined) {
    steps.model = states.model?.steps ?? next.steps;
    most.model = Math.max(most.model ?? planned.steps, next.steps); // of which neither is more than is worth it
    seconds.model = next.seconds;
  }
  const { sampleEvery } = model;
  if (sampleEvery === undefined) return { steps, most, seconds };
  return { steps, most, seconds, sampleEvery: sampleEveryOf({ steps: planned.steps, sampleEvery }, steps.model) };
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}

interface ModelPlan extends StagePlan {
  readonly steps: number;
  readonly loopSeconds: number;
}

/**
 * The model's steps and seconds after a first stage; undefined where that is not done, or was not fitted.
 * @param trainings of the first stage, in their order
 */
function after(
  first: StagePlan | undefined,
  trainings: readonly SavedPace[],
  model: ModelPlan,
): { readonly steps: number; readonly seconds: number } | undefined {
  const last = trainings.at(-1);
  if (last === undefined || first?.fitted !== true) return undefined;
  const { loopSeconds, steps: planned, ifNeeded = false } = first;
  if (loopSeconds === undefined || planned === undefined) return undefined;
  // Only what is tuned counts validations in vain.
  if (!isOver(last, { steps: last.steps ?? planned, patience: TUNING_PATIENCE })) return undefined;
  if (trainings.some(({ spent }) => spent === undefined)) return undefined;
  const spent = trainings.reduce((sum, training) => sum + (training.spent ?? 0), 0);
  const made = trainings.reduce((sum, { step }) => sum + step, 0);
  const slowness = spent / made / (loopSeconds / planned);
  const rate = (model.loopSeconds / model.steps) * (slowness > SLOWER ? slowness : 1);
  const given = ifNeeded ? 0 : loopSeconds;
  const seconds = Math.max(0, (model.secondsAtMost ?? model.loopSeconds) + given - spent);
  const most = model.stepsAtMost ?? Number.POSITIVE_INFINITY;
  const fitting = Math.min(most, Math.max(FEWEST_STEPS, Math.floor(seconds / rate)));
  const isSmall = Math.abs(fitting / model.steps - 1) < SMALL;
  return { steps: isSmall ? model.steps : fitting, seconds };
}

/** What a plan has become by what is saved of the run. */
export async function refitSaved(plan: KeptPlan, paths: RunPaths): Promise<Refitted> {
  const read = async (folder: string) => {
    const saved = await loadState(folder);
    return saved && (await readLoopState(saved));
  };
  const { textState, patchState, wholePatchState, modelState } = paths;
  const all = await Promise.all([textState, patchState, wholePatchState, modelState].map(read));
  const [text, patch, whole, model] = all;
  return refit(plan, { text, patch, whole, model });
}

/** A config with the steps that a plan has by now, and the rhythm of samples that goes with them. */
export function withSteps(
  config: RunConfig,
  { steps, sampleEvery }: Pick<Refitted, 'steps' | 'sampleEvery'>,
): RunConfig {
  const sections = Object.entries(steps).map(
    ([stage, count]) => [sectionOf[stage as TrainedStage], { steps: count }] as const,
  );
  const rhythm = sampleEvery === undefined ? {} : { train: { sampleEvery } };
  // Whole numbers in the place of whole numbers.
  return checkConfig(mergeConfig(config, Object.fromEntries(sections), rhythm) as RunConfig);
}

/**
 * A plan without the stages whose steps somebody has set since, and without a rhythm that somebody has set.
 * @param given.asked fields that were asked for now, e.g. `train.steps`: those stand even where they are what was planned
 */
export function withoutAsked(
  plan: KeptPlan,
  refitted: Refitted,
  { config, asked: fields }: { readonly config: RunConfig; readonly asked: readonly string[] },
): KeptPlan {
  const entries = Object.entries(plan.stages).map(([name, stage]) => {
    const steps = refitted.steps[name as TrainedStage];
    const section = sectionOf[name as TrainedStage];
    const asked = steps !== undefined && (config[section].steps !== steps || fields.includes(`${section}.steps`));
    const { sampleEvery: _, ...others } = stage;
    const { sampleEvery } = config.train;
    const isSet = fields.includes('train.sampleEvery') || sampleEvery !== refitted.sampleEvery;
    const askedRhythm = name === 'model' && isSet;
    return [name, { ...(askedRhythm ? others : stage), ...(asked && { fitted: false }) }] as const;
  });
  return { stages: Object.fromEntries(entries) };
}
