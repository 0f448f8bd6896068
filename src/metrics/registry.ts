/**
 * @file The metrics by name: what each needs, for which rows it makes sense, and how it is measured from what it needs. They
 * see rows of features, pictures and numbers; where those come from is the caller's matter.
 */

import type { Random } from '../core/random.ts';
import type { Picture } from '../image/images.ts';
import { type Memorisation, memorisation, type NearestImages } from '../image/nearest.ts';
import { clipScores } from './clipscore.ts';
import { clipDiscrepancyInterval } from './cmmd.ts';
import { frechetDistance } from './frechet.ts';
import { bootstrap, type Interval, mean, quantile, subsampling, wilson } from './intervals.ts';
import { kernelDistanceInterval } from './kid.ts';
import { type Matrix, takeRows } from './matrix.ts';
import { expectedCoverage, prdcIntervals } from './prdc.ts';
import { psnr, ssim } from './reconstruct.ts';
import { DISTRACTORS, rPrecision } from './rprecision.ts';

/** Samples, other real pictures in their place, or those through the tokenizer and back. */
export const metricRows = ['samples', 'floor', 'reconstruction'] as const;
export type MetricRow = (typeof metricRows)[number];

/** What a metric may look at; which of it there is depends on the model, the features and the data. */
export interface Evidence {
  /** Features of the row's pictures beside those of real ones, by the radius that both were blurred by. */
  readonly features?: ReadonlyMap<number, { readonly row: Matrix; readonly real: Matrix }>;
  /** The captions of the row's pictures, and different captions with their features. */
  readonly texts?: {
    readonly captions: readonly string[];
    readonly pool: { readonly captions: readonly string[]; readonly features: Matrix };
  };
  /** The row's pictures, real ones that were never trained on, and the training images. */
  readonly pictures?: {
    readonly row: readonly Picture[];
    readonly heldOut: readonly Picture[];
    readonly train: NearestImages;
  };
  /** What went into the tokenizer, and what came out. */
  readonly pairs?: { readonly originals: readonly Picture[]; readonly reconstructions: readonly Picture[] };
  /** How many claims of its caption each picture keeps, as an oracle sees it. */
  readonly checks?: readonly { readonly right: number; readonly total: number }[];
  /** Mean nats a code of some groups of held-out images. */
  readonly likelihood?: {
    readonly nats: readonly number[];
    readonly codes: number;
    readonly imageSize: number;
    readonly images: number;
  };
}

/** One number with its 95 percent interval. */
export interface Estimate {
  readonly metric: string;
  readonly value: number;
  readonly interval: Interval | null;
  /** Pictures, and real ones they were compared with. */
  readonly n: number;
  readonly reference: number;
  readonly details?: Readonly<Record<string, number>>;
}

export interface MetricDefinition {
  readonly needs: keyof Evidence;
  readonly rows: readonly MetricRow[];
  /** Pictures it takes at least, in a row and, where it compares features, among the real ones. */
  readonly least: number;
  /** The names of what it measures, the leading one first. */
  readonly gives: readonly string[];
  /** @param evidence has what the metric needs, of at least so many pictures */
  readonly measure: (evidence: Evidence, random: Random) => Estimate[];
}

/** Radii of blur at which the Fréchet distance is taken. */
export const fdRadii = [0, 1, 2, 4, 8] as const;

const all = metricRows;

export const metricNames = [
  'kid',
  'prdc',
  'fd',
  'cmmd',
  'clip-score',
  'r-precision',
  'caption-accuracy',
  'nll',
  'recon',
  'nearest',
] as const;

/** What is measured unless something else is asked for: the rest needs features of a trained network, or time. */
export const defaultMetrics = ['kid', 'prdc', 'fd', 'nll', 'recon', 'caption-accuracy', 'nearest'] as const;

