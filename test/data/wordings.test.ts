/** @file How often an image is shown with each of its captions. */
import { expect, test } from 'vitest';
import { drawCaption } from '../../data/wordings.ts';
import { Random } from '../../src/core/random.ts';

const captions = ['red apple', 'apple', 'fruit', 'a red apple'];

function counts(firstShare: number | undefined): number[] {
  const random = new Random(3);
  const drawn = Array.from({ length: 8000 }, () => drawCaption(captions, random, firstShare));
  return captions.map(caption => drawn.filter(one => one === caption).length / drawn.length);
}

test.for([
  [undefined, 0.25],
  [0, 0.25],
  [0.5, 0.5 + 0.125],
  [1, 1],
] as const)('with a share of %s, the first comes %s of the time, the others alike', ([share, expected]) => {
  const [first, ...others] = counts(share);
  expect(first).toBeCloseTo(expected, 1);
  for (const other of others) expect(other).toBeCloseTo((1 - expected) / 3, 1);
});

test('without a share the draws are those of before there was one: one number each', () => {
  const [one, other] = [new Random(7), new Random(7)];
  for (let i = 0; i < 50; i++) expect(drawCaption(captions, one)).toBe(captions[other.integer(captions.length)]);
});
