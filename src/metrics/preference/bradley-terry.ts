/**
 * @file Strengths from comparisons of two: the model of Bradley and Terry with Davidson's ties,
 * P(i over j) = s_i / D, P(draw) = v sqrt(s_i s_j) / D, D = s_i + s_j + v sqrt(s_i s_j), fitted by minorise-maximise
 * (Hunter 2004, Annals of Statistics 32; Davidson 1970, JASA 65), and the test of all strengths being equal.
 */
import { chiSquareTail } from './gamma.ts';

/** Votes between systems, counted or weighted. */
export interface Comparisons {
  /** wins[i][j]: votes for i against j; the diagonal is not read. */
  readonly wins: readonly (readonly number[])[];
  /** ties[i][j]: draws between i and j, the same as ties[j][i]. */
  readonly ties: readonly (readonly number[])[];
}

export interface FitOptions {
  /**
   * Votes for each system, and as many against it, that are added as if it had met one of strength 1, so that one that always
   * won has a finite strength (Turner, van Etten, Firth and Kosmidis 2020). Default 0.5; 0 is plain maximum likelihood.
   */
  readonly pseudo?: number;
  /** The fit ends where no strength moves by more. Default 1e-10. */
  readonly tolerance?: number;
  /** Most rounds. Default 20,000. */
  readonly rounds?: number;
  /** Where the fit begins, e.g. at a fit of other weights. */
  readonly from?: Strengths;
}

export interface Strengths {
  /** ln s, with mean 0. */
  readonly logs: readonly number[];
  /** v: 0 without draws; among equals a draw has probability v / (2 + v). */
  readonly ties: number;
}

/**
 * Fits the model.
 * @returns strengths as logarithms with mean 0: 1 / (1 + exp(-l)) is the probability of beating the average system, draws
 * aside, and 400 l / ln 10 its points of Elo
 * @throws RangeError if the tables are not square, hold negative numbers, or draws that differ by side
 */
export function bradleyTerry(comparisons: Comparisons, options: FitOptions = {}): Strengths {
  checkComparisons(comparisons);
  const { pseudo = 0.5, tolerance = 1e-10, rounds = 20_000, from } = options;
  const { wins, ties } = comparisons;
  const n = wins.length;
  const points = wins.map((row, i) => sumOf(n, j => (j === i ? 0 : row[j] + ties[i][j] / 2)));
  const draws = sumOf(n, i => sumOf(i, j => ties[i][j]));
  const meetings = meetingsOf(comparisons);
  let strengths = from?.logs.map(Math.exp) ?? new Array<number>(n).fill(1);
  let v = draws === 0 ? 0 : (from?.ties ?? 1);
  for (let round = 0; round < rounds; round++) {
    const before = strengths;
    const loads = before.map(s => (2 * pseudo) / (s + 1));
    for (const { i, j, count } of meetings) {
      const root = Math.sqrt(before[i] * before[j]);
      const each = count / (before[i] + before[j] + v * root);
      loads[i] += each * (1 + (v * root) / (2 * before[i]));
      loads[j] += each * (1 + (v * root) / (2 * before[j]));
    }
    strengths = before.map((s, i) => (loads[i] === 0 ? s : Math.max(LEAST, (points[i] + pseudo) / loads[i])));
    if (pseudo === 0) strengths = centred(strengths);
    if (draws > 0) v = draws / tieLoad(meetings, strengths, v);
    if (strengths.every((s, i) => Math.abs(Math.log(s / before[i])) <= tolerance)) break;
  }
  return { logs: centred(strengths).map(Math.log), ties: v };
}

/** A strength of a system that never won, without pseudo votes. */
const LEAST = 1e-12;

/** Two systems that met, the second the earlier one, and how often. */
interface Meeting {
  readonly i: number;
  readonly j: number;
  readonly count: number;
}

function meetingsOf({ wins, ties }: Comparisons): Meeting[] {
  return wins.flatMap((row, i) =>
    row.slice(0, i).flatMap((count, j) => {
      const met = count + wins[j][i] + ties[i][j];
      return met === 0 ? [] : [{ i, j, count: met }];
    }),
  );
}

