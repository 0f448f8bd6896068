/** @file Which items an epoch draws. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { balancedWeights, drawEpoch } from '../../../src/families/transformer/task.ts';

function countsOf(drawn: Uint32Array, n: number): number[] {
  const counts = new Array<number>(n).fill(0);
  for (const item of drawn) counts[item]++;
  return counts;
}

describe('drawEpoch', () => {
  test('equal weights draw every item once, in another order each time', () => {
    const weights = new Float64Array(1000).fill(0.3);
    const [one, two] = [drawEpoch(weights, new Random(1)), drawEpoch(weights, new Random(2))];
    expect(countsOf(one, 1000)).toEqual(new Array(1000).fill(1));
    expect([...one]).not.toEqual([...two]);
    expect([...one]).not.toEqual([...one].sort((a, b) => a - b));
  });

  test('an item comes up its share of the draws, rounded up or down, and on average exactly', () => {
    const weights = Float64Array.from([5, 1, 0.25, 2.5, 0.01, 1.24]);
    const total = weights.reduce((a, b) => a + b);
    const sums = new Array<number>(6).fill(0);
    for (let seed = 0; seed < 4000; seed++) {
      const counts = countsOf(drawEpoch(weights, new Random(seed)), 6);
      counts.forEach((count, i) => {
        expect(Math.abs(count - (6 * weights[i]) / total)).toBeLessThan(1);
        sums[i] += count / 4000;
      });
    }
    sums.forEach((mean, i) => {
      expect(mean).toBeCloseTo((6 * weights[i]) / total, 1);
    });
  });
});

test('balance 1 gives every subject the same weight, balance 0 every item', () => {
  const captions = [['hand, light'], ['hand, dark', 'x'], ['hand'], ['apple, noto style'], ['apple']];
  expect([...balancedWeights(captions, 0)]).toEqual([1, 1, 1, 1, 1]);
  const weights = balancedWeights(captions, 1);
  expect(weights[0] + weights[1] + weights[2]).toBeCloseTo(weights[3] + weights[4], 12);
  expect(balancedWeights(captions, 0.5)[0]).toBeCloseTo(1 / Math.sqrt(3), 12);
});
