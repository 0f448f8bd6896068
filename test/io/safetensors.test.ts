/** @file The bytes of safetensors files, against the format's specification read by hand, and damaged files. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { writeSafetensors } from '../../src/io/files.ts';
import {
  encodeSafetensors,
  firstNotFinite,
  parseSafetensors,
  type TensorArray,
  type TensorData,
  toBfloat16,
  toFloat32,
} from '../../src/io/safetensors.ts';

/** One tensor of each dtype, in the order in which the file must hold them, and their values as numbers. */
const TENSORS: [string, TensorData][] = [
  ['blocks.0.attention.query.weight', { dtype: 'F64', shape: [2, 1], data: Float64Array.of(Math.PI, -1e300) }],
  ['i64', { dtype: 'I64', shape: [2], data: BigInt64Array.of(-(2n ** 63n), 5n) }],
  ['u64', { dtype: 'U64', shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) }],
  ['f32', { dtype: 'F32', shape: [2, 2], data: Float32Array.of(1.5, -0, Infinity, 1e-45) }],
  ['i32', { dtype: 'I32', shape: [1, 3], data: Int32Array.of(-1, 2 ** 31 - 1, 7) }],
  ['u32', { dtype: 'U32', shape: [], data: Uint32Array.of(2 ** 32 - 1) }],
  ['bf16', { dtype: 'BF16', shape: [3], data: Uint16Array.of(0x3f80, 0xc000, 0x7f80) }],
  ['f16', { dtype: 'F16', shape: [1], data: Uint16Array.of(0x3c00) }],
  ['i16', { dtype: 'I16', shape: [1], data: Int16Array.of(-300) }],
  ['u16', { dtype: 'U16', shape: [1], data: Uint16Array.of(65535) }],
  ['__proto__', { dtype: 'U8', shape: [3], data: Uint8Array.of(0, 128, 255) }],
  ['bool', { dtype: 'BOOL', shape: [2], data: Uint8Array.of(0, 1) }],
  ['empty', { dtype: 'U8', shape: [0, 4], data: new Uint8Array(0) }],
  ['i8', { dtype: 'I8', shape: [2], data: Int8Array.of(-128, 127) }],
];

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

const file = joined(encodeSafetensors(new Map(TENSORS.toReversed()), { format: 'pt', note: 'é' }));

