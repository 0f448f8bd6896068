/** @file Parquet: which picture comes with which captions, whatever its columns are, and what is said of the rest. */

import { rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { RowGroups } from '../../data/formats/parquet/groups.ts';
import { inspectDataset } from '../../data/inspect.ts';
import { openDataset } from '../../data/open.ts';
import { failure, folder, plain, seen, tar } from './files.ts';

type Write = Parameters<typeof parquetWriteBuffer>[0];
type Schema = NonNullable<Write['schema']>;

function table(columnData: Write['columnData'], more: Partial<Write> = {}): Uint8Array {
  return new Uint8Array(parquetWriteBuffer({ columnData, ...more }));
}

/** A column of texts. */
const texts = (name: string, data: readonly (string | null)[]) => ({ name, data: [...data], type: 'STRING' as const });
/** A column of bytes. */
const pictures = (name: string, data: readonly (Uint8Array | null)[]) => ({
  ...{ name, type: 'BYTE_ARRAY' as const },
  data: data.map(each => each && new Uint8Array(each)),
});

const leaf = (name: string, converted_type?: 'UTF8') => ({
  ...{ name, type: 'BYTE_ARRAY' as const, repetition_type: 'OPTIONAL' as const, converted_type },
});
/** Hugging Face's columns: `{bytes, path}` of each name, and texts. */
function huggingFace(structs: readonly string[], plainTexts: readonly string[]): Schema {
  return [
    { name: 'schema', num_children: structs.length + plainTexts.length },
    ...structs.flatMap(name => [
      { name, num_children: 2, repetition_type: 'OPTIONAL' as const },
      leaf('bytes'),
      leaf('path', 'UTF8'),
    ]),
    ...plainTexts.map(name => leaf(name, 'UTF8')),
  ];
}

/** A table in Hugging Face's layout with pictures in `image`. */
function structs(
  data: readonly { bytes: Uint8Array | null; path: string | null }[],
  text: readonly string[],
): Uint8Array {
  const image = data.map(({ bytes, path }) => ({ bytes: bytes && new Uint8Array(bytes), path }));
  return table(
    [
      { name: 'image', data: image },
      { name: 'text', data: [...text] },
    ],
    {
      schema: huggingFace(['image'], ['text']),
    },
  );
}

const red = await plain('red');
const blue = await plain('blue');
const lime = await plain('lime');
const rgb = [red, lime, blue];

describe('pictures inside', () => {
  test('are read from every row group, in any order', async () => {
    const more = [...rgb, await plain('white'), await plain('black')];
    const buffer = table([pictures('image', more), texts('text', ['red', 'green', '', 'white', 'black'])], {
      rowGroupSize: 2,
    });
    const root = await folder({ 'data/train-0.parquet': buffer });
    expect(await seen(root)).toEqual({
      format: 'parquet',
      items: {
        'data/train-0.parquet/0': ['red', 'red'],
        'data/train-0.parquet/1': ['lime', 'green'],
        'data/train-0.parquet/3': ['white', 'white'],
        'data/train-0.parquet/4': ['black', 'black'],
      },
      problems: { 'data/train-0.parquet/2': 'empty caption (field text)' },
      unused: {},
      notices: [],
    });
    const { items } = await openDataset(join(root, 'data/train-0.parquet'));
    expect(Buffer.from(await items[3].read())).toEqual(more[4]);
    expect(Buffer.from(await items[0].read())).toEqual(more[0]);
  });

  test('come with lists of captions, in the layout of Hugging Face', async () => {
    const schema: Schema = [
      ...huggingFace(['image'], []).map((each, i) => (i === 0 ? { ...each, num_children: 2 } : each)),
      { name: 'captions', num_children: 1, repetition_type: 'OPTIONAL', converted_type: 'LIST' },
      { name: 'list', num_children: 1, repetition_type: 'REPEATED' },
      leaf('element', 'UTF8'),
    ];
    const image = [
      { bytes: new Uint8Array(red), path: 'a.png' },
      { bytes: new Uint8Array(blue), path: null },
      { bytes: null, path: null },
    ];
    const captions = [['one', 'two'], ['three'], ['four']];
    const root = await folder({
      'x.parquet': table(
        [
          { name: 'image', data: image },
          { name: 'captions', data: captions },
        ],
        { schema },
      ),
    });
    expect(await seen(join(root, 'x.parquet'))).toMatchObject({
      items: { 'x.parquet/0': ['red', 'one', 'two'], 'x.parquet/1': ['blue', 'three'] },
      problems: { 'x.parquet/2': 'no picture in column image' },
    });
  });

  test('may be compressed in the usual ways; another way costs the rows and is named', async () => {
    const columns = [pictures('image', rgb), texts('text', ['red', 'green', 'blue'])];
    const compressors = { GZIP: gzipSync, BROTLI: brotliCompressSync, LZO: (bytes: Uint8Array) => bytes };
    const made = (codec: 'UNCOMPRESSED' | 'SNAPPY' | 'GZIP' | 'BROTLI' | 'LZO') =>
      table(columns, { codec, compressors });
    for (const codec of ['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'BROTLI'] as const) {
      expect((await seen(await folder({ 'x.parquet': made(codec) }), { strict: true })).items).toEqual({
        'x.parquet/0': ['red', 'red'],
        'x.parquet/1': ['lime', 'green'],
        'x.parquet/2': ['blue', 'blue'],
      });
    }
    const root = await folder({ 'a.parquet': made('LZO'), 'b.parquet': made('GZIP') });
    const { items, problems } = await seen(root);
    expect(Object.keys(items)).toEqual(['b.parquet/0', 'b.parquet/1', 'b.parquet/2']);
    expect(problems).toEqual({
      'a.parquet: rows 0 to 2': 'cannot be decoded (compressed with LZO, which is not read)',
    });
  });

  test('written as text are read: base64 and data addresses, as text or as bytes', async () => {
    const base64 = red.toString('base64');
    const root = await folder({
      'a.parquet': table([
        texts('image', [
          base64,
          `data:image/png;base64,${lime.toString('base64')}`,
          'https://x.invalid/a.png',
          '?'.repeat(99),
        ]),
        texts('text', ['red', 'green', 'address', 'odd']),
      ]),
      'b.parquet': table([
        pictures('image', [blue, Buffer.from(blue.toString('base64'))]),
        texts('text', ['blue', 'blue too']),
      ]),
    });
    const { items, problems } = await seen(root);
    expect(items).toEqual({
      'a.parquet/0': ['red', 'red'],
      'a.parquet/1': ['lime', 'green'],
      'b.parquet/0': ['blue', 'blue'],
      'b.parquet/1': ['blue', 'blue too'],
    });
    expect(problems).toEqual({
      'a.parquet/2': 'an address and no picture (https://x.invalid/a.png)',
      'a.parquet/3': expect.stringMatching(/^text that is neither a path nor base64 in column image/),
    });
  });

  test('a file that changes or vanishes after it was opened gives no bytes, rather than others', async () => {
    const root = await folder({ 'x.parquet': table([pictures('image', rgb), texts('text', ['a', 'b', 'c'])]) });
    const { items } = await openDataset(root, { check: false });
    await utimes(join(root, 'x.parquet'), 1, 1);
    const found = await inspectDataset(await openDataset(root));
    expect(found.images).toBe(3);
    await expect(items[0].read()).rejects.toThrow('x.parquet has changed since it was opened');
    await rm(join(root, 'x.parquet'));
    await expect(items[1].read()).rejects.toThrow('x.parquet is not there any more');
  });
});

describe('pictures beside', () => {
  const files = { 'red.png': red, 'sub/blue.png': blue, 'cafe\u0301.png': lime, 'other.png': red };

  test('are found by the paths of a table, by structure, text or file_name, and others are named as not used', async () => {
    const paths = ['red.png', 'sub/blue.png', 'caf\u00e9.png', '../../etc/passwd', 'gone.png'];
    const text = ['red', 'blue', 'green', 'climbs', 'gone'];
    const right = {
      'red.png': ['red', 'red'],
      'sub/blue.png': ['blue', 'blue'],
      'cafe\u0301.png': ['lime', 'green'],
    };
    const tables = {
      'data.parquet': structs(
        paths.map(path => ({ bytes: null, path })),
        text,
      ),
      'train.parquet': table([texts('image', paths), texts('text', text)]),
      'metadata.parquet': table([texts('file_name', paths), texts('text', text)]),
    };
    for (const [name, bytes] of Object.entries(tables)) {
      const root = await folder({ ...files, [name]: bytes });
      const { format, items, problems } = await seen(root);
      expect([format, items]).toEqual(['parquet', right]);
      expect(problems).toEqual({
        [`${name}/3`]: 'holds only a path, ../../etc/passwd, and no such file is there',
        [`${name}/4`]: 'holds only a path, gone.png, and no such file is there',
        'other.png': 'not used: the data are read as parquet',
      });
      expect((await seen(join(root, name))).items).toEqual(right);
    }
  });

  test('may be captioned by several rows, be named absolutely, or lie in the folder of the table', async () => {
    const root = await folder(files);
    const paths = ['blue.png', join(root, 'red.png'), 'blue.png'];
    const bytes = table([texts('file_name', paths), texts('text', ['one', 'red', 'two'])]);
    const { writeFile } = await import('node:fs/promises');
    await writeFile(join(root, 'sub/metadata.parquet'), bytes);
    expect((await seen(root)).items).toEqual({ 'sub/blue.png': ['blue', 'one', 'two'], 'red.png': ['red', 'red'] });
  });

  test('and pictures inside may stand in one column', async () => {
    const rows = [
      { bytes: red, path: null },
      { bytes: null, path: 'sub/blue.png' },
      { bytes: null, path: 'none.png' },
    ];
    const root = await folder({ ...files, 'x.parquet': structs(rows, ['red', 'blue', 'gone']) });
    const { items, problems } = await seen(root);
    expect(items).toEqual({ 'x.parquet/0': ['red', 'red'], 'sub/blue.png': ['blue', 'blue'] });
    expect(problems['x.parquet/2']).toBe('holds only a path, none.png, and no such file is there');
  });

  test('a table whose paths lead nowhere does not stand before images with text files', async () => {
    const stray = table([texts('path', ['/elsewhere/1.png']), texts('caption', ['one'])]);
    const root = await folder({ 'a.png': red, 'a.txt': 'red', 'scores.parquet': stray });
    const { format, items, problems } = await seen(root);
    expect([format, items]).toEqual(['images', { 'a.png': ['red', 'red'] }]);
    expect(problems).toEqual({ 'scores.parquet': 'not used: the data are read as images' });
  });
});

describe('captions', () => {
  const with3 = (...columns: Write['columnData']) => table([pictures('image', rgb), ...columns]);

  test('come from the first column that has some, in a fixed order, and are never merged', async () => {
    const root = await folder({
      'a.parquet': with3(
        texts('prompt', ['p', 'p', 'q']),
        texts('caption', ['of caption', 'of caption', '']),
        texts('TEXT', ['of text', null, ' ']),
      ),
    });
    expect((await seen(root)).items).toEqual({
      'a.parquet/0': ['red', 'of text'],
      'a.parquet/1': ['lime', 'of caption'],
      'a.parquet/2': ['blue', 'q'],
    });
  });

  test('an instruction that all rows share is none; numbers, classes, nulls and other encodings are named as such', async () => {
    const bytes = (data: readonly string[]) =>
      pictures(
        'text',
        data.map(text => Buffer.from(text, 'latin1')),
      );
    const root = await folder({
      'a.parquet': with3(texts('prompt', ['Describe it.', 'Describe it.', 'Describe it.'])),
      'b.parquet': with3({ name: 'text', data: [0, 1, 2], type: 'INT32' }),
      'c.parquet': with3({ name: 'label', data: [0, 1, 2], type: 'INT32' }),
      'd.parquet': with3(texts('text', ['red', null, ''])),
      'f.parquet': table([pictures('image', []), texts('text', [])]),
      'e.parquet': with3(bytes(['red', 'caf\u00e9', 'blue'])),
    });
    const { items, problems } = await seen(root);
    expect(items).toEqual({
      'd.parquet/0': ['red', 'red'],
      'e.parquet/0': ['red', 'red'],
      'e.parquet/2': ['blue', 'blue'],
    });
    const shared = 'no caption: the field prompt says the same of every image';
    expect(problems).toEqual({
      ...{ 'a.parquet/0': shared, 'a.parquet/1': shared, 'a.parquet/2': shared },
      'b.parquet': 'has no captions: its column text holds numbers, not text',
      'c.parquet': 'has no text or caption column (columns: image, label; label holds numbers of classes)',
      ...{ 'd.parquet/1': 'empty caption (field text)', 'd.parquet/2': 'empty caption (field text)' },
      'f.parquet': 'has no rows',
      'e.parquet/1': expect.stringMatching(/^its column text is not UTF-8 or UTF-16 text/),
    });
  });
});

describe('columns', () => {
  test('of several with pictures the first by name is used and the others are named', async () => {
    const image = rgb.map(bytes => ({ bytes: new Uint8Array(bytes), path: null }));
    const black = { bytes: new Uint8Array(await plain('black')), path: null };
    const two = (a: string, b: string, more: Partial<Write> = {}) =>
      table(
        [
          { name: a, data: [black, black, black] },
          { name: b, data: image },
          { name: 'text', data: ['red', 'green', 'blue'] },
        ],
        { schema: huggingFace([a, b], ['text']), ...more },
      );
    const right = { 'x.parquet/0': ['red', 'red'], 'x.parquet/1': ['lime', 'green'], 'x.parquet/2': ['blue', 'blue'] };
    const known = await seen(await folder({ 'x.parquet': two('depth', 'image') }));
    expect([known.items, Object.keys(known.unused)]).toEqual([right, ['column depth']]);
    // Sounds are stored like pictures.
    expect((await seen(await folder({ 'x.parquet': two('audio', 'photo') }))).items).toEqual(right);
    const features = { sound: { _type: 'Audio' }, photo: { _type: 'Image' }, text: { _type: 'Value' } };
    const kvMetadata = [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }];
    expect((await seen(await folder({ 'x.parquet': two('sound', 'photo', { kvMetadata }) }))).items).toEqual(right);
    expect((await failure(openDataset(await folder({ 'x.parquet': two('before', 'after') })))).message).toContain(
      'x.parquet: has several columns of pictures (before, after); call the one to be used image',
    );
  });

  test('may be flattened structures, and a published split is kept', async () => {
    const root = await folder({
      'x.parquet': table([
        pictures('image.bytes', rgb),
        texts('image.path', ['a.png', 'b.png', 'c.png']),
        texts('text', ['red', 'green', 'blue']),
        texts('split', ['train', 'validation', 'test']),
      ]),
    });
    const { items } = await openDataset(root);
    expect(items.map(({ captions, split }) => [captions[0], split])).toEqual([
      ['red', 'train'],
      ['green', 'validation'],
      ['blue', 'test'],
    ]);
  });

  test('a table without pictures is not used beside one that has some, and alone says why', async () => {
    const scores = table([
      { name: 'id', data: [1, 2], type: 'INT32' },
      { name: 'v', data: [0.5, 1], type: 'DOUBLE' },
    ]);
    const addresses = table([texts('URL', ['https://x.invalid/a.png']), texts('TEXT', ['a'])]);
    const good = table([pictures('image', [red]), texts('text', ['red'])]);
    const root = await folder({ 'a.parquet': good, 'b.parquet': scores, 'c.parquet': addresses });
    expect(await seen(root, { strict: true })).toMatchObject({
      items: { 'a.parquet/0': ['red', 'red'] },
      unused: {
        'b.parquet': 'has no column with pictures or their paths (columns: id, v)',
        'c.parquet': expect.stringMatching(/^holds addresses of pictures \(column URL\)/),
      },
    });
    const odd = table([{ name: 'image', data: [1, 2], type: 'INT32' }, texts('text', ['a', 'b'])]);
    expect((await failure(openDataset(await folder({ 'd.parquet': odd })))).message).toContain(
      'd.parquet: has no pictures: its column image holds neither their bytes nor paths',
    );
    expect((await failure(openDataset(await folder({ 'c.parquet': addresses })))).message).toContain(
      'download them first',
    );
    expect((await failure(openDataset(await folder({ 'b.parquet': scores })))).message).toContain('(columns: id, v)');
  });

  test("img2dataset's tables: its report beside shards is not taken for data, rows that failed are counted", async () => {
    const report = table([
      texts('url', ['u']),
      texts('caption', ['red']),
      texts('key', ['0']),
      texts('status', ['success']),
    ]);
    const shards = await folder({
      '00000.tar': await tar({ '000000000.png': red, '000000000.txt': 'red' }),
      '00000.parquet': report,
      '00000_stats.json': '{}',
    });
    expect(await seen(shards, { strict: true })).toMatchObject({
      format: 'webdataset',
      items: { '00000.tar/000000000.png': ['red', 'red'] },
      unused: {},
    });
    const inside = table([
      pictures('jpg', [red, null, blue]),
      texts('caption', ['red', 'gone', 'blue']),
      texts('status', ['success', 'failed_to_download', 'success']),
      texts('error_message', [null, '404', null]),
    ]);
    expect(
      await seen(await folder({ '00000.parquet': inside, '00000_stats.json': '{}' }), { strict: true }),
    ).toMatchObject({
      items: { '00000.parquet/0': ['red', 'red'], '00000.parquet/2': ['blue', 'blue'] },
      unused: { '00000.parquet': 'a row that was not downloaded' },
    });
    const files = { '00000/0.png': red, '00000/0.txt': 'red', '00000.parquet': report, '00000_stats.json': '{}' };
    expect(await seen(await folder(files), { strict: true })).toMatchObject({
      format: 'images',
      items: { '00000/0.png': ['red', 'red'] },
      unused: { '00000.parquet': 'what img2dataset tells of its download' },
    });
  });
});

test('row groups are read two at a time and each once, also where one cannot be read', async () => {
  const groups = new RowGroups();
  let [reading, most, loads] = [0, 0, 0];
  const get = (group: number): Promise<string | number> =>
    groups
      .get(`g${group}`, async () => {
        loads++;
        most = Math.max(most, ++reading);
        await new Promise(resolve => setTimeout(resolve, 1));
        reading--;
        if (group === 3) throw new Error('broken');
        return [new Uint8Array([group])];
      })
      .then(
        rows => rows[0]?.[0] ?? -1,
        () => -2,
      );
  const found = await Promise.all(Array.from({ length: 40 }, (_, i) => get(i % 10)));
  expect(found).toEqual(Array.from({ length: 40 }, (_, i) => (i % 10 === 3 ? -2 : i % 10)));
  expect([most, loads]).toEqual([2, 10]);
  expect([await get(7), await get(3), loads]).toEqual([7, -2, 11]); // what failed is tried again
});
