/** @file How people answered: sides, times, what changed over a session, and whether they say the same twice. */
import { median } from '../../core/numbers.ts';
import { fisherExact, quantile } from '../../metrics/intervals.ts';
import { binomialTest } from '../../metrics/preference/binomial.ts';
import type { Vote } from '../answers.ts';
import { groupBy } from './grouping.ts';
import type { Behaviour, Third } from './results.ts';

/** Nobody looks at a picture and answers within so many milliseconds. */
const HASTY = 300;

/** Fewer votes of a rater are not divided in thirds. */
const FEWEST_FOR_THIRDS = 3;

/**
 * What the answers to one question say of those who gave them.
 * @param votes and @param repeats of the question; @param real name of the data's own pictures, if they are a system
 */
export function analyseBehaviour(
  votes: readonly Vote[],
  repeats: readonly Vote[],
  real: string | undefined,
): Behaviour {
  const times = Float64Array.from(votes, ({ milliseconds }) => milliseconds).sort();
  const isTie = ({ choice }: Vote) => choice === 'tie';
  const medianOf = (own: readonly Vote[]) =>
    own.length === 0 ? null : median(own.map(({ milliseconds }) => milliseconds));
  return {
    position: positionOf(votes),
    times: {
      median: median(times),
      quartiles: [quantile(times, 0.25), quantile(times, 0.75)],
      decided: medianOf(votes.filter(vote => !isTie(vote))),
      undecided: medianOf(votes.filter(isTie)),
      hasty: votes.filter(({ milliseconds }) => milliseconds < HASTY).length,
    },
    session: sessionOf(votes, real),
    repeats: repeatsOf(votes, repeats),
  };
}

function positionOf(votes: readonly Vote[]): Behaviour['position'] {
  const decided = votes.filter(({ b, choice }) => b !== '' && choice !== 'tie');
  if (decided.length === 0) return null;
  const left = decided.filter(vote => vote.choice === vote.left).length;
  return { left, decided: decided.length, p: binomialTest(left, decided.length) };
}

/** The first and the last third of each rater's votes, all raters together. */
function sessionOf(votes: readonly Vote[], real: string | undefined): Behaviour['session'] {
  const own = [...groupBy(votes, ({ rater }) => rater).values()]
    .filter(each => each.length >= FEWEST_FOR_THIRDS)
    .map(each => each.toSorted((a, b) => a.trial - b.trial));
  if (own.length === 0) return null;
  const third = (each: readonly Vote[]) => Math.floor(each.length / 3);
  const first = thirdOf(
    own.flatMap(each => each.slice(0, third(each))),
    real,
  );
  const last = thirdOf(
    own.flatMap(each => each.slice(-third(each))),
    real,
  );
  const known = first.known > 0 && last.known > 0;
  const p = known ? fisherExact(first.right, first.known - first.right, last.right, last.known - last.right) : null;
  return { first, last, p };
}

function thirdOf(votes: readonly Vote[], real: string | undefined): Third {
  const known = votes.flatMap(vote => rightOf(vote, real) ?? []);
  return {
    votes: votes.length,
    medianMs: median(votes.map(({ milliseconds }) => milliseconds)),
    undecided: votes.filter(({ choice }) => choice === 'tie').length,
    right: known.filter(Boolean).length,
    known: known.length,
  };
}

/** Whether a vote took the real picture for real, or preferred it; undefined where there was none, or no choice. */
function rightOf({ a, b, choice }: Vote, real: string | undefined): boolean | undefined {
  if (choice === 'tie' || real === undefined) return undefined;
  if (b === '') return (a === real) === (choice === 'a');
  if (a !== real && b !== real) return undefined;
  return (choice === 'a' ? a : b) === real;
}

function repeatsOf(votes: readonly Vote[], repeats: readonly Vote[]): Behaviour['repeats'] {
  const keyOf = ({ rater, item, a, b }: Vote) => JSON.stringify([rater, item, a, b]);
  const first = new Map(votes.map(vote => [keyOf(vote), vote.choice]));
  const both = repeats.filter(vote => first.has(keyOf(vote)));
  return { pairs: both.length, same: both.filter(vote => first.get(keyOf(vote)) === vote.choice).length };
}
