/**
 * @file Data sets that a program draws: PNG files with `metadata.jsonl`, and a stamp of the request they were drawn by. A
 * folder with the stamp is complete and is not drawn again; one that was interrupted is neither complete nor a data set.
 * Only a new, empty or drawn folder is drawn into, and files of others in it stay as they are.
 */

import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../src/core/errors.ts';
import { namingPath } from '../../src/io/at-path.ts';
import { writeAtomic } from '../../src/io/atomic.ts';
import { beginWriting, endWriting, isInside, readMark, UNFINISHED, unfinishedFiles } from '../../src/io/ownfolder.ts';
import type { Split } from '../dataset.ts';
import { listFiles, mapBounded } from '../files.ts';

/** A line of the index. */
export interface IndexLine {
  readonly caption: string | readonly string[];
  /** Items of one group fall on the same side of the split. */
  readonly group?: string;
  /** Absent where the hash of the name or group decides. */
  readonly split?: Split;
}

/** What is drawn, and how. */
export interface Drawings<T> {
  /** Name of the stamp's file, without `.json`: what the data set is. */
  readonly kind: string;
  /** What the drawings depend on, and nothing else. */
  readonly request: Readonly<Record<string, unknown>>;
  /** What the stamp says beside the request. */
  readonly facts?: Readonly<Record<string, unknown>>;
  /** Of every picture its path in the data set, with `/`. */
  readonly names: readonly string[];
  readonly draw: (i: number) => Promise<{ readonly png: Uint8Array } & T>;
  /** The lines of the index, in the order of the names. @param drawn what `draw` gave */
  readonly index: (drawn: readonly T[]) => readonly IndexLine[];
  /** Other files, by name. */
  readonly beside?: Readonly<Record<string, string>>;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What became of a folder. */
export interface Drawn {
  /** Whether it held exactly this before, and nothing was done. */
  readonly upToDate: boolean;
  /** Files in the folder that are not of this data set, which were left as they are. */
  readonly others: readonly string[];
}

const INDEX = 'metadata.jsonl';

/**
 * Draws a data set into a folder: a new or empty one, or one that holds a data set of this kind, which is replaced.
 * @throws UserError if the folder is another, or a file of the user would be written over; then nothing is changed
 */
export async function writeDrawings<T>(out: string, drawings: Drawings<T>): Promise<Drawn> {
  const { kind, request, facts = {}, names, beside = {}, onProgress } = drawings;
  const stamp = `${kind}.json`;
  const about = [stamp, INDEX, ...Object.keys(beside)];
  const files = [...about, ...names];
  const before = await readStamp(out, drawings);
  const upToDate = before !== undefined && isSame(before, request);
  const own = before === undefined || upToDate ? [] : [...about, ...(await ownPictures(out, before))];
  const by = `tessera data ${kind}`;
  if (!upToDate) {
    await beginWriting(out, { by, what: `a data set of \`${by}\``, files, own });
    let done = 0;
    const drawn = await mapBounded(names, 8, async (name, i) => {
      const { png, ...rest } = await drawings.draw(i);
      const path = join(out, name);
      await namingPath(path, () => writeFile(path, png));
      onProgress?.(++done, names.length);
      return rest as T; // what is left of a picture and T without the picture
    });
    const lines = drawings.index(drawn).map(({ caption: text, group, split }, i) => {
      return `${JSON.stringify({ file_name: names[i], text, group, split })}\n`;
    });
    await writeAtomic(join(out, INDEX), lines.join(''));
    for (const [name, text] of Object.entries(beside)) await writeAtomic(join(out, name), text);
    const text = JSON.stringify({ ...request, ...facts, index: hashOf(lines.join('')) }, null, 2);
    await writeAtomic(join(out, stamp), `${text}\n`); // last, so that a folder with a stamp is complete
    await endWriting(out);
  } else if ((await unfinishedFiles(out, by)) !== undefined) await endWriting(out); // stopped in its last step
  const ours = new Set([...files, UNFINISHED]);
  return { upToDate, others: (await listFiles(out)).files.filter(file => !ours.has(file)) };
}

type Stamp = Readonly<Record<string, unknown>>;

/** The stamp of a data set of this kind, by whatever request; a file of that name with other fields is none. */
async function readStamp(
  out: string,
  { kind, request }: Pick<Drawings<never>, 'kind' | 'request'>,
): Promise<Stamp | undefined> {
  const stamp = await readMark(join(out, `${kind}.json`));
  return stamp !== undefined && Object.keys(request).every(field => field in stamp) ? stamp : undefined;
}

function isSame(stamp: Stamp, request: Stamp): boolean {
  return Object.entries(request).every(([field, value]) => JSON.stringify(stamp[field]) === JSON.stringify(value));
}

/**
 * The pictures that were drawn before, as their index names them.
 * @throws UserError if the index is not the one that was drawn: then it is the user's
 */
async function ownPictures(out: string, { index }: Stamp): Promise<string[]> {
  const text = await readFile(join(out, INDEX), 'utf8').catch(() => '');
  if (hashOf(text) !== index) {
    const why = index === undefined ? 'cannot be told from one that was changed' : 'was changed since it was drawn';
    throw new UserError(out, `${INDEX} ${why}, and would be replaced`, 'choose another folder, or remove this one');
  }
  const lines = text.split('\n').filter(line => line !== '');
  const names = lines.map(line => (JSON.parse(line) as { readonly file_name?: unknown }).file_name); // as it was written
  return names.filter(isInside);
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
