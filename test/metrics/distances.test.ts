import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { clipScores } from '../../src/metrics/clipscore.ts';
import { clipDiscrepancyInterval } from '../../src/metrics/cmmd.ts';
import { frechetDistance, frechetOfGaussians } from '../../src/metrics/frechet.ts';
import { kernelDistance, kernelDistanceInterval } from '../../src/metrics/kid.ts';
import { type Matrix, matrix, squaredDistances, takeRows, transpose } from '../../src/metrics/matrix.ts';
import { expectedCoverage, prdc, prdcIntervals } from '../../src/metrics/prdc.ts';
import { rPrecision } from '../../src/metrics/rprecision.ts';
import { singularValues } from '../../src/metrics/singular.ts';
import { expectAllclose } from '../support.ts';

/** [n, d] of a function of the row's and the column's number, from 1. */
function rows(n: number, d: number, f: (i: number, j: number) => number): Matrix {
  return matrix(
    Float64Array.from({ length: n * d }, (_, at) => f(Math.floor(at / d) + 1, (at % d) + 1)),
    d,
  );
}

const list = (...values: readonly (readonly number[])[]) => matrix(Float64Array.from(values.flat()), values[0].length);
const column = (...values: readonly number[]) => matrix(Float64Array.from(values), 1);
const gaussian = (n: number, d: number, seed: number, deviation = 1) =>
  matrix(Float64Array.from(new Random(seed).normals(n * d, deviation)), d);

/** Vectors of the specification: sines and cosines with and without fewer rows than columns. */
const sines = (n: number) => rows(n, 10, (i, j) => Math.sin(i * j));
const cosines = (n: number) => rows(n, 10, (i, j) => Math.cos((i * j) / 2) + 0.1);

/** Sets whose figures below are numpy's and scipy's (sqrtm, cdist), worked out apart from this code. */
const X = rows(60, 12, (i, j) => Math.sin(1.7 * i * j) + 0.3 * Math.cos(i + j * j));
const Y = rows(45, 12, (i, j) => 0.8 * Math.sin(2.3 * i * j + 1) + (0.1 * j) / 12);
const Z = rows(45, 12, (i, j) => 1.5 * Math.sin(2.3 * i * j + 1) + 0.9 * Math.cos((i * j) / 3));

describe('singular values', () => {
  const wide = rows(9, 5, (i, j) => Math.sin(i * j * j) + i / j);

  test('are those of LAPACK, whichever way the matrix lies', () => {
    const expected = [20.59323362941531, 2.85074590211403, 2.11175937417346, 1.24534156136193, 0.17894000661935];
    for (const given of [wide, transpose(wide)]) {
      expectAllclose(
        [...singularValues(given)].sort((a, b) => b - a),
        expected,
        { absolute: 1e-12, relative: 1e-12 },
      );
    }
  });

  test('of a matrix that is short of rank are exactly as small as they should be', () => {
    const outer = rows(40, 30, (i, j) => i * j);
    const [largest, ...rest] = [...singularValues(outer)].sort((a, b) => b - a);
    const length = (n: number) => Math.sqrt((n * (n + 1) * (2 * n + 1)) / 6);
    expect(largest / (length(40) * length(30))).toBeCloseTo(1, 12);
    expect(Math.max(...rest)).toBeLessThan(1e-11 * largest);
    expect([...singularValues(rows(3, 2, () => 0))]).toEqual([0, 0]);
    // What rounding leaves of a matrix of rank one, whose squares are 0.
    const [most, least] = [...singularValues(rows(3, 2, (i, j) => (i * j === 1 ? 1 : 1e-200)))].sort((a, b) => b - a);
    expectAllclose([most, least], [1, 0], { absolute: 1e-14, relative: 0 });
    expect(() => singularValues(rows(3, 2, () => Number.NaN))).toThrow('expected finite numbers');
  });

  test('add up to the squared length of a large matrix', () => {
    const large = gaussian(150, 90, 4);
    const sum = singularValues(large).reduce((total, v) => total + v * v, 0);
    expect(sum / large.data.reduce((total, v) => total + v * v, 0)).toBeCloseTo(1, 12);
  });
});

