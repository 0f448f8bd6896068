/** @file Indexes in JSON: lines, lists and maps, told apart by what they hold, and the paths that they name pictures by. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { openDataset } from '../../data/open.ts';
import { failure, folder, plain, said, seen, tar } from './files.ts';

const NAMES = ['red', 'lime', 'blue'];

/** Pictures `red.png`, `lime.png`, `blue.png` and other files. */
async function pictures(files: Readonly<Record<string, string | Uint8Array>>, prefix = '', ending = 'png') {
  const all: Record<string, string | Uint8Array> = { ...files };
  for (const name of NAMES) all[`${prefix}${name}.${ending}`] = await plain(name);
  return await folder(all);
}

const list = NAMES.map(name => ({ file_name: `${name}.png`, text: `a ${name} one` }));
const lines = (values: readonly unknown[]) => values.map(value => JSON.stringify(value)).join('\n');
const right = Object.fromEntries(NAMES.map(name => [`${name}.png`, [name, `a ${name} one`]]));

describe('the same index in other clothes', () => {
  const layouts: Record<string, readonly [name: string, content: string | Uint8Array]> = {
    lines: ['metadata.jsonl', lines(list)],
    'lines with a mark, CRLF and blank lines': [
      'metadata.jsonl',
      `\ufeff${lines(list).replaceAll('\n', '\r\n\r\n')}\r\n`,
    ],
    'lines in UTF-16': ['metadata.jsonl', Buffer.from(`\ufeff${lines(list)}`, 'utf16le')],
    'lines in a .json': ['metadata.json', lines(list)],
    'a list': ['metadata.json', JSON.stringify(list)],
    'a list in a .jsonl': ['metadata.jsonl', JSON.stringify(list, null, 1)],
    'a list in one line of a .jsonl': ['metadata.jsonl', JSON.stringify(list)],
    'captions by path': [
      'captions.json',
      JSON.stringify(Object.fromEntries(list.map(row => [row.file_name, row.text]))),
    ],
    'lists of captions by path': [
      'captions.json',
      JSON.stringify(Object.fromEntries(list.map(row => [row.file_name, [row.text, ' ']])), null, 2),
    ],
    'objects by path without ending': [
      'captions.json',
      JSON.stringify(
        Object.fromEntries(NAMES.map(name => [name, { caption: `a ${name} one`, train_resolution: [1, 2] }])),
      ),
    ],
    'rows by number': ['metadata.json', JSON.stringify(Object.fromEntries(list.map((row, i) => [i, row])))],
    'images as Hugging Face writes them': [
      'metadata.jsonl',
      lines(list.map(row => ({ image: { path: row.file_name, bytes: null }, text: row.text }))),
    ],
    'a list in an object': ['metadata.json', JSON.stringify({ version: 1, data: list })],
    'objects with raw texts': [
      'captions.jsonl',
      lines(NAMES.map(name => ({ filename: `${name}.png`, sentences: [{ tokens: ['a'], raw: `a ${name} one` }] }))),
    ],
    'names of any case': [
      'metadata.jsonl',
      lines(list.map(row => ({ 'File Name': row.file_name, ' Text': row.text }))),
    ],
  };
  test.each(Object.entries(layouts))('%s', async (_, [name, content]) => {
    const root = await pictures({ [name]: content });
    const whole = { format: 'metadata', items: right, problems: {}, unused: {}, notices: [] };
    expect(await seen(root)).toEqual(whole);
    expect(await seen(join(root, name))).toEqual(whole);
  });
});

