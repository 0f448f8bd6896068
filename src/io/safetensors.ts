/**
 * @file The safetensors format, bytes to tensors and back: a little-endian u64 header length, a JSON header that names
 * each tensor's dtype, shape and byte range, then the data without a gap. Files are untrusted: everything is checked
 * before a tensor is handed out. Knows nothing of disks (files.ts does) or of tfjs.
 * @see https://github.com/huggingface/safetensors#format
 */
import { found, isRecord } from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import { parseJson } from './json.ts';

/** The array that holds each dtype. 16-bit floats stay as their bits; `toFloat32` reads them. */
const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

export type DType = keyof typeof ARRAYS;
export type TensorArray =
  | Float64Array
  | Float32Array
  | Uint16Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | BigUint64Array
  | Uint32Array
  | Uint8Array;

/** One tensor of a file. `shape` is [] for a scalar; `data` has one element a tensor element, row-major. */
export interface TensorData {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TensorArray;
}

/** What a safetensors file holds: tensors in the order of their bytes, and free-form text by key. */
export interface SafetensorsFile {
  readonly tensors: Map<string, TensorData>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Readers of the format refuse longer headers, and so do we. */
const MAX_HEADER_BYTES = 100_000_000;
/** Of a tensor: as many as any network has, and some. */
const MOST_AXES = 8;
/** Tensor data starts at a multiple of this many bytes, so that a file read or mapped as one block gives aligned views. */
const ALIGNMENT = 64;
const METADATA = '__metadata__';

/**
 * Writes tensors as the parts of one safetensors file: the header, then each tensor's own bytes (views, not copies).
 * Tensors lie by falling element size, then by name, so equal tensors give equal bytes and every view is aligned.
 * @param tensors by name; `__metadata__` is not a name
 * @param metadata free-form text, kept in the header
 * @returns parts to be written one after another; they alias `tensors`, which must not change before they are written
 * @throws Error if a tensor's array does not fit its dtype or shape
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, TensorData>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const named = [...tensors].sort(
    ([nameA, a], [nameB, b]) =>
      ARRAYS[b.dtype].BYTES_PER_ELEMENT - ARRAYS[a.dtype].BYTES_PER_ELEMENT || (nameA < nameB ? -1 : 1),
  );
  const entries: [string, unknown][] = [];
  const names = Object.keys(metadata).sort();
  if (names.length > 0) entries.push([METADATA, Object.fromEntries(names.map(name => [name, metadata[name]]))]);
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, { dtype, shape, data }] of named) {
    const size = shape.reduce((product, n) => product * n, 1);
    if (name === METADATA || !isCounts(shape) || !(data instanceof ARRAYS[dtype]) || data.length !== size) {
      const got = `${data.constructor.name} of ${data.length}`;
      throw new Error(
        `encodeSafetensors: ${name}: expected ${ARRAYS[dtype].name} of [${shape.join(', ')}] (${dtype}), got ${got}`,
      );
    }
    entries.push([name, { dtype, shape, data_offsets: [offset, offset + data.byteLength] }]);
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    offset += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const start = Math.ceil((8 + json.length) / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(start).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(start - 8), true);
  header.set(json, 8);
  return [header, ...parts];
}

/**
 * Reads the bytes of a safetensors file. Tensors are views of `bytes` where their alignment allows it, else copies.
 * @param where the file's name, for messages
 * @throws UserError naming the file and what is wrong with it
 */
export function parseSafetensors(bytes: Uint8Array, where: string): SafetensorsFile {
  const { header, start } = parseHeader(bytes, where);
  const dataBytes = bytes.byteLength - start;
  const entries = Object.entries(header).filter(([name]) => name !== METADATA);
  const ranges = entries.map(([name, entry]) => checkEntry(entry, dataBytes, `${where}: ${name}`));
  const order = entries
    .map((_, i) => i)
    .sort((i, j) => ranges[i].begin - ranges[j].begin || ranges[i].end - ranges[j].end);

  const tensors = new Map<string, TensorData>();
  let expected = 0;
  for (const i of order) {
    const { dtype, shape, begin, end } = ranges[i];
    const [name] = entries[i];
    if (begin !== expected) {
      const what = begin < expected ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw damaged(`${where}: ${name}`, `expected data to start at byte ${expected}, got ${begin} (it ${what})`);
    }
    expected = end;
    tensors.set(name, { dtype, shape, data: viewOf(bytes, start + begin, end - begin, dtype) });
  }
  if (expected !== dataBytes) {
    throw damaged(
      where,
      `expected ${expected} bytes of tensor data, got ${dataBytes} (too long, or a tensor is missing)`,
    );
  }
  return { tensors, metadata: checkMetadata(header[METADATA], where) };
}

/**
 * A floating-point tensor's values as float32. F32 comes back as the tensor's own array, anything else as a new one.
 * @param where what is being read, for the message
 * @throws UserError for integer and boolean tensors
 */
export function toFloat32(tensor: TensorData, where = 'tensor'): Float32Array {
  const { dtype, data } = tensor;
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  if (data instanceof Uint16Array && (dtype === 'BF16' || dtype === 'F16')) {
    return dtype === 'BF16' ? fromBfloat16(data) : fromFloat16(data);
  }
  throw new UserError(where, `expected F32, F16, BF16 or F64, got ${dtype}`);
}

/** The place of the first value that is NaN or infinite; -1 where all are finite. */
export function firstNotFinite(values: Float32Array): number {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) if ((bits[i] & 0x7f800000) === 0x7f800000) return i;
  return -1;
}

