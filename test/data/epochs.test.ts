/** @file Which items an epoch draws, and where they stand in the stream. */
import { describe, expect, test } from 'vitest';
import { balancedWeights, drawEpoch, Epochs } from '../../data/epochs.ts';
import { Random } from '../../src/core/random.ts';

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

describe('the stream of epochs', () => {
  const places = (epochs: Epochs, n: number) => Array.from({ length: n }, (_, place) => epochs.at(place));

  test('shows every item once an epoch, in another order each, and any place alone is the same', () => {
    const stream = places(new Epochs(7, new Random(1)), 21);
    const epochs = [0, 1, 2].map(e => stream.slice(7 * e, 7 * e + 7));
    for (const epoch of epochs) expect(epoch.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(new Set(epochs.map(String)).size).toBe(3);
    for (const place of [20, 3, 13, 14]) expect(new Epochs(7, new Random(1)).at(place)).toBe(stream[place]);
    const again = new Epochs(7, new Random(1));
    expect([20, 0, 9].map(place => again.at(place))).toEqual([20, 0, 9].map(place => stream[place]));
    expect(places(new Epochs(7, new Random(2)), 21)).not.toEqual(stream);
  });

  test('draws by weight where weights are given', () => {
    const drawn = places(new Epochs(Float64Array.from([2, 1, 1, 0]), new Random(1)), 40);
    expect(countsOf(Uint32Array.from(drawn), 4)).toEqual([20, 10, 10, 0]);
  });

  test('needs items', () => {
    for (const none of [0, -1, 0.5, new Float64Array(0)]) {
      expect(() => new Epochs(none, new Random(1))).toThrow('expected at least one item');
    }
  });
});
