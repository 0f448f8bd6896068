/** @file Batches depend on the seed and the cursor alone; bad images are skipped and named. */

import { describe, expect, test } from 'vitest';
import type { Item } from '../../data/index.ts';
import { type Batch, decodeAll, Loader } from '../../data/loader.ts';
import { UserError } from '../../src/core/errors.ts';
import { plain } from './files.ts';

/** Items 0..n-1, each of its own grey; those in `bad` cannot be decoded. */
async function greys(n: number, bad: readonly number[] = []): Promise<Item[]> {
  return await Promise.all(
    Array.from({ length: n }, async (_, i) => {
      const bytes = bad.includes(i) ? Buffer.from('no image') : await plain(`rgb(${10 * i},${10 * i},${10 * i})`);
      // Decoding takes differently long, so that order cannot come from timing.
      const read = async (): Promise<Uint8Array> => {
        await new Promise(resolve => setTimeout(resolve, (i * 7) % 5));
        return bytes;
      };
      return { id: `${i}.png`, captions: [`${i} a`, `${i} b`], read };
    }),
  );
}

const options = { size: 8, batchSize: 4, seed: 5, crop: { pad: true } } as const;

async function take(loader: Loader, n: number): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (let i = 0; i < n; i++) batches.push(await loader.next());
  return batches;
}

describe('the loader', () => {
  test('shows each item once an epoch, with its own picture and one of its captions', async () => {
    const items = await greys(10);
    const batches = await take(new Loader(items, { ...options, crop: 'center' }), 5);
    const order = batches.flatMap(({ indices }) => [...indices]);
    expect(order.slice(0, 10).toSorted((a, b) => a - b)).toEqual([...items.keys()]);
    expect(order.slice(10).toSorted((a, b) => a - b)).toEqual([...items.keys()]);
    expect(order.slice(0, 10)).not.toEqual(order.slice(10));
    expect(batches.map(({ epoch }) => epoch)).toEqual([0, 0, 1, 1, 1]);
    for (const { images, captions, indices } of batches) {
      for (const [b, index] of indices.entries()) {
        expect(images.at(b).data[0]).toBe(10 * index);
        expect(items[index].captions).toContain(captions[b]);
      }
    }
    expect(new Set(batches.flatMap(({ captions }) => captions.map(caption => caption.slice(-1))))).toEqual(
      new Set(['a', 'b']),
    );
  });

  test('same seed, same batches, however much is prefetched; another seed, others', async () => {
    const items = await greys(10);
    const first = await take(new Loader(items, options), 6);
    expect(await take(new Loader(items, { ...options, prefetch: 0 }), 6)).toEqual(first);
    expect(await take(new Loader(items, { ...options, seed: 6 }), 6)).not.toEqual(first);
  });

  test('resumes in the middle of an epoch with equal batches, bad images among them', async () => {
    const items = await greys(11, [3, 8]);
    const whole = new Loader(items, options);
    const all = await take(whole, 8);
    const begun = new Loader(items, options);
    await take(begun, 3);
    const cursor = JSON.parse(JSON.stringify(begun.state()));
    expect(cursor.position).toBeGreaterThan(0);
    expect(await take(new Loader(items, { ...options, cursor }), 5)).toEqual(all.slice(3));
    expect(whole.problems.map(({ id }) => id).toSorted()).toEqual(['3.png', '8.png']);
    expect(all.flatMap(({ indices }) => [...indices])).not.toContain(3);
  });

  test('stops when nothing can be decoded', async () => {
    await expect(new Loader(await greys(3, [0, 1, 2]), options).next()).rejects.toThrow(
      /none of 3 images can be decoded/,
    );
    expect(() => new Loader([], options)).toThrow(UserError);
  });
});

describe('decoding everything', () => {
  test('keeps the crops of an item together, closes gaps, and does not depend on concurrency or other items', async () => {
    const items = await greys(6, [2]);
    const progress: number[] = [];
    const all = await decodeAll(items, {
      size: 8,
      crops: 3,
      seed: 1,
      crop: { pad: true },
      onProgress: done => progress.push(done),
    });
    expect([...all.indices]).toEqual([0, 1, 3, 4, 5]);
    expect(all.images).toMatchObject({ count: 5 * 3, width: 8, height: 8 });
    expect(all.problems.map(({ id }) => id)).toEqual(['2.png']);
    expect(progress).toEqual([1, 2, 3, 4, 5, 6]);
    for (const [n, index] of all.indices.entries()) expect(all.images.at(n * 3).data[0]).toBe(10 * index);
    const some = await decodeAll(items.slice(4), { size: 8, crops: 3, seed: 1, crop: { pad: true }, concurrency: 1 });
    expect(some.images).toEqual(all.images.slice(3 * 3));
    await expect(decodeAll(items, { size: 8192, crops: 8 })).rejects.toThrow(/GiB, more than 4/);
  });

  test('a piece without a single good image is empty, with its problems', async () => {
    const { images, indices, problems } = await decodeAll(await greys(3, [0, 1, 2]), { size: 8, crops: 2 });
    expect([images.count, indices.length]).toEqual([0, 0]);
    expect(problems.map(({ id }) => id)).toEqual(['0.png', '1.png', '2.png']);
  });
});
