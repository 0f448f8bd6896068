/** @file Files that were dropped on the page or chosen: folders with all that is in them, by their paths. */
import type { DroppedFile } from '../messages.ts';

/** What was dropped, and what it is called. */
export interface Dropped {
  readonly name: string;
  readonly files: readonly DroppedFile[];
}

/** What a drop holds; must be called while the event is heard. @returns undefined where it holds no files */
export async function droppedBy(transfer: DataTransfer): Promise<Dropped | undefined> {
  const entries = [...transfer.items].flatMap(item => item.webkitGetAsEntry() ?? []);
  if (entries.length === 0) return undefined;
  const files: DroppedFile[] = [];
  for (const entry of entries) await gather(entry, '', files);
  return namedAfter(files);
}

/** Files of a chooser. */
export function chosenIn(list: FileList): Dropped | undefined {
  if (list.length === 0) return undefined;
  return namedAfter([...list].map(file => ({ path: file.webkitRelativePath || file.name, file })));
}

async function gather(entry: FileSystemEntry, above: string, files: DroppedFile[]): Promise<void> {
  const path = `${above}${entry.name}`;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    files.push({ path, file });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A reader gives some hundred at a time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const inner of some) await gather(inner, `${path}/`, files);
  }
}

/** Named after the one folder, or the one file, that all of it is; paths begin in that folder. */
function namedAfter(files: readonly DroppedFile[]): Dropped | undefined {
  if (files.length === 0) return undefined;
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  const [first] = sorted[0].path.split('/');
  if (sorted.every(({ path }) => path.startsWith(`${first}/`))) {
    return { name: first, files: sorted.map(({ path, file }) => ({ path: path.slice(first.length + 1), file })) };
  }
  return { name: sorted.length === 1 ? first.replace(/\.[^.]*$/, '') : 'pictures', files: sorted };
}
