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

/**
 * Writes a code set, atomically.
 * @param tokenizer fingerprint of the patch tokenizer
 * @throws RangeError if the numbers do not belong together
 */
export async function writeCodes(path: string, set: CodeSet, tokenizer: string): Promise<void> {
  const { ids, crops, length, codes } = set;
  if (!isPositive(crops) || !isPositive(length) || codes.length !== ids.length * crops * length) {
    throw new RangeError(`codes: expected ${ids.length} x ${crops} x ${length}, got ${codes.length}`);
  }
  const tensors = new Map<string, TensorData>([
    ['codes', { dtype: 'U16', shape: [ids.length, crops, length], data: codes }],
  ]);
  await writeSafetensors(path, tensors, { tokenizer, ids: JSON.stringify(ids) });
}

/**
 * Reads a code set.
 * @param tokenizer fingerprint of the patch tokenizer; @param codebook how many codes that has
 * @throws UserError if it is damaged or was made by another tokenizer
 */
export async function readCodes(path: string, tokenizer: string, codebook: number): Promise<CodeSet> {
  const refusal = (what: string) => new UserError(path, what, `remove ${path} to make it again`);
  const { tensors, metadata } = await readSafetensors(path);
  const tensor = tensors.get('codes');
  if (tensor?.dtype !== 'U16' || !(tensor.data instanceof Uint16Array) || tensor.shape.length !== 3) {
    throw refusal('expected 16-bit codes [items, crops, length]');
  }
  if (metadata.tokenizer !== tokenizer) throw refusal('was made by another patch tokenizer');
  const [items, crops, length] = tensor.shape;
  if (!isPositive(crops) || !isPositive(length)) {
    throw refusal(`expected crops and codes of every item, got ${crops} crops of ${length} codes`);
  }
  const ids = idsFrom(metadata.ids);
  if (ids?.length !== items) throw refusal(`expected the ids of ${items} items, got ${ids?.length ?? 'none'}`);
  const stray = tensor.data.find(code => code >= codebook);
  if (stray !== undefined) throw refusal(`expected codes from 0 to ${codebook - 1}, got ${stray}`);
  return { ids, crops, length, codes: tensor.data };
}

/** The ids as `writeCodes` keeps them; undefined if they are something else. */
function idsFrom(text: string | undefined): string[] | undefined {
  try {
    const ids: unknown = JSON.parse(text ?? '');
    return Array.isArray(ids) && ids.every(id => typeof id === 'string') ? ids : undefined;
  } catch {
    return undefined;
  }
}

function isPositive(count: number): boolean {
  return Number.isSafeInteger(count) && count > 0;
}