test('rows of one index are several captions of a picture; lists, groups and splits, also in sub-folders', async () => {
  const png = await plain('red');
  const root = await folder({
    'a.png': png,
    'b.png': png,
    'sub/a.png': png,
    'metadata.jsonl': [
      '{"file_name": "a.png", "text": ["one", "two", ""], "group": "g"}',
      '{"file_name": "a.png", "caption": "three"}',
      '{"file_name": "b.png", "text": "", "split": "validation"}',
      '{"file_name": "gone.png", "text": "x"}',
      '{"file_name": "gone.png", "text": "y"}',
      'not json',
      '{"text": "no name"}',
    ].join('\n'),
    'sub/metadata.jsonl': '{"file_name": "a.png", "text": "below", "split": "validation", "group": 7}\n',
  });
  const { format, items, problems } = await openDataset(root);
  expect(format).toBe('metadata');
  expect(items.map(({ id, captions, split, group }) => [id, captions, split, group])).toEqual([
    ['a.png', ['one', 'two', 'three'], undefined, 'g'],
    ['sub/a.png', ['below'], 'validation', '7'],
  ]);
  expect(problems).toEqual([
    { id: 'metadata.jsonl:6', what: expect.stringContaining('not a JSON object') },
    { id: 'metadata.jsonl:7', what: 'no file_name field (fields: text)' },
    { id: 'b.png', what: 'metadata.jsonl:3: empty caption (field text)' },
    { id: 'gone.png', what: 'missing file (named in metadata.jsonl:4 and 1 more)' },
  ]);
});

test('rows that contradict one another about a split or a group are named', async () => {
  const root = await pictures({
    'metadata.jsonl': lines([
      { file_name: 'red.png', text: 'one', split: 'train' },
      { file_name: 'red.png', text: 'two', split: 'test' },
      { file_name: 'blue.png', text: 'one', group: 'a' },
      { file_name: 'blue.png', text: 'two', group: 'b' },
      { file_name: 'lime.png', text: 'one', split: 'train' },
      { file_name: 'lime.png', text: 'two' },
    ]),
  });
  const { items, problems } = await openDataset(root);
  expect(items.map(({ id, captions, split }) => [id, captions, split])).toEqual([
    ['lime.png', ['one', 'two'], 'train'],
  ]);
  expect(problems).toEqual([
    { id: 'blue.png', what: 'its rows name several groups: a, b (metadata.jsonl)' },
    { id: 'red.png', what: 'its rows name several splits: train, test (metadata.jsonl)' },
  ]);
});

