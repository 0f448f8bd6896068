/**
 * @file A run's files: written so that a kill -9 or a power cut at any moment leaves the old file or the new one, never
 * half of one, and read with errors that name the file. `saveState` extends the promise to a set of files that belong
 * together. Knows bytes, JSON and safetensors; knows no model.
 */
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../core/errors.ts';
import { encodeSafetensors, parseSafetensors, type SafetensorsFile, type TensorData } from './safetensors.ts';

/** A file's content: text, bytes, or parts written one after another (what `encodeSafetensors` returns). */
export type Content = string | Uint8Array | readonly Uint8Array[];

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
 * Replaces a file atomically: a temporary file beside it is written, synced to disk and renamed over it. Folders that
 * are missing are made. Temporary files of processes that were killed are removed on the way.
 * @param content must not change before the promise resolves
 */
export async function writeAtomic(path: string, content: Content): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  await removeAbandoned(folder, basename(path));
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${writes++}.tmp`);
  try {
    await writeSynced(temporary, content);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Writes a value as indented JSON, atomically. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}

/**
 * Reads a JSON file; the caller checks what it holds.
 * @throws UserError if the file is missing or not JSON
 */
export async function readJson(path: string): Promise<unknown> {
  const text = new TextDecoder().decode(await readBytes(path)); // drops a byte order mark, which editors leave
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(path, `expected JSON, got something else (${error instanceof Error ? error.message : error})`);
  }
}

/** Writes tensors as a safetensors file, atomically. The tensors must not change before the promise resolves. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeAtomic(path, encodeSafetensors(tensors, metadata));
}

/**
 * Reads a safetensors file with one allocation; the tensors are views of it.
 * @throws UserError if the file is missing, truncated or not what the format asks for
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  return parseSafetensors(await readBytes(path), path);
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
  await mkdir(path, { recursive: true });
  const sizes: Record<string, number> = {};
  for (const [name, content] of Object.entries(files)) {
    if (name !== basename(name) || name === '..' || name === '')
      throw new Error(`saveState: ${name} is not a file name`);
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

/** Makes the temporary names of one process differ. */
let writes = 0;

async function writeSynced(path: string, content: Content): Promise<number> {
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
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function removeAbandoned(folder: string, name: string): Promise<void> {
  for (const entry of await readdir(folder)) {
    if (!entry.startsWith(`.${name}.`) || !entry.endsWith('.tmp')) continue;
    const [pid, count, ...rest] = entry.slice(name.length + 2, -4).split('.');
    if (count === undefined || rest.length > 0 || isRunning(Number(pid))) continue;
    await rm(join(folder, entry), { force: true });
  }
}

/** Whether a process of that number runs on this machine. */
export function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return true; // not a name of ours: leave it alone
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

interface Pointer {
  readonly generation: number;
  readonly files: Readonly<Record<string, number>>;
}

async function readPointer(folder: string): Promise<Pointer | undefined> {
  const path = join(folder, 'current');
  if ((await stat(path).catch(() => undefined)) === undefined) return undefined;
  const value = await readJson(path);
  if (!isPointer(value)) throw new UserError(path, 'expected { generation, files }, got something else');
  return value;
}

function isPointer(value: unknown): value is Pointer {
  if (typeof value !== 'object' || value === null || !('generation' in value) || !('files' in value)) return false;
  const { generation, files } = value;
  if (!Number.isSafeInteger(generation) || typeof files !== 'object' || files === null) return false;
  return Object.entries(files).every(([name, size]) => name === basename(name) && Number.isSafeInteger(size));
}

/** Reads a whole file into its own, 8-byte aligned buffer. */
async function readBytes(path: string): Promise<Uint8Array> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw unreadable(path, error);
  }
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
    throw unreadable(path, error);
  } finally {
    await handle.close();
  }
}

/** One read call takes less than 2 GiB. */
const READ_BYTES = 2 ** 30;

function unreadable(path: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') return new UserError(path, 'expected a file, got none');
  if (code === 'EISDIR') return new UserError(path, 'expected a file, got a folder');
  if (code === 'EACCES' || code === 'EPERM') return new UserError(path, 'expected a readable file, got no permission');
  return error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
