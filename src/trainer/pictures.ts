/**
 * @file The pictures that were dropped, kept in the browser's own disk beside the run, so that a training goes on after a
 * reload without them being dropped again: one file with all bytes, and an index of it. Which of the files are pictures, which
 * are captions and what belongs together is not decided here but by data/, as for any folder.
 */
import { UserError } from '../core/errors.ts';
import type { DroppedFile, Unused } from './messages.ts';
import { namesOf, newFile, newFolder, type Tree, type TreeFolder } from './node/tree.ts';
import { readZip } from './zip.ts';

const BYTES = 'files.bin';
const INDEX = 'index.json';

/** A file in the file of all bytes. */
interface Kept {
  readonly path: string;
  readonly from: number;
  readonly size: number;
  readonly modified: number;
}

interface Index {
  readonly name: string;
  readonly files: readonly Kept[];
  readonly unused: readonly Unused[];
}

/** What was taken in. */
export interface Pictures extends Index {
  /** Their folder in the tree. */
  readonly path: string;
  readonly bytes: number;
}

/** Where in the tree pictures of a name lie. */
function pathOf(name: string): string {
  return `/pictures/${name.replaceAll(/[/\\\0]/g, ' ').trim() || 'pictures'}`;
}

/**
 * Takes files in. A ZIP file stands for what it holds, in a folder of its name unless it was dropped alone.
 * @param folder where they are kept; what was there before is replaced
 * @throws UserError if there is no room, or a ZIP file cannot be read
 */
export async function takePictures(
  folder: FileSystemDirectoryHandle,
  { name, files }: { readonly name: string; readonly files: readonly DroppedFile[] },
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const total = files.reduce((sum, { file }) => sum + file.size, 0);
  await expectRoom(total);
  await folder.removeEntry(INDEX).catch(() => {}); // whole again only when all is written
  const handle = await folder.getFileHandle(BYTES, { create: true });
  const writable = await handle.createWritable();
  const kept: Kept[] = [];
  const unused: Unused[] = [];
  let at = 0;
  const keep = async (path: string, content: Blob | Uint8Array, modified: number) => {
    const size = content instanceof Blob ? content.size : content.length;
    await writable.write(content as FileSystemWriteChunkType);
    kept.push({ path, from: at, size, modified });
    at += size;
  };
  let done = 0;
  try {
    for (const { path, file } of files) {
      if (/\.zip$/i.test(path)) {
        const archive = readZip(path, new Uint8Array(await file.arrayBuffer()));
        const inside = files.length === 1 ? '' : `${path.replace(/\.zip$/i, '')}/`;
        for (const { path: member, bytes } of archive.members) await keep(inside + member, bytes, file.lastModified);
        unused.push(...archive.unused.map(({ id, what }) => ({ id: inside + id, what })));
      } else {
        await keep(path, file, file.lastModified);
      }
      done += file.size;
      onProgress(done, total);
    }
    await writable.close();
  } catch (error) {
    await writable.abort().catch(() => {});
    throw noRoom(error) ?? error;
  }
  await writeIndex(folder, { name, files: kept, unused });
}

async function writeIndex(folder: FileSystemDirectoryHandle, index: Index): Promise<void> {
  const writable = await (await folder.getFileHandle(INDEX, { create: true })).createWritable();
  await writable.write(JSON.stringify(index));
  await writable.close();
}

async function expectRoom(bytes: number): Promise<void> {
  const { quota, usage } = await navigator.storage.estimate();
  if (quota !== undefined && usage !== undefined && bytes > quota - usage) throw tooLarge(bytes, quota - usage);
}

function tooLarge(bytes: number, free: number): UserError {
  const mib = (count: number) => (count / 2 ** 20).toFixed(0);
  return new UserError(
    'pictures',
    `they take ${mib(bytes)} MiB, and this browser has ${mib(free)} left for a page`,
    'make them smaller, or take fewer',
  );
}

function noRoom(error: unknown): UserError | undefined {
  if (!(error instanceof DOMException && error.name === 'QuotaExceededError')) return undefined;
  return new UserError('pictures', 'this browser has no more room for a page', 'make them smaller, or take fewer');
}

/** Puts the pictures that were taken in into the tree. @returns undefined if there are none */
export async function mountPictures(folder: FileSystemDirectoryHandle, tree: Tree): Promise<Pictures | undefined> {
  const handle = await folder.getFileHandle(INDEX).catch(() => undefined);
  if (handle === undefined) return undefined;
  const index = JSON.parse(await (await handle.getFile()).text()) as Index;
  const bytes = await (await folder.getFileHandle(BYTES)).getFile();
  const path = pathOf(index.name);
  for (const { path: name, from, size, modified } of index.files) {
    const names = namesOf(`${path}/${name}`);
    const last = names.pop();
    if (last === undefined) continue;
    folderIn(tree.root, names).entries.set(last, newFile(bytes.slice(from, from + size), modified));
  }
  return { ...index, path, bytes: bytes.size };
}

function folderIn(root: TreeFolder, names: readonly string[]): TreeFolder {
  let folder = root;
  for (const name of names) {
    const found = folder.entries.get(name);
    const next = found?.kind === 'folder' ? found : newFolder();
    folder.entries.set(name, next);
    folder = next;
  }
  return folder;
}