/** Rounds float32 to bfloat16 bits, to nearest, ties to even; a NaN stays a (quiet) NaN. */
export function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i];
    const nan = (x & 0x7fffffff) > 0x7f800000;
    out[i] = nan ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
  return out;
}

function fromBfloat16(bits: Uint16Array): Float32Array {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) out[i] = bits[i] << 16;
  return new Float32Array(out.buffer);
}

function fromFloat16(bits: Uint16Array): Float32Array {
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const exponent = (bits[i] >> 10) & 31;
    const fraction = bits[i] & 1023;
    const magnitude =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent < 31
          ? (1024 + fraction) * 2 ** (exponent - 25)
          : fraction === 0
            ? Infinity
            : NaN;
    out[i] = bits[i] & 0x8000 ? -magnitude : magnitude;
  }
  return out;
}

function damaged(where: string, what: string): UserError {
  return new UserError(where, what, 'the file is damaged or not safetensors; copy or save it again');
}

function parseHeader(bytes: Uint8Array, where: string): { header: Record<string, unknown>; start: number } {
  if (bytes.byteLength < 8) throw damaged(where, `expected at least 8 bytes, got ${bytes.byteLength} (truncated)`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw damaged(where, `expected a header of at most ${MAX_HEADER_BYTES} bytes, got ${length}`);
  }
  const start = 8 + Number(length);
  if (start > bytes.byteLength) {
    throw damaged(where, `expected a header of ${length} bytes, got ${bytes.byteLength - 8} (truncated)`);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, start));
  } catch {
    throw damaged(where, 'expected a header in UTF-8, got other bytes');
  }
  const header = parseJson(text, `${where}: header`);
  if (!isRecord(header)) throw damaged(where, 'expected a JSON object as header, got something else');
  return { header, start };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(n => Number.isSafeInteger(n) && n >= 0);
}

interface Range {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function checkEntry(entry: unknown, dataBytes: number, where: string): Range {
  if (!isRecord(entry)) throw damaged(where, 'expected { dtype, shape, data_offsets }, got something else');
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(ARRAYS, dtype)) {
    throw new UserError(where, `expected a dtype of ${Object.keys(ARRAYS).join(', ')}, got ${found(dtype)}`);
  }
  if (!isCounts(shape) || shape.length > MOST_AXES) {
    throw damaged(where, `expected a shape of at most ${MOST_AXES} whole numbers, got ${listed(shape)}`);
  }
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw damaged(where, `expected data_offsets [begin, end], got ${listed(offsets)}`);
  }
  const [begin, end] = offsets;
  if (end > dataBytes) {
    throw damaged(where, `expected data up to byte ${end}, got ${dataBytes} bytes of data (truncated)`);
  }
  const kind = dtype as DType; // a key of ARRAYS, checked above
  const size = shape.reduce((product, n) => product * n, ARRAYS[kind].BYTES_PER_ELEMENT);
  if (size !== end - begin) {
    throw damaged(where, `expected ${size} bytes for ${dtype} [${shape.join(', ')}], got ${end - begin}`);
  }
  return { dtype: kind, shape, begin, end };
}

/** A value as it reads in a message: a short list of numbers in full. */
function listed(value: unknown): string {
  const isShort = Array.isArray(value) && value.length <= MOST_AXES && value.every(n => typeof n === 'number');
  return isShort ? `[${value.join(', ')}]` : found(value);
}

function viewOf(bytes: Uint8Array, offset: number, length: number, dtype: DType): TensorArray {
  const ArrayType: new (buffer: ArrayBufferLike, offset: number, length: number) => TensorArray = ARRAYS[dtype];
  const position = bytes.byteOffset + offset;
  const elementBytes = ARRAYS[dtype].BYTES_PER_ELEMENT;
  const count = length / elementBytes;
  if (position % elementBytes === 0) return new ArrayType(bytes.buffer, position, count);
  return new ArrayType(new Uint8Array(bytes.subarray(offset, offset + length)).buffer, 0, count);
}

function checkMetadata(metadata: unknown, where: string): Record<string, string> {
  if (metadata === undefined) return {};
  if (!isRecord(metadata) || !Object.values(metadata).every(value => typeof value === 'string')) {
    throw damaged(where, `expected ${METADATA} to map text to text, got something else`);
  }
  return metadata as Record<string, string>; // checked above
}
