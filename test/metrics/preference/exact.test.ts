/** @file Statistics of votes that are exact: distributions, the binomial, power, Holm, triads and agreement. */
import { describe, expect, test } from 'vitest';
import { wilson } from '../../../src/metrics/intervals.ts';
import { agreement } from '../../../src/metrics/preference/agreement.ts';
import { betaQuantile, incompleteBeta, studentQuantile, studentTails } from '../../../src/metrics/preference/beta.ts';
import { binomialAtMost, binomialTest, clopperPearson } from '../../../src/metrics/preference/binomial.ts';
import { chiSquareTail, logGamma } from '../../../src/metrics/preference/gamma.ts';
import { holm } from '../../../src/metrics/preference/holm.ts';
import { power, smallestShare, votesNeeded } from '../../../src/metrics/preference/power.ts';
import { triads } from '../../../src/metrics/preference/triads.ts';
import { expectAllclose } from '../../support.ts';

describe('distributions', () => {
  // scipy.special.gammaln
  test.each([
    [0.1, 2.252712651734206],
    [0.5, Math.log(Math.sqrt(Math.PI))],
    [3.7, 1.428072326665388],
    [50, 144.56574394634487],
    [1234.5, 7550.550901077894],
  ])('ln Gamma(%d)', (x, expected) => {
    expect(logGamma(x) / expected).toBeCloseTo(1, 12);
  });

  // scipy.stats.chi2.sf
  test.each([
    [3.841458820694124, 1, 0.05],
    [0.5, 3, 0.9188914116546758],
    [11.3, 5, 0.04574583257311167],
    [60, 4, 2.9008631203404573e-12],
    [2, 10, 0.9963401531726563],
    [0.001, 1, 0.9747728793699604],
    [300, 30, 2.64804848563084e-46],
  ])('a chi-square above %d with %i degrees of freedom', (x, degrees, expected) => {
    expect(chiSquareTail(x, degrees) / expected).toBeCloseTo(1, 9);
  });

  // scipy.special.betainc
  test.each([
    [0.3, 2, 5, 0.579825],
    [0.9, 0.5, 0.5, 0.7951672353008665],
    [0.5, 100, 120, 0.9117960627949818],
    [0.01, 3, 700, 0.9713590757039612],
    [0.999, 40, 0.3, 0.580654999265019],
  ])('I of %d with %d and %d, and back', (x, a, b, expected) => {
    expect(incompleteBeta(x, a, b)).toBeCloseTo(expected, 11);
    expect(betaQuantile(expected, a, b)).toBeCloseTo(x, 9);
  });

  test("Student's, of whole and broken degrees of freedom", () => {
    // scipy.stats.t.ppf(.975, d), 2 * t.sf(x, d)
    expectAllclose(
      [1, 2, 4.5, 10, 100].map(degrees => studentQuantile(0.05, degrees)),
      [12.706204736174694, 4.302652729749462, 2.6589123472044034, 2.228138851986274, 1.9839715185235518],
      { absolute: 1e-8 },
    );
    expectAllclose(
      [studentTails(2, 3), studentTails(-0.5, 7.7), studentTails(12, 2), studentTails(0, 4)],
      [0.13932596855884305, 0.6310477395216795, 0.00687293367715846, 1],
      { absolute: 1e-12 },
    );
  });

  test('the binomial sums to what is counted one by one', () => {
    const choose = [1, 6, 15, 20, 15, 6, 1];
    const naive = (k: number, p: number) =>
      choose.slice(0, k + 1).reduce((sum, ways, i) => sum + ways * p ** i * (1 - p) ** (6 - i), 0);
    for (const k of [0, 1, 2, 3, 4, 5, 6]) expect(binomialAtMost(k, 6, 0.3)).toBeCloseTo(naive(k, 0.3), 12);
    expect(binomialAtMost(-1, 6, 0.3)).toBe(0);
  });

  test('refuse what has no meaning', () => {
    expect(() => logGamma(0)).toThrow('above 0');
    expect(() => chiSquareTail(-1, 2)).toThrow('at least 0');
    expect(() => incompleteBeta(1.2, 1, 1)).toThrow('from 0 to 1');
    expect(() => betaQuantile(2, 1, 1)).toThrow('from 0 to 1');
    expect(() => studentTails(1, 0)).toThrow('above 0');
    expect(() => studentQuantile(0, 3)).toThrow('(0, 1]');
  });
});

describe('the exact binomial test', () => {
  // scipy.stats.binomtest
  test.each([
    [7, 10, 0.5, 0.34375],
    [38, 60, 0.5, 0.051893895928921435],
    [0, 5, 0.5, 0.0625],
    [3, 20, 0.3, 0.22041826738070913],
    [102, 180, 0.5, 0.08618731332869531],
    [682, 925, 0.75, 0.3824915595748517], // Mendel's peas, of the R manual
    [600, 1000, 0.5, 2.728464156065947e-10],
    [0, 0, 0.5, 1],
  ])('of %i of %i against %d', (successes, trials, p, expected) => {
    expect(binomialTest(successes, trials, p) / expected).toBeCloseTo(1, 8);
  });

  test('takes counts only', () => {
    expect(() => binomialTest(3.5, 10)).toThrow(RangeError);
    expect(() => binomialTest(11, 10)).toThrow('got 11 of 10');
    expect(() => binomialTest(1, 2, 1)).toThrow('between 0 and 1');
  });
});

