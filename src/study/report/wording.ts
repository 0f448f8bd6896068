/** @file Numbers of a study as they read in its sentences and tables. */
import { formatNumber } from '../../report/numbers.ts';
import { capitalise } from '../../report/sentences.ts';
import type { PairResult, StudyResults } from './results.ts';

/** A share: `62 %`. */
export function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

/** A share with its interval: `62 % [51, 72]`. */
export function percentWithin({ share, low, high }: { share: number; low: number; high: number }): string {
  return `${percent(share)} [${Math.round(100 * low)}, ${Math.round(100 * high)}]`;
}

/** A probability: `0.034`, `below 0.001`. */
export function probability(p: number): string {
  return p < 0.001 ? 'below 0.001' : formatNumber(p, 2);
}

/** A count with its word: `1 vote`, `3 votes`. */
export function counted(n: number, word: string): string {
  return `${n} ${n === 1 ? word : `${word}s`}`;
}

/** Milliseconds as seconds. */
export function seconds(milliseconds: number | null): string {
  return milliseconds === null ? '–' : `${formatNumber(milliseconds / 1000, 2)} s`;
}

/** The probability of beating the average system, draws aside, of a strength's logarithm. */
export function beats(log: number): number {
  return 1 / (1 + Math.exp(-log));
}

/** Points of Elo above the average system, of a strength's logarithm. */
export function elo(log: number): number {
  return (400 * log) / Math.LN10;
}

/** Points of Elo with their sign: `+155`, `−40`. */
export function points(log: number): string {
  const rounded = Math.round(elo(log));
  return rounded === 0 ? '0' : `${rounded < 0 ? '−' : '+'}${Math.abs(rounded)}`;
}

/** The name of a system in sentences: those that are no rivals by what they are. */
export function nameIn(systems: StudyResults['systems'], name: string): string {
  const kind = systems.find(system => system.name === name)?.kind;
  return kind === 'real' ? 'real pictures' : kind === 'copy' ? 'the tokenizer’s copies' : name;
}

/** The same where a sentence begins; the names of runs stay as they are. */
export function nameFirst(systems: StudyResults['systems'], name: string): string {
  const words = nameIn(systems, name);
  return words === name ? name : capitalise(words);
}

/** A pair from the side of whoever had more votes. */
export function fromWinner(pair: PairResult): {
  readonly winner: string;
  readonly loser: string;
  readonly share: number;
  readonly low: number;
  readonly high: number;
} {
  const { a, b, share, low, high } = pair;
  if (share >= 0.5) return { winner: a, loser: b, share, low, high };
  return { winner: b, loser: a, share: 1 - share, low: 1 - high, high: 1 - low };
}
