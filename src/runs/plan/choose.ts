/**
 * @file What is to be trained: from what the data is, what the machine can do and how long it may take to the fields of a
 * config, and why. Pure. The sizes stand on a ladder; the highest rung is taken whose training gets the steps that it needs.
 */
import { patchSizeOf } from '../../config/patch-sizes.ts';
import type { RunConfig } from '../../config/run.ts';
import { flattenConfig, mergeConfig } from '../../config/schema.ts';
import { formatWhole } from '../../core/numbers.ts';
import { familyOf } from '../../families/families.ts';
import { type PlanRung, planningOf, positionsFor } from '../../families/planning.ts';
import { resolveConfig } from '../../families/resolve.ts';
import { expectFits } from '../memory.ts';
import type { Costs } from './costs.ts';
import { type Machine, predictCosts, type Sides } from './costs.ts';
import { fitSteps, overheads, secondsAStep } from './fit.ts';
import { PLANNED_FROM } from './planned-fields.ts';
import { regularisationFor } from './regularisation.ts';
import type { Survey } from './survey.ts';

/** What is asked for. */
export interface Wish {
  readonly family: string;
  /** Fields that stand, nested as in a config file. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Time for everything; left out: as long as the data is worth. */
  readonly minutes?: number;
}

/** A config that is chosen; its steps are those that the predicted costs allow. */
export interface Choice {
  readonly config: RunConfig;
  /** What was set, without what was asked for. */
  readonly planned: Readonly<Record<string, unknown>>;
  /** Steps of the model that are worth their time. */
  readonly useful: number;
  /** Whether nothing smaller was to choose from. */
  readonly smallest: boolean;
  /** Why the pictures are no larger, or as large as they are, in words. */
  readonly why: string;
}

/** A rung as a config. */
interface Candidate extends Omit<Choice, 'why' | 'smallest'> {
  readonly shape: string;
}

/**
 * Chooses what to train.
 * @throws UserError if what was asked for fits no rung, as `resolveConfig` says of the first, or no memory
 */
export function choose(survey: Survey, machine: Machine, wish: Wish): Choice {
  const candidates = candidatesFor(survey, machine, wish);
  let chosen = candidates[0];
  let why = candidates.length > 1 ? '' : 'as was asked for';
  for (const candidate of candidates) {
    const { config, useful, shape } = candidate;
    const sides = sidesOf(survey, config);
    const costs = predictCosts(config, machine, { survey, sides });
    const steps = stepsWithin(config, { costs, sides, survey, useful, wish });
    if (candidate === chosen || steps >= ENOUGH * useful) {
      chosen = candidate;
      continue;
    }
    why = `${shape} would get ${formatWhole(steps)} of the ${formatWhole(useful)} steps that it needs`;
    break;
  }
  const { config, planned, useful } = chosen;
  const smallest = chosen === candidates[0];
  return { config, planned, useful, smallest, why: why === '' ? 'the largest that the data is worth' : why };
}

/** The share of its useful steps that a rung must get. */
const ENOUGH = 0.6;

/** Steps of the model that fit. */
function stepsWithin(
  config: RunConfig,
  {
    costs,
    sides,
    survey,
    useful,
    wish,
  }: {
    readonly costs: Costs;
    readonly sides: Sides;
    readonly survey: Survey;
    readonly useful: number;
    readonly wish: Wish;
  },
): number {
  const { minutes = minutesFor(config, { costs, sides, survey, useful }) } = wish;
  const fixed = fixedFields(wish.fields);
  const fitted = fitSteps(config, { costs, sides, seconds: 60 * minutes, fixed });
  if (!fixed.has('train.steps')) return fitted.config.train.steps;
  // The steps stand: the larger it is, the longer it takes.
  return fitted.seconds <= 66 * Math.max(minutes, patience(survey)) ? Number.POSITIVE_INFINITY : 0;
}

/** Fields that were asked for, e.g. `train.steps`. */
export function fixedFields(fields: Readonly<Record<string, unknown>>): ReadonlySet<string> {
  const given = Object.entries(flattenConfig(fields)).filter(([, value]) => value !== undefined);
  return new Set(given.map(([name]) => name));
}

/** How many images are trained on and measured, as far as shares tell. */
export function sidesOf({ pictures, published }: Survey, { images }: Pick<RunConfig, 'images'>): Sides {
  const heldOut = published ?? Math.round(pictures * images.validation);
  return { training: Math.max(1, pictures - heldOut), heldOut: Math.min(heldOut, 1024) };
}

/**
 * Minutes that nobody has to ask for: those that the data is worth, as far as somebody would wait for it; on a slow machine longer,
 * where otherwise nothing would be learnt.
 */
export function minutesFor(config: RunConfig, given: Worth): number {
  const { costs, sides, survey, useful, smallest = false } = given;
  const model = costs.loops.model;
  if (model === undefined) return patience(survey);
  const around = Object.values(overheads(config, { costs, sides, fixed: new Set() })).reduce((a, b) => a + b, 0);
  const rate = secondsAStep(model, { evalEvery: Number.POSITIVE_INFINITY, sampleEvery: 1e9, saveEvery: 1e9 }) * 1.15;
  const minutes = (around + (useful * rate) / MODEL_SHARE) / 60;
  const waited = patience(survey);
  const least = smallest ? Math.min(ENOUGH * minutes, MOST_PATIENCE * waited) : 0;
  return roundMinutes(Math.min(minutes, Math.max(waited, least)));
}

