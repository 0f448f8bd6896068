/** @file Any text can be set: what is too long ends in an ellipsis, what has no ink takes no room. */
import { describe, expect, test } from 'vitest';
import { blank } from '../../src/image/images.ts';
import { Lettering } from '../../src/image/lettering.ts';

const face = { size: 14 };
const width = 120;

describe('wrapping', () => {
  test.each([
    ['one endless word', 'a'.repeat(50_000)],
    ['endless words', 'word '.repeat(20_000)],
  ])('%s is cut, and every line fits', async (_, text) => {
    const letters = new Lettering();
    const { lines } = await letters.wrap(text, face, width, 2);
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/…$/);
    for (const line of lines) expect(await letters.measure(line, face)).toBeLessThanOrEqual(width);
  });

  test('a text that fits keeps every letter', async () => {
    const text = 'a short caption with <markup> & signs';
    const { lines } = await new Lettering().wrap(text, face, 400, 2);
    expect(lines.join(' ')).toBe(text);
  });
});

test('text without ink takes no room and leaves the picture as it is', async () => {
  const letters = new Lettering();
  for (const text of ['', ' ', '\u200b', '\ufeff']) {
    expect(await letters.measure(text, face)).toBe(0);
    const picture = blank(width, 40);
    await letters.draw(picture, await letters.wrap(text, face, width, 1), { left: 0, top: 0, width });
    expect(picture).toEqual(blank(width, 40));
  }
});

test('characters that are none are set like any other', async () => {
  const letters = new Lettering();
  for (const text of ['a\u0000b', 'a\u0001b', '\ud800x', '\ufffex']) {
    expect(await letters.measure(text, face)).toBeGreaterThan(0);
  }
});
