/** @file Arrays of a kernel call as records: what they are, what they hold before the call, and what it makes of them. */
import { absent, type BufferRecord } from './format.ts';

export type Views = readonly (ArrayBufferView | null)[];

/** A call that is about to be made. */
export interface Call {
  readonly kernel: string;
  readonly views: Views;
  readonly numbers: readonly number[];
  readonly bf16: boolean;
}

/** Makes a call for real. */
export type RunKernel = (kernel: string, views: Views, numbers: readonly number[]) => void;

export function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** The record of a buffer without its content. */
export function shapeOf(view: ArrayBufferView | null): BufferRecord {
  if (view === null) return absent;
  const kind = view instanceof Float32Array ? 'float32' : view instanceof Float64Array ? 'float64' : 'exact';
  return { kind, bytes: view.byteLength, before: 'unwritten' };
}

/** The record of a buffer before its call. */
export function snapshot(view: ArrayBufferView | null): BufferRecord {
  if (view === null) return absent;
  const bytes = Buffer.from(bytesOf(view)); // a copy
  return { ...shapeOf(view), before: isUnwritten(bytes) ? 'unwritten' : bytes };
}

/** The record after the call. */
export function withResult(record: BufferRecord, view: ArrayBufferView | null): BufferRecord {
  if (view === null || record.kind === 'packed' || record.kind === 'layout') return record;
  const bytes = Buffer.from(bytesOf(view));
  const { before } = record;
  const unchanged = before === 'unwritten' ? isUnwritten(bytes) : typeof before === 'object' && bytes.equals(before);
  return unchanged ? record : { ...record, after: bytes };
}

function isUnwritten(bytes: Buffer): boolean {
  return bytes.equals(Buffer.alloc(bytes.length, 0xff));
}

/** The number of the first array that is the same memory as array i, if it is another one. */
export function firstLike(views: Views, i: number): number | undefined {
  const own = views[i];
  if (own === null || own.byteLength === 0) return undefined;
  const first = views.findIndex((other, j) => {
    if (j === i) return true;
    if (other === null || other.buffer !== own.buffer || other.byteLength === 0) return false;
    if (other.byteOffset === own.byteOffset && other.byteLength === own.byteLength) return true;
    const apart =
      other.byteOffset + other.byteLength <= own.byteOffset || own.byteOffset + own.byteLength <= other.byteOffset;
    if (!apart) throw new Error('record: two buffers of one call overlap, which a record cannot say');
    return false;
  });
  return first < i ? first : undefined;
}
