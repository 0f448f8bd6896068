/**
 * @file The state of a training on disk: a set of files that belong together, replaced as one. A kill -9 or a power cut at
 * any moment leaves the old set or the new one. Knows no model.
 */
import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../core/errors.ts';
import { type Content, syncFolder, writeSynced } from './atomic.ts';
import { readJson, writeJson } from './files.ts';
import { makeFolder } from './make-folder.ts';

/** Names one complete generation of a saved state. */
export interface SavedState {
  /** Counts saves, from 1. */
  readonly generation: number;
  /** The folder that holds this generation's files; gone after the next `saveState`. */
  readonly path: string;
  /** The files' names, sorted. */
  readonly files: readonly string[];
}

/**
 * Saves files that belong together (weights, moments, counters) as one atomic step: they are written to
 * `folder/<generation>/`, synced, then `folder/current` is replaced to name them, then older generations are removed.
 * At every moment `current` names one complete set. One process at a time may save to a folder.
 * @param files by plain name; the contents must not change before the promise resolves
 */
export async function saveState(folder: string, files: Readonly<Record<string, Content>>): Promise<SavedState> {
  const generation = ((await readPointer(folder))?.generation ?? 0) + 1;
  const path = join(folder, String(generation));
  // Left by a save that was killed before `current` named it.
  await rm(path, { recursive: true, force: true });
  await makeFolder(path);
  const sizes: Record<string, number> = {};
  for (const [name, content] of Object.entries(files)) {
    if (!isPlainName(name)) throw new Error(`saveState: ${name} is not a file name`);
    sizes[name] = await writeSynced(join(path, name), content);
  }
  await syncFolder(path);
  await syncFolder(folder);
  await writeJson(join(folder, 'current'), { generation, files: sizes });
  for (const entry of await readdir(folder)) {
    if (/^\d+$/.test(entry) && entry !== String(generation)) await rm(join(folder, entry), { recursive: true });
  }
  return { generation, path, files: Object.keys(sizes).sort() };
}

/**
 * Finds the last complete state of a folder.
 * @returns where its files are, or undefined if nothing was ever saved there
 * @throws UserError if a file of it is missing or has not the size it was saved with
 */
export async function loadState(folder: string): Promise<SavedState | undefined> {
  const pointer = await readPointer(folder);
  if (pointer === undefined) return undefined;
  const path = join(folder, String(pointer.generation));
  for (const [name, size] of Object.entries(pointer.files)) {
    const found = await stat(join(path, name)).catch(() => undefined);
    if (found?.size !== size) {
      const got = found === undefined ? 'no such file' : `${found.size} bytes`;
      const hint = `restore the file, or remove ${folder} to give this state up`;
      throw new UserError(join(path, name), `expected ${size} bytes, got ${got}`, hint);
    }
  }
  return { generation: pointer.generation, path, files: Object.keys(pointer.files).sort() };
}

interface Pointer {
  readonly generation: number;
  readonly files: Readonly<Record<string, number>>;
}

/** Longest file that is read, in bytes: some names and numbers. */
const MOST_POINTER = 2 ** 16;

async function readPointer(folder: string): Promise<Pointer | undefined> {
  const path = join(folder, 'current');
  if ((await lstat(path).catch(() => undefined)) === undefined) return undefined;
  const value = await readJson(path, { most: MOST_POINTER });
  if (!isPointer(value)) {
    throw new UserError(
      path,
      'expected { generation, files }, got something else',
      `restore the file, or remove ${folder} to give this state up`,
    );
  }
  return value;
}

function isPointer(value: unknown): value is Pointer {
  if (typeof value !== 'object' || value === null || !('generation' in value) || !('files' in value)) return false;
  const { generation, files } = value;
  if (!isCount(generation) || generation === 0 || typeof files !== 'object' || files === null) return false;
  return Object.entries(files).every(([name, size]) => isPlainName(name) && isCount(size));
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Whether a name stays in its folder. */
function isPlainName(name: string): boolean {
  return name === basename(name) && !['', '.', '..'].includes(name) && !name.includes('\0');
}
