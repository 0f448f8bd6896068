/**
 * @file Replacing a file so that a kill -9 or a power cut at any moment leaves the old file or the new one, never half of one.
 * The one way in which the program writes files that it will read again.
 */
import { createHash, randomUUID } from 'node:crypto';
import { constants, type Stats, writeSync } from 'node:fs';
import { access, chmod, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { namingPath } from './at-path.ts';
import { destinationOf, openStream } from './destination.ts';
import { makeFolder } from './make-folder.ts';
import { isRunning } from './processes.ts';

/** A file's content: text, bytes, or parts written one after another (what `encodeSafetensors` returns). */
export type Content = string | Uint8Array | readonly Uint8Array[];

/**
 * Replaces a file atomically: a temporary file beside it is written, synced to disk and renamed over it. Folders that
 * are missing are made. Temporary files of processes that were killed are removed on the way. A link stays, and the file that
 * it leads to is replaced, which keeps its permissions; a device or a pipe is written into.
 * @param content must not change before the promise resolves
 * @throws UserError if it is a folder, or a pipe that nobody reads; errors of the system name `path`
 */
export async function writeAtomic(path: string, content: Content): Promise<void> {
  await makeFolder(dirname(path));
  const destination = await destinationOf(path);
  await namingPath(path, async () => {
    if (destination.kind === 'file') await replaceFile(destination.path, content, destination.found);
    else if (destination.kind === 'stream') await writeInto(destination.path, content);
    else for (const part of partsOf(content)) writeWhole(destination.fd, part);
  });
}

async function replaceFile(path: string, content: Content, found: Stats | undefined): Promise<void> {
  const folder = dirname(path);
  if (found !== undefined) await access(path, constants.W_OK); // a rename would not ask
  await removeAbandoned(path);
  const temporary = temporaryName(path);
  try {
    await writeSynced(temporary, content);
    if (found !== undefined) await chmod(temporary, found.mode & 0o7777);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}); // what went wrong first is what counts
    throw error;
  }
  await syncFolder(folder);
}

/** Writes into what cannot be replaced. */
async function writeInto(path: string, content: Content): Promise<void> {
  const handle = await openStream(path);
  try {
    for (const part of partsOf(content)) await handle.writeFile(part);
  } finally {
    await handle.close();
  }
}

/** Writes on in a file that is open, which prints of this process may be written to as well. */
function writeWhole(fd: number, part: string | Uint8Array): void {
  const bytes = Buffer.from(part);
  for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
}

function partsOf(content: Content): readonly (string | Uint8Array)[] {
  return typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
}

/** A name beside a file that no other write uses, and by which a later one knows whether its process still runs. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${shortName(path)}.${process.pid}.${randomUUID()}.tmp`);
}

/** Most bytes of a file's name that its temporary files repeat; file systems take 255 in all. */
const NAME_BYTES = 150;

/** The name of a file, or of a long one a fingerprint, so that there is room for what makes a temporary name unique. */
function shortName(path: string): string {
  const name = basename(path);
  return Buffer.byteLength(name) <= NAME_BYTES ? name : createHash('sha256').update(name).digest('hex');
}

/** Writes a file and waits until it is on the disk. @returns its bytes */
export async function writeSynced(path: string, content: Content): Promise<number> {
  const handle = await open(path, 'w');
  return namingPath(path, async () => {
    try {
      for (const part of partsOf(content)) await handle.writeFile(part);
      await handle.sync();
      return (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  });
}

/** Makes renames and new names in a folder survive a power cut. Windows cannot open folders and needs no such step. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await namingPath(path, () => handle.sync());
  } finally {
    await handle.close();
  }
}

/** Removes what killed processes left of writing a file. */
export async function removeAbandoned(path: string): Promise<void> {
  const [folder, name] = [dirname(path), shortName(path)];
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(`.${name}.`) || !entry.endsWith('.tmp')) continue;
    const [pid, unique, ...rest] = entry.slice(name.length + 2, -4).split('.');
    if (unique === undefined || rest.length > 0 || isRunning(Number(pid))) continue;
    await rm(join(folder, entry), { force: true });
  }
}
