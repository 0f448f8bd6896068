/**
 * @file A run knows what it was trained on: the file of its captions from its training to its export, `sample` that names
 * words never seen, and `tessera captions`.
 */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { knownCaptions, Tessera } from '../../src/index.ts';
import {
  captions,
  draw,
  hardlyTrained,
  snapshot,
  temporaryFolder,
  tessera,
  writeConfig,
  writeDrawings,
  writeItem,
} from './program.ts';

const folder = temporaryFolder();
const at = (...names: string[]) => join(folder, ...names);
const data = at('data');
const run = at('run');
const FILE = 'captions.jsonl.gz';
/** A published split, so that what is held out is known. */
const held = 'violet triangle';

const train = (out: string, ...flags: string[]) => tessera('train', '--data', data, '--out', out, ...flags);
const sample = (from: string, text: string) =>
  tessera('sample', '--run', from, '--text', text, '-n', '1', '--outputs-dir', at('outputs'));
const linesOf = (where: string) =>
  gunzipSync(readFileSync(join(where, FILE)))
    .toString()
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));

beforeAll(async () => {
  await writeDrawings(join(data, 'train'));
  await writeItem(join(data, 'train'), 'more.png', await draw('red circle', 16), 'red circle\na red disc');
  await writeItem(join(data, 'validation'), 'held.png', await draw('violet circle'), held);
  writeConfig(at('config.json'), hardlyTrained);
  expect((await train(run, '--config', at('config.json'))).code).toBe(0);
});

test('a run keeps the words and captions that it was trained on, and none that were held out', () => {
  const [head, ...lists] = linesOf(run);
  expect(head).toMatchObject({ images: 9, captions: 9, kept: 9, wordsLeftOut: 0 });
  expect(head.words).toEqual({
    ...{ circle: 5, square: 4, red: 3, blue: 2, green: 2, orange: 2, a: 1, disc: 1 },
  });
  expect(new Set(lists.flatMap(([, ...list]) => list))).toEqual(new Set([...captions, 'a red disc']));
});

describe('the file of a run', () => {
  test('is as it was where nothing changed, and made where it is missing, of a run that is done too', async () => {
    const copy = at('copy');
    cpSync(run, copy, { recursive: true });
    const before = snapshot(copy);
    expect((await train(copy)).code).toBe(0);
    expect(snapshot(copy)).toEqual(before);
    rmSync(join(copy, FILE));
    expect((await train(copy)).code).toBe(0);
    expect(snapshot(copy)).toEqual(before);
  });

  test('follows the data where its changes are taken, and stays as it is where they are refused', async () => {
    const [copy, file] = [at('changed'), join(data, 'train', 'more.txt')];
    cpSync(run, copy, { recursive: true });
    const captionsBefore = readFileSync(file);
    const before = snapshot(copy);
    writeFileSync(file, 'a crimson disc');
    try {
      expect((await train(copy, '--steps', '3')).code).toBe(2);
      expect(snapshot(copy)[FILE]).toBe(before[FILE]);
      expect((await train(copy, '--steps', '3', '--accept-changes')).code).toBe(0);
    } finally {
      writeFileSync(file, captionsBefore);
    }
    const [{ words, captions: count }] = linesOf(copy);
    expect([words.crimson, words.red, words.disc, count]).toEqual([1, 2, 1, 9]);
  });
});

