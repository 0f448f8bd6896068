/**
 * @file Whether a model paints training images again: the distance of its samples to the nearest training image over
 * that of held-out images, and the share that is no copy. Authentic share: Alaa et al. 2022 (arXiv:2102.08921).
 */
import { median } from '../core/numbers.ts';
import type { Random } from '../core/random.ts';
import type { Picture } from '../image/images.ts';
import type { Nearest, NearestImages } from '../image/nearest.ts';
import { defineBuiltInMetric } from './define.ts';
import { bootstrap, type Interval, quantile, wilson } from './intervals.ts';

/** Held-out images whose median distance has an interval, at least. */
const FEWEST_MEDIAN = 8;

defineBuiltInMetric({
  name: 'nearest',
  gives: [
    {
      name: 'nearest-ratio',
      title: 'distance ratio',
      better: null,
      note: 'to the nearest training image, over that of held-out images',
    },
    {
      name: 'authentic',
      better: null,
      note: 'share of samples that are no nearer to a training image than its neighbour is',
    },
  ],
  needs: ['pictures', 'training'],
  rows: ['samples', 'floor'],
  byDefault: true,
  refuse: ({ training: { count } }) => (count > 1 ? undefined : `needs 2 training images, there is ${count}`),
  measure: ({ pictures: { pictures }, heldOut, training }, random) => {
    const found = measureMemorisation(pictures, training, heldOut?.pictures ?? []);
    const n = pictures.length;
    const ratio = { metric: 'nearest-ratio', n, reference: training.count };
    const sorted = [...found.ratios].sort((a, b) => a - b);
    return [
      heldOut === undefined
        ? { ...ratio, value: Number.NaN, interval: null, lacks: 'heldOut' }
        : {
            ...ratio,
            value: found.ratio,
            // Of fewer the median may be any of them, and resamples do not show it.
            interval: heldOut.pictures.length < FEWEST_MEDIAN ? null : ratioInterval(found, random),
            details: { lowest5: quantile(sorted, 0.05), heldOut: heldOut.pictures.length },
          },
      {
        metric: 'authentic',
        value: found.authentic,
        interval: wilson(Math.round(found.authentic * n), n),
        n,
        reference: training.count,
      },
    ];
  },
});

/** Whether samples are copies: distances to the nearest training image, beside those of images never trained on. */
export interface Memorisation {
  /** Nearest training image of every sample, in their order. */
  readonly samples: readonly Nearest[];
  /** Nearest training image of every held-out image, in their order. */
  readonly heldOut: readonly Nearest[];
  readonly sampleMedian: number;
  readonly heldOutMedian: number;
  /** sampleMedian / heldOutMedian: near 1 samples are as new as held-out images are, near 0 they are copies. */
  readonly ratio: number;
  /** Each sample's distance over heldOutMedian, for a histogram. */
  readonly ratios: Float64Array;
  /**
   * Share of samples whose nearest training image is nearer to another training image than to the sample. The published
   * check of one sample; NaN if there is only one training image.
   */
  readonly authentic: number;
  /** Indices of samples, the nearest to training first, for a strip of the worst cases. */
  readonly closest: readonly number[];
}

/**
 * Compares how near samples and held-out images lie to the training images. Drawings of one kind are near each other
 * without any copying; only the comparison with held-out images tells that apart from memorising.
 * @param samples at least one; @param heldOut from the same source as the training images; without any the ratios are NaN
 */
export function measureMemorisation(
  samples: readonly Picture[],
  train: NearestImages,
  heldOut: readonly Picture[],
): Memorisation {
  if (samples.length === 0) throw new RangeError('measureMemorisation: expected samples, got none');
  const ofSamples = samples.map(picture => train.find(picture));
  const ofHeldOut = heldOut.map(picture => train.find(picture));
  const sampleMedian = medianDistance(ofSamples);
  const heldOutMedian = medianDistance(ofHeldOut);
  return {
    samples: ofSamples,
    heldOut: ofHeldOut,
    sampleMedian,
    heldOutMedian,
    ratio: quotient(sampleMedian, heldOutMedian),
    ratios: Float64Array.from(ofSamples, ({ distance }) => quotient(distance, heldOutMedian)),
    authentic: authenticShare(ofSamples, train),
    closest: ofSamples.map((_, i) => i).sort((a, b) => ofSamples[a].distance - ofSamples[b].distance || a - b),
  };
}

function authenticShare(samples: readonly Nearest[], train: NearestImages): number {
  if (train.count < 2) return Number.NaN;
  const own = new Map<number, number>(); // the distance of a training image to its neighbour; samples share neighbours
  let authentic = 0;
  for (const { index, distance } of samples) {
    const neighbour = own.get(index) ?? train.find(train.reference(index), { except: index }).distance;
    own.set(index, neighbour);
    if (neighbour < distance) authentic++;
  }
  return authentic / samples.length;
}

function medianDistance(found: readonly Nearest[]): number {
  return median(found.map(({ distance }) => distance));
}

/** Where held-out images are copies of training images too, samples that are copies are no worse than they. */
function quotient(a: number, b: number): number {
  return b === 0 && a === 0 ? 1 : a / b;
}

/** Both medians resampled. */
function ratioInterval({ samples, heldOut }: Memorisation, random: Random): Interval {
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
