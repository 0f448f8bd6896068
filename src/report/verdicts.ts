/**
 * @file What became of trainings, by rules that were fixed before any of them: not finite; coverage, spread or KID of
 * the samples gone (the training marks these itself, `collapsed` in its log); a validation loss above that of a model
 * that has learnt nothing, unless the training loss is below (what learns by heart has not collapsed) or the loss still falls
 * (what has yet to learn has not either). And the shares of runs that failed, with Wilson's intervals. A loss of a GAN is no verdict.
 */

import type { RunConfig } from '../config/run.ts';
import { familyOf } from '../families/families.ts';
import { type Interval, wilson } from '../metrics/intervals.ts';
import { spearman } from '../metrics/rank-correlation.ts';
import type { LossCorrelation, Point, RunReport, SampleCheck, Stage, Verdict } from './contents.ts';
import { type History, type Mark, mainStage, validationOf } from './history.ts';

/** What the marks in a log stand for. */
const RULES: Readonly<Record<string, string>> = {
  coverage: 'coverage rule',
  spread: 'spread rule',
  regressed: 'KID rule',
  nonfinite: 'not finite',
};

interface Broken {
  readonly kind: 'collapsed' | 'diverged';
  readonly rule: string;
  readonly step: number;
}

/** The verdict on one run as it ended: the first rule that it broke for good. */
export function verdictOf(history: Omit<History, 'metrics'>, config: RunConfig): Verdict {
  const { stages, checks, marks, notes, heldOut } = history;
  const main = mainStage(stages);
  const guessing = guessingOf(main, config);
  const isByHeart = guessing !== undefined && isLearntByHeart(main, guessing.limit);
  const isBeginning = guessing !== undefined && !isByHeart && isStillFalling(main, config);
  const untaught = guessing === undefined || isByHeart || isBeginning ? [] : [guessing];
  const broken = [
    ...notFinite(main, config),
    ...marked(marks, checks[0]?.step),
    ...untaught.map(({ step }) => ({ kind: 'collapsed' as const, rule: 'validation loss rule', step })),
  ].sort((a, b) => a.step - b.step);
  const validations = validationOf(main, config).length;
  const why = isBeginning ? BEGINNING : checks.length > 0 ? undefined : notes.at(-1);
  const basis = {
    checks: checks.length,
    validations,
    ...(heldOut === undefined || validations === 0 ? {} : { heldOut }),
    ...(isByHeart ? { guessing: guessing.limit } : {}),
    ...(why === undefined ? {} : { why }),
  };
  if (broken.length > 0) return { ...broken[0], ...basis };
  const suffices = familyOf(config.family).validation?.suffices === true;
  const judged = !isBeginning && (checks.length > 0 || (suffices && validations > 0));
  return { kind: judged ? 'stable' : 'unchecked', rule: null, step: null, ...basis };
}

function notFinite(main: Stage | undefined, config: RunConfig): Broken[] {
  // A family without a held-out loss has none that could be finite.
  return [...trainingLossesOf(main), validationOf(main, config)].flatMap(points =>
    points.flatMap(({ step, value }) =>
      value === null ? [{ kind: 'diverged' as const, rule: RULES.nonfinite, step }] : [],
    ),
  );
}

function lossesOf(main: Stage | undefined): [name: string, points: readonly Point[]][] {
  return Object.entries(main?.curves ?? {}).filter(([name]) => /(^|_)loss$/.test(name));
}

/** Losses of training steps: what is measured of held-out data says nothing of them. */
function trainingLossesOf(main: Stage | undefined): (readonly Point[])[] {
  return lossesOf(main).flatMap(([name, points]) => (name.startsWith('val_') ? [] : [points]));
}

/**
 * What counts is where a run ends: samples may recover, numbers that are not finite do not.
 * @param first the step of the first look at samples: broken from there on, there was nothing that could have collapsed
 */