/** A file made by hand: header text, then data. */
function fileOf(header: unknown, dataBytes = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

/** A start of a file that says how long its header is. */
function withLength(length: bigint): Uint8Array {
  const bytes = fileOf({});
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  return bytes;
}

const READERS: Record<string, (view: DataView, offset: number) => number | bigint> = {
  F64: (view, offset) => view.getFloat64(offset, true),
  F32: (view, offset) => view.getFloat32(offset, true),
  I64: (view, offset) => view.getBigInt64(offset, true),
  U64: (view, offset) => view.getBigUint64(offset, true),
  I32: (view, offset) => view.getInt32(offset, true),
  U32: (view, offset) => view.getUint32(offset, true),
  BF16: (view, offset) => view.getUint16(offset, true),
  F16: (view, offset) => view.getUint16(offset, true),
  I16: (view, offset) => view.getInt16(offset, true),
  U16: (view, offset) => view.getUint16(offset, true),
  U8: (view, offset) => view.getUint8(offset),
  BOOL: (view, offset) => view.getUint8(offset),
  I8: (view, offset) => view.getInt8(offset),
};
const BYTES: Record<string, number> = { F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, U8: 1, BOOL: 1, I8: 1 };

describe('encodeSafetensors', () => {
  it('writes what the specification asks for', () => {
    const view = new DataView(file.buffer);
    const length = Number(view.getBigUint64(0, true));
    const text = new TextDecoder().decode(file.subarray(8, 8 + length));
    expect(text[0]).toBe('{');
    expect(text).toMatch(/\} *$/);
    expect((8 + length) % 64).toBe(0);
    const header = new Map<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>(
      Object.entries(JSON.parse(text)),
    );
    expect(header.get('__metadata__')).toEqual({ format: 'pt', note: 'é' });
    header.delete('__metadata__');
    expect([...header.keys()]).toEqual(TENSORS.map(([name]) => name));
    let end = 0;
    for (const [name, tensor] of TENSORS) {
      const { dtype, shape, data_offsets: offsets } = header.get(name)!;
      const size = BYTES[dtype] ?? 2;
      expect({ dtype, shape }).toEqual({ dtype: tensor.dtype, shape: tensor.shape });
      expect(offsets).toEqual([end, end + size * tensor.data.length]);
      expect((8 + length + end) % size).toBe(0);
      const values = Array.from({ length: tensor.data.length }, (_, i) =>
        READERS[dtype](view, 8 + length + end + i * size),
      );
      expect(values, name).toEqual(Array.from<number | bigint>(tensor.data as ArrayLike<number | bigint>));
      end = offsets[1];
    }
    expect(file.length).toBe(8 + length + end);
  });

  it('refuses an array that does not fit its dtype or shape', () => {
    const encode = (tensor: TensorData, name = 'w') => encodeSafetensors(new Map([[name, tensor]]));
    expect(() => encode({ dtype: 'F32', shape: [2], data: new Float32Array(3) })).toThrow(
      'w: expected Float32Array of [2] (F32), got Float32Array of 3',
    );
    for (const shape of [[-1, -2], [0.5, 4], [Number.NaN]]) {
      expect(() => encode({ dtype: 'F32', shape, data: new Float32Array(2) })).toThrow('got Float32Array of 2');
    }
    expect(() => encode({ dtype: 'F32', shape: [2], data: new Int32Array(2) })).toThrow('got Int32Array of 2');
    expect(() => encode({ dtype: 'F32', shape: [2], data: new Float32Array(2) }, '__metadata__')).toThrow(
      '__metadata__',
    );
  });

  it('is read by a Python parser of the specification', context => {
    const folder = mkdtempSync(join(tmpdir(), 'safetensors-'));
    const path = join(folder, 'a.safetensors');
    const script = `
import json, struct, sys, numpy
data = open(sys.argv[1], 'rb').read()
(n,) = struct.unpack('<Q', data[:8])
header = json.loads(data[8:8 + n])
kinds = {'F32': '<f4', 'F64': '<f8', 'I64': '<i8', 'I32': '<i4', 'U16': '<u2', 'I8': 'i1'}
out = {}
for name, t in header.items():
    if name != '__metadata__' and t['dtype'] in kinds:
        begin, end = t['data_offsets']
        out[name] = numpy.frombuffer(data[8 + n + begin:8 + n + end], kinds[t['dtype']]).reshape(t['shape']).tolist()
print(json.dumps(out))`;
    if (spawnSync('python3', ['-c', 'import numpy']).status !== 0) context.skip('python3 with numpy is not here');
    return writeSafetensors(path, new Map(TENSORS)).then(() => {
      const { stdout } = spawnSync('python3', ['-c', script, path], { encoding: 'utf8' });
      rmSync(folder, { recursive: true });
      const got = JSON.parse(stdout.replace('Infinity', '1e999').replace('-9223372036854775808', '"-2^63"'));
      expect(got).toEqual({
        'blocks.0.attention.query.weight': [[Math.PI], [-1e300]],
        f32: [
          [1.5, -0],
          [Infinity, Math.fround(1e-45)],
        ],
        i64: ['-2^63', 5],
        i32: [[-1, 2 ** 31 - 1, 7]],
        u16: [65535],
        i8: [-128, 127],
      });
    });
  });
});

