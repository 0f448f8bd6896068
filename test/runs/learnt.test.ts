/** @file What a run keeps of its captions: words, counts and lists; what of a caption it has never seen; looking through them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { formatCaptions } from '../../src/cli/terminal/captions.ts';
import { editDistance } from '../../src/core/edit-distance.ts';
import { beginLearnt, gatherCaptions, keepLearnt, readLearnt, readLearntWords } from '../../src/runs/learnt/record.ts';
import { type CaptionSearch, searchCaptions } from '../../src/runs/learnt/search.ts';
import { describeUnseen, nearWords, unseenWords } from '../../src/runs/learnt/unseen.ts';
import { wordsOf } from '../../src/runs/learnt/words.ts';
import { folder } from '../data/files.ts';

const items = [
  ['red heart, noto style', 'red heart', 'heart'],
  ['red heart, twemoji style', 'red heart', 'heart'],
  ['beating heart, noto style', 'beating heart', 'heartbeat'],
  ['green apple'],
  ['green apple'],
  ['pile of poo', 'poop'],
].map(captions => ({ captions }));

describe('the words of a caption', () => {
  test.each([
    ['A Red  Apple, red!', ['a', 'red', 'apple']],
    ["Eight o’clock on the man's T-shirt", ['eight', "o'clock", 'on', 'the', "man's", 't', 'shirt']],
    ['Äpfel und Ｂirnen: 2nd prize', ['äpfel', 'und', 'birnen', '2nd', 'prize']],
    ['🍎 apple ❤️', ['🍎', 'apple', '❤']],
    ['हिन्दी भाषा', ['हिन्दी', 'भाषा']],
    ['... !?', []],
  ])('%s', (text, words) => expect(wordsOf(text)).toEqual(words));

  test('where no spaces are written, by the dictionary', () => {
    expect(wordsOf('赤いりんご').length).toBeGreaterThan(1);
    expect(wordsOf('赤いりんご').join('')).toBe('赤いりんご');
  });
});

describe('the record', () => {
  test('counts images, different captions, and the images of every word', async () => {
    const learnt = await gatherCaptions(items);
    expect(learnt).toMatchObject({ images: 6, captions: 10, kept: 10, wordsLeftOut: 0 });
    expect([...learnt.words].slice(0, 4)).toEqual([
      ['heart', 3],
      ['style', 3],
      ['apple', 2],
      ['green', 2],
    ]);
    expect(learnt.words.get('poop')).toBe(1);
    expect(learnt.words.size).toBe(13);
    expect(learnt.lists.map(({ images }) => images)).toEqual([1, 1, 1, 2, 1]);
  });

  test('of much keeps every n-th list and the most frequent words, and says so', async () => {
    const many = Array.from({ length: 100 }, (_, i) => ({ captions: [`picture ${i}`, i % 2 === 0 ? 'even' : 'odd'] }));
    const limits = { words: 3, captions: 50, characters: 1e6 };
    const learnt = await gatherCaptions(many, { limits });
    expect([...learnt.words.keys()]).toEqual(['picture', 'even', 'odd']);
    expect(learnt).toMatchObject({ images: 100, captions: 102, kept: 26, wordsLeftOut: 100 });
    expect(learnt.lists.map(({ captions }) => captions[0])).toEqual(
      Array.from({ length: 25 }, (_, i) => `picture ${4 * i}`),
    );
    const short = await gatherCaptions(many, { limits: { ...limits, captions: 1000, characters: 700 } });
    expect(short.lists.length).toBe(50); // 1440 characters in all: every third would be too few
  });

  test('is written once for its data, and again for other data; what was read is what was written', async () => {
    const path = join(await folder(), 'captions.jsonl.gz');
    expect(await readLearnt(path)).toBeUndefined();
    await keepLearnt(path, items, { data: 'one' });
    const bytes = readFileSync(path);
    expect(await readLearnt(path)).toEqual(await gatherCaptions(items));
    const { lists: _, ...words } = await gatherCaptions(items);
    expect(await readLearntWords(path)).toEqual(words);
    await keepLearnt(path, [], { data: 'one' });
    expect(readFileSync(path)).toEqual(bytes);
    await keepLearnt(path, items.slice(0, 1), { data: 'two' });
    expect(await readLearnt(path)).toMatchObject({ images: 1, captions: 3 });
    await keepLearnt(path, items, { data: 'one' });
    expect(readFileSync(path)).toEqual(bytes);
  });

  test('words that are names in JavaScript, and numbers, keep their counts and order', async () => {
    const path = join(await folder(), 'captions.jsonl.gz');
    const odd = ['__proto__ constructor', 'constructor 7', 'constructor'].map(caption => ({ captions: [caption] }));
    await keepLearnt(path, odd, { data: 'x' });
    expect([...((await readLearntWords(path))?.words ?? [])]).toEqual([
      ['constructor', 3],
      ['7', 1],
      ['proto', 1],
    ]);
  });

  test('damaged, is refused by its readers and replaced by its writer', async () => {
    const path = join(await folder(), 'captions.jsonl.gz');
    await keepLearnt(path, items, { data: 'one' });
    const good = readFileSync(path);
    const [head, ...rest] = gunzipSync(good).toString().split('\n');
    const packed = (...lines: string[]) => gzipSync(lines.join('\n'));
    for (const bad of [
      good.subarray(0, 40),
      Buffer.from('mine'),
      packed('{}', ...rest),
      packed(head.replace('"images":6', '"images":-6'), ...rest),
      packed(head.replace('{', '{"source":[1],'), ...rest),
      packed(head, '["one","two"]', ''),
      packed(head, '[1,2]', ''),
      packed(head, '{', ''),
      gzipSync(Buffer.alloc(2 ** 26)),
    ]) {
      writeFileSync(path, bad);
      await expect(readLearnt(path)).rejects.toThrow(
        /captions\.jsonl\.gz.*: expected the captions of a run, as its training writes them, got something else/,
      );
      await keepLearnt(path, items, { data: 'two' });
      expect(await readLearnt(path)).toMatchObject({ images: 6 });
    }
  });
});

describe('words never seen', async () => {
  const learnt = await gatherCaptions(items);

  test('of what was trained on there are none, and of new orders of it', () => {
    for (const { captions } of items)
      for (const caption of captions) expect(describeUnseen([caption], learnt)).toBeUndefined();
    expect(describeUnseen(['HEART, green; apple', ''], learnt)).toBeUndefined();
  });

  test.each([
    ['roter apfel', 'roter, apfel: never seen in training; nearest in spelling: apple? (apfel)'],
    ['a geren heart', 'a, geren: never seen in training; nearest in spelling: green (geren)'],
    ['aple', 'aple: never seen in training; nearest in spelling: apple'],
    ['twmojie style', 'twmojie: never seen in training; nearest in spelling: twemoji?'],
    ['purple dinosaur', 'purple, dinosaur: never seen in training'],
    ['blue 🍎', 'blue, 🍎: never seen in training'],
  ])('%s', (caption, line) => expect(describeUnseen([caption], learnt)).toBe(line));

  test('of several captions each once, and of many the first', () => {
    expect(describeUnseen(['blue heart', 'blue sky'], learnt)).toBe('blue, sky: never seen in training');
    const many = Array.from({ length: 10 }, (_, i) => `zz${i}zz`);
    expect(describeUnseen(many, learnt)).toMatch(/^zz0zz, .*, zz7zz and 2 more: never seen in training$/);
  });

  test('are not called unseen where rare words were left out', async () => {
    const few = await gatherCaptions(items, { limits: { words: 3, captions: 1000, characters: 1e6 } });
    expect(describeUnseen(['poop'], few)).toBe('poop: not among the 3 words seen most');
  });

  test('of a run that was started from another are told from those that the other has seen', async () => {
    const path = join(await folder(), 'captions.jsonl.gz');
    await beginLearnt(path, new Set(['zebra', 'red']));
    expect(await readLearnt(path)).toMatchObject({ images: 0, captions: 0, lists: [] });
    for (const data of ['one', 'two']) {
      await keepLearnt(path, items, { data });
      const ofBoth = await readLearnt(path);
      expect(ofBoth).toEqual({ ...learnt, source: new Set(['zebra', 'red']) });
      expect(unseenWords('zebra yak', ofBoth!)).toEqual([{ word: 'zebra', bySource: true }, { word: 'yak' }]);
      expect(describeUnseen(['red zebra yak'], ofBoth!)).toBe(
        'yak: never seen in training; zebra: seen only by the model that it was started from',
      );
      expect(describeUnseen(['zebra'], ofBoth!)).toBe('zebra: seen only by the model that it was started from');
    }
  });

  test('have the nearest known word with its distance and images', () => {
    expect(unseenWords('a red aple', learnt)).toEqual([
      { word: 'a' },
      { word: 'aple', nearest: { word: 'apple', distance: 1, images: 2 } },
    ]);
    expect(nearWords('heert', learnt, 5)).toEqual([{ word: 'heart', distance: 1, images: 3 }]);
    expect(nearWords('he', learnt, 5)).toEqual([]);
  });

  test('the quick look at letters never misses a word that is near', async () => {
    const words = ['strawberry', 'starberry', 'blueberry', 'berry', 'heart', 'earth', 'hearth', 'hat', 'tab', 'bat'];
    const known = await gatherCaptions([{ captions: words }]);
    for (const word of [...words, 'strawbery', 'haert', 'brery', 'aht', 'hearths'])
      for (const other of words) {
        const farthest = word.length <= 4 ? 1 : word.length <= 7 ? 2 : 3;
        const found = nearWords(word, known, 100).some(near => near.word === other);
        const distance = editDistance(word, other);
        const near = distance <= farthest && (distance === 1 || word.slice(0, 2) === other.slice(0, 2));
        expect([word, other, found]).toEqual([word, other, near]);
      }
  });
});

describe('a search', async () => {
  const learnt = await gatherCaptions(items);
  const search = (query: string, limit = 20) => searchCaptions(learnt, query, limit) as CaptionSearch;
  const said = (part: { readonly captions: readonly { readonly caption: string }[] } | undefined) =>
    part?.captions.map(({ caption }) => caption);

  test('finds captions with all words, the query itself first, then whole words, then longer ones', () => {
    const { found, same, unseen } = search('Heart');
    expect(found.captions).toEqual([
      { caption: 'heart', images: 2 },
      { caption: 'red heart', images: 2 },
      { caption: 'beating heart', images: 1 },
      { caption: 'red heart, noto style', images: 1 },
      { caption: 'red heart, twemoji style', images: 1 },
      { caption: 'beating heart, noto style', images: 1 },
      { caption: 'heartbeat', images: 1 },
    ]);
    expect([found.total, same.total, unseen]).toEqual([7, 0, []]);
    expect(said(search('heart noto').found)).toEqual(['red heart, noto style', 'beating heart, noto style']);
    expect(search('heart', 2).found).toEqual({ captions: found.captions.slice(0, 2), total: 7 });
  });

  test('finds what else is said of the same images', () => {
    expect(search('poop')).toMatchObject({
      found: { captions: [{ caption: 'poop', images: 1 }], total: 1 },
      same: { captions: [{ caption: 'pile of poo', images: 1 }], total: 1 },
    });
  });

  test('offers words that are spelt alike, and searches with them', () => {
    const { found, unseen, instead, some } = search('gren aple');
    expect(found.total).toBe(0);
    expect(unseen).toEqual([
      { word: 'gren', near: [{ word: 'green', distance: 1, images: 2 }] },
      { word: 'aple', near: [{ word: 'apple', distance: 1, images: 2 }] },
    ]);
    expect(instead).toEqual({
      query: 'green apple',
      found: { captions: [{ caption: 'green apple', images: 2 }], total: 1 },
    });
    expect(some).toBeUndefined();
  });

  test('of words that no caption has together finds those with some of them, and of nothing nothing', () => {
    expect(said(search('green heart').some)).toEqual([
      'heart',
      'red heart',
      'green apple',
      'beating heart',
      'red heart, noto style',
      'red heart, twemoji style',
      'beating heart, noto style',
    ]);
    expect(search('zzzz')).toMatchObject({ found: { total: 0 }, unseen: [{ word: 'zzzz', near: [] }] });
    expect(searchCaptions(learnt, ' !', 5)).toBeUndefined();
  });

  test('is printed with its counts', () => {
    const { lists: _, words, ...counts } = learnt;
    const printed = (query: string, limit?: number) =>
      formatCaptions({ ...counts, words: words.size, ...search(query, limit) }, query);
    expect(printed('heart', 2)).toEqual([
      '10 captions of 6 training images, 13 words',
      '',
      'with "heart": 7 captions',
      '  heart      2 images',
      '  red heart  2 images',
      '  ... and 5 more (--limit)',
    ]);
    expect(printed('zzzz').slice(1)).toEqual(['', 'no caption has "zzzz"']);
    expect(printed('aple').slice(1)).toEqual([
      '',
      'no caption has "aple"; spelt alike: apple (2 images)',
      '',
      'with "apple": 1 caption',
      '  green apple  2 images',
    ]);
    expect(printed('green poop').slice(1, 3)).toEqual(['', 'with some of the words: 2 captions']);
    const part = formatCaptions({
      images: 5000,
      captions: 9000,
      kept: 300,
      words: 1,
      found: { captions: [], total: 0 },
    });
    expect(part[0]).toBe('9,000 captions (300 of them kept, evenly chosen) of 5,000 training images, 1 word');
  });
});
