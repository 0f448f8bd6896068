import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readBytes, readBytesSync } from '../../src/io/bytes.ts';

const folder = mkdtempSync(join(tmpdir(), 'tessera-bytes-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
writeFileSync(at('file'), 'twelve bytes');
mkdirSync(at('folder'));
symlinkSync(at('loop'), at('loop'));
symlinkSync(at('gone'), at('dangling'));
const hasPipes = process.platform !== 'win32';
if (hasPipes) execFileSync('mkfifo', [at('pipe')]);

describe.each([
  ['readBytes', readBytes],
  ['readBytesSync', async (path: string, options?: { most?: number }) => readBytesSync(path, options)],
])('%s', (_, read) => {
  test('reads a file, also one of the longest that is allowed', async () => {
    expect(Buffer.from(await read(at('file'))).toString()).toBe('twelve bytes');
    expect(await read(at('file'), { most: 12 })).toHaveLength(12);
  });

  test.each([
    ['none', 'expected a file, got none'],
    ['folder', 'expected a file, got a folder'],
    ['loop', 'expected a file, got a link that leads to itself'],
    ['dangling', 'expected a file, got none'],
    ['file/inside', 'expected a file, got none'],
  ])('%s is refused', async (name, what) => {
    await expect(read(at(name))).rejects.toThrow(`${at(name)}: ${what}`);
  });

  test('a longer file than its reader can use is refused before it is read', async () => {
    await expect(read(at('file'), { most: 11 })).rejects.toThrow(`${at('file')}: expected at most 11 bytes, got 12`);
  });

  test.skipIf(!hasPipes)('a pipe is refused, though nobody writes into it', async () => {
    await expect(read(at('pipe'))).rejects.toThrow(`${at('pipe')}: expected a regular file, got a named pipe`);
  });

  test.skipIf(!hasPipes)('a device is refused', async () => {
    await expect(read('/dev/zero')).rejects.toThrow('/dev/zero: expected a regular file, got a device');
  });
});
