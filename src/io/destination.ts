/**
 * @file What a path leads to when something is written to it: links are followed, so that they stay; devices and pipes are
 * written into, as any program does that a user tells to write to `/dev/null`.
 */
import { constants, type Stats } from 'node:fs';
import { open, readlink, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { UserError } from '../core/errors.ts';
import { codeOf } from './at-path.ts';

/** Where bytes go. */
export type Destination =
  /** A file that can be replaced, or one that is not there yet: the path that the links end at. */
  | { readonly kind: 'file'; readonly path: string; readonly found?: Stats }
  /** A device, pipe or socket: opened and written into. */
  | { readonly kind: 'stream'; readonly path: string }
  /** A file that this process has open, as standard output may be: written on where it stands. */
  | { readonly kind: 'descriptor'; readonly fd: number };

/** Most links on the way to a file, as Linux has it. */
const MOST_LINKS = 40;

/** @throws UserError if it is a folder, or links lead nowhere */
export async function destinationOf(path: string): Promise<Destination> {
  const found = await stat(path).catch(error => {
    if (codeOf(error) === 'ENOENT') return undefined; // a link may lead to a file that is to be made
    if (codeOf(error) === 'ELOOP') throw new UserError(path, 'expected a file, got a link that leads to itself');
    throw error;
  });
  if (found?.isDirectory()) throw new UserError(path, 'expected a file, got a folder', 'name a file');
  const { end, fd } = await followLinks(path);
  if (found === undefined || found.isFile()) {
    return fd === undefined ? { kind: 'file', path: end, found } : { kind: 'descriptor', fd };
  }
  return { kind: 'stream', path };
}

/** Where the links of a path end, or the first place on the way that is an open file of this process. */
async function followLinks(path: string): Promise<{ readonly end: string; readonly fd?: number }> {
  let end = path;
  for (let followed = 0; followed < MOST_LINKS; followed++) {
    const fd = openFileOf(resolve(end));
    if (fd !== undefined) return { end, fd };
    const link = await readlink(end).catch(() => undefined); // no link, or nothing
    if (link === undefined) return { end };
    end = resolve(await realpath(dirname(end)), link);
  }
  throw new UserError(path, 'expected a file, got a link that leads to itself');
}

/** The number in `/proc/self/fd/1` and its like. */
function openFileOf(path: string): number | undefined {
  const [, pid, fd] = /^\/(?:dev|proc\/(self|thread-self|\d+))\/fd\/(\d+)$/.exec(path) ?? [];
  if (fd === undefined) return undefined;
  return pid === undefined || !/^\d/.test(pid) || Number(pid) === process.pid ? Number(fd) : undefined;
}

/** The destination's folder and name as they are on the disk, by which two paths can be told to be one file. */
export async function realPlace(path: string): Promise<string> {
  const { end } = await followLinks(path);
  const folder = await realpath(dirname(end)).catch(() => resolve(dirname(end)));
  return join(folder, basename(end));
}

/** How often a pipe is looked at until somebody reads it, and the milliseconds between. */
const LOOKS = 50;
const PAUSE = 100;

/**
 * Opens a device, a pipe or a socket to write into.
 * @throws UserError if nobody reads the pipe: to open it would wait for ever, where no signal is heard
 */
export async function openStream(path: string): ReturnType<typeof open> {
  for (let look = 0; look < LOOKS; look++) {
    const first = await open(path, constants.O_WRONLY | constants.O_NONBLOCK).catch(error => {
      if (codeOf(error) === 'ENXIO') return undefined;
      throw error;
    });
    if (first === undefined) {
      await setTimeout(PAUSE);
      continue;
    }
    try {
      return await open(path, constants.O_WRONLY); // does not wait any more, and its writes do
    } finally {
      await first.close(); // not before: the reader would take it for the end
    }
  }
  throw new UserError(path, 'expected a pipe that is read, got one without a reader');
}
