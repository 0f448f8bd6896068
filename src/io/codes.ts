/**
 * @file A data set as codes: every crop of every image encoded once, in a safetensors file that is read with one
 * allocation and used without copying. The file names the tokenizer that made it, and of every item the image that its
 * codes are those of.
 */

import { UserError } from '../core/errors.ts';
import { packFingerprints, parseIds, unpackFingerprints } from './datarecord.ts';
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

/** What codes were made of. */
export interface CodeOrigins {
  /** Fingerprint of the patch tokenizer. */
  readonly tokenizer: string;
  /** Fingerprints of the items' images, in the order of the codes; absent in files that are older than such fingerprints. */
  readonly images?: readonly string[];
  /** Items without codes, since their images cannot be decoded: fingerprints of these, by id. */
  readonly skipped?: ReadonlyMap<string, string>;
}

/** Codes as they are kept. */
export interface StoredCodes extends Omit<CodeOrigins, 'tokenizer'> {
  readonly set: CodeSet;
}

/** What a reader knows of codes before it reads them. */
export interface ExpectedCodes {
  /** Fingerprint of the patch tokenizer. */
  readonly tokenizer: string;
  /** How many codes that has. */
  readonly codebook: number;
  readonly crops: number;
  readonly length: number;
}

/**
 * Writes a code set, atomically.
 * @throws RangeError if the numbers do not belong together
 */
export async function writeCodes(path: string, set: CodeSet, origins: CodeOrigins): Promise<void> {
  const { ids, crops, length, codes } = set;
  const { tokenizer, images, skipped = new Map() } = origins;
  if (!isPositive(crops) || !isPositive(length) || codes.length !== ids.length * crops * length) {
    throw new RangeError(`codes: expected ${ids.length} x ${crops} x ${length}, got ${codes.length}`);
  }
  if (images !== undefined && images.length !== ids.length) {
    throw new RangeError(`codes: expected fingerprints of ${ids.length} images, got ${images.length}`);
  }
  const tensors = new Map<string, TensorData>([
    ['codes', { dtype: 'U16', shape: [ids.length, crops, length], data: codes }],
  ]);
  await writeSafetensors(path, tensors, {
    tokenizer,
    ids: JSON.stringify(ids),
    ...(images !== undefined && { images: packFingerprints(images).toString('base64') }),
    ...(skipped.size > 0 && { skipped: JSON.stringify([...skipped]) }),
  });
}

/**
 * Reads a code set.
 * @throws UserError if it is damaged, or not what is expected
 */
export async function readCodes(path: string, expected: ExpectedCodes): Promise<StoredCodes> {
  const refusal = (what: string) => new UserError(path, what, `remove ${path} to make it again`);
  const { tensors, metadata } = await readSafetensors(path);
  const tensor = tensors.get('codes');
  if (tensor?.dtype !== 'U16' || !(tensor.data instanceof Uint16Array) || tensor.shape.length !== 3) {
    throw refusal('expected 16-bit codes [items, crops, length]');
  }
  if (metadata.tokenizer !== expected.tokenizer) throw refusal('was made by another patch tokenizer');
  const [items, crops, length] = tensor.shape;
  if (crops !== expected.crops || length !== expected.length) {
    throw refusal(
      `expected ${expected.crops} crops of ${expected.length} codes of every item, got ${crops} of ${length}`,
    );
  }
  const ids = parseIds(metadata.ids);
  if (ids?.length !== items)
    throw refusal(`expected the ids of ${items} items, got ${ids?.length ?? 'something else'}`);
  const stray = tensor.data.find(code => code >= expected.codebook);
  if (stray !== undefined) throw refusal(`expected codes from 0 to ${expected.codebook - 1}, got ${stray}`);
  const packed = metadata.images === undefined ? undefined : Buffer.from(metadata.images, 'base64');
  const images = packed && unpackFingerprints(packed);
  if (images !== undefined && (images.length !== items || images.includes(''))) {
    throw refusal(`expected fingerprints of ${items} images, got something else`);
  }
  const skipped = metadata.skipped === undefined ? new Map<string, string>() : parsePairs(metadata.skipped);
  if (skipped === undefined) throw refusal('expected ids and fingerprints of skipped images, got something else');
  return { set: { ids, crops, length, codes: tensor.data }, images, skipped };
}

/** What a file of codes says of its items, whoever made it: their ids, and fingerprints of their images where it has some. */
export async function readCodedItems(path: string): Promise<{ readonly id: string; readonly image?: string }[]> {
  const { metadata } = await readSafetensors(path);
  const ids = parseIds(metadata.ids);
  if (ids === undefined) throw new UserError(path, 'expected the ids of items, each another, got something else');
  const images = unpackFingerprints(Buffer.from(metadata.images ?? '', 'base64'));
  return ids.map((id, i) => ({ id, image: images[i] }));
}

function parsePairs(text: string): Map<string, string> | undefined {
  let pairs: unknown;
  try {
    pairs = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isPair = (pair: unknown): pair is [string, string] =>
    Array.isArray(pair) && pair.length === 2 && pair.every(each => typeof each === 'string');
  return Array.isArray(pairs) && pairs.every(isPair) ? new Map(pairs) : undefined;
}

function isPositive(count: number): boolean {
  return Number.isSafeInteger(count) && count > 0;
}
