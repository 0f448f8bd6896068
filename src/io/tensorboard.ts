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
  const restarted = bytes(7, uint(1, 1)); // session_log: SessionLog { status: START }
  return Buffer.concat([event(wallTime, 0, text(3, 'brain.Event:2')), event(wallTime, 0, restarted)]);
}

/** Some scalars of one step, as one record. */
export function encodeScalars(scalars: readonly ScalarEvent[]): Uint8Array {
  const [{ wallTime, step }] = scalars;
  const values = scalars.map(({ tag, value }) => bytes(1, Buffer.concat([text(1, tag), float(2, value)])));
  return event(wallTime, step, bytes(5, Buffer.concat(values)));
}

/** A picture, as one record. */
export function encodeImage({ wallTime, step, tag, width, height, png }: ImageEvent): Uint8Array {
  const image = Buffer.concat([uint(1, height), uint(2, width), uint(3, 3), bytes(4, png)]); // 3: RGB
  return event(wallTime, step, bytes(5, bytes(1, Buffer.concat([text(1, tag), bytes(4, image)]))));
}

/** `Event { wall_time, step, what }` in its record; a step of 0 is what is read where there is none. */
function event(wallTime: number, step: number, what: Buffer): Buffer {
  const steps = step === 0 ? [] : [uint(2, step)];
  return record(Buffer.concat([double(1, wallTime), ...steps, what]));
}

/** Bytes as a TFRecord. */
function record(data: Buffer): Buffer {
  const framed = Buffer.alloc(data.length + 16);
  framed.writeBigUInt64LE(BigInt(data.length), 0);
  framed.writeUInt32LE(masked(crc32c(framed.subarray(0, 8))), 8);
  data.copy(framed, 12);
  framed.writeUInt32LE(masked(crc32c(data)), 12 + data.length);
  return framed;
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

/** Fields of protocol buffers: a varint of number and kind, then the value. */
const key = (field: number, kind: 0 | 1 | 2 | 5) => varint(field * 8 + kind);
const uint = (field: number, value: number) => Buffer.concat([key(field, 0), varint(value)]);
const text = (field: number, value: string) => bytes(field, Buffer.from(value));

function bytes(field: number, value: Uint8Array): Buffer {
  return Buffer.concat([key(field, 2), varint(value.length), value]);
}

function double(field: number, value: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeDoubleLE(value);
  return Buffer.concat([key(field, 1), data]);
}

function float(field: number, value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeFloatLE(Math.fround(value));
  return Buffer.concat([key(field, 5), data]);
}

/** A whole number from 0 to 2^53, seven bits a byte, the low ones first. */
function varint(value: number): Buffer {
  const groups: number[] = [];
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) groups.push((left % 128) + 128);
  return Buffer.from([...groups, left]);
}
