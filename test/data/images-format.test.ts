/** @file Loose pictures and their texts: which picture gets which captions, and what is named instead of guessed. */

import { describe, expect, test } from 'vitest';
import { openDataset } from '../../data/open.ts';
import { folder, plain, seen } from './files.ts';

const [png, lime, blue] = await Promise.all(['red', 'lime', 'blue'].map(colour => plain(colour)));

describe('the text of a picture', () => {
  test.each(['a.txt', 'a.text', 'a.caption', 'a.captions', 'a.TXT', 'A.Txt', 'a.png.txt', 'a.png.caption'])(
    '%s is read',
    async name => {
      expect((await seen(await folder({ 'a.png': png, [name]: 'one\ntwo' }))).items).toEqual({
        'a.png': ['red', 'one', 'two'],
      });
    },
  );

  test.each([
    ['an object', '{"url": "u", "caption": "red", "width": 3}', ['red']],
    ['a list of captions in a field', '{"captions": ["one", "two"]}', ['one', 'two']],
    ['the first field of the order, and no other', '{"prompt": "Describe it.", "text": "", "caption": "red"}', ['red']],
    ['a text', '"red"', ['red']],
    ['a list', '["one", "two"]', ['one', 'two']],
  ])('JSON that is %s is read', async (_, json, captions) => {
    for (const name of ['a.json', 'a.png.json']) {
      expect((await seen(await folder({ 'a.png': png, [name]: json }))).items).toEqual({
        'a.png': ['red', ...captions],
      });
    }
  });

  test('JSON without a caption says why', async () => {
    const { items, problems } = await seen(
      await folder({
        ...{ 'a.png': png, 'a.json': '{"url": "u"}' },
        ...{ 'b.png': png, 'b.json': '{"text": 5}' },
        ...{ 'c.png': png, 'c.json': '{"text": ' },
        ...{ 'd.png': png, 'd.json': '{"prompt": "Describe it."}' },
        ...{ 'e.png': png, 'e.json': '{"prompt": "Describe it."}' },
        ...{ 'f.png': png, 'f.txt': 'red' },
      }),
    );
    expect(items).toEqual({ 'f.png': ['red', 'red'] });
    expect(problems).toEqual({
      'a.png': 'no caption: a.json has no caption: no text or caption field (fields: url)',
      'b.png': 'no caption: b.json has no caption: the field text is no text: a number (5)',
      'c.png': expect.stringMatching(/^no caption: c\.json is not readable as JSON/),
      'd.png': 'no caption: d.json has no caption: the field prompt says the same of every image',
      'e.png': 'no caption: e.json has no caption: the field prompt says the same of every image',
    });
  });

  test('names have as many dots as they like', async () => {
    const { items, problems } = await seen(
      await folder({
        ...{ 'photo 1.0.png': png, 'photo 1.0.txt': 'red', 'photo 1.5.png': blue, 'photo 1.5.txt': 'blue' },
        ...{ 'photo 1.png': lime, 'photo 1.txt': 'green' },
        ...{ 'x.png': png, 'x.png.png': blue, 'x.png.txt': 'blue', 'x.png.png.txt': 'another' },
      }),
    );
    expect(items).toEqual({
      'photo 1.0.png': ['red', 'red'],
      'photo 1.5.png': ['blue', 'blue'],
      'photo 1.png': ['lime', 'green'],
      'x.png.png': ['blue', 'blue'],
    });
    expect(problems).toEqual({
      'x.png': 'no caption (looked for x.txt)',
      'x.png.png.txt': 'another caption (x.png.txt is taken for x.png.png)',
    });
  });

  test('of several the first in the order is taken, and those that differ are named', async () => {
    const found = await seen(
      await folder({
        'a.png': png,
        'a.json': '{"caption": "json", "split": "test"}',
        'a.png.txt': 'whole name',
        'a.caption': 'red',
        'a.txt': 'red',
        'b.png': png,
        'b.txt': ' \n',
        'b.caption': 'blue',
        'b.json': '{"url": "u"}',
      }),
    );
    expect(found.items).toEqual({ 'a.png': ['red', 'red'], 'b.png': ['red', 'blue'] });
    expect(found.problems).toEqual({
      'a.json': 'another caption (a.txt is taken for a.png)',
      'a.png.txt': 'another caption (a.txt is taken for a.png)',
    });
    expect(found.unused).toEqual({
      'b.txt': 'is an empty caption (b.caption is taken for b.png)',
      'b.json': 'has no caption: no text or caption field (fields: url) (b.caption is taken for b.png)',
    });
  });

  test('names may differ in Unicode and in case, as long as one text fits best', async () => {
    const { items, problems } = await seen(
      await folder({
        ...{ 'cafe\u0301.png': png, 'caf\u00e9.txt': 'red' },
        ...{ 'IMG_1.PNG': lime, 'img_1.txt': 'green' },
        // Each has its own, and Img_2.png has none.
        ...{ 'IMG_2.png': png, 'IMG_2.txt': 'red', 'img_2.png': blue, 'img_2.txt': 'blue', 'Img_2.png': lime },
        ...{ 'Img_3.png': png, 'IMG_3.txt': 'red', 'img_3.txt': 'blue' },
      }),
    );
    expect(items).toEqual({
      'cafe\u0301.png': ['red', 'red'],
      'IMG_1.PNG': ['lime', 'green'],
      'IMG_2.png': ['red', 'red'],
      'img_2.png': ['blue', 'blue'],
    });
    expect(problems).toEqual({
      'Img_2.png': 'no caption (looked for Img_2.txt)',
      'Img_3.png': 'no caption: IMG_3.txt and img_3.txt fit its name equally well',
    });
  });

  test('files of numbers, as detectors have them, are no captions; a single number is one', async () => {
    const { items, problems } = await seen(
      await folder({
        ...{ 'a.png': png, 'a.txt': '0 0.5 0.5 0.2 0.2\n1 0.1 0.1 5e-2 .3\n' },
        ...{ 'b.png': png, 'b.txt': '7' },
        ...{ 'c.png': png, 'c.txt': '2 red apples' },
      }),
    );
    expect(items).toEqual({ 'b.png': ['red', '7'], 'c.png': ['red', '2 red apples'] });
    expect(problems).toEqual({ 'a.png': 'no caption: a.txt has no caption, only numbers' });
  });

  test('encodings that are not read, and texts that are too long, are named', async () => {
    const { items, problems } = await seen(
      await folder({
        ...{ 'a.png': png, 'a.txt': Buffer.from('café', 'latin1') },
        ...{ 'b.png': png, 'b.txt': Buffer.from('red apple\n', 'utf16le') },
        ...{ 'c.png': png, 'c.txt': 'x'.repeat(2 ** 20 + 1) },
        ...{ 'd.png': png, 'd.txt': `short\n${'x'.repeat(2 ** 14 + 1)}` },
      }),
    );
    expect(items).toEqual({ 'b.png': ['red', 'red apple'] });
    expect(problems).toEqual({
      'a.png': expect.stringMatching(/^no caption: a\.txt is not UTF-8 or UTF-16 text/),
      'c.png': 'no caption: c.txt is a file of 1.0 MiB, more than the 1 MiB that the text of a picture may have',
      'd.png': 'caption 2 of 2 has more than 16384 characters',
    });
  });
});