describe('parseSafetensors', () => {
  it('gives back every dtype as it was, as views of the file', () => {
    const { tensors, metadata } = parseSafetensors(file, 'a');
    expect([...tensors]).toEqual(TENSORS);
    expect(metadata).toEqual({ format: 'pt', note: 'é' });
    expect([...tensors.values()].every(({ data }) => data.buffer === file.buffer)).toBe(true);
  });

  it('copies where the file was written without alignment, also out of a Buffer', () => {
    const header = fileOf({ w: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } });
    const odd = Buffer.alloc(header.length + 5);
    odd.set(header, 1);
    odd.writeFloatLE(2.5, odd.length - 4);
    const { tensors } = parseSafetensors(odd.subarray(1), 'a');
    expect(tensors.get('w')?.data).toEqual(Float32Array.of(2.5));
  });

  it('accepts a file without tensors', () => {
    expect(parseSafetensors(joined(encodeSafetensors(new Map())), 'a').tensors.size).toBe(0);
  });

  const w = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const bad: [string, Uint8Array, string][] = [
    ['0 bytes', new Uint8Array(0), 'expected at least 8 bytes, got 0 (truncated)'],
    ['cut header', file.subarray(0, 100), '(truncated)'],
    ['cut data', file.subarray(0, file.length - 1), 'i8: expected data up to byte'],
    ['bytes too many', fileOf({ w }, 9), 'expected 8 bytes of tensor data, got 9'],
    ['a PNG', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0), 'expected a header of at most 100000000 bytes'],
    ['no JSON', fileOf('{"w": '), 'header: expected JSON, got something else'],
    ['a list', fileOf([]), 'expected a JSON object as header'],
    ['no object', fileOf({ w: 3 }), 'w: expected { dtype, shape, data_offsets }'],
    ['strange dtype', fileOf({ w: { ...w, dtype: 'F4' } }, 8), 'w: expected a dtype of F64, F32'],
    ['dtype of Object', fileOf({ w: { ...w, dtype: 'toString' } }, 8), 'w: expected a dtype of F64, F32'],
    [
      'negative shape',
      fileOf({ w: { ...w, shape: [-2] } }, 8),
      'w: expected a shape of at most 8 whole numbers, got [-2]',
    ],
    ['wrong size', fileOf({ w: { ...w, shape: [3] } }, 8), 'w: expected 12 bytes for F32 [3], got 8'],
    ['backward offsets', fileOf({ w: { ...w, data_offsets: [8, 0] } }, 8), 'w: expected data_offsets [begin, end]'],
    ['overlap', fileOf({ w, v: { ...w, data_offsets: [4, 12] } }, 12), 'v: expected data to start at byte 8, got 4'],
    ['gap', fileOf({ w, v: { ...w, data_offsets: [12, 20] } }, 20), 'v: expected data to start at byte 8, got 12'],
    ['the same bytes twice', fileOf({ w, v: w }, 8), 'expected data to start at byte 8, got 0'],
    ['a header of 8 GiB', withLength(2n ** 33n), 'expected a header of at most 100000000 bytes, got 8589934592'],
    ['a header of 2^64 - 1 bytes', withLength(2n ** 64n - 1n), 'got 18446744073709551615'],
    ['a header that is longer than the file', withLength(9n), 'expected a header of 9 bytes, got 2 (truncated)'],
    [
      'offsets behind the end',
      fileOf({ w: { ...w, shape: [2 ** 51], data_offsets: [0, 2 ** 53 - 8] } }, 8),
      'w: expected data up to byte 9007199254740984, got 8 bytes',
    ],
    [
      'offsets that are no safe numbers',
      fileOf({ w: { ...w, data_offsets: [0, 1e300] } }, 8),
      'w: expected data_offsets',
    ],
    [
      'a shape whose product is no number',
      fileOf({ w: { ...w, shape: [2 ** 52, 2 ** 52, 2 ** 52, 2 ** 52, 2 ** 52, 2 ** 52, 2 ** 52] } }, 8),
      'w: expected 1.5030672529752533e+110 bytes for F32',
    ],
    ['a shape whose product passes 2^64', fileOf({ w: { ...w, shape: [2 ** 32, 2 ** 32, 2] } }, 8), 'w: expected 1475'],
    ['nine axes', fileOf({ w: { ...w, shape: [2, 1, 1, 1, 1, 1, 1, 1, 1] } }, 8), 'got Array of 9'],
    ['an axis of text', fileOf({ w: { ...w, shape: ['2'] } }, 8), 'w: expected a shape of at most 8 whole numbers'],
    [
      'a tensor twice',
      fileOf(`{"w":${JSON.stringify(w)},"w":${JSON.stringify(w)}}`, 8),
      'expected every name of an object once',
    ],
    [
      'a deep header',
      fileOf(`{"w":${'['.repeat(20000)}${']'.repeat(20000)}}`),
      'expected JSON of at most 64 levels, got 20001',
    ],
    ['a dtype of a megabyte', fileOf({ w: { ...w, dtype: 'F'.repeat(1 << 20) } }, 8), 'got "FFF'],
    ['a header that is no UTF-8', Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0x22, 0xff), 'expected a header in UTF-8'],
    ['bad metadata', fileOf({ __metadata__: { a: 1 } }), 'expected __metadata__ to map text to text'],
  ];
  it.each(bad)('refuses %s', (_, bytes, message) => {
    const parse = () => parseSafetensors(bytes, 'model.safetensors');
    expect(parse).toThrow(UserError);
    expect(parse).toThrow('model.safetensors: ');
    expect(parse).toThrow(message);
    expect(parse).toThrow(/^.{0,1000}$/);
  });
});

