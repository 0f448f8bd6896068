/** @file What `tessera sample` does to the folders it writes into. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { readPngText } from '../../src/image/png.ts';
import { writeAtomic as written } from '../../src/io/atomic.ts';
import { snapshot, temporaryFolder, tessera } from './program.ts';

vi.mock('../../src/io/atomic.ts', async importOriginal => {
  const real = await importOriginal<typeof import('../../src/io/atomic.ts')>();
  return { ...real, writeAtomic: vi.fn(real.writeAtomic) };
});

const root = temporaryFolder();

async function sample(outputs: string, text: string, ...flags: string[]) {
  const argv = ['--text', text, '--outputs-dir', outputs, '--backend', 'native', ...flags];
  const outcome = await tessera('sample', ...argv);
  expect(outcome).toMatchObject({ code: 0 });
  return outcome;
}

/** Caption and seed of every picture in a folder, as the pictures themselves say. */
function pictures(folder: string): Record<string, string> {
  const files = readdirSync(folder).filter(file => /^\d+\.png$/.test(file));
  return Object.fromEntries(
    files.sort().map(file => {
      const text = readPngText(readFileSync(join(folder, file)));
      return [file, `${text.Title}, seed ${text['tessera:seed']}`];
    }),
  );
}

const about = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'caption.json'), 'utf8')) as Record<string, unknown>;

describe('two captions of one name', () => {
  test('have two folders, also in calls one after another, and each call replaces its own alone', async () => {
    const outputs = join(root, 'names');
    await sample(outputs, 'red apple', '-n', '4', '--seed', '1');
    const first = snapshot(join(outputs, 'red_apple'));
    const other = await sample(outputs, 'red, apple!', '-n', '2', '--seed', '2');
    expect(other.stdout).toBe(`${join(outputs, 'red_apple_2')}: 2 images, grid.png\n`);
    expect(snapshot(join(outputs, 'red_apple'))).toEqual(first);
    expect(pictures(join(outputs, 'red_apple_2'))).toEqual({
      '0.png': 'red, apple!, seed 2',
      '1.png': 'red, apple!, seed 2',
    });
    // Fewer images leave none of before, whatever the seed.
    const again = await sample(outputs, 'red apple', '-n', '2', '--seed', '3');
    expect(again.stdout).toBe(`${join(outputs, 'red_apple')}: 2 images, grid.png\n`);
    expect(again.stderr).toContain(`${join(outputs, 'red_apple')}: replacing images of another seed\n`);
    expect(pictures(join(outputs, 'red_apple'))).toEqual({
      '0.png': 'red apple, seed 3',
      '1.png': 'red apple, seed 3',
    });
    expect(about(join(outputs, 'red_apple'))).toMatchObject({ caption: 'red apple', seed: 3, images: [0, 1] });
    expect(readdirSync(outputs).sort()).toEqual(['red_apple', 'red_apple_2']);
    expect(readdirSync(join(outputs, 'red_apple')).sort()).toEqual(['0.png', '1.png', 'caption.json', 'grid.png']);
  });

  test('the same command again gives the same files, and says nothing of it', async () => {
    const outputs = join(root, 'again');
    await sample(outputs, 'sunflower', '-n', '2');
    const first = snapshot(outputs);
    expect((await sample(outputs, 'sunflower', '-n', '2')).stderr).not.toContain('replacing');
    expect(snapshot(outputs)).toEqual(first);
  });

  test('images of before stay where the new ones cannot be written, and nothing half is left', async () => {
    const outputs = join(root, 'full');
    await sample(outputs, 'ghost', '-n', '1', '--seed', '1');
    const first = snapshot(outputs);
    const { writeAtomic } = await vi.importActual<typeof import('../../src/io/atomic.ts')>('../../src/io/atomic.ts');
    let left = 1;
    vi.mocked(written).mockImplementation((path, content) => {
      if (path.endsWith('.png') && left-- <= 0) {
        return Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC', syscall: 'write' }));
      }
      return writeAtomic(path, content);
    });
    const argv = ['--text', 'ghost', '--outputs-dir', outputs, '--backend', 'native', '-n', '3', '--seed', '2'];
    const { code, stderr } = await tessera('sample', ...argv);
    expect(code).toBe(2);
    expect(stderr).toContain(`${join(outputs, 'ghost', '1.png')}: the disk is full`);
    expect(snapshot(outputs)).toEqual(first);
    expect(readdirSync(join(outputs, 'ghost')).filter(name => name.startsWith('.'))).toEqual([]);
    vi.mocked(written).mockImplementation(writeAtomic);
    await sample(outputs, 'ghost', '-n', '3', '--seed', '2');
    expect(Object.keys(pictures(join(outputs, 'ghost')))).toEqual(['0.png', '1.png', '2.png']);
  });

  test("a folder whose writing was interrupted is its caption's own", async () => {
    const outputs = join(root, 'half');
    mkdirSync(join(outputs, 'red_apple'), { recursive: true });
    const mark = { madeBy: "tessera sample --text 'red apple'", files: ['caption.json', 'grid.png', '0.png', '1.png'] };
    writeFileSync(join(outputs, 'red_apple', 'unfinished.json'), JSON.stringify(mark));
    writeFileSync(join(outputs, 'red_apple', '1.png'), 'half of it');
    await sample(outputs, 'red  apple', '-n', '1'); // cleaned it is the same caption
    expect(readdirSync(join(outputs, 'red_apple')).sort()).toEqual(['0.png', 'caption.json', 'grid.png']);
  });
});

