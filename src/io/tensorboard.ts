/**
 * @file Event files as TensorBoard reads them: TFRecords (a length, its checksum, the bytes, their checksum) of the protocol
 * buffers `Event`, `Summary` and `SessionLog` of tensorflow/core/util/event.proto and framework/summary.proto, as far as
 * scalars and PNGs need them. Bytes only; knows no files.
 */

/** A number of a curve. Values that are not finite are shown as such. */
export interface ScalarEvent {
  /** What is before the first `/` groups curves. */
  readonly tag: string;
  readonly step: number;
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly value: number;
}

/** A picture of a step. */
export interface ImageEvent extends Omit<ScalarEvent, 'value'> {
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/**
 * What an event file begins with: the version of the format, and the word that a program has started at step 0, by which readers
 * forget what files before this one said.
 */
export function encodeStart(wallTime: number): Uint8Array {
  const version = Buffer.from('brain.Event:2');
  const versioned = new EventRecord({ wallTime, step: 0 }, fieldBytes(version.length));
  versioned.bytes(3, version); // file_version
  const started = new EventRecord({ wallTime, step: 0 }, fieldBytes(2));
  started.bytes(7, Uint8Array.of(8, 1)); // session_log: SessionLog { status: START }
  return Buffer.concat([versioned.end(), started.end()]);
}

/** Some scalars of one step, as one record. */
export function encodeScalars(scalars: readonly ScalarEvent[]): Uint8Array {
  const values = scalars.map(({ tag, value }) => ({ tag: Buffer.from(tag), value }));
  const sizeOf = (tag: Buffer) => fieldBytes(tag.length) + 5; // Value { tag, simple_value }
  const size = values.reduce((sum, { tag }) => sum + fieldBytes(sizeOf(tag)), 0);
  const event = new EventRecord(scalars[0], fieldBytes(size));
  event.begin(5, size); // summary
  for (const { tag, value } of values) {
    event.begin(1, sizeOf(tag));
    event.bytes(1, tag);
    event.float(2, value);
  }
  return event.end();
}

/** A picture, as one record. */
export function encodeImage({ tag, width, height, png, ...place }: ImageEvent): Uint8Array {
  const name = Buffer.from(tag);
  const imageSize = 3 + varintBytes(height) + varintBytes(width) + 1 + fieldBytes(png.length);
  const size = fieldBytes(name.length) + fieldBytes(imageSize); // Value { tag, image }
  const event = new EventRecord(place, fieldBytes(fieldBytes(size)));
  event.begin(5, fieldBytes(size)); // summary
  event.begin(1, size);
  event.bytes(1, name);
  event.begin(4, imageSize);
  event.whole(1, height);
  event.whole(2, width);
  event.whole(3, 3); // RGB
  event.bytes(4, png);
  return event.end();
}

/** Bytes of a whole number from 0 to 2^53, seven bits a byte. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let left = value; left >= 128; left = Math.floor(left / 128)) bytes++;
  return bytes;
}

/** Bytes of a field that holds so many; fields have numbers below 16, and keys of one byte. */
function fieldBytes(size: number): number {
  return 1 + varintBytes(size) + size;
}

/** Before the data: its length and their checksum; after it: its checksum. */
const [BEFORE, AFTER] = [12, 4];

/** An `Event` in a TFRecord, written field by field. */
class EventRecord {
  private readonly record: Buffer;
  private at = BEFORE;

  /** @param size bytes of what follows time and step */
  constructor({ wallTime, step }: Pick<ScalarEvent, 'wallTime' | 'step'>, size: number) {
    const place = 9 + (step === 0 ? 0 : 1 + varintBytes(step)); // a step of 0 is what is read where there is none
    this.record = Buffer.alloc(BEFORE + place + size + AFTER);
    this.key(1, 1);
    this.at = this.record.writeDoubleLE(wallTime, this.at);
    if (step !== 0) this.whole(2, step);
  }

  whole(field: number, value: number): void {
    this.key(field, 0);
    this.varint(value);
  }

  float(field: number, value: number): void {
    this.key(field, 5);
    this.at = this.record.writeFloatLE(Math.fround(value), this.at);
  }

  bytes(field: number, value: Uint8Array): void {
    this.begin(field, value.length);
    this.record.set(value, this.at);
    this.at += value.length;
  }

  /** Begins a message of so many bytes. */
  begin(field: number, size: number): void {
    this.key(field, 2);
    this.varint(size);
  }

  /** The whole record. */
  end(): Buffer {
    const { record } = this;
    const data = record.subarray(BEFORE, this.at);
    record.writeBigUInt64LE(BigInt(data.length), 0);
    record.writeUInt32LE(masked(crc32c(record.subarray(0, 8))), 8);
    record.writeUInt32LE(masked(crc32c(data)), this.at);
    return record;
  }

  /** Of a field and the kind of its value: 0 a varint, 1 eight bytes, 2 a length and so many, 5 four bytes. */
  private key(field: number, kind: 0 | 1 | 2 | 5): void {
    this.varint(field * 8 + kind);
  }

  private varint(value: number): void {
    let left = value;
    for (; left >= 128; left = Math.floor(left / 128)) this.record[this.at++] = (left % 128) + 128;
    this.record[this.at++] = left;
  }
}

/** A checksum as TFRecords keep it, so that the checksum of data that holds checksums is none of them. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Castagnoli's polynomial, bits reversed. */
const CASTAGNOLI = 0x82f63b78;
let table: Uint32Array | undefined;

/** CRC-32C (RFC 3720, B.4). */
export function crc32c(data: Uint8Array): number {
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? CASTAGNOLI : 0);
    return crc;
  });
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ table[(crc ^ byte) & 255];
  return ~crc >>> 0;
}
