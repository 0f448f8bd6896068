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
import { readLoopState, type StoredLoopState } from '../../training/loop-state.ts';
import { sectionOf, type TrainedStage } from './costs.ts';
import { FEWEST_STEPS } from './fit.ts';
import type { KeptPlan, StagePlan } from './kept.ts';

/** What is known of a stage that was trained or is under way. */
export type SavedPace = Pick<StoredLoopState, 'step' | 'steps' | 'spent'>;

/** What of a plan follows the time. */
export interface Refitted {
  /** Steps of the stages that follow the time. */
  readonly steps: Readonly<Partial<Record<TrainedStage, number>>>;
  /** Seconds that their loops may take. */
  readonly seconds: Readonly<Partial<Record<TrainedStage, number>>>;
}

/** How much slower than measured the first stage must have been for the next to be taken to be so too. */
const SLOWER = 1.1;
/** Changes of less than this share are not worth it. */
const SMALL = 0.03;

/** Puts a plan and the saved states together. @param states of stages that have one */
export function refit({ stages }: KeptPlan, states: Readonly<Partial<Record<TrainedStage, SavedPace>>>): Refitted {
  const steps: Partial<Record<TrainedStage, number>> = {};
  const seconds: Partial<Record<TrainedStage, number>> = {};
  for (const stage of ['text', 'patch', 'model'] as const) {
    const plan = stages[stage];
    if (plan?.fitted !== true || plan.steps === undefined || plan.loopSeconds === undefined) continue;
    steps[stage] = states[stage]?.steps ?? plan.steps;
    seconds[stage] = plan.loopSeconds;
  }
  const { model } = stages;
  const first = stages.patch ?? stages.text;
  const before = first === stages.patch ? states.patch : states.text;
  if (seconds.model === undefined || model?.steps === undefined || first === undefined || before === undefined) {
    return { steps, seconds };
  }
  const next = after(first, before, { ...model, steps: model.steps, loopSeconds: seconds.model });
  if (next === undefined) return { steps, seconds };
  return {
    steps: { ...steps, model: states.model?.steps ?? next.steps },
    seconds: { ...seconds, model: next.seconds },
  };
}

/** The model's steps and seconds after a first stage; undefined where that is not done, or was not fitted. */
function after(
  first: StagePlan,
  { step, steps = first.steps, spent }: SavedPace,
  model: { readonly steps: number; readonly loopSeconds: number },
): { readonly steps: number; readonly seconds: number } | undefined {
  const { loopSeconds, steps: planned } = first;
  if (first.fitted !== true || loopSeconds === undefined || planned === undefined || steps === undefined)
    return undefined;
  if (spent === undefined || step < steps) return undefined;
  const slowness = spent / step / (loopSeconds / planned);
  const rate = (model.loopSeconds / model.steps) * (slowness > SLOWER ? slowness : 1);
  const seconds = Math.max(0, model.loopSeconds + loopSeconds - spent);
  const fitting = Math.max(FEWEST_STEPS, Math.floor(seconds / rate));
  const isSmall = Math.abs(fitting / model.steps - 1) < SMALL;
  return { steps: isSmall ? model.steps : fitting, seconds };
}

/** What a plan has become by what is saved of the run. */
export async function refitSaved(plan: KeptPlan, { textState, patchState, modelState }: RunPaths): Promise<Refitted> {
  const read = async (folder: string) => {
    const saved = await loadState(folder);
    return saved && (await readLoopState(saved));
  };
  const [text, patch, model] = await Promise.all([textState, patchState, modelState].map(read));
  return refit(plan, { text, patch, model });
}

/** A config with the steps that a plan has by now. */
export function withSteps(config: RunConfig, { steps }: Pick<Refitted, 'steps'>): RunConfig {
  const sections = Object.entries(steps).map(
    ([stage, count]) => [sectionOf[stage as TrainedStage], { steps: count }] as const,
  );
  // Whole numbers in the place of whole numbers.
  return checkConfig(mergeConfig(config, Object.fromEntries(sections)) as RunConfig);
}

/** A plan without the stages whose steps somebody has set since. */
export function withoutAsked(plan: KeptPlan, refitted: Refitted, config: RunConfig): KeptPlan {
  const entries = Object.entries(plan.stages).map(([name, stage]) => {
    const steps = refitted.steps[name as TrainedStage];
    const asked = steps !== undefined && config[sectionOf[name as TrainedStage]].steps !== steps;
    return [name, asked ? { ...stage, fitted: false } : stage] as const;
  });
  return { stages: Object.fromEntries(entries) };
}