describe('tessera sample', () => {
  test('names words that the run has never seen in one line, what is held out among them', async () => {
    const { code, stderr } = await sample(run, 'violet cirkle|a read circle');
    expect(code).toBe(0);
    const lines = stderr.split('\n').filter(line => line.includes('never seen'));
    expect(lines).toEqual([
      'violet, cirkle, read: never seen in training; nearest in spelling: circle (cirkle), red (read)',
    ]);
  });

  test('says nothing of what was trained on, of no caption, and where the run does not know', async () => {
    for (const text of ['red circle', 'Square: orange!', ''])
      expect((await sample(run, text)).stderr).not.toContain('seen');
    const old = at('old');
    cpSync(run, old, { recursive: true });
    rmSync(join(old, FILE));
    const { code, stderr } = await sample(old, 'violet');
    expect([code, stderr.includes('seen')]).toEqual([0, false]);
    writeFileSync(join(old, FILE), 'mine');
    const damaged = await sample(old, 'violet');
    expect(damaged.code).toBe(0);
    expect(damaged.stderr).toContain(`warning: ${join(old, FILE)}: expected the captions of a run`);
  });

  test('as a program: words with the nearest known one; undefined where the run does not know', async () => {
    const model = await Tessera.load(run);
    try {
      expect(await model.unseenWords('a grene circle')).toEqual([
        { word: 'grene', nearest: { word: 'green', distance: 1, images: 2 } },
      ]);
      expect(await model.unseenWords('red square')).toEqual([]);
      await expect(model.unseenWords(3 as unknown as string)).rejects.toThrow('unseenWords: caption: expected');
    } finally {
      model.dispose();
    }
  });
});

describe('tessera captions', () => {
  test('lists what the run knows, what most images have first', async () => {
    const { code, stdout, stderr } = await tessera('captions', '--run', run, '--limit', '3');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toEqual([
      '9 captions of 9 training images, 8 words',
      '',
      'those of the most images: 9 captions',
      '  red circle   2 images',
      '  a red disc   1 image',
      '  blue circle  1 image',
      '  ... and 6 more (--limit)',
      '',
    ]);
  });

  test('searches: captions with the words, others of the same images, words spelt alike', async () => {
    const { stdout } = await tessera('captions', '--run', run, '--search', 'disc');
    expect(stdout).toContain('with "disc": 1 caption\n  a red disc  1 image\n');
    expect(stdout).toContain('others of the same images: 1 caption\n  red circle  2 images\n');
    const close = await tessera('captions', '--run', run, '--search', 'sqare');
    expect(close.stdout).toContain('no caption has "sqare"; spelt alike: square (4 images)\n');
    expect(close.stdout).toContain('with "square": 4 captions\n');
  });

  test('prints one document, that of the library', async () => {
    const { stdout } = await tessera('captions', '--run', run, '--search', 'disc', '--json');
    const expected = await knownCaptions(run, { search: 'disc' });
    expect(JSON.parse(stdout)).toEqual({ run, instead: null, some: null, ...expected });
    expect(expected.same?.captions).toEqual([{ caption: 'red circle', images: 2 }]);
    await expect(knownCaptions(run, { limit: 0 })).rejects.toThrow('knownCaptions: limit: expected');
  });

  test('shows captions of strangers without their control characters', async () => {
    const { stdout } = await tessera('captions', '--run', run, '--search', 'red \x1b[31m');
    expect(stdout).not.toContain('\x1b');
  });

  test('refuses in one line a run that does not know, what is no run, and a search without a word', async () => {
    const old = at('older');
    cpSync(run, old, { recursive: true });
    rmSync(join(old, FILE));
    const refused = await tessera('captions', '--run', old);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toBe(
      `captions: ${old} does not know what it was trained on: it was made before runs kept their captions\n` +
        `  hint: \`tessera train --out ${old} --data DATA\` with its data keeps them, of a run that is done too; an export must be made again\n`,
    );
    expect((await tessera('captions', '--run', at('nothing'))).code).toBe(2);
    const empty = await tessera('captions', '--run', run, '--search', '!?');
    expect(empty).toMatchObject({ code: 2, stdout: '' });
    expect(empty.stderr).toContain("captions: search: expected words, got '!?'\n");
  });

  test('knows what an export knows', async () => {
    const exported = at('exported');
    expect((await tessera('export', '--run', run, '--out', exported)).code).toBe(0);
    expect(readFileSync(join(exported, FILE))).toEqual(readFileSync(join(run, FILE)));
    const old = at('oldest');
    cpSync(run, old, { recursive: true });
    rmSync(join(old, FILE));
    expect((await tessera('export', '--run', old, '--out', at('without'))).code).toBe(0);
    expect(existsSync(at('without', FILE))).toBe(false);
  });
});
