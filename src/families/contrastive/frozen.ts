/**
 * @file A trained pair of towers in use: captions and images to rows of features, in pieces that bound the memory. A row
 * depends on its caption or image alone, not on what else is encoded. Knows no words: ids come from a `CaptionEncoder`.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Images } from '../../image/images.ts';
import { imagesToTensor } from '../../image/pixels.ts';
import type { Contrastive } from './contrastive.ts';

/** What turns a caption into padded ids; `BpeTokenizer` does. */
export interface CaptionEncoder {
  /** Ids it gives, pads not counted; towers must have been trained with as many. */
  readonly vocabSize?: number;
  encodeCaption(
    caption: string,
    options: { readonly length: number },
  ): { readonly ids: Int32Array; readonly count: number };
}

export interface EncodeOptions {
  /** Rows of length sqrt(dim) instead of 1, so that entries are about 1: what other networks like as an input. */
  readonly scaled?: boolean;
  /** Rows at once. */
  readonly piece?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Columns are taken in fours, so that batches come in few shapes. */
const COLUMNS = 4;

/** Padded captions as one matrix, without the columns that only hold pads. */
export function trimIds(captions: readonly { readonly ids: Int32Array; readonly count: number }[]): {
  readonly ids: Int32Array;
  readonly length: number;
} {
  const [{ ids: first }] = captions;
  const longest = Math.max(1, ...captions.map(({ count }) => count));
  const length = Math.min(first.length, Math.ceil(longest / COLUMNS) * COLUMNS);
  const ids = new Int32Array(captions.length * length);
  for (const [i, caption] of captions.entries()) ids.set(caption.ids.subarray(0, length), i * length);
  return { ids, length };
}

/**
 * Features of captions.
 * @param encoder of the model's own vocabulary
 * @returns [n, dim]
 */
export async function encodeCaptions(
  model: Contrastive,
  encoder: CaptionEncoder,
  captions: readonly string[],
  options: EncodeOptions = {},
): Promise<Float32Array> {
  const { length } = model.config;
  return inPieces(captions.length, model.config.dim, options, (from, to) => {
    const padded = captions.slice(from, to).map(caption => encoder.encodeCaption(caption, { length }));
    const { ids, length: columns } = trimIds(padded);
    return tf.tidy(() => model.text(tf.tensor2d(ids, [to - from, columns], 'int32')));
  });
}

/**
 * Features of images.
 * @param images of the model's image size
 * @returns [n, dim]
 */
export async function encodeImages(
  model: Contrastive,
  images: Images,
  options: EncodeOptions = {},
): Promise<Float32Array> {
  return inPieces(images.count, model.config.dim, options, (from, to) =>
    tf.tidy(() => model.image(imagesToTensor(images.slice(from, to)))),
  );
}

/** Rows of `encode(from, to)`, piece after piece. */
async function inPieces(
  count: number,
  dim: number,
  { scaled = false, piece = 128, onProgress }: EncodeOptions,
  encode: (from: number, to: number) => tf.Tensor,
): Promise<Float32Array> {
  const rows = new Float32Array(count * dim);
  for (let from = 0; from < count; from += piece) {
    const to = Math.min(count, from + piece);
    const features = encode(from, to);
    rows.set((await features.data()) as Float32Array, from * dim);
    features.dispose();
    onProgress?.(to, count);
  }
  if (scaled) for (let i = 0; i < rows.length; i++) rows[i] *= Math.sqrt(dim);
  return rows;
}