export const metrics: ReadonlyMap<string, MetricDefinition> = new Map<(typeof metricNames)[number], MetricDefinition>([
  ['kid', { needs: 'features', rows: all, least: 4, gives: ['kid'], measure: measureKid }],
  [
    'prdc',
    {
      needs: 'features',
      rows: all,
      least: 12, // halves have more rows than coverage has neighbours
      gives: ['coverage', 'precision', 'recall', 'density'],
      measure: measurePrdc,
    },
  ],
  ['fd', { needs: 'features', rows: all, least: 4, gives: fdRadii.map(fdName), measure: measureFd }],
  ['cmmd', { needs: 'features', rows: all, least: 4, gives: ['cmmd'], measure: measureCmmd }],
  ['clip-score', { needs: 'texts', rows: all, least: 2, gives: ['clip-score'], measure: measureClipScore }],
  ['r-precision', { needs: 'texts', rows: all, least: 1, gives: ['r-precision'], measure: measureRPrecision }],
  [
    'caption-accuracy',
    { needs: 'checks', rows: all, least: 1, gives: ['caption-accuracy', 'claim-accuracy'], measure: measureAccuracy },
  ],
  [
    'nll',
    {
      needs: 'likelihood',
      rows: ['samples'],
      least: 1,
      gives: ['nll', 'perplexity', 'bits-per-dim'],
      measure: measureLikelihood,
    },
  ],
  ['recon', { needs: 'pairs', rows: ['reconstruction'], least: 1, gives: ['psnr', 'ssim'], measure: measurePairs }],
  [
    'nearest',
    {
      needs: 'pictures',
      rows: ['samples', 'floor'],
      least: 1,
      gives: ['nearest-ratio', 'authentic'],
      measure: measureNearest,
    },
  ],
]);

/** `fd`, `fd-blur-1`, ... */
function fdName(radius: number): string {
  return radius === 0 ? 'fd' : `fd-blur-${radius}`;
}

function unblurred({ features }: Evidence): { readonly row: Matrix; readonly real: Matrix } {
  return needed(features?.get(0));
}

function needed<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('a metric was given less than it needs');
  return part;
}

function measureKid(evidence: Evidence, random: Random): Estimate[] {
  const { row, real } = unblurred(evidence);
  const { value, interval } = kernelDistanceInterval(row, real, { random });
  return [{ metric: 'kid', value, interval, n: row.rows, reference: real.rows }];
}

function measurePrdc(evidence: Evidence, random: Random): Estimate[] {
  const { row, real } = unblurred(evidence);
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
}

/** Multiply-adds that the resamples of one Fréchet distance may cost, so that wide features stay a matter of seconds. */
const FD_COST = { sharp: 2e9, blurred: 5e8 } as const;
const FD_RESAMPLES = { least: 10, most: 100 } as const;

function measureFd({ features }: Evidence, random: Random): Estimate[] {
  return [...needed(features)].map(([radius, { row, real }]) => {
    const smaller = Math.min(row.columns, Math.max(row.rows, real.rows) / 2);
    const one = (row.rows + real.rows) * row.columns * smaller + 3 * smaller ** 3;
    const affordable = Math.floor((radius === 0 ? FD_COST.sharp : FD_COST.blurred) / one);
    const resamples = Math.max(FD_RESAMPLES.least, Math.min(FD_RESAMPLES.most, affordable));
    const value = frechetDistance(row, real);
    const ofHalves = (i: Uint32Array, j: Uint32Array) => frechetDistance(takeRows(row, i), takeRows(real, j));
    const [low, high] = subsampling(value, [row.rows, real.rows], ofHalves, { random, resamples });
    const interval: Interval = [Math.max(0, low), high];
    return {
      metric: fdName(radius),
      value,
      interval,
      n: row.rows,
      reference: real.rows,
      details: { dimension: row.columns },
    };
  });
}

function measureCmmd(evidence: Evidence, random: Random): Estimate[] {
  const { row, real } = unblurred(evidence);
  const { value, interval } = clipDiscrepancyInterval(row, real, { random });
  return [
    { metric: 'cmmd', value, interval: [Math.max(0, interval[0]), interval[1]], n: row.rows, reference: real.rows },
  ];
}

/** Rows of the pool that are the captions, in their order. */
function ownTexts({ captions, pool }: NonNullable<Evidence['texts']>): Matrix {
  const place = new Map(pool.captions.map((caption, i) => [caption, i]));
  return takeRows(
    pool.features,
    captions.map(caption => needed(place.get(caption))),
  );
}

