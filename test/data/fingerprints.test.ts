/** @file Fingerprints of items: by content, read again only where the file may have changed. */

import { cp, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Item } from '../../data/dataset.ts';
import { fingerprintItems } from '../../data/fingerprints.ts';
import { captionsFingerprint, fingerprintOf } from '../../src/io/datarecord.ts';
import { folder } from './files.ts';

/** Much later than the files of a test were written. */
const LATER = BigInt(Date.now() + 3_600_000) * 1_000_000n;

/** Items that are files of their own, and a list of those that were read. */
function itemsIn(root: string, names: readonly string[]): { readonly items: Item[]; readonly read: string[] } {
  const read: string[] = [];
  const items = names.map(id => ({
    id,
    captions: [`a ${id}`],
    place: { file: join(root, id), part: '' },
    read: async () => {
      read.push(id);
      return readFile(join(root, id));
    },
  }));
  return { items, read };
}

/** Writes over a file in place, in another tick of the file system's clock than it was written in. */
async function overwrite(path: string, text: string): Promise<void> {
  const { ctimeNs: before } = await stat(path, { bigint: true });
  do await writeFile(path, text);
  while ((await stat(path, { bigint: true })).ctimeNs === before);
}

async function look(
  root: string,
  names: readonly string[],
  known = new Map<string, string>(),
  begun: bigint | undefined = LATER,
) {
  const { items, read } = itemsIn(root, names);
  const looked = await fingerprintItems(items, { root, known, begun });
  const prints = new Map(looked.items.map(([{ id }, found]) => [id, found]));
  return {
    prints,
    read: read.sort(),
    problems: looked.problems,
    known: new Map([...prints.values()].map(({ stamp, image }) => [stamp, image])),
  };
}

test('are of the bytes and of the captions', async () => {
  const root = await folder({ a: 'red', b: 'blue', c: 'red' });
  const { prints } = await look(root, ['a', 'b', 'c']);
  expect(prints.get('a')).toMatchObject({ image: fingerprintOf('red'), captions: captionsFingerprint(['a a']) });
  expect(prints.get('b')?.image).toBe(fingerprintOf('blue'));
  expect(prints.get('c')?.image).toBe(fingerprintOf('red'));
});

test('what is as it was is not read again, in a folder that was moved neither', async () => {
  const root = await folder({ a: 'red', b: 'blue' });
  const first = await look(root, ['a', 'b']);
  expect(first.read).toEqual(['a', 'b']);
  const again = await look(root, ['a', 'b'], first.known);
  expect(again.read).toEqual([]);
  expect(again.prints).toEqual(first.prints);
  await rename(root, `${root}-moved`);
  const moved = await look(`${root}-moved`, ['a', 'b'], first.known);
  expect(moved.read).toEqual([]);
  expect(moved.prints).toEqual(first.prints);
  await rename(`${root}-moved`, root);
});

test('a picture of the same size and the same time is read again, whether it was written over, replaced or exchanged', async () => {
  const root = await folder({ a: 'red', b: 'tan', c: 'sky', d: 'low' });
  const first = await look(root, ['a', 'b', 'c', 'd']);
  const back = async (name: string, { atime, mtime }: { readonly atime: Date; readonly mtime: Date }) =>
    utimes(join(root, name), atime, mtime);
  const [ofA, ofB] = [await stat(join(root, 'a')), await stat(join(root, 'b'))];
  await overwrite(join(root, 'a'), 'RED');
  await back('a', ofA);
  await writeFile(join(root, 'new'), 'TAN');
  await rename(join(root, 'new'), join(root, 'b'));
  await back('b', ofB);
  await rename(join(root, 'c'), join(root, 'spare'));
  await rename(join(root, 'd'), join(root, 'c'));
  await rename(join(root, 'spare'), join(root, 'd'));
  const again = await look(root, ['a', 'b', 'c', 'd'], first.known);
  expect([...again.prints].map(([id, { image }]) => [id, image])).toEqual(
    [
      ['a', 'RED'],
      ['b', 'TAN'],
      ['c', 'low'],
      ['d', 'sky'],
    ].map(([id, text]) => [id, fingerprintOf(text)]),
  );
});

test('a copy is read again, and is the same', async () => {
  const root = await folder({ a: 'red' });
  const first = await look(root, ['a']);
  const copy = await folder();
  await cp(root, copy, { recursive: true, preserveTimestamps: true });
  const again = await look(copy, ['a'], first.known);
  expect(again.read).toEqual(['a']);
  expect(again.prints.get('a')?.image).toBe(first.prints.get('a')?.image);
});

test('a file that was written just now gets no stamp: it could be written again and look the same', async () => {
  const root = await folder({ a: 'red' });
  const { mtimeNs } = await stat(join(root, 'a'), { bigint: true });
  for (const begun of [mtimeNs, mtimeNs + 1_000_000_000n]) {
    expect((await look(root, ['a'], new Map(), begun)).prints.get('a')?.stamp).toBe('');
  }
  const { items } = itemsIn(root, ['a']);
  expect((await fingerprintItems(items, { root })).items[0][1].stamp).toBe('');
  expect((await look(root, ['a'], new Map(), mtimeNs + 60_000_000_000n)).prints.get('a')?.stamp).not.toBe('');
});

test('parts of one file are told apart, and read again together', async () => {
  const root = await folder({ shard: 'redtan' });
  const file = join(root, 'shard');
  const parts = [0, 3].map(at => ({
    id: `shard/${at}`,
    captions: ['a'],
    place: { file, part: `${at}+3` },
    read: async () => (await readFile(file)).subarray(at, at + 3),
  }));
  const first = await fingerprintItems(parts, { root, begun: LATER });
  const [a, b] = first.items.map(([, prints]) => prints);
  expect([a.image, b.image]).toEqual([fingerprintOf('red'), fingerprintOf('tan')]);
  expect(a.stamp).not.toBe(b.stamp);
  await overwrite(file, 'tanred');
  const known = new Map([a, b].map(({ stamp, image }) => [stamp, image]));
  const again = await fingerprintItems(parts, { root, begun: LATER, known });
  expect(again.items.map(([, { image }]) => image)).toEqual([b.image, a.image]);
});

test('an item without a place is read; one that cannot be read is named', async () => {
  const root = await folder();
  const items: Item[] = [
    { id: 'drawn', captions: ['a'], read: async () => Buffer.from('red') },
    {
      id: 'gone',
      captions: ['a'],
      place: { file: join(root, 'gone'), part: '' },
      read: async () => readFile(join(root, 'gone')),
    },
  ];
  const looked = await fingerprintItems(items, { root, begun: LATER });
  expect(looked.items.map(([{ id }, { image, stamp }]) => [id, image, stamp])).toEqual([
    ['drawn', fingerprintOf('red'), ''],
  ]);
  expect(looked.problems).toEqual([{ id: 'gone', what: 'cannot be read (no such file or directory)' }]);
});

test('stops where it is told to', async () => {
  const root = await folder({ a: 'red' });
  const { items } = itemsIn(root, ['a']);
  const signal = AbortSignal.abort(new Error('enough'));
  await expect(fingerprintItems(items, { root, signal })).rejects.toThrow('enough');
});
