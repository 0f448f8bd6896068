/** @file What the program says of itself: every flag is explained, every example can be run, the version is the package's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { findCommand } from '../../src/cli/find-command.ts';
import { fieldsOfCommand } from '../../src/cli/flag-table.ts';
import { parseFlags } from '../../src/cli/flags.ts';
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
    const { code, stdout, stderr } = await tessera(...name.split(' '), '--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const described = new Set([...stdout.matchAll(/--(?:\[no-\])?([a-z][a-z0-9.-]*)/g)].map(([, flag]) => flag));
    for (const { path } of fieldsOfCommand(await spec()).fields) {
      const full = path.map(kebab).join('.');
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

test('train --help has every field of the config, with its range and default', async () => {
  const { stdout } = await tessera('train', '--help');
  const flat = stdout.replaceAll(/\s+/g, ' ');
  expect(fieldsOf(settingsSchema()).fields.length).toBeGreaterThan(60);
  for (const { description } of fieldsOf(settingsSchema()).fields)
    expect(flat).toContain(description.replaceAll(/\s+/g, ' '));
  expect(flat).toMatch(
    /--image-size <integer> height and width of the images in pixels \(.*divisible by 8; default 128\)/,
  );
  expect(flat).toMatch(/--quantizer <fsq\|vq\|dvae> .*\(default fsq\)/);
  expect(flat).toMatch(/--\[no-\]qk-norm /);
});

/** Finds the command and parses its flags, as the program would. */
async function expectToParse(line: string): Promise<void> {
  const [program, ...argv] = words(line);
  expect(['tessera', 'tesserae'], line).toContain(program);
  const { command, rest } = findCommand('tessera', commands, argv);
  expect(parseFlags(await command.spec(), rest), line).toMatchObject({ help: false });
}
