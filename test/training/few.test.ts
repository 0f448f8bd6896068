/** @file The interval of a mean of few values against a published one. */
import { expect, test } from 'vitest';
import { FEW_ITEMS, meanMargin } from '../../src/training/few.ts';

test('is that of Student: his ten patients slept 2.33 hours longer, 0.9 to 3.76', () => {
  // Student 1908, extra sleep by the second drug; R: t.test(extra)$conf.int is 0.8976775, 3.7623225.
  const hours = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
  expect(2.33 - meanMargin(hours)).toBeCloseTo(0.8977, 3);
  expect(2.33 + meanMargin(hours)).toBeCloseTo(3.7623, 3);
});

test('of two values it is wide, and of one there is none', () => {
  expect(meanMargin([1, 3])).toBeCloseTo(12.706, 6);
  expect(() => meanMargin([1])).toThrow('expected 2 to 30 values, got 1');
  expect(meanMargin(Array.from({ length: FEW_ITEMS }, (_, i) => i % 2))).toBeCloseTo(0.1899, 3);
});
