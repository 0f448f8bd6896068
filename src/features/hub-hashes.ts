/**
 * @file What was downloaded from the hub is what is used later: a SHA-256 of every file is kept beside the files when they
 * come, and compared whenever they are read again. Files that were there before are taken as they are at their first use.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { UserError } from '../core/errors.ts';
import { shellWord } from '../core/shell.ts';
import { readJson, writeJson } from '../io/files.ts';

/** The file of the hashes, among those that were downloaded. */
const HASHES = 'tessera-sha256.json';
/** Where a model's files lie within its folder. */
const PLACES = ['', 'onnx'];
const LARGEST = 2 ** 20;

/** The files of a model from the hub in the folder where they are kept. */
export class DownloadedFiles {
  private readonly folder: string;
  private readonly where: string;
  private hashes: Map<string, string> | undefined;
  private readonly checked = new Set<string>();

  /** @param folder of the model's files; need not be there; @param where opens the messages */
  constructor(folder: string, where: string) {
    this.folder = folder;
    this.where = where;
  }

  /**
   * Compares a file that is about to be read, and all settings beside it, with what was downloaded.
   * @throws UserError naming the first that has changed
   */
  async check(file: string): Promise<void> {
    const hashes = await this.read();
    for (const [name, hash] of hashes) {
      if (this.checked.has(name) || !(name.endsWith('.json') || name.startsWith(file))) continue;
      const path = join(this.folder, name);
      const found = await hashOf(path);
      if (found !== undefined && found !== hash) {
        throw new UserError(
          this.where,
          `${path} is not the file that was downloaded: its SHA-256 was ${hash.slice(0, 16)}..., now it is ${found.slice(0, 16)}...`,
          `it was changed or damaged since; remove ${shellWord(this.folder)} to download the model again`,
        );
      }
      if (found !== undefined) this.checked.add(name);
    }
  }

  /** Remembers the files that have come since. */
  async keep(): Promise<void> {
    const hashes = await this.read();
    const before = hashes.size;
    for (const name of await filesIn(this.folder)) {
      const known = hashes.has(name) && this.checked.has(name);
      const hash = known ? undefined : await hashOf(join(this.folder, name));
      if (hash === undefined) continue;
      if (!hashes.has(name)) hashes.set(name, hash);
      if (hashes.get(name) === hash) this.checked.add(name);
    }
    if (hashes.size > before) {
      const entries = [...hashes].sort(([a], [b]) => (a < b ? -1 : 1));
      await writeJson(join(this.folder, HASHES), Object.fromEntries(entries));
    }
  }

  private async read(): Promise<Map<string, string>> {
    if (this.hashes !== undefined) return this.hashes;
    const path = join(this.folder, HASHES);
    const there = (await stat(path).catch(() => undefined)) !== undefined;
    const stored: unknown = there ? await readJson(path, { most: LARGEST }) : {};
    const entries = typeof stored === 'object' && stored !== null ? Object.entries(stored) : [];
    if (entries.some(([, hash]) => typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash))) {
      throw new UserError(
        path,
        'expected a SHA-256 of every file',
        `remove ${shellWord(this.folder)} to download again`,
      );
    }
    this.hashes = new Map(entries as [string, string][]); // as has just been checked
    return this.hashes;
  }
}

/** Names of the files, relative to the folder; unfinished downloads are none. */
async function filesIn(folder: string): Promise<string[]> {
  const lists = PLACES.map(async place => {
    const entries = await readdir(join(folder, place), { withFileTypes: true }).catch(() => []);
    return entries
      .filter(
        entry => entry.isFile() && entry.name !== HASHES && !/\.tmp\./.test(entry.name) && !entry.name.startsWith('.'),
      )
      .map(({ name }) => (place === '' ? name : `${place}/${name}`));
  });
  return (await Promise.all(lists)).flat();
}

async function hashOf(path: string): Promise<string | undefined> {
  if (!(await stat(path).catch(() => undefined))?.isFile()) return undefined;
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
