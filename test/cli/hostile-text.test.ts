import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { captions, draw, temporaryFolder, tessera, writeItem } from './program.ts';

/** Names that forge a line, colour it, and turn the direction of writing; and how they are shown. */
const NAMES = {
  'red\n[44] transformer: done.png': String.raw`red\n[44] transformer: done.png`,
  'blue\x1b[31m\x1b]0;title\x07.png': String.raw`blue\x1b[31m\x1b]0;title\x07.png`,
  'green\u202egnp.png': String.raw`green\u202egnp.png`,
};

const HARMFUL = /[^\P{Cc}\n]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

test('names of files are shown without their control characters, one line each', async () => {
  const data = join(temporaryFolder(), 'data');
  const image = await draw(captions[0]);
  await writeItem(data, 'plain.png', image, captions[0]);
  for (const name of Object.keys(NAMES)) await writeItem(data, name, image); // a picture without its caption
  const sheet = join(data, '..', 'sheet.png');
  const { code, stdout, stderr } = await tessera('data', 'inspect', data, '--sheet', sheet);
  expect({ code, harm: HARMFUL.test(stdout) || HARMFUL.test(stderr) }).toEqual({ code: 0, harm: false });
  for (const shown of Object.values(NAMES)) {
    expect(stdout.split('\n').filter(line => line.trim().startsWith(`${shown}: no caption`))).toHaveLength(1);
  }
});

test('an error is one line, whatever the path holds', async () => {
  const folder = temporaryFolder();
  for (const [name, shown] of Object.entries(NAMES)) {
    const missing = await tessera('data', 'inspect', join(folder, name));
    expect(missing.code).toBe(2);
    expect(missing.stderr).not.toMatch(HARMFUL);
    expect(missing.stderr.split('\n')[0]).toBe(`${join(folder, shown)}: no such folder or file`);
    expect(missing.stderr.split('\n')).toHaveLength(3); // the hint, and the end of its line
  }
  const unknown = await tessera('sample', '--text', 'a', '--fl\x1b[31mag\nforged');
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).not.toMatch(HARMFUL);
  expect(unknown.stderr.split('\n')[0]).toContain(String.raw`--fl\x1b[31mag\nforged`);
});

test('a field of a megabyte is refused at once, in a short line', async () => {
  const run = join(temporaryFolder(), 'run');
  mkdirSync(run);
  const config = readFileSync('models/emoji/config.json', 'utf8');
  writeFileSync(
    join(run, 'config.json'),
    JSON.stringify({ ...JSON.parse(config), [`wi${'d'.repeat(1_000_000)}th`]: 1 }),
  );
  const { code, stderr } = await tessera('sample', '--run', run, '--text', 'a');
  expect(code).toBe(2);
  expect(stderr).toMatch(/config\.json: unknown field widd/);
  expect(stderr.length).toBeLessThan(500);
});
