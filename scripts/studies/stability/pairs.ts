/**
 * @file Runs that differ by one thing alone: of one learning rate and one seed, so of the same data, noise and first
 * weights. What they tell is how many pairs differ, and which way.
 */
import { mcnemarExact } from '../../../src/metrics/intervals.ts';

/** What became of a run. */
export interface Outcome {
  readonly lr: number;
  readonly seed: number;
  readonly success: boolean;
}

/** Pairs of which one alone succeeded, and how likely so uneven a split is by chance. */
export interface Pairs {
  readonly first: number;
  readonly second: number;
  readonly p: number;
}

/** Pairs up runs by their rates and seeds. @throws Error if a run has no partner */
export function comparePairs(first: readonly Outcome[], second: readonly Outcome[]): Pairs {
  const key = ({ lr, seed }: Outcome) => `rate ${lr}, seed ${seed}`;
  const partners = new Map(second.map(outcome => [key(outcome), outcome.success]));
  const counts = { first: 0, second: 0 };
  for (const outcome of first) {
    const other = partners.get(key(outcome));
    if (!partners.delete(key(outcome)) || other === undefined) throw new Error(`no partner of ${key(outcome)}`);
    if (outcome.success && !other) counts.first++;
    if (other && !outcome.success) counts.second++;
  }
  if (partners.size > 0) throw new Error(`no partner of ${[...partners.keys()][0]}`);
  return addPairs([counts]);
}

/** Pairs of several comparisons taken together. */
export function addPairs(all: readonly Pick<Pairs, 'first' | 'second'>[]): Pairs {
  const first = all.reduce((sum, pairs) => sum + pairs.first, 0);
  const second = all.reduce((sum, pairs) => sum + pairs.second, 0);
  return { first, second, p: mcnemarExact(first, second) };
}
