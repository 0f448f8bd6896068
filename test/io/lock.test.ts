/** @file Locks: one holder at a time, dead ones recognised, and one winner among processes that start together. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { isInSight, takeLock } from '../../src/io/lock.ts';
import { isRunning, processSpace, startOfProcess } from '../../src/io/processes.ts';

const tellsStarts = process.platform === 'linux';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
  path = join(folder, 'lock');
});
afterEach(() => rmSync(folder, { recursive: true }));

const holds = (holder: object) => writeFileSync(path, JSON.stringify(holder));

/** A process that does nothing until it is killed. */
async function idle(): Promise<{ readonly pid: number; readonly kill: () => Promise<void> }> {
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume(); console.log(1)'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await new Promise(resolve => child.stdout.once('data', resolve));
  const kill = async () => {
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  };
  return { pid: child.pid as number, kill };
}

test('a lock is held until it is released, also against its own process, and leaves nothing behind', async () => {
  const lock = await takeLock(path);
  const started = (await startOfProcess(process.pid)) ?? null;
  const own = { pid: process.pid, host: hostname(), started, space: (await processSpace()) ?? null };
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(own);
  if (tellsStarts) expect(await takeLock(path)).toEqual({ holder: own });
  await lock.release?.();
  expect(readdirSync(folder)).toEqual([]);
  expect((await takeLock(path)).holder).toBeUndefined();
});

test('a lock of a process that runs is held, of one that was killed not', async () => {
  const other = await idle();
  const started = (await startOfProcess(other.pid)) ?? null;
  const holder = { pid: other.pid, host: hostname(), started, space: null };
  holds(holder);
  expect(await takeLock(path)).toEqual({ holder });
  writeFileSync(path, String(other.pid)); // as earlier versions wrote it
  expect(await takeLock(path)).toEqual({ holder: { ...holder, started: null } });
  await other.kill();
  const lock = await takeLock(path);
  expect(lock.holder).toBeUndefined();
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid });
  await lock.release?.();
  expect(readdirSync(folder)).toEqual([]);
});

test.skipIf(!tellsStarts)('a number that another process has by now holds nothing', async () => {
  const other = await idle();
  const now = await startOfProcess(other.pid);
  expect(now).toMatch(/^[0-9a-f-]{36}\/[0-9]+$/);
  expect(now).not.toBe(await startOfProcess(process.pid));
  const [boot, ticks] = (now as string).split('/');
  for (const started of [`${boot}/${Number(ticks) - 1}`, `${boot.replaceAll(/[0-9a-f]/g, '0')}/${ticks}`]) {
    holds({ pid: other.pid, host: hostname(), started });
    const lock = await takeLock(path);
    expect(lock.holder, started).toBeUndefined();
    await lock.release?.();
  }
  holds({ pid: process.pid, host: hostname(), started: `${boot}/1` });
  expect((await takeLock(path)).holder).toBeUndefined();
  await other.kill();
});

test('where starts are not told any process of the number holds it, but for our own', async () => {
  const other = await idle();
  const holder = { pid: other.pid, host: hostname(), started: null, space: null };
  holds(holder);
  expect(await takeLock(path)).toEqual({ holder });
  holds({ ...holder, pid: process.pid });
  expect((await takeLock(path)).holder).toBeUndefined();
  await other.kill();
});

test('a lock of another host is held, whatever runs here', async () => {
  const other = await idle();
  await other.kill();
  expect(isRunning(other.pid)).toBe(false);
  const holder = { pid: other.pid, host: `not-${hostname()}`, started: null, space: null };
  holds(holder);
  expect(await takeLock(path)).toEqual({ holder });
  expect(await isInSight(holder)).toBe(false);
});

test.skipIf(!tellsStarts)(
  'so is one of another container on this host, until the machine is started anew',
  async () => {
    const other = await idle();
    const started = (await startOfProcess(other.pid)) as string;
    await other.kill();
    const space = await processSpace();
    expect(space).toMatch(/^pid:\[\d+\]$/);
    const holder = { pid: other.pid, host: hostname(), started, space: 'pid:[1]' };
    holds(holder);
    expect(await takeLock(path)).toEqual({ holder });
    expect(await isInSight(holder)).toBe(false);
    expect(await isInSight({ ...holder, space: space as string })).toBe(true);
    holds({ ...holder, started: started.replace(/^[^/]+/, '0123-abcd') });
    expect((await takeLock(path)).holder).toBeUndefined();
  },
);

test('a takeover that was killed half way is taken over too', async () => {
  const other = await idle();
  await other.kill();
  const gone = JSON.stringify({ pid: other.pid, host: hostname(), started: null });
  for (const name of ['lock', 'lock.takeover', 'lock.takeover.takeover']) writeFileSync(join(folder, name), gone);
  writeFileSync(join(folder, `.lock.${other.pid}.half.tmp`), '');
  expect((await takeLock(path)).holder).toBeUndefined();
  expect(readdirSync(folder)).toEqual(['lock']);
});

test('a file that names nobody is not taken for a lock of nobody', async () => {
  for (const text of ['', '{"pid": ', '{"pid": 0, "host": "a"}', 'null', '"7"']) {
    writeFileSync(path, text);
    await expect(takeLock(path), text).rejects.toThrow(UserError);
    expect(readFileSync(path, 'utf8')).toBe(text);
  }
}, 60_000);

/** A process that takes the lock when it is told to and says whether it has it, and gives it back when told to. */
class Rival {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor(lockPath: string) {
    const program = `
      import { createInterface } from 'node:readline';
      import { takeLock } from '${new URL('../../src/io/lock.ts', import.meta.url).href}';
      console.log('ready');
      let lock;
      for await (const order of createInterface({ input: process.stdin })) {
        if (order === 'take') lock = await takeLock(process.argv[1]);
        else await lock.release?.();
        console.log(lock.holder === undefined ? 'mine' : String(lock.holder.pid));
      }`;
    const argv = ['--import', 'tsx', '--input-type=module', '-e', program, lockPath];
    this.child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.child.pid as number;
  }

  async said(): Promise<string> {
    return (await this.lines.next()).value as string;
  }

  tell(order: 'take' | 'release'): void {
    this.child.stdin?.write(`${order}\n`);
  }

  end(): void {
    this.child.stdin?.end();
  }
}

describe('processes that start at the same instant', () => {
  test('one gets the lock, and the others are told which', async () => {
    const gone = await idle();
    await gone.kill();
    const rivals = [0, 1, 2].map(() => new Rival(path));
    for (const rival of rivals) expect(await rival.said()).toBe('ready');
    for (let round = 0; round < 20; round++) {
      // Every second round a dead process's lock is in the way.
      if (round % 2 === 1) holds({ pid: gone.pid, host: hostname(), started: null });
      for (const rival of rivals) rival.tell('take');
      const said = await Promise.all(rivals.map(rival => rival.said()));
      const winner = said.indexOf('mine');
      expect(
        said.filter(word => word === 'mine'),
        `round ${round}: ${said}`,
      ).toHaveLength(1);
      expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: rivals[winner].pid });
      expect(said.filter((_, i) => i !== winner)).toEqual(new Array(2).fill(String(rivals[winner].pid)));
      rivals[winner].tell('release');
      await rivals[winner].said();
      expect(existsSync(path)).toBe(false);
    }
    for (const rival of rivals) rival.end();
    expect(readdirSync(folder)).toEqual([]);
  }, 60_000);
});
