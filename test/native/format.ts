/**
 * @file What a record of native kernel calls says, and its bytes; replay.cc reads them.
 *
 * A file is a chain of calls that share memory; most have one. Little-endian: `TESSERA1`; then each call: u32 whether
 * operands are bf16, u32 length of the name, u32 numbers, u32 buffers; the name; the numbers (f64); of each buffer u32
 * kind, u32 before, u32 after, u32 which, u64 bytes; then the bytes of each buffer before, and after, where its header says
 * that they follow.
 */

/**
 * What a buffer is. Floats are compared with a tolerance, everything else must be equal. How large `packed` memory is, and
 * what lies where in it, is the affair of each build and never compared: a `layout` (float64s that a kernel fills) says the
 * sizes, in floats.
 */
const kinds = { none: 0, float32: 1, float64: 2, exact: 3, layout: 4, packed: 5 } as const;

export interface BufferRecord {
  readonly kind: keyof typeof kinds;
  /** Of packed memory: how many times the size that entry `which` of the last layout says. */
  readonly bytes: number;
  readonly which?: number;
  /** All bytes 0xff, or these, or memory of a buffer before: buffers are numbered through the chain. */
  readonly before: 'unwritten' | Uint8Array | number;
  /** Where the call has changed it; not known of packed memory. */
  readonly after?: Uint8Array;
}

export interface CallRecord {
  readonly kernel: string;
  readonly numbers: readonly number[];
  readonly buffers: readonly BufferRecord[];
  readonly bf16: boolean;
}

export const absent: BufferRecord = { kind: 'none', bytes: 0, before: 'unwritten' };

const before = { unwritten: 0, given: 1, same: 2 } as const; // same + i: the memory of buffer i
const after = { unchanged: 0, given: 1 } as const;

/** How much memory a chain brings along. */
export function contentBytes(chain: readonly CallRecord[]): number {
  const own = chain.flatMap(({ buffers }) =>
    buffers.filter(({ before, which }) => typeof before !== 'number' && which === undefined),
  );
  return own.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The file of a chain of calls. */
export function encode(chain: readonly CallRecord[]): Buffer {
  return Buffer.concat([Buffer.from('TESSERA1'), ...chain.flatMap(encodeCall)]);
}

function encodeCall({ kernel, numbers, buffers, bf16 }: CallRecord): Uint8Array[] {
  const name = Buffer.from(kernel);
  const head = Buffer.from(Uint32Array.of(bf16 ? 1 : 0, name.length, numbers.length, buffers.length).buffer);
  const doubles = Buffer.from(Float64Array.from(numbers).buffer);
  return [head, name, doubles, ...buffers.map(encodeHeader), ...buffers.flatMap(contentsOf)];
}

function encodeHeader({ kind, bytes, which = 0, before: was, after: is }: BufferRecord): Buffer {
  const source = was === 'unwritten' ? before.unwritten : typeof was === 'number' ? before.same + was : before.given;
  const result = is === undefined ? after.unchanged : after.given;
  const header = Buffer.from(Uint32Array.of(kinds[kind], source, result, which, 0, 0).buffer);
  header.writeBigUInt64LE(BigInt(bytes), 16);
  return header;
}

function contentsOf({ before: was, after: is }: BufferRecord): Uint8Array[] {
  return [...(typeof was === 'object' ? [was] : []), ...(is === undefined ? [] : [is])];
}
