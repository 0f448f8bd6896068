/** @file Intervals that allow for raters and items: on votes of simulated people, and where they can be worked out. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { clopperPearson } from '../../../src/metrics/preference/binomial.ts';
import { clusterBootstrap } from '../../../src/metrics/preference/clusters.ts';
import { clusterShare } from '../../../src/metrics/preference/share.ts';

interface Simulated {
  readonly values: number[];
  readonly raters: string[];
  readonly items: string[];
}

/** Every rater judges every item: log-odds of a mean, a taste of the rater and a merit of the item. */
function simulate(random: Random, size: { raters: number; items: number; taste: number; merit: number }): Simulated {
  const tastes = random.normals(size.raters, size.taste);
  const merits = random.normals(size.items, size.merit);
  const votes: Simulated = { values: [], raters: [], items: [] };
  tastes.forEach((taste, r) => {
    merits.forEach((merit, i) => {
      votes.values.push(random.uniform() < 1 / (1 + Math.exp(-(0.5 + taste + merit))) ? 1 : 0);
      votes.raters.push(`r${r}`);
      votes.items.push(`i${i}`);
    });
  });
  return votes;
}

/** The share over all people and pictures that there might be. */
function truth(taste: number, merit: number): number {
  const deviation = Math.hypot(taste, merit);
  let [sum, weights] = [0, 0];
  for (let z = -8; z <= 8; z += 0.01) {
    const density = Math.exp((-z * z) / 2);
    sum += density / (1 + Math.exp(-(0.5 + deviation * z)));
    weights += density;
  }
  return sum / weights;
}

describe('the interval over raters and items', () => {
  test('holds the truth as often as it says, where that of independent votes does not', () => {
    const size = { raters: 10, items: 24, taste: 0.8, merit: 0.8 };
    const share = truth(size.taste, size.merit);
    const random = new Random(4);
    let [clustered, independent] = [0, 0];
    const runs = 100;
    for (let run = 0; run < runs; run++) {
      const votes = simulate(random, size);
      const found = clusterShare(votes.values, votes, { random: random.fork('run', run), resamples: 200 });
      const exact = clopperPearson(votes.values.filter(value => value === 1).length, votes.values.length);
      if (found.low <= share && share <= found.high) clustered++;
      if (exact[0] <= share && share <= exact[1]) independent++;
    }
    expect(clustered).toBeGreaterThanOrEqual(90);
    expect(clustered).toBeLessThanOrEqual(99);
    expect(independent).toBeLessThan(80);
  });

  test('is hardly wider than that of independent votes where they are independent', () => {
    const votes = simulate(new Random(8), { raters: 20, items: 40, taste: 0, merit: 0 });
    const found = clusterShare(votes.values, votes, { random: new Random(1) });
    const [low, high] = clopperPearson(votes.values.filter(value => value === 1).length, 800);
    const wider = (found.high - found.low) / (high - low);
    expect(wider).toBeGreaterThan(0.9);
    expect(wider).toBeLessThan(1.2); // counts of raters and of items multiplied would give 1.7
    expect(found.worth).toBeGreaterThan(550);
  });

  test('counts a rater who always says the same once', () => {
    // Four raters with one opinion each, on 25 captions: four votes, not a hundred.
    const raters = Array.from({ length: 100 }, (_, i) => `r${i % 4}`);
    const items = Array.from({ length: 100 }, (_, i) => `i${Math.floor(i / 4)}`);
    const values = raters.map(rater => (rater === 'r3' ? 0 : 1));
    const found = clusterShare(values, { raters, items }, { random: new Random(1) });
    expect(found.share).toBe(0.75);
    expect(found.high - found.low).toBeGreaterThan(0.8);
    expect(found.worth).toBeLessThan(5);
    expect(found.p).toBeGreaterThan(0.2);
    const [low, high] = clopperPearson(75, 100);
    expect(high - low).toBeLessThan(0.2);
  });

  test('of one rater is that over items, and of one item that over raters', () => {
    const votes = simulate(new Random(3), { raters: 1, items: 80, taste: 0, merit: 0.5 });
    const over = clusterShare(votes.values, votes, { random: new Random(1), resamples: 2000 });
    const share = over.share;
    // One vote an item: the error of a share of independent votes, on the scale of log-odds.
    const error = 1.99 / Math.sqrt(80 * share * (1 - share));
    expect(Math.log(over.high / (1 - over.high)) - Math.log(share / (1 - share))).toBeCloseTo(error, 1);
    const turned = clusterShare(
      votes.values,
      { raters: votes.items, items: votes.raters },
      { random: new Random(1), resamples: 2000 },
    );
    expect(turned.high - turned.low).toBeCloseTo(over.high - over.low, 1);
  });

  test('falls back on independent votes where resamples are all alike, and says so', () => {
    const raters = ['a', 'a', 'b', 'b'];
    const items = ['x', 'y', 'x', 'y'];
    const [low, high] = clopperPearson(4, 4);
    const found = clusterShare([1, 1, 1, 1], { raters, items }, { random: new Random(1) });
    expect(found).toEqual({ share: 1, low, high, by: 'votes', p: null, worth: null });
    const one = clusterShare(
      [1, 0, 0.5],
      { raters: ['a', 'a', 'a'], items: ['x', 'x', 'x'] },
      { random: new Random(1) },
    );
    expect(one).toMatchObject({ share: 0.5, by: 'votes' });
  });

  test('is the same for the same seed, and another for another', () => {
    const votes = simulate(new Random(3), { raters: 5, items: 8, taste: 0.5, merit: 0.5 });
    const [a, b, c] = [1, 1, 2].map(seed => clusterShare(votes.values, votes, { random: new Random(seed) }));
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });

  test('has no ends with one rater and one item, and refuses votes without either', () => {
    const [found] = clusterBootstrap({ raters: ['a', 'a'], items: ['x', 'x'] }, () => [3], { random: new Random(1) });
    expect(found).toEqual({ value: 3, low: null, high: null, error: 0, degrees: 0 });
    expect(() => clusterBootstrap({ raters: [], items: [] }, () => [], { random: new Random(1) })).toThrow(RangeError);
    expect(() => clusterShare([2], { raters: ['a'], items: ['x'] }, { random: new Random(1) })).toThrow('0 to 1');
  });
});