/** Sum of n_ij sqrt(s_i s_j) / D_ij: draws that there would be with v = 1 and these denominators. */
function tieLoad(meetings: readonly Meeting[], strengths: readonly number[], v: number): number {
  let sum = 0;
  for (const { i, j, count } of meetings) {
    const root = Math.sqrt(strengths[i] * strengths[j]);
    sum += (count * root) / (strengths[i] + strengths[j] + v * root);
  }
  return sum;
}

/** Divided by their geometric mean. */
function centred(strengths: readonly number[]): number[] {
  const mean = Math.exp(sumOf(strengths.length, i => Math.log(strengths[i])) / strengths.length);
  return strengths.map(s => s / mean);
}

/** ln of the probability of the votes under a fit, without the factor that counts their orders. */
function logLikelihood({ wins, ties }: Comparisons, { logs, ties: v }: Strengths): number {
  return sumOf(logs.length, i =>
    sumOf(i, j => {
      const [a, b] = [Math.exp(logs[i]), Math.exp(logs[j])];
      const tie = v * Math.sqrt(a * b);
      const term = (count: number, weight: number) => (count === 0 ? 0 : count * Math.log(weight / (a + b + tie)));
      return term(wins[i][j], a) + term(wins[j][i], b) + term(ties[i][j], tie);
    }),
  );
}

export interface EqualityTest {
  /** Twice the logarithm of the ratio of likelihoods. */
  readonly statistic: number;
  /** Systems less one. */
  readonly degrees: number;
  /** The probability of a statistic at least as large where all are equal and votes are independent. */
  readonly p: number;
}

/** The likelihood-ratio test of all strengths being equal, with draws as frequent as they are. */
export function equalityTest(comparisons: Comparisons): EqualityTest {
  checkComparisons(comparisons);
  const { wins, ties } = comparisons;
  const n = wins.length;
  const draws = sumOf(n, i => sumOf(i, j => ties[i][j]));
  const decided = sumOf(n, i => sumOf(i, j => wins[i][j] + wins[j][i]));
  if (n < 2 || draws + decided === 0) throw new RangeError('equalityTest: expected votes between two systems or more');
  // Strengths may grow without end, where likelihood does not: rounds are bounded, and what is missing is small.
  const free = bradleyTerry(comparisons, { pseudo: 0, tolerance: 1e-8, rounds: 5000 });
  const entropy = (count: number, share: number) => (count === 0 ? 0 : count * Math.log(share));
  const all = draws + decided;
  const equal = entropy(draws, draws / all) + entropy(decided, decided / all / 2);
  const statistic = Math.max(0, 2 * (logLikelihood(comparisons, free) - equal));
  return { statistic, degrees: n - 1, p: chiSquareTail(statistic, n - 1) };
}

/** Whether every system can be reached from every other by comparisons, so that their strengths are on one scale. */
export function areConnected({ wins, ties }: Comparisons): boolean {
  const reached = new Set([0]);
  for (const i of reached) {
    wins.forEach((_, j) => {
      if (j !== i && wins[i][j] + wins[j][i] + ties[i][j] > 0) reached.add(j);
    });
  }
  return reached.size >= wins.length;
}

function checkComparisons({ wins, ties }: Comparisons): void {
  const n = wins.length;
  const isTable = (rows: readonly (readonly number[])[]) =>
    rows.length === n && rows.every(row => row.length === n && row.every(count => count >= 0));
  if (!isTable(wins) || !isTable(ties)) {
    throw new RangeError(`bradleyTerry: expected tables of ${n} x ${n} numbers of at least 0`);
  }
  if (ties.some((row, i) => row.some((count, j) => count !== ties[j][i]))) {
    throw new RangeError('bradleyTerry: expected as many draws of i with j as of j with i');
  }
}

function sumOf(n: number, term: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += term(i);
  return sum;
}