describe('the Fréchet distance', () => {
  test('of Gaussians is the closed form', () => {
    const diagonal = (a: number, b: number) => list([a, 0], [0, b]);
    expect(
      frechetOfGaussians({ mean: [0, 0], covariance: diagonal(1, 4) }, { mean: [3, 4], covariance: diagonal(9, 16) }),
    ).toBeCloseTo(33, 12);
    expect(
      frechetOfGaussians(
        { mean: [1, -1], covariance: list([2, 1], [1, 2]) },
        { mean: [0, 0.5], covariance: list([3, -1], [-1, 2]) },
      ),
    ).toBeCloseTo(4.313762429862666, 12);
  });

  test('of a Gaussian without variance in one direction is that of the others', () => {
    const flat = { mean: [0, 0], covariance: list([4, 0], [0, 0]) };
    expect(frechetOfGaussians(flat, { mean: [0, 0], covariance: list([1, 0], [0, 9]) })).toBeCloseTo(10, 12);
  });

  test('of moved and scaled points', () => {
    const points = list([0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]);
    const changed = (f: (v: number) => number) => ({ ...points, data: points.data.map(f) });
    expect(
      frechetDistance(
        points,
        changed(v => v + 1),
      ),
    ).toBeCloseTo(3, 12);
    expect(
      frechetDistance(
        points,
        changed(v => 2 * v),
      ),
    ).toBeCloseTo(4.375, 12);
  });

  test('is that of numpy, with more rows than columns, with fewer, and with one of each', () => {
    expect(frechetDistance(sines(40), cosines(40))).toBeCloseTo(0.1319731628, 9);
    expect(frechetDistance(sines(6), cosines(6))).toBeCloseTo(5.813830105, 8);
    expect(frechetDistance(X, Y)).toBeCloseTo(0.765976851249544, 11);
    const few = takeRows(Y, [0, 1, 2, 3, 4, 5, 6, 7]);
    expect(frechetDistance(X, few)).toBeCloseTo(5.280442527439516, 6); // scipy's own digits end here
    expect(frechetDistance(few, X)).toBeCloseTo(frechetDistance(X, few), 11);
  });

  test('takes the same way round as without: few rows agree with their covariance', () => {
    // 10 rows of 10 columns go by the rows, the same rows twice by the covariance, whose n - 1 differs.
    const twice = (m: Matrix) =>
      takeRows(
        m,
        Array.from({ length: 2 * m.rows }, (_, i) => i % m.rows),
      );
    const [a, b] = [sines(10), cosines(10)];
    const shift = (m: Matrix, to: number) => ({ ...m, data: m.data.map(v => v * to) });
    const unbiased = Math.sqrt(19 / 18); // (2n - 1) / (2n) over (n - 1) / n
    const meanApart = (p: Matrix, q: Matrix) => {
      let sum = 0;
      for (let j = 0; j < 10; j++) {
        let apart = 0;
        for (let i = 0; i < 10; i++) apart += (p.data[i * 10 + j] - q.data[i * 10 + j]) / 10;
        sum += apart * apart;
      }
      return sum;
    };
    const apart = meanApart(a, b);
    const byCovariance = frechetDistance(shift(twice(a), unbiased), shift(twice(b), unbiased));
    expect(byCovariance - apart * unbiased ** 2).toBeCloseTo(frechetDistance(a, b) - apart, 6);
  });

  test('of a set and itself is nothing, and one row is refused', () => {
    for (const n of [6, 40]) expect(Math.abs(frechetDistance(sines(n), sines(n)))).toBeLessThan(1e-11);
    expect(
      frechetDistance(
        rows(5, 3, () => 7),
        rows(9, 3, () => 7),
      ),
    ).toBe(0);
    expect(() => frechetDistance(sines(1), cosines(6))).toThrow('frechetDistance: expected at least 2 rows, got 1');
  });

  test('has the bias that its words say', () => {
    const [n, d] = [400, 24];
    const bias = (d * (d + 5)) / (2 * n);
    expect(frechetDistance(gaussian(n, d, 1), gaussian(n, d, 2)) / bias).toBeCloseTo(1, 0.7);
  });
});

