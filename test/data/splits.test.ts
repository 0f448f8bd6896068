import { describe, expect, test } from 'vitest';
import type { Candidate } from '../../data/formats/format.ts';
import { openDataset } from '../../data/open.ts';
import { publishedSplits, splitNamed } from '../../data/splits.ts';
import { folder, plain, tar } from './files.ts';

/** Items by id, with what a format says of them. */
function items(ids: readonly string[], more: Partial<Pick<Candidate, 'split' | 'index'>> = {}): Candidate[] {
  return ids.map(id => ({ id, captions: ['x'], read: async () => new Uint8Array(), ...more }));
}

/** What each item was found to be. */
function splitsOf(candidates: readonly Candidate[]): (string | undefined)[] {
  const { splits } = publishedSplits(candidates);
  return candidates.map(item => splits.get(item));
}

describe('words for a split', () => {
  test.each([
    ['train', ['train', 'Train', 'TRAINING', 'train2017', 'trainset', 'train_set', ' train ', 'restval']],
    ['validation', ['val', 'valid', 'Validation', 'dev', 'val2014', 'VAL']],
    ['test', ['test', 'testing', 'Test', 'test-00001', 'testset']],
    [undefined, ['holdout', 'trains', 'contest', 'trainval', 'train/val', 'test-tube', 'valley', '', '7', 'a train']],
  ] as const)('%s', (split, said) => {
    for (const word of said) expect([word, splitNamed(word)]).toEqual([word, split]);
  });
});

describe('names that count', () => {
  test.each([
    ['folders', ['train/a.png', 'validation/b.png', 'test/c.png']],
    ['any case', ['Train/a.png', 'VAL/b.png', 'Test/c.png']],
    ['years', ['train2017/a.png', 'val2017/b.png', 'test2015/c.png']],
    ['folders of a kind', ['train_images/a.png', 'valid_images/b.png', 'test_images/c.png']],
    ['folders in a folder', ['data/train/images/a.png', 'data/dev/images/b.png', 'data/test/images/c.png']],
    ['folders of images', ['images/train/a.png', 'images/val/b.png', 'images/test/c.png']],
    ['Parquet shards', ['train-00000-of-00003.parquet/0', 'validation-00000-of-00001.parquet/0', 'test.parquet/7']],
    ['tar shards', ['cc3m-train-0000.tar/1.jpg', 'cc3m-validation-0001.tar/1.jpg', 'cc3m-test-0002.tar.gz/1.jpg']],
    ['numbers first', ['00000_train.tar/1.jpg', '00007_val.tar/1.jpg', '00001_test.tar/1.jpg']],
    ['folders in a tar', ['all.tar/train/1.jpg', 'all.tar/val/1.jpg', 'all.tar/test/1.jpg']],
    ['capitals for spaces', ['trainImages/a.png', 'devImages/b.png', 'testImages/c.png']],
  ])('%s', (_, ids) => {
    expect(splitsOf(items(ids))).toEqual(['train', 'validation', 'test']);
  });

  test('train and test alone, train and validation alone', () => {
    expect(splitsOf(items(['train/a.png', 'test/b.png']))).toEqual(['train', 'test']);
    expect(splitsOf(items(['train/a.png', 'val/b.png']))).toEqual(['train', 'validation']);
  });

  test('the innermost of several', () => {
    expect(splitsOf(items(['train/train/a.png', 'train/val/b.png', 'test/c.png']))).toEqual([
      'train',
      'validation',
      'test',
    ]);
    // A split of the faces that are all in the training folder: the test folder beside it stays what it is.
    expect(splitsOf(items(['train/faces/a.png', 'test/faces/b.png']))).toEqual(['train', 'test']);
  });

  test('index files, more than the folders of their images', () => {
    const [train, val] = ['annotations/captions_train2017.json', 'annotations/captions_val2017.json'];
    const all = [...items(['images/a.jpg'], { index: train }), ...items(['images/b.jpg'], { index: val })];
    expect(splitsOf(all)).toEqual(['train', 'validation']);
    const folders = [
      ...items(['train2014/a.jpg'], { index: train }),
      ...items(['train2014/b.jpg'], { index: val }),
      ...items(['val2014/c.jpg'], { index: train }),
    ];
    expect(splitsOf(folders)).toEqual(['train', 'validation', 'train']);
  });
});

describe('names that do not count', () => {
  test.each([
    ['pictures of trains', ['train-station.jpg', 'test-tube.png', 'val.png', 'train.png', 'test.jpg'], []],
    ['trains beside cars', ['trains/a.png', 'cars/b.png', 'train/c.png'], []],
    ['a folder named test alone', ['test/cat.png', 'dogs/a.png'], ['test']],
    ['validation and test without train', ['val/a.png', 'test/b.png'], ['val', 'test']],
    ['names of different kinds', ['train-station/a.png', 'test-tube/b.png'], ['test-tube']],
    ['names in different folders', ['a/train/a.png', 'b/test/b.png'], ['b/test']],
    ['a folder and a file', ['train/a.png', 'test.tar/b.png'], ['test.tar']],
    ['two words in a name', ['train_val/a.png', 'train-test-split/b.png', 'train/c.png'], []],
    ['a shard of its own', ['train-00000-of-00001.parquet/0'], []],
    ['words inside of words', ['contest/a.png', 'training-wheels/b.png', 'restraint/c.png', 'devil/d.png'], []],
  ])('%s', (_, ids, named) => {
    const all = items(ids);
    expect(splitsOf(all)).toEqual(ids.map(() => undefined));
    const { notices } = publishedSplits(all);
    const said = 'not taken for a published split, since no train of the same kind stands beside: ';
    expect(notices).toEqual(named.length === 0 ? [] : [`${said}${named.join(', ')}`]);
  });
});

