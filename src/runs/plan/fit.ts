/**
 * @file From the costs of a training and the seconds that it may take to its numbers of steps, and how often it is looked at.
 * Pure: the same costs give the same steps.
 */
import type { RunConfig, TrainConfig } from '../../config/run.ts';
import { mergeConfig } from '../../config/schema.ts';
import { familyOf } from '../../families/families.ts';
import type { StageName } from '../../families/family.ts';
import { stageTitles } from '../../families/family.ts';
import { codedCrops, fitsMemory } from '../run-images.ts';
import { type Costs, type LoopCosts, type Sides, sectionOf, type TrainedStage, trainedStagesOf } from './costs.ts';
import type { KeptPlan, StagePlan } from './kept.ts';

/** What is fitted, and what stands. */
export interface Fitting {
  readonly costs: Costs;
  readonly sides: Sides;
  /** For everything; left out: every number of steps stands, and the seconds are what comes out. */
  readonly seconds?: number;
  /** Whether somebody asked for so many seconds, so that none is to be left over. */
  readonly fillsTime?: boolean;
  /** Fields that stand, e.g. `train.steps`. */
  readonly fixed: ReadonlySet<string>;
}

/** A config whose steps fit, and the seconds of its stages. */
export interface Fitted {
  readonly config: RunConfig;
  readonly stages: KeptPlan['stages'];
  /** Of all stages. */
  readonly seconds: number;
  /** From the beginning to the first painted samples. */
  readonly firstSamples: number;
}

/** Fewest steps of any training. */
export const FEWEST_STEPS = 20;
/** Shares of the time of what is learnt before the model: by measurement (docs/results/demo.md), and as for rivals. */
export const FIRST_SHARE = { patch: 0.2, text: 0.15 } as const;
/** Seconds that making networks, reading captions and writing files take beside everything that is counted. */
const START_SECONDS = 2;

/** Fits a config to its seconds. */
export function fitSteps(config: RunConfig, fitting: Fitting): Fitted {
  const { seconds } = fitting;
  const around = overheads(config, fitting);
  const trained = trainedStagesOf(config.family);
  const left = seconds === undefined ? undefined : seconds - sum(Object.values(around));
  const loops = loopSeconds(config, trained, { ...fitting, seconds: left });
  let fitted = config;
  const plans: [StageName | 'model', StagePlan][] = [];
  for (const stage of stageOrder(config)) {
    const costs = fitting.costs.loops[stage as TrainedStage];
    if (costs === undefined) {
      plans.push([stage, { seconds: around[stage] ?? 0 }]);
      continue;
    }
    const loop = fitLoop(stage as TrainedStage, fitted, { ...fitting, costs, seconds: loops[stage as TrainedStage] });
    fitted = mergeConfig(fitted, { [sectionOf[stage as TrainedStage]]: loop.fields }) as RunConfig;
    const isFitted = left !== undefined && !fitting.fixed.has(`${sectionOf[stage as TrainedStage]}.steps`);
    const all = (around[stage] ?? 0) + loop.seconds;
    const plan = { seconds: all, steps: loop.fields.steps, loopSeconds: loop.seconds, fitted: isFitted };
    const fills = isFitted && fitting.fillsTime === true ? { fillsTime: true } : {};
    plans.push([stage, stage === 'model' ? { ...plan, ...sheetsOf(fitted, fitting.fixed), ...fills } : plan]);
  }
  const stages = Object.fromEntries(plans);
  const model = fitting.costs.loops.model;
  const before = sum(plans.slice(0, -1).map(([, plan]) => plan.seconds)) + (around.model ?? 0);
  const { sampleEvery, steps } = fitted.train;
  const rate = model === undefined ? 0 : secondsAStep(model, fitted.train);
  return {
    config: fitted,
    stages,
    seconds: sum(plans.map(([, plan]) => plan.seconds)),
    firstSamples: before + Math.min(sampleEvery, steps) * rate,
  };
}

/** The rhythm of the model's sheets, where it follows the steps. */
export function sheetsOf({ train }: RunConfig, fixed: ReadonlySet<string>): Pick<StagePlan, 'sampleEvery'> {
  return fixed.has('train.sampleEvery') ? {} : { sampleEvery: train.sampleEvery };
}

/** The stages of a family, and its model, in their order. */
export function stageOrder({ family }: RunConfig): readonly (StageName | 'model')[] {
  const { stages } = familyOf(family);
  return [...(Object.keys(stageTitles) as StageName[]).filter(stage => stages.includes(stage)), 'model'];
}

/** Seconds of each stage outside its loop. */
export function overheads(config: RunConfig, { costs, sides }: Fitting): Partial<Record<StageName | 'model', number>> {
  const { images } = config;
  const inMemory = fitsMemory(sides.training, images);
  const crops = sides.training * images.crops;
  const decoding = (sides.heldOut + (inMemory ? crops : 0)) * costs.decode;
  const coded = sides.training * codedCrops(config);
  const redecoding = inMemory ? 0 : (crops + sides.heldOut) * costs.decode;
  const encoding = (coded + sides.heldOut) * costs.encode + redecoding;
  const [first] = trainedStagesOf(config.family);
  const own = { captions: 0.1 + sides.training * 2e-5, codes: encoding, model: START_SECONDS / 2 };
  const stages = stageOrder(config);
  const kept = Object.entries(own).filter(([stage]) => stages.includes(stage as StageName));
  const around: Partial<Record<StageName | 'model', number>> = Object.fromEntries(kept);
  around[first] = (around[first] ?? 0) + decoding + START_SECONDS / 2;
  return around;
}

