/** @file The memory pool: blocks come back only when nothing refers to them, and nobody outside holds pooled memory. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { selectBackend } from '../../src/device/backends.ts';
import { MemoryPool, sizeClass } from '../../src/device/native/pool.ts';
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

describe('MemoryPool', () => {
  test('hands a block out again only after its last reference', () => {
    let made = 0;
    const pool = new MemoryPool(bytes => {
      made++;
      return new ArrayBuffer(bytes);
    });
    const a = pool.take(10_000);
    pool.retain(a);
    pool.retain(a); // a view
    pool.release(a);
    const b = pool.take(10_000);
    pool.retain(b);
    expect(b).not.toBe(a);
    pool.release(a);
    const c = pool.take(9_999);
    expect(c).toBe(a);
    expect(made).toBe(2);
  });

  test('ignores buffers of other origin and lets go of unused blocks', () => {
    const pool = new MemoryPool(bytes => new ArrayBuffer(bytes));
    const stranger = new ArrayBuffer(8);
    pool.retain(stranger);
    pool.release(stranger);
    expect(pool.owns(stranger)).toBe(false);
    const own = pool.take(1);
    pool.retain(own);
    expect(pool.statistics()).toEqual({ used: 4096, held: 4096, peak: 4096 });
    pool.release(own);
    pool.trim();
    expect(pool.statistics()).toEqual({ used: 0, held: 0, peak: 4096 });
    expect(pool.take(1)).not.toBe(own);
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
