/** @file What the program says of itself: every flag is explained, every example can be run, the version is the package's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { findCommand } from '../../src/cli/find-command.ts';
import { type CommandSpec, fieldsOfCommand, flagTable } from '../../src/cli/flag-table.ts';
import { parseFlags } from '../../src/cli/flags.ts';
import { flagsWithSynonyms, synonymOf } from '../../src/cli/synonyms.ts';
import { presets } from '../../src/config/presets.ts';
import { fieldsOf, kebab } from '../../src/config/schema.ts';
import { settingsSchema } from '../../src/families/config.ts';
import { root, startTessera, tessera } from './program.ts';

/** A shell's words: quotes hold them together, `#` begins a comment. */
function words(line: string): string[] {
  return [...line.replace(/\s#.*$/, '').matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);
}

describe('tessera --help', () => {
  test('lists every command; so does the bare program', async () => {
    const { code, stdout, stderr } = await startTessera(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const listed = stdout.split('\n').map(line => line.trim().replace(/ {2,}/, ': '));
    for (const { name, summary } of commands) expect(listed).toContain(`${name}: ${summary}`);
    expect((await tessera()).stdout).toBe(stdout);
    expect((await tessera('help')).stdout).toBe(stdout);
  });

  test('--version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    for (const flag of ['--version', '-v']) {
      expect(await tessera(flag)).toMatchObject({ code: 0, stdout: `${version}\n` });
    }
  });

  test('help COMMAND is COMMAND --help; of a command that is none, the nearest is named', async () => {
    expect(await tessera('help', 'data', 'inspect')).toEqual(await tessera('data', 'inspect', '--help'));
    const { code, stdout, stderr } = await tessera('help', 'sampel');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.split('\n')[0]).toBe('tessera: unknown command "sampel", did you mean sample?');
  });
});

describe.each(commands)('tessera $name --help', ({ name, examples, spec }) => {
  test('explains every flag of its schema', async () => {
    const { code, stdout, stderr } = await tessera(...name.split(' '), '--help', '--all');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const described = new Set([...stdout.matchAll(/--(?:\[no-\])?([a-z][a-z0-9.-]*)/g)].map(([, flag]) => flag));
    for (const { path, description } of fieldsOfCommand(await spec()).fields) {
      const full = path.map(kebab).join('.');
      expect(description, full).not.toBe('');
      const leaf = kebab(path[path.length - 1]);
      expect(described.has(full) || described.has(leaf), full).toBe(true);
    }
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  test('its examples can be run', async () => {
    expect(examples.length).toBeGreaterThan(0);
    const { stdout } = await tessera(...name.split(' '), '--help');
    for (const example of examples) {
      expect(stdout).toContain(example);
      await expectToParse(example);
    }
  });
});

describe('train --help', () => {
  const lineOf = (stdout: string, flag: string) => stdout.split('\n').find(line => line.includes(`--${flag} `));

  test('shows what is most needed, and where the rest is', async () => {
    const { stdout } = await tessera('train', '--help');
    const flags = [...stdout.matchAll(/^ +(?:-\w, )?--([a-z][a-z.-]*)/gm)].map(([, flag]) => flag);
    expect(flags.length).toBeLessThan(25);
    expect(new Set(flags).size).toBe(flags.length);
    for (const flag of [
      'data',
      'out',
      'preset',
      'model',
      'image-size',
      'steps',
      'batch-size',
      'lr',
      'quiet',
      'json',
      'help',
    ]) {
      expect(flags).toContain(flag);
    }
    expect(stdout.split('\n').length).toBeLessThan(60);
    const { fields } = fieldsOfCommand((await commands.find(({ name }) => name === 'train')?.spec()) as CommandSpec);
    expect(stdout).toContain(`\nall ${fields.length} flags: tessera train --help --all\n`);
    expect(await tessera('help', 'train')).toMatchObject({ stdout });
  });

  test('has the defaults of the preset that is asked for, and of the family', async () => {
    const tiny = presets.tiny;
    for (const argv of [
      ['train', '--preset', 'tiny', '--help'],
      ['train', '-h', '--preset=tiny'],
      ['help', 'train', '--preset', 'tiny'],
      ['help', '--preset=tiny', 'train'],
    ]) {
      const { stdout } = await tessera(...argv);
      expect(stdout).toContain('\nDefaults of the preset tiny.\n');
      expect(lineOf(stdout, 'image-size')).toContain(`(default ${tiny.images.imageSize})`);
      expect(lineOf(stdout, 'steps')).toContain(`(default ${tiny.train.steps})`);
      expect(lineOf(stdout, 'lr')).toContain(`(default ${tiny.train.lr})`);
    }
    const { stdout: small } = await tessera('train', '--preset', 'small', '--help');
    expect(lineOf(small, 'image-size')).toContain('(default 128)');
    const { stdout: gan } = await tessera('train', '--model', 'dcgan', '--help', '--preset', 'small');
    expect(lineOf(gan, 'lr')).toContain('(default 0.0002)');
    const { stdout: all } = await tessera('train', '--preset', 'tiny', '--help', '--all');
    expect(all.replaceAll(/\s+/g, ' ')).toContain(
      `--patch-train.steps <integer> optimizer steps (above 0 and at most 1000000000; default ${tiny.patchTrain.steps})`,
    );
  });
});

test('train --help without a preset says what is planned, and else has the defaults under which it is', async () => {
  const { stdout } = await tessera('train', '--help', '--all');
  const flat = stdout.replaceAll(/\s+/g, ' ');
  expect(flat).toContain('Defaults of a preset: tessera train --preset tiny --help');
  expect(flat).toMatch(/--image-size <integer> height and width of the images in pixels \(.*divisible by 8; planned\)/);
  expect(flat).toMatch(/--train.steps, --steps <integer> optimizer steps \([^)]*; planned\)/);
  expect(flat).toMatch(/--patch-train.steps <integer> optimizer steps \([^)]*; planned\)/);
  expect(flat).toMatch(/--patch-train.lr <number> peak learning rate \([^)]*; default 0.004\)/);
  const { stdout: gan } = await tessera('train', '--model', 'dcgan', '--help', '--preset', 'none');
  expect(gan).toMatch(/--lr <number> +peak learning rate \(default 0.0002\)/);
  expect(gan).toMatch(/--steps <integer> +optimizer steps \(planned\)/);
});

