import { describe, expect, test } from 'vitest';
import { printable, printableJson } from '../../src/core/printable.ts';

describe('printable', () => {
  test.each([
    ['red apple, 100 %', 'red apple, 100 %'],
    ['Äpfel 苹果 क्षि 👩‍🚀 🏴󠁧󠁢󠁥󠁮󠁧󠁿', 'Äpfel 苹果 क्षि 👩‍🚀 🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
    ['\x1b[31mred\x1b]0;title\x07', String.raw`\x1b[31mred\x1b]0;title\x07`],
    ['a\nb\r\tc\0', String.raw`a\nb\r\tc\x00`],
    ['\x7f\x9b2J', String.raw`\x7f\x9b2J`],
    ['photo\u202egpj.exe\u2066\u2069', String.raw`photo\u202egpj.exe\u2066\u2069`],
    ['one\u2028two\u2029', String.raw`one\u2028two\u2029`],
    ['half \ud83c and \udf4e', String.raw`half \ud83c and \udf4e`],
    ['שלום \u200f!', 'שלום \u200f!'], // a mark that Hebrew needs, and that turns nothing around
  ])('shows %j as %j', (text, shown) => expect(printable(text)).toBe(shown));

  test('keeps line feeds where there may be several lines, and nothing else', () => {
    expect(printable('a\n\x1bb\r\n', { lines: true })).toBe('a\n\\x1bb\\r\n');
  });

  test('leaves out the middle of a long text, never half a character', () => {
    const long = `start ${'🍎'.repeat(500_000)} end`;
    const shown = printable(long);
    expect(shown.length).toBeLessThanOrEqual(2000);
    expect(shown).toMatch(/^start (🍎)+…(🍎)+ end$/u);
    expect(printable(`a${long}`)).toMatch(/^astart (🍎)+…(🍎)+ end$/u);
  });
});

test('JSON keeps its value and has no harmful character', () => {
  const value = { caption: '\x1b[0m\u2028\u202e\x9b\ud83c\n', list: ['苹果', '🍎'] };
  for (const json of [printableJson(value), printableJson(value, 2)]) {
    expect(JSON.parse(json)).toEqual(value);
    expect(json).not.toMatch(/[^\P{Cc}\n]|[\u2028\u202e]|\p{Cs}/u);
  }
  expect(printableJson(value)).not.toContain('\n');
  expect(printableJson(value)).toContain('苹果');
});
