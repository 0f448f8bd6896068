/**
 * @file The files of a worker in a browser: a tree in memory, in which what training writes and the pictures that were dropped
 * lie side by side, and a keeper that has some of it on the browser's own disk. What Node's `fs` is to a program, fs.ts and
 * fs-promises.ts make of this.
 */

/** A file; its bytes are in memory, or are read from a blob when they are asked for. */
export interface TreeFile {
  readonly kind: 'file';
  readonly serial: number;
  content: Uint8Array | Blob;
  /** Milliseconds. */
  modified: number;
  /** Whether it has changed since the keeper was last told. */
  unkept: boolean;
  /** Room that lines are appended in. */
  room?: Uint8Array;
}

export interface TreeFolder {
  readonly kind: 'folder';
  readonly serial: number;
  readonly entries: Map<string, TreeEntry>;
  modified: number;
}

export type TreeEntry = TreeFile | TreeFolder;

/**
 * Keeps a part of the tree where it outlives the page. Calls are carried out one after another, so that what is kept was the
 * tree at some moment; after one that failed none is.
 */
export interface Keeper {
  /** Whether a path is in its part. */
  keeps(path: string): boolean;
  /** The file's content as it is now. */
  write(path: string, file: TreeFile): void;
  makeFolder(path: string): void;
  /** A file, or a folder with all that is in it. */
  remove(path: string): void;
  /** Waits until all of it is done. @throws the error of what failed */
  settled(): Promise<void>;
  /** Bytes that there is room for; undefined where that is not known. */
  free(): Promise<number | undefined>;
}

/** An error as Node's file system throws it. */
export class SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly path: string;

  constructor(code: keyof typeof reasons, syscall: string, path: string) {
    super(`${code}: ${reasons[code]}, ${syscall} '${path}'`);
    this.code = code;
    this.syscall = syscall;
    this.path = path;
  }
}

const reasons = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory',
  EEXIST: 'file already exists',
  ENOTEMPTY: 'directory not empty',
  EINVAL: 'invalid argument',
  EBADF: 'bad file descriptor',
  EACCES: 'permission denied',
  ENOSPC: 'no space left on device',
  EIO: 'i/o error',
} as const;

let serials = 0;

export function newFolder(modified = Date.now()): TreeFolder {
  return { kind: 'folder', serial: ++serials, entries: new Map(), modified };
}

export function newFile(content: Uint8Array | Blob = new Uint8Array(0), modified = Date.now()): TreeFile {
  return { kind: 'file', serial: ++serials, content, modified, unkept: false };
}

export function sizeOf({ content }: TreeFile): number {
  return content instanceof Blob ? content.size : content.length;
}

/** Bytes of a file, or of a piece of it. */
export async function bytesOf(file: TreeFile, from = 0, to = sizeOf(file)): Promise<Uint8Array> {
  const { content } = file;
  if (content instanceof Blob) return new Uint8Array(await content.slice(from, to).arrayBuffer());
  return content.subarray(from, to);
}

/** The names of a path that begins at the root. */
export function namesOf(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
}

/** Files that are written to be renamed (src/io/atomic.ts); nobody looks for them after a reload. */
function isTemporary(path: string): boolean {
  return /\/\.[^/]*\.tmp$/.test(path);
}

export class Tree {
  readonly root = newFolder();
  private readonly keeper: Keeper | undefined;

  constructor(keeper?: Keeper) {
    this.keeper = keeper;
  }

  /** What is at a path; undefined if nothing is. */
  find(path: string): TreeEntry | undefined {
    let entry: TreeEntry = this.root;
    for (const name of namesOf(path)) {
      const next: TreeEntry | undefined = entry.kind === 'folder' ? entry.entries.get(name) : undefined;
      if (next === undefined) return undefined;
      entry = next;
    }
    return entry;
  }

  /** @throws SystemError if there is none */
  get(path: string, syscall: string): TreeEntry {
    const found = this.find(path);
    if (found === undefined) throw new SystemError('ENOENT', syscall, path);
    return found;
  }

  /** @throws SystemError if there is none, or it is a folder */
  file(path: string, syscall: string): TreeFile {
    const found = this.get(path, syscall);
    if (found.kind === 'folder') throw new SystemError('EISDIR', syscall, path);
    return found;
  }

