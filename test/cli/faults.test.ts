/**
 * @file What the system refuses, done for real: limits that a shell sets, and a small disk where one can be mounted. One line that
 * names the user's file, exit code 2, and a state that is whole.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadState } from '../../src/io/state.ts';
import { hardlyTrained, root, temporaryFolder, tessera, writeConfig, writeDrawings } from './program.ts';

const folder = temporaryFolder();
const data = join(folder, 'data');
const at = (name: string) => join(folder, name);
const train = (out: string) => [
  'train',
  '--data',
  data,
  '--out',
  out,
  '--config',
  at('config.json'),
  '--backend',
  'cpu',
];

beforeAll(async () => {
  await writeDrawings(data);
  writeConfig(at('config.json'), hardlyTrained);
});

/** The program under a limit of the shell. */
function limited(limit: string, argv: readonly string[]) {
  const command = `${limit} && exec "$0" "$@"`;
  const program = ['--import', 'tsx', join('src', 'cli.ts'), ...argv];
  // Started as the shell starts it: Node ignores the signal by which the system says that a file is too large.
  return spawnSync('bash', ['-c', command, process.execPath, ...program], { cwd: root, encoding: 'utf8' });
}

/** A refusal in one line that names a path. */
function expectRefusal({ status, signal, stderr }: ReturnType<typeof limited>, path: string, code: string): void {
  expect({ status, signal }, stderr).toEqual({ status: 2, signal: null });
  const line = stderr.split('\n').find(text => text.includes(code));
  expect(line, stderr).toMatch(new RegExp(`^${path}[^:]*: .*\\(${code}: \\w+\\)$`));
  expect(stderr).not.toMatch(/\.tmp|\n\s+at /);
}

test('EFBIG: a file that may not grow so large', async () => {
  const out = at('efbig');
  expectRefusal(limited('ulimit -f 16', train(out)), out, 'EFBIG');
  await loadState(join(out, 'state', 'patch')); // whole, or not there
  expect(readdirSync(out, { recursive: true }).filter(name => String(name).includes('.tmp'))).toEqual([]);
  const { code, stderr } = await tessera(...train(out));
  expect(code, stderr).toBe(0);
});

test('a run that was refused its config is taken up when there is room', async () => {
  const out = at('first');
  expectRefusal(limited('ulimit -f 1', train(out)), join(out, 'config.json'), 'EFBIG');
  expect(readdirSync(join(out, 'state')).sort()).toEqual(['data.safetensors', 'engine.json']);
  const { code, stderr } = await tessera(...train(out));
  expect(code, stderr).toBe(0);
});

test('a run whose log takes no lines is not measured first', async () => {
  const run = at('no-log');
  expect((await tessera(...train(run))).code).toBe(0);
  rmSync(join(run, 'metrics.jsonl'));
  mkdirSync(join(run, 'metrics.jsonl'));
  const { code, stderr } = await tessera(
    'eval',
    '--run',
    run,
    '--data',
    data,
    '--metrics',
    'recon',
    '--backend',
    'cpu',
  );
  expect(code, stderr).toBe(2);
  expect(stderr).toMatch(new RegExp(`^${join(run, 'metrics.jsonl')}: `)); // and nothing before it
});

const noFull = existsSync('/dev/full') ? '' : ' (skipped: no /dev/full here)';
test.skipIf(noFull !== '')(`standard output on a full disk is said in one line${noFull}`, () => {
  const { status, signal, stderr } = limited('exec > /dev/full', ['data', 'inspect', data]);
  expect({ status, signal }, stderr).toEqual({ status: 2, signal: null });
  expect(stderr).toContain('standard output: the disk is full (ENOSPC: write)\n');
  expect(stderr).not.toMatch(/\n\s+at /);
});

describe('named pipes', () => {
  const pipe = at('pipe.jsonl');
  beforeAll(() => {
    mkdirSync(at('run'));
    for (const name of [pipe, at('run/config.json')]) spawnSync('mkfifo', [name]);
  });
  afterAll(() => expect(existsSync(pipe)).toBe(true));

  test.skipIf(process.platform === 'win32').each([
    ['data inspect', ['data', 'inspect', pipe], pipe],
    ['train --data', ['train', '--data', pipe, '--out', at('none')], pipe],
    ['train --config', ['train', '--data', data, '--out', at('none'), '--config', pipe], pipe],
    ['sample --run', ['sample', '--run', at('run'), '--text', 'x'], at('run/config.json')],
    [
      'sample --image',
      ['sample', '--text', 'x', '--image', pipe, '--keep-rows', '2', '--backend', 'cpu', '--outputs-dir', at('out')],
      pipe,
    ],
    [
      'export --attribution',
      ['export', '--run', join(root, 'models/emoji'), '--out', at('exported'), '--attribution', pipe],
      pipe,
    ],
  ] as const)('%s refuses one before it is opened', async (_, argv, path) => {
    const { code, stderr } = await tessera(...argv);
    expect(stderr).toMatch(new RegExp(`${path}: expected a (folder or a )?regular file, got a named pipe`));
    expect(code).toBe(2);
    expect(existsSync(at('none'))).toBe(false);
  });
});

/** Disks that were mounted; taken away before their folder is, also where none of their tests is run. */
const mounted: string[] = [];
afterAll(() => {
  for (const path of mounted) spawnSync('umount', [path]);
});

/** A disk of its own; undefined where none can be mounted here. */
function mountSmall(name: string, options: string): string | undefined {
  const path = at(name);
  mkdirSync(path);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'none', path]).status !== 0) return undefined;
  mounted.push(path);
  return path;
}

describe('a disk of its own', () => {
  const full = mountSmall('small', 'size=96k');
  const readOnly = mountSmall('readonly', 'ro,size=64k');
  const why = full === undefined ? ' (skipped: no file system can be mounted here)' : '';

  test.skipIf(full === undefined)(`ENOSPC while drawing, and with room again${why}`, async () => {
    const out = join(full as string, 'shapes');
    const argv = ['data', 'shapes', '--out', out, '--count', '60', '--size', '64', '--seed', '3'];
    const first = await tessera(...argv);
    expect(first.code, first.stderr).toBe(2);
    expect(first.stderr).toMatch(new RegExp(`^${out}[^:]*: the disk is full \\(ENOSPC: \\w+\\)$`, 'm'));
    expect(spawnSync('mount', ['-o', 'remount,size=4m', full as string]).status).toBe(0);
    expect((await tessera(...argv)).code).toBe(0);
  });

  test.skipIf(full === undefined)(`what will not fit is refused before the stage${why}`, async () => {
    expect(spawnSync('mount', ['-o', 'remount,size=2m', full as string]).status).toBe(0);
    const out = join(full as string, 'run');
    const wide = ['--model.width', '512', '--model.layers', '4'];
    const { code, stderr } = await tessera(...train(out), ...wide);
    expect(stderr).toMatch(/saving the transformer takes [\d.]+ MiB, and the disk has [\d.]+ left/);
    expect(code).toBe(2);
  });

  test.skipIf(readOnly === undefined)(`EROFS is said as what it is${why}`, async () => {
    const out = join(readOnly as string, 'a', 'b');
    const { code, stderr } = await tessera('sample', '--text', 'x', '--backend', 'cpu', '--outputs-dir', out);
    expect(stderr).toContain(`${join(readOnly as string, 'a')}: the file system is read-only (EROFS: mkdir)`);
    expect(code).toBe(2);
  });
});
