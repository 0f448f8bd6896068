/** @file A data set through the patch tokenizer: every crop of every item as codes. */

import type { Item, Problem } from '../../../data/dataset.ts';
import { type Decoded, decodeAll } from '../../../data/decoded.ts';
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import type { RunConfig } from '../../config/run.ts';
import { hearSignal } from '../../core/stopping.ts';
import { Images } from '../../image/images.ts';
import { imagesToTensor } from '../../image/pixels.ts';
import { changed, type Variant } from '../../image/variants.ts';
import type { CodeSet } from '../../io/codes.ts';
import { cropsOf } from '../run-images.ts';
import type { Session } from '../session.ts';

export interface EncodeOptions {
  readonly config: RunConfig;
  readonly crops: number;
  /** Changes of every crop, whose codes come after those of the plain crops. */
  readonly variants: readonly Variant[];
  /** The items' images where they are in memory; otherwise they are decoded piece by piece. */
  readonly decoded?: Decoded;
  readonly session: Session;
}

/** Most items decoded, and images encoded, at once; fewer where they are large. */
const PIECE = 256;
const DECODED_BYTES = 2 ** 28;
const ENCODED_PIXELS = 2 ** 20;

/** So many that together they stay below a limit, at least one. */
function piece(limit: number, each: number): number {
  return Math.max(1, Math.min(PIECE, Math.floor(limit / each)));
}

/**
 * Encodes all crops of the items, in pieces whose memory does not grow with the data, the pictures or the crops.
 * @throws the signal's reason if the session is stopped
 */
export async function encodeItems(
  patch: PatchTokenizer,
  items: readonly Item[],
  { config, crops, variants, decoded, session }: EncodeOptions,
): Promise<{ readonly set: CodeSet; readonly problems: readonly Problem[] }> {
  const { signal } = session;
  const pixels = config.images.imageSize ** 2;
  const [decodedAtOnce, encodedAtOnce] = [piece(DECODED_BYTES, crops * pixels * 3), piece(ENCODED_PIXELS, pixels)];
  const length = config.patch.grid ** 2;
  const ids: string[] = [];
  const all = crops * (1 + variants.length);
  const codes = new Uint16Array(items.length * all * length);
  const problems: Problem[] = [];
  const source = decoded?.items ?? items;
  for (let first = 0; first < source.length; first += decodedAtOnce) {
    const some = source.slice(first, first + decodedAtOnce);
    const part =
      decoded === undefined
        ? await decodeAll(some, { ...cropsOf(config.images, config.seed), crops, signal, checked: true })
        : {
            items: some,
            images: decoded.images.slice(first * crops, (first + some.length) * crops),
            problems: [], // named when they were decoded
          };
    problems.push(...part.problems);
    for (let from = 0; from < part.images.count; from += encodedAtOnce) {
      const plain = part.images.slice(from, from + encodedAtOnce);
      for (const [kind, variant] of [undefined, ...variants].entries()) {
        await hearSignal(signal);
        const images = variant === undefined ? plain : Images.of(plain.pictures().map(one => changed(one, variant)));
        const encoded = await encode(patch, images);
        for (let i = 0; i < plain.count; i++) {
          const [item, crop] = [ids.length + Math.floor((from + i) / crops), (from + i) % crops];
          const place = item * all + kind * crops + crop;
          codes.set(encoded.subarray(i * length, (i + 1) * length), place * length);
        }
      }
    }
    ids.push(...part.items.map(({ id }) => id));
    const done = Math.min(source.length, first + decodedAtOnce);
    session.reporter.update({ step: done, total: source.length, amount: done * crops });
  }
  return { set: { ids, crops: all, length, codes: codes.subarray(0, ids.length * all * length) }, problems };
}

/** @returns [images, codes of each] */
async function encode(patch: PatchTokenizer, images: Images): Promise<Int32Array> {
  const tensor = imagesToTensor(images);
  const encoded = patch.encode(tensor);
  tensor.dispose();
  const codes = (await encoded.data()) as Int32Array;
  encoded.dispose();
  return codes;
}
