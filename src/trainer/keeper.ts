/**
 * @file Keeps files of the tree in the browser's own disk, the origin-private file system, where they outlive the page. Writes are
 * carried out one after another; each replaces its file as a whole (`createWritable` writes beside it and puts the new
 * file in its place when it is closed), so that a tab that is closed at any moment leaves what was saved last.
 */
import {
  type Keeper,
  newFile,
  newFolder,
  SystemError,
  sizeOf,
  Tree,
  type TreeFile,
  type TreeFolder,
} from './node/tree.ts';

/** Files up to this size stay in memory, as logs must; larger ones are read again when they are asked for. */
const IN_MEMORY = 2 ** 22;

class PrivateKeeper implements Keeper {
  private readonly at: string;
  private readonly root: FileSystemDirectoryHandle;
  private tail: Promise<void> = Promise.resolve();
  private failure: unknown;

  /** @param at the path of the tree that is kept; @param root where */
  constructor(at: string, root: FileSystemDirectoryHandle) {
    this.at = at;
    this.root = root;
  }

  keeps(path: string): boolean {
    return path === this.at || path.startsWith(`${this.at}/`);
  }

  write(path: string, file: TreeFile): void {
    const { content } = file;
    this.next(path, async () => {
      const { folder, name } = await this.place(path);
      const handle = await folder.getFileHandle(name, { create: true });
      const writable = await handle.createWritable();
      await writable.write(content as FileSystemWriteChunkType);
      await writable.close();
      if (file.content !== content || sizeOf(file) <= IN_MEMORY) return;
      file.content = await handle.getFile();
    });
  }

  makeFolder(path: string): void {
    this.next(path, async () => {
      await this.folder(path.slice(this.at.length));
    });
  }

  remove(path: string): void {
    this.next(path, async () => {
      const { folder, name } = await this.place(path);
      await folder.removeEntry(name, { recursive: true }).catch(ignoreMissing);
    });
  }

  async settled(): Promise<void> {
    await this.tail;
    if (this.failure !== undefined) throw this.failure;
  }

  async free(): Promise<number | undefined> {
    const { quota, usage } = await navigator.storage.estimate();
    return quota === undefined || usage === undefined ? undefined : quota - usage;
  }

  private next(path: string, work: () => Promise<void>): void {
    this.tail = this.tail.then(async () => {
      if (this.failure !== undefined) return; // what comes after a write that failed would not fit what is there
      try {
        await work();
      } catch (error) {
        this.failure = asSystemError(error, path);
      }
    });
  }

  private async folder(path: string): Promise<FileSystemDirectoryHandle> {
    let folder = this.root;
    for (const name of path.split('/').filter(Boolean)) {
      folder = await folder.getDirectoryHandle(name, { create: true });
    }
    return folder;
  }

  private async place(path: string) {
    const names = path.slice(this.at.length).split('/').filter(Boolean);
    const name = names.pop() ?? '';
    return { folder: await this.folder(names.join('/')), name };
  }
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof DOMException && error.name === 'NotFoundError')) throw error;
}

function asSystemError(error: unknown, path: string): unknown {
  if (!(error instanceof DOMException)) return error;
  return new SystemError(error.name === 'QuotaExceededError' ? 'ENOSPC' : 'EIO', 'write', path);
}

/** A tree with what is kept, at its path, and with what is not: an empty folder for each of the other paths. */
export async function openTree(at: string, root: FileSystemDirectoryHandle): Promise<Tree> {
  const tree = new Tree(new PrivateKeeper(at, root));
  tree.root.entries.set(at.slice(1), await readFolder(root));
  return tree;
}

async function readFolder(handle: FileSystemDirectoryHandle): Promise<TreeFolder> {
  const folder = newFolder();
  for await (const [name, entry] of handle.entries()) {
    folder.entries.set(name, entry.kind === 'file' ? await readFile(entry) : await readFolder(entry));
  }
  return folder;
}

async function readFile(handle: FileSystemFileHandle): Promise<TreeFile> {
  const file = await handle.getFile();
  const content = file.size <= IN_MEMORY ? new Uint8Array(await file.arrayBuffer()) : file;
  return newFile(content, file.lastModified);
}