describe('folders beside each other', () => {
  test.each([
    ['images/a.png', 'captions/a.txt'],
    ['Images/1/a.png', 'labels/1/a.txt'],
    ['images/train/a.png', 'annotations/train/a.json'],
    ['train/images/a.png', 'train/texts/a.caption'],
    ['flowers/a.png', 'txt/a.txt'],
    ['jpg/a.png', 'text_c10/a.png.txt'],
    ['IMAGES/A.png', 'captions/a.txt'],
  ])('%s is captioned by %s', async (picture, text) => {
    const content = text.endsWith('json') ? '{"caption": "red"}' : 'red';
    expect((await seen(await folder({ [picture]: png, [text]: content }))).items).toEqual({
      [picture]: ['red', 'red'],
    });
  });

  test('the text beside a picture comes first, and the folder of pictures before other ones', async () => {
    const { items, problems } = await seen(
      await folder({
        ...{ 'images/a.png': png, 'captions/a.txt': 'parallel', 'images/a.txt': 'beside' },
        ...{ 'images/b.png': blue, 'masks/b.png': png, 'captions/b.txt': 'blue' },
        ...{ 'images/c.png': blue, 'images/c.txt': 'blue', 'labels/c.txt': '0 1 1 2 2' },
      }),
    );
    expect(items).toEqual({
      'images/a.png': ['red', 'beside'],
      'images/b.png': ['blue', 'blue'],
      'images/c.png': ['blue', 'blue'],
    });
    expect(problems).toEqual({
      'captions/a.txt': 'another caption (images/a.txt is taken for images/a.png)',
      'masks/b.png': 'no caption (looked for masks/b.txt)',
    });
  });

  test('elsewhere texts are not looked for, but named', async () => {
    const { items, problems } = await seen(
      await folder({
        ...{ 'a.png': png, 'a.txt': 'red' },
        ...{ 'b.png': blue, 'captions/b.txt': 'blue' },
        ...{ 'one/c.png': blue, 'two/c.txt': 'blue' },
        ...{ 'captions/lost.txt': 'lost' },
      }),
    );
    expect(items).toEqual({ 'a.png': ['red', 'red'] });
    expect(problems).toEqual({
      'b.png': 'no caption (captions/b.txt has its name, but lies elsewhere)',
      'captions/b.txt': 'a caption without its image (b.png has its name, but lies elsewhere)',
      'one/c.png': 'no caption (two/c.txt has its name, but lies elsewhere)',
      'two/c.txt': 'a caption without its image (one/c.png has its name, but lies elsewhere)',
      'captions/lost.txt': 'a caption without its image',
    });
  });
});

