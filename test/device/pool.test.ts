/** @file The memory pool: blocks come back only when nothing refers to them, and nobody outside holds pooled memory. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { BlocksByAddress, BlocksByBuffer, MemoryPool, sizeClass } from '../../src/device/native/pool.ts';
import { linear } from '../../src/kernels/linear/linear.ts';
import { normal, useNative } from '../support.ts';

describe('sizeClass', () => {
  test('wastes at most a quarter and never shrinks', () => {
    let before = 0;
    for (let bytes = 1; bytes < 1 << 24; bytes = Math.ceil(bytes * 1.07) + 1) {
      const size = sizeClass(bytes);
      expect(size).toBeGreaterThanOrEqual(Math.max(bytes, before));
      expect(size).toBeLessThanOrEqual(Math.max(4096, bytes * 1.25));
      expect(sizeClass(size)).toBe(size);
      before = size;
    }
  });
});

/** Blocks of one memory of `room` bytes, handed out from its beginning, in the order in which they are given back. */
function oneMemory(room: number) {
  const buffer = new ArrayBuffer(room);
  const given: Uint8Array[] = [];
  let next = 0;
  return {
    given,
    allocate: (bytes: number) => {
      if (next + bytes > room) throw new UserError('memory', 'full');
      next += bytes;
      return new Uint8Array(buffer, next - bytes, bytes);
    },
    free: (memory: Uint8Array) => {
      given.push(memory);
      if (memory.byteOffset + memory.byteLength === next) next = memory.byteOffset;
    },
    blocks: new BlocksByAddress(other => other === buffer),
  };
}

const sources = {
  'a buffer each': () => ({ allocate: (bytes: number) => new Uint8Array(bytes), blocks: new BlocksByBuffer() }),
  'of one memory': () => oneMemory(1 << 20),
};

describe.each(Object.entries(sources))('MemoryPool, blocks %s', (_, source) => {
  test('hands a block out again only after its last reference', () => {
    const pool = new MemoryPool(source());
    const a = pool.take(10_000);
    pool.retain(a);
    pool.retain(a.subarray(77, 99)); // a view
    pool.release(a);
    const b = pool.take(10_000);
    pool.retain(b);
    expect(b).not.toBe(a);
    pool.release(a.subarray(10_000 - 1));
    expect(pool.take(9_999)).toBe(a);
    expect(pool.statistics().held).toBe(2 * sizeClass(10_000));
  });

  test('ignores buffers of other origin and lets go of unused blocks', () => {
    const pool = new MemoryPool(source());
    const stranger = new Uint8Array(8);
    pool.retain(stranger);
    pool.release(stranger);
    expect(pool.owns(stranger)).toBe(false);
    const own = pool.take(1);
    pool.retain(own);
    expect(pool.statistics()).toEqual({ used: 4096, held: 4096, peak: 4096 });
    pool.release(own);
    pool.trim();
    expect(pool.owns(own)).toBe(false);
    expect(pool.statistics()).toEqual({ used: 0, held: 0, peak: 4096 });
    expect(pool.take(1)).not.toBe(own);
  });
});

describe('MemoryPool of one memory', () => {
  test('finds the block of a view among many, and none past their ends', () => {
    const source = oneMemory(1 << 20);
    const pool = new MemoryPool(source);
    const blocks = Array.from({ length: 40 }, (_, i) => pool.take(4096 * (1 + (i % 3))));
    for (const block of blocks.filter((_, i) => i % 2 === 0)) {
      pool.retain(block);
      pool.release(block);
    }
    pool.trim();
    blocks.forEach((block, i) => {
      for (const at of [0, 1, block.byteLength - 1])
        expect([i, pool.owns(block.subarray(at))]).toEqual([i, i % 2 === 1]);
    });
    expect(source.given).toHaveLength(20);
  });

  test('gives unused blocks of other sizes back before it says that there is no memory', () => {
    const pool = new MemoryPool(oneMemory(3 * 4096));
    const [a, b] = [pool.take(4096), pool.take(8192)];
    for (const block of [a, b]) pool.retain(block);
    expect(() => pool.take(4096)).toThrow(UserError);
    pool.release(b);
    pool.retain(pool.take(4096));
    pool.retain(pool.take(4096));
    expect(() => pool.take(4096)).toThrow(UserError);
    expect(pool.statistics().used).toBe(3 * 4096);
  });
});

describe('pooled tensors', () => {
  test('what a program has read survives the tensor', async () => {
    await useNative();
    const [x, w] = [normal([40, 8], 1), normal([8, 8], 2)];
    const y = linear(x, w);
    const values = await y.data();
    const copy = values.slice();
    y.dispose();
    const other = linear(x, tf.neg(w)); // takes the block that y had
    expect(values).toEqual(copy);
    tf.dispose([x, w, other]);
  });

  test('a view keeps its block alive', async () => {
    await useNative();
    const [x, w] = [normal([40, 8], 1), normal([8, 8], 2)];
    const y = linear(x, w);
    const expected = (await y.data()).slice(80, 160);
    const part = tf.slice(y, [10, 0], [10, 8]);
    y.dispose();
    const others = [linear(x, tf.neg(w)), linear(x, tf.neg(w))];
    expect(await part.data()).toEqual(expected);
    tf.dispose([x, w, part, ...others]);
  });

  test('a loop that disposes what it makes holds a constant amount', async () => {
    const backend = await useNative();
    const [x, w] = [normal([64, 64], 1), normal([64, 64], 2)];
    const round = () => tf.tidy(() => void linear(linear(x, w), w, { activation: 'gelu' }));
    round();
    const { used, held } = backend.memoryPool.statistics();
    for (let i = 0; i < 50; i++) round();
    expect(backend.memoryPool.statistics()).toMatchObject({ used, held });
    tf.dispose([x, w]);
  });

  test("precision auto is the processor's own again after fp32", async () => {
    const backend = await useNative();
    expect(backend.precision).toBe('fp32');
    await selectBackend('auto');
    expect(backend.precision).toBe(backend.supportsBf16 ? 'bf16' : 'fp32');
    await useNative();
  });

  test('changing the number of threads changes no result', async () => {
    const backend = await useNative();
    const [x, w] = [normal([500, 64], 1), normal([96, 64], 2)];
    const results: number[][] = [];
    for (const threads of [1, 3, 64, 2]) {
      backend.setThreads(threads);
      const y = linear(x, w);
      results.push([...(await y.data())]);
      y.dispose();
    }
    for (const result of results) expect(result).toEqual(results[0]);
    tf.dispose([x, w]);
  });
});
