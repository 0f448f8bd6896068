/** @file Numbers as people read them, and axes with round numbers. */
import { describe, expect, test } from 'vitest';
import {
  amountUnit,
  formatAmount,
  formatCount,
  formatFixed,
  formatNumber,
  formatSeconds,
  formatTick,
  linearAxis,
  logAxis,
  placeOn,
  timeUnit,
} from '../../src/report/numbers.ts';

describe('a number', () => {
  test.each([
    [0, '0'],
    [0.01234, '0.0123'],
    [12.345, '12.3'],
    [4000, '4,000'],
    [123456.7, '123,457'],
    [-0.5, '−0.500'],
    [1.234e-7, '1.23e−7'],
    [Number.POSITIVE_INFINITY, '∞'],
    [Number.NaN, 'not measured'],
    [null, 'not measured'],
    [undefined, 'not measured'],
  ])('%d is %s', (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  test('has as many decimals as are asked for, and no minus before nothing', () => {
    expect(formatFixed(1234.5, 1)).toBe('1,234.5');
    expect(formatFixed(-0.01, 1)).toBe('0.0');
    expect(formatFixed(-0.06, 1)).toBe('−0.1');
  });

  test('is a count, a time or an amount', () => {
    expect(formatCount(1234567)).toBe('1,234,567');
    expect([5.06, 42, 60, 725, 7200, 12000].map(formatSeconds)).toEqual([
      '5.1 s',
      '42.0 s',
      '60.0 s',
      '12 min 5 s',
      '2 h',
      '3 h 20 min',
    ]);
    expect(formatAmount(96)).toBe('96');
    expect([999, 1000, 31.9e6, 4.2e15].map(value => formatAmount(value, 'FLOP'))).toEqual([
      '999 FLOP',
      '1.00 kFLOP',
      '31.9 MFLOP',
      '4.20 PFLOP',
    ]);
    expect([formatCount(null), formatSeconds(null), formatAmount(null)]).toEqual(Array(3).fill('not measured'));
  });

  test('has a unit that suits the largest of its axis', () => {
    expect([60, 600, 9000].map(seconds => timeUnit(seconds).name)).toEqual(['s', 'min', 'h']);
    expect(amountUnit(3e12, 'FLOP')).toEqual({ divisor: 1e12, name: 'TFLOP' });
  });
});

describe('an axis', () => {
  test('has round ticks that hold all values', () => {
    expect(linearAxis([0.7, 9.2]).ticks).toEqual([0, 2, 4, 6, 8, 10]);
    expect(linearAxis([0.13, 0.31]).ticks).toEqual([0.1, 0.15, 0.2, 0.25, 0.3, 0.35]);
    expect(linearAxis([-0.6, 20.5]).ticks).toEqual([-5, 0, 5, 10, 15, 20, 25]);
    expect(linearAxis([3, 4], { zero: true }).ticks[0]).toBe(0);
  });

  test('may end with the values', () => {
    const axis = linearAxis([0, 18.3], { tight: true });
    expect(axis).toMatchObject({ low: 0, high: 18.3, ticks: [0, 5, 10, 15] });
  });

  test('has a range even for one value, for zeros and for nothing', () => {
    for (const values of [[5], [0, 0], [], [Number.NaN]]) {
      const { low, high } = linearAxis(values);
      expect(high).toBeGreaterThan(low);
      expect(Number.isFinite(high - low)).toBe(true);
    }
    expect(logAxis([]).high).toBeGreaterThan(logAxis([]).low);
    expect(logAxis([7]).high).toBeGreaterThan(logAxis([7]).low);
  });

  test('in logarithms has powers of ten, and more between few of them', () => {
    expect(logAxis([0.002, 700]).ticks).toEqual([0.001, 0.01, 0.1, 1, 10, 100, 1000]);
    expect(logAxis([3, 60]).ticks).toEqual([3, 10, 30, 100]);
    expect(logAxis([1, 9]).ticks).toEqual([1, 2, 5, 10]);
    expect(placeOn(logAxis([1, 100]), 10)).toBeCloseTo(0.5);
  });

  test('names its ticks briefly', () => {
    expect([0, 0.25, 1500, -2, 1e-5, 2e7].map(formatTick)).toEqual(['0', '0.25', '1,500', '−2', '1e−5', '2e7']);
  });
});
