import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeEmoji } from '../../data/generators/emoji.ts';
import { makeModes } from '../../data/generators/modes.ts';
import { makeShapes } from '../../data/generators/shapes.ts';
import { openDataset } from '../../data/open.ts';
import { snapshot, tessera } from '../cli/program.ts';
import { folder, plain } from './files.ts';

type Draw = (options: {
  readonly out: string;
  readonly seed: number;
  readonly onProgress?: (done: number) => void;
}) => Promise<{ readonly upToDate: boolean; readonly others: readonly string[] }>;

/** Every kind of data set that is drawn, in a few pictures; another seed draws others. */
const kinds: Readonly<Record<string, { readonly draw: Draw; readonly first: string; readonly count: number }>> = {
  shapes: {
    draw: options => makeShapes({ ...options, count: 6 - options.seed, size: 16 }),
    first: 'scenes/000000.png',
    count: 5,
  },
  modes: {
    draw: options => makeModes({ ...options, perMode: 1, size: 16 }),
    first: 'images/000-000.png',
    count: 1000,
  },
  emoji: {
    draw: ({ out, seed, onProgress }) =>
      makeEmoji({ out, styles: ['noto'], size: 16 * seed, limit: 6 - seed, onProgress }),
    first: 'noto/1st-place-medal.png',
    count: 5,
  },
};

describe.each(Object.entries(kinds))('data %s', (kind, { draw, first, count }) => {
  test('refuses a folder of photos, and changes nothing', async () => {
    const out = await folder({
      'cat.png': await plain('red'),
      'metadata.jsonl': '{"file_name":"cat.png","text":"mine"}\n',
    });
    const before = snapshot(out);
    await expect(draw({ out, seed: 1 })).rejects.toThrow(
      `${out}: expected a new or empty folder, or a data set of \`tessera data ${kind}\`, got one with cat.png and 1 more`,
    );
    expect(snapshot(out)).toEqual(before);
  });

  test('does not take a file for its stamp that only has its name', async () => {
    const out = await folder({ [`${kind}.json`]: '{"format": 1, "size": "mine"}', [first]: 'mine' });
    const before = snapshot(out);
    await expect(draw({ out, seed: 1 })).rejects.toThrow('expected a new or empty folder');
    expect(snapshot(out)).toEqual(before);
  });

  test('draws into an empty folder, hidden files not counted', async () => {
    const out = await folder({ '.gitkeep': '', '.git/config': 'mine' });
    expect(await draw({ out, seed: 1 })).toMatchObject({ upToDate: false, others: [] });
    expect((await openDataset(out, { strict: true })).items).toHaveLength(count);
    expect(readFileSync(join(out, '.git/config'), 'utf8')).toBe('mine');
  });
});

// The code is one; a thousand modes, again and again, would take long.
describe.each(Object.entries(kinds).filter(([kind]) => kind !== 'modes'))('data %s again', (kind, { draw, first }) => {
  test('replaces what it drew before and leaves nothing of it; files that were added stay and are named', async () => {
    const out = await folder();
    await draw({ out, seed: 1 });
    const mine = { 'mine.png': await plain('red'), 'mine.txt': 'mine', [`${first}.bak`]: 'mine' };
    for (const [name, content] of Object.entries(mine)) writeFileSync(join(out, name), content);
    expect((await draw({ out, seed: 1 })).others).toEqual(Object.keys(mine).sort());
    expect(await draw({ out, seed: 2 })).toEqual(
      expect.objectContaining({ upToDate: false, others: Object.keys(mine).sort() }),
    );
    for (const [name, content] of Object.entries(mine))
      expect(readFileSync(join(out, name))).toEqual(Buffer.from(content));
    const fresh = await folder();
    await draw({ out: fresh, seed: 2 });
    expect(snapshot(out)).toEqual({ ...snapshot(fresh), ...pick(snapshot(out), Object.keys(mine)) });
    const { items } = await openDataset(out);
    expect(items.map(({ id }) => id)).not.toContain('mine.png');
  });

  test('replaces no index that was changed, and no picture that was added under a name of its own', async () => {
    const out = await folder();
    await draw({ out, seed: 2 });
    const index = join(out, 'metadata.jsonl');
    const drawn = readFileSync(index, 'utf8');
    writeFileSync(index, drawn.replace('"text":', '"text": '));
    const before = snapshot(out);
    await expect(draw({ out, seed: 1 })).rejects.toThrow('metadata.jsonl was changed since it was drawn');
    rmSync(index);
    await expect(draw({ out, seed: 1 })).rejects.toThrow('metadata.jsonl was changed since it was drawn');
    expect({ ...snapshot(out), 'metadata.jsonl': '' }).toEqual({ ...before, 'metadata.jsonl': '' });
    writeFileSync(index, drawn);
    const lines = drawn.split('\n');
    expect((await draw({ out, seed: 2 })).upToDate).toBe(true);
    await mkdir(join(out, 'elsewhere'));
    // The larger set has one more name than the smaller one, which the user has taken.
    const larger = await folder();
    await draw({ out: larger, seed: 1 });
    const more = Object.keys(snapshot(larger)).find(file => !existsSync(join(out, file))) as string;
    writeFileSync(join(out, more), 'mine');
    await expect(draw({ out, seed: 1 })).rejects.toThrow(`${more} is there and would be written over`);
    expect(readFileSync(join(out, more), 'utf8')).toBe('mine');
    expect(readFileSync(index, 'utf8').split('\n')).toEqual(lines);
  });

  test('goes on in the folder of a drawing that was interrupted, also with another request', async () => {
    for (const [stopAt, again] of [
      [1, 1],
      [2, 1],
      [1, 2],
    ]) {
      const out = await folder();
      if (stopAt === 2) await draw({ out, seed: 2 });
      const interrupt = (): never => {
        throw new Error('interrupted');
      };
      await expect(draw({ out, seed: 1, onProgress: interrupt })).rejects.toThrow('interrupted');
      expect(existsSync(join(out, `${kind}.json`))).toBe(false);
      writeFileSync(join(out, 'mine.md'), 'mine');
      expect(await draw({ out, seed: again })).toMatchObject({ upToDate: false, others: ['mine.md'] });
      const fresh = await folder();
      await draw({ out: fresh, seed: again });
      rmSync(join(out, 'mine.md'));
      expect(snapshot(out)).toEqual(snapshot(fresh));
    }
  });
});

test('the command refuses in one line with a hint, and names what it left alone', async () => {
  const out = await folder({ 'photo.jpg': 'mine' });
  const refused = await tessera('data', 'shapes', '--out', out, '--count', '2');
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toMatch(
    /: expected a new or empty folder, .* got one with photo\.jpg\n {2}hint: choose another folder; in this one nothing was changed\n$/,
  );
  const own = join(out, 'own');
  expect((await tessera('data', 'shapes', '--out', own, '--count', '2', '--size', '16')).code).toBe(0);
  writeFileSync(join(own, 'note.txt'), 'mine');
  const again = await tessera('data', 'shapes', '--out', own, '--count', '3', '--size', '16');
  expect(again).toMatchObject({ code: 0, stdout: `${own}\n` });
  expect(again.stderr).toContain(`${own}: left as they are, since they were not drawn: note.txt\n`);
  const file = await tessera('data', 'shapes', '--out', join(out, 'photo.jpg'), '--count', '2');
  expect(file.code).toBe(2);
  expect(file.stderr).toContain(`${join(out, 'photo.jpg')}: expected a folder, got a file\n`);
});

function pick(all: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map(name => [name, all[name]]));
}
