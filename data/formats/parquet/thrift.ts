/**
 * @file A walk through Thrift's compact protocol, in which Parquet writes its metadata, that believes nothing: the lengths,
 * counts and depths that a file claims are checked against the bytes that are there before a decoder takes memory for them.
 * @see https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 */

const [BYTE, DOUBLE, BINARY, LIST, STRUCT] = [3, 7, 8, 9, 12];
/** Deepest nesting; Parquet's own is 8. */
const MOST_DEPTH = 24;
/** Most values; the metadata of a file with 100,000 column chunks has three million. */
const MOST_VALUES = 2 ** 22;

/** A structure's fields that are whole numbers or structures, by their numbers. */
export type Fields = ReadonlyMap<number, number | Fields>;

/**
 * Reads the structure that begins at `offset`.
 * @returns its fields, and where it ends
 * @throws Error in one line if there is none
 */
export function readThrift(bytes: Uint8Array, offset: number): { readonly fields: Fields; readonly end: number } {
  const walk = new Walk(bytes, offset);
  const fields = walk.struct(0);
  return { fields, end: walk.offset };
}

class Walk {
  offset: number;
  private readonly bytes: Uint8Array;
  private values = 0;

  constructor(bytes: Uint8Array, offset: number) {
    this.bytes = bytes;
    this.offset = offset;
  }

  struct(depth: number): Fields {
    if (depth > MOST_DEPTH) throw new Error(`metadata nested deeper than ${MOST_DEPTH}`);
    const fields = new Map<number, number | Fields>();
    let id = 0;
    for (let head = this.byte(); head !== 0; head = this.byte()) {
      id = head >> 4 === 0 ? this.integer() : id + (head >> 4);
      const value = this.value(head & 15, depth);
      if (value !== undefined) fields.set(id, value);
    }
    return fields;
  }

  private value(type: number, depth: number): number | Fields | undefined {
    if (++this.values > MOST_VALUES) throw new Error(`metadata of more than ${MOST_VALUES} values`);
    if (type === 1 || type === 2) return type === 1 ? 1 : 0;
    if (type === BYTE) return this.byte();
    if (type > BYTE && type < DOUBLE) return this.integer();
    if (type === STRUCT) return this.struct(depth + 1);
    if (type === DOUBLE) this.skip(8);
    else if (type === BINARY) this.skip(this.natural());
    else if (type === LIST) this.list(depth + 1);
    else throw new Error(`metadata of an unknown type (${type})`);
    return undefined;
  }

  private list(depth: number): void {
    if (depth > MOST_DEPTH) throw new Error(`metadata nested deeper than ${MOST_DEPTH}`);
    const head = this.byte();
    const count = head >> 4 === 15 ? this.natural() : head >> 4;
    // Each takes a byte at least.
    if (count > this.bytes.length - this.offset) throw new Error('a list longer than the metadata');
    const type = head & 15;
    for (let i = 0; i < count; i++) this.value(type === 1 || type === 2 ? BYTE : type, depth);
  }

  private byte(): number {
    if (this.offset >= this.bytes.length) throw new Error('metadata that breaks off');
    return this.bytes[this.offset++];
  }

  private skip(count: number): void {
    if (count > this.bytes.length - this.offset) throw new Error('metadata that breaks off');
    this.offset += count;
  }

  /** A number of at most 64 bits, as far as a double holds it. */
  private natural(): number {
    let result = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.byte();
      result += (byte & 127) * 128 ** i;
      if (byte < 128) return result;
    }
    throw new Error('a number of more than 64 bits in the metadata');
  }

  private integer(): number {
    const zigzag = this.natural();
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }
}
