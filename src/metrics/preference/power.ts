/**
 * @file What a number of votes can show: the power of the exact binomial test of a share against one half, two-sided at
 * 5 percent. Votes are taken as independent; those of few raters or of few captions are worth fewer.
 */
import { binomialAtMost } from './binomial.ts';

/** The probability of a false alarm that the test allows. */
const ERROR = 0.05;

/** The probability with which a difference is to be found. */
const POWER = 0.8;

/** A share nearer to one half is asked of no study: about 78,000 votes would be needed. */
const NEAREST = 0.005;

/**
 * The probability that the exact test finds a share to differ from one half.
 * @param votes a whole number of at least 0; @param share the true one, 0 to 1
 */
export function power(votes: number, share: number): number {
  if (!(Number.isSafeInteger(votes) && votes >= 0)) {
    throw new RangeError(`power: expected a whole number of votes, got ${votes}`);
  }
  if (!(share >= 0 && share <= 1)) throw new RangeError(`power: expected a share from 0 to 1, got ${share}`);
  const few = rejected(votes);
  return few < 0 ? 0 : binomialAtMost(few, votes, share) + binomialAtMost(few, votes, 1 - share);
}

/** The most votes for one side with which the test still says that the other is preferred; -1 where it never does. */
function rejected(votes: number): number {
  let [low, high] = [-1, Math.floor((votes - 1) / 2)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (2 * binomialAtMost(middle, votes, 0.5) <= ERROR) low = middle;
    else high = middle - 1;
  }
  return low;
}

/**
 * The fewest votes with which the exact test finds a share with power 0.8: 199 for 0.6, 90 for 0.65, 49 for 0.7, 30 for
 * 0.75. (The normal approximation says 194, 85, 47 and 29.) Power is not monotone: a vote more may lower it by a little.
 * @param share the true one, 0 to 1, at least 0.005 from one half
 */
export function votesNeeded(share: number): number {
  const off = Math.abs(share - 0.5);
  if (!(share >= 0 && share <= 1 && off >= NEAREST - 1e-9)) {
    throw new RangeError(`votesNeeded: expected a share from 0 to 1, at least ${NEAREST} from one half, got ${share}`);
  }
  // The exact test needs a little more than the normal approximation, where the search begins.
  let votes = Math.max(1, Math.floor(((0.98 + 0.8416 * Math.sqrt(share * (1 - share))) / off) ** 2));
  while (power(votes, share) < POWER) votes++;
  return votes;
}

/**
 * The smallest share above one half that so many votes show with power 0.8; null where they can show none.
 * @param votes a whole number of at least 0
 */
export function smallestShare(votes: number): number | null {
  if (power(votes, 1) < POWER) return null;
  let [low, high] = [0.5, 1];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (power(votes, middle) < POWER) low = middle;
    else high = middle;
  }
  return high;
}
