/** @file Copies of training images are told from images that are merely like them. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { blank, Images } from '../../src/image/images.ts';
import { NearestImages } from '../../src/image/nearest.ts';
import { measureMemorisation } from '../../src/metrics/memorisation.ts';
import { disturb, naive, noise } from '../image/noise.ts';

describe('memorisation', () => {
  const random = new Random(7);
  const images = Array.from({ length: 150 }, () => noise(random, 8));
  const training = images.slice(0, 100);
  const heldOut = images.slice(100, 125);
  const train = new NearestImages(Images.of(training));

  test('gives copies a ratio near 0 and calls none authentic', () => {
    const copies = [disturb(training[3], 2), training[60], disturb(training[8], 1)];
    const result = measureMemorisation(copies, train, heldOut);
    expect(result.samples.map(({ index }) => index)).toEqual([3, 60, 8]);
    expect(result.sampleMedian).toBeCloseTo(1 / 255, 12);
    expect(result.ratio).toBeCloseTo(1 / 255 / result.heldOutMedian, 12);
    expect(result.ratio).toBeLessThan(0.02);
    expect(result.authentic).toBe(0);
    expect(result.closest).toEqual([1, 2, 0]);
  });

  test('gives new images of the same kind a ratio near 1', () => {
    const result = measureMemorisation(images.slice(125), train, heldOut);
    expect(result.ratio).toBeGreaterThan(0.95);
    expect(result.ratio).toBeLessThan(1.05);
    const found = heldOut.map(picture => naive(picture, training).distance).sort((a, b) => a - b);
    expect(result.heldOutMedian).toBeCloseTo(found[12], 12);
    expect(result.ratios[0]).toBeCloseTo(result.samples[0].distance / found[12], 12);
  });

  test('counts as authentic what is farther from its nearest training image than that is from the next', () => {
    const grey = (value: number) => blank(2, 2, [value, value, value]);
    const pair = new NearestImages(Images.of([grey(100), grey(110)])); // neighbours at 10
    const samples = [grey(95), grey(89), grey(121), grey(104)]; // at 5, 11, 11, 4
    expect(measureMemorisation(samples, pair, [grey(90), grey(120)]).authentic).toBe(0.5);
    expect(measureMemorisation([grey(1)], new NearestImages(Images.of([grey(0)])), [grey(2)]).authentic).toBeNaN();
    // The median of an even number is the mean of the middle two: (5 + 11) / 2 over 10.
    expect(measureMemorisation(samples, pair, [grey(90), grey(120)]).ratio).toBeCloseTo(0.8, 12);
  });

  test('does not call copies worse than held-out images that are copies themselves', () => {
    expect(measureMemorisation([training[0]], train, [training[1]]).ratio).toBe(1);
    expect(measureMemorisation([heldOut[0]], train, [training[1]]).ratio).toBe(Number.POSITIVE_INFINITY);
    expect(() => measureMemorisation([], train, heldOut)).toThrow(RangeError);
  });
});