function measureClipScore(evidence: Evidence, random: Random): Estimate[] {
  const { row } = unblurred(evidence);
  const scores = clipScores(row, ownTexts(needed(evidence.texts)));
  const interval = bootstrap(scores, mean, { random });
  return [{ metric: 'clip-score', value: mean(scores), interval, n: row.rows, reference: 0 }];
}

function measureRPrecision(evidence: Evidence, random: Random): Estimate[] {
  const { row } = unblurred(evidence);
  const { captions, pool } = needed(evidence.texts);
  const right = rPrecision(row, captions, pool, { random });
  const hits = right.reduce((a, b) => a + b, 0);
  const interval = wilson(hits, right.length);
  const details = { distractors: DISTRACTORS };
  return [{ metric: 'r-precision', value: hits / right.length, interval, n: right.length, reference: 0, details }];
}

/** Captions kept whole, and claims kept of all claims. */
function measureAccuracy({ checks }: Evidence, random: Random): Estimate[] {
  const found = needed(checks);
  const n = found.length;
  const whole = found.filter(({ right, total }) => right === total).length;
  const shareOf = (rows: Float64Array) => {
    let [right, total] = [0, 0];
    for (const i of rows) {
      right += found[i].right;
      total += found[i].total;
    }
    return right / total;
  };
  const value = shareOf(Float64Array.from(found.keys()));
  return [
    { metric: 'caption-accuracy', value: whole / n, interval: wilson(whole, n), n, reference: 0 },
    { metric: 'claim-accuracy', value, interval: bootstrap(n, shareOf, { random }), n, reference: 0 },
  ];
}

/** Nats a code, and what follows from them; groups of images are what is resampled. */
function measureLikelihood({ likelihood }: Evidence, random: Random): Estimate[] {
  const { nats, codes, imageSize, images: n } = needed(likelihood);
  const value = mean(nats);
  const interval = nats.length > 1 ? bootstrap(nats, mean, { random }) : null;
  const through = (metric: string, f: (nats: number) => number): Estimate => ({
    metric,
    value: f(value),
    interval: interval && [f(interval[0]), f(interval[1])],
    n,
    reference: 0,
  });
  return [
    through('nll', v => v),
    through('perplexity', Math.exp),
    through('bits-per-dim', v => (v * codes) / Math.LN2 / (imageSize * imageSize * 3)),
  ];
}

function measurePairs({ pairs }: Evidence, random: Random): Estimate[] {
  const { originals, reconstructions } = needed(pairs);
  return ([psnr, ssim] as const).map((each, at) => {
    const values = originals.map((original, i) => each(original, reconstructions[i]));
    const interval = bootstrap(values, mean, { random });
    return { metric: at === 0 ? 'psnr' : 'ssim', value: mean(values), interval, n: values.length, reference: 0 };
  });
}

/** Distance to the nearest training image over that of held-out images, and the share that is no copy. */
function measureNearest({ pictures }: Evidence, random: Random): Estimate[] {
  const { row, heldOut, train } = needed(pictures);
  const found = memorisation(row, train, heldOut);
  const n = row.length;
  const authentic = Math.round(found.authentic * n);
  const lowest = quantile(
    [...found.ratios].sort((a, b) => a - b),
    0.05,
  );
  return [
    {
      metric: 'nearest-ratio',
      value: found.ratio,
      interval: ratioInterval(found, random),
      n,
      reference: train.count,
      details: { lowest5: lowest, heldOut: heldOut.length },
    },
    { metric: 'authentic', value: found.authentic, interval: wilson(authentic, n), n, reference: train.count },
  ];
}

/** Both medians resampled. */
function ratioInterval({ samples, heldOut }: Memorisation, random: Random): Interval {
  const median = (values: ArrayLike<number>) => quantile(Float64Array.from(values).sort(), 0.5);
  const distances = [samples, heldOut].map(list => list.map(({ distance }) => distance));
  const n = distances[0].length;
  return bootstrap(
    n,
    rows => {
      const other = Array.from(distances[1], () => distances[1][random.integer(distances[1].length)]);
      const [a, b] = [median(rows.map(i => distances[0][i])), median(other)];
      return a === 0 && b === 0 ? 1 : a / b;
    },
    { random },
  );
}
