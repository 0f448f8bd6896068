/** @file Completion, run in the shells that are installed: commands, flags, choices, folders and files. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the shell's variables
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineCommand } from '../../src/cli/command.ts';
import { shells } from '../../src/cli/commands/completion.ts';
import { commands } from '../../src/cli/commands.ts';
import { runTessera } from '../../src/cli.ts';
import { captured, temporaryFolder, tessera } from './program.ts';

const root = temporaryFolder();
const own = defineCommand({
  name: 'draw moon',
  summary: "draw it, the user's way: `full`",
  examples: ['tessera draw moon'],
  positionals: [{ name: 'PHASE', description: 'which', choices: ['new', 'full'] }],
  flags: () =>
    z.object({
      paper: z.enum(['a4', 'letter']).default('a4').describe("its 'size'"),
      stars: z.boolean().default(true),
    }),
  run: async ({ print }, { positionals }) => print(positionals.join()),
});

beforeAll(async () => {
  for (const shell of shells) {
    const { stdout } = await captured(() => runTessera(['completion', shell], [...commands, own]));
    writeFileSync(join(root, `script.${shell}`), stdout);
  }
  mkdirSync(join(root, 'my runs'));
  mkdirSync(join(root, 'mydata'));
  writeFileSync(join(root, 'my file.txt'), '');
});

interface Shell {
  readonly name: (typeof shells)[number];
  /** Whether `--flag=value` is several words, as bash has it. */
  readonly splits?: boolean;
  /** Words, the last one unfinished, to a program of the shell that prints what completes it, one a line. */
  readonly program: (words: readonly string[]) => string;
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
/** What zsh's own completion would be called with; that it calls us is up to compdef. */
const zshStubs = [
  'compdef() { : }',
  'compset() { if [[ $1 == -P ]]; then local pattern=${argv[-1]}; word=${word##${~pattern}}; fi }',
  'compadd() { while [[ $1 == -* && $1 != -- ]]; do [[ $1 == -S ]] && shift; shift; done; shift; offer "$@" }',
  'offer() { local each; for each in "$@"; do [[ $each == ${word}* ]] && print -r -- $each; done }',
  '_describe() { local each; [[ $1 == -o ]] && shift; for each in "${(@P)2}"; do offer ${each%%:*}; done }',
  '_files() { local each; for each in *(N); do [[ $1 != -/ || -d $each ]] && offer $each; done }',
].join('\n');
const known: readonly Shell[] = [
  {
    name: 'bash',
    splits: true,
    program: words =>
      `source script.bash; COMP_WORDS=(${words.map(quoted).join(' ')}); COMP_CWORD=${words.length - 1}; _tessera; printf '%s\\n' "\${COMPREPLY[@]}"`,
  },
  {
    name: 'zsh',
    program: words =>
      `${zshStubs}\nsource ./script.zsh; words=(${words.map(quoted).join(' ')}); CURRENT=$#words; word=\${words[-1]}; _tessera`,
  },
  {
    name: 'fish',
    program: words => `source script.fish; complete -C ${quoted(words.join(' '))} | string replace -r '\\t.*' ''`,
  },
];

const installed = new Set(known.flatMap(({ name }) => (spawnSync(name, ['-c', 'true']).status === 0 ? name : [])));

