/** @file `tessera data inspect` for scripts: everything that would be trained on, as one JSON document. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodePicture } from '../../src/image/decode.ts';
import { inspectDataset } from '../../src/index.ts';
import { plain } from '../data/files.ts';
import { temporaryFolder, tessera } from './program.ts';

const root = temporaryFolder();
const data = join(root, 'data');
mkdirSync(join(data, 'notes'), { recursive: true });
writeFileSync(join(data, 'red.png'), await plain('red', 12, 10));
writeFileSync(join(data, 'blue.jpg'), await plain('blue', 40, 30, 'jpeg'));
writeFileSync(join(data, 'forged\nline.png'), await plain('green', 8, 8));
writeFileSync(join(data, 'broken.png'), (await plain('red')).subarray(0, 60));
writeFileSync(join(data, 'notes', 'README.md'), 'mine');
const rows = [
  { file_name: 'red.png', text: ['red', 'a \u2028red\u202e one\x1b[31m'], group: 'warm' },
  { file_name: 'blue.jpg', text: 'blue', split: 'validation' },
  { file_name: 'forged\nline.png', text: '苹果 🍎' },
  { file_name: 'broken.png', text: 'broken' },
  { file_name: 'gone.png', text: 'gone' },
];
writeFileSync(join(data, 'metadata.jsonl'), rows.map(row => `${JSON.stringify(row)}\n`).join(''));

/** What the document has to say of it. */
const expected = {
  root: data,
  format: 'metadata',
  images: 3,
  captions: 4,
  encodings: { png: 2, jpeg: 1 },
  items: [
    { id: 'blue.jpg', width: 40, height: 30, encoding: 'jpeg', captions: ['blue'], split: 'validation' },
    { id: 'forged\nline.png', width: 8, height: 8, encoding: 'png', captions: ['苹果 🍎'] },
    { id: 'red.png', width: 12, height: 10, encoding: 'png', captions: ['red', 'a red one'], group: 'warm' },
  ],
  problems: [{ id: 'broken.png' }, { id: 'gone.png' }],
  unused: [{ id: 'notes/README.md' }],
};

describe('--json', () => {
  test('prints one document with every item, problem and unused file, and nothing else', async () => {
    const { code, stdout, stderr } = await tessera('data', 'inspect', data, '--json');
    expect(code).toBe(0);
    expect(stdout.split('\n')).toHaveLength(2);
    expect(stdout).not.toMatch(/[^\P{Cc}\n]|[\u2028\u202e]/u);
    const found = JSON.parse(stdout);
    expect(found).toMatchObject(expected);
    expect(found.items[0].bytes).toBe(readFileSync(join(data, 'blue.jpg')).length);
    const sides = found.items.map(({ split }: { split: string }) => split);
    for (const side of ['train', 'validation', 'test']) {
      expect(found[side]).toBe(sides.filter((split: string) => split === side).length);
    }
    expect(stderr).not.toContain('contact sheet');
    expect(existsSync('contact-sheet.png')).toBe(false);
  });

  test('is what the library returns', async () => {
    const { stdout } = await tessera('data', 'inspect', data, '--json');
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(await inspectDataset(data))));
  });

  test('with --sheet draws one too, and says so elsewhere', async () => {
    const sheet = join(root, 'json-sheet.png');
    const { code, stdout, stderr } = await tessera('data', 'inspect', data, '--json', '--sheet', sheet);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject(expected);
    expect(stderr).toContain(`contact sheet: ${sheet}\n`);
    expect((await decodePicture(readFileSync(sheet), 'sheet')).width).toBeGreaterThan(300);
  });

  test('with --sheet /dev/stdout is refused, since the document goes there', async () => {
    const { code, stdout, stderr } = await tessera('data', 'inspect', data, '--json', '--sheet', '/dev/stdout');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('data inspect: --sheet: /dev/stdout is where the JSON document goes\n');
  });

  test('with --strict prints the document, names the problem as opening does, and exits with 2', async () => {
    const { code, stdout, stderr } = await tessera('data', 'inspect', data, '--json', '--strict');
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject(expected);
    const [line, hint] = stderr.trimEnd().split('\n').slice(-2);
    expect(line).toMatch(/data: broken\.png: .+ \(and 1 more\)$/);
    expect(hint).toBe('  hint: mend or remove it, or leave out --strict to skip it');
  });

  test('of what is no data set prints nothing', async () => {
    const { code, stdout } = await tessera('data', 'inspect', join(data, 'notes'), '--json');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

test('without --json, --strict names the problem in the same words and draws no sheet', async () => {
  const sheet = join(root, 'strict-sheet.png');
  const { code, stdout, stderr } = await tessera('data', 'inspect', data, '--strict', '--sheet', sheet);
  expect({ code, stdout, drawn: existsSync(sheet) }).toEqual({ code: 2, stdout: '', drawn: false });
  expect(stderr).toMatch(/data: broken\.png: .+ \(and 1 more\)\n {2}hint: mend or remove it/);
});
