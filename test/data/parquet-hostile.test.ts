/** @file Parquet that claims what it does not hold, or is damaged: it costs itself, in a line, and takes no memory. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import { ParquetFile } from '../../data/formats/parquet/file.ts';
import { unpackPages } from '../../data/formats/parquet/pages.ts';
import { readThrift } from '../../data/formats/parquet/thrift.ts';
import { unpacker } from '../../data/formats/parquet/unpack.ts';
import { openDataset } from '../../data/open.ts';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { folder, plain, seen } from './files.ts';

/** A value in Thrift's compact protocol. */
interface Thrift {
  readonly type: number;
  readonly bytes: Uint8Array;
}

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return [...bytes, Number(rest)];
    bytes.push(Number(rest & 127n) | 128);
  }
}

const number = (value: number | bigint): Thrift => ({ type: 6, bytes: Uint8Array.from(varint(2n * BigInt(value))) });
const int32 = (value: number): Thrift => ({ ...number(value), type: 5 });
const text = (value: string): Thrift => ({
  type: 8,
  bytes: Uint8Array.from([...varint(BigInt(Buffer.byteLength(value))), ...Buffer.from(value)]),
});
const list = (type: number, items: readonly Thrift[], claimed = items.length): Thrift => ({
  type: 9,
  bytes: Buffer.concat([
    Uint8Array.from([0xf0 | type, ...varint(BigInt(claimed))]),
    ...items.map(({ bytes }) => bytes),
  ]),
});
function struct(fields: Readonly<Record<number, Thrift>>): Thrift {
  let last = 0;
  const parts: Uint8Array[] = [];
  for (const [id, { type, bytes }] of Object.entries(fields)) {
    parts.push(Uint8Array.from([((Number(id) - last) << 4) | type]), bytes);
    last = Number(id);
  }
  return { type: 12, bytes: Buffer.concat([...parts, Uint8Array.of(0)]) };
}

/** A file with this metadata after some bytes of data. */
function parquetWith(metadata: Thrift, data: Uint8Array = new Uint8Array(64)): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(metadata.bytes.length);
  return Buffer.concat([Buffer.from('PAR1'), data, metadata.bytes, length, Buffer.from('PAR1')]);
}

const element = (name: string, children = 0): Thrift =>
  children > 0
    ? struct({ 4: text(name), 5: int32(children) })
    : struct({ 1: int32(6), 3: int32(0), 4: text(name), 6: int32(0) });
const bytesColumn = (name: string): Thrift => struct({ 1: int32(6), 3: int32(0), 4: text(name) });

/** A column chunk of a file, which claims to begin at 4 as all of them do here. */
function chunkOf(name: string, { codec = 0, size = 64 } = {}): Thrift {
  const meta = struct({
    1: int32(6),
    2: list(5, [int32(0)]),
    3: list(8, [text(name)]),
    4: int32(codec),
    5: number(4),
    6: number(size),
    7: number(size),
    9: number(4),
  });
  return struct({ 2: number(4), 3: meta });
}

/** Metadata of two columns, `image` and `text`, in one row group. */
function metadataOf(rows: number | bigint, schema: readonly Thrift[], chunk = {}): Thrift {
  const group = struct({
    1: list(
      12,
      ['image', 'text'].map(name => chunkOf(name, chunk)),
    ),
    2: number(64),
    3: number(rows),
  });
  return struct({ 1: int32(1), 2: list(12, schema), 3: number(rows), 4: list(12, [group]) });
}

const two = [element('schema', 2), bytesColumn('image'), element('text')];
const red = await plain('red');
const good = new Uint8Array(
  parquetWriteBuffer({
    columnData: [
      { name: 'image', data: Array.from({ length: 6 }, () => new Uint8Array(red)), type: 'BYTE_ARRAY' },
      { name: 'text', data: ['a', 'b', 'c', 'd', 'e', 'f'], type: 'STRING' },
    ],
    rowGroupSize: 2,
  }),
);

/** What is said of a file that lies beside a good one. */
async function saidOf(bytes: Uint8Array): Promise<string> {
  const { items, problems, unused } = await seen(await folder({ 'bad.parquet': bytes, 'good.parquet': good }));
  expect(Object.keys(items)).toHaveLength(6);
  const said = Object.entries({ ...problems, ...unused });
  expect(said).toHaveLength(1);
  expect(said[0][0]).toMatch(/^bad\.parquet/);
  return said[0][1];
}