describe('what is no caption is named for what it is', () => {
  const what = async (row: Readonly<Record<string, unknown>> | string) => {
    const line = typeof row === 'string' ? row : JSON.stringify({ file_name: 'red.png', ...row });
    const root = await pictures({ 'metadata.jsonl': `${line}\n${lines(list.slice(1))}` });
    const { captions, problems } = await said(root);
    expect(captions).toEqual({ 'lime.png': ['a lime one'], 'blue.png': ['a blue one'] });
    return problems['metadata.jsonl:1'] ?? problems['red.png'].replace('metadata.jsonl:1: ', '');
  };
  test.each<[Readonly<Record<string, unknown>> | string, string]>([
    [{ text: 5 }, 'the field text is no text: a number (5)'],
    [{ text: null }, 'empty caption (field text)'],
    [{ text: ' \u200b' }, 'empty caption (field text)'],
    [{ text: 'nan' }, 'the field text says nan, which programs write where there is no text'],
    [{ caption: { en: 'red', de: 'rot' } }, 'the field caption is no text: an object with en, de'],
    [{ captions: ['red', 5] }, 'the field captions is a list with a number (5), not of texts'],
    [{ captions: [['red']] }, 'the field captions is a list with a list of 1, not of texts'],
    [{ text: "['red', 'rot']" }, 'the field text is a list that is not written as JSON (["a dog", "a brown dog"])'],
    [{ width: 12 }, 'no text or caption field (fields: file_name, width)'],
    [
      {
        conversations: [
          { from: 'human', value: '?' },
          { from: 'gpt', value: 'red' },
        ],
      },
      'no caption: the field conversations is a conversation; write the answer that describes it in a field text',
    ],
    [{ text: 'red', Text: 'rot' }, 'two fields are named text'],
    [{ file_name: ['red.png'], text: 'red' }, 'the field file_name is no path: a list of 1'],
    ['{"input": "red.png", "output": "blue.png", "text": "red"}', 'no file_name field (fields: input, output, text)'],
    ['{"file_name": "red.png", "text": "red", "text": "rot"}', 'two fields are named text'],
    ['{"file_name": "red.png", "text": NaN}', expect.stringMatching(/^not a JSON object \(.*NaN/)],
    ['["red.png", "red"]', 'not an object with file_name and text, but a list of 2'],
    ['"red.png"', 'not an object with file_name and text, but text ("red.png")'],
  ])('%j', async (row, reason) => expect(await what(row)).toEqual(reason));
});

describe('one field gives the captions of a row', () => {
  test('the first that is not empty, and an instruction is none', async () => {
    const prompt = 'Describe this image in detail.';
    const root = await pictures({
      'metadata.jsonl': lines([
        { file_name: 'red.png', text: 'by text', caption: 'by caption', prompt },
        { file_name: 'lime.png', caption: 'by caption', text: '', prompt },
        { file_name: 'blue.png', prompt },
      ]),
    });
    expect(await said(root)).toEqual({
      format: 'metadata',
      captions: { 'red.png': ['by text'], 'lime.png': ['by caption'] },
      problems: { 'blue.png': 'metadata.jsonl:3: no caption: the field prompt says the same of every image' },
    });
  });

  test('whatever the field is called that says the same in every row, if another describes the pictures', async () => {
    const text = 'What is in this picture?';
    const root = await pictures({
      'metadata.jsonl': lines([...list.map(({ file_name, text: caption }) => ({ file_name, text, caption }))]),
    });
    const { items, notices } = await seen(root);
    expect(items).toEqual(right);
    expect(notices).toEqual([
      'metadata.jsonl: the field text says the same of every image and is taken for an instruction; captions are those of caption',
    ]);
    // Pictures of one thing do have one caption, and a title is no better.
    const same = NAMES.map((name, i) => ({ file_name: `${name}.png`, text: 'a photo of my dog', title: `IMG_${i}` }));
    expect((await said(await pictures({ 'metadata.jsonl': lines(same) }))).captions).toEqual(
      Object.fromEntries(NAMES.map(name => [`${name}.png`, ['a photo of my dog']])),
    );
  });

  test('a prompt that differs is a caption', async () => {
    const root = await pictures({
      'metadata.jsonl': lines(NAMES.map(name => ({ file_name: `${name}.png`, prompt: `a ${name} one` }))),
    });
    expect((await seen(root)).items).toEqual(right);
  });
});

describe('a path means a file', () => {
  test('as it is written, with other signs between folders, absolute, escaped, of another case or composed otherwise', async () => {
    const png = await plain('red');
    const names = ['a.png', 'sub/b.png', 'c c.png', 'D.PNG', 'cafe\u0301.png', 'f.png', 'g%20.png', 'h#1.png', 'i.png'];
    const root = await folder(Object.fromEntries(names.map(name => [name, png])));
    const written = [
      './a.png',
      'sub\\b.png',
      'c%20c.png',
      'd.png',
      'caf\u00e9.png',
      join(root, 'f.png'),
      'g%20.png',
      'h#1.png',
      pathToFileURL(join(root, 'i.png')).href,
    ];
    const index = lines(written.map((file_name, i) => ({ file_name, text: `number ${i}` })));
    const dataset = await openDataset(await write(root, index));
    expect(dataset.problems).toEqual([]);
    expect(dataset.items.map(({ id, captions }) => [id, captions])).toEqual(
      names.map((name, i) => [name, [`number ${i}`]]),
    );
  });

  test('without ending if one picture has that name', async () => {
    const root = await folder({
      'a.png': await plain('red'),
      'b.png': await plain('red'),
      'b.jpg': await plain('blue'),
      '7.png': await plain('lime'),
      'metadata.jsonl': lines([
        { image: 'a', text: 'the red one' },
        { image: 'b', text: 'which?' },
        { image: 7, text: 'the green one' },
      ]),
    });
    const { items, problems } = await seen(root);
    expect(items).toEqual({ 'a.png': ['red', 'the red one'], '7.png': ['lime', 'the green one'] });
    expect(problems.b).toBe('several files are meant by it: b.jpg, b.png (named in metadata.jsonl:2)');
  });

  test('what is outside of the data, no file, or not there is named as it was written', async () => {
    const around = await folder({
      'elsewhere/red.png': await plain('red'),
      'data/blue.png': await plain('blue'),
      'data/sub/x.png': await plain('lime'),
    });
    const written = [
      '../elsewhere/red.png',
      join(around, 'elsewhere/red.png'),
      '../../../../../../../../../etc/passwd',
      fileURLToPath(import.meta.url),
      '/nowhere/at/all.png',
      'https://example.invalid/blue.png',
      's3://bucket/blue.png',
      'data:image/png;base64,AAAA',
      'gone/blue.png',
      'x.png',
      'sub',
      '',
      '../data/blue.png',
    ];
    await write(join(around, 'data'), lines(written.map(file_name => ({ file_name, text: 'x' }))));
    const { items, problems } = await seen(join(around, 'data'));
    expect(items).toEqual({ 'blue.png': ['blue', 'x'] });
    const outside = 'lies outside of the data folder; open the folder that holds both';
    const address = 'an address, not a file: nothing is downloaded';
    expect(problems).toEqual({
      [written[0]]: `${outside} (named in metadata.jsonl:1)`,
      [written[1]]: `${outside} (named in metadata.jsonl:2)`,
      [written[2]]: `${outside} (named in metadata.jsonl:3)`,
      [written[3]]: `${outside} (named in metadata.jsonl:4)`,
      [written[4]]: 'missing file (named in metadata.jsonl:5)',
      [written[5]]: `${address} (named in metadata.jsonl:6)`,
      [written[6]]: `${address} (named in metadata.jsonl:7)`,
      [written[7]]: `${address} (named in metadata.jsonl:8)`,
      [written[8]]: 'missing file (named in metadata.jsonl:9)',
      [written[9]]: 'missing file (named in metadata.jsonl:10)',
      [written[10]]: 'missing file (named in metadata.jsonl:11)',
      'metadata.jsonl:12': 'empty file_name',
      'sub/x.png': 'no readable row of metadata.jsonl is about it',
    });
  });

  test('a folder that only the index or only the disk has makes no difference if it is so for all', async () => {
    const short = lines(list);
    const long = lines(list.map(row => ({ ...row, file_name: `/home/ann/set/Images/${row.file_name}` })));
    const items = (prefix: string) =>
      Object.fromEntries(NAMES.map(name => [`${prefix}${name}.png`, right[`${name}.png`]]));
    expect((await seen(await pictures({ 'metadata.jsonl': short }, 'Images/'))).items).toEqual(items('Images/'));
    const windows = lines(list.map(row => ({ ...row, file_name: `C:\\set\\Images\\${row.file_name}` })));
    expect((await seen(await pictures({ 'metadata.jsonl': windows }))).items).toEqual(items(''));
    expect((await seen(await pictures({ 'metadata.jsonl': long }, 'Images/'))).items).toEqual(items('Images/'));
    expect((await seen(await pictures({ 'metadata.jsonl': long }))).items).toEqual(items(''));
    expect((await seen(await pictures({ 'annotations/captions.jsonl': short }, 'images/'))).items).toEqual(
      items('images/'),
    );
  });

  test('but not if several files fit, or several paths would mean one file', async () => {
    const several = await folder({
      'a/1.png': await plain('red'),
      'b/1.png': await plain('blue'),
      'metadata.jsonl': '{"file_name": "1.png", "text": "one"}',
    });
    expect((await failure(openDataset(several))).message).toContain('no captioned image');
    const flat = await folder({
      '1.png': await plain('red'),
      '2.png': await plain('blue'),
      'metadata.jsonl': lines([
        { file_name: 'train/1.png', text: 'one' },
        { file_name: 'val/1.png', text: 'another' },
        { file_name: 'val/2.png', text: 'two' },
      ]),
    });
    const { items, problems } = await seen(flat);
    expect(items).toEqual({ '2.png': ['blue', 'two'] });
    expect(problems).toEqual({ '1.png': 'several paths may mean it: train/1.png, val/1.png' });
  });

  test('a picture of a format that is not read says so', async () => {
    const root = await pictures({
      'photo.heic': 'x',
      'metadata.jsonl': lines([...list, { file_name: 'photo.heic', text: 'a photo' }]),
    });
    const { items, problems } = await seen(root);
    expect(items).toEqual(right);
    expect(problems['photo.heic']).toContain('.heic pictures are not read; make it a PNG or JPEG');
  });
});

test("Karpathy's lists: folder and name in two fields, sentences, and the split that was published", async () => {
  const root = await folder({
    'train2014/1.jpg': await plain('red'),
    'train2014/2.jpg': await plain('lime'),
    'val2014/3.jpg': await plain('blue'),
    'dataset_coco.json': JSON.stringify({
      dataset: 'coco',
      images: [
        {
          filepath: 'train2014',
          filename: '1.jpg',
          imgid: 0,
          split: 'train',
          sentences: [{ raw: 'A dog.' }, { raw: 'The dog.' }],
        },
        { filepath: 'train2014', filename: '2.jpg', imgid: 1, split: 'restval', sentences: [{ raw: 'A cat.' }] },
        { filepath: 'val2014', filename: '3.jpg', imgid: 2, split: 'test', sentences: [{ raw: 'A cow.' }] },
      ],
    }),
  });
  for (const path of [root, join(root, 'dataset_coco.json')]) {
    const { items, problems } = await openDataset(path);
    expect(problems).toEqual([]);
    expect(items.map(({ id, captions, split }) => [id, captions, split])).toEqual([
      ['train2014/1.jpg', ['A dog.', 'The dog.'], 'train'],
      ['train2014/2.jpg', ['A cat.'], 'train'],
      ['val2014/3.jpg', ['A cow.'], 'test'],
    ]);
  }
});

test('lists by split are read with the splits of their names', async () => {
  const [a, b, c] = list;
  const root = await pictures({ 'captions.json': JSON.stringify({ train: [a], val: [b], test: [c] }) });
  const { items } = await openDataset(root);
  expect(items.map(({ id, split }) => [id, split])).toEqual([
    ['red.png', 'train'],
    ['lime.png', 'validation'],
    ['blue.png', 'test'],
  ]);
});

test('columns instead of rows, objects over several lines and cut files say what they are', async () => {
  const message = async (name: string, content: string) =>
    (await failure(openDataset(join(await pictures({ [name]: content }), name)))).message;
  const columns = { file_name: { 0: 'red.png' }, text: { 0: 'red' } };
  expect(await message('metadata.json', JSON.stringify(columns))).toContain("to_json(orient='records', lines=True)");
  expect(await message('metadata.jsonl', list.map(row => JSON.stringify(row, null, 2)).join('\n'))).toContain(
    'no line of it is a JSON object (jq -c . FILE writes one object a line)',
  );
  expect(await message('metadata.json', JSON.stringify(list).slice(0, -5))).toContain('is not readable as JSON');
  expect(await message('metadata.json', '[]')).toContain('an empty list');
});

test('a path that stands in a map twice is named, and no later one replaces the first', async () => {
  const root = await pictures({ 'captions.json': '{"red.png": "one", "red.png": "two", "lime.png": "a lime: one"}' });
  const { captions, problems } = await said(root);
  expect(captions).toEqual({ 'lime.png': ['a lime: one'] });
  expect(problems).toEqual({
    'blue.png': 'no readable row of captions.json is about it',
    'captions.json: "red.png"': 'this path stands in it twice',
    'red.png': 'no readable row of captions.json is about it',
  });
});

test('names of JavaScript are names like others', async () => {
  const root = await folder({
    '__proto__.png': await plain('red'),
    constructor: await plain('blue'),
    'metadata.jsonl': [
      '{"file_name": "__proto__.png", "text": "a proto", "__proto__": {"text": "no"}, "split": "train"}',
      '{"file_name": "constructor", "text": {"constructor": {"name": {"toString": 1}}}}',
      '{"__proto__": {"file_name": "a.png", "text": "x"}}',
      '{"file_name": "hasOwnProperty", "text": "x"}',
    ].join('\n'),
  });
  expect(await said(root)).toEqual({
    format: 'metadata',
    captions: { '__proto__.png': ['a proto'] },
    problems: {
      constructor: 'metadata.jsonl:2: the field text is no text: an object with constructor',
      hasOwnProperty: 'missing file (named in metadata.jsonl:4)',
      'metadata.jsonl:3': 'no file_name field (fields: __proto__)',
    },
  });
});

test('JSON as deep as a well and lines as long as a river cost their row', async () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  const root = await pictures({
    'metadata.jsonl': [
      JSON.stringify(list[0]),
      `{"file_name": "lime.png", "prompt": ${deep}}`,
      `{"file_name": "gone.png", "text": "${'x'.repeat(2 ** 24)}"}`,
      `{"file_name": "blue.png", "text": "a blue one", "more": ${deep}}`,
    ].join('\n'),
  });
  expect(await said(root)).toEqual({
    format: 'metadata',
    captions: { 'red.png': ['a red one'], 'blue.png': ['a blue one'] },
    problems: {
      'lime.png': 'metadata.jsonl:2: the field prompt is a list with a list of 1, not of texts',
      'metadata.jsonl:3': 'a line of over 16 MB',
    },
  });
});

