/** @file What has changed of a data set is said as a person would: by name and by content, each item once. */
import { expect, test } from 'vitest';
import type { RecordedItem } from '../../src/io/datarecord.ts';
import { captionsFingerprint, fingerprintOf } from '../../src/io/datarecord.ts';
import { compareData, describeChanges, type Found } from '../../src/runs/data-changes.ts';

/** `name: picture caption` each. */
const parts = (line: string) => {
  const [, id, picture, caption] = line.match(/^(\S+): (\S+) (\S+)$/) as RegExpMatchArray;
  return { id, image: fingerprintOf(picture), captions: captionsFingerprint([caption]), stamp: '' };
};
const recorded = (...lines: string[]): RecordedItem[] => lines.map(line => ({ heldOut: false, ...parts(line) }));
const found = (...lines: string[]): Found[] =>
  lines.map(line => {
    const { id, ...prints } = parts(line);
    return { item: { id, captions: [''], read: async () => new Uint8Array() }, heldOut: false, prints };
  });

const before = recorded('a: red red', 'b: blue blue', 'c: green green');
const cases: readonly (readonly [string, Found[], string | undefined, string])[] = [
  ['nothing', found('a: red red', 'b: blue blue', 'c: green green'), undefined, 'a b c'],
  ['another order', found('c: green green', 'a: red red', 'b: blue blue'), undefined, 'a b c'],
  ['other names', found('x/1: green green', 'x/2: red red', 'x/3: blue blue'), undefined, 'x/2 x/3 x/1'],
  [
    'names exchanged with all they stand for',
    found('a: blue blue', 'b: red red', 'c: green green'),
    undefined,
    'b a c',
  ],
  ['one added', found('a: red red', 'b: blue blue', 'c: green green', 'd: tan tan'), '1 added (d)', 'a b c'],
  ['a second of the same', found('a: red red', 'b: blue blue', 'c: green green', 'd: red red'), '1 added (d)', 'a b c'],
  [
    'a row put in before all, so that numbers move on',
    found('a: tan tan', 'b: red red', 'c: blue blue', 'd: green green'),
    '1 added (a)',
    'b c d',
  ],
  ['one removed', found('a: red red', 'c: green green'), '1 removed (b)', 'a c'],
  [
    'one with another picture',
    found('a: red red', 'b: sky blue', 'c: green green'),
    '1 with other pictures (b)',
    'a b c',
  ],
  [
    'one with another caption',
    found('a: red red', 'b: blue sky', 'c: green green'),
    '1 with other captions (b)',
    'a b c',
  ],
  [
    'pictures exchanged',
    found('a: blue red', 'b: red blue', 'c: green green'),
    '2 with other pictures (a, b)',
    'a b c',
  ],
  [
    'captions exchanged',
    found('a: red blue', 'b: blue red', 'c: green green'),
    '2 with other captions (a, b)',
    'a b c',
  ],
  [
    'another name and another caption',
    found('a: red red', 'x: blue sky', 'c: green green'),
    '1 with other captions (x)',
    'a x c',
  ],
  [
    'all of it',
    found('a: 1 one', 'b: 2 two', 'c: 3 three'),
    '3 with other pictures (a, b, c), 3 with other captions (a, b, c)',
    'a b c',
  ],
  [
    'other names and other content',
    found('w: 1 one', 'x: 2 two', 'y: 3 three', 'z: 4 four'),
    '4 added (w, x, y, ...), 3 removed (a, b, c)',
    '',
  ],
];
for (const [what, now, says, known] of cases) {
  test(`${what}: ${says ?? 'no change'}`, () => {
    const changes = compareData(before, now);
    expect(describeChanges(changes)).toBe(says);
    expect(changes.known.map(each => each.now.item.id).join(' ')).toBe(known);
    const ids = changes.known.map(each => each.before.id);
    expect([...ids, ...changes.removed.map(({ id }) => id)].sort()).toEqual(['a', 'b', 'c']);
    expect(changes.known.length + changes.added.length).toBe(now.length);
  });
}

test('of equal items each is found once', () => {
  const twins = recorded('a: red red', 'b: red red');
  expect(describeChanges(compareData(twins, found('y: red red', 'x: red red')))).toBeUndefined();
  expect(describeChanges(compareData(twins, found('x: red red')))).toBe('1 removed (b)');
  expect(describeChanges(compareData(twins, found('b: red red')))).toBe('1 removed (a)');
});

test('a fingerprint that nobody knows is like any, under the same name only', () => {
  const unknown = before.map(item => ({ ...item, image: '', captions: '' }));
  expect(describeChanges(compareData(unknown, found('a: 1 one', 'b: 2 two', 'c: 3 three')))).toBeUndefined();
  expect(describeChanges(compareData(unknown, found('a: 1 one', 'b: 2 two', 'd: green green')))).toBe(
    '1 added (d), 1 removed (c)',
  );
  const pictures = before.map(item => ({ ...item, captions: '' }));
  expect(describeChanges(compareData(pictures, found('a: red one', 'b: sky two', 'c: green three')))).toBe(
    '1 with other pictures (b)',
  );
});
