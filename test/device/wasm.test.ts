/**
 * @file The kernels in WebAssembly, beside what every build must do: their memory grows under the tensors in it, says when
 * it is full, and takes in what lies elsewhere; and their threads change no bit.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { declaredCalls } from '../../src/device/native/calls.ts';
import { loadWasm } from '../../src/device/native/load.ts';
import { NativeBackend } from '../../src/device/native/native.ts';
import { openWasm } from '../../src/device/native/wasm-addon.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { linear } from '../../src/kernels/linear/linear.ts';
import { expectAllclose, noKernels, normal, useNative } from '../support.ts';

const MIB = 2 ** 20;
const missing = noKernels.wasm;

/** Kernels of their own, with so much memory. */
async function open(mostMemory: number, threads = 1) {
  const loaded = await loadWasm({ mostMemory, threads });
  if ('reason' in loaded) throw new Error(loaded.reason);
  return { backend: new NativeBackend(loaded), addon: loaded.addon };
}

/** The numbers of `linear` for 640 x 64 times 64 x 64. */
const product640 = Object.keys(declaredCalls().get('linear')?.numbers ?? {}).map(
  name => ({ M: 640, N: 64, K: 64 })[name] ?? 0,
);

/** As many tensors of so many bytes as there is room for. @returns their data */
function fill(backend: NativeBackend, bytes: number): object[] {
  const made: object[] = [];
  for (;;) {
    try {
      made.push(backend.output([bytes / 4]).dataId);
    } catch {
      return made;
    }
  }
}

