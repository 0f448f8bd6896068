/**
 * @file A lock file: one process at a time holds it. The file names its holder by process number, host and start, so that a
 * lock whose holder was killed is recognised and taken over, also where another process has the number by now. Of
 * processes that start at the same instant exactly one gets it.
 */
import { existsSync, statSync } from 'node:fs';
import { link, open, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { UserError } from '../core/errors.ts';
import { codeOf } from './at-path.ts';
import { removeAbandoned, temporaryName, writeSynced } from './atomic.ts';
import { readBytes } from './bytes.ts';
import { isRunning, processSpace, startOfProcess } from './processes.ts';

/** Who holds a lock. */
export interface Holder {
  readonly pid: number;
  /** The machine; its processes are not seen from others. */
  readonly host: string;
  /** See `startOfProcess`; null where the system does not tell. */
  readonly started: string | null;
  /** See `processSpace`; null where the system does not tell. */
  readonly space: string | null;
}

/** A lock that is ours, or else who has it. */
export type Lock =
  | { readonly holder?: undefined; readonly release: () => Promise<void> }
  | { readonly holder: Holder; readonly release?: undefined };

/** Most looks at a lock that others are about to take over or to write, and the milliseconds between them. */
const LOOKS = 100;
const PAUSE = 10;

/**
 * Takes a lock, or says who holds it.
 *
 * A lock of another host or container counts as held, since its processes cannot be seen from here. Where the system does not tell when
 * processes started (all but Linux), a lock counts as held while any process has its number; with our own number it does
 * not: then the process that took it is gone, and this one must not take a lock twice.
 * @param path of the lock file; its folder must be there
 * @throws UserError if the file does not say who holds it
 */
export async function takeLock(path: string): Promise<Lock> {
  const { pid } = process;
  const own = await ownHolder(pid);
  await removeAbandoned(path);
  const ours = { release: () => rm(path, { force: true }) };
  for (let look = 0; look < LOOKS; look++) {
    const holder = await readHolder(path);
    if (holder === 'free') {
      if (await create(path, own)) return ours;
    } else if (holder === 'unknown') await setTimeout(PAUSE);
    else if (await isHeld(holder, own)) return { holder };
    else if (await takeOver(path, own, holder)) return ours;
    else await setTimeout(PAUSE);
  }
  throw new UserError(
    path,
    'this lock does not say which process holds it',
    'remove the file if no process uses its folder',
  );
}

/** Who holds a lock, as far as can be told without taking it; undefined where nobody does, or the file does not say. */
export async function holderOf(path: string): Promise<Holder | undefined> {
  if (!existsSync(path)) return undefined;
  const holder = await readHolder(path);
  if (holder === 'free' || holder === 'unknown') return undefined;
  return (await isHeld(holder, await ownHolder(process.pid))) ? holder : undefined;
}

async function ownHolder(pid: number): Promise<Holder> {
  const [started = null, space = null] = [await startOfProcess(pid), await processSpace()];
  return { pid, host: hostname(), started, space };
}

/** Whether this process can see whether the one that took a lock is still there. */
export async function isInSight(holder: Holder): Promise<boolean> {
  return sees(await ownHolder(process.pid), holder);
}

function sees(own: Holder, { host, space }: Holder): boolean {
  return host === own.host && (space === null || own.space === null || space === own.space);
}

/** Whether the process that took a lock may still be there. */
async function isHeld(holder: Holder, own: Holder): Promise<boolean> {
  const boots = [holder.started, own.started].map(started => started?.split('/')[0]);
  if (holder.host === own.host && boots.every(Boolean) && boots[0] !== boots[1]) return false; // the machine was started anew
  if (!sees(own, holder)) return true;
  if (!isRunning(holder.pid)) return false;
  const started = await startOfProcess(holder.pid);
  if (started === undefined || holder.started === null) return holder.pid !== own.pid;
  return holder.started === started;
}

/**
 * Replaces the lock of a process that is gone. The right to do so is a lock as well, so that nobody replaces a lock that
 * was taken over after he looked at it.
 * @returns false if another process is about to do the same, or has done it
 */
async function takeOver(path: string, own: Holder, gone: Holder): Promise<boolean> {
  const right = await takeLock(`${path}.takeover`);
  if (right.release === undefined) return false;
  try {
    const now = await readHolder(path);
    if (now === 'free' || now === 'unknown' || JSON.stringify(now) !== JSON.stringify(gone)) return false;
    const temporary = temporaryName(path);
    await writeSynced(temporary, JSON.stringify(own));
    await rename(temporary, path);
    return true;
  } finally {
    await right.release();
  }
}

/** Makes the lock file with its content, in one step. @returns false if there is one */
async function create(path: string, own: Holder): Promise<boolean> {
  const temporary = temporaryName(path);
  await writeSynced(temporary, JSON.stringify(own));
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    return await createUnlinked(path, own); // some file systems have no links
  } finally {
    await rm(temporary, { force: true });
  }
}

/** `create` in two steps: for an instant the file is empty, and who reads it then looks again. */
async function createUnlinked(path: string, own: Holder): Promise<boolean> {
  const handle = await open(path, 'wx').catch(error => {
    if (codeOf(error) === 'EEXIST') return undefined;
    throw error;
  });
  if (handle === undefined) return false;
  try {
    await handle.writeFile(JSON.stringify(own));
    await handle.sync();
  } finally {
    await handle.close();
  }
  return true;
}

/** Who holds a lock: `free` if there is none, `unknown` if the file is not (yet) written. */
async function readHolder(path: string): Promise<Holder | 'free' | 'unknown'> {
  let text: string;
  try {
    text = new TextDecoder().decode(await readBytes(path));
  } catch (error) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return 'free';
    if (found.isFile()) return 'unknown'; // given back and taken again since it was looked for
    throw error;
  }
  return parseHolder(text) ?? 'unknown';
}

/** A file may also hold a process number alone, as earlier versions wrote it. */
function parseHolder(text: string): Holder | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const {
    pid,
    host,
    started = null,
    space = null,
  } = (typeof value === 'number' ? { pid: value, host: hostname() } : (value ?? {})) as {
    readonly [Key in keyof Holder]?: unknown;
  };
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (typeof host !== 'string' || !isTextOrNull(started) || !isTextOrNull(space)) return undefined;
  return { pid, host, started, space };
}

function isTextOrNull(value: unknown): value is string | null {
  return typeof value === 'string' || value === null;
}
