/** @file `node:fs` of a worker in a browser, as far as training uses it, over the tree of its files. */
import { Buffer } from 'buffer';
import { bytesOf, replace, SystemError, sizeOf, type TreeEntry, type TreeFile, tree } from './tree.ts';

export const constants = { W_OK: 2, O_RDONLY: 0, O_WRONLY: 1, O_NONBLOCK: 0 } as const;

/** What `stat` tells. */
export class Stats {
  readonly size: number;
  readonly mode = 0o644;
  readonly dev = 0;
  readonly ino: number;
  readonly mtimeMs: number;
  private readonly kind: TreeEntry['kind'];

  constructor(entry: TreeEntry) {
    this.size = entry.kind === 'file' ? sizeOf(entry) : 0;
    this.ino = entry.serial;
    this.mtimeMs = entry.modified;
    this.kind = entry.kind;
  }

  isFile(): boolean {
    return this.kind === 'file';
  }

  isDirectory(): boolean {
    return this.kind === 'folder';
  }

  isSymbolicLink(): boolean {
    return false;
  }

  isFIFO(): boolean {
    return false;
  }

  isSocket(): boolean {
    return false;
  }
}

interface OpenFile {
  readonly path: string;
  readonly file: TreeFile;
}

const open = new Map<number, OpenFile>();
let numbers = 2;

function opened(fd: number): OpenFile {
  const found = open.get(fd);
  if (found === undefined) throw new SystemError('EBADF', 'fd', String(fd));
  return found;
}

export function existsSync(path: string): boolean {
  return tree().find(path) !== undefined;
}

export function statSync(path: string, options: { readonly throwIfNoEntry?: boolean } = {}): Stats | undefined {
  if (options.throwIfNoEntry === false && !existsSync(path)) return undefined;
  return new Stats(tree().get(path, 'stat'));
}

export function readdirSync(path: string): string[] {
  return [...tree().folder(path, 'scandir').entries.keys()].sort();
}

export function realpathSync(path: string): string {
  tree().get(path, 'realpath');
  return path;
}

export function openSync(path: string, flags: string | number = 'r'): number {
  const isRead = flags === 'r' || typeof flags === 'number';
  const file = isRead ? tree().file(path, 'open') : tree().makeFile(path, flags === 'a' ? false : 'replaced');
  const fd = ++numbers;
  open.set(fd, { path, file });
  return fd;
}

export function closeSync(fd: number): void {
  const { path, file } = opened(fd);
  tree().keep(path, file);
  open.delete(fd);
}

export function fsyncSync(fd: number): void {
  const { path, file } = opened(fd);
  tree().keep(path, file); // what is kept after it waits for it
}

export function fstatSync(fd: number): Stats {
  return new Stats(opened(fd).file);
}

/** Appends, which is all that is asked of it. @returns bytes written */
export function writeSync(fd: number, data: string | Uint8Array, offset = 0): number {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data.subarray(offset);
  tree().append(opened(fd).file, bytes);
  return bytes.length;
}

export function ftruncateSync(fd: number, length: number): void {
  const { file } = opened(fd);
  replace(file, bytesIn(opened(fd)).slice(0, length));
}

/** @param place.position from the beginning of the file */
export function readSync(fd: number, into: Uint8Array, ...place: readonly [number, number, number]): number {
  const [offset, length, position] = place;
  const bytes = bytesIn(opened(fd)).subarray(position, position + length);
  into.set(bytes, offset);
  return bytes.length;
}

export function readFileSync(path: string, encoding?: string): string | Uint8Array {
  const bytes = bytesIn({ path, file: tree().file(path, 'open') });
  return encoding === undefined ? bytes : new TextDecoder().decode(bytes);
}

function bytesIn({ path, file }: OpenFile): Uint8Array {
  if (file.content instanceof Blob) throw new SystemError('EIO', 'read', path); // only logs are read at once, which are in memory
  return file.content;
}

export function rmSync(path: string, options: { readonly force?: boolean; readonly recursive?: boolean } = {}): void {
  if (options.force === true && !existsSync(path)) return;
  tree().remove(path, options.recursive === true);
}

/** The bytes of a file, piece by piece. */
export async function* createReadStream(path: string, options: { readonly highWaterMark?: number } = {}) {
  const { highWaterMark = 2 ** 16 } = options;
  const file = tree().file(path, 'open');
  for (let at = 0; at < sizeOf(file); at += highWaterMark) {
    yield Buffer.from(await bytesOf(file, at, at + highWaterMark));
  }
}

/** Pieces of a spool, which only tar archives have. */
export function read(): never {
  throw new Error('read: not in a browser');
}
