/** @file ZIP files, read and written by fflate: what was dropped as one, and a run to be taken away. */
import { unzipSync, Zip, ZipPassThrough } from 'fflate';
import { UserError } from '../core/errors.ts';
import type { Unused } from './messages.ts';

/** Largest archive that is read: it is held in memory, beside what it holds. */
const MOST_ARCHIVE = 2 ** 29;
const MOST_CONTENT = 2 ** 31;

/** A file with its bytes. */
export interface Member {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * The files of an archive.
 * @param name the archive's, for errors
 * @returns its files in their order, and those that are left out, and why
 * @throws UserError if it is too large, encrypted or damaged
 */
export function readZip(name: string, bytes: Uint8Array): { readonly members: Member[]; readonly unused: Unused[] } {
  if (bytes.length > MOST_ARCHIVE) {
    throw new UserError(name, `a ZIP file of ${mib(bytes.length)} MiB, more than ${mib(MOST_ARCHIVE)}`, UNPACK);
  }
  const unused: Unused[] = [];
  let content = 0;
  const isWanted = ({ name: path, originalSize }: { readonly name: string; readonly originalSize: number }) => {
    if (path.endsWith('/')) return false; // a folder
    if (path.split(/[/\\]/).includes('..') || /^[/\\]/.test(path)) {
      unused.push({ id: path, what: 'a path that leads out of the archive' });
      return false;
    }
    content += originalSize;
    if (content > MOST_CONTENT) {
      throw new UserError(name, `a ZIP file with more than ${mib(MOST_CONTENT)} MiB in it`, UNPACK);
    }
    return true;
  };
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(bytes, { filter: isWanted });
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new UserError(name, `expected a ZIP file that is whole and not encrypted (${reason})`, UNPACK);
  }
  return { members: Object.entries(files).map(([path, data]) => ({ path, bytes: data })), unused };
}

const UNPACK = 'unpack it and drop the folder';

function mib(bytes: number): string {
  return String(Math.ceil(bytes / 2 ** 20));
}

/** An archive of files, which are not compressed: numbers as weights are and pictures do not become smaller. */
export function writeZip(members: readonly Member[], modified: Date): Blob {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let failure: Error | null = null;
  const zip = new Zip((error, part) => {
    failure ??= error;
    parts.push(part as Uint8Array<ArrayBuffer>);
  });
  for (const { path, bytes } of members) {
    const file = new ZipPassThrough(path);
    file.mtime = modified;
    zip.add(file);
    file.push(bytes, true);
  }
  zip.end();
  if (failure !== null) throw failure;
  return new Blob(parts, { type: 'application/zip' });
}