/** What a training is worth. */
interface Worth {
  readonly costs: Costs;
  readonly sides: Sides;
  readonly survey: Survey;
  readonly useful: number;
  readonly smallest?: boolean;
}

/** How many times as long as usual somebody waits for a slow machine. */
const MOST_PATIENCE = 5;

/** The model's share of all loops. */
const MODEL_SHARE = 0.8;

/** Half minutes below ten, then whole minutes. */
function roundMinutes(minutes: number): number {
  const unit = minutes < 10 ? 0.5 : minutes < 100 ? 1 : 10;
  return Math.max(unit, Math.ceil(minutes / unit) * unit);
}

/** Minutes that somebody waits for a model of so many pictures: few at first, hours for hundreds of thousands. */
function patience({ pictures }: Pick<Survey, 'pictures'>): number {
  const few = 4 * Math.max(1, Math.min(pictures, 5000) / 100) ** 0.3;
  return few * Math.max(1, pictures / 5000) ** 0.8;
}

/**
 * Steps of a model after which more are hardly worth their time: enough for its shape, more for more pictures, and for many
 * some passes over all of them.
 */
export function usefulSteps(steps: number, training: number, batchSize: number): number {
  const passes = Math.min(8, Math.max(2, 8 * (5000 / training) ** 0.3));
  const many = training > 5000 ? (passes * training) / batchSize : 0;
  return Math.round(Math.max(steps * Math.max(1, training / 50) ** 0.25, many));
}

/** The rungs that fit what was asked for and the memory, from the smallest. @throws UserError if there are none */
function candidatesFor(survey: Survey, machine: Machine, wish: Wish): readonly Candidate[] {
  const found = new Map<string, Candidate>();
  let refused: unknown;
  for (const rung of planningOf(familyOf(wish.family)).rungs) {
    try {
      const candidate = candidateOf(rung, survey, wish);
      expectFits(candidate.config, machine.memory);
      if (!found.has(candidate.shape)) found.set(candidate.shape, candidate);
    } catch (error) {
      refused ??= error;
    }
  }
  if (found.size === 0) throw refused;
  return [...found.values()];
}

function candidateOf(rung: PlanRung, survey: Survey, wish: Wish): Candidate {
  const planned = mergeConfig(fieldsOf(rung, survey, wish), regularisationFor(survey, wish.family));
  const { family, fields } = wish;
  const config = resolveConfig({ preset: PLANNED_FROM, fields: mergeConfig(planned, { family }, fields) });
  const { training } = sidesOf(survey, config);
  const useful = usefulSteps(rung.steps, training, config.train.batchSize);
  return { config, planned, useful, shape: describeShape(config) };
}

/** E.g. `128 x 128 pixels as 16 x 16 codes`. */
export function describeShape(config: RunConfig): string {
  const { imageSize } = config.images;
  const pixels = `${imageSize} x ${imageSize} pixels`;
  return `${pixels} ${planningOf(familyOf(config.family)).shape(config)}`.trimEnd();
}

/** Everything that the data and a rung decide. Starts from the preset `tiny`, whose network and rates it keeps. */
function fieldsOf(rung: PlanRung, survey: Survey, { family, fields }: Wish): Record<string, unknown> {
  const { stages, ...definition } = familyOf(family);
  const imageSize = Math.min(rung.imageSize, Math.max(16, 2 ** Math.ceil(Math.log2(survey.side))));
  const { pictures, kind, captions } = survey;
  const { fieldsFor } = planningOf(definition);
  const own = mergeConfig(rung.fields, fieldsFor({ pictures, kind, captionIds: captions.ids }, rung));
  const planned = mergeConfig({ images: imagesFields(imageSize, survey) }, own);
  return mergeConfig(
    planned,
    stages.includes('captions') ? { caption: { vocabSize: vocabularyFor(survey) } } : {},
    stages.includes('text') ? { text: { length: positionsFor(captions.ids, 32) } } : {},
    stages.includes('patch') ? { patch: { stem: stemFor(mergeConfig(planned, fields)) } } : {},
  );
}

/** Pixels that are folded into channels first, of patches that are as large as a config has them. */
function stemFor(fields: Record<string, unknown>): number {
  const patch = patchSizeOf(fields as unknown as Parameters<typeof patchSizeOf>[0]);
  return patch >= 4 && patch % 4 === 0 ? 4 : patch >= 2 ? 2 : 1;
}

function imagesFields(imageSize: number, survey: Survey): Record<string, unknown> {
  const photographs = survey.kind === 'photographs';
  return {
    imageSize,
    validation: validationFor(survey),
    crops: photographs && survey.pictures < MANY ? 4 : 1,
    padCrops: survey.whiteGround,
  };
}

/** Above so many pictures there are enough without crops. */
const MANY = 20000;

/** The share that is held out: of few pictures more, since a handful tells nothing; of fewer than ten none. */
export function validationFor({ pictures }: Pick<Survey, 'pictures'>): number {
  if (pictures < 10) return 0;
  if (pictures < 200) return 0.2;
  if (pictures < 1000) return 0.1;
  return pictures < 50_000 ? 0.05 : 0.01;
}

/** Entries of the caption tokenizer: few captions do not fill many. */
function vocabularyFor({ pictures }: Survey): number {
  return pictures < 20_000 ? 2048 : pictures < 200_000 ? 8192 : 16384;
}