test('what describes a data set or stands beside archives is no index of pictures', async () => {
  const info = {
    builder_name: 'x',
    description: 'text',
    features: { image: { _type: 'Image' }, text: { dtype: 'string', _type: 'Value' } },
    splits: { train: { name: 'train', num_examples: 3 } },
  };
  const root = await folder({
    'dataset_info.json': JSON.stringify(info),
    'dataset_infos.json': JSON.stringify({ default: info }),
    '0.tar': await tar({ 'a.png': await plain('red'), 'a.txt': 'from the shard' }),
    'metadata.csv': 'file_name,text\na.png,from the table\n',
    'captions.xlsx': 'PK',
  });
  expect(await seen(root)).toEqual({
    format: 'webdataset',
    items: { '0.tar/a.png': ['red', 'from the shard'] },
    problems: {
      'captions.xlsx': 'a workbook, not read; save it as CSV',
      'metadata.csv': 'not read: the data are read as webdataset (--format metadata reads it)',
    },
    unused: {
      'dataset_info.json': 'not used: the data are read as webdataset',
      'dataset_infos.json': 'not used: the data are read as webdataset',
    },
    notices: [],
  });
});

describe('an index of another name', () => {
  test('is read if it is named itself; in a folder it is named with what to do', async () => {
    const root = await pictures(
      {
        'metadata1000.jsonl': lines(NAMES.map(name => ({ image: `images/${name}.png`, caption: `a ${name} one` }))),
      },
      'images/',
    );
    const none = await failure(openDataset(root));
    expect(none.message).toContain(
      'metadata1000.jsonl: looks like an index of captions, but is read only if it is named',
    );
    expect((await openDataset(join(root, 'metadata1000.jsonl'))).items.map(({ captions }) => captions)).toEqual(
      NAMES.map(name => [`a ${name} one`]),
    );
  });

  test('that has nothing to do with captions is not used, and leaves the pictures to their text files', async () => {
    const root = await folder({
      'red.png': await plain('red'),
      'red.txt': 'a red one',
      'metadata.json': '{"name": "my set", "license": "CC0"}',
      'stats.json': '{"count": 1}',
    });
    expect(await seen(root)).toEqual({
      format: 'images',
      items: { 'red.png': ['red', 'a red one'] },
      problems: { 'metadata.json': 'not read: has no fields file_name and text at its beginning' },
      unused: { 'stats.json': 'not used: the data are read as images' },
      notices: [],
    });
  });
});