describe('a split field', () => {
  test('wins over names, item by item', () => {
    const all = [
      ...items(['train/a.png'], { split: 'test' }),
      ...items(['train/b.png', 'val/c.png']),
      ...items(['val/d.png'], { split: 'Training' }),
    ];
    expect(splitsOf(all)).toEqual(['test', 'train', 'validation', 'train']);
  });

  test('with a word that is none leaves the item out, and names it', async () => {
    const files = {
      'a.png': await plain('red'),
      'b.png': await plain('blue'),
      'c.png': await plain('green'),
      'metadata.jsonl': [
        '{"file_name": "a.png", "text": "red", "split": "holdout"}',
        '{"file_name": "b.png", "text": "blue", "split": "dev"}',
        '{"file_name": "c.png", "text": "green", "split": ""}',
      ].join('\n'),
    };
    const root = await folder(files);
    const { items: read, problems } = await openDataset(root);
    expect(read.map(({ id, split }) => [id, split])).toEqual([
      ['b.png', 'validation'],
      ['c.png', undefined],
    ]);
    expect(problems).toEqual([{ id: 'a.png', what: 'its split is "holdout", none of train, validation and test' }]);
    await expect(openDataset(root, { strict: true })).rejects.toThrow('a.png: its split is "holdout"');
  });
});

describe('data sets with published splits', () => {
  const colours = ['red', 'green', 'blue', 'yellow'] as const;
  const sides = ['train', 'train', 'validation', 'test'] as const;
  const published = colours.map((colour, i) => [`${sides[i]}/${colour}.png`, sides[i]]);

  test('folders of images with text files', async () => {
    const files: Record<string, string | Uint8Array> = {};
    for (const [i, colour] of colours.entries()) {
      files[`${sides[i]}/${colour}.png`] = await plain(colour);
      files[`${sides[i]}/${colour}.txt`] = colour;
    }
    const { items: read } = await openDataset(await folder(files));
    expect(read.map(({ id, split }) => [id, split]).sort()).toEqual(published.toSorted());
  });

  test('folders with metadata.jsonl in each', async () => {
    const files: Record<string, string | Uint8Array> = {};
    for (const [i, colour] of colours.entries()) {
      files[`${sides[i]}/${colour}.png`] = await plain(colour);
      files[`${sides[i]}/metadata.jsonl`] =
        `${files[`${sides[i]}/metadata.jsonl`] ?? ''}{"file_name": "${colour}.png", "text": "${colour}"}\n`;
    }
    const { items: read } = await openDataset(await folder(files));
    expect(read.map(({ id, split }) => [id, split]).sort()).toEqual(published.toSorted());
  });

  test('a picture that the files of two splits list is that of the first, and on no other side', async () => {
    const index = (...names: string[]) =>
      JSON.stringify({
        images: names.map((name, id) => ({ id, file_name: `${name}.png` })),
        annotations: names.map((caption, id) => ({ image_id: id, caption })),
      });
    const root = await folder({
      'images/red.png': await plain('red'),
      'images/green.png': await plain('green'),
      'images/blue.png': await plain('blue'),
      'annotations/captions_train2017.json': index('red', 'green'),
      'annotations/captions_val2017.json': index('red', 'blue'),
    });
    const { items: read, problems } = await openDataset(root);
    expect(read.map(({ id, split }) => [id, split])).toEqual([
      ['images/red.png', 'train'],
      ['images/green.png', 'train'],
      ['images/blue.png', 'validation'],
    ]);
    expect(problems.map(({ id }) => id)).toEqual(['annotations/captions_val2017.json']);
  });

  test('COCO annotations of train2017 and val2017', async () => {
    const index = (colour: string) =>
      JSON.stringify({
        images: [{ id: 1, file_name: `${colour}.png` }],
        annotations: [{ image_id: 1, caption: colour }],
      });
    const root = await folder({
      'images/red.png': await plain('red'),
      'images/blue.png': await plain('blue'),
      'annotations/captions_train2017.json': index('red'),
      'annotations/captions_val2017.json': index('blue'),
    });
    const { items: read } = await openDataset(root);
    expect(read.map(({ captions: [caption], split }) => [caption, split])).toEqual([
      ['red', 'train'],
      ['blue', 'validation'],
    ]);
  });
});

test.each(['beside the images', 'in a shard'])(
  'JSON %s tells the split where the captions stand in a text',
  async where => {
    const files: Record<string, string | Uint8Array> = {};
    for (const [name, split] of [
      ['a', 'train'],
      ['b 1.5', 'val'],
      ['c', 'test'],
      ['d', ''],
    ]) {
      files[`${name}.png`] = await plain('red');
      files[`${name}.txt`] = name;
      files[`${name}.json`] = JSON.stringify({ split, width: 12 });
    }
    files['e.png'] = await plain('red');
    files['e.txt'] = 'e';
    files['e.json'] = JSON.stringify({ caption: 'e', split: 'train' });
    files['e.caption'] = 'e';
    const root = await folder(where === 'in a shard' ? { '0.tar': await tar(files) } : files);
    const { items, problems } = await openDataset(root);
    const splits = items.map(({ captions, split }) => [captions[0], split]);
    expect(Object.fromEntries(splits)).toEqual({
      a: 'train',
      'b 1.5': 'validation',
      c: 'test',
      d: undefined,
      e: 'train',
    });
    expect(problems).toEqual([]);
  },
);
