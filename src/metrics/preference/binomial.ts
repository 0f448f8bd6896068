/**
 * @file A share of independent votes, exactly: the binomial test and the interval of Clopper and Pearson. Votes of a
 * few people on a few captions are not independent: see clusters.ts.
 */
import type { Interval } from '../intervals.ts';
import { betaQuantile, incompleteBeta } from './beta.ts';
import { logGamma } from './gamma.ts';

/**
 * The exact test of a share, two-sided: the probability, if the share is p, of a count that is at most as probable as the
 * one that was seen.
 * @param successes and @param trials whole numbers, successes at most trials; of no trials the result is 1
 * @param p the share to be tested, in (0, 1)
 */
export function binomialTest(successes: number, trials: number, p = 0.5): number {
  if (![successes, trials].every(n => Number.isSafeInteger(n) && n >= 0) || successes > trials) {
    throw new RangeError(
      `binomialTest: expected whole numbers, successes at most trials, got ${successes} of ${trials}`,
    );
  }
  if (!(p > 0 && p < 1)) throw new RangeError(`binomialTest: expected a share between 0 and 1, got ${p}`);
  const logProbability = (k: number) =>
    logGamma(trials + 1) - logGamma(k + 1) - logGamma(trials - k + 1) + k * Math.log(p) + (trials - k) * Math.log1p(-p);
  const observed = logProbability(successes);
  let sum = 0;
  for (let k = 0; k <= trials; k++) {
    const each = logProbability(k);
    if (each <= observed + 1e-7) sum += Math.exp(each); // counts as probable as this one differ by rounding
  }
  return Math.min(1, sum);
}

/**
 * The exact interval of a share: the shares that neither one-sided test of half the error rejects, which are quantiles of
 * beta distributions, B(alpha/2; x, n - x + 1) and B(1 - alpha/2; x + 1, n - x). It covers at least as often as it says.
 * @param successes 0 to trials; half a success is a vote that is split between both
 * @param trials at least 0; without any the interval is [0, 1]
 * @param level the share of intervals that hold the truth, at least, in (0, 1)
 * @see Clopper and Pearson 1934, Biometrika 26
 */
export function clopperPearson(successes: number, trials: number, level = 0.95): Interval {
  if (!(successes >= 0 && successes <= trials)) {
    throw new RangeError(`clopperPearson: expected successes in 0 to ${trials}, got ${successes}`);
  }
  if (!(level > 0 && level < 1)) throw new RangeError(`clopperPearson: expected a level between 0 and 1, got ${level}`);
  if (trials === 0) return [0, 1];
  const tail = (1 - level) / 2;
  const failures = trials - successes;
  return [
    successes === 0 ? 0 : betaQuantile(tail, successes, failures + 1),
    failures === 0 ? 1 : betaQuantile(1 - tail, successes + 1, failures),
  ];
}

/** The probability of at most k successes of n. @param k a whole number, -1 for none at all */
export function binomialAtMost(k: number, n: number, p: number): number {
  if (k < 0) return 0;
  return k >= n ? 1 : incompleteBeta(1 - p, n - k, k + 1);
}