test('pictures that an index does not name are named, and so are text files that lose against it', async () => {
  const root = await pictures({
    'metadata.jsonl': JSON.stringify(list[0]),
    'red.txt': 'by text file',
    'lime.txt': 'by text file',
  });
  expect(await said(root)).toEqual({
    format: 'metadata',
    captions: { 'red.png': ['a red one'] },
    problems: {
      'blue.png': 'no readable row of metadata.jsonl is about it',
      'lime.png': 'no readable row of metadata.jsonl is about it',
      'lime.txt': 'a text of lime.png, not used: the data are read as metadata',
      'red.txt': 'a text of red.png, not used: the data are read as metadata',
    },
  });
  await expect(openDataset(root, { strict: true })).rejects.toThrow('no readable row of metadata.jsonl is about it');
});

async function write(root: string, index: string): Promise<string> {
  await writeFile(join(root, 'metadata.jsonl'), index);
  return root;
}

test("Karpathy's list is known by what it holds under its plain name, with the pictures in a folder that it does not name", async () => {
  const image = (colour: string, split: string) => ({
    filename: `${colour}.png`,
    split,
    sentences: [{ tokens: [colour], raw: `${colour} one` }, { raw: `${colour} two` }],
  });
  const images = [image('red', 'train'), image('blue', 'val'), image('lime', 'test')];
  const root = await folder({
    'flickr8k/imgs/red.png': await plain('red'),
    'flickr8k/imgs/blue.png': await plain('blue'),
    'flickr8k/imgs/lime.png': await plain('lime'),
    'flickr8k/dataset.json': JSON.stringify({ images, dataset: 'flickr8k' }),
  });
  expect(await seen(root)).toEqual({
    format: 'metadata',
    items: {
      'flickr8k/imgs/red.png': ['red', 'red one', 'red two'],
      'flickr8k/imgs/blue.png': ['blue', 'blue one', 'blue two'],
      'flickr8k/imgs/lime.png': ['lime', 'lime one', 'lime two'],
    },
    problems: {},
    unused: {},
    notices: [],
  });
  const { items } = await openDataset(root);
  expect(items.map(({ split }) => split)).toEqual(['train', 'validation', 'test']);
});

