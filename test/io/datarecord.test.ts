/** @file What a run remembers of its data: written and read again, and nothing else taken for it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import {
  captionsFingerprint,
  fingerprintOf,
  packFingerprints,
  parseIds,
  type RecordedItem,
  readDataRecord,
  unpackFingerprints,
  writeDataRecord,
} from '../../src/io/datarecord.ts';
import { readSafetensors, writeSafetensors } from '../../src/io/files.ts';
import type { TensorData } from '../../src/io/safetensors.ts';

const folder = mkdtempSync(join(tmpdir(), 'record-'));
const path = join(folder, 'data.safetensors');
afterAll(() => rmSync(folder, { recursive: true }));

const items: readonly RecordedItem[] = ['b.png', 'ärger/猫 🐈.jpg', ''].map((id, i) => ({
  id,
  heldOut: i === 1,
  image: fingerprintOf(`picture ${i}`),
  captions: captionsFingerprint([`caption ${i}`]),
  stamp: i === 2 ? '' : fingerprintOf(`file ${i}`),
}));

test('a fingerprint is the first half of the SHA-256', () => {
  // FIPS 180-2, appendix B.1.
  expect(fingerprintOf('abc')).toBe('ba7816bf8f01cfea414140de5dae2223');
  expect(fingerprintOf(new TextEncoder().encode('abc'))).toBe(fingerprintOf('abc'));
  const texts = [fingerprintOf('a'), '', fingerprintOf('b')];
  expect(packFingerprints(texts)).toHaveLength(48);
  expect(unpackFingerprints(packFingerprints(texts))).toEqual(texts);
  expect(unpackFingerprints(new Uint8Array(47).fill(1))).toEqual([]);
});

test('captions are known by what each says and by their order', () => {
  const prints = [['a', 'b'], ['b', 'a'], ['ab'], ['a,b'], ['a"', 'b'], []].map(captionsFingerprint);
  expect(new Set(prints).size).toBe(prints.length);
  expect(captionsFingerprint(['a', 'b'])).toBe(prints[0]);
});

test('a record comes back as it was, also an empty one', async () => {
  await writeDataRecord(path, items);
  expect(await readDataRecord(path)).toEqual(items);
  await writeDataRecord(path, []);
  expect(await readDataRecord(path)).toEqual([]);
});

test('a damaged record is refused with the file and the mend', async () => {
  await writeDataRecord(path, items);
  const { tensors, metadata } = await readSafetensors(path);
  const bytes = (shape: number[], value = 0): TensorData => ({
    dtype: 'U8',
    shape,
    data: new Uint8Array(shape.reduce((a, b) => a * b, 1)).fill(value),
  });
  const damaged: (readonly [string, TensorData | undefined, string])[] = [
    ['images', undefined, 'expected images of 3 items as bytes [3, 16]'],
    ['captions', bytes([3, 15]), 'expected captions of 3 items as bytes [3, 16]'],
    ['stamps', bytes([2, 16]), 'expected stamps of 3 items as bytes [3, 16]'],
    ['heldOut', bytes([3, 1]), 'expected heldOut of 3 items as bytes [3]'],
    ['heldOut', bytes([3], 2), 'expected heldOut as 0 and 1'],
    ['images', { dtype: 'I8', shape: [3, 16], data: new Int8Array(48) }, 'expected images of 3 items'],
  ];
  for (const [name, tensor, says] of damaged) {
    const others = [...tensors].filter(([other]) => other !== name);
    const added = tensor === undefined ? [] : [[name, tensor] as const];
    await writeSafetensors(path, new Map([...others, ...added]), metadata);
    await expect(readDataRecord(path)).rejects.toMatchObject({
      message: expect.stringContaining(`${path}: ${says}`),
      hint: expect.stringContaining(`remove ${path}`),
    });
  }
  for (const ids of ['', '[', 'null', '[1,2,3]', '["a","b"]', '["a","b","a"]']) {
    await writeSafetensors(path, tensors, { ids });
    await expect(readDataRecord(path), ids).rejects.toThrow(path);
  }
});

test('ids are texts, each another', () => {
  expect(parseIds('["a","b"]')).toEqual(['a', 'b']);
  for (const text of [undefined, '', '{}', '["a","a"]', '["a",null]']) expect(parseIds(text), text).toBeUndefined();
});
