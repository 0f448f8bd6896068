/**
 * @file Whose a folder is. The program writes only into a folder that is new, empty or its own, which a mark in it tells: a
 * run's config.json, a data set's stamp, and while files are being written the list of them, by which whoever goes on
 * knows what is not the user's. Anything else is refused before something is written.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../core/errors.ts';
import { codeOf } from './at-path.ts';
import { writeJson } from './files.ts';
import { makeFolder } from './make-folder.ts';

/** In a folder that files are being written into, or were when the program was stopped: what they are called. */
export const UNFINISHED = 'unfinished.json';

/** Hidden entries are never written, and systems leave some of their own: a folder that holds no other is empty. */
const UNCOUNTED = /^(\..*|Thumbs\.db|desktop\.ini|lost\+found)$/i;

/**
 * The names in a folder, without those that do not count.
 * @returns undefined if there is no such folder
 * @throws UserError if it is a file, or below one
 */
export async function namesIn(folder: string): Promise<string[] | undefined> {
  try {
    return (await readdir(folder)).filter(name => !UNCOUNTED.test(name)).sort();
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return undefined;
    if (code === 'ENOTDIR') {
      const what = existsSync(folder) ? 'expected a folder, got a file' : 'a part of the path is a file, not a folder';
      throw new UserError(folder, what);
    }
    throw error;
  }
}

/**
 * Makes sure that a folder without a mark is new or empty.
 * @param what may be written into, e.g. `a run`
 * @param own whether a name may be there
 * @throws UserError naming what is there
 */
export async function expectFree(folder: string, what: string, own = (_: string) => false): Promise<void> {
  const names = ((await namesIn(folder)) ?? []).filter(name => !own(name));
  if (names.length === 0) return;
  const more = names.length === 1 ? '' : ` and ${names.length - 1} more`;
  throw new UserError(
    folder,
    `expected a new or empty folder, or ${what}, got one with ${names[0]}${more}`,
    'choose another folder; in this one nothing was changed',
  );
}

/** A JSON file of a folder as an object; undefined if it is something else, or not there. */
export async function readMark(path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    if (!(await stat(path)).isFile()) return undefined;
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Makes a folder, or takes one that has the mark already: a file that says by what it was made. */
export async function claimFolder(folder: string, mark: string, by: string): Promise<void> {
  const path = join(folder, mark);
  if ((await readMark(path))?.madeBy === by) return;
  await expectFree(folder, `one that was made by ${by}`);
  await writeJson(path, { madeBy: by });
}

/**
 * The files that were being written when the program was stopped.
 * @param by what wrote them
 * @returns undefined if nothing was
 */
export async function unfinishedFiles(folder: string, by: string): Promise<readonly string[] | undefined> {
  const { madeBy, files } = (await readMark(join(folder, UNFINISHED))) ?? {};
  return madeBy === by && Array.isArray(files) && files.every(isInside) ? files : undefined;
}

/** A path within the folder, as `unfinishedFiles` and indexes name them. */
export function isInside(file: unknown): file is string {
  return typeof file === 'string' && file !== '' && !/^[/\\]|^\.|[/\\]\.|:|\0/.test(file);
}

/**
 * Begins to write files into a folder that is new, empty or its own.
 * @param options.by what writes; @param options.files what it is going to write, in the order in which earlier ones are removed: first the file that
 *   makes the folder whole
 * @param options.own what it wrote before: removed first
 * @param options.what may be written into, for the message
 * @throws UserError naming a file that is there and not its own; then nothing was changed
 */
export async function beginWriting(
  folder: string,
  options: {
    readonly by: string;
    readonly what: string;
    readonly files: readonly string[];
    readonly own?: readonly string[];
  },
): Promise<void> {
  const { by, what, files } = options;
  const before = await unfinishedFiles(folder, by);
  const own = new Set([...(options.own ?? []), ...(before ?? [])]);
  if (own.size === 0) await expectFree(folder, what, name => name === UNFINISHED && before !== undefined);
  const taken = files.find(file => !own.has(file) && existsSync(join(folder, file)));
  if (taken !== undefined) {
    throw new UserError(
      folder,
      `${taken} is there and would be written over`,
      'take it away, or choose another folder',
    );
  }
  const mark = join(folder, UNFINISHED);
  if (before === undefined && existsSync(mark)) {
    throw new UserError(
      folder,
      `${UNFINISHED} is there and would be written over`,
      'take it away, or choose another folder',
    );
  }
  await writeJson(mark, { madeBy: by, files: [...new Set([...own, ...files])] });
  // In this order: what makes the folder whole goes first, so that it is never taken for whole.
  for (const file of [...files, ...own]) if (own.has(file)) await rm(join(folder, file), { force: true });
  const places = new Set(files.map(file => dirname(file)));
  for (const place of new Set([...own].map(file => dirname(file)))) {
    if (place !== '.' && !places.has(place)) await rmdir(join(folder, place)).catch(() => {}); // holds what is not ours
  }
  for (const place of places) await makeFolder(join(folder, place));
}

/** Takes the mark away, when all is written. */
export async function endWriting(folder: string): Promise<void> {
  await rm(join(folder, UNFINISHED), { force: true });
}
