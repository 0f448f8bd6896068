/**
 * @file What lies in the studio's folder: runs, data sets and studies, each by an id that is made of its real path. Looks at
 * names and marks alone; a link that leads out of the folder is not followed. Reads no run.
 */
import { createHash } from 'node:crypto';
import { type Dirent, existsSync } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { shellWord } from '../../core/shell.ts';
import { Refusal } from '../guard.ts';
import { isWithin, realInside } from './inside.ts';

/** A folder that the studio shows. */
export interface Place {
  readonly id: string;
  /** Within the studio's folder, with `/`; for data from elsewhere as it was named. */
  readonly name: string;
  /** As a command of the terminal that the studio was opened in would name it. */
  readonly path: string;
  /** Its real path. */
  readonly folder: string;
  /** Whether it came with the program. */
  readonly isShipped?: boolean;
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
  /** Folders of data sets, or data sets, elsewhere. */
  readonly data?: readonly string[];
  /** Runs elsewhere: what comes with the program. */
  readonly models?: readonly string[];
  /** How many folders deep it is looked; default 3. */
  readonly depth?: number;
  /** Whether the folder may be missing, and is looked for again. */
  readonly mayBeMissing?: boolean;
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

/** A folder that is looked through. */
interface Root {
  /** As it was named. */
  readonly named: string;
  /** Real path. */
  readonly real: string;
  readonly depth: number;
}

/** Folders that data sets lie in are this deep: `datasets/emoji`, `datasets/photos/2024`. */
const DATA_DEPTH = 2;

export class Library {
  private readonly root: Root;
  private readonly data: readonly Root[];
  private readonly models: readonly Place[];
  private found: Found | undefined;

  private constructor(root: Root, { data, models }: { data: readonly Root[]; models: readonly Place[] }) {
    this.root = root;
    this.data = data;
    this.models = models;
  }

  /** @throws UserError if the folder, or one of data, is not there */
  static async open(named: string, options: LibraryOptions = {}): Promise<Library> {
    const { data = [], models = [], depth = 3, mayBeMissing = false } = options;
    const missing = mayBeMissing && !existsSync(named);
    const hint = 'train a run with `tessera train --data DATA --out runs/first`';
    const real = missing ? join(await realpath(dirname(named)), basename(named)) : await realFolder(named, hint);
    const roots: Root[] = [];
    for (const name of data) {
      const hint = `tessera data shapes --out ${shellWord(name)}`;
      roots.push({ named: name, real: await realFolder(name, hint), depth: DATA_DEPTH });
    }
    const places: Place[] = [];
    for (const path of models) {
      const folder = await realFolder(path, 'train one');
      places.push({ id: idOf(folder), name: basename(folder), path, folder, isShipped: true });
    }
    return new Library({ named, real, depth }, { data: roots, models: places });
  }

  /** The real path of the studio's folder, which may be missing. */
  get folder(): string {
    return this.root.real;
  }

  /** Looks again. */
  async look(): Promise<Found> {
    const found = await lookThrough(this.root);
    const datasets = [...found.datasets];
    const known = new Set(datasets.map(({ id }) => id));
    for (const root of this.data) {
      const { named, real } = root;
      const own = (await lookThrough(root)).datasets;
      // Pictures without an index are a data set too.
      const places = own.length > 0 ? own : [{ id: idOf(real), name: named, path: named, folder: real }];
      for (const place of places) {
        if (!known.has(place.id)) datasets.push({ ...place, name: place.path.split(sep).join('/') });
        known.add(place.id);
      }
    }
    this.found = { ...found, runs: [...found.runs, ...this.models], datasets };
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
   * @returns undefined if it is not there, or a link leads out of the place and of the studio's folder
   */
  async real({ folder }: Place, path: string): Promise<string | undefined> {
    return (
      (await realInside(folder, path)) ??
      (isWithin(this.root.real, folder) ? realInside(this.root.real, path) : undefined)
    );
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

/** What lies in a folder; nothing where it is not there. */
async function lookThrough(root: Root): Promise<Found> {
  const looking = new Looking(root);
  // What was missing when the studio was opened must not be a link elsewhere now.
  if ((await realInside(root.real, root.real)) !== undefined) await looking.into(root.real, 0);
  return looking.found;
}

/** One look through a folder. */
class Looking {
  readonly found = { runs: [] as Place[], datasets: [] as Place[], studies: [] as Place[], left: [] as string[] };
  private readonly root: Root;
  private readonly seen = new Set<string>();

  constructor(root: Root) {
    this.root = root;
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
      const path = join(this.root.named, relative(this.root.real, folder));
      this.found[kind].push({ id: idOf(folder), name: this.nameOf(folder), path, folder });
      return;
    }
    if (depth >= this.root.depth) return;
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) await this.follow(folder, entry, depth);
  }

  private async follow(folder: string, entry: Dirent, depth: number): Promise<void> {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') return;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return await this.into(path, depth + 1);
    if (!entry.isSymbolicLink()) return;
    const real = await realInside(this.root.real, path);
    if (real !== undefined) {
      if ((await stat(real).catch(() => undefined))?.isDirectory() === true) await this.into(real, depth + 1);
    } else if (existsSync(path)) this.found.left.push(`${this.nameOf(path)}: a link that leads out of the folder`);
  }

  private nameOf(path: string): string {
    return relative(this.root.real, path).split(sep).join('/') || basename(this.root.real);
  }
}
