/**
 * @file Fidelity and variety told apart by nearest neighbours. With a ball round every row that reaches its k-th
 * neighbour in its own set:
 *
 *   precision  share of samples inside some real ball      (k = 3)
 *   recall     share of real rows inside some sample's ball (k = 3)
 *   density    real balls round a sample, on average, over k (k = 5)
 *   coverage   share of real balls with a sample inside      (k = 5)
 *
 * On the edge counts as inside. Coverage alone needs no balls round samples and is the steadiest for few of them.
 * Kynkäänniemi et al. 2019 (arXiv:1904.06991), Naeem et al. 2020 (arXiv:2002.09797).
 */

import type { Random } from '../core/random.ts';
import { defineBuiltInMetric } from './define.ts';
import { halves, type Interval, normalInterval, wilson } from './intervals.ts';
import { type Matrix, squaredDistances } from './matrix.ts';

defineBuiltInMetric({
  name: 'prdc',
  gives: [
    {
      name: 'coverage',
      better: 'higher',
      note: 'share of real images with a sample among their neighbours',
      leads: true,
    },
    { name: 'precision', better: 'higher' },
    { name: 'recall', better: 'higher' },
    { name: 'density', better: 'higher' },
  ],
  needs: ['features'],
  least: 12, // halves have more rows than coverage has neighbours
  leastReal: 12,
  byDefault: true,
  measure: ({ features: { row, real } }, random) => {
    const { value, intervals } = prdcIntervals(real, row, { random });
    const expected = { expected: expectedCoverage(real.rows, row.rows) };
    return (['coverage', 'precision', 'recall', 'density'] as const).map(metric => ({
      metric,
      value: value[metric],
      interval: intervals[metric],
      n: row.rows,
      reference: real.rows,
      ...(metric === 'coverage' ? { details: expected } : {}),
    }));
  },
});

export interface Prdc {
  readonly precision: number;
  readonly recall: number;
  readonly density: number;
  readonly coverage: number;
}

export interface Neighbours {
  /** Neighbours of precision and recall, default 3. */
  readonly k?: number;
  /** Neighbours of density and coverage, default 5. */
  readonly coverageK?: number;
}

/** Squared distances within and between the sets. */
interface Distances {
  readonly real: Matrix;
  readonly samples: Matrix;
  /** [real, samples] */
  readonly cross: Matrix;
}

/** @param real more than k rows; @param samples more than k rows of the same length */
export function prdc(real: Matrix, samples: Matrix, neighbours: Neighbours = {}): Prdc {
  return prdcOfRows(distances(real, samples), range(real.rows), range(samples.rows), neighbours);
}

/** The four numbers with intervals from halves of both sets drawn without replacement. */
export function prdcIntervals(
  real: Matrix,
  samples: Matrix,
  { random, resamples = 50, ...neighbours }: Neighbours & { readonly random: Random; readonly resamples?: number },
): { readonly value: Prdc; readonly intervals: Readonly<Record<keyof Prdc, Interval>> } {
  const all = distances(real, samples);
  const value = prdcOfRows(all, range(real.rows), range(samples.rows), neighbours);
  const drawn = Array.from({ length: resamples }, () => {
    const [i, j] = halves([real.rows, samples.rows], random);
    return prdcOfRows(all, i, j, neighbours);
  });
  const interval = (key: keyof Prdc): Interval => {
    const [low, high] = normalInterval(
      value[key],
      drawn.map(each => each[key]),
    );
    if (key === 'density') return [Math.max(0, low), high];
    // Where all halves agree, as at 0 and 1, their spread says nothing: the shares of all rows are counts.
    const rows = key === 'precision' ? samples.rows : real.rows;
    const [least, most] = low === high ? wilson(Math.round(value[key] * rows), rows) : [low, high];
    return [Math.max(0, least), Math.min(1, most)];
  };
  return {
    value,
    intervals: {
      precision: interval('precision'),
      recall: interval('recall'),
      density: interval('density'),
      coverage: interval('coverage'),
    },
  };
}

/**
 * The coverage that two samples of one continuous distribution have of each other: a ball round one of n rows misses
 * all m others when its k neighbours come before them, 1 - prod_{i = 1..k} (n - i) / (n + m - i).
 * @param n real rows, more than k; @param m samples
 */
export function expectedCoverage(n: number, m: number, k = 5): number {
  let missed = 1;
  for (let i = 1; i <= k; i++) missed *= (n - i) / (n + m - i);
  return 1 - missed;
}

function distances(real: Matrix, samples: Matrix): Distances {
  return {
    real: squaredDistances(real, real),
    samples: squaredDistances(samples, samples),
    cross: squaredDistances(real, samples),
  };
}

/** The numbers of some of the rows. */
function prdcOfRows(
  { real, samples, cross }: Distances,
  i: Uint32Array,
  j: Uint32Array,
  { k = 3, coverageK = 5 }: Neighbours,
): Prdc {
  for (const rows of [i, j]) {
    if (rows.length <= k) throw new RangeError(`prdc: expected more than ${k} rows, got ${rows.length}`);
  }
  if (i.length <= coverageK) throw new RangeError(`prdc: expected more than ${coverageK} rows, got ${i.length}`);
  const radii = radiiOf(real, i, k);
  const wide = radiiOf(real, i, coverageK);
  const sampleRadii = radiiOf(samples, j, k);
  const inside = new Uint8Array(j.length);
  let [recalled, inBalls, covered] = [0, 0, 0];
  i.forEach((row, a) => {
    const at = row * cross.columns;
    let reached = false;
    const before = inBalls;
    for (let b = 0; b < j.length; b++) {
      const distance = cross.data[at + j[b]];
      if (distance <= radii[a]) inside[b] = 1;
      if (distance <= wide[a]) inBalls++;
      if (distance <= sampleRadii[b]) reached = true;
    }
    if (reached) recalled++;
    if (inBalls > before) covered++;
  });
  return {
    precision: inside.reduce((sum, v) => sum + v, 0) / j.length,
    recall: recalled / i.length,
    density: inBalls / (coverageK * j.length),
    coverage: covered / i.length,
  };
}

/** Squared distance of each row to its k-th neighbour among the rows. */
function radiiOf({ columns, data }: Matrix, rows: Uint32Array, k: number): Float64Array {
  const nearest = new Float64Array(k);
  return Float64Array.from(rows, row => {
    nearest.fill(Number.POSITIVE_INFINITY);
    for (const other of rows) {
      const distance = data[row * columns + other];
      if (other === row || distance >= nearest[k - 1]) continue;
      let at = k - 1;
      for (; at > 0 && nearest[at - 1] > distance; at--) nearest[at] = nearest[at - 1];
      nearest[at] = distance;
    }
    return nearest[k - 1];
  });
}

function range(n: number): Uint32Array {
  return Uint32Array.from({ length: n }, (_, i) => i);
}
