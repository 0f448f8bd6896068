import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeAtomic } from '../../src/io/atomic.ts';
import { folder } from '../data/files.ts';

const isWindows = process.platform === 'win32';

describe.skipIf(isWindows)('a link stays, and what it leads to is written', () => {
  test.each([
    ['a file', 'target.txt'],
    ['a file that is not there yet', 'new.txt'],
  ])('to %s', async (_, target) => {
    const root = await folder({ 'real/target.txt': 'before' });
    symlinkSync(join('real', target), join(root, 'link'));
    symlinkSync('link', join(root, 'second'));
    await writeAtomic(join(root, 'second'), 'after');
    expect(readlinkSync(join(root, 'second'))).toBe('link');
    expect(readlinkSync(join(root, 'link'))).toBe(join('real', target));
    expect(lstatSync(join(root, 'real', target)).isFile()).toBe(true);
    expect(readFileSync(join(root, 'real', target), 'utf8')).toBe('after');
    expect(readdirSync(root).sort()).toEqual(['link', 'real', 'second']);
  });

  test('through a folder that is a link itself, from which a relative link is seen', async () => {
    const root = await folder({ 'deep/inside/note.txt': '', 'deep/target.txt': 'before' });
    symlinkSync('deep/inside', join(root, 'short'));
    symlinkSync('../target.txt', join(root, 'deep/inside/link'));
    await writeAtomic(join(root, 'short', 'link'), 'after');
    expect(readFileSync(join(root, 'deep/target.txt'), 'utf8')).toBe('after');
    expect(readdirSync(root).sort()).toEqual(['deep', 'short']);
  });

  test('that leads to itself is an error', async () => {
    const root = await folder();
    symlinkSync('b', join(root, 'a'));
    symlinkSync('a', join(root, 'b'));
    await expect(writeAtomic(join(root, 'a'), 'x')).rejects.toThrow('got a link that leads to itself');
  });
});

describe.skipIf(isWindows)('what is no file is written into', () => {
  test('a pipe, whole and in order', async () => {
    const root = await folder();
    const pipe = join(root, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reader = spawn('cat', [pipe], { stdio: ['ignore', 'pipe', 'inherit'] });
    const read: Buffer[] = [];
    reader.stdout.on('data', chunk => read.push(chunk));
    const ended = new Promise(resolve => reader.once('close', resolve));
    const parts = [new Uint8Array(300_000).fill(1), Uint8Array.of(2)];
    await writeAtomic(pipe, parts);
    await ended;
    expect(Buffer.compare(Buffer.concat(read), Buffer.concat(parts))).toBe(0);
    expect(lstatSync(pipe).isFIFO()).toBe(true);
    expect(readdirSync(root)).toEqual(['pipe']);
  });

  test('a device, which stays one', async context => {
    const root = await folder();
    const device = join(root, 'null');
    try {
      execFileSync('mknod', [device, 'c', '1', '3'], { stdio: 'ignore' }); // as /dev/null is
      closeSync(openSync(device, 'w'));
    } catch {
      context.skip('devices cannot be made or opened here');
    }
    symlinkSync(device, join(root, 'link'));
    await writeAtomic(device, 'lost');
    await writeAtomic(join(root, 'link'), 'lost');
    expect(lstatSync(device).isCharacterDevice()).toBe(true);
    expect(readdirSync(root).sort()).toEqual(['link', 'null']);
  });

  test.skipIf(process.platform !== 'linux')('an open file, on from where it stands', async () => {
    const root = await folder();
    const path = join(root, 'out');
    const fd = openSync(path, 'w');
    writeSync(fd, 'printed, ');
    await writeAtomic(
      `/proc/self/fd/${fd}`,
      ['written', new Uint8Array([0x2c, 0x20])].map(part => Buffer.from(part)),
    );
    writeSync(fd, 'printed');
    closeSync(fd);
    expect(readFileSync(path, 'utf8')).toBe('printed, written, printed');
    expect(readdirSync(root)).toEqual(['out']);
  });
});

test('a folder is refused', async () => {
  const root = await folder();
  mkdirSync(join(root, 'sub'));
  await expect(writeAtomic(join(root, 'sub'), 'x')).rejects.toThrow(
    `${join(root, 'sub')}: expected a file, got a folder`,
  );
  expect(readdirSync(join(root, 'sub'))).toEqual([]);
});

test.skipIf(isWindows)('a file that is replaced keeps its permissions', async () => {
  const root = await folder();
  writeFileSync(join(root, 'a'), 'before');
  chmodSync(join(root, 'a'), 0o600);
  await writeAtomic(join(root, 'a'), 'after');
  expect(lstatSync(join(root, 'a')).mode & 0o777).toBe(0o600);
});

test('a file of the longest name that there is', async () => {
  const root = await folder();
  const path = join(root, `${'é'.repeat(125)}.json`);
  await writeAtomic(path, 'before');
  await writeAtomic(path, 'after');
  expect(readFileSync(path, 'utf8')).toBe('after');
  expect(readdirSync(root)).toHaveLength(1);
});
