/**
 * @file What a run remembers of its data: the items in their order, and of each the side of the split that it is on and
 * fingerprints of its image and of its captions. One safetensors file, written atomically. Knows no data format.
 */
import { createHash } from 'node:crypto';
import { UserError } from '../core/errors.ts';
import { readSafetensors, writeSafetensors } from './files.ts';
import type { TensorData } from './safetensors.ts';

/** What of one item is remembered. Fingerprints are as `fingerprintOf` makes them. */
export interface RecordedItem {
  /** Unique in the record. Crops are drawn by it, so that it stays, whatever the item is called in the data now. */
  readonly id: string;
  /** Whether it is held out; otherwise it is trained on. */
  readonly heldOut: boolean;
  /** Of the image's bytes. */
  readonly image: string;
  /** Of the list of its captions. */
  readonly captions: string;
  /** Of the file that holds the image, as the system describes it without reading it; '' where that proves nothing. */
  readonly stamp: string;
}

/** 128 bits of a SHA-256, in hexadecimal. */
const BYTES = 16;
const NOTHING = '0'.repeat(2 * BYTES);

/** A fingerprint: content of the same fingerprint is the same. */
export function fingerprintOf(content: Uint8Array | string): string {
  return createHash('sha256')
    .update(content)
    .digest('hex')
    .slice(0, 2 * BYTES);
}

/** The fingerprint of a list of captions. */
export function captionsFingerprint(captions: readonly string[]): string {
  return fingerprintOf(JSON.stringify(captions));
}

/** Fingerprints as bytes, one after another; '' as zeros. */
export function packFingerprints(fingerprints: readonly string[]): Buffer {
  return Buffer.from(fingerprints.map(text => (text === '' ? NOTHING : text)).join(''), 'hex');
}

/** The inverse of `packFingerprints`; none from bytes that are something else. */
export function unpackFingerprints(bytes: Uint8Array): string[] {
  if (bytes.length % BYTES !== 0) return [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
  return Array.from({ length: bytes.length / BYTES }, (_, i) => {
    const one = text.slice(2 * BYTES * i, 2 * BYTES * (i + 1));
    return one === NOTHING ? '' : one;
  });
}

/** Writes the record of a run's data, atomically. @param name what the data is called, without where it lies */
export async function writeDataRecord(path: string, items: readonly RecordedItem[], name?: string): Promise<void> {
  const column = (of: (item: RecordedItem) => string): TensorData => ({
    dtype: 'U8',
    shape: [items.length, BYTES],
    data: packFingerprints(items.map(of)),
  });
  const tensors = new Map<string, TensorData>([
    ['images', column(({ image }) => image)],
    ['captions', column(({ captions }) => captions)],
    ['stamps', column(({ stamp }) => stamp)],
    ['heldOut', { dtype: 'U8', shape: [items.length], data: Uint8Array.from(items, item => Number(item.heldOut)) }],
  ]);
  const ids = JSON.stringify(items.map(({ id }) => id));
  await writeSafetensors(path, tensors, { format: 'tessera data', ids, ...(name !== undefined && { name }) });
}

/** What the data of a record is called; undefined in records of older versions. */
export async function readDataName(path: string): Promise<string | undefined> {
  return (await readSafetensors(path)).metadata.name;
}

/** Reads what `writeDataRecord` wrote. @throws UserError naming the file if it is damaged */
export async function readDataRecord(path: string): Promise<RecordedItem[]> {
  const { tensors, metadata } = await readSafetensors(path);
  const refusal = (what: string) =>
    new UserError(path, what, `remove ${path} to go on without a check of the data, which is then taken as it is`);
  const ids = parseIds(metadata.ids);
  if (ids === undefined) throw refusal('expected the ids of the items, each another, got something else');
  const bytesOf = (name: string, each: readonly number[]): Uint8Array => {
    const tensor = tensors.get(name);
    const shape = [ids.length, ...each];
    if (!(tensor?.data instanceof Uint8Array) || tensor.dtype !== 'U8' || `${tensor.shape}` !== `${shape}`) {
      throw refusal(`expected ${name} of ${ids.length} items as bytes [${shape.join(', ')}]`);
    }
    return tensor.data;
  };
  const [images, captions, stamps] = ['images', 'captions', 'stamps'].map(name =>
    unpackFingerprints(bytesOf(name, [BYTES])),
  );
  const heldOut = bytesOf('heldOut', []);
  if (heldOut.some(side => side > 1)) throw refusal('expected heldOut as 0 and 1, got something else');
  return ids.map((id, i) => ({
    id,
    heldOut: heldOut[i] === 1,
    image: images[i],
    captions: captions[i],
    stamp: stamps[i],
  }));
}

/** Ids as they are kept in a file's metadata; undefined if they are something else, or one comes twice. */
export function parseIds(text: string | undefined): string[] | undefined {
  let ids: unknown;
  try {
    ids = JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
  if (!Array.isArray(ids) || !ids.every(id => typeof id === 'string')) return undefined;
  return new Set(ids).size === ids.length ? ids : undefined;
}
