/**
 * @file Single pictures that were called real or painted: how often each system's were taken for real, and the share of
 * errors beside real pictures, which is one half where people cannot tell (HYPE, Zhou et al. 2019, arXiv:1904.01121).
 */
import { fisherExact } from '../../metrics/intervals.ts';
import { studentTails } from '../../metrics/preference/beta.ts';
import { clopperPearson } from '../../metrics/preference/binomial.ts';
import { type ClusterOptions, clusterBootstrap } from '../../metrics/preference/clusters.ts';
import { holm } from '../../metrics/preference/holm.ts';
import { clusterShare, shareOf, worthOf } from '../../metrics/preference/share.ts';
import type { Vote } from '../answers.ts';
import { clustersOf, ERROR, forked, pointsOf } from './pairs.ts';
import type { ErrorResult, SingleResult, StudyResults } from './results.ts';

/** Results of every system that was shown. @param votes of one question, on one picture each */
export function analyseSingles(
  votes: readonly Vote[],
  systems: StudyResults['systems'],
  options: ClusterOptions,
): SingleResult[] {
  const real = systems.find(({ kind }) => kind === 'real')?.name;
  const ofReal = votes.filter(({ a }) => a === real);
  const results = systems.flatMap(({ name }): SingleResult[] => {
    const own = votes.filter(({ a }) => a === name);
    if (own.length === 0) return [];
    const errors =
      name === real || ofReal.length === 0 ? null : errorsOf(own, ofReal, forked(options, `errors/${name}`));
    return [{ ...countSingles(own, forked(options, name)), errors }];
  });
  const adjusted = holm(results.flatMap(({ errors }) => (errors === null ? [] : [errors.p])));
  return results.map(result => {
    if (result.errors === null) return result;
    const p = adjusted.shift() as number;
    return { ...result, errors: { ...result.errors, holm: p, toldApart: p < ERROR && result.errors.share < 0.5 } };
  });
}

function countSingles(votes: readonly Vote[], options: ClusterOptions): Omit<SingleResult, 'errors'> {
  const count = (choice: Vote['choice']) => votes.filter(vote => vote.choice === choice).length;
  const clusters = clustersOf(votes);
  const { share, low, high } = clusterShare(votes.map(pointsOf), clusters, options);
  return {
    system: votes[0].a,
    votes: votes.length,
    saidReal: count('a'),
    saidPainted: count('b'),
    ties: count('tie'),
    raters: new Set(clusters.raters).size,
    captions: new Set(clusters.items).size,
    share,
    low,
    high,
  };
}

/** The mean of two shares: of painted pictures that were called real, and of real ones that were called painted. */
function errorsOf(painted: readonly Vote[], real: readonly Vote[], options: ClusterOptions): ErrorResult {
  const votes = [...painted, ...real];
  const values = votes.map((vote, i) => (i < painted.length ? pointsOf(vote) : 1 - pointsOf(vote)));
  const errorOf = (weights: ArrayLike<number>) => {
    const mean = (from: number, to: number) => {
      let [sum, n] = [0.25, 0.5]; // a quarter of a vote on either side: finite where all are the same, or none was drawn
      for (let i = from; i < to; i++) {
        sum += weights[i] * values[i];
        n += weights[i];
      }
      return sum / n;
    };
    return (mean(0, painted.length) + mean(painted.length, votes.length)) / 2;
  };
  const logOdds = (share: number) => Math.log(share / (1 - share));
  const [found] = clusterBootstrap(clustersOf(votes), weights => [logOdds(errorOf(weights))], options);
  const decided = (own: readonly Vote[], choice: Vote['choice']) => own.filter(vote => vote.choice === choice).length;
  const fisher = fisherExact(decided(painted, 'a'), decided(painted, 'b'), decided(real, 'a'), decided(real, 'b'));
  const plain = (own: readonly number[]) => own.reduce((sum, value) => sum + value, 0) / own.length;
  const share = (plain(values.slice(0, painted.length)) + plain(values.slice(painted.length))) / 2;
  const { low, high } = found;
  if (low === null || high === null) {
    const [exactLow, exactHigh] = clopperPearson(share * votes.length, votes.length);
    return { share, low: exactLow, high: exactHigh, by: 'votes', p: fisher, holm: 1, fisher, toldApart: false };
  }
  const t = 2 * (shareOf(found.value) - 0.5) * Math.sqrt(worthOf(found.value, found.error));
  return {
    share,
    low: Math.min(share, shareOf(low)),
    high: Math.max(share, shareOf(high)),
    by: 'clusters',
    p: studentTails(t, found.degrees),
    holm: 1,
    fisher,
    toldApart: false,
  };
}
