/** @file A data set through the patch tokenizer: every crop of every item as codes. */

import type { Item, Problem } from '../../../data/dataset.ts';
import { type Decoded, decodeAll } from '../../../data/decoded.ts';
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import type { RunConfig } from '../../config/run.ts';
import { imagesToTensor } from '../../image/pixels.ts';
import type { CodeSet } from '../../io/codes.ts';
import { cropsOf } from '../run-images.ts';
import type { Session } from '../session.ts';

export interface EncodeOptions {
  readonly config: RunConfig;
  readonly crops: number;
  /** The items' images where they are in memory; otherwise they are decoded piece by piece. */
  readonly decoded?: Decoded;
  readonly session: Session;
}

/** Items, and images, that are taken at once. */
const PIECE = 256;

/** Encodes all crops of the items; undefined if the session was stopped meanwhile. */
export async function encodeItems(
  patch: PatchTokenizer,
  items: readonly Item[],
  { config, crops, decoded, session }: EncodeOptions,
): Promise<{ readonly set: CodeSet; readonly problems: readonly Problem[] } | undefined> {
  const length = config.patch.grid ** 2;
  const ids: string[] = [];
  const codes = new Uint16Array(items.length * crops * length);
  const problems: Problem[] = [];
  const source = decoded?.items ?? items;
  for (let first = 0; first < source.length; first += PIECE) {
    const some = source.slice(first, first + PIECE);
    const part =
      decoded === undefined
        ? await decodeAll(some, { ...cropsOf(config.images, config.seed), crops })
        : {
            items: some,
            images: decoded.images.slice(first * crops, (first + some.length) * crops),
            problems: [], // named when they were decoded
          };
    problems.push(...part.problems);
    for (let from = 0; from < part.images.count; from += PIECE) {
      const images = imagesToTensor(part.images.slice(from, from + PIECE));
      const encoded = patch.encode(images);
      codes.set((await encoded.data()) as Int32Array, (ids.length * crops + from) * length);
      images.dispose();
      encoded.dispose();
    }
    ids.push(...part.items.map(({ id }) => id));
    const done = Math.min(source.length, first + PIECE);
    session.reporter.update({ step: done, total: source.length, amount: done * crops });
    if (session.signal.aborted) return undefined;
  }
  return { set: { ids, crops, length, codes: codes.subarray(0, ids.length * crops * length) }, problems };
}
