/**
 * @file Whether a training has collapsed, judged by what it paints and by rules fixed before any run: a generator that
 * has lost its variety has ordinary losses and no NaN. Samples are checked against real pictures now and then; each
 * check moves a small state on, which is a plain value that a log or a checkpoint can hold.
 *
 *   nonfinite  a loss or a parameter is not finite; for good
 *   coverage   coverage (k = 5) below 10 percent of that between real pictures, 3 checks in a row
 *   regressed  KID above twice the best so far, 3 checks in a row
 *   spread     mean distance between samples below 20 percent of that between real pictures
 *
 * A verdict but the first stands while its rule holds and falls when it no longer does, so that a network that has yet
 * to learn anything, whose first samples are alike, is not called collapsed for it: what counts is where a run ends.
 */

import type { Random } from '../core/random.ts';
import { kernelDistance, kernelDistanceInterval } from './kid.ts';
import { type Matrix, squaredDistances } from './matrix.ts';
import { prdc } from './prdc.ts';

export type Collapse = 'nonfinite' | 'coverage' | 'regressed' | 'spread';

/** What real pictures have among themselves. */
export interface CheckFloor {
  /** Upper end of the interval of KID between real pictures: below it no KID is worse than another. */
  readonly kid: number;
  /** Coverage of real pictures by other real pictures. */
  readonly coverage: number;
}

/** Samples beside real pictures. */
export interface SampleCheck {
  /** Unbiased. */
  readonly kid: number;
  /** As a share of the coverage between real pictures: about 1 at best. */
  readonly coverage: number;
  /** Mean distance between two samples, as a share of that between two real pictures. */
  readonly spread: number;
}

/** How far a run has come towards a verdict; see `judge`. */
export interface CollapseState {
  readonly checks: number;
  /** Lowest KID so far, not below the floor's; null before the first check. */
  readonly best: number | null;
  /** Checks in a row up to now that broke each rule. */
  readonly uncovered: number;
  readonly worse: number;
  readonly narrow: number;
  readonly broken: boolean;
}

export const unchecked: CollapseState = { checks: 0, best: null, uncovered: 0, worse: 0, narrow: 0, broken: false };

/** Neighbours of coverage. */
const K = 5;

/** Shares, factors and checks in a row that the rules name. */
const rules = { coverage: 0.1, kid: 2, spread: 0.2, inARow: 3 } as const;

/**
 * The state after one more check.
 * @param check the samples' figures; 'nonfinite' if there are none, because a loss or a parameter is not finite
 */
export function afterCheck(state: CollapseState, check: SampleCheck | 'nonfinite', floor: CheckFloor): CollapseState {
  if (check === 'nonfinite' || ![check.kid, check.coverage, check.spread].every(Number.isFinite)) {
    return { ...state, checks: state.checks + 1, broken: true };
  }
  const best = Math.min(state.best ?? Number.POSITIVE_INFINITY, Math.max(check.kid, floor.kid));
  const count = (before: number, breaks: boolean) => (breaks ? before + 1 : 0);
  return {
    checks: state.checks + 1,
    best,
    uncovered: count(state.uncovered, check.coverage < rules.coverage),
    worse: count(state.worse, check.kid > rules.kid * best),
    narrow: count(state.narrow, check.spread < rules.spread),
    broken: state.broken,
  };
}

/** The verdict on a run that ends here; the first rule that holds. */
export function verdictOf({ broken, uncovered, worse, narrow }: CollapseState): Collapse | undefined {
  if (broken) return 'nonfinite';
  if (uncovered >= rules.inARow) return 'coverage';
  if (worse >= rules.inARow) return 'regressed';
  return narrow > 0 ? 'spread' : undefined;
}

/**
 * What to hold samples against: two sets of real pictures beside each other.
 * @param real features of the pictures that samples will be compared with, more than 5 rows
 * @param others of other real pictures, as many as there will be samples, at least 4
 */
export function checkFloor(real: Matrix, others: Matrix, random: Random): CheckFloor {
  const { interval } = kernelDistanceInterval(others, real, { random });
  return { kid: Math.max(interval[1], 0), coverage: prdc(real, others, { k: 1, coverageK: K }).coverage };
}

/** Whether samples can be told by the floor: real pictures differ, and some are covered by others. @param real as above */
export function isFloor({ coverage }: CheckFloor, real: Matrix): boolean {
  return coverage > 0 && meanDistance(real) > 0;
}

/** @param samples features of samples, at least 2 rows; @param real as given to `checkFloor` */
export function checkSamples(samples: Matrix, real: Matrix, floor: CheckFloor): SampleCheck {
  return {
    kid: kernelDistance(samples, real),
    coverage: prdc(real, samples, { k: 1, coverageK: K }).coverage / floor.coverage,
    spread: meanDistance(samples) / meanDistance(real),
  };
}

/** Mean Euclidean distance between two different rows. */
export function meanDistance(rows: Matrix): number {
  const n = rows.rows;
  const { data } = squaredDistances(rows, rows);
  let sum = 0;
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) sum += Math.sqrt(data[i * n + j]);
  return sum / ((n * (n - 1)) / 2);
}