describe('claims', () => {
  test('of rows, metadata and columns are checked against the bytes that are there', async () => {
    expect(await saidOf(parquetWith(metadataOf(2n ** 40n, two)))).toMatch(/claims 1099511627776 rows of pictures in/);
    expect(await saidOf(parquetWith(metadataOf(9, two), new Uint8Array(200)))).toMatch(/^cannot be decoded \(/);
    const [image, caption] = [bytesColumn('image'), element('text')];
    const deep = Array.from({ length: 100 }, (_, i) => element(`n${i}`, 1));
    expect(await saidOf(parquetWith(metadataOf(1, [element('s', 3), image, caption, ...deep, image])))).toContain(
      'nested deeper',
    );
    expect(await saidOf(parquetWith(metadataOf(1, [element('s', 2 ** 30), image, caption])))).toContain(
      'its schema breaks off',
    );
    const many = [element('s', 20_000), ...Array.from({ length: 20_000 }, () => image)];
    expect(await saidOf(parquetWith(metadataOf(1, many)))).toContain('has 20001 columns, more than 10000');
    const odd = [element('s', 2), element('__proto__'), element('constructor')];
    expect(await saidOf(parquetWith(metadataOf(0, odd)))).toContain('no column with pictures');
  });

  test('of the end of the file are looked at before they are followed', async () => {
    const end = (length: number, mark = 'PAR1') => {
      const bytes = Buffer.alloc(100);
      bytes.writeUInt32LE(length, 92);
      bytes.write(mark, 96);
      return bytes;
    };
    expect(await saidOf(end(2 ** 31))).toContain('it is cut off');
    expect(await saidOf(end(10, 'PARE'))).toContain('it is encrypted');
    expect(await saidOf(end(10, 'gone'))).toContain('it does not end as Parquet does');
    expect(await saidOf(Buffer.from('PAR1'))).toContain('a file of 4 bytes');
  });
});

describe('metadata', () => {
  test('is refused where it claims more than there is, nests, or has endless numbers', () => {
    const read = (bytes: Uint8Array) => () => readThrift(bytes, 0);
    const { bytes } = struct({ 1: int32(7), 4: struct({ 2: number(2n ** 40n) }), 5: list(12, [struct({})]) });
    const fields = readThrift(bytes, 0);
    expect([fields.fields.get(1), fields.end]).toEqual([7, bytes.length]);
    expect((fields.fields.get(4) as ReadonlyMap<number, number>).get(2)).toBe(2 ** 40);
    expect(read(struct({ 1: list(12, [], 2 ** 30) }).bytes)).toThrow('a list longer than the metadata');
    expect(read(struct({ 1: { type: 8, bytes: Uint8Array.from(varint(2n ** 40n)) } }).bytes)).toThrow('breaks off');
    expect(read(struct({ 1: { type: 6, bytes: new Uint8Array(1000).fill(255) } }).bytes)).toThrow('more than 64 bits');
    expect(read(new Uint8Array(1000).fill(0x1c))).toThrow('nested deeper');
    expect(read(new Uint8Array(1000).fill(0x19))).toThrow('nested deeper');
    expect(read(list(5, []).bytes.subarray(0, 1))).toThrow('breaks off');
    const count = 2 ** 22 + 1;
    const zeros = Buffer.concat([Uint8Array.from([0xf5, ...varint(BigInt(count))]), new Uint8Array(count)]);
    expect(read(struct({ 1: { type: 9, bytes: zeros } }).bytes)).toThrow('more than 4194304 values');
  });
});

describe('pages', () => {
  /** A page of the first kind with these levels and values. */
  function page(count: number, body: Uint8Array, claim: { size?: number; packed?: number } = {}): Uint8Array {
    const data = struct({ 1: int32(count), 2: int32(0), 3: int32(3), 4: int32(3) });
    const { size = body.length, packed = body.length } = claim;
    return Buffer.concat([struct({ 1: int32(0), 2: int32(size), 3: int32(packed), 5: data }).bytes, body]);
  }
  const levels = (...runs: number[]) => Uint8Array.from([runs.length, 0, 0, 0, ...runs]);
  const shape = { rows: 4, repetition: 0, definition: 1 };
  const unpack =
    (bytes: Uint8Array, of = shape) =>
    () =>
      unpackPages(bytes, of, packed => packed);

  test('are unpacked where they are as they say', () => {
    const body = Uint8Array.from([...levels(8, 1), 9, 9]);
    const pages = unpackPages(Buffer.concat([page(4, body), Buffer.alloc(2)]), shape, packed => packed);
    expect([...pages.values()].map(bytes => [...bytes])).toEqual([[...body]]);
  });

  test('are refused where their headers or runs claim too much', () => {
    expect(unpack(page(4, levels(8, 1), { packed: 1000 }))).toThrow('a page that breaks off');
    expect(unpack(page(4, levels(8, 1), { size: 2 ** 31 }))).toThrow('unpacks to more than 8 times its size');
    expect(unpack(page(4, levels(8, 1), { size: -1 }))).toThrow('odd sizes');
    expect(unpack(page(2 ** 30, levels(8, 1)))).toThrow('a page of 1073741824 values');
    expect(unpack(page(3, levels(6, 1)))).toThrow('3 values for 4 rows');
    // A run of 2^30 levels in six bytes, which a decoder would write out.
    expect(unpack(page(4, levels(...varint(2n ** 31n), 1)))).toThrow('a run longer than its page');
    expect(unpack(page(4, levels(...varint(2n ** 31n + 1n), 1)))).toThrow('a run longer than its page');
    expect(unpack(page(4, levels(255, 255, 255, 255, 255, 255)))).toThrow('levels that break off');
    expect(unpack(page(4, Uint8Array.from([255, 255, 255, 255])))).toThrow('levels longer than their page');
  });

  test('of zstd are refused that unpack to more than they should', async () => {
    const zstd = await unpacker('ZSTD');
    const frame = (...blocks: number[]) => Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x50, ...blocks]);
    // The last block of three bytes as they are.
    expect([...zstd(frame(0x19, 0, 0, 1, 2, 3), 3)]).toEqual([1, 2, 3]);
    const repeated = Array.from({ length: 1000 }, () => [0x02, 0, 0x10, 7]).flat(); // 128 KiB of sevens each
    expect(() => zstd(frame(...repeated, 0x19, 0, 0, 1, 2, 3), 3)).toThrow('unpacks to more than the 3 bytes');
    const sized = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, ...new Uint8Array(7).fill(255), 0x7f, 0x19, 0, 0, 1, 2, 3];
    expect(() => zstd(Uint8Array.from(sized), 3)).toThrow('unpacks to more than the 3 bytes');
  });
});

