import { describe, expect, test } from 'vitest';
import { type Split, splitOf } from '../../data/dataset.ts';
import { type Division, describeDivision, divideItems, itemsOn, type Placed } from '../../data/division.ts';

/** Items named after their split and a number. */
function items(counts: Partial<Record<Split | 'none', number>>): Placed[] {
  return Object.entries(counts).flatMap(([name, count]) =>
    Array.from({ length: count }, (_, i) => {
      const id = `${name}/${i}.png`;
      return name === 'none' ? { id } : { id, split: name as Split }; // the other keys
    }),
  );
}

/** How many items of each split are on which side. */
function sides({ training, heldOut, unused }: Division<Placed>): Record<string, Record<string, number>> {
  const count = (side: readonly Placed[]) => {
    const counts: Record<string, number> = {};
    for (const { split = 'none' } of side) counts[split] = (counts[split] ?? 0) + 1;
    return counts;
  };
  return { training: count(training), heldOut: count(heldOut), unused: count(unused) };
}

const hashed = (all: readonly Placed[], validation: number) =>
  all.filter(({ id }) => splitOf(id, validation) === 'validation');

describe('a published split', () => {
  test('is kept: validation is held out, test left alone', () => {
    const division = divideItems(items({ train: 6, validation: 2, test: 2 }), { validation: 0.5 });
    expect(sides(division)).toEqual({ training: { train: 6 }, heldOut: { validation: 2 }, unused: { test: 2 } });
    expect(describeDivision(division)).toBe(
      'published split: 6 train, 2 validation held out, 2 test not used (--split)',
    );
  });

  test('is kept where --validation is 0: that is the share of the hash', () => {
    const division = divideItems(items({ train: 6, validation: 2 }), { validation: 0 });
    expect(sides(division)).toMatchObject({ training: { train: 6 }, heldOut: { validation: 2 } });
  });

  test('without validation: the hash holds out of train, and never of test', () => {
    const all = items({ train: 300, test: 100 });
    const division = divideItems(all, { validation: 0.1 });
    const held = hashed(all.slice(0, 300), 0.1);
    expect(division.heldOut).toEqual(held);
    expect(held.length).toBeGreaterThan(10);
    expect(sides(division).unused).toEqual({ test: 100 });
    expect(describeDivision(division)).toBe(
      `published split: ${300 - held.length} train, ${held.length} train held out by the hash, 100 test not used (--split)`,
    );
  });

  test('items that have none are divided by the hash, whatever others have', () => {
    const all = items({ train: 20, validation: 5, none: 200 });
    const division = divideItems(all, { validation: 0.2 });
    const held = hashed(all.slice(25), 0.2);
    expect(division.heldOut).toEqual([...all.slice(20, 25), ...held]);
    expect(sides(division).training).toEqual({ train: 20, none: 200 - held.length });
  });

  test('groups stay together, and their published split wins', () => {
    const all = [
      ...Array.from({ length: 60 }, (_, i) => ({ id: `${i}.png`, group: `g${i % 12}` })),
      { id: 'test.png', group: 'g0', split: 'test' as const },
    ];
    const division = divideItems(all, { validation: 0.5 });
    const groupsOf = (side: readonly Placed[]) => new Set(side.map(({ group }) => group));
    const [trained, held] = [groupsOf(division.training), groupsOf(division.heldOut)];
    expect([...held].filter(group => trained.has(group))).toEqual([]);
    expect([trained.size + held.size, trained.size > 0, held.size > 0]).toEqual([12, true, true]);
    expect(division.unused.map(({ id }) => id)).toEqual(['test.png']);
  });
});

describe('--split', () => {
  test('train,test trains on both', () => {
    const division = divideItems(items({ train: 6, validation: 2, test: 2 }), { split: ['train', 'test'] });
    expect(sides(division)).toEqual({ training: { train: 6, test: 2 }, heldOut: { validation: 2 }, unused: {} });
    expect(describeDivision(division)).toBe('published split: 6 train, 2 test trained on, 2 validation held out');
  });

  test('with validation in it the hash decides over what is left', () => {
    const all = items({ train: 200, validation: 100, test: 50 });
    const division = divideItems(all, { validation: 0.1, split: ['train', 'validation'] });
    expect(division.heldOut).toEqual(hashed(all.slice(0, 300), 0.1));
    expect(sides(division).unused).toEqual({ test: 50 });
    expect(describeDivision(division)).toMatch(
      /^published split: \d+ train, \d+ validation trained on, \d+ train held out by the hash, \d+ validation held out by the hash, 50 test not used \(--split\)$/,
    );
  });

  test('test alone leaves train alone', () => {
    const division = divideItems(items({ train: 6, validation: 2, test: 4 }), { split: ['test'] });
    expect(sides(division)).toEqual({ training: { test: 4 }, heldOut: { validation: 2 }, unused: { train: 6 } });
  });

  test('names the sides of a division', () => {
    const division = divideItems(items({ train: 6, validation: 2, test: 4 }));
    const count = (...names: Split[]) => itemsOn(division, names).length;
    expect([count('train'), count('validation'), count('test'), count('train', 'test')]).toEqual([6, 2, 4, 10]);
  });
});

describe('without a published split', () => {
  test('the hash alone decides, as ever', () => {
    const all = items({ none: 500 });
    const division = divideItems(all);
    expect(division.heldOut).toEqual(hashed(all, 0.05));
    expect(division.training).toEqual(all.filter(item => !division.heldOut.includes(item)));
    expect(describeDivision(division)).toBeUndefined();
    expect(describeDivision(divideItems(items({})))).toBeUndefined();
  });
});

test('arguments are checked', () => {
  expect(() => divideItems([], { validation: 2 })).toThrow('divideItems: validation: expected a number from 0 to 1');
  expect(() => divideItems([], { split: [] })).toThrow('divideItems: split: expected an array of at least 1 splits');
  expect(() => divideItems([], { split: ['val'] as unknown as Split[] })).toThrow('train, validation, test');
});
