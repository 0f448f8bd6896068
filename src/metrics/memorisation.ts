/**
 * @file Whether a model paints training images again: the distance of its samples to the nearest training image over that
 * of held-out images, and the share that is no copy.
 */
import type { Random } from '../core/random.ts';
import { type Memorisation, memorisation } from '../image/nearest.ts';
import { defineMetric } from './define.ts';
import { bootstrap, type Interval, quantile, wilson } from './intervals.ts';

defineMetric({
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
  needs: ['pictures', 'heldOut', 'training'],
  rows: ['samples', 'floor'],
  byDefault: true,
  measure: ({ pictures: { pictures }, heldOut, training }, random) => {
    const found = memorisation(pictures, training, heldOut.pictures);
    const n = pictures.length;
    const sorted = [...found.ratios].sort((a, b) => a - b);
    return [
      {
        metric: 'nearest-ratio',
        value: found.ratio,
        interval: ratioInterval(found, random),
        n,
        reference: training.count,
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
