/**
 * @file Threads and memory that the system refuses: the kernels go on with the threads they got, and memory that is not there
 * is an error of JavaScript. In processes of their own, under limits that a shell sets.
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { registerAddon } from '../../src/device/native/load.ts';
import { expectThreads, threadsToGiveBack } from '../../src/device/native/spare-threads.ts';
import { packageRoot } from '../../src/io/package-root.ts';

const missing = registerAddon();
/** Processes of the superuser have no limit of threads, so they are started as nobody. */
const isRoot = process.getuid?.() === 0;
const nobody = isRoot ? { uid: 65534, gid: 65534 } : {};
const others = isRoot ? 0 : threadsOfUser();

/** How many threads the user runs already, since the limit counts all of them. */
function threadsOfUser(): number {
  const { stdout } = spawnSync('ps', ['-L', '-u', String(process.getuid?.()), '--no-headers'], { encoding: 'utf8' });
  return stdout.split('\n').filter(Boolean).length;
}

/** Runs a program under a limit of the shell; undefined where this machine cannot. */
function limited(limit: string, script: string): SpawnSyncReturns<string> | undefined {
  const build = JSON.stringify(join(packageRoot(), 'native', 'build'));
  const program = `
    const { instructionSet } = require(${build} + '/cpu.node');
    const addon = require(${build} + '/' + instructionSet + '.node');
    ${script}`;
  const command = `${limit} && exec "$0" -e "$1"`;
  const result = spawnSync('bash', ['-c', command, process.execPath, program], { encoding: 'utf8', ...nobody });
  return result.error === undefined && !/Illegal option|EACCES|Permission denied|Cannot find module/.test(result.stderr)
    ? result
    : undefined;
}

const reason =
  missing ??
  (limited('ulimit -u 100000', 'addon.setThreads(1)') === undefined
    ? 'the addon cannot be loaded under a limit here'
    : undefined);

test.skipIf(reason !== undefined)(
  `goes on with the threads that the system gives${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  () => {
    const free = limited(`ulimit -u ${others + 200}`, 'console.log(addon.setThreads(24))');
    expect(free?.stdout.trim()).toBe('24');
    const script = 'const got = addon.setThreads(64); console.log(got, addon.spareThreads(), addon.setThreads(1))';
    const result = limited(`ulimit -u ${others + 40}`, script);
    expect(result?.signal).toBe(null);
    expect(result?.status, result?.stderr).toBe(0);
    const [got, spare, one] = (result?.stdout ?? '').trim().split(' ').map(Number);
    expect(got).toBeGreaterThanOrEqual(1);
    expect(got).toBeLessThan(40);
    expect(spare).toBe(8); // left to others
    expect(one).toBe(1);
  },
);

test.skipIf(reason !== undefined)(
  `says that there is no memory${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  () => {
    const script = `
    const blocks = [];
    try { for (;;) blocks.push(addon.allocate(2 ** 26)); } catch (error) { console.log(error.message, blocks.length); }`;
    const result = limited('ulimit -d 1000000', script);
    expect(result?.signal).toBe(null);
    expect(result?.stdout, result?.stderr).toMatch(/^native: out of memory \d+\n$/);
  },
);

/** The program as it is built: started from its sources it needs the threads of their compiler. */
const program = join(packageRoot(), 'dist', 'src', 'cli.js');
const source = join(packageRoot(), 'src', 'device', 'native', 'spare-threads.ts');
const notBuilt =
  reason ??
  (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs
    ? 'dist is missing or older than its sources: npm run build'
    : undefined);

test.skipIf(notBuilt !== undefined)(
  `a command says in one line that libraries would find no thread${notBuilt === undefined ? '' : ` (skipped: ${notBuilt})`}`,
  () => {
    const inspect = (count: number) => {
      const command = `ulimit -u ${others + count} && exec "$0" "$@"`;
      const argv = [program, 'data', 'inspect', join(packageRoot(), 'nowhere')];
      return spawnSync('bash', ['-c', command, process.execPath, ...argv], { encoding: 'utf8', ...nobody });
    };
    expect(inspect(200).stderr).toContain('no such folder');
    const { status, signal, stderr } = inspect(14); // Node and its own threads are 11
    expect({ status, signal }, stderr).toEqual({ status: 2, signal: null });
    expect(stderr).toMatch(
      /^threads: expected 8 more threads for this process, to decode pictures by, got \d\n {2}hint: /,
    );
  },
);

test('leaves 8 threads to libraries, at the cost of the kernels', () => {
  expect([0, 7, 8, 20].map(threadsToGiveBack)).toEqual([8, 1, 0, 0]);
  expect(() => expectThreads(8)).not.toThrow();
  expect(() => expectThreads(7)).toThrow('expected 8 more threads for this process, to decode pictures by, got 7');
});
