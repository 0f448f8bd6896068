import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import {
  bootstrap,
  deviation,
  fisherExact,
  mcnemarExact,
  mean,
  meanInterval,
  quantile,
  subsampling,
  wilson,
} from '../../src/metrics/intervals.ts';
import { expectAllclose } from '../support.ts';

describe('the Wilson interval', () => {
  test.each([
    [900, 1000, 0.87985, 0.91708],
    [0, 5, 0, 0.43448],
    [5, 5, 0.56552, 1],
    [20, 25, 0.60869, 0.91139],
    [1, 25, 0.0071, 0.19544],
  ])('of %i of %i', (successes, trials, low, high) => {
    expectAllclose(wilson(successes, trials), [low, high], { absolute: 1e-5 });
  });

  test('holds the ends that solve (p - q)^2 = z^2 q (1 - q) / n', () => {
    for (const q of wilson(7, 31)) expect((7 / 31 - q) ** 2).toBeCloseTo((1.959964 ** 2 * q * (1 - q)) / 31, 12);
  });

  test('of nothing is everything', () => {
    expect(wilson(0, 0)).toEqual([0, 1]);
    expect(() => wilson(3, 2)).toThrow('wilson: expected successes in 0 to 2, got 3');
  });
});

describe("Fisher's exact test", () => {
  // scipy.stats.fisher_exact([[a, b], [c, d]])[1]
  test.each([
    [20, 5, 1, 24, 3.9832195587792507e-8],
    [20, 5, 14, 11, 0.12835379502448452],
    [3, 1, 1, 3, 34 / 70], // the lady tasting tea
    [13, 87, 40, 60, 2.3151979426241935e-5],
    [5, 0, 0, 5, 2 / 252],
    [10, 0, 7, 0, 1],
    [0, 0, 0, 0, 1],
  ])('of %i, %i against %i, %i', (a, b, c, d, p) => {
    expect(fisherExact(a, b, c, d) / p).toBeCloseTo(1, 9);
    expect(fisherExact(c, d, a, b)).toBeCloseTo(fisherExact(a, b, c, d), 12);
  });

  test('takes counts only', () => {
    expect(() => fisherExact(1, 2, -1, 3)).toThrow(RangeError);
  });
});

describe("McNemar's exact test", () => {
  // scipy.stats.binomtest(first, first + second).pvalue
  test.each([
    [25, 11, 0.028816719655878842],
    [10, 0, 2 / 1024],
    [5, 0, 2 / 32],
    [1, 7, 18 / 256],
    [200, 250, 0.02079180024760769],
    [3, 3, 1],
    [0, 0, 1],
  ])('of %i pairs one way and %i the other', (first, second, p) => {
    expect(mcnemarExact(first, second) / p).toBeCloseTo(1, 9);
    expect(mcnemarExact(second, first)).toBe(mcnemarExact(first, second));
  });

  test('takes counts only', () => {
    expect(() => mcnemarExact(1, -1)).toThrow(RangeError);
    expect(() => mcnemarExact(1.5, 1)).toThrow(RangeError);
  });
});

describe('the interval of a mean', () => {
  test('is that of Student for few values, and of the bootstrap for many', () => {
    const random = new Random(1);
    expect(meanInterval([3.347, 3.538], { random })).toEqual([expect.closeTo(2.229, 3), expect.closeTo(4.656, 3)]);
    const many = Array.from({ length: 30 }, (_, i) => i % 5);
    expect(meanInterval(many, { random: new Random(1) })).toEqual(bootstrap(many, mean, { random: new Random(1) }));
  });

  test('of one value there is none', () => expect(meanInterval([4], { random: new Random(1) })).toBeNull());
});

describe('resampling', () => {
  const values = new Random(3).normals(400);

  test('the bootstrap interval of a mean is that of the normal theory', () => {
    const [low, high] = bootstrap(values, mean, { random: new Random(1), resamples: 2000 });
    const half = (1.96 * deviation(values)) / Math.sqrt(400);
    expectAllclose([low, high], [mean(values) - half, mean(values) + half], { absolute: 0.012 });
  });

  test('rows may be resampled instead of values, and one seed gives one interval', () => {
    const options = () => ({ random: new Random(1), resamples: 50 });
    const byRow = bootstrap(400, rows => mean(Float64Array.from(rows, row => values[row])), options());
    expect(byRow).toEqual(bootstrap(values, mean, options()));
    expect(() => bootstrap([], mean, options())).toThrow('bootstrap: expected at least one value, got 0');
  });

  test('halves without replacement spread as the whole does', () => {
    const centre = mean(values);
    const ofRows = (rows: Uint32Array) => mean(Float64Array.from(rows, row => values[row]));
    const [low, high] = subsampling(centre, [400], ofRows, { random: new Random(2), resamples: 1000 });
    expectAllclose([(high - low) / 2], [(1.96 * deviation(values)) / Math.sqrt(400)], { relative: 0.08 });
    expect((low + high) / 2).toBeCloseTo(centre, 12);
    expect(() => subsampling(0, [400, 3], ofRows, { random: new Random(2) })).toThrow(RangeError);
  });

  test('quantiles interpolate', () => {
    expect([0, 0.25, 0.5, 1].map(share => quantile([0, 1, 2, 10], share))).toEqual([0, 0.75, 1.5, 10]);
  });
});
