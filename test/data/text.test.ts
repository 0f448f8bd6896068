/** @file Bytes that are text and bytes that are none, and captions as they reach the tokenizer. */

import { constants } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import { captionLines, captionsFrom, cleanCaption, decodeText, LIMIT_CAPTION } from '../../data/text.ts';

const bigEndian = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

describe('encodings', () => {
  test.each([
    ['UTF-8', Buffer.from('café ☕ 🦊')],
    ['UTF-8 with a mark', Buffer.from('\ufeffcafé ☕ 🦊')],
    ['UTF-16LE with a mark', Buffer.from('\ufeffcafé ☕ 🦊', 'utf16le')],
    ['UTF-16BE with a mark', bigEndian('\ufeffcafé ☕ 🦊')],
  ])('%s is read', (_, bytes) => {
    expect(decodeText(bytes)).toEqual({ text: 'café ☕ 🦊' });
  });

  test.each([
    ['Latin', 'red apple\n'],
    ['Latin with quotes and an emoji', '“a small red apple” on a table 🦊\r\n'],
    ['Russian', 'красный'],
    ['Greek', 'ένα μήλο\n'],
    ['Hebrew', 'תפוח'],
    ['Hindi', 'एक लाल सेब\n'],
    ['lines', 'a\n\nb\n'],
  ])('UTF-16 without a mark is read: %s', (_, text) => {
    expect(decodeText(Buffer.from(text, 'utf16le'))).toEqual({ text });
    expect(decodeText(bigEndian(text))).toEqual({ text });
  });

  test.each([
    ['Latin-1', Buffer.from('café rouge', 'latin1'), /^is not UTF-8 or UTF-16 text .*iconv -f latin1/],
    ['Windows-1252', Buffer.from([0x93, 0x61, 0x94]), /^is not UTF-8/],
    ['Shift-JIS', Buffer.from([0x90, 0xd4, 0x82, 0xa2]), /^is not UTF-8/],
    ['ISO-2022-JP', Buffer.from('\x1b$B@V$$\x1b(B', 'latin1'), /^is ISO-2022-JP/],
    ['UTF-32', Buffer.from([0xff, 0xfe, 0, 0, 0x72, 0, 0, 0]), /^is UTF-32/],
    ['UTF-16 cut in the middle of a character', Buffer.from('\ufeffred', 'utf16le').subarray(0, 7), /^is not UTF-16LE/],
    ['Chinese UTF-16 without a mark', Buffer.from('红色的苹果\n', 'utf16le'), /^is no text, or UTF-16 without a/],
    ['zeros among letters', Buffer.from('red\0\0\0apple and more'), /zero bytes/],
    ['control characters', Buffer.from([1, 2, 3, 4, 5, 6, 0x61, 0x62]), /control characters/],
  ])('%s is refused with the reason', (_, bytes, why) => {
    expect(decodeText(bytes)).toEqual({ why: expect.stringMatching(why) });
  });

  test('what no string can hold is not called another encoding', () => {
    // Only the length is looked at, so none of it is ever touched.
    const { why } = decodeText(new Uint8Array(constants.MAX_STRING_LENGTH + 1));
    expect(why).toMatch(/^is longer than 51[12] MiB/);
  });
});

describe('captions', () => {
  test.each([
    ['red \x1b[31mtext\x1b[0m \u202eabc\u202c \x07', 'red text abc'],
    ['\x1b]0;title\x07red', 'red'],
    ['re\0d', 'red'],
    ['\ufeffr\ufeffed\u200b apple', 'red apple'],
    ['a\u2028b\u0085c\td', 'a b c d'],
    ['cafe\u0301', 'caf\u00e9'],
    ['\ud800half\udc00', 'half'],
    ['👨\u200d👩\u200d👧 می\u200cخواهم', '👨\u200d👩\u200d👧 می\u200cخواهم'],
    [' \u200d\ufe0f\u3164 ', ''],
  ])('%j becomes %j', (text, clean) => {
    expect(cleanCaption(text)).toBe(clean);
  });

  test('more marks on a letter than a language has are taken out, before they are sorted', () => {
    expect(cleanCaption(`a${'\u0300'.repeat(40)} b${'\u0316'.repeat(3)}`)).toBe(
      `\u00e0${'\u0300'.repeat(29)} b${'\u0316'.repeat(3)}`,
    );
    // Sorting these takes a second and more.
    expect(cleanCaption(`a${'\u0301\u0323'.repeat(8000)}`).length).toBeLessThanOrEqual(31);
  });

  test('a caption that is too long stays too long, whatever it is made of', () => {
    for (const text of [' '.repeat(LIMIT_CAPTION + 1), '\x1b[0m'.repeat(LIMIT_CAPTION), 'a'.repeat(1e6)]) {
      expect(cleanCaption(text)).toHaveLength(LIMIT_CAPTION + 1);
    }
    expect(cleanCaption('a'.repeat(LIMIT_CAPTION))).toHaveLength(LIMIT_CAPTION);
  });

  test('are the lines that say something, each once', () => {
    expect(captionLines('red\r\n\r\n  blue\rred\n\u200b\n')).toEqual(['red', 'blue']);
    expect(captionsFrom(['red', 5, '', 'red '])).toEqual(['red']);
    expect(captionsFrom({ text: 'red' })).toEqual([]);
  });
});
