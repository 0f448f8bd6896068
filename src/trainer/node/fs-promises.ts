/** @file `node:fs/promises` of a worker in a browser, as far as training uses it, over the tree of its files. */
import { Stats } from './fs.ts';
import { bytesOf, replace, SystemError, sizeOf, type TreeEntry, type TreeFile, tree } from './tree.ts';

type Data = string | Uint8Array;

function bytesFor(data: Data): Uint8Array {
  return typeof data === 'string' ? new TextEncoder().encode(data) : data;
}

/** An open file, or a folder, which can be synced. */
class FileHandle {
  private readonly path: string;
  private readonly entry: TreeEntry;
  private parts: Uint8Array[] | undefined;

  constructor(path: string, entry: TreeEntry, isWritten: boolean) {
    this.path = path;
    this.entry = entry;
    this.parts = isWritten ? [] : undefined;
  }

  async stat(): Promise<Stats> {
    this.flush();
    return new Stats(this.entry);
  }

  async read(into: Uint8Array, offset: number, length: number, position: number) {
    const bytes = await bytesOf(this.file(), position, position + length);
    into.set(bytes, offset);
    return { bytesRead: bytes.length, buffer: into };
  }

  /** Goes on where the last call ended. */
  async writeFile(data: Data): Promise<void> {
    this.parts?.push(bytesFor(data).slice());
  }

  async sync(): Promise<void> {
    this.flush();
    if (this.entry.kind === 'file') tree().keep(this.path, this.entry);
    await tree().settled();
  }

  async close(): Promise<void> {
    this.flush();
    if (this.entry.kind === 'file') tree().keep(this.path, this.entry);
  }

  private file(): TreeFile {
    if (this.entry.kind === 'folder') throw new SystemError('EISDIR', 'read', this.path);
    return this.entry;
  }

  private flush(): void {
    if (this.parts === undefined || this.parts.length === 0) return;
    const [first, ...others] = this.parts;
    const whole = others.length === 0 ? first : joined(this.parts);
    replace(this.file(), whole);
    this.parts = [whole];
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export async function open(path: string, flags: string | number = 'r'): Promise<FileHandle> {
  if (flags === 'r' || flags === 0) return new FileHandle(path, tree().get(path, 'open'), false);
  return new FileHandle(path, tree().makeFile(path, flags === 'wx' ? 'new' : 'replaced'), true);
}

/** What tells one state of a file from another. */
interface BigStats {
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

export async function stat(path: string): Promise<Stats>;
export async function stat(path: string, options: { readonly bigint?: boolean }): Promise<Stats | BigStats>;
export async function stat(path: string, options: { readonly bigint?: boolean } = {}): Promise<Stats | BigStats> {
  const entry = tree().get(path, 'stat');
  if (options.bigint !== true) return new Stats(entry);
  const ns = BigInt(Math.floor(entry.modified * 1000)) * 1000n;
  const size = entry.kind === 'file' ? sizeOf(entry) : 0;
  return { ino: BigInt(entry.serial), size: BigInt(size), mtimeNs: ns, ctimeNs: ns };
}

/** There are no links. */
export async function lstat(path: string): Promise<Stats> {
  return new Stats(tree().get(path, 'lstat'));
}

export async function access(path: string): Promise<void> {
  tree().get(path, 'access');
}

export async function chmod(path: string): Promise<void> {
  tree().get(path, 'chmod');
}

export async function readdir(path: string, options: { readonly withFileTypes?: boolean } = {}): Promise<unknown[]> {
  const entries = [...tree().folder(path, 'scandir').entries].sort(([a], [b]) => (a < b ? -1 : 1));
  if (options.withFileTypes !== true) return entries.map(([name]) => name);
  return entries.map(([name, entry]) => Object.assign(new Stats(entry), { name }));
}

export async function rename(from: string, to: string): Promise<void> {
  tree().rename(from, to);
  await tree().settled();
}

export async function link(from: string, to: string): Promise<void> {
  tree().link(from, to);
}

export async function rm(
  path: string,
  options: { readonly force?: boolean; readonly recursive?: boolean } = {},
): Promise<void> {
  if (options.force === true && tree().find(path) === undefined) return;
  tree().remove(path, options.recursive === true);
}

export async function rmdir(path: string): Promise<void> {
  tree().folder(path, 'rmdir');
  tree().remove(path, false);
}

export async function mkdir(path: string): Promise<void> {
  tree().makeFolder(path);
}

export async function readlink(path: string): Promise<string> {
  tree().get(path, 'readlink');
  throw new SystemError('EINVAL', 'readlink', path);
}

export async function realpath(path: string): Promise<string> {
  tree().get(path, 'realpath');
  return path;
}

export async function readFile(path: string, encoding?: string): Promise<string | Uint8Array> {
  const bytes = await bytesOf(tree().file(path, 'open'));
  return encoding === undefined ? bytes : new TextDecoder().decode(bytes);
}

export async function writeFile(path: string, data: Data): Promise<void> {
  const file = tree().makeFile(path, 'replaced');
  replace(file, bytesFor(data).slice());
  tree().keep(path, file);
}

/** What room there is, as a disk of blocks; one of no blocks where it is not known (see runs/training/room.ts). */
export async function statfs(): Promise<{
  readonly blocks: number;
  readonly bavail: number;
  readonly bsize: number;
}> {
  const free = await tree().free();
  return { blocks: free === undefined ? 0 : 1, bavail: free ?? 0, bsize: 1 };
}
