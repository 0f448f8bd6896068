/** @file Captions of a file or of standard input: encodings, ends of lines, what is left out, what is refused. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { askedCaptions } from '../../src/cli/asked-captions.ts';
import { TerminalReporter } from '../../src/cli/terminal/progress.ts';
import { temporaryFolder, tessera } from './program.ts';

const root = temporaryFolder();
const lines = ['red apple', 'a|b', '苹果 🍎'];

/** The captions of bytes in a file, and what was said of them. */
async function read(bytes: Uint8Array | string, name = 'captions.txt') {
  const path = join(root, name);
  writeFileSync(path, bytes);
  return asked({ file: path });
}

async function asked({ text, file, stdin }: { text?: string; file?: string; stdin?: Readable }) {
  let said = '';
  const stream = { write: (line: string) => (said += line) };
  const reporter = new TerminalReporter({ stream, isTTY: false, now: () => 0 });
  const flags = { command: 'sample', text: ['--text', text], file: ['--text-file', file], stdin } as const;
  return { captions: await askedCaptions({ reporter }, flags), said: said.replaceAll(root, '') };
}

describe('a file of captions', () => {
  const utf16 = (text: string, bigEndian = false) => {
    const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
    return bigEndian ? bytes.swap16() : bytes;
  };
  test.each<[string, Uint8Array | string]>([
    ['UTF-8', lines.join('\n')],
    ['UTF-8 with a mark, as Windows writes it', `\ufeff${lines.join('\r\n')}\r\n`],
    ['UTF-16', utf16(`${lines.join('\r\n')}\r\n`)],
    ['UTF-16, big end first', utf16(`${lines.join('\n')}\n`, true)],
    ['lines of old Macs', `${lines.join('\r')}\r`],
  ])('is read as %s; a | is a character', async (_, bytes) => {
    expect(await read(bytes)).toEqual({ captions: lines, said: '' });
  });

  test('is cleaned as data is; empty lines are counted, and what comes twice is named', async () => {
    const { captions, said } = await read('\n  red \t apple\n\u200b\n\x1b[31mghost\nred apple\n\nghost\nlast\n\n');
    expect(captions).toEqual(['red apple', 'ghost', 'last']);
    expect(said.split('\n')).toEqual([
      '/captions.txt: 5 captions; 4 empty lines were skipped',
      'asked for more than once, painted once: "red apple", "ghost"',
      '',
    ]);
    expect((await read('one\n\n')).said).toBe('/captions.txt: 1 caption; 1 empty line was skipped\n');
  });

  test('on standard input', async () => {
    const stdin = Readable.from([Buffer.from('red ap'), Buffer.from('ple\n🍎\n')]);
    expect(await asked({ file: '-', stdin })).toEqual({ captions: ['red apple', '🍎'], said: '' });
    await expect(asked({ file: '-', stdin: Readable.from([]) })).rejects.toThrow(
      'sample: --text-file: standard input: expected a caption on each line, got none',
    );
  });

  test.each<[string, Uint8Array | string, string]>([
    ['nothing', '', 'captions.txt: expected a caption on each line, got none'],
    ['empty lines', '\n \n', 'captions.txt: expected a caption on each line, got none'],
    ['Latin-1', Buffer.from('caf\xe9\n', 'latin1'), 'captions.txt is not UTF-8 or UTF-16 text'],
    ['a book', `red\n${'x'.repeat(2 ** 14 + 1)}`, 'captions.txt: line 2: expected at most 16384 characters, got more'],
  ])('of %s is refused', async (_, bytes, says) => {
    await expect(read(bytes)).rejects.toThrow(says);
  });

  test('that is none is refused, with the flag', async () => {
    const where = `sample: --text-file: ${root}`;
    await expect(asked({ file: root })).rejects.toThrow(`${where}: expected a file, got a folder`);
    await expect(asked({ file: join(root, 'none') })).rejects.toThrow(`${where}/none: expected a file, got none`);
  });
});

test('of a text the same caption is painted once', async () => {
  expect(await asked({ text: 'red  apple|ghost|red apple' })).toEqual({
    captions: ['red apple', 'ghost'],
    said: 'asked for more than once, painted once: "red apple"\n',
  });
  expect(await asked({})).toEqual({ captions: undefined, said: '' });
});

test.each([
  [['sample', '--text', 'a', '--text-file', 'b'], 'sample: expected either --text or --text-file, got both'],
  [['sample', '--seeds', '1-3'], 'sample: expected captions by --text or --text-file, got neither'],
  [
    ['compare', 'r', '--captions', 'a', '--captions-file', 'b'],
    'compare: expected either --captions or --captions-file',
  ],
  [['sample', '--text', 'a', '--seed', '0', '--seeds', '1'], 'sample: expected either --seed or --seeds, got both'],
  [
    ['sample', '--text', 'a', '--seeds', '1-5000', '-n', '3'],
    'sample: --seeds: expected at most 10000 images of a caption, got 5000 seeds of 3 each',
  ],
  [['sample', '--text', 'a', '--seeds', '1-x'], 'sample: --seeds: expected seeds from 0 to 4294967295, got "1-x"'],
])('%j is refused', async (argv, says) => {
  const { code, stdout, stderr } = await tessera(...argv);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr.split('\n')[0]).toContain(says);
});
