/** @file Two systems beside each other, for every pair of a question: shares with their intervals, tests and power. */
import { binomialTest, clopperPearson } from '../../metrics/preference/binomial.ts';
import type { ClusterOptions } from '../../metrics/preference/clusters.ts';
import { holm } from '../../metrics/preference/holm.ts';
import { smallestShare } from '../../metrics/preference/power.ts';
import { clusterShare } from '../../metrics/preference/share.ts';
import type { Vote } from '../answers.ts';
import { groupBy } from './grouping.ts';
import type { PairResult } from './results.ts';

/** Probabilities below it are called shown. */
export const ERROR = 0.05;

/** Fewer votes on a caption have no majority worth a count. */
const FEWEST_FOR_MAJORITY = 3;

/** All pairs of systems, in their order. */
export function pairsOf(systems: readonly string[]): (readonly [a: string, b: string])[] {
  return systems.flatMap((a, i) => systems.slice(i + 1).map(b => [a, b] as const));
}

/** Results of every pair that was judged. @param votes of one question, on two pictures each */
export function analysePairs(
  votes: readonly Vote[],
  systems: readonly string[],
  options: ClusterOptions,
): PairResult[] {
  const judged = pairsOf(systems).flatMap(([a, b]) => {
    const own = votes.filter(vote => vote.a === a && vote.b === b);
    return own.length === 0 ? [] : [analysePair(own, forked(options, `${a}/${b}`))];
  });
  const clustered = holm(judged.map(({ p }) => p));
  const exact = holm(judged.map(({ independent }) => independent.p));
  return judged.map((pair, i) => ({
    ...pair,
    holm: clustered[i],
    independent: { ...pair.independent, holm: exact[i] },
    preferred: clustered[i] >= ERROR || pair.share === 0.5 ? null : pair.share > 0.5 ? pair.a : pair.b,
  }));
}

/** The same resampling, with random numbers of its own. */
export function forked(options: ClusterOptions, label: string): ClusterOptions {
  return { ...options, random: options.random.fork(label) };
}

/** What a vote counts for the first of two: 1, 0, or a half each. */
export function pointsOf({ choice }: Vote): number {
  return choice === 'tie' ? 0.5 : choice === 'a' ? 1 : 0;
}

/** Raters and captions of votes. */
export function clustersOf(votes: readonly Vote[]): { readonly raters: string[]; readonly items: string[] } {
  return { raters: votes.map(({ rater }) => rater), items: votes.map(({ item }) => item) };
}

function analysePair(votes: readonly Vote[], options: ClusterOptions): PairResult {
  const { a, b } = votes[0];
  const count = (choice: Vote['choice']) => votes.filter(vote => vote.choice === choice).length;
  const [wins, losses, ties] = [count('a'), count('b'), count('tie')];
  const { raters, items } = clustersOf(votes);
  const { share, low, high, by, p, worth } = clusterShare(votes.map(pointsOf), { raters, items }, options);
  const [exactLow, exactHigh] = clopperPearson(wins + ties / 2, votes.length);
  const exact = binomialTest(wins, wins + losses);
  return {
    a,
    b,
    votes: votes.length,
    wins,
    losses,
    ties,
    raters: new Set(raters).size,
    captions: new Set(items).size,
    majority: majorityOf(votes),
    share,
    low,
    high,
    by,
    worth,
    p: p ?? exact,
    holm: 1,
    independent: { low: exactLow, high: exactHigh, p: exact, holm: 1 },
    preferred: null,
    couldShow: smallestShare(votes.length),
    couldShowClustered: worth === null ? null : smallestShare(Math.floor(worth)),
  };
}

function majorityOf(votes: readonly Vote[]): PairResult['majority'] {
  const sums = [...groupBy(votes, ({ item }) => item).values()]
    .filter(own => own.length >= FEWEST_FOR_MAJORITY)
    .map(own => own.reduce((sum, vote) => sum + pointsOf(vote) - 0.5, 0));
  const count = (sign: number) => sums.filter(sum => Math.sign(sum) === sign).length;
  return { a: count(1), b: count(-1), even: count(0) };
}