describe('what the user has in the outputs folder', () => {
  test('stays: a folder without caption.json, a picture under our name, a note', async () => {
    const outputs = join(root, 'user');
    await sample(outputs, 'blue heart', '-n', '1');
    writeFileSync(join(outputs, 'blue_heart', 'note.txt'), 'mine');
    mkdirSync(join(outputs, 'red_apple'));
    writeFileSync(join(outputs, 'red_apple', '0.png'), 'mine');
    const { stdout } = await sample(outputs, 'red apple|blue heart', '-n', '1', '--seed', '5');
    expect(stdout.split('\n')).toEqual([
      `${join(outputs, 'red_apple_2')}: 1 image, grid.png`,
      `${join(outputs, 'blue_heart')}: 1 image, grid.png`,
      join(outputs, 'grid.png'),
      '',
    ]);
    expect(readFileSync(join(outputs, 'red_apple', '0.png'), 'utf8')).toBe('mine');
    expect(readFileSync(join(outputs, 'blue_heart', 'note.txt'), 'utf8')).toBe('mine');
    writeFileSync(join(outputs, 'blue_heart', '1.png'), 'mine');
    const more = await sample(outputs, 'blue heart', '-n', '2');
    expect(more.stdout).toContain(join(outputs, 'blue_heart_2'));
    expect(readFileSync(join(outputs, 'blue_heart', '1.png'), 'utf8')).toBe('mine');
    expect(pictures(join(outputs, 'blue_heart_2'))).toEqual({
      '0.png': 'blue heart, seed 0',
      '1.png': 'blue heart, seed 0',
    });
  });

  test('stays: a grid.png, beside which ours has a number, and is replaced by the next', async () => {
    const outputs = join(root, 'grid');
    mkdirSync(outputs);
    writeFileSync(join(outputs, 'grid.png'), 'mine');
    for (const text of ['ghost|pizza', 'lemon|banana']) {
      const { stdout } = await sample(outputs, text, '-n', '1');
      expect(stdout.trimEnd().split('\n').at(-1)).toBe(join(outputs, 'grid_2.png'));
    }
    expect(readFileSync(join(outputs, 'grid.png'), 'utf8')).toBe('mine');
    expect(existsSync(join(outputs, 'grid_3.png'))).toBe(false);
  });

  test('stays: the image that is completed', async () => {
    const outputs = join(root, 'completed');
    await sample(outputs, 'red apple', '-n', '1');
    const given = join(outputs, 'red_apple', '0.png');
    const first = snapshot(join(outputs, 'red_apple'));
    symlinkSync(given, join(root, 'link.png'));
    for (const image of [given, join(root, 'link.png'), given]) {
      const { stdout } = await sample(outputs, 'red apple', '-n', '1', '--image', image, '--keep-rows', '4');
      expect(stdout).toBe(`${join(outputs, 'red_apple_2')}: 1 image, grid.png\n`);
    }
    expect(snapshot(join(outputs, 'red_apple'))).toEqual(first);
    expect(about(join(outputs, 'red_apple_2'))).toMatchObject({ caption: 'red apple', completed: given, keepRows: 4 });
  });
});