describe('the kernel distance', () => {
  test('of numbers worked out by hand, and of the specification', () => {
    expect(kernelDistance(column(0, 1), column(2, 3))).toBeCloseTo(297.5, 12);
    expect(kernelDistance(sines(40), cosines(40))).toBeCloseTo(-0.08228121278, 10);
    expect(kernelDistance(sines(6), cosines(6))).toBeCloseTo(-0.410043635, 9);
    expect(kernelDistance(X, Y)).toBeCloseTo(0.008232781036256576, 12);
  });

  test('is unbiased: over many draws from one distribution it averages nothing, and is as often negative', () => {
    const draws = Array.from({ length: 60 }, (_, i) =>
      kernelDistance(gaussian(20, 6, 2 * i), gaussian(15, 6, 2 * i + 1)),
    );
    const average = draws.reduce((a, b) => a + b) / draws.length;
    const deviation = Math.sqrt(draws.reduce((sum, v) => sum + (v - average) ** 2, 0) / (draws.length - 1));
    expect(Math.abs(average)).toBeLessThan((3 * deviation) / Math.sqrt(draws.length));
    expect(draws.filter(v => v < 0).length).toBeGreaterThan(15);
  });

  test('of identical sets is below nothing by what the diagonal would add', () => {
    const same = kernelDistance(X, X);
    expect(same).toBeLessThan(0);
    expect(kernelDistanceInterval(X, Y, { random: new Random(1) }).value).toBe(kernelDistance(X, Y));
  });

  test('its interval is as wide as fresh draws are spread', () => {
    const at = (i: number) => [gaussian(60, 6, 2 * i), gaussian(60, 6, 2 * i + 1, 1.6)] as const;
    const draws = Array.from({ length: 40 }, (_, i) => kernelDistance(...at(i + 1)));
    const average = draws.reduce((a, b) => a + b) / draws.length;
    const deviation = Math.sqrt(draws.reduce((sum, v) => sum + (v - average) ** 2, 0) / (draws.length - 1));
    const { interval } = kernelDistanceInterval(...at(0), { random: new Random(1) });
    const ratio = (interval[1] - interval[0]) / (2 * 1.96 * deviation);
    expect(ratio).toBeGreaterThan(0.6);
    expect(ratio).toBeLessThan(1.9);
    expect(interval[0]).toBeLessThan(average);
    expect(interval[1]).toBeGreaterThan(average);
  });

  test('of more rows than can be held is the mean over subsets of them', () => {
    const [a, b] = [gaussian(600, 2, 1), gaussian(300, 2, 2, 1.5)];
    const { value, interval } = kernelDistanceInterval(a, b, { random: new Random(3), most: 500, subsetRows: 100 });
    const exact = kernelDistance(a, b);
    expect(interval[0]).toBeLessThan(exact);
    expect(interval[1]).toBeGreaterThan(exact);
    expect(Math.abs(value / exact - 1)).toBeLessThan(0.1);
  });

  test('needs two rows of each', () => {
    expect(() => kernelDistance(column(1), column(1, 2))).toThrow('kernelDistance: expected at least 2 rows, got 1, 2');
  });
});

