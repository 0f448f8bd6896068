/** @file Lines of text files that are read in pieces: the same lines whatever the pieces are. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { whyTooLarge } from '../../data/indexes/json.ts';
import { beginningOf, linesOf } from '../../data/lines.ts';
import { openDataset } from '../../data/open.ts';
import { folder, plain } from './files.ts';

async function read(content: string | Uint8Array): Promise<(string | undefined)[]> {
  const path = join(await folder({ 'a.txt': content }), 'a.txt');
  const lines: (string | undefined)[] = [];
  let last = 0;
  for await (const { number, text } of linesOf(path)) {
    lines.push(text);
    last = number;
  }
  expect(last).toBe(lines.length);
  return lines;
}

test('lines end in any way, and the last may have no end', async () => {
  expect(await read('')).toEqual([]);
  expect(await read('\n')).toEqual(['']);
  expect(await read('\ufeffa\r\nb\nc\rd')).toEqual(['a', 'b', 'c', 'd']);
  expect(await read('a\r\n\r\nb\r\n')).toEqual(['a', '', 'b']);
  expect(await read(Buffer.from('\ufeffa\r\n\u00e9', 'utf16le'))).toEqual(['a', '\u00e9']);
});

test('characters and ends of lines may lie across the pieces', async () => {
  for (const before of [2 ** 20 - 3, 2 ** 20 - 2, 2 ** 20 - 1, 2 ** 20]) {
    const first = 'x'.repeat(before);
    expect(await read(`${first}\u{1f600}\r\nb`)).toEqual([`${first}\u{1f600}`, 'b']);
    expect(await read(`${first}\r\nb\r\n`)).toEqual([first, 'b']);
  }
});

test('a line of more than 16 MB is passed over, and the next is read', async () => {
  expect(await read(`a\n${'x'.repeat(2 ** 24 + 1)}\nb\n`)).toEqual(['a', undefined, 'b']);
  expect((await read('x'.repeat(2 ** 24)))[0]).toHaveLength(2 ** 24);
});

test('what is no text is refused with the line', async () => {
  const latin1 = Buffer.concat([
    Buffer.from(`${'a'.repeat(99)}\n`.repeat(2 ** 15)),
    Buffer.from('caf\u00e9\n', 'latin1'),
  ]);
  await expect(read(latin1)).rejects.toThrow(/^is not UTF-8 or UTF-16 text \(.*\); line 32769$/);
  await expect(read(Buffer.from('a\nb\xe9', 'latin1'))).rejects.toThrow('line 2');
  await expect(read(Buffer.from('PNG\0\0\x01\x02'))).rejects.toThrow('is no text');
  expect(await beginningOf(join(await folder({ x: Buffer.from([0, 1, 2, 0, 0]) }), 'x'))).toBeUndefined();
});

test('an index is read line by line, so its size has no limit; a whole JSON document has one, and says so', async () => {
  const rows = Array.from({ length: 40_000 }, (_, i) => ({
    file_name: i === 39_999 ? 'a.png' : `gone/${i}.png`,
    text: `caption \u00e9 ${i}`,
  }));
  const png = await plain('red');
  for (const [name, content] of [
    ['metadata.jsonl', rows.map(row => JSON.stringify(row)).join('\n')],
    ['metadata.csv', ['file_name,text', ...rows.map(row => `${row.file_name},"${row.text}"`)].join('\r\n')],
  ]) {
    const { items, problems } = await openDataset(await folder({ [name]: content, 'a.png': png }));
    expect(items.map(({ id, captions }) => [id, captions])).toEqual([['a.png', ['caption \u00e9 39999']]]);
    expect(problems).toHaveLength(39_999);
  }
  expect(whyTooLarge(500_000_000)).toBeUndefined();
  expect(whyTooLarge(600_000_000)).toBe(
    'is JSON of 600 MB, of which at most 500 MB can be read; write one object a line (jq -c .[] FILE > metadata.jsonl)',
  );
});
