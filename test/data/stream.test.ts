/** @file Batches depend on the seed and the place alone, in memory as from disk; bad images are left out and named. */

import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import type { Item, Problem } from '../../data/dataset.ts';
import { decodeAll } from '../../data/decoded.ts';
import { fromDisk, fromMemory, ImageBatches } from '../../data/stream.ts';
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

/** A picture that no two crops show alike: red rises to the right, green downwards. */
async function slope(): Promise<Buffer> {
  const at = (i: number) => [10 * (Math.floor(i / 3) % 24), 10 * Math.floor(i / 3 / 24), 0][i % 3];
  const data = Uint8Array.from({ length: 24 * 24 * 3 }, (_, i) => at(i));
  return await sharp(data, { raw: { width: 24, height: 24, channels: 3 } })
    .png()
    .toBuffer();
}

const crops = { size: 8, crops: 3, seed: 1, crop: { pad: true } } as const;
const options = { batchSize: 4, seed: 5 } as const;

type Batch = Awaited<ReturnType<ImageBatches['next']>>;

async function take(stream: ImageBatches, n: number): Promise<Batch[]> {
  const batches: Batch[] = [];
  for (let i = 0; i < n; i++) batches.push(await stream.next());
  return batches;
}

/** The items of batches, as their captions name them. */
const itemsOf = (batches: readonly Batch[]) =>
  batches.flatMap(({ captions }) => captions.map(caption => Number.parseInt(caption, 10)));

describe('batches', () => {
  test('show each item once an epoch, with its own picture and one of its captions', async () => {
    const items = await greys(10);
    const batches = await take(new ImageBatches(fromDisk(items, { size: 8 }), options), 5);
    const order = itemsOf(batches);
    expect(order.slice(0, 10).toSorted((a, b) => a - b)).toEqual([...items.keys()]);
    expect(order.slice(10).toSorted((a, b) => a - b)).toEqual([...items.keys()]);
    expect(order.slice(0, 10)).not.toEqual(order.slice(10));
    for (const { images, captions } of batches) {
      for (const [b, caption] of captions.entries()) {
        const index = Number.parseInt(caption, 10);
        expect(images.at(b).data[0]).toBe(10 * index);
        expect(items[index].captions).toContain(caption);
      }
    }
    expect(new Set(batches.flatMap(({ captions }) => captions.map(caption => caption.slice(-1))))).toEqual(
      new Set(['a', 'b']),
    );
  });

  test.each([0, 0.7])('from disk are those from memory, to the bit (balance %d)', async balance => {
    const bytes = await slope();
    const items = (await greys(9)).map(({ id }, i) => ({
      id,
      captions: [`${i < 6 ? 'circle' : 'square'}, ${i} a`, `${i} b`],
      read: async () => bytes,
    }));
    const memory = new ImageBatches(fromMemory(await decodeAll(items, crops)), { ...options, balance });
    const disk = new ImageBatches(fromDisk(items, crops), { ...options, balance });
    const shown = await take(memory, 12);
    expect(await take(disk, 12)).toEqual(shown);
    expect(disk.state()).toEqual(memory.state());
    const captions = shown.flatMap(batch => batch.captions);
    const squares = captions.filter(caption => /^(square|[678])/.test(caption)).length;
    // Squares are a third of the items; of the draws 3 * 3^-balance / (6 * 6^-balance + 3 * 3^-balance).
    expect(squares / 48).toBeCloseTo(balance === 0 ? 1 / 3 : 1 / (1 + 2 ** (1 - balance)), 1);
    // The middle of all is one picture, every other crop its own.
    const pictures = new Set(shown.flatMap(({ images }) => images.pictures().map(({ data }) => String(data))));
    expect(pictures.size).toBeGreaterThan(6);
    expect(pictures.size).toBeLessThanOrEqual(1 + 9 * 2);
  });

  test('are the same from the same seed, however many are begun ahead; another seed gives others', async () => {
    const items = await greys(10, [4]);
    const first = await take(new ImageBatches(fromDisk(items, crops), options), 6);
    for (const ahead of [0, 1, 7]) {
      expect(await take(new ImageBatches(fromDisk(items, { ...crops, ahead }), options), 6)).toEqual(first);
    }
    expect(await take(new ImageBatches(fromDisk(items, crops), { ...options, seed: 6 }), 6)).not.toEqual(first);
  });

  test('go on in the middle of an epoch with equal batches, bad images among them', async () => {
    const items = await greys(11, [3, 8]);
    const problems: [string, number][] = [];
    const onProblem = ({ id }: Problem, good: number) => problems.push([id, good]);
    const all = await take(new ImageBatches(fromDisk(items, crops), { ...options, onProblem }), 8);
    expect(problems.map(([id]) => id).toSorted()).toEqual(['3.png', '8.png']);
    expect(problems.map(([, good]) => good)).toEqual([10, 9]);
    expect(itemsOf(all)).not.toContain(3);
    expect(
      itemsOf(all)
        .slice(0, 9)
        .toSorted((a, b) => a - b),
    ).toEqual([0, 1, 2, 4, 5, 6, 7, 9, 10]);
    const begun = new ImageBatches(fromDisk(items, crops), options);
    await take(begun, 3);
    const state = JSON.parse(JSON.stringify(begun.state()));
    const resumed = new ImageBatches(fromDisk(items, crops), options);
    await resumed.next(); // whatever was shown before does not matter
    resumed.restore(state);
    expect(await take(resumed, 5)).toEqual(all.slice(3));
  });

  test('refuse a state that is none, and stop when nothing can be decoded', async () => {
    const stream = new ImageBatches(fromDisk(await greys(3), crops), options);
    for (const state of [null, {}, { place: -1 }, { epoch: 0, position: 4 }, { place: '3' }]) {
      expect(() => stream.restore(state)).toThrow(UserError);
    }
    const none = new ImageBatches(fromDisk(await greys(3, [0, 1, 2]), crops), options);
    await expect(none.next()).rejects.toThrow(/none of 3 images can be decoded/);
    await expect(none.next()).rejects.toThrow(/none of 3 images can be decoded/);
    expect(() => new ImageBatches(fromDisk([], crops), options)).toThrow(UserError);
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
    expect(all.items.map(({ id }) => id)).toEqual([0, 1, 3, 4, 5].map(i => `${i}.png`));
    expect(all.images).toMatchObject({ count: 5 * 3, width: 8, height: 8 });
    expect(all.problems.map(({ id }) => id)).toEqual(['2.png']);
    expect(progress).toEqual([1, 2, 3, 4, 5, 6]);
    for (const [n, { id }] of all.items.entries()) {
      expect(all.images.at(n * 3).data[0]).toBe(10 * Number.parseInt(id, 10));
    }
    const some = await decodeAll(items.slice(4), { size: 8, crops: 3, seed: 1, crop: { pad: true }, concurrency: 1 });
    expect(some.images).toEqual(all.images.slice(3 * 3));
    await expect(decodeAll(items, { size: 8192, crops: 8 })).rejects.toThrow(/GiB, more than 4/);
  });

  test('a piece without a single good image is empty, with its problems', async () => {
    const { images, items, problems } = await decodeAll(await greys(3, [0, 1, 2]), { size: 8, crops: 2 });
    expect([images.count, items.length]).toEqual([0, 0]);
    expect(problems.map(({ id }) => id)).toEqual(['0.png', '1.png', '2.png']);
  });
});
