/** @file Codes on disk: what was written comes back, as views of one allocation, and only for the tokenizer that made it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { type CodeSet, readCodedItems, readCodes, writeCodes } from '../../src/io/codes.ts';
import { fingerprintOf } from '../../src/io/datarecord.ts';
import { readSafetensors, writeSafetensors } from '../../src/io/files.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'codes-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const made = { tokenizer: 'abc' };
const expected = ({ crops, length }: Pick<CodeSet, 'crops' | 'length'>, codebook = 65536) => ({
  ...made,
  codebook,
  crops,
  length,
});

function someCodes(): CodeSet {
  const random = new Random(1);
  const ids = ['noto/grinning face', 'with "quotes"\nand lines', 'ärger/猫 🐈', ''];
  return {
    ids,
    crops: 3,
    length: 16,
    codes: Uint16Array.from({ length: ids.length * 3 * 16 }, (_, i) => (i < 2 ? 65535 * i : random.integer(65536))),
  };
}

test('ids, shape and codes come back as they were', async () => {
  const path = join(folder, 'a.safetensors');
  const set = someCodes();
  await writeCodes(path, set, made);
  expect((await readCodes(path, expected(set))).set).toEqual(set);
});

test('the codes are a view of the file, not a copy, and lie as any reader of safetensors finds them', async () => {
  const path = join(folder, 'b.safetensors');
  const set = someCodes();
  await writeCodes(path, set, made);
  const { codes } = (await readCodes(path, expected(set))).set;
  expect(codes.buffer.byteLength).toBeGreaterThan(codes.byteLength);
  const { tensors } = await readSafetensors(path);
  expect(tensors.get('codes')).toMatchObject({ dtype: 'U16', shape: [4, 3, 16] });
});

test('an empty set is a set', async () => {
  const path = join(folder, 'empty.safetensors');
  const set: CodeSet = { ids: [], crops: 4, length: 9, codes: new Uint16Array() };
  await writeCodes(path, set, made);
  expect((await readCodes(path, expected(set))).set).toEqual(set);
});

test('another tokenizer, other content and a missing file are refused with the file and the mend', async () => {
  const path = join(folder, 'c.safetensors');
  await writeCodes(path, someCodes(), made);
  const refusal = async (name: string, tokenizer = 'abc') => {
    const error = await readCodes(join(folder, name), { ...expected(someCodes()), tokenizer }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  };
  const other = await refusal('c.safetensors', 'abd');
  expect(other.message).toBe(`${path}: was made by another patch tokenizer`);
  expect(other.hint).toContain(path);

  await writeSafetensors(
    join(folder, 'd.safetensors'),
    new Map([['codes', { dtype: 'I32', shape: [1, 1, 1], data: Int32Array.of(1) }]]),
    { tokenizer: 'abc' },
  );
  expect((await refusal('d.safetensors')).message).toContain('expected 16-bit codes');
  await writeSafetensors(join(folder, 'e.safetensors'), new Map(), { tokenizer: 'abc' });
  expect((await refusal('e.safetensors')).message).toContain('expected 16-bit codes');
  await writeFile(join(folder, 'f.safetensors'), 'nonsense');
  expect((await refusal('f.safetensors')).message).toContain('f.safetensors');
  expect((await refusal('nowhere.safetensors')).message).toContain('expected a file, got none');
});

test('numbers that do not belong together are neither written nor read', async () => {
  const path = join(folder, 'g.safetensors');
  const set = someCodes();
  for (const wrong of [{ crops: 2 }, { crops: 0 }, { length: 0 }, { length: 15.5 }, { ids: ['one'] }]) {
    await expect(writeCodes(path, { ...set, ...wrong }, made)).rejects.toThrow(RangeError);
  }
  const write = (shape: number[], metadata: Record<string, string>, dtype: 'U16' | 'BF16' = 'U16') => {
    const data = new Uint16Array(shape.reduce((a, b) => a * b, 1));
    return writeSafetensors(path, new Map([['codes', { dtype, shape, data }]]), { tokenizer: 'abc', ...metadata });
  };
  const ids = JSON.stringify(['a', 'b']);
  const wanted = expected({ crops: 1, length: 4 });
  await write([2, 1, 4], { ids });
  expect((await readCodes(path, wanted)).set.ids).toEqual(['a', 'b']);
  for (const [shape, metadata, what] of [
    [[3, 1, 4], { ids }, 'expected the ids of 3 items, got 2'],
    [[2, 1, 4], {}, 'expected the ids of 2 items, got something else'],
    [[2, 1, 4], { ids: '["a"' }, 'got something else'],
    [[2, 1, 4], { ids: '["a", 7]' }, 'got something else'],
    [[2, 1, 4], { ids: '["a", "a"]' }, 'of 2 items, got something else'],
    [[2, 0, 4], { ids }, 'expected 1 crops of 4 codes of every item, got 0 of 4'],
    [[2, 4, 0], { ids }, 'got 4 of 0'],
    [[2, 2, 4], { ids }, 'got 2 of 4'],
    [[2, 1, 4], { ids, images: 'AAAA' }, 'expected fingerprints of 2 images'],
    [[2, 1, 4], { ids, images: Buffer.alloc(16, 1).toString('base64') }, 'expected fingerprints of 2 images'],
    [[2, 1, 4], { ids, images: Buffer.alloc(33, 1).toString('base64') }, 'expected fingerprints of 2 images'],
    [[2, 1, 4], { ids, images: Buffer.alloc(32, 0).toString('base64') }, 'expected fingerprints of 2 images'],
    [[2, 1, 4], { ids, skipped: '[["c"]]' }, 'expected ids and fingerprints of skipped images'],
    [[2, 1, 4], { ids, skipped: '{' }, 'expected ids and fingerprints of skipped images'],
  ] as const) {
    await write([...shape], metadata);
    await expect(readCodes(path, wanted), what).rejects.toThrow(what);
  }
  await write([2, 1, 4], { ids }, 'BF16'); // the same array, another meaning
  await expect(readCodes(path, wanted)).rejects.toThrow('expected 16-bit codes');
});

test('a code that the codebook does not have is not handed on', async () => {
  const path = join(folder, 'h.safetensors');
  await writeCodes(path, { ids: ['a', 'b'], crops: 1, length: 2, codes: Uint16Array.of(0, 1, 62, 63) }, made);
  const wanted = { crops: 1, length: 2 };
  expect([...(await readCodes(path, expected(wanted, 64))).set.codes]).toEqual([0, 1, 62, 63]);
  await expect(readCodes(path, expected(wanted, 63))).rejects.toThrow('expected codes from 0 to 62, got 63');
});

test('codes say which image they are of, and which images have none', async () => {
  const path = join(folder, 'i.safetensors');
  const images = ['red', 'blue'].map(fingerprintOf);
  const skipped = new Map([['c', fingerprintOf('green')]]);
  const set: CodeSet = { ids: ['a', 'b'], crops: 1, length: 1, codes: Uint16Array.of(5, 6) };
  await writeCodes(path, set, { ...made, images, skipped });
  expect(await readCodes(path, expected(set))).toEqual({ set, images, skipped });
  expect(await readCodedItems(path)).toEqual(['a', 'b'].map((id, i) => ({ id, image: images[i] })));
  await writeCodes(path, set, made);
  expect(await readCodedItems(path)).toEqual([{ id: 'a' }, { id: 'b' }]);
  await expect(writeCodes(path, set, { ...made, images: images.slice(1) })).rejects.toThrow(RangeError);
});
