/** @file COCO captions: annotations that name images by id, and all that may be wrong with them. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDataset } from '../../data/open.ts';
import { failure, folder, plain, said, seen } from './files.ts';

const json = (images: readonly unknown[], annotations: readonly unknown[]) =>
  JSON.stringify({ info: {}, images, annotations });

const index = (name: string, captions: readonly string[]): string =>
  json(
    [
      { id: 7, file_name: name },
      { id: 8, file_name: 'gone.jpg' },
      { id: 9, file_name: name.replace('1', '2') },
    ],
    captions.map((caption, id) => ({ id, image_id: 7, caption })),
  );

test('finds images in the folder the annotation file is named for, and keeps the split that it names', async () => {
  const [red, lime, blue] = [await plain('red'), await plain('lime'), await plain('blue')];
  const root = await folder({
    'annotations/captions_train2017.json': index('1.png', ['a man', 'a person']),
    'annotations/captions_val2017.json': index('1.png', ['a woman', ' ']),
    'annotations/instances_val2017.json': '{"images": [], "annotations": [{"bbox": []}]}',
    'train2017/1.png': red,
    'train2017/2.png': lime,
    'train2017/3.png': lime,
    'val2017/1.png': blue,
    'val2017/2.png': lime,
  });
  const { format, items, problems, unused } = await seen(root);
  expect(format).toBe('coco');
  expect(items).toEqual({ 'train2017/1.png': ['red', 'a man', 'a person'], 'val2017/1.png': ['blue', 'a woman'] });
  const files = 'annotations/captions_train2017.json or annotations/captions_val2017.json';
  expect(problems).toEqual({
    'gone.jpg': expect.stringMatching(/^missing file \(named in annotations\/captions_/),
    'train2017/2.png': 'annotations/captions_train2017.json: no caption',
    'train2017/3.png': `no readable row of ${files} is about it`,
    'annotations/captions_val2017.json: annotations[1]':
      'empty caption (field caption) (a row of val2017/1.png, which has other captions)',
    'val2017/2.png': 'annotations/captions_val2017.json: no caption',
  });
  expect(unused).toEqual({ 'annotations/instances_val2017.json': 'not used: the data are read as coco' });
  const { items: split } = await openDataset(root);
  expect(split.map(({ id, split: side }) => [id, side])).toEqual([
    ['train2017/1.png', 'train'],
    ['val2017/1.png', 'validation'],
  ]);
  expect((await seen(join(root, 'annotations/captions_train2017.json'))).items).toEqual({
    'train2017/1.png': ['red', 'a man', 'a person'],
  });
});

test('ids may be numbers or text; what points nowhere or two ways is named', async () => {
  const root = await folder({
    'red.png': await plain('red'),
    'blue.png': await plain('blue'),
    'lime.png': await plain('lime'),
    'captions.json': json(
      [
        { id: 1, file_name: 'red.png' },
        { id: '__proto__', file_name: 'blue.png' },
        { id: 3, file_name: 'lime.png' },
        { id: 3, file_name: 'other.png' },
        { id: 4 },
        'nothing',
      ],
      [
        { image_id: '1', caption: 'a red one' },
        { image_id: '__proto__', caption: 'a blue one' },
        { image_id: 3, caption: 'a green one, or the other' },
        { image_id: 1, caption: 5 },
        { image_id: 5, caption: 'nobody' },
        null,
        { caption: 'nobody' },
      ],
    ),
  });
  expect(await seen(root)).toEqual({
    format: 'coco',
    items: { 'red.png': ['red', 'a red one'], 'blue.png': ['blue', 'a blue one'] },
    problems: {
      'captions.json: annotations[2]': 'no image with id 3',
      'captions.json: annotations[3]':
        'the field caption is no text: a number (5) (a row of red.png, which has other captions)',
      'captions.json: annotations[4]': 'no image with id 5',
      'captions.json: annotations[5]': 'not an annotation, but null',
      'captions.json: annotations[6]': 'no image with id nothing',
      'captions.json: images[3]': 'the id 3 of other.png is that of lime.png too',
      'captions.json: images[4]': 'no id or file_name',
      'captions.json: images[5]': 'no id or file_name',
      'lime.png': 'no readable row of captions.json is about it',
    },
    unused: {},
    notices: [],
  });
});

test('of two files that name one image the first counts, and the other is named', async () => {
  const one = (caption: string) => json([{ id: 1, file_name: 'red.png' }], [{ image_id: 1, caption }]);
  const root = await folder({
    'red.png': await plain('red'),
    'annotations/captions_a.json': one('the first'),
    'annotations/captions_b.json': one('the second'),
  });
  expect(await said(root)).toEqual({
    format: 'coco',
    captions: { 'red.png': ['the first'] },
    problems: {
      'annotations/captions_b.json':
        'a picture not taken from it: annotations/captions_a.json names it too and comes first',
    },
  });
});

test('a JSON file that is something else says so', async () => {
  const root = await folder({
    'x.json': '{"a": 1}',
    'y.json': '{"images": [{"file_name": "a.png", "id": 1}], "annotations": {"caption": "',
    'z.json': '{"images": [{"file_name": "a.png", "id": 1}], "annotations": {"caption": "a"}}',
  });
  expect((await failure(openDataset(join(root, 'x.json')))).message).toContain(
    'no captions found: expected a list of objects with file_name and text, captions by path, or the lists images and ' +
      'annotations of COCO, got an object with a',
  );
  expect((await failure(openDataset(join(root, 'y.json')))).message).toContain('is not readable as JSON');
  expect((await failure(openDataset(join(root, 'z.json')))).message).toContain(
    'expected COCO captions with lists images and annotations, got images, annotations',
  );
});

test('COCO captions that lose against another index are named', async () => {
  const root = await folder({
    'red.png': await plain('red'),
    'metadata.jsonl': '{"file_name": "red.png", "text": "by metadata"}',
    'annotations/captions.json': json([{ id: 1, file_name: 'red.png' }], [{ image_id: 1, caption: 'by COCO' }]),
  });
  expect(await said(root)).toEqual({
    format: 'metadata',
    captions: { 'red.png': ['by metadata'] },
    problems: {
      'annotations/captions.json': 'not read: COCO captions (--format coco reads them)',
    },
  });
  const { items, problems } = await openDataset(root, { format: 'coco' });
  expect(items.map(({ captions }) => captions)).toEqual([['by COCO']]);
  expect(problems).toEqual([
    { id: 'metadata.jsonl', what: 'not read: the data are read as coco (--format metadata reads it)' },
  ]);
});

test('a name without its folder is looked for in the folder that the file is named for, also where others have theirs', async () => {
  const root = await folder({
    'val2014/red.png': await plain('red'),
    'val2014/blue.png': await plain('blue'),
    'other/red.png': await plain('lime'),
    'annotations/captions_val2014.json': json(
      [
        { id: '1', file_name: 'red.png' },
        { id: 2, file_name: 'val2014/blue.png' },
      ],
      [
        { image_id: '1', caption: 'red' },
        { image_id: 2, caption: 'blue' },
      ],
    ),
  });
  const { items, problems } = await seen(root);
  expect(items).toEqual({ 'val2014/red.png': ['red', 'red'], 'val2014/blue.png': ['blue', 'blue'] });
  expect(Object.keys(problems)).toEqual(['other/red.png']);
});
