/** @file Captions from emoji names, one vocabulary for all styles, and a small set written to disk. */

import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { splitOf } from '../../data/dataset.ts';
import { drawEmoji, emojiDrawings, makeEmoji } from '../../data/generators/emoji.ts';
import { phraseOf, tonesOf, withStyle } from '../../data/generators/emoji-names.ts';
import { openDataset } from '../../data/open.ts';
import { folder } from './files.ts';

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
