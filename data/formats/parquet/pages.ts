/**
 * @file The pages of a column chunk of Parquet, unpacked and checked: sizes and counts that its headers claim, and the runs of
 * its levels, before a decoder takes memory for them.
 * @see https://parquet.apache.org/docs/file-format/data-pages/
 */

import { type Fields, readThrift } from './thrift.ts';

/** Most bytes that a chunk may unpack to whatever it has packed, and beyond that for each packed byte. */
const [FREE_BYTES, MOST_RATIO] = [2 ** 29, 8];
/** Most values of a page. */
const MOST_VALUES = 2 ** 25;
/** By how many values a run may pass the end of its page; writers round up. */
const SLACK = 1024;

/** What is known of a chunk beforehand. */
export interface ChunkShape {
  readonly rows: number;
  /** Highest repetition and definition level: 0 for one value a row, 0 for no nulls. */
  readonly repetition: number;
  readonly definition: number;
}

/** Bytes of the unpacked pages, by where the packed ones begin in the chunk. */
export type Pages = ReadonlyMap<number, Uint8Array>;

/**
 * Unpacks the pages of a chunk.
 * @throws Error in one line if they are not as their headers say, or not as many as there should be
 */
export function unpackPages(
  chunk: Uint8Array,
  shape: ChunkShape,
  unpack: (bytes: Uint8Array, length: number) => Uint8Array,
): Pages {
  const pages = new Map<number, Uint8Array>();
  let [values, left] = [0, FREE_BYTES + MOST_RATIO * chunk.length];
  for (let at = 0; at < chunk.length - 1 && !(shape.repetition === 0 && values >= shape.rows); ) {
    const { fields, end } = readThrift(chunk, at);
    const [size, packed] = [natural(fields, 2), natural(fields, 3)];
    if (packed > chunk.length - end) throw new Error('a page that breaks off');
    left -= size;
    if (left < 0) throw new Error(`unpacks to more than ${MOST_RATIO} times its size`);
    const page: Page = { fields, bytes: chunk.subarray(end, end + packed), size, shape, unpack };
    const [start, bytes, count] = unpackPage(page);
    pages.set(end + start, bytes);
    values += count;
    at = end + packed;
  }
  const fits = shape.repetition === 0 ? values === shape.rows : values >= shape.rows;
  if (!fits) throw new Error(`${values} values for ${shape.rows} rows`);
  return pages;
}

interface Page {
  readonly fields: Fields;
  /** As they lie in the file. */
  readonly bytes: Uint8Array;
  /** Unpacked. */
  readonly size: number;
  readonly shape: ChunkShape;
  readonly unpack: (bytes: Uint8Array, length: number) => Uint8Array;
}

/** @returns where the packed part begins, that part unpacked, and how many values there are (none in a dictionary) */
function unpackPage(page: Page): readonly [number, Uint8Array, number] {
  const kind = natural(page.fields, 1);
  if (kind === 2) return [0, unpackDictionary(page), 0];
  if (kind === 0) return unpackV1(page);
  if (kind === 3) return unpackV2(page);
  throw new Error(`a page of an unknown kind (${kind})`);
}

function unpackDictionary({ fields, bytes, size, unpack }: Page): Uint8Array {
  checkCount(natural(header(fields, 7), 1), size);
  return exactly(unpack, bytes, size);
}

function unpackV1({ fields, bytes, size, shape, unpack }: Page): readonly [number, Uint8Array, number] {
  const data = header(fields, 5);
  const count = natural(data, 1);
  checkCount(count);
  const body = exactly(unpack, bytes, size);
  let at = 0;
  for (const level of [shape.repetition, shape.definition]) {
    if (level === 0) continue;
    if (at + 4 > body.length) throw new Error('a page that breaks off');
    const length = new DataView(body.buffer, body.byteOffset + at, 4).getUint32(0, true);
    if (length > body.length - at - 4) throw new Error('levels longer than their page');
    checkRuns(body.subarray(at + 4, at + 4 + length), count, { width: widthOf(level) });
    at += 4 + length;
  }
  checkIndexes(natural(data, 2), body.subarray(at), count);
  return [0, body, count];
}

function unpackV2({ fields, bytes, size, shape, unpack }: Page): readonly [number, Uint8Array, number] {
  const data = header(fields, 8);
  const [count, nulls, rows] = [natural(data, 1), natural(data, 2), natural(data, 3)];
  const [definitions, repetitions] = [natural(data, 5), natural(data, 6)];
  checkCount(count);
  const start = definitions + repetitions;
  if (start > Math.min(bytes.length, size) || nulls > count || rows > count) throw new Error('a page that breaks off');
  if (shape.repetition > 0) checkRuns(bytes.subarray(0, repetitions), count, { width: widthOf(shape.repetition) });
  if (shape.definition > 0) checkRuns(bytes.subarray(repetitions, start), count, { width: widthOf(shape.definition) });
  const packed = bytes.subarray(start);
  const isPacked = data.get(7) !== 0;
  const body = isPacked ? exactly(unpack, packed, size - start) : packed;
  checkIndexes(natural(data, 4), body, count - nulls);
  return [start, body, count];
}

function header(fields: Fields, id: number): Fields {
  const found = fields.get(id);
  if (found === undefined || typeof found === 'number') throw new Error('a page without its header');
  return found;
}

function natural(fields: Fields, id: number): number {
  const value = fields.get(id);
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new Error('a page with odd sizes');
  return value;
}

function exactly(unpack: Page['unpack'], packed: Uint8Array, length: number): Uint8Array {
  const bytes = length === 0 ? new Uint8Array() : unpack(packed, length);
  if (bytes.length !== length) throw new Error(`a page of ${bytes.length} bytes instead of ${length}`);
  return bytes;
}

function checkCount(count: number, most = MOST_VALUES): void {
  if (count > most) throw new Error(`a page of ${count} values`);
}

/** Bits that a level takes. */
function widthOf(most: number): number {
  return 32 - Math.clz32(most);
}

/** Checks the indexes of values that stand in a dictionary. @param encoding as the header numbers it */
function checkIndexes(encoding: number, bytes: Uint8Array, count: number): void {
  const isIndexed = encoding === 2 || encoding === 8;
  if (!isIndexed || count === 0) return;
  if (bytes.length === 0) return; // nothing but nulls
  if (bytes[0] > 32) throw new Error('a page that breaks off');
  if (bytes[0] > 0) checkRuns(bytes.subarray(1), count, { width: bytes[0], mayEnd: true });
}

/**
 * Checks that runs of repeated or packed values make the values of a page and hardly more.
 * @param options.width bits of a packed value; @param options.mayEnd whether they may be fewer: values that are null have no index
 */
function checkRuns(
  bytes: Uint8Array,
  count: number,
  { width, mayEnd = false }: { readonly width: number; readonly mayEnd?: boolean },
): void {
  let at = 0;
  for (let seen = 0; seen < count; ) {
    if (mayEnd && at === bytes.length) return;
    let head = 0;
    for (let i = 0; ; i++) {
      if (at >= bytes.length || i === 5) throw new Error('levels that break off');
      head += (bytes[at] & 127) * 128 ** i;
      if (bytes[at++] < 128) break;
    }
    const half = Math.floor(head / 2);
    const run = head % 2 === 1 ? 8 * half : half;
    if (run > count - seen + SLACK) throw new Error('a run longer than its page');
    seen += run;
    at += head % 2 === 1 ? half * width : Math.ceil(width / 8);
  }
}
