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
  /** The probability of a share so far from one half, by the same error; null by `votes`. */
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
  return {
    share,
    low: Math.min(share, odds(low)),
    high: Math.max(share, odds(high)),
    by: 'clusters',
    p: studentTails(value / error, degrees),
    // The error of the logarithm of odds of n independent votes is 1 / sqrt(n p (1 - p)).
    worth: Math.min(n, 1 / (error ** 2 * odds(value) * (1 - odds(value)))),
  };
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

function odds(log: number): number {
  return 1 / (1 + Math.exp(-log));
}
