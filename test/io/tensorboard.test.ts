/**
 * @file Event files against bytes that TensorBoard's own writer gave (tensorboard 2.20: RecordWriter of an Event), and the
 * checksum against the vectors of RFC 3720.
 */
import { describe, expect, test } from 'vitest';
import { crc32c, encodeImage, encodeScalars, encodeStart } from '../../src/io/tensorboard.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const wallTime = 1700000000.5;

describe('crc32c', () => {
  const bytes = (of: (i: number) => number) => Uint8Array.from({ length: 32 }, (_, i) => of(i));

  test.each([
    ['digits', new TextEncoder().encode('123456789'), 0xe3069283],
    ['zeros', bytes(() => 0), 0x8a9136aa],
    ['ones', bytes(() => 255), 0x62a8ab43],
    ['incrementing', bytes(i => i), 0x46dd794e],
    ['decrementing', bytes(i => 31 - i), 0x113fdb5c],
    ['nothing', new Uint8Array(0), 0],
  ])('of %s', (_, data, expected) => {
    expect(crc32c(data)).toBe(expected);
  });
});

describe('event files', () => {
  test('begin with the version and the word that a program starts', () => {
    const version = '1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b353110';
    const start = '0d000000000000003c37b8340900002040fc54d9413a020801a870fdd5';
    expect(hex(encodeStart(wallTime))).toBe(version + start);
  });

  test('have the scalars of a step in one record, also where one is not a number', () => {
    const expected =
      '33000000000000000ca720560900002040fc54d94110e0a7122a240a110a0a70617463682f6c6f737315cdcccc3d' +
      '0a0f0a0870617463682f6c72150000c07f40508d5b';
    const at = { step: 300_000, wallTime };
    const scalars = [
      { tag: 'patch/loss', value: 0.1, ...at },
      { tag: 'patch/lr', value: Number.NaN, ...at },
    ];
    expect(hex(encodeScalars(scalars))).toBe(expected);
  });

  test('have pictures as they are', () => {
    const expected =
      '2700000000000000bbe1b1460900002040fc54d94110142a1a0a180a0773616d706c6573220d08c80110071803220489504e478d65ac20';
    const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47);
    expect(hex(encodeImage({ tag: 'samples', step: 20, wallTime, png, width: 7, height: 200 }))).toBe(expected);
  });
});