describe('several pictures of one name', () => {
  test('the same picture in several formats has the caption in each of them, on one side of the split', async () => {
    const [small, large] = [await plain('red', 12, 10, 'jpeg'), await plain('red', 24, 20, 'webp')];
    const root = await folder({
      'a.png': png,
      'a.jpg': small,
      'a.webp': large,
      'a.txt': 'red',
      'b.png': blue,
      'b.txt': 'b',
    });
    const { notices, problems, ...shown } = await seen(root);
    expect(shown.items).toEqual({
      'a.jpg': ['red', 'red'],
      'a.png': ['red', 'red'],
      'a.webp': ['red', 'red'],
      'b.png': ['blue', 'b'],
    });
    expect(problems).toEqual({});
    expect(notices).toEqual([expect.stringMatching(/^3 files show .*\(a\.jpg, a\.png, a\.webp\)/)]);
    const { items } = await openDataset(root);
    expect(items.map(({ group }) => group)).toEqual(['a', 'a', 'a', undefined]);
  });

  test('different pictures do not share a caption, unless each has its own by its whole name', async () => {
    const jpeg = await plain('blue', 12, 10, 'jpeg');
    const { items, problems } = await seen(
      await folder({
        ...{ 'a.png': png, 'a.jpg': jpeg, 'a.txt': 'red' },
        ...{ 'b.png': png, 'b.jpg': jpeg, 'b.txt': 'red or blue', 'b.png.txt': 'red', 'b.jpg.txt': 'blue' },
        ...{ 'c.png': lime, 'c.txt': 'green' },
      }),
    );
    expect(items).toEqual({
      'b.png': ['red', 'red'],
      'b.jpg': ['blue', 'blue'],
      'c.png': ['lime', 'green'],
    });
    expect(problems).toEqual({
      'a.jpg': "no caption: a.txt may also be that of another picture, a.png; call it a.jpg.txt if it is this one's",
      'a.png': "no caption: a.txt may also be that of another picture, a.jpg; call it a.png.txt if it is this one's",
      'b.txt': 'may be the caption of different pictures, b.jpg, b.png, which have others',
    });
  });
});

