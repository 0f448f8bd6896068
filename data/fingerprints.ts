/**
 * @file Fingerprints of the items of a data set, by which a run knows its data again wherever and however they lie. As in
 * git's index, an image is read for that only where its file's size, times or inode are not those of the last time. Knows
 * nothing of runs.
 */

import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { relative } from 'node:path';
import { captionsFingerprint, fingerprintOf } from '../src/io/datarecord.ts';
import { byId, type Item, type Place, type Problem } from './dataset.ts';
import { mapBounded, whyFailed } from './files.ts';

/** See `RecordedItem` of src/io/datarecord.ts. */
export interface Fingerprints {
  readonly image: string;
  readonly captions: string;
  readonly stamp: string;
}

export interface FingerprintOptions {
  /** The folder of the data set: files are known by their paths in it, so that it may be moved. */
  readonly root: string;
  /** Fingerprints of images by the stamps that their files had. */
  readonly known?: ReadonlyMap<string, string>;
  /**
   * In nanoseconds, when this began. A file that was written at that time or shortly before gets no stamp: it could be written
   * once more within one tick of the file system's clock, and look the same. None gets one where this is undefined.
   */
  readonly begun?: bigint;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** The coarsest clock of a file system in use, FAT's, has ticks of two seconds. */
const TICK = 2_000_000_000n;
/** Items looked at at once. */
const AT_ONCE = 16;

/**
 * The fingerprints of items.
 * @returns those of the items that can be read, in order, and why the others cannot
 * @throws the signal's reason if it is stopped
 */
export async function fingerprintItems<T extends Item>(
  items: readonly T[],
  options: FingerprintOptions,
): Promise<{ readonly items: readonly (readonly [T, Fingerprints])[]; readonly problems: readonly Problem[] }> {
  const { known, signal, onProgress } = options;
  const stampOf = stamper(options);
  const problems: Problem[] = [];
  let done = 0;
  const found = await mapBounded(items, AT_ONCE, async (item): Promise<readonly [T, Fingerprints] | undefined> => {
    signal?.throwIfAborted();
    try {
      const stamp = item.place === undefined ? '' : await stampOf(item.place); // before it is read
      const image = (stamp === '' ? undefined : known?.get(stamp)) ?? fingerprintOf(await item.read());
      return [item, { image, captions: captionsFingerprint(item.captions), stamp }];
    } catch (error) {
      problems.push({ id: item.id, what: whyFailed(error) });
      return undefined;
    } finally {
      onProgress?.(++done, items.length);
    }
  });
  problems.sort(byId);
  return { items: found.filter(each => each !== undefined), problems };
}

/** Describes the files of places without reading them; many items may lie in one file. */
function stamper({ root, begun }: FingerprintOptions): (place: Place) => Promise<string> {
  const files = new Map<string, Promise<string>>();
  const describe = async (file: string): Promise<string> => {
    const { ino, size, mtimeNs, ctimeNs }: BigIntStats = await stat(file, { bigint: true });
    const settled = begun !== undefined && mtimeNs < begun - TICK && ctimeNs < begun - TICK;
    return settled ? [relative(root, file), ino, size, mtimeNs, ctimeNs].join('\n') : '';
  };
  return async ({ file, part }) => {
    let described = files.get(file);
    if (described === undefined) {
      described = describe(file);
      if (part !== '') files.set(file, described); // of a whole file nobody else asks
    }
    const text = await described;
    return text === '' ? '' : fingerprintOf(`${part}\n${text}`);
  };
}
