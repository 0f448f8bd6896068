import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { kendall, rankTest, spearman } from '../../src/metrics/rank-correlation.ts';

describe('rank correlation', () => {
  const pairs = (a: readonly number[], b: readonly number[]) => a.map((value, i) => [value, b[i]] as const);

  test('is that of the ranks', () => {
    // The textbook's example of IQ and hours of television: rho = -29/165.
    const iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110];
    const hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17];
    expect(spearman(pairs(iq, hours))).toBeCloseTo(-29 / 165, 12);
    expect(spearman(pairs([1, 2, 3, 4, 5], [10, 100, 1000, 1001, 9999]))).toBeCloseTo(1);
    // Ranks 1, 2.5, 2.5, 4, 5 and 1, 3.5, 3.5, 2, 5: 6.5 / 9.5.
    expect(spearman(pairs([1, 2, 2, 3, 9], [1, 3, 3, 2, 9]))).toBeCloseTo(6.5 / 9.5, 12);
  });

  test('is unknown for few pairs and for constants', () => {
    expect(spearman(pairs([1, 2, 3, 4], [1, 2, 3, 4]))).toBeNull();
    expect(spearman(pairs([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]))).toBeNull();
  });

  test('of Kendall counts pairs of pairs, with draws as tau-b does', () => {
    // scipy.stats.kendalltau
    expect(kendall(pairs([1, 2, 2, 3, 9, 4], [1, 3, 3, 2, 9, 9]))).toBeCloseTo(0.667124384994991, 12);
    expect(kendall(pairs([1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 4, 3, 7, 8, 5, 6]))).toBeCloseTo(4 / 7, 12);
    expect(kendall(pairs([1, 1], [1, 2]))).toBeNull();
  });

  test('says how often a chance order agrees as well', () => {
    const random = new Random(1);
    // All orders, by itertools.permutations
    expect(rankTest(pairs([1, 2, 3, 4], [1, 2, 3, 4]), { random })).toBeCloseTo(2 / 24, 12);
    expect(rankTest(pairs([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]), { random })).toBeCloseTo(16 / 120, 12);
    expect(rankTest(pairs([1, 2, 2, 3, 9], [1, 3, 4, 2, 9]), { random })).toBeCloseTo(32 / 120, 12);
    expect(rankTest(pairs([1, 1, 1], [1, 2, 3]), { random })).toBeNull();
    const many = rankTest(pairs([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8]), { random });
    expect(many).toBeLessThan(0.002);
  });
});
