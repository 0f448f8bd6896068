/**
 * @file Reading files that a user names, regular ones alone: a named pipe or a device may block for ever, beyond the reach of
 * any signal, and to open it may do something. The one way in which the program opens such files.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { UserError } from '../core/errors.ts';
import { atPath } from './at-path.ts';

/** Only between the look at a path and its opening can another thing come to lie there; then it is opened without waiting. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0); // Windows has no such flag, and no such pipes

/** What lies at a path that is no regular file, e.g. `a named pipe`; undefined for one that is. */
export function irregularKind(
  found: Pick<Stats, 'isFile' | 'isDirectory' | 'isFIFO' | 'isSocket'>,
): string | undefined {
  if (found.isFile()) return undefined;
  if (found.isDirectory()) return 'a folder';
  return found.isFIFO() ? 'a named pipe' : found.isSocket() ? 'a socket' : 'a device';
}

function expectRegular(path: string, found: Stats): void {
  const kind = irregularKind(found);
  if (kind === 'a folder') throw new UserError(path, 'expected a file, got a folder');
  if (kind !== undefined) throw new UserError(path, `expected a regular file, got ${kind}`);
}

/**
 * Opens a file to read it.
 * @returns the caller's to close
 * @throws UserError if it is not a regular file; the system's error, with the path, if it cannot be opened
 */
export async function openRegular(path: string): Promise<FileHandle> {
  expectRegular(path, await stat(path));
  const handle = await open(path, FLAGS);
  try {
    expectRegular(path, await handle.stat());
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Reads a whole file into its own, 8-byte aligned buffer.
 * @throws as `openRegular`
 */
export async function readRegular(path: string): Promise<Uint8Array> {
  const handle = await openRegular(path);
  try {
    const bytes = new Uint8Array((await handle.stat()).size);
    let filled = 0;
    while (filled < bytes.length) {
      const length = Math.min(bytes.length - filled, READ_BYTES);
      const { bytesRead } = await handle.read(bytes, filled, length, filled);
      if (bytesRead === 0) break; // shrank since stat: the reader of the bytes will say what is missing
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  } catch (error) {
    throw atPath(path, error);
  } finally {
    await handle.close();
  }
}

/** One read call takes less than 2 GiB. */
const READ_BYTES = 2 ** 30;

/** `readRegular`, without giving way to anything else meanwhile. */
export function readRegularSync(path: string): Uint8Array {
  expectRegular(path, statSync(path));
  const file = openSync(path, FLAGS);
  try {
    expectRegular(path, fstatSync(file));
    return readFileSync(file);
  } catch (error) {
    throw atPath(path, error);
  } finally {
    closeSync(file);
  }
}
