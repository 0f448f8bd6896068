/** @file Captions from emoji names, one vocabulary for all styles, and a small set written to disk. */

import { readFile, writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { splitOf } from '../../data/dataset.ts';
import { drawEmoji, emojiDrawings, makeEmoji } from '../../data/generators/emoji.ts';
import { MOST_CAPTIONS } from '../../data/generators/emoji-captions.ts';
import { phraseOf, tonesOf, withStyle } from '../../data/generators/emoji-names.ts';
import { wordingsOf } from '../../data/generators/emoji-wordings.ts';
import { openDataset } from '../../data/open.ts';
import { folder } from './files.ts';

test('names are said in the orders that people type, and others left alone', () => {
  for (const [name, others] of [
    ['red apple', ['apple red']],
    ['man with red hair', ['man red hair']],
    ['man with a beard', ['man beard']],
    ['woman astronaut', ['female astronaut']],
    ['woman police officer', ['female police officer']],
    ['woman raising hand', []],
    ['woman in tuxedo', []],
    ['face with medical mask', ['medical mask face']],
    ['flag of the netherlands', ['netherlands flag']],
    ['rocket', []],
  ] as const)
    expect(wordingsOf(name), name).toEqual(others);
});

describe('emoji captions', () => {
  test.each([
    ['red-apple', '1f34e', 'red apple'],
    [
      'woman-raising-hand-medium-dark-skin-tone',
      '1f64b-1f3fe-200d-2640-fe0f',
      'woman raising hand, medium-dark skin tone',
    ],
    ['man-medium-skin-tone-red-hair', '1f468-1f3fd-200d-1f9b0', 'man with red hair, medium skin tone'],
    ['woman-bald', '1f469-200d-1f9b2', 'bald woman'],
    [
      'kiss-woman-man-light-skin-tone-dark-skin-tone',
      '1f469-1f3fb-200d-2764-200d-1f48b-200d-1f468-1f3ff',
      'kiss, woman and man, light skin tone and dark skin tone',
    ],
    ['flag-new-zealand', '1f1f3-1f1ff', 'flag of new zealand'],
    ['eight-oclock', '1f557', "clock at eight o'clock"],
    ['t-shirt', '1f455', 't-shirt'],
    ['family-man-woman-girl', '1f468-200d-1f469-200d-1f467', 'family, man, woman and girl'],
  ])('%s', (name, key, phrase) => {
    expect(phraseOf(name, key)).toBe(phrase);
    expect(withStyle(phrase, 'fluent-emoji-flat')).toBe(`${phrase}, fluent style`);
  });

  const drawings = emojiDrawings();

  test('one code point has the same words in every style', () => {
    const byKey = new Map<string, Set<string>>();
    for (const { style, key, captions } of drawings) {
      const styled = captions[0];
      const phrase = captions[1];
      expect(styled).toBe(withStyle(phrase, style));
      byKey.set(key, (byKey.get(key) ?? new Set()).add(phrase));
    }
    // Pictures shared by several emoji are named for the shortest key; all others agree.
    const differing = [...byKey].filter(([, phrases]) => phrases.size > 1);
    expect(differing.length).toBeLessThan(0.01 * byKey.size);
    expect([...(byKey.get('1f9dd') ?? [])]).toEqual(['elf']); // fluent says person-elf
  });

  test.each([
    ['red heart', 'heart, heart red'],
    ['purple heart', 'heart purple'],
    ['thumbs up', 'thumb up, thumbsup'],
    ['cat with tears of joy', 'cat tears of joy'],
    ['face with tears of joy', 'laughing face, tears of joy face'],
    ['grinning face', 'smiley, grinning'],
    ['smiling face with sunglasses', 'cool face with sunglasses, smiling face sunglasses'],
    ['cat face', 'kitten, kitty'],
    ['fox', ''],
    ['sun', 'sunshine'],
    ['evergreen tree', 'pine tree, fir'],
    ['mushroom', 'fungus, shroom, toadstool'],
    ['hot dog', 'frankfurter, hotdog, sausage'],
    ['cook', 'chef'],
    ['man cook', 'male cook'],
    ['musical keyboard', 'piano'],
    ["jack-o'-lantern", 'pumpkin, gourd'],
    ['pile of poo', 'poop'],
    ['flag of japan', 'japan flag'],
    ["clock at eight o'clock", "eight o'clock"],
  ])('%s is also: %s', (name, also) => {
    const found = drawings.find(({ style, captions }) => style !== 'noto' && captions[1] === name);
    const plain = found?.captions.filter(caption => !caption.endsWith(' style')) ?? [];
    expect(plain).toEqual([name, ...(also === '' ? [] : also.split(', '))]);
  });

  test('a tone is said of the other names too, and before the name', () => {
    const thumb = drawings.find(({ style, key }) => style === 'noto' && key === '1f44d-1f3fd');
    expect(thumb?.captions).toEqual([
      'thumbs up, medium skin tone, noto style',
      'thumbs up, medium skin tone',
      'medium skin tone thumbs up',
      'thumb up, medium skin tone',
      'thumbsup, medium skin tone',
    ]);
  });

  test('a name of everybody is not that of a man, and moods, signs, kinds and insults are no names', () => {
    const said = new Set(drawings.flatMap(({ captions }) => captions));
    for (const word of [
      'programmer',
      'love',
      'nature',
      'fruit',
      'like',
      'blue-square',
      'shitface',
      'molester',
      'black',
    ])
      expect(said).not.toContain(word);
  });

  test('other captions name one emoji alone, none has the name of another, and all are few', () => {
    const names = new Map(drawings.map(({ captions, group }) => [captions[1], group]));
    const owners = new Map<string, Set<string>>();
    let longest = 0;
    for (const { captions, group } of drawings) {
      longest = Math.max(longest, captions.length);
      expect(new Set(captions).size).toBe(captions.length);
      for (const caption of captions.filter((said, i) => i > 1 && !said.endsWith(' style')))
        owners.set(caption, (owners.get(caption) ?? new Set()).add(group));
    }
    expect(longest).toBe(MOST_CAPTIONS);
    expect([...owners].filter(([, groups]) => groups.size > 1)).toEqual([]);
    const ofAnother = [...owners].filter(([said, groups]) => names.has(said) && !groups.has(names.get(said) ?? ''));
    expect(ofAnother).toEqual([]);
  });

  test('every tone in a key is said, no name is raw, no brand is left', () => {
    for (const { key, captions, name } of drawings) {
      for (const tone of tonesOf(key))
        if (tonesOf(key).length === 1 && captions[1].includes('tone'))
          expect(captions[1]).toContain(`${tone} skin tone`);
      expect(captions[1]).not.toMatch(/-skin-tone|oclock|undefined/);
      expect(name).not.toMatch(/^(firefox|github|twitter|chrome)/);
    }
    expect(new Set(drawings.map(({ style }) => style)).size).toBe(4);
    expect(drawings.length).toBeGreaterThan(14000);
  });

  test('no caption stands on both sides of the split', () => {
    const sides = new Map<string, Set<string>>();
    for (const { group, captions } of drawings) {
      const side = splitOf({ id: 'x', group }, 0.1);
      for (const caption of captions) sides.set(caption, (sides.get(caption) ?? new Set()).add(side));
    }
    expect([...sides].filter(([, side]) => side.size > 1).map(([caption]) => caption)).toEqual([]);
  });

  test('the red heart is red on white, drawn at the size asked for', async () => {
    const heart = drawings.find(({ style, key }) => style === 'noto' && key === '2764');
    const { data, info } = await sharp(await drawEmoji(heart!.svg, 32))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([32, 32, 3]);
    expect([...data.subarray(0, 3)]).toEqual([255, 255, 255]);
    const middle = data.subarray((16 * 32 + 16) * 3);
    expect(middle[0]).toBeGreaterThan(180);
    expect(Math.max(middle[1], middle[2])).toBeLessThan(110);
  });
});

test('makes a dataset that opens, with attribution, and does nothing the second time', async () => {
  const out = await folder();
  const options = { out, styles: ['noto', 'twemoji'], size: 32, limit: 12 };
  expect(await makeEmoji(options)).toEqual({ out, counts: { noto: 12, twemoji: 12 }, upToDate: false, others: [] });
  expect((await makeEmoji(options)).upToDate).toBe(true);
  expect((await makeEmoji({ ...options, size: 16 })).upToDate).toBe(false);
  const { format, items, problems } = await openDataset(out, { strict: true });
  expect([format, items.length, problems.length]).toEqual(['metadata', 24, 0]);
  expect(items[0].captions[0]).toMatch(/, noto style$/);
  const credits = await readFile(`${out}/ATTRIBUTION.md`, 'utf8');
  for (const part of ['Google', 'Apache-2.0', 'CC-BY-4.0', 'https://']) expect(credits).toContain(part);
  await expect(makeEmoji({ out, styles: ['windows'] })).rejects.toThrow(
    'styles: expected some of noto, twemoji, openmoji, fluent-emoji-flat, got windows',
  );
});

test('a folder that was drawn with fewer captions, or with other keywords, is older and drawn again', async () => {
  const out = await folder();
  const options = { out, styles: ['noto'], size: 16, limit: 3 };
  await makeEmoji(options);
  const stamp = `${out}/emoji.json`;
  const { versions, ...rest } = JSON.parse(await readFile(stamp, 'utf8'));
  expect(Object.keys(versions)).toEqual(['noto', 'emojilib']);
  for (const older of [
    { ...rest, format: 1, versions: { noto: versions.noto } },
    { ...rest, versions: { ...versions, emojilib: '3.0.0' } },
  ]) {
    await writeFile(stamp, JSON.stringify(older));
    expect((await makeEmoji(options)).upToDate).toBe(false);
    expect((await makeEmoji(options)).upToDate).toBe(true);
  }
});

test('a folder that was drawn over halfway is neither made before nor a dataset', async () => {
  const out = await folder();
  const options = { out, styles: ['noto'], size: 16, limit: 12 };
  await makeEmoji(options);
  const interrupt = (): never => {
    throw new Error('interrupted');
  };
  await expect(makeEmoji({ ...options, size: 32, onProgress: interrupt })).rejects.toThrow('interrupted');
  await expect(openDataset(out)).rejects.toThrow('no captioned image');
  expect((await makeEmoji(options)).upToDate).toBe(false);
  expect((await sharp(await (await openDataset(out)).items[0].read()).metadata()).width).toBe(16);
});
