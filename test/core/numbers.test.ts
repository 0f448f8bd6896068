/** @file The middle of some numbers, and whole numbers as people read them. */
import { expect, test } from 'vitest';
import { counted, formatWhole, median } from '../../src/core/numbers.ts';

test('the median is the middle value, or between the two in the middle', () => {
  expect(median([5, 1, 9])).toBe(5);
  expect(median([4, 1, 9, 2])).toBe(3);
  expect(median([10, 9, 100])).toBe(10); // numbers, not words
  expect(median([])).toBeNaN();
});

test('thousands are apart', () => {
  expect([0, 999, 1000, 1234567, 12345.6].map(formatWhole)).toEqual(['0', '999', '1,000', '1,234,567', '12,346']);
});

test('one is one, and others are many', () => {
  expect([0, 1, 2, 4000].map(count => counted(count, 'image'))).toEqual([
    '0 images',
    '1 image',
    '2 images',
    '4,000 images',
  ]);
});