describe.each(known)('$name', ({ name, splits = false, program }) => {
  const missing = installed.has(name) ? '' : ` (skipped: there is no ${name} here)`;

  function complete(...words: string[]): string[] {
    const { stdout, stderr, status } = spawnSync(name, ['-c', program(['tessera', ...words])], {
      cwd: root,
      encoding: 'utf8',
    });
    expect({ stderr, status }).toMatchObject({ stderr: '' });
    return stdout.split('\n').filter(line => line !== '');
  }

  /** The value of a flag after `=`, without the flag, which some shells keep before it. */
  const afterEquals = (...words: string[]) => {
    const [flag, value] = (words.pop() ?? '').split('=');
    const last = splits ? [flag, '=', ...(value === '' ? [] : [value])] : [`${flag}=${value}`];
    return complete(...words, ...last).map(line => line.replace(/^--[\w.-]+=/, ''));
  };

  test.skipIf(missing !== '')(`completes commands${missing}`, () => {
    const first = complete('');
    expect(first).toEqual(expect.arrayContaining(['data', 'draw', 'train', 'sample', 'completion', 'help']));
    expect(first.filter(word => word === 'data')).toHaveLength(1);
    expect(complete('tr')).toEqual(['train', 'trainer']);
    expect(complete('data', '').sort()).toEqual(['emoji', 'inspect', 'modes', 'shapes']);
    expect(complete('data', 'in')).toEqual(['inspect']);
    expect(complete('help', 'da')).toEqual(['data']);
    expect(complete('help', 'data', 'sh')).toEqual(['shapes']);
    expect(complete('draw', '')).toEqual(['moon']);
    expect(complete('nothing', '')).toEqual([]);
  });

  test.skipIf(missing !== '')(`completes flags, those of settings too${missing}`, () => {
    expect(complete('train', '--quant')).toEqual(['--quantizer']);
    expect(complete('train', '--preset', 'tiny', '--patch-train.l')).toEqual(['--patch-train.lr']);
    expect(complete('train', '--lr')).toEqual(['--lr']);
    expect(complete('train', '--quiet', '--js')).toEqual(['--json']);
    expect(complete('train', '--al')).toEqual(['--all']);
    expect(complete('data', 'inspect', '--she')).toEqual(['--sheet']);
    expect(complete('sample', '--patch')).toEqual([]);
    expect(complete('draw', 'moon', '--').sort()).toEqual(['--help', '--no-stars', '--paper', '--quiet']);
  });

  test.skipIf(missing !== '')(`completes choices, also in lists and after =${missing}`, () => {
    expect(complete('train', '--preset', '').sort()).toEqual(['base', 'dalle', 'small', 'tiny']);
    expect(complete('train', '--lr', '1', '--model', 'd').sort()).toEqual(['dcgan', 'diffusion']);
    if (name !== 'fish') expect(complete('train', '--family', 'tr')).toEqual(['transformer']);
    expect(complete('data', 'emoji', '--styles', 'noto,tw').map(word => word.replace(/.*,/, ''))).toEqual(['twemoji']);
    expect(afterEquals('train', '--preset=t')).toEqual(['tiny']);
    expect(afterEquals('train', '--preset=').sort()).toEqual(['base', 'dalle', 'small', 'tiny']);
    expect(
      complete('completion', '')
        .filter(word => !word.startsWith('-'))
        .sort(),
    ).toEqual(['bash', 'fish', 'zsh']);
    expect(complete('draw', 'moon', 'f')).toEqual(['full']);
    expect(complete('draw', 'moon', '--paper', 'l')).toEqual(['letter']);
    expect(complete('sample', '--text', 'm')).toEqual([]);
  });

  test.skipIf(missing !== '')(
    `completes folders where a folder is wanted, and files where a file may be${missing}`,
    () => {
      const plain = (lines: string[]) => lines.map(line => line.replace(/\/$/, '').replaceAll('\\', '')).sort();
      expect(plain(complete('train', '--out', 'my'))).toEqual(['my runs', 'mydata']);
      expect(plain(complete('compare', 'my'))).toEqual(['my runs', 'mydata']);
      expect(plain(complete('train', '--data', 'my'))).toEqual(['my file.txt', 'my runs', 'mydata']);
      expect(plain(complete('sample', '--text-file', 'my'))).toEqual(['my file.txt', 'my runs', 'mydata']);
      expect(plain(complete('data', 'inspect', '--strict', 'my'))).toEqual(['my file.txt', 'my runs', 'mydata']);
    },
  );
});

describe('the command', () => {
  test('takes a shell that it knows', async () => {
    const { code, stderr } = await tessera('completion', 'bsh');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'completion: SHELL: expected one of bash, zsh or fish, got "bsh", did you mean bash?\n',
    });
    expect((await tessera('completion')).stderr).toContain('expected SHELL (one of bash, zsh, fish), got nothing');
    expect((await tessera('--help')).stdout).toContain('\n  completion ');
  });

  test('completes a program of another name', async () => {
    for (const shell of shells) {
      const { stdout } = await tessera('completion', shell, '--program', 'my-paint');
      expect(stdout).toMatch(/\bmy-paint\b/);
      expect(stdout).not.toMatch(/-c tessera\b|(complete -F|compdef) .*\btessera\b/);
    }
    expect((await tessera('completion', 'bash', '--program', 'a;b')).code).toBe(2);
  });

  test('leaves one of that name to whoever has it', async () => {
    const theirs = defineCommand({
      name: 'completion',
      summary: 'theirs',
      examples: ['tessera completion'],
      flags: () => z.object({}),
      run: async ({ print }) => print('theirs'),
    });
    expect((await captured(() => runTessera(['completion'], [theirs]))).stdout).toBe('theirs\n');
  });
});
