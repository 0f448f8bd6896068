/**
 * @file What lies in the studio's folder: runs, data sets and studies, each by an id that is made of its real path. Looks at
 * names and marks alone; a link that leads out of the folder is not followed. Reads no run.
 */
import { createHash } from 'node:crypto';
import { type Dirent, existsSync } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { shellWord } from '../../core/shell.ts';
import { Refusal } from '../guard.ts';
import { realInside } from './inside.ts';

/** A folder that the studio shows. */
export interface Place {
  readonly id: string;
  /** Within the studio's folder, with `/`; for data from elsewhere as it was named. */
  readonly name: string;
  /** Its real path. */
  readonly folder: string;
}

/** All that was found. */
export interface Found {
  readonly runs: readonly Place[];
  readonly datasets: readonly Place[];
  readonly studies: readonly Place[];
  /** What is not shown, a line each. */
  readonly left: readonly string[];
}

export interface LibraryOptions {
  readonly data?: readonly string[];
  readonly depth?: number;
}

/** Folders that are looked into, at most: the studio was opened on something else than runs. */
const MOST_FOLDERS = 20_000;
/** Files by which a folder of pictures is known for a data set. */
const INDEXES = ['metadata.jsonl', 'metadata.csv'];

/** What a folder is, by its files. */
function kindOf(names: readonly string[]): 'runs' | 'studies' | 'datasets' | undefined {
  if (names.includes('config.json')) return 'runs';
  if (names.includes('study.json')) return 'studies';
  return INDEXES.some(index => names.includes(index)) ? 'datasets' : undefined;
}

/** The first 12 hex digits of the SHA-256 of a real path. */
export function idOf(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 12);
}

export class Library {
  /** Real path. */
  readonly root: string;
  private readonly depth: number;
  private readonly data: readonly Place[];
  private found: Found | undefined;

  private constructor(root: string, data: readonly Place[], depth: number) {
    this.root = root;
    this.data = data;
    this.depth = depth;
  }

  /** @throws UserError if the folder, or one of data, is not there */
  static async open(folder: string, { data = [], depth = 3 }: LibraryOptions = {}): Promise<Library> {
    const root = await realFolder(folder, 'train one with `tessera train --data DATA --out runs/first`');
    const places: Place[] = [];
    for (const name of data) {
      const real = await realFolder(name, `tessera data shapes --out ${shellWord(name)}`);
      places.push({ id: idOf(real), name, folder: real });
    }
    return new Library(root, places, depth);
  }

  /** Looks again. */
  async look(): Promise<Found> {
    const looking = new Looking(this.root, this.depth);
    await looking.into(this.root, 0);
    const found = looking.found;
    const known = new Set(found.datasets.map(({ id }) => id));
    const datasets = [...found.datasets, ...this.data.filter(({ id }) => !known.has(id))];
    this.found = { ...found, datasets };
    return this.found;
  }

  /** @throws Refusal if there is no such run */
  run(id: string): Promise<Place> {
    return this.place('runs', id);
  }

  /** @throws Refusal if there is no such data set */
  dataset(id: string): Promise<Place> {
    return this.place('datasets', id);
  }

  /** @throws Refusal if there is no such study */
  study(id: string): Promise<Place> {
    return this.place('studies', id);
  }

  /**
   * The real path of a file of a place.
   * @returns undefined if it is not there, or a link leads out of the place
   */
  file({ folder }: Place, ...names: readonly string[]): Promise<string | undefined> {
    return realInside(folder, join(folder, ...names));
  }

  private async place(kind: 'runs' | 'datasets' | 'studies', id: string): Promise<Place> {
    const known = this.found?.[kind].find(place => place.id === id);
    const place = known ?? (await this.look())[kind].find(each => each.id === id);
    if (place === undefined || !existsSync(place.folder)) throw new Refusal(404, 'there is no such thing here');
    return place;
  }
}

async function realFolder(folder: string, hint: string): Promise<string> {
  const real = await realpath(folder).catch(() => undefined);
  if (real === undefined) throw new UserError(folder, 'expected a folder, got none', hint);
  if (!(await stat(real)).isDirectory()) throw new UserError(folder, 'expected a folder, got a file');
  return real;
}

/** One look through a folder. */
class Looking {
  readonly found = { runs: [] as Place[], datasets: [] as Place[], studies: [] as Place[], left: [] as string[] };
  private readonly root: string;
  private readonly depth: number;
  private readonly seen = new Set<string>();

  constructor(root: string, depth: number) {
    this.root = root;
    this.depth = depth;
  }

  /** Takes a folder for what it is, or looks into the folders in it. */
  async into(folder: string, depth: number): Promise<void> {
    if (this.seen.has(folder) || this.seen.size >= MOST_FOLDERS) return;
    this.seen.add(folder);
    if (this.seen.size === MOST_FOLDERS) {
      this.found.left.push(`only the first ${MOST_FOLDERS} folders were looked into`);
      return;
    }
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
    if (entries === undefined) {
      this.found.left.push(`${this.nameOf(folder)}: cannot be read`);
      return;
    }
    const kind = kindOf(entries.map(({ name }) => name));
    if (kind !== undefined) {
      this.found[kind].push({ id: idOf(folder), name: this.nameOf(folder), folder });
      return;
    }
    if (depth >= this.depth) return;
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) await this.follow(folder, entry, depth);
  }

  private async follow(folder: string, entry: Dirent, depth: number): Promise<void> {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') return;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return await this.into(path, depth + 1);
    if (!entry.isSymbolicLink()) return;
    const real = await realInside(this.root, path);
    if (real !== undefined) {
      if ((await stat(real).catch(() => undefined))?.isDirectory() === true) await this.into(real, depth + 1);
    } else if (existsSync(path)) this.found.left.push(`${this.nameOf(path)}: a link that leads out of the folder`);
  }

  private nameOf(path: string): string {
    return relative(this.root, path).split(sep).join('/') || basename(this.root);
  }
}
