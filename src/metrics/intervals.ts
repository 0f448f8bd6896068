/**
 * @file How sure a number is: Wilson's interval of a share, Fisher's exact test between two shares, McNemar's of pairs,
 * the percentile bootstrap of a statistic, and half-size subsampling for statistics that repeated rows would spoil.
 */
import type { Random } from '../core/random.ts';
import { FEW_ITEMS, meanMargin } from '../training/few.ts';

/** [low, high] */
export type Interval = readonly [low: number, high: number];

/** 97.5 percent of a standard normal lie below. */
const Z95 = 1.959964;

/**
 * Wilson's score interval of a binomial share,
 * (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n): honest at 0 and n successes, and for few trials.
 * @param successes 0 to trials; @param trials at least 0; without any the interval is [0, 1]
 * @param z standard deviations on either side, by default for 95 percent
 * @see Wilson 1927
 */
export function wilson(successes: number, trials: number, z: number = Z95): Interval {
  if (!(successes >= 0 && successes <= trials)) {
    throw new RangeError(`wilson: expected successes in 0 to ${trials}, got ${successes}`);
  }
  if (trials === 0) return [0, 1];
  const p = successes / trials;
  const centre = p + (z * z) / (2 * trials);
  const half = z * Math.sqrt((p * (1 - p)) / trials + (z * z) / (4 * trials * trials));
  const whole = 1 + (z * z) / trials;
  // Rounding must not leave 0 of n just above 0, nor n of n just below 1.
  return [successes === 0 ? 0 : (centre - half) / whole, successes === trials ? 1 : (centre + half) / whole];
}

/**
 * Fisher's exact test of a 2 x 2 table, two-sided: the probability, with the margins given and no effect, of a table
 * that is at most as probable as this one.
 * @param a successes and @param b failures of one group; @param c, @param d of the other; whole numbers of at least 0
 * @returns p in (0, 1]
 */
export function fisherExact(a: number, b: number, c: number, d: number): number {
  for (const count of [a, b, c, d]) {
    if (!(Number.isInteger(count) && count >= 0)) {
      throw new RangeError(`fisherExact: expected whole numbers of at least 0, got ${[a, b, c, d].join(', ')}`);
    }
  }
  const [row, column, n] = [a + b, a + c, a + b + c + d];
  const logs = logFactorials(n);
  const choose = (from: number, k: number) => logs[from] - logs[k] - logs[from - k];
  const logProbability = (k: number) => choose(column, k) + choose(n - column, row - k) - choose(n, row);
  const observed = logProbability(a);
  let p = 0;
  for (let k = Math.max(0, row + column - n); k <= Math.min(row, column); k++) {
    const each = logProbability(k);
    if (each <= observed + 1e-7) p += Math.exp(each); // tables as probable as this one differ by rounding
  }
  return Math.min(1, p);
}

/**
 * McNemar's exact test of pairs, two-sided: the probability, if either outcome of a pair that differs is as likely as
 * the other, of a split that is at least as uneven as this one. Pairs with two like outcomes say nothing and are not
 * counted.
 * @param first pairs of which the first alone succeeded; @param second the second alone; whole numbers of at least 0
 * @returns p in (0, 1]
 * @see McNemar 1947, Psychometrika 12
 */
export function mcnemarExact(first: number, second: number): number {
  for (const count of [first, second]) {
    if (!(Number.isInteger(count) && count >= 0)) {
      throw new RangeError(`mcnemarExact: expected whole numbers of at least 0, got ${first}, ${second}`);
    }
  }
  const n = first + second;
  const logs = logFactorials(n);
  let tail = 0;
  for (let k = 0; k <= Math.min(first, second); k++) tail += Math.exp(logs[n] - logs[k] - logs[n - k] - n * Math.LN2);
  return Math.min(1, 2 * tail);
}

/** ln k! of 0 to n. */
function logFactorials(n: number): Float64Array {
  const logs = new Float64Array(n + 1);
  for (let k = 2; k <= n; k++) logs[k] = logs[k - 1] + Math.log(k);
  return logs;
}

export interface BootstrapOptions {
  readonly random: Random;
  readonly resamples?: number;
  /** Share of resampled statistics that the interval holds. */
  readonly level?: number;
}

/**
 * Percentile interval of a statistic over resamples with replacement. Not for statistics over pairs of rows, such as
 * KID or nearest neighbours: a row drawn twice is its own nearest neighbour. Those take `subsampling`.
 * @param values what is resampled; a number n stands for 0 to n - 1, to resample the rows of several arrays together
 * @param statistic of as many values as were given
 * @see Efron and Tibshirani 1993, section 13.3
 */
export function bootstrap(
  values: ArrayLike<number> | number,
  statistic: (values: Float64Array) => number,
  { random, resamples = 1000, level = 0.95 }: BootstrapOptions,
): Interval {
  const n = typeof values === 'number' ? values : values.length;
  if (!(n > 0)) throw new RangeError(`bootstrap: expected at least one value, got ${n}`);
  const drawn = new Float64Array(n);
  const results = Float64Array.from({ length: resamples }, () => {
    for (let i = 0; i < n; i++) {
      const at = random.integer(n);
      drawn[i] = typeof values === 'number' ? at : values[at];
    }
    return statistic(drawn);
  }).sort();
  return [quantile(results, (1 - level) / 2), quantile(results, (1 + level) / 2)];
}

/**
 * 95 percent interval of the mean of independent values: by Student's distribution of fewer than 30, of which resamples are
 * too much alike, and by the bootstrap of more.
 * @returns null of one value, which tells nothing of others
 */
export function meanInterval(values: readonly number[], { random }: { readonly random: Random }): Interval | null {
  if (values.length < 2) return null;
  if (values.length >= FEW_ITEMS) return bootstrap(values, mean, { random });
  const [centre, margin] = [mean(values), meanMargin(values)];
  return [centre - margin, centre + margin];
}

/** Value at a share of sorted values, between two of them by interpolation. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/** Arithmetic mean; NaN of nothing. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum / values.length;
}

/** Standard deviation with n - 1. */
export function deviation(values: ArrayLike<number>): number {
  const centre = mean(values);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += (values[i] - centre) ** 2;
  return Math.sqrt(sum / (values.length - 1));
}

/**
 * Normal 95 percent interval around a statistic of n rows, from its spread over halves of the rows drawn without
 * replacement. Two halves of one sample share what they share: the variance of a mean over such halves is
 * (s^2 / (n/2)) (1 - 1/2) = s^2 / n, that of the mean over all rows, so the spread needs no correction.
 * @param value the statistic of all rows; @param statistic of the rows it is given
 * @param sizes rows of each sample, at least 4; every sample is halved by itself
 */
export function subsampling(
  value: number,
  sizes: readonly number[],
  statistic: (...rows: readonly Uint32Array[]) => number,
  { random, resamples = 100 }: { readonly random: Random; readonly resamples?: number },
): Interval {
  return normalInterval(
    value,
    Array.from({ length: resamples }, () => statistic(...halves(sizes, random))),
  );
}

/** Half of the rows of each sample, without replacement. @param sizes at least 4 each */
export function halves(sizes: readonly number[], random: Random): Uint32Array[] {
  if (sizes.some(n => n < 4)) throw new RangeError(`halves: expected at least 4 rows, got ${sizes.join(', ')}`);
  return sizes.map(n => random.permutation(n).subarray(0, Math.floor(n / 2)));
}

/** The value, 1.96 standard deviations of its resampled values either way. */
export function normalInterval(value: number, resampled: ArrayLike<number>): Interval {
  const half = Z95 * deviation(resampled);
  return [value - half, value + half];
}