/** The seconds of each loop; undefined where its steps stand and nothing is to be fitted. */
function loopSeconds(
  config: RunConfig,
  trained: readonly TrainedStage[],
  fitting: Fitting,
): Readonly<Partial<Record<TrainedStage, number>>> {
  const { seconds: left, fixed, sides, costs } = fitting;
  if (left === undefined) return {};
  const stands = (stage: TrainedStage) => fixed.has(`${sectionOf[stage]}.steps`);
  const cost = (stage: TrainedStage, steps: number) => {
    const loop = costs.loops[stage] as LoopCosts;
    return stage === 'model' ? steps * loop.step * 1.1 : tenthsSeconds(loop, steps);
  };
  const first = trained.find(stage => stage !== 'model') as 'patch' | 'text' | undefined;
  const ofModel = stands('model') ? cost('model', config.train.steps) : undefined;
  if (first === undefined) return { model: ofModel ?? left };
  const most = cost(first, mostSteps(first, sides.training));
  const share = ofModel === undefined ? left * FIRST_SHARE[first] : left - ofModel;
  const ofFirst = stands(first) ? cost(first, config[sectionOf[first]].steps) : Math.min(share, most);
  return { [first]: ofFirst, model: ofModel ?? left - ofFirst };
}

/** Steps above which a first stage is hardly better for so many images. */
function mostSteps(stage: 'patch' | 'text', training: number): number {
  return Math.round((stage === 'patch' ? 2500 : 1200) * Math.max(1, training / 120) ** 0.25);
}

interface LoopFitting extends Omit<Fitting, 'costs' | 'seconds'> {
  readonly costs: LoopCosts;
  /** Left out: the steps stand. */
  readonly seconds: number | undefined;
}

interface FittedLoop {
  readonly fields: Partial<TrainConfig> & { readonly steps: number };
  readonly seconds: number;
}

function fitLoop(stage: TrainedStage, config: RunConfig, fitting: LoopFitting): FittedLoop {
  const { seconds, fixed, costs } = fitting;
  const section = sectionOf[stage];
  const stands = seconds === undefined || fixed.has(`${section}.steps`);
  const given = config[section].steps;
  if (stage === 'model') {
    const about = stands ? given * costs.step : seconds;
    const rhythm = rhythmOf(about, { ...fitting, batchSize: config.train.batchSize });
    const watched = Object.fromEntries(Object.entries(rhythm).filter(([name]) => !fixed.has(`train.${name}`)));
    const rate = secondsAStep(costs, { ...config.train, ...watched });
    const last = costs.evaluation + costs.sheet + costs.save;
    const steps = stands ? given : roundSteps((seconds - last) / rate);
    return { fields: { ...watched, steps }, seconds: steps * rate + last };
  }
  const steps = stands ? given : roundSteps((seconds - tenthsSeconds(costs, 0)) / costs.step);
  return { fields: { steps }, seconds: tenthsSeconds(costs, steps) };
}

/** A number of steps that reads well: whole tens from a hundred on. */
export function roundSteps(steps: number): number {
  return Math.max(FEWEST_STEPS, steps >= 100 ? Math.floor(steps / 10) * 10 : Math.floor(steps));
}

/** Seconds of a loop that is looked at ten times. */
export function tenthsSeconds({ step, evaluation, sheet, save }: LoopCosts, steps: number): number {
  return steps * step + 10 * (evaluation + sheet + save);
}

/** Seconds a step of the model, its share of what is done every so many steps included. */
export function secondsAStep(
  { step, evaluation, sheet, save }: LoopCosts,
  { evalEvery, sampleEvery, saveEvery }: Pick<TrainConfig, 'evalEvery' | 'sampleEvery' | 'saveEvery'>,
): number {
  return step + evaluation / evalEvery + sheet / sampleEvery + save / saveEvery;
}

/** Most of the time that evaluations, sheets and saved states may take. */
const MOST_SHARE = { evaluation: 0.09, sheet: 0.06, save: 0.03 } as const;

/**
 * How often a model is looked at: validated every quarter of a pass over its images, because small sets turn within a few
 * passes, a first sheet soon and then regularly; none of it more than a small share of the time.
 * @param seconds of the whole loop
 */
export function rhythmOf(
  seconds: number,
  { costs, sides, batchSize }: { readonly costs: LoopCosts; readonly sides: Sides; readonly batchSize: number },
): Pick<TrainConfig, 'evalEvery' | 'sampleEvery' | 'saveEvery'> {
  const steps = Math.max(1, seconds / costs.step);
  const within = (of: keyof typeof MOST_SHARE) => costs[of] / (MOST_SHARE[of] * costs.step);
  const every = (seconds: number) => seconds / costs.step;
  const quarter = sides.training / (4 * batchSize);
  const rounded = (value: number) => Math.max(1, Math.round(Math.min(value, steps)));
  return {
    evalEvery: rounded(Math.max(Math.min(quarter, steps / 10), within('evaluation'))),
    sampleEvery: rounded(Math.max(every(between(seconds / 8, 15, 600)), within('sheet'))),
    saveEvery: rounded(Math.max(every(between(seconds / 10, 20, 300)), within('save'))),
  };
}

function between(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

export function sum(values: readonly (number | undefined)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}
