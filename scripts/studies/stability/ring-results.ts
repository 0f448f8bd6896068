/**
 * @file What tier T1 finds out: every run with its course, and each family summed up. Statistics only; it trains
 * nothing and says nothing.
 */
import { z } from 'zod';
import { deviation, type Interval, mean, wilson } from '../../../src/metrics/intervals.ts';
import type { Outcome } from './pairs.ts';
import { MODES } from './ring.ts';

/** What must be equal for results to stand in one table. */
export const settingsSchema = z.object({
  steps: z.number(),
  batch: z.number(),
  width: z.number(),
  lrs: z.array(z.number()),
  seeds: z.array(z.number()),
  samples: z.number(),
});

const judgementSchema = z.object({
  step: z.number(),
  modes: z.number(),
  drawn: z.number(),
  near: z.number(),
  kl: z.number().nullable(),
});

export const runSchema = z.object({
  lr: z.number(),
  seed: z.number(),
  success: z.boolean(),
  /** Whether every number was finite at every look. */
  finite: z.boolean(),
  modes: z.number(),
  drawn: z.number(),
  near: z.number(),
  kl: z.number().nullable(),
  history: z.array(judgementSchema),
});

export const familySchema = z.object({
  family: z.string(),
  label: z.string(),
  kind: z.enum(['gan', 'likelihood', 'denoising', 'energy']),
  gan: z
    .object({
      loss: z.enum(['minimax', 'nonsaturating', 'hinge', 'relativistic']),
      bend: z.enum(['tanh', 'lrelu']),
      r1: z.number(),
      r2: z.number(),
      predict: z.boolean(),
    })
    .optional(),
  settings: settingsSchema,
  seconds: z.number(),
  runs: z.array(runSchema),
  /** Some samples of the first seed at each rate, x and y in turn, in thousandths. */
  points: z.array(z.object({ lr: z.number(), xy: z.array(z.number()) })),
});

export type Settings = z.output<typeof settingsSchema>;
export type RunResult = z.output<typeof runSchema>;
export type FamilyResult = z.output<typeof familySchema>;

/** One column of the table. */
export interface AtRate {
  readonly lr: number;
  readonly runs: number;
  readonly successes: number;
  /** Share of samples near a mode: mean and deviation over the seeds. */
  readonly near: number;
  readonly spread: number;
}

export interface Summary extends Pick<FamilyResult, 'family' | 'label' | 'kind' | 'gan'> {
  readonly runs: number;
  readonly successes: number;
  /** Every run, to pair it with another family's. */
  readonly outcomes: readonly Outcome[];
  readonly interval: Interval;
  readonly rates: readonly AtRate[];
  readonly band: Band | undefined;
  /** The rate with the most successes, and among those the most samples near a mode. */
  readonly best: AtRate;
  /** Runs that leave some mode out: it is the nearest to less than 1% of the samples. */
  readonly dropped: number;
  /** Runs that had all modes at an earlier look, and not at the end. */
  readonly fell: number;
  readonly nonFinite: number;
}

/** Neighbouring rates at all of which training works. */
export interface Band {
  readonly low: number;
  readonly high: number;
  /** log2(high / low): 0 for a single rate. */
  readonly octaves: number;
}

export function summarise({ family, label, kind, gan, runs }: FamilyResult): Summary {
  const rates = [...new Set(runs.map(({ lr }) => lr))]
    .sort((a, b) => a - b)
    .map((lr): AtRate => {
      const there = runs.filter(run => run.lr === lr);
      const near = there.map(run => run.near);
      const successes = there.filter(run => run.success).length;
      return { lr, runs: there.length, successes, near: mean(near), spread: near.length > 1 ? deviation(near) : 0 };
    });
  const successes = runs.filter(run => run.success).length;
  const best = rates.reduce((a, b) => {
    const order = b.successes / b.runs - a.successes / a.runs || b.near - a.near;
    return order > 0 ? b : a;
  });
  return {
    family,
    label,
    kind,
    gan,
    runs: runs.length,
    successes,
    outcomes: runs.map(({ lr, seed, success }) => ({ lr, seed, success })),
    interval: wilson(successes, runs.length),
    rates,
    band: widestBand(rates),
    best,
    dropped: runs.filter(run => run.drawn < MODES).length,
    fell: runs.filter(run => run.modes < MODES && run.history.some(({ modes }) => modes === MODES)).length,
    nonFinite: runs.filter(run => !run.finite).length,
  };
}

/**
 * The widest band of rates with at least 80% successes and a mean share near the modes within 1.5 times of the best
 * such rate's; undefined where there is no such rate.
 */
export function widestBand(rates: readonly AtRate[]): Band | undefined {
  const steady = ({ runs, successes }: AtRate) => successes >= 0.8 * runs;
  const most = Math.max(...rates.filter(steady).map(({ near }) => near));
  let best: Band | undefined;
  let low: number | undefined;
  for (const rate of rates) {
    if (!steady(rate) || rate.near < most / 1.5) {
      low = undefined;
      continue;
    }
    low ??= rate.lr;
    const octaves = Math.log2(rate.lr / low);
    if (best === undefined || octaves > best.octaves) best = { low, high: rate.lr, octaves };
  }
  return best;
}