/** Until those have heard of it who wait for what was lost. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let turn = 0; turn < 4; turn++) {
    collect();
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

test('what is no WebAssembly, or another, is refused in a line', async () => {
  await expect(openWasm(Uint8Array.of(1, 2, 3))).rejects.toThrow(UserError);
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  await expect(openWasm(empty)).rejects.toThrow('wasm: it has other functions');
});

describe.skipIf(missing !== undefined)(`wasm${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  test('tensors keep their values and their views while the memory grows, as often as it does', async () => {
    const { backend } = await open(64);
    const held: { readonly id: object; readonly view: Float32Array; readonly first: number }[] = [];
    const take = (length: number) => {
      const info = backend.output([length]);
      const view = backend.values(info) as Float32Array;
      view.fill(held.length + 1);
      held.push({ id: info.dataId, view, first: held.length + 1 });
    };
    const buffers = new Set<ArrayBufferLike>();
    for (let i = 0; i < 24; i++) {
      take(MIB / 4); // 1 MiB, and so a larger memory nearly every time
      buffers.add(held[i].view.buffer);
    }
    expect(buffers.size).toBeGreaterThan(12);
    for (const { id, view, first } of held) {
      expect(view.every(x => x === first)).toBe(true);
      const values = backend.values({ dataId: id, shape: [view.length], dtype: 'float32' });
      expect(values).toBe(view);
    }
    const [first, last] = [held[0], held[23]];
    const sum = new Float64Array(1);
    backend.callPacked('squaredNorm', [sum, first.view, last.view], [first.view.length, last.view.length]);
    expect(sum[0]).toBe((MIB / 4) * (1 + 24 ** 2));
  });

  test('a full memory is an error that says so, after which everything goes on', async () => {
    for (const threads of [1, 2]) {
      const { backend } = await open(24, threads);
      expect(() => backend.output([16 * MIB])).toThrow(
        /^memory: WebAssembly has no room for 64 MiB beside the \d+ MiB in use$/,
      );
      const arrays = [64 * 640, 64 * 64, 64 * 640].map(length => backend.output([length]));
      const [x, w, y] = arrays.map(info => backend.values(info) as Float32Array);
      x.fill(2);
      w.fill(3);
      const others: object[] = [];
      for (const bytes of [MIB, 1 << 16, 1 << 12]) others.push(...fill(backend, bytes));
      const product = () => backend.callPacked('linear', [x, w, null, null, y, null], product640);
      expect(product).toThrow(/^memory: WebAssembly has no room for more beside/); // what it packs its operands in
      for (const dataId of others) backend.disposeData(dataId);
      backend.trim();
      product();
      expect(new Set(y)).toEqual(new Set([64 * 6]));
      for (const { dataId } of arrays) backend.disposeData(dataId);
      expect(backend.memoryUse().used).toBe(0);
      backend.setThreads(1);
    }
  });

  test('memory that is given back serves other sizes', async () => {
    const { backend } = await open(24);
    for (const size of [1, 2, 3, 5, 7, 11, 13]) {
      const { dataId } = backend.output([size * (MIB / 4)]);
      backend.disposeData(dataId);
    }
    expect(backend.memoryPool.statistics().held).toBeLessThan(24 * MIB);
  });

  test('a call reads arrays that lie elsewhere, and writes those alone that its kernel writes', async () => {
    const { backend } = await open(64);
    const [x, sum] = [Float32Array.of(1, 2, 3), Float64Array.of(-1)];
    backend.callPacked('squaredNorm', [sum, x, x], [3, 2]);
    expect([...x, sum[0]]).toEqual([1, 2, 3, 14 + 5]);
    // An array of a kernel's own memory and one of JavaScript's in one call.
    const info = backend.output([3]);
    (backend.values(info) as Float32Array).set([4, 5, 6]);
    backend.callPacked('squaredNorm', [sum, backend.values(info), x], [3, 3]);
    expect(sum[0]).toBe(16 + 25 + 36 + 14);
  });

  test('a tensor that tfjs has made moves when a kernel first reads it, and its reader gets a copy', async () => {
    const backend = await useNative('wasm');
    const given = Float32Array.of(1, 2, 3, 4);
    const x = tf.tensor2d(given, [2, 2]);
    expect(backend.memoryPool.owns(backend.readSync(x.dataId) as Float32Array)).toBe(false);
    const y = linear(x, x);
    expect([...(await y.data())]).toEqual([5, 11, 11, 25]);
    expect(backend.memoryPool.owns(backend.values(x))).toBe(true);
    const read = await x.data();
    read[0] = 99;
    expect([...(await x.data())]).toEqual([1, 2, 3, 4]);
    expect([...given]).toEqual([1, 2, 3, 4]);
    expect(read.buffer).toBeInstanceOf(ArrayBuffer); // not shared, which much of a browser does not take
    tf.dispose([x, y]);
  });

  test('an array that stays has one copy in memory', async () => {
    const { backend } = await open(64);
    const table = Uint8Array.of(1, 0, 1);
    const copy = backend.resident(table);
    expect([...copy]).toEqual([1, 0, 1]);
    expect(backend.resident(table)).toBe(copy);
    expect(backend.resident(copy)).toBe(copy);
  });

  test('the copy lasts as long as whoever holds it, and is given up then', async () => {
    const { backend } = await open(64);
    let copy: Uint8Array | undefined = backend.resident(new Uint8Array(4096).fill(7)); // nobody holds what was copied
    await collectGarbage();
    const other = backend.values(backend.output([1024]));
    expect(other.byteOffset).not.toBe(copy.byteOffset);
    other.fill(9);
    expect(copy.every(x => x === 7)).toBe(true);
    const { used } = backend.memoryPool.statistics();
    copy = undefined;
    await collectGarbage();
    expect(backend.memoryPool.statistics().used).toBe(used - 4096);
  });

  describe('threads', () => {
    /** A value and its gradients, of products large enough for several threads. */
    async function results(): Promise<number[][]> {
      const inputs = [normal([300, 96], 1), normal([160, 96], 2)];
      const { loss, gradients } = valueAndGradients(
        () => ({ loss: tf.sum(tf.square(linear(inputs[0], inputs[1], { activation: 'gelu' }))) }),
        inputs,
      );
      const tensors = [loss, ...(gradients as tf.Tensor[])];
      const values = await Promise.all(tensors.map(async t => [...(await t.data())]));
      tf.dispose([...inputs, ...tensors]);
      return values;
    }

    let alone: number[][];
    beforeAll(async () => {
      (await useNative('wasm')).setThreads(1);
      alone = await results();
    });

    test('change no bit, however many there are', async () => {
      const backend = await useNative('wasm');
      for (const threads of [2, 4, 3]) {
        backend.setThreads(threads);
        expect(backend.threads).toBe(threads);
        for (let i = 0; i < 3; i++) expect(await results()).toEqual(alone);
      }
      backend.setThreads(1);
    });

    test('take part, and leave when there are to be fewer', async () => {
      const { backend, addon } = await open(64, 2);
      const [x, w] = [new Float32Array(64 * 640).fill(2), new Float32Array(64 * 64).fill(3)];
      const multiply = () => {
        const y = new Float32Array(64 * 640);
        backend.callPacked('linear', [x, w, null, null, y, null], product640);
        return y[64 * 639];
      };
      // They come when they come: a thread of Node takes tens of milliseconds to start.
      while (addon.timesHelped() === 0) expect(multiply()).toBe(64 * 6);
      backend.setThreads(1);
      const helped = addon.timesHelped();
      multiply();
      expect(addon.timesHelped()).toBe(helped);
    });

    test('equal the cpu backend', async () => {
      await selectBackend('cpu');
      (await results()).forEach((values, i) => {
        expectAllclose(alone[i], values, { relative: 1e-4, absolute: 1e-2 });
      });
    });
  });
});