describe('the interval of Clopper and Pearson', () => {
  test.each([
    [3, 10, 0.06674, 0.65245],
    [0, 10, 0, 0.3085],
    [10, 10, 0.6915, 1],
    [1, 5, 0.00505, 0.71642],
    [180, 200, 0.84979, 0.93784],
  ])('of %i of %i is that of the tables', (successes, trials, low, high) => {
    expectAllclose(clopperPearson(successes, trials), [low, high], { absolute: 1e-5 });
  });

  test('holds the shares that neither one-sided test rejects, at any level', () => {
    const [low, high] = clopperPearson(12, 30, 0.99);
    expect(1 - binomialAtMost(11, 30, low)).toBeCloseTo(0.005, 10);
    expect(binomialAtMost(12, 30, high)).toBeCloseTo(0.005, 10);
  });

  test('is wider than that of Wilson, and takes half votes', () => {
    const [exact, score] = [clopperPearson(45, 60), wilson(45, 60)];
    expect(exact[0]).toBeLessThan(score[0]);
    expect(exact[1]).toBeGreaterThan(score[1]);
    const half = clopperPearson(45.5, 60);
    expect(half[0]).toBeGreaterThan(exact[0]);
    expect(half[0]).toBeLessThan(clopperPearson(46, 60)[0]);
    expect(clopperPearson(0, 0)).toEqual([0, 1]);
    expect(() => clopperPearson(3, 2)).toThrow('0 to 2');
    expect(() => clopperPearson(1, 2, 95)).toThrow('level');
  });
});

describe('power', () => {
  /** The power of the test by its own definition: the votes that it rejects, one by one. */
  function naive(votes: number, share: number): number {
    let sum = 0;
    for (let k = 0; k <= votes; k++) {
      if (binomialTest(k, votes) <= 0.05) sum += binomialAtMost(k, votes, share) - binomialAtMost(k - 1, votes, share);
    }
    return sum;
  }

  test.each([
    [5, 0.9],
    [6, 1],
    [30, 0.75],
    [61, 0.4],
  ])('of %i votes for %d is that of the votes that the test rejects', (votes, share) => {
    expect(power(votes, share)).toBeCloseTo(naive(votes, share), 10);
  });

  test('needs these votes, a little more than the normal approximation says', () => {
    expect([0.6, 0.65, 0.7, 0.75, 0.8, 0.9].map(votesNeeded)).toEqual([199, 90, 49, 30, 20, 12]);
    expect(votesNeeded(0.35)).toBe(90);
    expect(votesNeeded(1)).toBe(6);
    const approximate = (p: number) => ((1.959964 * 0.5 + 0.841621 * Math.sqrt(p * (1 - p))) / (p - 0.5)) ** 2;
    expect([0.6, 0.65, 0.7, 0.75].map(p => Math.ceil(approximate(p)))).toEqual([194, 85, 47, 29]);
    expect(() => votesNeeded(0.5)).toThrow('at least 0.005 from one half');
  });

  test('tells the smallest share that votes can show, or that there is none', () => {
    const share = smallestShare(180) ?? 0;
    expect(share).toBeCloseTo(0.6056, 4);
    expect(power(180, share)).toBeGreaterThanOrEqual(0.8);
    expect(power(180, share - 0.001)).toBeLessThan(0.8);
    expect(smallestShare(5)).toBeNull();
    expect(smallestShare(6)).not.toBeNull();
    expect(() => power(2.5, 0.5)).toThrow('whole number');
  });
});

describe("Holm's correction", () => {
  test('is that of statsmodels, in any order', () => {
    expectAllclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], { absolute: 1e-12 });
    expectAllclose(holm([0.2, 0.001, 0.02, 0.02, 0.9]), [0.4, 0.005, 0.08, 0.08, 0.9], { absolute: 1e-12 });
    expect(holm([])).toEqual([]);
    expect(() => holm([Number.NaN])).toThrow(RangeError);
  });
});

describe('triads', () => {
  test('find what goes round, in its direction', () => {
    const wins = [
      [0, 6, 2, 9],
      [4, 0, 7, 9],
      [8, 3, 0, 9],
      [1, 1, 1, 0],
    ];
    expect(triads(wins)).toEqual({ judged: 4, circular: [[0, 1, 2]] });
    const back = wins.map((_, i) => wins.map((__, j) => wins[j][i]));
    expect(triads(back).circular).toEqual([[0, 2, 1]]);
  });

  test('leave out draws', () => {
    expect(triads([[0, 1, 1], [1, 0, 1], [0, 0, 0]])).toEqual({ judged: 0, circular: [] }); // biome-ignore format: a table
    expect(() => triads([[0, 1]])).toThrow('square');
  });
});

describe("Krippendorff's alpha", () => {
  const unitsOf = (raters: readonly string[]) =>
    Array.from(raters[0], (_, i) => raters.map(row => row[i]).filter(answer => answer !== '.'));

  test('of his example of four raters and twelve units is 0.743', () => {
    const found = agreement(unitsOf(['123321412...', '1233224125.3', '.3332342251.', '12332441251.']));
    expect(found.alpha).toBeCloseTo(0.743421052631579, 12);
    expect(found).toMatchObject({ units: 11, answers: 40 });
  });

  test('of his example of two raters and ten units is 0.095, where six in ten agree', () => {
    const found = agreement(unitsOf(['0100000010', '1110010000']));
    expect(found.alpha).toBeCloseTo(0.0952380952, 9);
    expect(found.percent).toBeCloseTo(0.6, 12);
  });

  test('is unknown where all answers are the same, and where none meets another', () => {
    expect(agreement([['a', 'a'], ['a', 'a', 'a']])).toMatchObject({ alpha: null, percent: 1 }); // biome-ignore format: a table
    expect(agreement([['a'], ['b']])).toEqual({ alpha: null, percent: null, units: 0, answers: 0 });
  });
});
