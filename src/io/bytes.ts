/**
 * @file Whole files as bytes. Only what is a file is read, and not more of it than its reader can use: a pipe would never
 * end, and a device may be of any size.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { UserError } from '../core/errors.ts';
import { atPath, codeOf } from './at-path.ts';

export interface ReadOptions {
  /** Longest file that is read, in bytes; default: any. */
  readonly most?: number;
}

/**
 * Reads a whole file into its own, 8-byte aligned buffer.
 * @throws UserError if there is no file, it cannot be read, it is something else than a file, or it is too long
 */
export async function readBytes(path: string, options: ReadOptions = {}): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    expectFile(path, await stat(path), options); // to open a device may do something
    handle = await open(path, READ);
    const bytes = new Uint8Array(expectFile(path, await handle.stat(), options));
    return bytes.subarray(0, await fill(handle, bytes)); // shrank since stat: the reader will say what is missing
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    await handle?.close();
  }
}

/** Fills `bytes` from a place in an open file. @returns how many there were, fewer where the file ends */
export async function fill(handle: FileHandle, bytes: Uint8Array, offset = 0): Promise<number> {
  let filled = 0;
  while (filled < bytes.length) {
    const length = Math.min(bytes.length - filled, READ_BYTES);
    const { bytesRead } = await handle.read(bytes, filled, length, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** As `readBytes`, at once. */
export function readBytesSync(path: string, options: ReadOptions = {}): Uint8Array {
  let file: number | undefined;
  try {
    expectFile(path, statSync(path), options);
    file = openSync(path, READ);
    const bytes = new Uint8Array(expectFile(path, fstatSync(file), options));
    let filled = 0;
    while (filled < bytes.length) {
      const length = Math.min(bytes.length - filled, READ_BYTES);
      const bytesRead = readSync(file, bytes, filled, length, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** One read call takes less than 2 GiB. */
const READ_BYTES = 2 ** 30;
/** Opening a pipe waits for who writes into it, but for this flag, which Windows does not have. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/** @returns the file's length. @throws UserError if it is no file, or a longer one */
function expectFile(path: string, found: Stats, { most = Number.POSITIVE_INFINITY }: ReadOptions): number {
  if (found.isDirectory()) throw new UserError(path, 'expected a file, got a folder');
  if (!found.isFile()) throw new UserError(path, `expected a regular file, got ${irregularKind(found)}`);
  if (found.size > most) throw new UserError(path, `expected at most ${most} bytes, got ${found.size}`);
  return found.size;
}

/** What something is that is neither a file nor a folder. */
export function irregularKind(found: Pick<Stats, 'isFIFO' | 'isSocket'>): string {
  return found.isFIFO() ? 'a named pipe' : found.isSocket() ? 'a socket' : 'a device';
}

function unreadable(path: string, error: unknown): unknown {
  const code = codeOf(error);
  const got = typeof code === 'string' && Object.hasOwn(reasons, code) ? reasons[code] : undefined;
  return got === undefined ? atPath(path, error) : new UserError(path, got);
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'expected a file, got none',
  ENOTDIR: 'expected a file, got none',
  EISDIR: 'expected a file, got a folder',
  EACCES: 'expected a readable file, got no permission',
  EPERM: 'expected a readable file, got no permission',
  ELOOP: 'expected a file, got a link that leads to itself',
  ENXIO: 'expected a file, got a device or a socket',
};
