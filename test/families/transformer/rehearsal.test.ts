/** @file What is rehearsed: how many sequences of a batch, which items, and that two sets are one. */
import { expect, test } from 'vitest';
import { Epochs } from '../../../data/epochs.ts';
import { Random } from '../../../src/core/random.ts';
import type { CaptionedCodes } from '../../../src/families/family.ts';
import { joinCodes, RehearsedItems, rehearsedOf } from '../../../src/families/transformer/rehearsal.ts';

const codesOf = (name: string, items: number, first: number): CaptionedCodes => ({
  set: {
    ids: Array.from({ length: items }, (_, i) => `${name}${i}`),
    crops: 2,
    length: 3,
    codes: Uint16Array.from({ length: items * 6 }, (_, i) => first + i),
  },
  captions: Array.from({ length: items }, (_, i) => [`${name} ${i}`]),
});

test('a share is some of the batch, and never all', () => {
  expect([0, 0.01, 0.2, 0.5, 0.9, 0.99].map(share => rehearsedOf(10, share))).toEqual([0, 1, 2, 5, 9, 9]);
  expect(rehearsedOf(1, 0.5)).toBe(0);
});

test('sets are joined, the second behind the first', () => {
  const { set, captions } = joinCodes(codesOf('a', 2, 0), codesOf('b', 3, 100));
  expect(set.ids).toEqual(['a0', 'a1', 'b0', 'b1', 'b2']);
  expect([...set.codes.subarray(0, 12)]).toEqual(Array.from({ length: 12 }, (_, i) => i));
  expect([...set.codes.subarray(12)]).toEqual(Array.from({ length: 18 }, (_, i) => 100 + i));
  expect(captions.flat()).toEqual(['a 0', 'a 1', 'b 0', 'b 1', 'b 2']);
});

test('the items of a step depend on the seed and the step alone, and each data set has epochs of its own', () => {
  const weights = new Float64Array(6).fill(1);
  const rehearsal = { codes: codesOf('b', 4, 0), share: 0.25 };
  const items = new RehearsedItems(weights, new Random(3), { batchSize: 8, rehearsal });
  const batches = Array.from({ length: 4 }, (_, step) => Array.from({ length: 8 }, (_, i) => items.at(step, i)));
  expect(items.own).toBe(6);
  for (const batch of batches) {
    expect(batch.slice(0, 6).sort()).toEqual([0, 1, 2, 3, 4, 5]); // an epoch of the learnt data a step
    expect(batch.slice(6).every(item => item >= 6 && item < 10)).toBe(true);
  }
  // Two steps are an epoch of what is rehearsed.
  expect([...batches[0].slice(6), ...batches[1].slice(6)].sort()).toEqual([6, 7, 8, 9]);
  const again = new RehearsedItems(weights, new Random(3), { batchSize: 8, rehearsal });
  expect(Array.from({ length: 8 }, (_, i) => again.at(3, i))).toEqual(batches[3]);
});

test('without anything to rehearse the items are those of plain epochs', () => {
  const weights = new Float64Array(5).fill(1);
  const items = new RehearsedItems(weights, new Random(3), { batchSize: 4 });
  const plain = new Epochs(weights, new Random(3));
  for (let step = 0; step < 6; step++)
    for (let i = 0; i < 4; i++) expect(items.at(step, i)).toBe(plain.at(step * 4 + i));
});
