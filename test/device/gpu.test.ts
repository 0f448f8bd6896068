/**
 * @file The GPU backend around its kernels: memory that is used again and let go of, what goes wrong told in one line, and
 * tfjs's own kernels on tensors that have nothing in them.
 */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { BufferPool } from '../../src/device/webgpu/buffers.ts';
import { openDevice, withNavigator } from '../../src/device/webgpu/dawn.ts';
import { f32, write } from '../../src/device/webgpu/program.ts';
import { activeGpu, GpuBackend } from '../../src/device/webgpu/webgpu.ts';
import { definedKernels } from '../../src/kernels/registry.ts';
import { normal, noWebgpu } from '../support.ts';

const missing = noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`;

/** A pool over buffers that are only numbers; memory for `capacity` bytes. */
function fakePool({ capacity = Number.POSITIVE_INFINITY, age = 100 } = {}) {
  const alive = new Set<object>();
  const log: string[] = [];
  let full = false;
  const bytes = () => [...alive].reduce<number>((sum, b) => sum + (b as GPUBuffer).size, 0);
  const device = {
    createBuffer: ({ size, usage }: GPUBufferDescriptor) => {
      log.push(`create ${size}`);
      const buffer = { size, usage, destroy: () => void (alive.delete(buffer) && log.push(`destroy ${size}`)) };
      full = bytes() + size > capacity;
      if (!full) alive.add(buffer);
      return buffer as unknown as GPUBuffer;
    },
  };
  const watch = { tryMemory: <T>(make: () => T) => ({ made: make(), enough: !full }) };
  return { pool: new BufferPool(device, { watch, flush: () => log.push('flush'), age }), log, bytes };
}

describe('the pool of buffers', () => {
  test('gives a buffer to the next tensor of its size and use', () => {
    const { pool, log } = fakePool();
    const first = pool.acquireBuffer(64, 1);
    pool.releaseBuffer(first);
    expect(pool.acquireBuffer(32, 1)).not.toBe(first);
    expect(pool.acquireBuffer(64, 2)).not.toBe(first);
    expect(pool.acquireBuffer(64, 1, false, false)).not.toBe(first);
    expect(pool.acquireBuffer(64, 1)).toBe(first);
    expect(log.filter(line => line === 'create 64')).toHaveLength(3);
    expect(pool.numBytesUsed).toBe(3 * 64 + 32);
  });

  test('a buffer that is not to be used again is destroyed, and none is given back twice', () => {
    const { pool, bytes } = fakePool();
    const buffer = pool.acquireBuffer(64, 1);
    pool.releaseBuffer(buffer, false);
    expect([bytes(), pool.numBytesAllocated, pool.peakBytes]).toEqual([0, 0, 64]);
    expect(() => pool.releaseBuffer(buffer)).toThrow('given back twice');
  });

  test('sizes that change from step to step do not fill the GPU', () => {
    const { pool, log } = fakePool({ age: 100 });
    const steady = pool.acquireBuffer(10, 1);
    for (let step = 0; step < 1000; step++) {
      const odd = pool.acquireBuffer(1000 + step, 1);
      for (let i = 0; i < 3; i++) pool.releaseBuffer(pool.acquireBuffer(20, 1));
      pool.releaseBuffer(odd);
    }
    expect(pool.peakBytes).toBeLessThan(50 * 2000);
    expect(log.filter(line => line === 'create 20')).toHaveLength(1); // what every step needs stays
    expect(log.indexOf('flush')).toBeLessThan(log.findIndex(line => line.startsWith('destroy')));
    pool.releaseBuffer(steady);
  });

  test('before it gives up it lets go of what nobody uses', () => {
    const { pool, bytes } = fakePool({ capacity: 100 });
    pool.releaseBuffer(pool.acquireBuffer(60, 1));
    pool.acquireBuffer(80, 1);
    expect([bytes(), pool.numBytesAllocated]).toEqual([80, 80]);
  });
});

describe.skipIf(noWebgpu !== undefined)(`the GPU${missing}`, () => {
  beforeAll(async () => {
    await selectBackend('webgpu', { precision: 'fp32' });
  });

  const gpu = () => activeGpu() as GpuBackend;

  /** A backend on a device of its own, which a test may break, as the active one. */
  async function withOwnDevice(body: (backend: GpuBackend, lose: (message: string) => void) => Promise<void>) {
    const opened = await openDevice();
    let lose: (message: string) => void = () => {};
    // A driver that resets its GPU cannot be had here: everything fails as after `destroy`, and another reason is given.
    const lost = new Promise<{ reason: string; message: string }>(resolve => {
      lose = message => {
        opened.device.destroy();
        resolve({ reason: 'unknown', message });
      };
    });
    Object.defineProperty(opened.device, 'lost', { value: lost });
    const backend = await withNavigator(() => new GpuBackend(opened));
    tf.registerBackend('breakable', () => backend);
    tf.copyRegisteredKernels('webgpu', 'breakable');
    // Ours know the backend that they were registered for.
    for (const name of definedKernels().keys()) {
      if (tf.getKernel(name, 'breakable')) tf.unregisterKernel(name, 'breakable');
    }
    try {
      await tf.setBackend('breakable');
      await body(backend, lose);
    } finally {
      await tf.setBackend('webgpu');
      tf.removeBackend('breakable');
      for (const { kernelName } of tf.getKernelsForBackend('breakable')) tf.unregisterKernel(kernelName, 'breakable');
    }
  }

  const refusal = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  };

  test('nothing but an empty tensor comes of kernels of tfjs that are given one', async () => {
    const empty = tf.tensor2d([], [0, 3]);
    const x = normal([2, 3], 1);
    const values = async (t: tf.Tensor) => [t.shape, [...(await t.data())]];
    expect(await values(tf.add(empty, 1))).toEqual([[0, 3], []]);
    expect(await values(tf.concat([empty, x]))).toEqual([[2, 3], [...(await x.data())]]);
    expect(await values(tf.matMul(tf.zeros([2, 0]), empty))).toEqual([
      [2, 3],
      [0, 0, 0, 0, 0, 0],
    ]);
    expect(await values(tf.gather(x, tf.tensor1d([], 'int32')))).toEqual([[0, 3], []]);
    expect(await values(tf.slice(x, [1, 0], [0, 3]))).toEqual([[0, 3], []]);
    const made = gpu().output([0, 5], 'int32');
    expect(await gpu().read(made.dataId)).toEqual(new Int32Array(0));
    await gpu().finish();
  });

  test('integers and truth values are read as such', async () => {
    const ints = tf.add(tf.tensor1d([1, -2, 3], 'int32'), tf.scalar(1, 'int32'));
    expect(await ints.data()).toEqual(Int32Array.of(2, -1, 4));
    expect(await tf.greater(ints, tf.scalar(0, 'int32')).data()).toEqual(Uint8Array.of(1, 0, 1));
    const made = gpu().output([3], 'int32');
    gpu().dispatch({
      name: 'iota',
      bindings: [write('y', made)],
      uniforms: { first: f32(2.5) },
      groups: 1,
      body: () => 'if (lane < 3u) { y[lane] = i32(lane) - i32(u.first); }',
    });
    expect(await gpu().read(made.dataId)).toEqual(Int32Array.of(-2, -1, 0));
  });

  test('numbers reach their kernels across submissions, while memory is let go of in between', async () => {
    const made = Array.from({ length: 300 }, () => gpu().output([1]));
    made.forEach((y, i) => {
      if (i % 70 === 69) gpu().trim();
      gpu().dispatch({
        name: 'number',
        bindings: [write('y', y)],
        uniforms: { value: f32(i) },
        size: 1,
        groups: 1,
        body: () => 'y[0] = u.value;',
      });
    });
    const values = await Promise.all(made.map(async ({ dataId }) => (await gpu().read(dataId))[0]));
    expect(values).toEqual(made.map((_, i) => i));
    for (const { dataId } of made) gpu().disposeData(dataId);
  });

  test('a loop that disposes what it makes takes no more memory', async () => {
    const x = normal([64, 64], 1);
    const round = () => tf.tidy(() => void tf.mul(tf.add(x, x), x));
    for (let i = 0; i < 200; i++) round(); // tfjs's own numbers are used again after a submission
    const { numBytesAllocatedInGPU: before } = gpu().memory();
    for (let i = 0; i < 200; i++) round();
    expect(gpu().memory().numBytesAllocatedInGPU).toBe(before);
    await gpu().finish();
    gpu().trim();
    expect(gpu().memory().numBytesAllocatedInGPU).toBe(gpu().memory().numBytesInGPU);
    const y = tf.add(x, x);
    expect(await y.data()).toEqual((await x.data()).map(value => 2 * value));
    tf.dispose([x, y]);
  });

  test('more numbers than a kernel is given room for are refused', () => {
    const uniforms = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`n${i}`, i]));
    const program = { name: 'many', bindings: [write('y', gpu().output([1]))], uniforms, groups: 1, body: () => '' };
    expect(() => gpu().dispatch(program)).toThrow('many: too many numbers');
  });

  test('a tensor that no kernel can bind is refused with its size, and the work can go on', async () => {
    const side = Math.ceil(gpu().largestTensor / 4096) + 1;
    const huge = gpu().output([side, 1024]);
    const program = { name: 'huge', bindings: [write('y', huge)], groups: 1, body: () => '' };
    expect(() => gpu().dispatch(program)).toThrow(
      /^webgpu: a tensor of \[\d+, 1024\] has [\d,]+ MiB, of which this GPU/,
    );
    expect(await tf.add(1, 2).data()).toEqual(Float32Array.of(3));
  });

  test('a kernel that does not compile is one line, once', async () => {
    const y = gpu().output([1]);
    gpu().dispatch({ name: 'broken', bindings: [write('y', y)], groups: 1, body: () => 'y[0] = nonsense;' });
    const { message, hint } = await refusal(gpu().finish());
    expect(message).toMatch(/^webgpu: .*nonsense/);
    expect(message).not.toContain('\n');
    expect(hint).toContain('--backend native');
    await gpu().finish();
  });

  test('out of memory is told where a result is waited for, and says what to do', async () => {
    await withOwnDevice(async backend => {
      const x = tf.add(normal([4], 1), 1);
      // Drivers tell of it in the same way when all that there is is taken.
      const refuse = backend.device.createBuffer.bind(backend.device);
      vi.spyOn(backend.device, 'createBuffer').mockImplementation(descriptor => {
        const event = new Event('uncapturederror', { cancelable: true });
        const error = Object.create(GPUOutOfMemoryError.prototype) as GPUOutOfMemoryError;
        backend.device.dispatchEvent(Object.assign(event, { error }));
        return refuse(descriptor);
      });
      const y = tf.concat([x, x]);
      const { message, hint } = await refusal(y.data());
      expect(message).toMatch(/^webgpu: the GPU is out of memory \([\d,]+ MiB were in use\)$/);
      expect(hint).toMatch(/smaller --batch-size.*saved last is whole/);
      await refusal(backend.finish()); // it stays so
    });
  });

  test('a lost GPU is told, at whatever is waited for', async () => {
    await withOwnDevice(async (backend, lose) => {
      const x = normal([8, 8], 1);
      const pending = refusal(tf.add(x, x).data());
      lose('VK_ERROR_DEVICE_LOST\n   at somewhere');
      expect((await pending).message).toBe(`webgpu: lost ${backend.summary.name} (VK_ERROR_DEVICE_LOST)`);
      for (const work of [() => tf.add(x, x).data(), () => tf.add(x, 1).data(), () => backend.finish()]) {
        expect((await refusal(work())).hint).toContain('the same command goes on from it');
      }
    });
  });
});
