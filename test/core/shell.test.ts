/** @file Words for a shell: what it is given back is the text, whatever is in it. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { shellWord } from '../../src/core/shell.ts';

test('plain paths stay as they are', () => {
  for (const text of ['runs/demo', './a-b_c.d', 'x=1,2:3@4%5+6']) expect(shellWord(text)).toBe(text);
});

test.skipIf(process.platform === 'win32')('a shell reads every text back', () => {
  for (const text of ['', 'my photos', "it's", '$HOME `ls` "x" \\', '*?~#', "''", 'new\nline', '日本 🍎', '-n']) {
    expect(
      spawnSync('sh', ['-c', `printf %s ${shellWord(text)}`.replace('%s', "'%s'")], { encoding: 'utf8' }).stdout,
    ).toBe(text);
  }
});
