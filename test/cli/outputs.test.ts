/** @file Files that commands write: what was there and was not theirs stays. */
import { lstatSync, mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { decodePicture } from '../../src/image/decode.ts';
import { readPngText } from '../../src/image/png.ts';
import { snapshot, temporaryFolder, tessera, writeDrawings } from './program.ts';

const root = temporaryFolder();
const data = join(root, 'data');

beforeAll(() => writeDrawings(data));

const inspect = (...argv: string[]) => tessera('data', 'inspect', data, ...argv);

describe('data inspect --sheet', () => {
  test('writes over a picture that was named, but no file of the data', async () => {
    const mine = join(root, 'mine.png');
    writeFileSync(mine, 'mine');
    expect((await inspect('--sheet', mine)).code).toBe(0);
    expect(readPngText(readFileSync(mine))).toMatchObject({ Software: 'Tessera' });
    writeFileSync(join(data, 'metadata.csv'), 'file_name,text\nred-circle.png,a red circle\n');
    const before = snapshot(data);
    symlinkSync(join(data, 'red-circle.png'), join(root, 'link.png'));
    const paths = [join(data, 'red-circle.png'), join(root, 'link.png')];
    // Also where an index is given, whose images lie around it.
    for (const [given, path] of [data, join(data, 'metadata.csv')].flatMap(given => paths.map(path => [given, path]))) {
      const { code, stdout, stderr } = await tessera('data', 'inspect', given, '--sheet', path);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(
        /^data inspect: --sheet: .+ is (read|a file of the data), and would be written over\n {2}hint: /,
      );
    }
    expect(snapshot(data)).toEqual(before);
    rmSync(join(data, 'metadata.csv'));
  });

  test('does not write a PNG over a file of another kind', async () => {
    const photo = join(root, 'photo.jpg');
    writeFileSync(photo, 'mine');
    const { code, stderr } = await inspect('--sheet', photo);
    expect(code).toBe(2);
    expect(stderr).toBe(
      `data inspect: --sheet: ${photo} is there and would be written over by a file that ends in .png\n` +
        '  hint: choose a name that ends in .png\n',
    );
    expect(readFileSync(photo, 'utf8')).toBe('mine');
  });

  test('follows a link, which stays, and refuses a folder', async () => {
    const [link, target] = [join(root, 'sheet-link.png'), join(root, 'target.png')];
    symlinkSync('target.png', link);
    expect((await inspect('--sheet', link)).code).toBe(0);
    expect(readlinkSync(link)).toBe('target.png');
    expect((await decodePicture(readFileSync(target), 'target')).width).toBeGreaterThan(300);
    const { code, stderr } = await inspect('--sheet', root);
    expect(code).toBe(2);
    expect(stderr).toContain(`${root}: expected a file, got a folder`);
  });

  test.skipIf(process.platform === 'win32')('goes into /dev/null, which stays a device', async () => {
    expect((await inspect('--sheet', '/dev/null')).code).toBe(0);
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  test('where no name is given, writes over a sheet of its own and over nothing else', async () => {
    const before = process.cwd();
    const here = join(root, 'here');
    mkdirSync(here);
    process.chdir(here);
    try {
      for (let i = 0; i < 2; i++) expect((await inspect()).code).toBe(0);
      writeFileSync('contact-sheet.png', 'mine');
      const { code, stdout, stderr } = await inspect();
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toBe(
        'data inspect: --sheet: contact-sheet.png is there and was not made by Tessera\n' +
          '  hint: take it away, or name another file\n',
      );
      expect(readFileSync('contact-sheet.png', 'utf8')).toBe('mine');
    } finally {
      process.chdir(before);
    }
  });
});

describe('compare and reconstruct', () => {
  test('refuse before anything is loaded, and name the flag', async () => {
    writeFileSync(join(root, 'report.json'), '{"mine": true}');
    writeFileSync(join(root, 'notes.txt'), 'mine');
    const cases: [string[], string][] = [
      [['compare', 'no run', '--out', join(root, 'report.html')], 'report.json is there and was not made by Tessera'],
      [['compare', 'no run', '--out', join(root, 'notes.txt')], 'notes.txt is there and would be written over by'],
      [
        ['reconstruct', join(data, 'red-circle.png'), '--out', join(data, 'red-circle.png')],
        'red-circle.png is read, and would be written over',
      ],
      [['reconstruct', data, '--out', join(data, 'red-circle.png')], 'is a file of the data'],
      [['reconstruct', data, '--out', join(root, 'notes.txt')], 'notes.txt is there and would be written over by'],
      [['reconstruct', data, '--out', data], 'data: expected a file, got a folder'],
    ];
    const before = snapshot(root);
    for (const [argv, says] of cases) {
      const { code, stdout, stderr } = await tessera(...argv);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr.split('\n')[0]).toContain(says);
    }
    expect(snapshot(root)).toEqual(before);
  });

  test('reconstruct marks its picture as its own', async () => {
    const out = join(root, 'rec.png');
    const image = join(data, 'red-circle.png');
    for (let i = 0; i < 2; i++) {
      expect((await tessera('reconstruct', image, '--out', out, '--backend', 'native')).code).toBe(0);
    }
    expect(readPngText(readFileSync(out))).toEqual({ Software: 'Tessera', 'tessera:sheet': 'reconstructions' });
  });
});