describe('the CLIP discrepancy', () => {
  const clipDiscrepancy = (x: Matrix, y: Matrix) =>
    clipDiscrepancyInterval(x, y, { random: new Random(1), resamples: 2 }).value;

  test('of single directions, of the specification, and of numpy', () => {
    expect(clipDiscrepancy(list(...Array(4).fill([1, 0])), list(...Array(4).fill([0, 3])))).toBeCloseTo(
      19.900332502,
      9,
    );
    expect(clipDiscrepancy(sines(40), cosines(40))).toBeCloseTo(0.1424152764, 9);
    expect(clipDiscrepancy(X, Y)).toBeCloseTo(0.42652465272596807, 11);
  });

  test('of identical sets is nothing, and its interval holds the value', () => {
    expect(clipDiscrepancy(X, X)).toBe(0);
    const { value, interval } = clipDiscrepancyInterval(X, Y, { random: new Random(2) });
    expect(value).toBe(clipDiscrepancy(X, Y)); // whatever the halves
    expect(value - interval[0]).toBeCloseTo(interval[1] - value, 12);
    expect(interval[1] - value).toBeGreaterThan(0.01);
    expect(interval[1] - value).toBeLessThan(1);
  });
});

describe('precision, recall, density and coverage', () => {
  const real = column(0, 1, 3, 6, 10);
  const numbers = (k: number, coverageK: number, a = real, b = column(0.4, 0.6, 0.5, 20)) => {
    const { precision, recall, density, coverage } = prdc(a, b, { k, coverageK });
    return [precision, recall, density, coverage];
  };

  test('of points on a line', () => {
    expectAllclose(numbers(1, 1), [0.75, 0.8, 1.5, 0.4], { absolute: 1e-12 });
    expectAllclose(numbers(2, 2), [0.75, 0.8, 1.125, 0.6], { absolute: 1e-12 });
  });

  test('count the edge as inside, as copies show', () => {
    expectAllclose(numbers(1, 1, real, column(0, 0, 0, 0)), [1, 0.2, 2, 0.4], { absolute: 1e-12 });
  });

  test('are those of numpy', () => {
    expectAllclose(numbers(3, 5, X, Y), [1, 0.95, 3, 1], { absolute: 1e-12 });
    expectAllclose(numbers(3, 5, X, Z), [25 / 45, 1, 0.28, 0.7], { absolute: 1e-12 });
    expectAllclose(numbers(1, 2, X, Z), [1 / 45, 0.9, 0.14444444444444443, 1 / 6], { absolute: 1e-12 });
    expectAllclose(numbers(2, 4, Z, X), [1, 12 / 45, 2.841666666666667, 1], { absolute: 1e-12 });
  });

  test('show collapse as precise and without recall', () => {
    const { precision, recall } = prdc(gaussian(200, 16, 1, 3), gaussian(200, 16, 2, 0.1));
    expect(precision).toBeGreaterThan(0.8);
    expect(recall).toBeLessThan(0.3);
  });

  test('the coverage to expect of two samples of one distribution', () => {
    expect(expectedCoverage(10000, 10000)).toBeCloseTo(0.9688, 4);
    expect(expectedCoverage(1000, 1000)).toBeCloseTo(0.969, 4);
    expect(expectedCoverage(500, 500, 3)).toBeCloseTo(0.8758, 4);
    const found = Array.from(
      { length: 10 },
      (_, i) => prdc(gaussian(150, 5, 2 * i), gaussian(90, 5, 2 * i + 1)).coverage,
    );
    expect(found.reduce((a, b) => a + b) / 10).toBeCloseTo(expectedCoverage(150, 90), 1);
  });

  test('have intervals around the values, inside what shares can be', () => {
    const { value, intervals } = prdcIntervals(X, Z, { random: new Random(1), resamples: 30 });
    expect(value).toEqual(prdc(X, Z));
    for (const key of ['precision', 'recall', 'density', 'coverage'] as const) {
      const [low, high] = intervals[key];
      expect(low).toBeLessThanOrEqual(value[key]);
      expect(high).toBeGreaterThanOrEqual(value[key]);
      expect(low).toBeGreaterThanOrEqual(0);
      if (key !== 'density') expect(high).toBeLessThanOrEqual(1);
    }
    expect(intervals.coverage[1] - intervals.coverage[0]).toBeGreaterThan(0.02);
  });

  test('of samples that cover nothing are not sure of it: counts of all rows, not the spread of halves', () => {
    const far = rows(40, 2, (i, j) => 1e3 + i * j);
    const real = rows(18, 2, (i, j) => Math.sin(i * j));
    const { value, intervals } = prdcIntervals(real, far, { random: new Random(1), resamples: 20 });
    expect(value).toMatchObject({ precision: 0, recall: 0, coverage: 0 });
    // Wilson's of 0 of 40, and of 0 of 18: z^2 / (n + z^2).
    expect(intervals.precision[1]).toBeCloseTo(3.8415 / 43.8415, 4);
    expect(intervals.coverage).toEqual([0, expect.closeTo(3.8415 / 21.8415, 4)]);
  });

  test('need more rows than neighbours', () => {
    expect(() => prdc(X, takeRows(Y, [0, 1, 2]))).toThrow('prdc: expected more than 3 rows, got 3');
    expect(() => prdc(takeRows(X, [0, 1, 2, 3]), Y)).toThrow('prdc: expected more than 5 rows, got 4');
  });
});

