/**
 * @file How sure a statistic of votes is, where one person gives many of them and one caption gets many: a bootstrap over
 * raters and over items.
 *
 * Votes of a rater share the rater's taste, and votes on a caption share its pictures. Raters are resampled with all
 * their votes, and, apart from them, items with all of theirs; the two deviations from the statistic of all votes are
 * added. What a single vote strays by is then in both, and is taken off once: the sum is scaled to the variance
 * V = V_raters + V_items - V_votes of two-way clusters (Cameron, Gelbach and Miller 2011), and never below the largest of the
 * three. Drawing raters and items at once and multiplying their counts, as Owen's pigeonhole bootstrap does (2007), has
 * the chance of single votes three times in its variance: where raters differ little, its 95 percent intervals are half as
 * wide again as need be, and held the truth in 99 of 100 simulated studies.
 *
 * Few raters: variances are multiplied by n / (n - 1), and the ends are the percentiles, about their mean, times Student's
 * over the normal quantile, with the degrees of freedom of the three parts (Satterthwaite 1946). In simulated studies of
 * one rater, or of five or more, 95 percent intervals held the truth in 93 to 99 of 100; of three who differ, in 90
 * (scripts/studies/preference-coverage.ts).
 *
 * With one rater only items are resampled, and the interval speaks of that rater alone; with one item only raters are,
 * and it speaks of that item. With one of each there is no interval.
 */
import type { Random } from '../../core/random.ts';
import { deviation, mean, quantile } from '../intervals.ts';
import { studentQuantile } from './beta.ts';

/** Whose votes they are: one rater and one item a vote. */
export interface Clusters {
  readonly raters: readonly string[];
  readonly items: readonly string[];
}

/** A value, and how sure it is. */
export interface ClusterEstimate {
  readonly value: number;
  /** null where nothing can be said: one rater with one item, or resamples that are all alike. So is `high`. */
  readonly low: number | null;
  readonly high: number | null;
  /** The standard error. */
  readonly error: number;
  /** Degrees of freedom of that error. */
  readonly degrees: number;
}

export interface ClusterOptions {
  readonly random: Random;
  /** Of raters, of items, and of votes: so many of each. Default 1000. */
  readonly resamples?: number;
  /** Default 0.95. */
  readonly level?: number;
}

/** One way of resampling: the deviations of every value, and over how many things was resampled. */
interface Way {
  readonly groups: number;
  /** By value, by resample, corrected for the number of groups. */
  readonly deviations: readonly Float64Array[];
  /** By value. */
  readonly variances: readonly number[];
}

/**
 * The two-way cluster bootstrap of some values.
 * @param clusters rater and item of every vote
 * @param statistic values of the votes, each counted as often as its weight says, on scales on which deviations add
 * (logarithms of odds, not shares)
 * @throws RangeError without votes, or with unequally many raters and items
 */
export function clusterBootstrap(
  clusters: Clusters,
  statistic: (weights: Float64Array) => ArrayLike<number>,
  { random, resamples = 1000, level = 0.95 }: ClusterOptions,
): ClusterEstimate[] {
  const n = clusters.raters.length;
  if (n === 0 || n !== clusters.items.length) {
    throw new RangeError(
      `clusterBootstrap: expected a rater and an item a vote, got ${n} and ${clusters.items.length}`,
    );
  }
  if (!(resamples >= 2 && level > 0 && level < 1)) {
    throw new RangeError(
      `clusterBootstrap: expected resamples and a level between 0 and 1, got ${resamples}, ${level}`,
    );
  }
  const values = Array.from(statistic(new Float64Array(n).fill(1)));
  const cells = clusters.raters.map((rater, i) => JSON.stringify([rater, clusters.items[i]]));
  const [raters, items, votes] = [clusters.raters, clusters.items, cells].map((labels, which) =>
    resample(labels, values, { statistic, resamples, random: random.fork('clusters', which) }),
  );
  return values.map((value, at) => estimate(value, at, { raters, items, votes, level }));
}

/** Deviations of the values over resamples of what the labels name. Of one thing there are none. */
function resample(
  labels: readonly string[],
  values: readonly number[],
  options: {
    readonly statistic: (weights: Float64Array) => ArrayLike<number>;
    readonly resamples: number;
    readonly random: Random;
  },
): Way {
  const { statistic, resamples, random } = options;
  const names = [...new Set(labels)];
  const groups = names.length;
  const number = new Map(names.map((name, i) => [name, i]));
  const groupOf = labels.map(label => number.get(label) as number);
  const deviations = values.map(() => new Float64Array(resamples));
  if (groups < 2) return { groups, deviations, variances: values.map(() => 0) };
  const correction = Math.sqrt(groups / (groups - 1));
  const counts = new Float64Array(groups);
  const weights = new Float64Array(labels.length);
  for (let k = 0; k < resamples; k++) {
    counts.fill(0);
    for (let i = 0; i < groups; i++) counts[random.integer(groups)]++;
    for (let i = 0; i < weights.length; i++) weights[i] = counts[groupOf[i]];
    const drawn = statistic(weights);
    values.forEach((value, at) => {
      deviations[at][k] = correction * (drawn[at] - value);
    });
  }
  return { groups, deviations, variances: deviations.map(each => deviation(each) ** 2) };
}

/** 97.5 percent of a standard normal lie below; for other levels Student's quantile of very many degrees of freedom. */
const MANY = 1e6;

function estimate(
  value: number,
  at: number,
  ways: { readonly raters: Way; readonly items: Way; readonly votes: Way; readonly level: number },
): ClusterEstimate {
  const { raters, items, votes, level } = ways;
  const [byRater, byItem, byVote] = [raters, items, votes].map(({ variances }) => variances[at]);
  const resampled = byRater + byItem;
  if (!(resampled > 0)) return { value, low: null, high: null, error: 0, degrees: 0 };
  const variance = Math.max(byRater + byItem - byVote, byRater, byItem, byVote);
  // What single votes explain loses few degrees of freedom; but of few raters it is not known how much they explain.
  const part = (own: number, groups: number) => (groups < 2 ? 0 : own ** 2 / (groups - 1));
  const lost =
    part(Math.max(byRater / 2, byRater - byVote), raters.groups) +
    part(Math.max(byItem / 2, byItem - byVote), items.groups) +
    part(byVote, votes.groups);
  const degrees = Math.max(1, variance ** 2 / lost);
  const scale = Math.sqrt(variance / resampled);
  const sums = raters.deviations[at].map((each, k) => scale * (each + items.deviations[at][k])).sort();
  const bias = mean(sums);
  const wider = studentQuantile(1 - level, degrees) / studentQuantile(1 - level, MANY);
  return {
    value,
    low: value + wider * (quantile(sums, (1 - level) / 2) - bias),
    high: value + wider * (quantile(sums, (1 + level) / 2) - bias),
    error: Math.sqrt(variance),
    degrees,
  };
}
