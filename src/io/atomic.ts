/**
 * @file Replacing a file so that a kill -9 or a power cut at any moment leaves the old file or the new one, never half of one.
 * The one way in which the program writes files that it will read again.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isRunning } from './processes.ts';

/** A file's content: text, bytes, or parts written one after another (what `encodeSafetensors` returns). */
export type Content = string | Uint8Array | readonly Uint8Array[];

/**
 * Replaces a file atomically: a temporary file beside it is written, synced to disk and renamed over it. Folders that
 * are missing are made. Temporary files of processes that were killed are removed on the way.
 * @param content must not change before the promise resolves
 */
export async function writeAtomic(path: string, content: Content): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  await removeAbandoned(path);
  const temporary = temporaryName(path);
  try {
    await writeSynced(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** A name beside a file that no other write uses, and by which a later one knows whether its process still runs. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${randomUUID()}.tmp`);
}

/** Writes a file and waits until it is on the disk. @returns its bytes */
export async function writeSynced(path: string, content: Content): Promise<number> {
  const parts = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
  const handle = await open(path, 'w');
  try {
    for (const part of parts) await handle.writeFile(part);
    await handle.sync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

/** Makes renames and new names in a folder survive a power cut. Windows cannot open folders and needs no such step. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes what killed processes left of writing a file. */
export async function removeAbandoned(path: string): Promise<void> {
  const [folder, name] = [dirname(path), basename(path)];
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(`.${name}.`) || !entry.endsWith('.tmp')) continue;
    const [pid, unique, ...rest] = entry.slice(name.length + 2, -4).split('.');
    if (unique === undefined || rest.length > 0 || isRunning(Number(pid))) continue;
    await rm(join(folder, entry), { force: true });
  }
}
