/** @file All systems of a question on one scale: Bradley and Terry's strengths with intervals over raters and captions. */
import { areConnected, bradleyTerry, type Comparisons, equalityTest } from '../../metrics/preference/bradley-terry.ts';
import { type ClusterOptions, clusterBootstrap } from '../../metrics/preference/clusters.ts';
import { triads } from '../../metrics/preference/triads.ts';
import type { Vote } from '../answers.ts';
import { clustersOf } from './pairs.ts';
import type { StrengthResults } from './results.ts';

/** With fewer systems a pair says all. */
const FEWEST_SYSTEMS = 3;

/**
 * Strengths of the systems that were judged.
 * @param votes of one question, on two pictures each; @param systems in the study's order
 * @returns null for fewer than three, and where votes do not connect them
 */
export function analyseStrengths(
  votes: readonly Vote[],
  systems: readonly string[],
  options: ClusterOptions,
): StrengthResults | null {
  const names = systems.filter(name => votes.some(({ a, b }) => a === name || b === name));
  if (names.length < FEWEST_SYSTEMS) return null;
  const all = tabulate(votes, names);
  if (!areConnected(all)) return null;
  const fit = bradleyTerry(all);
  const refit = (weights: Float64Array) =>
    bradleyTerry(tabulate(votes, names, weights), { tolerance: 1e-4, rounds: 1000, from: fit }).logs;
  const intervals = clusterBootstrap(clustersOf(votes), refit, options);
  const points = all.wins.map((row, i) => row.map((count, j) => count + all.ties[i][j] / 2));
  const { judged, circular } = triads(points);
  return {
    systems: names
      .map((system, i) => ({ system, log: fit.logs[i], low: intervals[i].low, high: intervals[i].high }))
      .sort((a, b) => b.log - a.log),
    ties: fit.ties,
    equality: equalityTest(all),
    triads: { judged, circular: circular.map(([i, j, k]) => [names[i], names[j], names[k]] as const) },
    names,
    wins: all.wins,
    draws: all.ties,
  };
}

/** Counts votes in tables. */
function tabulate(votes: readonly Vote[], names: readonly string[], weights?: ArrayLike<number>): Comparisons {
  const place = new Map(names.map((name, i) => [name, i]));
  const [wins, ties] = [0, 1].map(() => names.map(() => new Array<number>(names.length).fill(0)));
  votes.forEach(({ a, b, choice }, at) => {
    const [i, j] = [place.get(a) as number, place.get(b) as number];
    const weight = weights?.[at] ?? 1;
    if (choice === 'a') wins[i][j] += weight;
    else if (choice === 'b') wins[j][i] += weight;
    else {
      ties[i][j] += weight;
      ties[j][i] += weight;
    }
  });
  return { wins, ties };
}