  /** @throws SystemError if there is none, or it is a file */
  folder(path: string, syscall: string): TreeFolder {
    const found = this.get(path, syscall);
    if (found.kind === 'file') throw new SystemError('ENOTDIR', syscall, path);
    return found;
  }

  /** The folder of a path, and its name there. */
  private place(path: string, syscall: string): { readonly folder: TreeFolder; readonly name: string } {
    const names = namesOf(path);
    const name = names.pop() ?? '';
    return { folder: this.folder(`/${names.join('/')}`, syscall), name };
  }

  makeFolder(path: string): void {
    const { folder, name } = this.place(path, 'mkdir');
    if (name === '' || folder.entries.has(name)) throw new SystemError('EEXIST', 'mkdir', path);
    folder.entries.set(name, newFolder());
    this.keeperOf(path)?.makeFolder(path);
  }

  /** A new, empty file; one that is there stays where `fresh` is false. */
  makeFile(path: string, fresh: 'new' | 'replaced' | false): TreeFile {
    const { folder, name } = this.place(path, 'open');
    const found = folder.entries.get(name);
    if (found?.kind === 'folder' || name === '') throw new SystemError('EISDIR', 'open', path);
    if (found !== undefined && fresh === 'new') throw new SystemError('EEXIST', 'open', path);
    if (found !== undefined && fresh === false) return found;
    const file = newFile();
    file.unkept = true;
    folder.entries.set(name, file);
    return file;
  }

  /** Puts a file in its place, that may be there under another name as well, as links do. */
  link(from: string, to: string): void {
    const file = this.file(from, 'link');
    const { folder, name } = this.place(to, 'link');
    if (folder.entries.has(name)) throw new SystemError('EEXIST', 'link', to);
    folder.entries.set(name, file);
    this.keeperOf(to)?.write(to, file);
  }

  rename(from: string, to: string): void {
    const file = this.file(from, 'rename');
    const [source, target] = [this.place(from, 'rename'), this.place(to, 'rename')];
    if (target.folder.entries.get(target.name)?.kind === 'folder') throw new SystemError('EISDIR', 'rename', to);
    source.folder.entries.delete(source.name);
    target.folder.entries.set(target.name, file);
    this.keeperOf(to)?.write(to, file);
    this.keeperOf(from)?.remove(from);
    file.unkept = false;
  }

  remove(path: string, recursive: boolean): void {
    const { folder, name } = this.place(path, 'rm');
    const found = folder.entries.get(name);
    if (found === undefined) throw new SystemError('ENOENT', 'rm', path);
    if (found.kind === 'folder' && found.entries.size > 0 && !recursive) {
      throw new SystemError('ENOTEMPTY', 'rm', path);
    }
    folder.entries.delete(name);
    this.keeperOf(path)?.remove(path);
  }

  append(file: TreeFile, bytes: Uint8Array): void {
    const { content } = file;
    if (content instanceof Blob) throw new SystemError('EIO', 'write', 'a file that is not in memory');
    const size = content.length + bytes.length;
    let { room } = file;
    if (room === undefined || room.length < size || room.buffer !== content.buffer) {
      room = new Uint8Array(Math.max(1024, 2 * size));
      room.set(content);
    }
    room.set(bytes, content.length);
    file.room = room;
    replace(file, room.subarray(0, size));
  }

  /** Tells the keeper of a file that has changed. */
  keep(path: string, file: TreeFile): void {
    if (!file.unkept) return;
    const keeper = this.keeperOf(path);
    if (keeper === undefined) return;
    keeper.write(path, file);
    file.unkept = false;
  }

  async settled(): Promise<void> {
    await this.keeper?.settled();
  }

  async free(): Promise<number | undefined> {
    return this.keeper?.free();
  }

  private keeperOf(path: string): Keeper | undefined {
    return !isTemporary(path) && this.keeper?.keeps(path) === true ? this.keeper : undefined;
  }
}

/** Gives a file other bytes. */
export function replace(file: TreeFile, content: Uint8Array): void {
  file.content = content;
  file.modified = Date.now();
  file.unkept = true;
}

/** The tree that the worker's files are in; a worker has one. */
let mounted = new Tree();

export function mount(tree: Tree): void {
  mounted = tree;
}

export function tree(): Tree {
  return mounted;
}