test('distances keep near copies apart where a large offset would swallow the difference', () => {
  const far = list([1e6, 1e6], [1e6 + 1e-4, 1e6]);
  expect(squaredDistances(far, far).data[1]).toBeCloseTo(1e-8, 13);
});

describe('captions', () => {
  test('CLIPScore is that of numpy, and nothing below a right angle', () => {
    const images = matrix(
      takeRows(
        X,
        Array.from({ length: 45 }, (_, i) => i),
      ).data.map((v, i) => 0.6 * v + 0.3 * Y.data[i]),
      12,
    );
    const scores = clipScores(images, Y);
    expectAllclose(scores.subarray(0, 4), [0.48762913889728, 0.78821403529999, 0.47444694851417, 0.65359014412802], {
      absolute: 1e-12,
    });
    expect(scores.reduce((a, b) => a + b) / 45).toBeCloseTo(0.8385191812184856, 12);
    expect(scores.filter(v => v === 0).length).toBe(1); // whose cosine is -0.55
    expect([...clipScores(list([0, 0], [3, 4]), list([1, 1], [0.3, 0.4]))]).toEqual([0, 2.5]);
    expect(() => clipScores(X, Y)).toThrow('clipScores: expected [60, 12] of captions too, got [45, 12]');
  });

  const names = Array.from({ length: 120 }, (_, i) => `caption ${i}`);
  const features = gaussian(120, 40, 7);
  const random = () => new Random(5);

  test('R-precision finds the caption that a picture is nearest to', () => {
    const pool = { captions: names, features };
    expect([...rPrecision(features, names, pool, { random: random() })]).toEqual(names.map(() => 1));
    const shifted = names.map((_, i) => names[(i + 1) % 120]); // nearest to another caption, which is nearly always drawn
    const right = rPrecision(features, shifted, pool, { random: random() });
    expect(right.reduce((a, b) => a + b)).toBeLessThan(40);
    expect(rPrecision(features, shifted, pool, { random: random() })).toEqual(right);
  });

  test('R-precision of pictures that know nothing is chance', () => {
    const wide = Array.from({ length: 300 }, (_, i) => `caption ${i}`);
    const pool = { captions: wide, features: gaussian(300, 8, 8) };
    const right = rPrecision(gaussian(300, 8, 9), wide, pool, { random: random(), distractors: 9 });
    const share = right.reduce((a, b) => a + b) / 300;
    expect(share).toBeGreaterThan(0.04);
    expect(share).toBeLessThan(0.16);
    const blank = rPrecision(
      rows(300, 8, () => 0),
      wide,
      pool,
      { random: random() },
    );
    expect(blank.some(v => v === 1)).toBe(false);
  });

  test('R-precision needs enough captions', () => {
    const pool = { captions: names.slice(0, 50), features: takeRows(features, [...names.keys()].slice(0, 50)) };
    expect(() => rPrecision(features, names, pool, { random: random() })).toThrow(
      'rPrecision: expected more than 99 different captions, got 50',
    );
    expect(() => rPrecision(features, ['x'], { captions: names, features }, { random: random() })).toThrow(
      'rPrecision: "x" is not in the pool',
    );
  });
});
