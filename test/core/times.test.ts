/** @file Spans of time in sentences. */
import { expect, test } from 'vitest';
import { spanInWords } from '../../src/core/times.ts';

test.each([
  [0, '0 s'],
  [0.6, '1 s'],
  [104, '104 s'],
  [105, '1.8 minutes'],
  [180, '3 minutes'],
  [590, '9.8 minutes'],
  [620, '10 minutes'],
  [5900, '98 minutes'],
  [6000, '1.7 hours'],
  [7200, '2 hours'],
  [359_000, '99.7 hours'],
  [1_000_000, '12 days'],
])('%f s reads %s', (seconds, expected) => expect(spanInWords(seconds)).toBe(expected));
