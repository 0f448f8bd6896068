/** @file Strengths from comparisons, against published fits. */
import { describe, expect, test } from 'vitest';
import {
  areConnected,
  bradleyTerry,
  type Comparisons,
  equalityTest,
} from '../../../src/metrics/preference/bradley-terry.ts';
import { expectAllclose } from '../../support.ts';

const none = (n: number) => Array.from({ length: n }, () => new Array<number>(n).fill(0));

/** Citations among Biometrika, Communications in Statistics, JASA and JRSS-B (Stigler 1994; Agresti 2002, page 448): cited by citing. */
const citations: Comparisons = {
  wins: [
    [714, 730, 498, 221],
    [33, 425, 68, 17],
    [320, 813, 1072, 142],
    [284, 276, 325, 188],
  ],
  ties: none(4),
};

/** Brands of chocolate pudding (Davidson 1970, example 2): i, j, preferred i, preferred j, no preference. */
const pudding = [
  [1, 2, 19, 22, 16],
  [1, 3, 16, 19, 12],
  [2, 3, 19, 19, 10],
  [1, 4, 18, 23, 13],
  [2, 4, 23, 19, 9],
  [3, 4, 19, 20, 15],
  [1, 5, 13, 19, 18],
  [2, 5, 16, 20, 12],
  [3, 5, 16, 15, 17],
  [4, 5, 17, 14, 16],
  [1, 6, 18, 21, 12],
  [2, 6, 22, 20, 12],
  [3, 6, 13, 18, 10],
  [4, 6, 14, 19, 18],
  [5, 6, 11, 21, 12],
];

function puddings(): Comparisons {
  const [wins, ties] = [none(6), none(6)];
  for (const [i, j, a, b, draws] of pudding) {
    wins[i - 1][j - 1] = a;
    wins[j - 1][i - 1] = b;
    ties[i - 1][j - 1] = draws;
    ties[j - 1][i - 1] = draws;
  }
  return { wins, ties };
}

describe('the model of Bradley and Terry', () => {
  test('gives the published coefficients of the citations', () => {
    const { logs, ties } = bradleyTerry(citations, { pseudo: 0 });
    expectAllclose(logs.map(each => each - logs[0]), [0, -2.9491, -0.4796, 0.269], { absolute: 5e-5 }); // biome-ignore format: a line
    expect(logs.reduce((sum, each) => sum + each, 0)).toBeCloseTo(0, 10);
    expect(ties).toBe(0);
  });

  test('with draws gives the published strengths of the puddings', () => {
    const { logs, ties } = bradleyTerry(puddings(), { pseudo: 0 });
    const strengths = logs.map(Math.exp);
    const sum = strengths.reduce((all, each) => all + each, 0);
    // Davidson 1970, by seven rounds; to three digits where it had not converged.
    expectAllclose(
      strengths.map(each => each / sum),
      [0.1388, 0.173, 0.1617, 0.1654, 0.1587, 0.2024],
      { absolute: 1e-4 },
    );
    expect(ties).toBeCloseTo(0.74682, 4);
    // scipy.optimize.minimize of the likelihood
    expectAllclose(logs, [-0.17656079, 0.04368112, -0.02358307, -0.00141592, -0.04269553, 0.20057418], {
      absolute: 1e-5,
    });
  });

  test('holds what the likelihood equations say: expected points are those that were won', () => {
    const { wins, ties } = puddings();
    const { logs, ties: v } = bradleyTerry({ wins, ties }, { pseudo: 0 });
    logs.forEach((own, i) => {
      let [expected, won] = [0, 0];
      logs.forEach((other, j) => {
        if (i === j) return;
        const [a, b] = [Math.exp(own), Math.exp(other)];
        const draw = v * Math.sqrt(a * b);
        expected += ((wins[i][j] + wins[j][i] + ties[i][j]) * (a + draw / 2)) / (a + b + draw);
        won += wins[i][j] + ties[i][j] / 2;
      });
      expect(expected).toBeCloseTo(won, 6);
    });
  });

  test('with half a vote for and against gives a system that only lost the strength that PlackettLuce gives it', () => {
    const wins = [
      [0, 1, 0, 1],
      [1, 0, 1, 0],
      [1, 0, 0, 0],
      [0, 0, 0, 0],
    ];
    const { logs } = bradleyTerry({ wins, ties: none(4) });
    expectAllclose(logs.map(each => each - logs[0]), [0, 0.5184185, 0.1354707, -1.1537565], { absolute: 1e-6 }); // biome-ignore format: a line
  });

  test('begins where another fit ended, and ends at the same strengths', () => {
    const first = bradleyTerry(puddings());
    const again = bradleyTerry(puddings(), { from: bradleyTerry(puddings(), { rounds: 3 }) });
    expectAllclose(again.logs, first.logs, { absolute: 1e-7 });
  });

  test('refuses tables that are none', () => {
    expect(() => bradleyTerry({ wins: [[0, 1]], ties: [[0]] })).toThrow('tables of 1 x 1');
    expect(() => bradleyTerry({ wins: none(2), ties: [[0, 1], [2, 0]] })).toThrow('as many draws'); // biome-ignore format: a line
  });

  test('knows whether all systems are on one scale', () => {
    const wins = none(4);
    wins[0][1] = 3;
    wins[2][3] = 1;
    expect(areConnected({ wins, ties: none(4) })).toBe(false);
    const ties = none(4);
    ties[1][2] = ties[2][1] = 1;
    expect(areConnected({ wins, ties })).toBe(true);
  });
});

describe('the test of equal strengths', () => {
  test('tells journals apart, and puddings not', () => {
    // The deviance of statsmodels' binomial model without coefficients, less that with them: 1887.4375 of 6 pairs about 1/2.
    const journals = equalityTest(citations);
    expect(journals.statistic).toBeCloseTo(1920.9394662386362, 5);
    expect(journals.degrees).toBe(3);
    expect(journals.p).toBeLessThan(1e-100);
    const brands = equalityTest(puddings());
    expect(brands.statistic).toBeCloseTo(4.080432, 5);
    expect(brands.p).toBeCloseTo(0.5378949, 6);
  });

  test('has an end where a system won every vote', () => {
    const wins = [[0, 10], [0, 0]]; // biome-ignore format: a table
    const { statistic } = equalityTest({ wins, ties: none(2) });
    expect(statistic).toBeCloseTo(20 * Math.LN2, 2);
    expect(() => equalityTest({ wins: none(2), ties: none(2) })).toThrow('votes between two systems');
  });
});
