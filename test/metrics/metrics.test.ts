/** @file The metrics as they are reported: names, intervals that hold the truth as often as they say, and nothing by halves. */
import { afterEach, describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { Images, type Picture } from '../../src/image/images.ts';
import { NearestImages } from '../../src/image/nearest.ts';
import { kernelDistance } from '../../src/metrics/kid.ts';
import { type Matrix, matrix } from '../../src/metrics/matrix.ts';
import '../../src/metrics/builtin.ts';
import { accuracies } from '../../src/metrics/accuracy.ts';
import {
  allMetrics,
  allQuantities,
  blurRadii,
  type Captioned,
  defaultMetrics,
  defineMetric,
  type Estimate,
  type Evidence,
  findQuantity,
  type MetricDefinition,
  removeMetric,
} from '../../src/metrics/define.ts';

async function measure(name: string, evidence: Partial<Evidence>): Promise<readonly Estimate[]> {
  const metric = allMetrics().get(name);
  if (metric === undefined) throw new Error(name);
  for (const need of metric.needs) expect(evidence, name).toHaveProperty(need);
  const found = await metric.measure(evidence as Evidence, new Random(4)); // has what the metric needs
  expect(found.map(each => each.metric)).toEqual(metric.gives.map(({ name }) => name).slice(0, found.length));
  return found;
}

const gaussian = (n: number, seed: number, deviation = 1): Matrix =>
  matrix(Float64Array.from(new Random(seed).normals(n * 8, deviation)), 8);
const features = (row: Matrix, real: Matrix) => ({ features: { row, real }, blurredFeatures: new Map() });

const captioned = (pictures: readonly Picture[]): Captioned => ({ pictures, captions: pictures.map(() => 'noise') });

function noise(seed: number): Picture {
  const random = new Random(seed);
  return { width: 12, height: 12, data: Uint8Array.from({ length: 12 * 12 * 3 }, () => random.integer(256)) };
}

/** A metric that a program would define. */
const brightness: MetricDefinition<'pictures'> = {
  name: 'brightness',
  gives: [{ name: 'mean-brightness', better: null }],
  needs: ['pictures'],
  measure: () => [],
};

describe('the list of metrics', () => {
  afterEach(() => {
    if (allMetrics().has('brightness')) removeMetric('brightness');
  });

  test('has those of the program, and by default those that need no trained features', () => {
    expect([...allMetrics().keys()].sort()).toEqual(
      [
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
        'caption-gain',
      ].sort(),
    );
    expect(defaultMetrics().sort()).toEqual(
      ['kid', 'prdc', 'fd', 'nll', 'recon', 'caption-accuracy', 'nearest'].sort(),
    );
  });

  test('leads with KID and coverage', () => {
    expect(
      allQuantities()
        .slice(0, 3)
        .map(({ name, leads }) => [name, leads]),
    ).toEqual([
      ['kid', true],
      ['coverage', true],
      ['precision', undefined],
    ]);
  });

  test('takes a metric in and lets it go', () => {
    defineMetric(brightness);
    expect(allMetrics().get('brightness')).toMatchObject({ name: 'brightness' });
    expect(findQuantity('mean-brightness')).toEqual({ name: 'mean-brightness', better: null });
    removeMetric('brightness');
    expect(() => removeMetric('brightness')).toThrow(
      'removeMetric: expected a name that defineMetric was given, got brightness, which is not defined',
    );
    expect(() => removeMetric('kid')).toThrow('removeMetric: expected a name that defineMetric was given, got kid');
    expect(allMetrics().has('kid')).toBe(true);
    expect(findQuantity('mean-brightness')).toBeUndefined();
  });

  test.each<[string, Partial<MetricDefinition<'pictures'>>, RegExp]>([
    ['a name of other characters', { name: 'a,b' }, /lower-case words with hyphens, got "a,b"/],
    ['a number of other characters', { gives: [{ name: 'Mean', better: null }] }, /got "Mean"/],
    ['a metric of nothing', { gives: [] }, /^defineMetric: gives: expected an array of at least 1 numbers, got none/],
    [
      'other evidence',
      { needs: ['sound' as 'pictures'] },
      /needs: expected .*, got "sound" at 0, where one of pictures,/,
    ],
    [
      'a number that is better somehow',
      { gives: [{ name: 'x', better: 'more' as 'higher' }] },
      /better: expected 'lower'/,
    ],
    ['no pictures at all', { least: 0 }, /^defineMetric: least: expected a whole number of at least 1, got 0/],
    ['a name that is taken', { name: 'kid' }, /^defineMetric: expected a new name, got kid/],
    ['a number that is taken', { gives: [{ name: 'recall', better: null }] }, /recall, which another gives/],
  ])('refuses %s', (_, change, message) => {
    expect(() => defineMetric({ ...brightness, ...change })).toThrow(message);
    expect(allMetrics().size).toBe(11);
  });
});

describe('of features', () => {
  test('every distance tells like from unlike, beyond its interval', async () => {
    const real = gaussian(300, 1);
    for (const name of ['kid', 'fd', 'cmmd']) {
      const [like] = await measure(name, features(gaussian(100, 2), real));
      const other = gaussian(100, 3);
      const moved = { ...other, data: other.data.map(v => v + 1) }; // CMMD does not see lengths
      const [unlike] = await measure(name, features(moved, real));
      expect(unlike.value, name).toBeGreaterThan((like.interval as [number, number])[1]);
      expect([like.n, like.reference]).toEqual([100, 300]);
    }
  });

  test('take the fewest that they say', async () => {
    for (const name of ['kid', 'prdc', 'fd', 'cmmd']) {
      const least = allMetrics().get(name)?.least ?? 0;
      expect(allMetrics().get(name)?.leastReal).toBe(least);
      for (const { value, interval } of await measure(name, features(gaussian(least, 1), gaussian(least, 2)))) {
        expect(value).toEqual(expect.any(Number));
        expect(interval?.every(Number.isFinite), name).toBe(true);
      }
    }
  });

  test('the Fréchet distance is taken at every radius there is', async () => {
    const pair = { row: gaussian(20, 1), real: gaussian(20, 2) };
    const blurredFeatures = new Map(blurRadii.map(radius => [radius, pair]));
    const found = await measure('fd', { features: pair, blurredFeatures });
    expect(found.map(({ metric }) => metric)).toEqual(['fd', 'fd-blur-1', 'fd-blur-2', 'fd-blur-4', 'fd-blur-8']);
    expect(new Set(found.map(({ value }) => value)).size).toBe(1);
  });

  test('intervals of KID hold what they estimate about as often as they say', async () => {
    // Known in the limit: two larger samples.
    const truth = kernelDistance(gaussian(1500, 900, 1.3), gaussian(1500, 901));
    let held = 0;
    for (let i = 0; i < 30; i++) {
      const [{ interval }] = await measure('kid', features(gaussian(50, 2 * i, 1.3), gaussian(50, 2 * i + 1)));
      const [low, high] = interval as [number, number];
      if (low <= truth && truth <= high) held++;
    }
    expect(held).toBeGreaterThanOrEqual(24); // 95 percent of 30 is 28.5
  });
});

describe('without features', () => {
  test('accuracy counts captions kept whole, and claims', () => {
    const checks = [
      { right: 5, total: 5 },
      { right: 4, total: 8 },
      { right: 8, total: 8 },
      { right: 0, total: 5 },
    ];
    const [whole, claims] = accuracies(checks, new Random(4));
    expect([whole.value, claims.value]).toEqual([0.5, 17 / 26]);
    expect(whole.interval?.[0]).toBeCloseTo(0.15, 2); // Wilson's of 2 in 4
    expect(claims.interval?.[0]).toBeLessThan(claims.value);
  });

  test('likelihoods in all their units', async () => {
    const likelihood = { nats: [2, 3, 4], codes: 64, imageSize: 16, images: 24 };
    const [nats, perplexity, bits] = await measure('nll', { likelihood });
    expect(nats.value).toBe(3);
    expect(perplexity.value).toBeCloseTo(Math.exp(3), 12);
    expect(bits.value).toBeCloseTo((3 * 64) / Math.log(2) / 768, 12);
    expect(perplexity.interval?.[1]).toBeCloseTo(Math.exp(nats.interval?.[1] ?? 0), 9);
    const [alone] = await measure('nll', { likelihood: { ...likelihood, nats: [3] } });
    expect(alone.interval).toBeNull();
  });

  test('reconstructions of copies are perfect', async () => {
    const originals = captioned([noise(1), noise(2)]);
    const [psnr, ssim] = await measure('recon', { pictures: originals, heldOut: originals });
    expect([psnr.value, psnr.interval]).toEqual([100, [100, 100]]);
    expect(ssim.value).toBeCloseTo(1, 12);
  });

  test('copies of training images are found, and held-out images are as new as themselves', async () => {
    const train = Array.from({ length: 20 }, (_, i) => noise(i));
    const index = new NearestImages(Images.of(train));
    const heldOut = Array.from({ length: 15 }, (_, i) => noise(100 + i));
    const [copied, authentic] = await measure('nearest', {
      pictures: captioned(train.slice(0, 9)),
      heldOut: captioned(heldOut),
      training: index,
    });
    expect([copied.value, copied.interval, authentic.value]).toEqual([0, [0, 0], 0]);
    const [ratio] = await measure('nearest', {
      pictures: captioned(heldOut),
      heldOut: captioned(heldOut),
      training: index,
    });
    expect(ratio.value).toBe(1);
    expect(ratio.interval?.[0]).toBeLessThan(1);
  });
});
