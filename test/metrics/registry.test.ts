/** @file The metrics as they are reported: names, intervals that hold the truth as often as they say, and nothing by halves. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { Images, type Picture } from '../../src/image/images.ts';
import { NearestImages } from '../../src/image/nearest.ts';
import { kernelDistance } from '../../src/metrics/kid.ts';
import { type Matrix, matrix } from '../../src/metrics/matrix.ts';
import { type Estimate, type Evidence, metricNames, metrics } from '../../src/metrics/registry.ts';

function measure(name: string, evidence: Evidence): Estimate[] {
  const metric = metrics.get(name);
  if (metric === undefined) throw new Error(name);
  const found = metric.measure(evidence, new Random(4));
  expect(found.map(each => each.metric)).toEqual(metric.gives.slice(0, found.length));
  return found;
}

const gaussian = (n: number, seed: number, deviation = 1): Matrix =>
  matrix(Float64Array.from(new Random(seed).normals(n * 8, deviation)), 8);
const features = (row: Matrix, real: Matrix) => ({ features: new Map([[0, { row, real }]]) });

function noise(seed: number): Picture {
  const random = new Random(seed);
  return { width: 12, height: 12, data: Uint8Array.from({ length: 12 * 12 * 3 }, () => random.integer(256)) };
}

test('every name has a metric, and no other', () => {
  expect([...metrics.keys()]).toEqual([...metricNames]);
});

describe('of features', () => {
  test('every distance tells like from unlike, beyond its interval', () => {
    const real = gaussian(300, 1);
    for (const name of ['kid', 'fd', 'cmmd']) {
      const [like] = measure(name, features(gaussian(100, 2), real));
      const other = gaussian(100, 3);
      const moved = { ...other, data: other.data.map(v => v + 1) }; // CMMD does not see lengths
      const [unlike] = measure(name, features(moved, real));
      expect(unlike.value, name).toBeGreaterThan((like.interval as [number, number])[1]);
      expect([like.n, like.reference]).toEqual([100, 300]);
    }
  });

  test('take the fewest that they say', () => {
    for (const name of ['kid', 'prdc', 'fd', 'cmmd']) {
      const least = metrics.get(name)?.least ?? 0;
      for (const { value, interval } of measure(name, features(gaussian(least, 1), gaussian(least, 2)))) {
        expect(value).toEqual(expect.any(Number));
        expect(interval?.every(Number.isFinite), name).toBe(true);
      }
    }
  });

  test('the Fréchet distance is taken at every radius there is', () => {
    const pair = { row: gaussian(20, 1), real: gaussian(20, 2) };
    const found = measure('fd', { features: new Map([0, 1, 2, 4, 8].map(radius => [radius, pair])) });
    expect(found.map(({ metric }) => metric)).toEqual(['fd', 'fd-blur-1', 'fd-blur-2', 'fd-blur-4', 'fd-blur-8']);
    expect(new Set(found.map(({ value }) => value)).size).toBe(1);
  });

  test('intervals of KID hold what they estimate about as often as they say', () => {
    // Known in the limit: two larger samples.
    const truth = kernelDistance(gaussian(1500, 900, 1.3), gaussian(1500, 901));
    const held = Array.from({ length: 30 }, (_, i) => {
      const [{ interval }] = measure('kid', features(gaussian(50, 2 * i, 1.3), gaussian(50, 2 * i + 1)));
      const [low, high] = interval as [number, number];
      return low <= truth && truth <= high;
    }).filter(Boolean).length;
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
    const [whole, claims] = measure('caption-accuracy', { checks });
    expect([whole.value, claims.value]).toEqual([0.5, 17 / 26]);
    expect(whole.interval?.[0]).toBeCloseTo(0.15, 2); // Wilson's of 2 in 4
    expect(claims.interval?.[0]).toBeLessThan(claims.value);
  });

  test('likelihoods in all their units', () => {
    const likelihood = { nats: [2, 3, 4], codes: 64, imageSize: 16, images: 24 };
    const [nats, perplexity, bits] = measure('nll', { likelihood });
    expect(nats.value).toBe(3);
    expect(perplexity.value).toBeCloseTo(Math.exp(3), 12);
    expect(bits.value).toBeCloseTo((3 * 64) / Math.log(2) / 768, 12);
    expect(perplexity.interval?.[1]).toBeCloseTo(Math.exp(nats.interval?.[1] ?? 0), 9);
    expect(measure('nll', { likelihood: { ...likelihood, nats: [3] } })[0].interval).toBeNull();
  });

  test('reconstructions of copies are perfect', () => {
    const originals = [noise(1), noise(2)];
    const [psnr, ssim] = measure('recon', { pairs: { originals, reconstructions: originals } });
    expect([psnr.value, psnr.interval]).toEqual([100, [100, 100]]);
    expect(ssim.value).toBeCloseTo(1, 12);
  });

  test('copies of training images are found, and held-out images are as new as themselves', () => {
    const train = Array.from({ length: 20 }, (_, i) => noise(i));
    const index = new NearestImages(Images.of(train));
    const heldOut = Array.from({ length: 15 }, (_, i) => noise(100 + i));
    const [copied, authentic] = measure('nearest', { pictures: { row: train.slice(0, 9), heldOut, train: index } });
    expect([copied.value, copied.interval, authentic.value]).toEqual([0, [0, 0], 0]);
    const [ratio] = measure('nearest', { pictures: { row: heldOut, heldOut, train: index } });
    expect(ratio.value).toBe(1);
    expect(ratio.interval?.[0]).toBeLessThan(1);
  });
});
