/**
 * @file From the votes of a human study to its results. Who is counted was fixed with the study (the share of control trials
 * that must be right); results are given with and without those who are not.
 */
import { UserError } from '../../core/errors.ts';
import { Random } from '../../core/random.ts';
import { agreement } from '../../metrics/preference/agreement.ts';
import type { ClusterOptions } from '../../metrics/preference/clusters.ts';
import type { Vote } from '../answers.ts';
import { analyseBehaviour } from './behaviour.ts';
import { correlate } from './correlation.ts';
import { groupBy } from './grouping.ts';
import { analysePairs, forked, pairsOf } from './pairs.ts';
import type {
  AnalysedStudy,
  MetricValues,
  QuestionResults,
  Raters,
  Shares,
  StudyResults,
  SystemKind,
} from './results.ts';
import { analyseSingles } from './singles.ts';
import { analyseStrengths } from './strengths.ts';

/** The question that is asked of single pictures. */
const SINGLE = 'real';

export interface AnalysisOptions {
  /** Of systems, to be set beside what people say. */
  readonly metrics?: readonly MetricValues[];
  /** Of raters, and of captions, for every interval. Default 1000. */
  readonly resamples?: number;
}

/**
 * Analyses a study.
 * @param votes of all raters, control trials, repeats and warm-ups among them
 * @returns plain data, which JSON keeps; the same for the same votes
 * @throws UserError if there are no votes, or one is of a system or a question that the study has not, or is there twice
 */
export function analyseStudy(
  study: AnalysedStudy,
  votes: readonly Vote[],
  { metrics = [], resamples = 1000 }: AnalysisOptions = {},
): StudyResults {
  checkVotes(study, votes);
  const { systems: named, captions, ...rest } = study;
  const systems = named.map(({ name }) => ({ name, kind: kindOf(name) }));
  const { raters, kept } = chooseRaters(votes, study.threshold);
  const random = new Random(study.seed).fork('study/report');
  const counted = votes.filter(({ rater }) => kept.has(rater));
  const context = { study, systems, resampling: { random, resamples } };
  const questions = study.questions.flatMap(
    question => analyseQuestion(question, { ...context, votes: counted }) ?? [],
  );
  return {
    format: 'tessera-study-results-1',
    study: { ...rest, captions: captions.length },
    systems,
    raters,
    questions,
    everyone:
      raters.excluded.length === 0
        ? null
        : study.questions.flatMap(question => analyseShares(question, { ...context, votes }) ?? []),
    correlations: correlate(questions, metrics, random.fork('correlations')),
  };
}

/** The systems that are no rivals are known by their names. */
function kindOf(name: string): SystemKind {
  return name === 'real' || name === 'copy' ? name : 'painted';
}

function checkVotes(study: AnalysedStudy, votes: readonly Vote[]): void {
  if (!votes.some(({ kind }) => kind === 'vote')) {
    throw new UserError('study report', 'expected votes, got none', 'answers are gathered by `tessera study collect`');
  }
  const names = new Set(study.systems.map(({ name }) => name));
  const seen = new Set<string>();
  for (const { rater, question, trial, kind, a, b } of votes) {
    const key = JSON.stringify([rater, trial]);
    if (seen.has(key))
      throw new UserError('study report', `expected one answer a trial, got two of ${rater}, trial ${trial}`);
    seen.add(key);
    if (!study.questions.includes(question)) {
      throw new UserError(
        'study report',
        `expected one of the questions ${study.questions.join(', ')}, got ${question}`,
      );
    }
    if (kind !== 'vote' && kind !== 'repeat') continue;
    for (const name of question === SINGLE ? [a] : [a, b]) {
      if (!names.has(name)) {
        throw new UserError(
          'study report',
          `expected one of the systems ${[...names].join(', ')}, got ${name || 'none'}`,
        );
      }
    }
  }
}

/** Who keeps the threshold. Who answered no control trial is counted, and named as unchecked. */
function chooseRaters(
  votes: readonly Vote[],
  threshold: number,
): { readonly raters: Raters; readonly kept: ReadonlySet<string> } {
  const all = [...groupBy(votes, ({ rater }) => rater)].map(([rater, own]) => {
    const checks = own.filter(({ kind, right }) => kind === 'catch' && right !== undefined);
    return { rater, catches: checks.length, right: checks.filter(({ right }) => right).length };
  });
  const isKept = ({ catches, right }: (typeof all)[number]) => catches === 0 || right >= threshold * catches - 1e-9;
  const kept = all.filter(isKept);
  const sum = (of: (each: (typeof all)[number]) => number) => kept.reduce((total, each) => total + of(each), 0);
  return {
    raters: {
      answered: all.length,
      kept: kept.length,
      excluded: all.filter(each => !isKept(each)),
      unchecked: kept.filter(({ catches }) => catches === 0).length,
      catches: sum(({ catches }) => catches),
      right: sum(({ right }) => right),
    },
    kept: new Set(kept.map(({ rater }) => rater)),
  };
}

interface Context {
  readonly study: AnalysedStudy;
  readonly systems: StudyResults['systems'];
  readonly votes: readonly Vote[];
  readonly resampling: ClusterOptions;
}

/** Shares of one question; undefined where nobody answered it. */
function analyseShares(question: string, { study, systems, votes: all, resampling }: Context): Shares | undefined {
  const votes = all.filter(vote => vote.question === question && vote.kind === 'vote');
  if (votes.length === 0) return undefined;
  const options = forked(resampling, question);
  const names = systems.map(({ name }) => name);
  return {
    question,
    ask: study.wording.questions[question]?.ask ?? question,
    pairs: question === SINGLE ? [] : analysePairs(votes, names, forked(options, 'pairs')),
    singles: question === SINGLE ? analyseSingles(votes, systems, forked(options, 'singles')) : [],
  };
}

/** All results of one question; undefined where nobody answered it. */
function analyseQuestion(question: string, context: Context): QuestionResults | undefined {
  const shares = analyseShares(question, context);
  if (shares === undefined) return undefined;
  const own = context.votes.filter(vote => vote.question === question);
  const votes = own.filter(({ kind }) => kind === 'vote');
  const repeats = own.filter(({ kind }) => kind === 'repeat');
  const names = context.systems.map(({ name }) => name);
  const isJudged = ([a, b]: readonly [string, string]) => shares.pairs.some(pair => pair.a === a && pair.b === b);
  const isShown = (name: string) => shares.singles.some(({ system }) => system === name);
  const units = groupBy(votes, ({ item, a, b }) => JSON.stringify([item, a, b]));
  const options = forked(forked(context.resampling, question), 'strengths');
  return {
    ...shares,
    votes: votes.length,
    raters: new Set(votes.map(({ rater }) => rater)).size,
    captions: new Set(votes.map(({ item }) => item)).size,
    unjudged:
      question === SINGLE
        ? names.filter(name => !isShown(name)).map(name => [name, ''] as const)
        : pairsOf(names).filter(pair => !isJudged(pair)),
    strengths: question === SINGLE ? null : analyseStrengths(votes, names, options),
    agreement: agreement([...units.values()].map(unit => unit.map(({ choice }) => choice))),
    behaviour: analyseBehaviour(votes, repeats, context.systems.find(({ kind }) => kind === 'real')?.name),
  };
}