test('a dataset.json that says something about the data is no index', async () => {
  const root = await folder({
    'red.png': await plain('red'),
    'red.txt': 'red',
    'dataset.json': '{"name": "mine", "images": 1, "license": "MIT"}',
  });
  const { format, items, problems, unused } = await seen(root);
  expect([format, items, problems]).toEqual(['images', { 'red.png': ['red', 'red'] }, {}]);
  expect(Object.keys(unused)).toEqual(['dataset.json']);
});

test.each([
  ['captions.json', { 'red.png': ['red', 'a red one'], blue: 'blue' }],
  ['annotations/captions.json', { 'red.png': ['red', 'a red one'], 'blue.png': 'blue' }],
  [
    'metadata.json',
    { '/home/me/images/red.png': ['red', 'a red one'], 'C:\\set\\images\\blue.png': { caption: 'blue' } },
  ],
])('captions by bare name in %s find their pictures in a folder', async (name, map) => {
  const root = await folder({
    'images/red.png': await plain('red'),
    'images/blue.png': await plain('blue'),
    [name]: JSON.stringify(map),
  });
  const { items, problems } = await seen(root);
  expect(items).toEqual({ 'images/red.png': ['red', 'red', 'a red one'], 'images/blue.png': ['blue', 'blue'] });
  expect(problems).toEqual({});
});

test('what is wrong with an index stands before what comes of it', async () => {
  const root = await folder({
    'blue.png': await plain('blue'),
    'red.png': await plain('red'),
    'metadata.csv': 'text,file_name\nred,red.png\nblue, navy,blue.png\n',
  });
  const { problems } = await openDataset(root);
  expect(problems.map(({ id }) => id)).toEqual(['metadata.csv:3', 'blue.png']);
  expect((await failure(openDataset(root, { strict: true }))).message).toContain('metadata.csv:3: 3 cells');
});

test('columns as pandas writes them are named as columns; a row without its file stands before what it left over', async () => {
  const picture = { 'red.png': await plain('red') };
  const columns = { file_name: { 0: 'red.png' }, text: { 0: 'red' } };
  const root = await folder({ ...picture, 'metadata.json': JSON.stringify(columns) });
  expect((await failure(openDataset(root))).message).toContain('metadata.json: not read: holds columns, not rows');
  const row = lines([{ file_name: 'zebra.png', text: 'a zebra' }]);
  const gone = await folder({ ...picture, 'red.txt': 'red', 'metadata.jsonl': row });
  expect((await failure(openDataset(gone))).message).toContain('the first: zebra.png: missing file');
});
