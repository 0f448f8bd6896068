/**
 * @file Files and bounded concurrency: listing a folder, reading a piece of a file, telling images from other
 * files by name, and running an asynchronous job over many things a few at a time.
 */

import type { Stats } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { firstLine } from '../src/core/errors.ts';

const IMAGE = /\.(png|apng|jpe?g|jpe|jfif|webp|gif|avif|tiff?|svg)$/i;
/** What systems and network drives leave in folders. */
const HIDDEN =
  /^(\.|__MACOSX$|Thumbs\.db$|desktop\.ini$|@eaDir$|#recycle$|\$RECYCLE\.BIN$|System Volume Information$|lost\+found$)/i;

/** Whether a name ends like an image that sharp reads. */
export function isImageName(name: string): boolean {
  return IMAGE.test(name);
}

/** A path without its last extension: `a/b.c.png` gives `a/b.c`. */
export function withoutExtension(path: string): string {
  return path.replace(/\.[^./]+$/, '');
}

/** What lies below a folder. */
export interface Listing {
  /** Regular files, as sorted paths relative to the folder with `/` between folders. */
  readonly files: readonly string[];
  /** What is neither a file that can be read nor a folder, and why, in words. */
  readonly strays: readonly { readonly id: string; readonly what: string }[];
}

/**
 * Lists all that lies below a folder. Hidden entries and those of the system are left out; links are followed (dataset caches
 * are full of them) and a folder is entered only once.
 */
export async function listFiles(root: string): Promise<Listing> {
  const files: string[] = [];
  const strays: { id: string; what: string }[] = [];
  const seen = new Map<string, string>();
  const enter = async (folder: string): Promise<void> => {
    const absolute = join(root, folder);
    const real = await realpath(absolute);
    const before = seen.get(real);
    if (before !== undefined) {
      strays.push({
        id: folder,
        what: `a link to ${before === '' ? 'the folder itself' : before}, which is read already`,
      });
      return;
    }
    seen.set(real, folder);
    for (const entry of await readdir(absolute, { withFileTypes: true })) {
      if (HIDDEN.test(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      const kind = entry.isSymbolicLink() ? await stat(join(root, path)).catch(() => undefined) : entry;
      if (kind === undefined) strays.push({ id: path, what: 'a link that leads nowhere' });
      else if (kind.isFile()) files.push(path);
      else if (!kind.isDirectory()) strays.push({ id: path, what: `${specialKind(kind)}, not a file` });
      else
        await enter(path).catch(error => {
          strays.push({ id: path, what: `a folder that cannot be read (${firstLine(error)})` });
        });
    }
  };
  await enter('');
  return { files: files.sort(), strays };
}

function specialKind(kind: Pick<Stats, 'isFIFO' | 'isSocket'>): string {
  return kind.isFIFO() ? 'a named pipe' : kind.isSocket() ? 'a socket' : 'a device';
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