function marked(marks: readonly Mark[], first: number | undefined): Broken[] {
  const { step, collapsed } = marks.find(mark => mark.collapsed === 'nonfinite') ??
    marks.at(-1) ?? { step: 0, collapsed: 'none' };
  if (collapsed === 'none') return [];
  const kind = collapsed === 'nonfinite' ? 'diverged' : 'collapsed';
  const rule = RULES[collapsed] ?? `${collapsed} rule`;
  const begun = marks.slice(marks.findLastIndex(mark => mark.collapsed === 'none') + 1).at(0)?.step;
  return [
    { kind, rule: kind === 'collapsed' && begun === first ? `${rule}, broken since the first check` : rule, step },
  ];
}

/** A validation loss, at the end, above what a model that has learnt nothing has: its step, and that loss. */
function guessingOf(main: Stage | undefined, config: RunConfig): { step: number; limit: number } | undefined {
  const last = validationOf(main, config).at(-1);
  const limit = familyOf(config.family).validation?.untaught(config) ?? Number.POSITIVE_INFINITY;
  return last === undefined || last.value === null || last.value <= limit ? undefined : { step: last.step, limit };
}

/** Said of a run that ended before it had learnt anything: nothing of it can have collapsed. */
const BEGINNING = 'it ended before it was better than guessing, with its validation loss still falling';

/** Whether the last validation loss is the lowest. */
function isStillFalling(main: Stage | undefined, config: RunConfig): boolean {
  const values = validationOf(main, config).flatMap(({ value }) => value ?? []);
  return values.at(-1) === Math.min(...values);
}

/** Whether the training loss ends below a limit that the validation loss is above. */
function isLearntByHeart(main: Stage | undefined, limit: number): boolean {
  const last = (main?.curves.image ?? main?.curves.loss)?.findLast(({ value }) => value !== null)?.value;
  return last !== undefined && last !== null && last <= limit;
}

/** How many of some runs failed, and how sure that share is. */
export interface Share {
  readonly family: RunReport['family'];
  /** null: over all learning rates. */
  readonly learningRate: number | null;
  readonly failed: number;
  readonly trials: number;
  /** Runs that nobody could judge; they are not among the trials. */
  readonly unchecked: number;
  readonly interval: Interval;
}

/** Failures by family, each followed by its learning rates where it was trained with several. */
export function failureShares(runs: readonly RunReport[]): Share[] {
  const families = [...new Set(runs.map(({ family }) => family))];
  return families.flatMap(family => {
    const own = runs.filter(run => run.family === family);
    const rates = [...new Set(own.map(({ learningRate }) => learningRate))].sort((a, b) => a - b);
    const each =
      rates.length > 1
        ? rates.map(rate =>
            shareOf(
              own.filter(run => run.learningRate === rate),
              rate,
            ),
          )
        : [];
    return [shareOf(own, null), ...each];
  });
}

function shareOf(runs: readonly RunReport[], learningRate: number | null): Share {
  const judged = runs.filter(({ verdict }) => verdict.kind !== 'unchecked');
  const failed = judged.filter(hasFailed).length;
  const interval = wilson(failed, judged.length);
  const unchecked = runs.length - judged.length;
  return { family: runs[0].family, learningRate, failed, trials: judged.length, unchecked, interval };
}

/** Whether a rule was broken. */
export function hasFailed({ verdict }: Pick<RunReport, 'verdict'>): boolean {
  return verdict.kind === 'collapsed' || verdict.kind === 'diverged';
}

/** Rank correlation of each loss of the last stage with KID, over the checks. */
export function progressOf(stages: readonly Stage[], checks: readonly SampleCheck[]): LossCorrelation[] {
  return lossesOf(mainStage(stages)).flatMap(([loss, points]) => {
    const pairs = checks.flatMap(({ step, kid }) => {
      const value = points.findLast(point => point.step <= step && point.value !== null)?.value ?? null;
      return kid === null || value === null ? [] : [[value, kid] as const];
    });
    // Where a family has no loss to validate by, KID stands for it, and says nothing about itself.
    if (pairs.length > 0 && pairs.every(([value, kid]) => value === kid)) return [];
    return [{ loss, rho: spearman(pairs), n: pairs.length }];
  });
}