describe('damage', () => {
  test('of a row group costs its rows, of the end the file', async () => {
    const captions = ['one', 'two', 'three', 'four', 'five', 'six'];
    const columnData = [
      { name: 'image', data: captions.map(() => new Uint8Array(red)), type: 'BYTE_ARRAY' as const },
      { name: 'text', data: captions, type: 'STRING' as const },
    ];
    const bytes = Buffer.from(parquetWriteBuffer({ columnData, rowGroupSize: 2, codec: 'UNCOMPRESSED' }));
    const place = bytes.indexOf('three');
    bytes.fill(0xff, place - 24, place);
    const { items, problems } = await seen(await folder({ 'x.parquet': bytes }));
    expect(items).toEqual({
      'x.parquet/0': ['red', 'one'],
      'x.parquet/1': ['red', 'two'],
      'x.parquet/4': ['red', 'five'],
      'x.parquet/5': ['red', 'six'],
    });
    expect(problems).toEqual({ 'x.parquet: rows 2 to 3': expect.stringMatching(/^cannot be decoded \(/) });
    expect(await saidOf(good.subarray(0, good.length - 5))).toContain('it does not end as Parquet does');
  });

  test('anywhere in a file is one clear line or costs rows', async () => {
    const random = new Random(7);
    const root = await folder({ 'x.parquet': good });
    const whole = await readFile(join(root, 'x.parquet'));
    for (let i = 0; i < 100; i++) {
      const bytes = Buffer.from(whole);
      for (let k = 0; k < 3; k++) bytes[random.integer(bytes.length)] = random.integer(256);
      const mutant = await folder({ 'x.parquet': bytes });
      const found = await openDataset(join(mutant, 'x.parquet'), { check: false }).catch((error: unknown) => error);
      if (found instanceof Error) {
        expect(found).toBeInstanceOf(UserError);
        expect(found.message).not.toContain('\n');
      }
    }
  });

  test('a file of no bytes, and one whose columns lie elsewhere, say so', async () => {
    expect(await saidOf(new Uint8Array())).toContain('a file of 0 bytes');
    const group = struct({
      1: list(12, [struct({ 1: text('other.parquet'), 2: number(4) })]),
      2: number(1),
      3: number(1),
    });
    const bytes = parquetWith(struct({ 1: int32(1), 2: list(12, two), 3: number(1), 4: list(12, [group]) }));
    expect(await saidOf(bytes)).toContain('its columns lie in another file');
    const path = join(await folder({ 'x.parquet': bytes }), 'x.parquet');
    expect((await ParquetFile.open(path)).columns.map(({ element: { name } }) => name)).toEqual(['image', 'text']);
  });
});