test('a picture that cannot be decoded leaves its text to its namesake', async () => {
  const jpeg = await plain('blue', 12, 10, 'jpeg');
  const { items, problems } = await seen(
    await folder({ 'a.png': png.subarray(0, 20), 'a.jpg': jpeg, 'a.txt': 'blue' }),
  );
  expect(items).toEqual({ 'a.jpg': ['blue', 'blue'] });
  expect(problems).toEqual({ 'a.png': 'corrupt image (its PNG data breaks off)' });
});

test('pictures of kinds and names that are not read are named, and so are their texts', async () => {
  const heic = Buffer.concat([Buffer.from([0, 0, 0, 24]), Buffer.from('ftypheic0000mif1heic')]);
  const { items, problems } = await seen(
    await folder({
      ...{ 'a.jfif': await plain('red', 12, 10, 'jpeg'), 'a.txt': 'red' },
      ...{ 'b.bmp': 'BM', 'b.txt': 'blue' },
      ...{ 'c.heic': heic },
      ...{ 'd.jpg_large': png, 'd.txt': 'named by a browser' },
      ...{ e: png, 'e.txt': 'no ending' },
      ...{ 'f.dat': 'no picture', 'f.txt': 'f' },
    }),
  );
  expect(items).toEqual({ 'a.jfif': ['red', 'red'] });
  expect(problems).toEqual({
    'b.bmp': '.bmp pictures are not read; make it a PNG or JPEG',
    'b.txt': 'the caption of b.bmp, which is not read',
    'c.heic': '.heic pictures are not read; make it a PNG or JPEG',
    'd.jpg_large': 'a PNG picture whose name does not end like one; rename it',
    'd.txt': 'the caption of d.jpg_large, which is not read',
    e: 'a PNG picture whose name does not end like one; rename it',
    'e.txt': 'the caption of e, which is not read',
    'f.txt': 'a caption without its image',
  });
});

test('what programs write where there is no text is no caption, also in a text beside a picture and in lists', async () => {
  const root = await folder({
    'red.png': await plain('red'),
    'red.txt': 'nan\n',
    'lime.png': await plain('lime'),
    'lime.txt': 'None',
    'lime.json': '["null", "lime"]',
    'blue.png': await plain('blue'),
    'blue.json': '[{"caption": "blue"}, {"raw": "navy"}]',
  });
  const { items, problems } = await seen(root);
  expect(items).toEqual({ 'lime.png': ['lime', 'lime'], 'blue.png': ['blue', 'blue', 'navy'] });
  expect(problems).toEqual({ 'red.png': 'no caption: red.txt says nan, which programs write where there is no text' });
});

test('a file called like an index is not called a caption without its image', async () => {
  const root = await folder({ 'red.png': await plain('red'), 'red.txt': 'red', 'captions.txt': 'red\nblue\n' });
  const { items, problems } = await seen(root);
  expect(items).toEqual({ 'red.png': ['red', 'red'] });
  expect(problems).toEqual({
    'captions.txt': 'not read: needs a header line with file_name and text; its first line is "red"',
  });
});

test('the waste of network drives is passed by, and an index of an archive is no archive', async () => {
  const waste = ['#recycle', '@Recycle', '@eaDir', '#snapshot', '$RECYCLE.BIN'];
  const lime = await plain('lime');
  const root = await folder({
    'red.png': await plain('red'),
    'red.txt': 'red',
    '0.tar.idx': '1 2 3',
    ...Object.fromEntries(waste.flatMap(name => [[`${name}/a.png`, lime] as const, [`${name}/a.txt`, 'old'] as const])),
  });
  const { items, problems, unused } = await seen(root, { strict: true });
  expect(items).toEqual({ 'red.png': ['red', 'red'] });
  expect(problems).toEqual({});
  expect(Object.keys(unused)).toEqual(['0.tar.idx']);
});
