/**
 * @file A data set as codes: every crop of every image encoded once, in a safetensors file that is read with one
 * allocation and used without copying. The file names the tokenizer that made it.
 */

import { UserError } from '../core/errors.ts';
import { readSafetensors, writeSafetensors } from './files.ts';
import type { TensorData } from './safetensors.ts';

export interface CodeSet {
  /** The items' ids, in the order of the codes. */
  readonly ids: readonly string[];
  readonly crops: number;
  /** Codes of an image. */
  readonly length: number;
  /** [items, crops, length]; crop 0 is the middle of the image. */
  readonly codes: Uint16Array;
}

/** Writes a code set, atomically. @param tokenizer fingerprint of the patch tokenizer */
export async function writeCodes(path: string, set: CodeSet, tokenizer: string): Promise<void> {
  const shape = [set.ids.length, set.crops, set.length];
  const tensors = new Map<string, TensorData>([['codes', { dtype: 'U16', shape, data: set.codes }]]);
  await writeSafetensors(path, tensors, {
    tokenizer,
    ids: JSON.stringify(set.ids),
  });
}

/**
 * Reads a code set.
 * @throws UserError if it is damaged or was made by another tokenizer
 */
export async function readCodes(path: string, tokenizer: string): Promise<CodeSet> {
  const { tensors, metadata } = await readSafetensors(path);
  const codes = tensors.get('codes');
  if (codes === undefined || !(codes.data instanceof Uint16Array) || codes.shape.length !== 3) {
    throw new UserError(path, 'expected 16-bit codes [items, crops, length]', `remove ${path} to make it again`);
  }
  if (metadata.tokenizer !== tokenizer) {
    throw new UserError(path, 'was made by another patch tokenizer', `remove ${path} to make it again`);
  }
  const [, crops, length] = codes.shape;
  return { ids: JSON.parse(metadata.ids ?? '[]') as string[], crops, length, codes: codes.data };
}
