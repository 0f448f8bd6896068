/**
 * @file Data that goes or changes while it is trained on is an error that names the file, never an item left out in silence; and
 * what the machine refuses is no fault of a file.
 */
import { rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Dataset, Item } from '../../data/dataset.ts';
import { decodeAll } from '../../data/decoded.ts';
import { openDataset } from '../../data/open.ts';
import { fromDisk, ImageBatches } from '../../data/stream.ts';
import { UserError } from '../../src/core/errors.ts';
import { failure, folder, plain, tar } from './files.ts';

const colours = ['red', 'green', 'blue', 'black'];

async function pairs(): Promise<string> {
  const files: Record<string, string | Uint8Array> = {};
  for (const colour of colours)
    Object.assign(files, { [`${colour}.png`]: await plain(colour), [`${colour}.txt`]: colour });
  return folder(files);
}

/** Batches of one picture each from the disk, one of every item being seen already. */
async function seenOnce({ items }: Dataset): Promise<ImageBatches> {
  const batches = new ImageBatches(fromDisk(items, { size: 8, ahead: 0 }), { batchSize: 1, seed: 1 });
  const captions = new Set<string>();
  for (let i = 0; i < items.length; i++) captions.add((await batches.next()).captions[0]);
  expect([...captions].sort()).toEqual([...colours].sort());
  return batches;
}

/** Draws until something fails; two epochs are enough. */
async function drawOn(batches: ImageBatches): Promise<void> {
  for (let i = 0; i < 2 * colours.length; i++) await batches.next();
}

describe('while images are read from the disk', () => {
  it.each([
    [
      'goes',
      (path: string) => rm(path),
      /^blue\.png: cannot be read \(no such file or directory\), and could be read when/,
    ],
    ['shrinks', (path: string) => truncate(path, 60), /^blue\.png: .*, and could be read when/],
    ['is emptied', (path: string) => writeFile(path, ''), /^blue\.png: .*, and could be read when/],
  ] as const)('a file that %s is named, and ends the training', async (_, change, message) => {
    const path = await pairs();
    const batches = await seenOnce(await openDataset(path));
    await change(join(path, 'blue.png'));
    const error = await failure(drawOn(batches));
    expect(error.message).toMatch(message);
  });

  it('an archive that goes or shrinks is named', async () => {
    for (const change of [(path: string) => rm(path), (path: string) => truncate(path, 2000)]) {
      const entries = await Promise.all(
        colours.map(async colour => [
          { name: `${colour}.png`, content: await plain(colour) },
          { name: `${colour}.txt`, content: colour },
        ]),
      );
      const path = await folder({ 'some.tar': await tar(entries.flat()) });
      const batches = await seenOnce(await openDataset(path));
      await change(join(path, 'some.tar'));
      expect((await failure(drawOn(batches))).message).toMatch(
        /^some\.tar\/\w+\.png: some\.tar (is not there any more|has changed since it was opened), and/,
      );
    }
  });
});

describe('decodeAll', () => {
  it('ends at an item that has gone since its header was checked', async () => {
    const path = await pairs();
    const dataset = await openDataset(path);
    await rm(join(path, 'green.png'));
    expect((await failure(decodeAll(dataset, { size: 8, checked: true }))).message).toMatch(
      /^green\.png: cannot be read/,
    );
    const { items, problems } = await decodeAll(dataset, { size: 8 });
    expect(items.map(({ id }) => id)).toEqual(['black.png', 'blue.png', 'red.png']);
    expect(problems).toEqual([{ id: 'green.png', what: 'cannot be read (no such file or directory)' }]);
  });

  it.each(['EMFILE', 'ENFILE', 'EIO', 'ENOMEM'])('takes %s for no fault of an item', async code => {
    const refused = Object.assign(new Error(`${code}: injected, open 'x.png'`), {
      code,
      syscall: 'open',
      path: 'x.png',
    });
    const item: Item = { id: 'x.png', captions: ['x'], read: () => Promise.reject(refused) };
    const error = await decodeAll([item], { size: 8 }).catch((thrown: unknown) => thrown);
    expect(error).toBe(refused);
    expect(error).not.toBeInstanceOf(UserError);
  });
});
