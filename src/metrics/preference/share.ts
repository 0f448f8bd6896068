/**
 * @file The share of votes for one side, with the interval that allows for raters and items: the cluster bootstrap of the
 * logarithm of its odds.
 */
import { studentTails } from './beta.ts';
import { clopperPearson } from './binomial.ts';
import { type ClusterOptions, type Clusters, clusterBootstrap } from './clusters.ts';

export interface ShareEstimate {
  readonly share: number;
  readonly low: number;
  readonly high: number;
  /**
   * Where the interval is from: `clusters`, or `votes` where the resamples say nothing (every vote is the same, or there is
   * one rater and one item): Clopper and Pearson's then, as if votes were independent.
   */
  readonly by: 'clusters' | 'votes';
  /**
   * The probability of a share so far from one half where one half is true, of as many independent votes as these are worth
   * (Rao and Scott 1981): Student's t is 2 (share - 1/2) sqrt(worth). By the error of log-odds, shares near 1 would be no
   * evidence (Hauck and Donner 1977). null by `votes`.
   */
  readonly p: number | null;
  /** How many independent votes would be as sure; null by `votes`. */
  readonly worth: number | null;
}

/**
 * The share of votes, a draw counting as half a vote.
 * @param values 1 for, 0 against, 0.5 a draw; @param clusters rater and item of every vote
 * @throws RangeError without votes or with other values
 */
export function clusterShare(values: ArrayLike<number>, clusters: Clusters, options: ClusterOptions): ShareEstimate {
  const n = values.length;
  let sum = 0;
  for (let i = 0; i < n; i++) {
    if (!(values[i] >= 0 && values[i] <= 1)) {
      throw new RangeError(`clusterShare: expected votes from 0 to 1, got ${values[i]}`);
    }
    sum += values[i];
  }
  const [{ low, high, value, error, degrees }] = clusterBootstrap(
    clusters,
    weights => [logOdds(values, weights)],
    options,
  );
  const share = sum / n;
  if (low === null || high === null) {
    const exact = clopperPearson(sum, n, options.level);
    return { share, low: exact[0], high: exact[1], by: 'votes', p: null, worth: null };
  }
  const worth = Math.min(n, worthOf(value, error));
  return {
    share,
    low: Math.min(share, shareOf(low)),
    high: Math.max(share, shareOf(high)),
    by: 'clusters',
    p: studentTails(2 * (shareOf(value) - 0.5) * Math.sqrt(worth), degrees),
    worth,
  };
}

/** How many independent votes have this error of their log-odds, which is 1 / sqrt(n p (1 - p)). */
export function worthOf(logOdds: number, error: number): number {
  const share = shareOf(logOdds);
  return 1 / (error ** 2 * share * (1 - share));
}

/** ln(p / (1 - p)) with a quarter of a vote more on either side, so that it is finite where all votes are the same. */
function logOdds(values: ArrayLike<number>, weights: Float64Array): number {
  let [sum, n] = [0, 0];
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i] * values[i];
    n += weights[i];
  }
  return Math.log((sum + 0.25) / (n - sum + 0.25));
}

/** The share that has these odds. */
export function shareOf(logOdds: number): number {
  return 1 / (1 + Math.exp(-logOdds));
}