describe('a name of prototypes', () => {
  it('is the name of a tensor as any other', () => {
    const header = `{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"__metadata__":{"__proto__":"x"}}`;
    const { tensors, metadata } = parseSafetensors(fileOf(header, 1), 'a');
    expect([...tensors.keys()]).toEqual(['__proto__']);
    expect(Object.keys(metadata)).toEqual(['__proto__']);
  });
});

describe('firstNotFinite', () => {
  it.each([Number.NaN, Infinity, -Infinity])('finds %s, and nothing else', value => {
    expect(firstNotFinite(Float32Array.of(1, -3.4e38, 1e-45, -0, value, value))).toBe(4);
    expect(firstNotFinite(Float32Array.of(3.4e38, 1e-45, -0))).toBe(-1);
    expect(firstNotFinite(Float32Array.of(value, 1, 2).subarray(1))).toBe(-1);
  });
});

describe('16-bit floats', () => {
  const read = (dtype: TensorData['dtype'], data: TensorArray) =>
    toFloat32({ dtype, shape: [data.length], data } as TensorData);

  it('toBfloat16 rounds to the nearest, ties to even', () => {
    const random = Float32Array.from({ length: 2000 }, (_, i) => Math.sin((i + 1) * 12.9898) * 2 ** ((i % 60) - 30));
    const rounded = read('BF16', toBfloat16(random));
    for (let i = 0; i < random.length; i++) {
      const unit = 2 ** (Math.floor(Math.log2(Math.abs(random[i]))) - 7); // 8 bits of precision
      const x = random[i] / unit;
      const even = Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x);
      expect(rounded[i]).toBeCloseTo(even * unit, 30);
    }
    const special = Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, Infinity, -Infinity, Number.NaN, -0, 3.4e38, 1e-45);
    expect([...read('BF16', toBfloat16(special))]).toEqual([1, 1 + 2 ** -6, Infinity, -Infinity, NaN, -0, Infinity, 0]);
    const signalling = new Float32Array(Uint32Array.of(0x7f800001).buffer);
    expect(read('BF16', toBfloat16(signalling))).toEqual(Float32Array.of(Number.NaN));
  });

  it('F16 is read as IEEE 754 has it', () => {
    const bits = Uint16Array.of(0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0x3555, 0x7bff, 0x7c00, 0xfc00, 0x7e00);
    const values = [0, -0, 2 ** -24, 1023 * 2 ** -24, 2 ** -14, 1, 0.333251953125, 65504, Infinity, -Infinity, NaN];
    expect([...read('F16', bits)]).toEqual(values);
  });

  it('toFloat32 passes float32 through, and refuses integers', () => {
    const data = Float32Array.of(1, 2);
    expect(read('F32', data)).toBe(data);
    expect(read('F64', Float64Array.of(0.1))).toEqual(Float32Array.of(0.1));
    expect(() => read('I32', Int32Array.of(1))).toThrow('expected F32, F16, BF16 or F64, got I32');
    expect(() => read('U16', Uint16Array.of(1))).toThrow('got U16');
  });
});
