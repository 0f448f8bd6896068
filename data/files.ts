/**
 * @file Files and bounded concurrency: listing a folder, reading a piece of a file, telling images from other
 * files by name, and running an asynchronous job over many things a few at a time.
 */

import { open, readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

const IMAGE = /\.(png|jpe?g|webp|gif|avif|tiff?|svg)$/i;
const HIDDEN = /^(\.|__MACOSX$|Thumbs\.db$)/;

/** Whether a name ends like an image that sharp reads. */
export function isImageName(name: string): boolean {
  return IMAGE.test(name);
}

/** A path without its last extension: `a/b.c.png` gives `a/b.c`. */
export function withoutExtension(path: string): string {
  return path.replace(/\.[^./]+$/, '');
}

/**
 * All files below a folder, as sorted paths relative to it with `/` between folders. Hidden entries are left out; links are
 * followed (dataset caches are full of them) and a folder is entered only once.
 */
export async function listFiles(root: string): Promise<string[]> {
  const found: string[] = [];
  const seen = new Set<string>();
  const enter = async (folder: string): Promise<void> => {
    const absolute = join(root, folder);
    const real = await realpath(absolute);
    if (seen.has(real)) return;
    seen.add(real);
    for (const entry of await readdir(absolute, { withFileTypes: true })) {
      if (HIDDEN.test(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      const kind = entry.isSymbolicLink() ? await stat(join(root, path)).catch(() => undefined) : entry;
      if (kind?.isDirectory()) await enter(path);
      else if (kind?.isFile()) found.push(path);
    }
  };
  await enter('');
  return found.sort();
}

/** `length` bytes of a file from `offset`, fewer where it ends. */
export async function readPiece(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return bytes.subarray(0, filled);
  } finally {
    await file.close();
  }
}

/** UTF-8 text, or `undefined` where the bytes are something else. */
export function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * Runs `job` over `things`, at most `limit` at once, and returns the results in the order of the things. After a job that
 * rejects no other begins, and the error comes once those under way have ended.
 */
export async function mapBounded<T, R>(
  things: readonly T[],
  limit: number,
  job: (thing: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(things.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < things.length) {
      const index = next++;
      try {
        results[index] = await job(things[index], index);
      } catch (error) {
        next = things.length;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(limit, things.length) }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return results;
}
