/**
 * @file What became of trainings, by rules that were fixed before any of them: not finite; coverage, spread or KID of
 * the samples gone (the training marks these itself, `collapsed` in its log); a validation loss above that of a model
 * that has learnt nothing. And the shares of runs that failed, with Wilson's intervals. A loss of a GAN is no verdict.
 */

import type { RunConfig } from '../config/run.ts';
import { familyOf } from '../families/families.ts';
import { type Interval, wilson } from '../metrics/intervals.ts';
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
export function verdictOf({ stages, checks, marks }: Omit<History, 'metrics'>, config: RunConfig): Verdict {
  const main = mainStage(stages);
  const broken = [...notFinite(main, config), ...marked(marks), ...untaught(main, config)].sort(
    (a, b) => a.step - b.step,
  );
  const validations = validationOf(main, config).length;
  const basis = { checks: checks.length, validations };
  if (broken.length > 0) return { ...broken[0], ...basis };
  const suffices = familyOf(config.family).validation?.suffices === true;
  const judged = checks.length > 0 || (suffices && validations > 0);
  return { kind: judged ? 'stable' : 'unchecked', rule: null, step: null, ...basis };
}

function notFinite(main: Stage | undefined, config: RunConfig): Broken[] {
  const curves = lossesOf(main).map(([, points]) => points);
  return [...curves, validationOf(main, config)].flatMap(points =>
    points.flatMap(({ step, value }) =>
      value === null ? [{ kind: 'diverged' as const, rule: RULES.nonfinite, step }] : [],
    ),
  );
}

function lossesOf(main: Stage | undefined): [name: string, points: readonly Point[]][] {
  return Object.entries(main?.curves ?? {}).filter(([name]) => /(^|_)loss$/.test(name));
}

/** What counts is where a run ends: samples may recover, numbers that are not finite do not. */
function marked(marks: readonly Mark[]): Broken[] {
  const { step, collapsed } = marks.find(mark => mark.collapsed === 'nonfinite') ??
    marks.at(-1) ?? { step: 0, collapsed: 'none' };
  if (collapsed === 'none') return [];
  const kind = collapsed === 'nonfinite' ? 'diverged' : 'collapsed';
  return [{ kind, rule: RULES[collapsed] ?? `${collapsed} rule`, step }];
}

/** A validation loss, at the end, above what a model that has learnt nothing has. */
function untaught(main: Stage | undefined, config: RunConfig): Broken[] {
  const last = validationOf(main, config).at(-1);
  if (last === undefined || last.value === null) return [];
  const limit = familyOf(config.family).validation?.untaught(config) ?? Number.POSITIVE_INFINITY;
  return last.value > limit ? [{ kind: 'collapsed', rule: 'validation loss rule', step: last.step }] : [];
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

/**
 * Spearman's rank correlation, ties by their mean rank; null for fewer than three pairs or where one side is constant.
 */
export function spearman(pairs: readonly (readonly [number, number])[]): number | null {
  if (pairs.length < 3) return null;
  const a = ranks(pairs.map(([value]) => value));
  const b = ranks(pairs.map(([, value]) => value));
  const centre = (pairs.length + 1) / 2;
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += (a[i] - centre) * (b[i] - centre);
    aa += (a[i] - centre) ** 2;
    bb += (b[i] - centre) ** 2;
  }
  return aa === 0 || bb === 0 ? null : ab / Math.sqrt(aa * bb);
}

function ranks(values: readonly number[]): number[] {
  return values.map(value => {
    const below = values.filter(other => other < value).length;
    const equal = values.filter(other => other === value).length;
    return below + (equal + 1) / 2;
  });
}