describe('--seeds', () => {
  const argv = ['--seeds', '5,2-3'];

  test('paints one image of each, the same as --seed does, in files named by them', async () => {
    const outputs = join(root, 'seeds');
    const { stdout } = await sample(outputs, 'red apple', ...argv);
    const folder = join(outputs, 'red_apple');
    expect(stdout).toBe(`${folder}: 3 images, grid.png\n`);
    expect(readdirSync(folder).sort()).toEqual(['caption.json', 'grid.png', 'seed2.png', 'seed3.png', 'seed5.png']);
    expect(about(folder)).toMatchObject({ caption: 'red apple', seeds: [5, 2, 3], images: [0, 0, 0] });
    expect(about(folder)).not.toHaveProperty('seed');
    for (const seed of [5, 2, 3]) {
      const alone = join(root, `seed${seed}`);
      await sample(alone, 'red apple', '--seed', String(seed), '-n', '1');
      const [one, other] = [join(alone, 'red_apple', '0.png'), join(folder, `seed${seed}.png`)].map(path =>
        readFileSync(path),
      );
      expect(one.equals(other)).toBe(true); // with its text: seed, image number and all
    }
  });

  test('with --num-images paints more of each; a later call replaces all of them', async () => {
    const outputs = join(root, 'more-seeds');
    await sample(outputs, 'ghost|pizza', ...argv, '-n', '2');
    const folder = join(outputs, 'ghost');
    const images = ['seed2.png', 'seed2_1.png', 'seed3.png', 'seed3_1.png', 'seed5.png', 'seed5_1.png'];
    expect(readdirSync(folder).sort()).toEqual(['caption.json', 'grid.png', ...images]);
    const texts = images.map(file => readPngText(readFileSync(join(folder, file))));
    expect(texts.map(text => `${text['tessera:seed']}.${text['tessera:image']}`)).toEqual(
      ['2.0', '2.1', '3.0', '3.1', '5.0', '5.1'], //
    );
    expect(existsSync(join(outputs, 'grid.png'))).toBe(true);
    const { stderr } = await sample(outputs, 'ghost', '-n', '1');
    expect(stderr).toContain(`${folder}: replacing images of another seed\n`);
    expect(readdirSync(folder).sort()).toEqual(['0.png', 'caption.json', 'grid.png']);
  });

  test('a caption.json whose seeds do not fit its images is not taken for one of ours', async () => {
    const outputs = join(root, 'foreign-seeds');
    for (const seeds of [['../../x'], [1, 2], 'x']) {
      mkdirSync(join(outputs, 'ghost'), { recursive: true });
      writeFileSync(join(outputs, 'ghost', 'caption.json'), JSON.stringify({ caption: 'ghost', seeds, images: [0] }));
      const { stdout } = await sample(outputs, 'ghost', '--seeds', '1');
      expect(stdout).toBe(`${join(outputs, 'ghost_2')}: 1 image, grid.png\n`);
    }
  });
});

test('a text without a caption is refused, and nothing is made', async () => {
  const outputs = join(root, 'none');
  for (const text of ['|', ' | | ']) {
    const { code, stdout, stderr } = await tessera('sample', '--text', text, '--outputs-dir', outputs);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.split('\n')).toEqual([
      `sample: --text: expected captions separated by |, got '${text}' without one`,
      "  hint: e.g. 'red apple|blue heart'; '' paints without a caption",
      '',
    ]);
  }
  expect(existsSync(outputs)).toBe(false);
});

test('control characters of a caption reach neither the files nor the terminal', async () => {
  const outputs = join(root, 'control');
  const { stdout, stderr } = await sample(outputs, 'red\x1b]0;title\x07 \x1b[31mapple\u202e', '-n', '1');
  expect(stdout).toBe(`${join(outputs, 'red_apple')}: 1 image, grid.png\n`);
  expect(stderr).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  expect(pictures(join(outputs, 'red_apple'))).toEqual({ '0.png': 'red apple, seed 0' });
  expect(about(join(outputs, 'red_apple')).caption).toBe('red apple');
});

test('an outputs folder that is a file is refused before anything is painted', async () => {
  writeFileSync(join(root, 'file'), 'mine');
  const { code, stdout, stderr } = await tessera('sample', '--text', 'ghost', '--outputs-dir', join(root, 'file'));
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(`${join(root, 'file')}: expected a folder, got a file`);
  expect(readFileSync(join(root, 'file'), 'utf8')).toBe('mine');
});
