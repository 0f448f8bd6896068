/** @file A command from outside: one file defines it, the program takes it in, and without it is as before. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineCommand } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands.ts';
import { runTessera } from '../../src/cli.ts';
import { UserError } from '../../src/core/errors.ts';
import { captured, tessera } from './program.ts';

/** Counts the words of captions: flags, a setting, positionals, an alias, a refusal. */
const words = defineCommand({
  name: 'count words',
  summary: 'count the words of captions',
  examples: ["tessera count words 'red apple' --least 1"],
  aliases: { l: 'least' },
  positionals: [{ name: 'CAPTION', description: 'what is counted', many: true }],
  flags: async () => z.object({ least: z.number().int().min(0).default(1).describe('fewest words that are counted') }),
  settings: () =>
    z.object({
      split: z.object({ hyphens: z.boolean().default(true).describe('at hyphens too') }).prefault({}),
    }),
  run: async ({ print, reporter }, { values, given, settings, positionals }) => {
    reporter.message(`given ${JSON.stringify(given)}, settings ${JSON.stringify(settings)}`);
    for (const caption of positionals) {
      const count = caption.split(' ').filter(word => word !== '').length;
      if (count < values.least) throw new UserError('count words', `expected ${values.least} words, got ${count}`);
      print(`${caption}: ${count}`);
    }
  },
});

const withWords = (...argv: readonly string[]) => captured(() => runTessera(argv, [...commands, words]));

describe('a command of a program of your own', () => {
  test('runs with its flags, their defaults, and the settings that were given', async () => {
    const { code, stdout, stderr } = await withWords('count', 'words', 'red apple', 'one', '--no-hyphens');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'red apple: 2\none: 1\n' });
    expect(stderr).toBe('given {}, settings {"split":{"hyphens":false}}\n');
    expect((await withWords('count', 'words', 'x', '-l', '1')).stderr).toBe('given {"least":1}, settings {}\n');
  });

  test('is listed, and explained in the words of its schema', async () => {
    expect((await withWords('--help')).stdout).toMatch(/^ {2}count words +count the words of captions$/m);
    const { code, stdout } = await withWords('count', 'words', '--help');
    expect(code).toBe(0);
    expect(stdout).toContain('usage: tessera count words CAPTION... [flags]');
    expect(stdout).toContain('-l, --least <integer>');
    expect(stdout).toContain('fewest words that are counted (at least 0; default 1)');
    expect(stdout).toMatch(/^split:\n {2}--\[no-\]hyphens +at hyphens too \(on by default\)$/m);
    expect(stdout).toContain("tessera count words 'red apple' --least 1");
  });

  test.each([
    [['count', 'words'], 'count words: expected CAPTION (what is counted), got nothing'],
    [['count', 'words', 'x', '--laest', '1'], 'count words: unknown flag --laest, did you mean --least?'],
    [['count', 'words', 'x', '-l', '-1'], 'count words: -l: expected a whole number of at least 0, got -1'],
    [['count', 'words', 'x', '--hyphens=some'], 'count words: --hyphens: expected true or false, got "some"'],
    [['count', 'words', 'x', '--least', '3'], 'count words: expected 3 words, got 1'],
    [['cuont', 'words'], 'tessera: unknown command "cuont", did you mean count words?'],
  ])('%j ends with 2 and one line', async (argv, line) => {
    const { code, stdout, stderr } = await withWords(...argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const said = stderr
      .split('\n')
      .filter(text => text !== '' && !text.startsWith('given ') && !/^ {2}hint: /.test(text));
    expect(said).toEqual([line]);
  });

  test('is gone when it is left out', async () => {
    expect((await tessera('--help')).stdout).not.toContain('count words');
    const { code, stderr } = await tessera('count', 'words', 'x');
    expect({ code, line: stderr.split('\n')[0] }).toEqual({ code: 2, line: 'tessera: unknown command "count"' });
  });
});
