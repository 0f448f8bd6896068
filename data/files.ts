/**
 * @file Files and bounded concurrency: listing a folder, reading a piece of a file, telling images from other
 * files by name, and running an asynchronous job over many things a few at a time.
 */

import { open, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { firstLine } from '../src/core/errors.ts';
import { codeOf } from '../src/io/at-path.ts';
import { fill, irregularKind } from '../src/io/bytes.ts';

/** Endings of the pictures that this build of sharp reads, and further ones of JPEG and PNG, which are told by their bytes. */
const IMAGE_ENDINGS: ReadonlySet<string> = new Set([
  ...['.apng', '.jif', '.jfi', '.pjpeg', '.pjp'],
  ...Object.values(sharp.format).flatMap(({ input }) => (input.buffer ? (input.fileSuffix ?? []) : [])),
]);
/** What systems and network drives leave in folders. */
const LEFT_BY_SYSTEMS =
  /^(\._.*|\.DS_Store|__MACOSX|Thumbs\.db|ehthumbs\.db|desktop\.ini|@eaDir|@__thumb|[#@]recycle|#snapshot|@Recently-Snapshot|\$RECYCLE\.BIN|System Volume Information|lost\+found|\.(Spotlight-V100|Trash.*|fseventsd|TemporaryItems|apdisk))$/i;

/** Whether a name ends like an image that sharp reads. */
export function isImageName(name: string): boolean {
  const dot = name.lastIndexOf('.');
  return dot >= 0 && IMAGE_ENDINGS.has(name.slice(dot).toLowerCase());
}

/** A path without its last extension: `a/b.c.png` gives `a/b.c`. */
export function withoutExtension(path: string): string {
  return path.replace(/\.[^./]+$/, '');
}

/** A path that is not read, and why, in words. */
interface Left {
  readonly id: string;
  readonly what: string;
}

/** What lies below a folder. */
export interface Listing {
  /** Regular files, as sorted paths relative to the folder with `/` between folders. */
  readonly files: readonly string[];
  /** What is neither a file that can be read nor a folder. */
  readonly strays: readonly Left[];
  /** What is passed by with good reason: hidden files and folders, links to what is read anyway. */
  readonly passed: readonly Left[];
}

/**
 * Lists all that lies below a folder. What systems leave behind is left out; links are followed (dataset caches are full of
 * them), after all that lies there itself, and a folder is entered only once.
 */
export async function listFiles(root: string): Promise<Listing> {
  const files: string[] = [];
  const strays: Left[] = [];
  const passed: Left[] = [];
  /** Folders that have been entered, by where they really lie. */
  const entered = new Map<string, string>();
  const links: string[] = [];
  const enter = async (folder: string, real: string): Promise<void> => {
    const before = entered.get(real);
    if (before !== undefined) {
      const what = before === '' ? 'the folder itself' : before;
      passed.push({ id: folder, what: `a link to ${what}, which is read already` });
      return;
    }
    entered.set(real, folder);
    for (const entry of await readdir(real, { withFileTypes: true })) {
      if (LEFT_BY_SYSTEMS.test(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.name.startsWith('.')) passed.push({ id: path, what: 'hidden (its name begins with a dot)' });
      else if (entry.isFile()) files.push(path);
      else if (entry.isDirectory()) await tryToEnter(path, async () => join(real, entry.name));
      else if (entry.isSymbolicLink()) await follow(path);
      else strays.push({ id: path, what: `${irregularKind(entry)}, not a file` });
    }
  };
  const tryToEnter = async (folder: string, real: () => Promise<string>): Promise<void> => {
    try {
      await enter(folder, await real());
    } catch (error) {
      strays.push({ id: folder, what: `a folder that ${whyFailed(error)}` });
    }
  };
  const follow = async (path: string): Promise<void> => {
    const kind = await stat(join(root, path)).catch(() => undefined);
    if (kind === undefined) strays.push({ id: path, what: 'a link that leads nowhere' });
    else if (kind.isFile()) files.push(path);
    else if (kind.isDirectory()) links.push(path);
    else strays.push({ id: path, what: `${irregularKind(kind)}, not a file` });
  };
  await enter('', await realpath(root));
  // Links are entered last, so that what lies there itself is never called a link to what a link leads to.
  while (links.length > 0) {
    for (const link of links.splice(0).sort()) await tryToEnter(link, () => realpath(join(root, link)));
  }
  return { files: files.sort(), strays, passed };
}

/** Thrown where a file is not any more what it was when the data was opened. */
export class ChangedFile extends Error {
  override readonly name = 'ChangedFile';
}

/** Whether an error says that bytes could not be had, and nothing about what they hold. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof ChangedFile || (error instanceof Error && 'syscall' in error);
}

/** What the system says where it is not the file that is to blame: another file would fail as well. */
const OF_MACHINE: ReadonlySet<unknown> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'EAGAIN',
  'EIO',
  'ESTALE',
  'ETIMEDOUT',
  'ENOTCONN',
]);

/**
 * Why reading or decoding a file failed, in words that follow its name.
 * @throws the error itself where it is the machine that failed, so that no file is left out for that
 */
export function whyFailed(error: unknown): string {
  if (OF_MACHINE.has(codeOf(error))) throw error;
  const [, system] = /^E[A-Z0-9]+: ([^,]+), \w/.exec(firstLine(error)) ?? [];
  return system === undefined ? firstLine(error) : `cannot be read (${system})`;
}

/** Largest file that is taken for a picture, in bytes. */
export const LIMIT_PICTURE = 2 ** 29;

/**
 * All of a file that should be a picture.
 * @throws Error with the reason, in words that follow the file's name, if it is larger than any picture should be
 */
export async function readPictureFile(path: string): Promise<Uint8Array> {
  const { size } = await stat(path);
  if (size > LIMIT_PICTURE) throw new Error(whyTooLong(size, LIMIT_PICTURE, 'a picture'));
  return await readFile(path);
}

/** Why a file of `size` bytes is not read, in words that follow its name. @param what what it should be, e.g. `a picture` */
export function whyTooLong(size: number, limit: number, what: string): string {
  return `a file of ${mebibytes(size)} MiB, more than the ${mebibytes(limit)} MiB that ${what} may have`;
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(bytes % 2 ** 20 === 0 ? 0 : 1);
}

/** `length` bytes of a file from `offset`, fewer where it ends. */
export async function readPiece(path: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, await fill(file, bytes, offset));
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
