/**
 * @file Data sets that a program draws: PNG files with `metadata.jsonl`, and a stamp of the request they were drawn by. A
 * folder with the stamp is complete and is not drawn again; one that was interrupted is neither complete nor a data set.
 */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../../src/io/atomic.ts';
import type { Split } from '../dataset.ts';
import { mapBounded } from '../files.ts';

export interface Drawing {
  /** Path in the data set, with `/`. */
  readonly name: string;
  readonly png: Uint8Array;
  readonly caption: string;
  /** Absent where the hash of the name decides. */
  readonly split?: Split;
}

/**
 * Writes `count` drawings into a folder.
 * @param options.stamp name of the stamp's file; @param options.request what it says: the drawings depend on nothing else
 * @param options.folders those that the drawings' names need
 * @returns false if the same request was drawn before
 */
export async function writeDrawings(
  out: string,
  options: {
    readonly stamp: string;
    readonly request: object;
    readonly folders: readonly string[];
    readonly count: number;
    readonly draw: (i: number) => Promise<Drawing>;
    readonly onProgress?: (done: number, total: number) => void;
  },
): Promise<boolean> {
  const { stamp, request, folders, count, draw, onProgress } = options;
  const text = `${JSON.stringify(request, null, 2)}\n`;
  if ((await readFile(join(out, stamp), 'utf8').catch(() => undefined)) === text) return false;

  // Neither says anything true any more once the first picture is drawn over.
  await rm(join(out, stamp), { force: true });
  await rm(join(out, 'metadata.jsonl'), { force: true });
  for (const folder of folders) await mkdir(join(out, folder), { recursive: true });
  let done = 0;
  const lines = await mapBounded(Array.from({ length: count }), 8, async (_, i) => {
    const { name, png, caption, split } = await draw(i);
    await writeFile(join(out, name), png);
    onProgress?.(++done, count);
    return JSON.stringify({ file_name: name, text: caption, ...(split === undefined ? {} : { split }) });
  });
  await writeAtomic(join(out, 'metadata.jsonl'), `${lines.join('\n')}\n`);
  await writeAtomic(join(out, stamp), text); // last, so that a folder with a stamp is complete
  return true;
}
