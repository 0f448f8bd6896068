/** @file Each dataset format from files made here, recognised by itself, and everything that may be wrong with them. */

import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { splitOf } from '../../data/dataset.ts';
import { defineFormat, removeFormat } from '../../data/formats/formats.ts';
import { contactSheet, formatInspection, inspectDataset } from '../../data/inspect.ts';
import { openDataset } from '../../data/open.ts';
import { decodePicture } from '../../src/image/decode.ts';
import { failure, folder, plain, said } from './files.ts';

describe('images with text files', () => {
  test('pairs by relative path, one caption a line, blank lines and byte order marks dropped', async () => {
    const [red, blue] = [await plain('red'), await plain('blue')];
    const root = await folder({
      'cats/1.png': red,
      'cats/1.txt': '\ufeffa cat\r\n\r\n  a   small cat \r\n',
      'dogs/1.png': blue,
      'dogs/1.txt': 'a dog\n',
      'dogs/v1.2.png': blue,
      'dogs/v1.2.txt': 'version with a dot',
      'README.txt': 'not a caption',
    });
    expect(await said(root)).toEqual({
      format: 'images',
      captions: {
        'cats/1.png': ['a cat', 'a small cat'],
        'dogs/1.png': ['a dog'],
        'dogs/v1.2.png': ['version with a dot'],
      },
      problems: {},
    });
    const { items } = await openDataset(root);
    expect(Buffer.from(await items[0].read())).toEqual(red);
  });

  test('lists what it skips and why', async () => {
    const png = await plain('red');
    const root = await folder({
      'good.png': png,
      'good.txt': 'good',
      'zero.png': '',
      'zero.txt': 'nothing',
      'text.jpg': 'this is no image',
      'text.txt': 'corrupt',
      'empty.png': png,
      'empty.txt': ' \n\n',
      'alone.png': png,
      'latin1.png': png,
      'latin1.txt': Buffer.from([0xe9, 0x74, 0xe9]),
      'orphan.txt': 'no picture',
    });
    const { captions, problems } = await said(root);
    expect(captions).toEqual({ 'good.png': ['good'] });
    expect(problems).toEqual({
      'zero.png': 'empty file (0 bytes)',
      'text.jpg': 'not a picture (text)',
      'empty.png': 'no caption: empty.txt is an empty caption',
      'alone.png': 'no caption (looked for alone.txt)',
      'latin1.png': expect.stringMatching(/^no caption: latin1\.txt is not UTF-8 or UTF-16 text \(.*iconv/),
      'orphan.txt': 'a caption without its image',
    });
    const error = await failure(openDataset(root, { strict: true }));
    expect(error.message).toContain('alone.png: no caption (looked for alone.txt) (and 5 more)');
  });

  test('a folder without captioned images, an unknown format and a missing path are one clear line each', async () => {
    const root = await folder({ 'a.png': await plain('red'), 'notes.md': 'x' });
    const none = await failure(openDataset(root));
    expect(none.message).toContain('no captioned image (1 skipped, the first: a.png: no caption');
    for (const word of ['metadata.jsonl', '.tar', 'COCO', 'Parquet', 'one caption a line'])
      expect(none.hint).toContain(word);
    expect((await failure(openDataset(join(root, 'nowhere')))).message).toContain('no such folder or file');
    expect((await failure(openDataset(await folder()))).message).toContain('no captioned image in 0 files');
    expect((await failure(openDataset(root, { format: 'zip' }))).message).toBe(
      'format: expected auto, metadata, parquet, webdataset, coco, images, got zip',
    );
  });
});

test('a format that breaks its contract loses the item at fault, not its namesake', async () => {
  const [good, bad] = [await plain('red'), Buffer.from('none')];
  const item = (id: string, captions: readonly string[], bytes: Uint8Array) => ({
    ...{ id, captions },
    read: async () => bytes,
  });
  const items = [
    item('twice', ['the first'], good),
    item('twice', ['the second'], good),
    item('corrupt', ['its image'], bad),
    item('mute', [], good),
    item('empty', ['a word', ' '], good),
  ];
  defineFormat({ name: 'careless', layout: 'x', recognise: () => true, read: async () => ({ items, problems: [] }) });
  try {
    const dataset = await openDataset(await folder({ x: 'x' }), { format: 'careless' });
    expect(dataset.items.map(({ captions }) => captions)).toEqual([['the first']]);
    expect(dataset.problems).toEqual([
      { id: 'corrupt', what: 'not a picture (text)' },
      { id: 'empty', what: 'caption 2 of 2 is empty' },
      { id: 'mute', what: 'no caption' },
      { id: 'twice', what: 'another item has this id' },
    ]);
    // The corrupt one of two namesakes is left out alone.
    items.splice(0, items.length, item('a', ['whole'], good), item('b', ['its image'], bad));
    expect((await openDataset(await folder({ x: 'x' }), { format: 'careless' })).items).toHaveLength(1);
  } finally {
    removeFormat('careless');
  }
});

describe('the split', () => {
  test('depends on the id alone, keeps groups together and honours an explicit side', () => {
    const ids = Array.from({ length: 4000 }, (_, i) => `images/${i}.png`);
    const held = ids.filter(id => splitOf(id, 0.1) === 'validation');
    // Four standard deviations of a binomial.
    expect(Math.abs(held.length - 400)).toBeLessThan(4 * Math.sqrt(4000 * 0.1 * 0.9));
    // A larger fraction only adds.
    expect(held.every(id => splitOf(id, 0.2) === 'validation')).toBe(true);
    expect(new Set(ids.map(id => splitOf({ id, group: 'same' }, 0.5))).size).toBe(1);
    expect(splitOf({ id: held[0], split: 'train' }, 0.1)).toBe('train');
    expect(splitOf(ids[0], 0)).toBe('train');
    expect(splitOf(ids[0], 1)).toBe('validation');
  });
});

test('inspection counts sizes, words, duplicates and problems, and the contact sheet has its size', async () => {
  const [red, blue] = [await plain('red', 12, 10), await plain('blue', 40, 30, 'jpeg')];
  const root = await folder({
    'a.png': red,
    'a.txt': 'a red one',
    'b.png': red,
    'b.txt': 'a red one\nanother red <one> & more',
    'c.jpg': blue,
    'c.txt': 'blue',
    'd.png': 'x',
    'd.txt': 'bad',
  });
  const dataset = await openDataset(root);
  const found = await inspectDataset(dataset);
  expect(found).toMatchObject({
    images: 3,
    encodings: { png: 2, jpeg: 1 },
    captions: 4,
    width: { min: 12, median: 12, max: 40 },
    words: { min: 1, max: 5 },
  });
  expect(found.duplicateImages).toEqual([['a.png', 'b.png']]);
  expect(found.duplicateCaptions).toEqual([{ caption: 'a red one', images: 2 }]);
  expect(found.problems.map(({ id }) => id)).toEqual(['d.png']);
  expect(found.train + found.validation).toBe(3);
  const text = formatInspection(found).join('\n');
  for (const part of ['3 (2 png, 1 jpeg)', 'a.png = b.png', '"a red one" on 2', 'd.png: not a picture (text)'])
    expect(text).toContain(part);
  const bad = { id: 'e.png', captions: ['bad'], read: async () => Buffer.from('x') };
  const png = await contactSheet([...dataset.items, bad], { columns: 2, rows: 2, cell: 64 });
  const { data, width } = await decodePicture(png, 'sheet');
  expect(width).toBe(28 + 64 + 14 + 64 + 28);
  // Each picture whole, and grey for the one that is none; letters are darker, the ground is white.
  const like = (r: number, g: number, b: number) =>
    Array.from({ length: data.length / 3 }, (_, i) => data.subarray(3 * i, 3 * i + 3)).filter(
      pixel => Math.max(Math.abs(pixel[0] - r), Math.abs(pixel[1] - g), Math.abs(pixel[2] - b)) <= 2,
    ).length;
  expect([like(255, 0, 0), like(0, 0, 255)]).toEqual([2 * 64 ** 2, 64 ** 2]);
  expect(like(232, 232, 232)).toBeGreaterThanOrEqual(64 ** 2); // the edges of letters are grey too
  expect(like(232, 232, 232)).toBeLessThan(64 ** 2 + 200);
});

test('inspection finds images whose header is whole and whose body is cut', async () => {
  const noisy = async (format: 'png' | 'jpeg', width: number): Promise<Buffer> =>
    await sharp({
      create: { width, height: 900, channels: 3, background: 'red', noise: { type: 'gaussian', mean: 128, sigma: 40 } },
    })
      .toFormat(format, { compressionLevel: 0 })
      .toBuffer();
  const files: Record<string, string | Uint8Array> = {};
  const cut: string[] = [];
  for (const format of ['png', 'jpeg'] as const) {
    for (const width of [60, 1300]) {
      const bytes = await noisy(format, width);
      const name = `${width}.${format}`;
      Object.assign(files, { [name]: bytes, [`${name}.txt`]: 'whole', [`cut/${name}.txt`]: 'cut' });
      files[`cut/${name}`] = bytes.subarray(0, Math.floor(0.9 * bytes.length));
      cut.push(`cut/${name}`);
    }
  }
  const progress: number[] = [];
  const dataset = await openDataset(await folder(files));
  expect(dataset.problems).toEqual([]);
  const found = await inspectDataset(dataset, { onProgress: done => progress.push(done) });
  expect(found.problems.map(({ id }) => id)).toEqual(cut.toSorted());
  // Each with its own reason, although they are decoded at the same time.
  for (const { id, what } of found.problems)
    expect(what).toBe(`corrupt image (its ${id.endsWith('png') ? 'PNG' : 'JPEG'} data breaks off)`);
  expect(found).toMatchObject({ images: 4, captions: 4, encodings: { png: 2, jpeg: 2 } });
  expect(progress).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});