test('help --all is COMMAND --help --all; wrong words beside --help do not matter', async () => {
  const whole = await tessera('train', '--help', '--all');
  expect(await tessera('help', 'train', '--all')).toEqual(whole);
  expect(await tessera('help', '--all', 'train')).toEqual(whole);
  expect(await tessera('train', '--zzz', '--lr', '--all', '--help', 'stray')).toEqual(whole);
  expect((await tessera('train', '--all')).stderr).toContain('train: unknown flag --all');
});

test('train --help --all has every field of the config, with its range and default', async () => {
  const { stdout } = await tessera('train', '--help', '--all');
  const flat = stdout.replaceAll(/\s+/g, ' ');
  expect(fieldsOf(settingsSchema()).fields.length).toBeGreaterThan(60);
  for (const { description } of fieldsOf(settingsSchema()).fields)
    expect(flat).toContain(description.replaceAll(/\s+/g, ' '));
  expect(flat).toMatch(/--image-size <integer> height and width of the images in pixels \(.*divisible by 8; planned\)/);
  expect(flat).toMatch(/--quantizer <fsq\|vq\|dvae> .*\(default fsq\)/);
  expect(flat).toMatch(/--\[no-\]qk-norm /);
});

describe('names of other programs', () => {
  test.each([
    ['train', '--learning-rate', '--lr'],
    ['train', '--learning_rate=1', '--lr'],
    ['train', '--train.learning-rate', '--train.lr'],
    ['train', '--batch', '--batch-size'],
    ['train', '--image_size', '--image-size'],
    ['train', '--resolution', '--image-size'],
    ['train', '--max-steps', '--steps'],
    ['train', '--iterations', '--steps'],
    ['train', '--output', '--out'],
    ['train', '-o', '--out'],
    ['train', '--mixed_precision', '--precision'],
    ['train', '--max_grad_norm', '--clip'],
    ['sample', '--prompt', '--text'],
    ['sample', '--num-samples', '--num-images'],
    ['sample', '--n_images', '--num-images'],
    ['sample', '--guidance-scale', '--cfg-scale'],
    ['sample', '--output', '--outputs-dir'],
    ['sample', '--out', '--outputs-dir'],
    ['sample', '--ckpt', '--run'],
    ['compare', '--prompts', '--captions'],
    ['data shapes', '--resolution', '--size'],
  ])('%s %s is told %s', async (name, typed, ours) => {
    const { code, stderr } = await tessera(...name.split(' '), typed, '1');
    expect(code).toBe(2);
    expect(stderr).toBe(`${name}: unknown flag ${typed.replace('=1', '')}, did you mean ${ours}?\n`);
  });

  test('are not told to a command without the flag', async () => {
    expect((await tessera('doctor', '--learning-rate', '1')).stderr.split('\n')[0]).toBe(
      'doctor: unknown flag --learning-rate',
    );
    expect(synonymOf('prompt', new Set(['captions', 'out']))).toBe('captions');
    expect(synonymOf('prompt', new Set(['out']))).toBeUndefined();
  });

  test('stand for flags that there are', async () => {
    const known = new Set<string>(['help']);
    for (const { spec } of commands) {
      for (const { name, aliases } of flagTable(await spec()).flags)
        for (const flag of [name, ...aliases]) known.add(flag);
    }
    // What a plan and a start from a trained run will be asked by.
    expect(flagsWithSynonyms.filter(flag => !known.has(flag) && !['epochs', 'from'].includes(flag))).toEqual([]);
  });
});

/** Finds the command and parses its flags, as the program would. */
async function expectToParse(line: string): Promise<void> {
  const [program, ...argv] = words(line);
  expect(['tessera', 'tesserae'], line).toContain(program);
  const { command, rest } = findCommand('tessera', commands, argv);
  expect(parseFlags(await command.spec(), rest), line).toMatchObject({ help: false });
}
