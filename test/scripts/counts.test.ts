/**
 * @file The benchmark's counts: the operations of all kernel calls of a step are those that the model is known to need, and a
 * profile adds up what an observer of the calls has seen.
 */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test } from 'vitest';
import { countWork } from '../../scripts/bench/counts.ts';
import type { Shape } from '../../scripts/bench/flags.ts';
import { createJob, createModel, type Workload } from '../../scripts/bench/jobs.ts';
import { profileTable, Recorder } from '../../scripts/bench/roofline.ts';
import { activeNative, type KernelCall } from '../../src/device/native/native.ts';
import { embedding } from '../../src/kernels/embedding/embedding.ts';
import { linear } from '../../src/kernels/linear/linear.ts';
import { muonStep, orthogonalize } from '../../src/kernels/muon/muon.ts';
import { normal, useNative } from '../support.ts';

const shape: Shape = { width: 24, layers: 2, heads: 2, captionLength: 5, grid: 3, captionVocab: 11, imageVocab: 17 };

afterEach(() => activeNative()?.observe(undefined));

/** What every kernel call of `body` was given. */
async function recordCalls(body: () => unknown): Promise<KernelCall[]> {
  const backend = await useNative();
  const calls: KernelCall[] = [];
  backend.observe((call, run) => {
    calls.push(call);
    run();
  });
  await body();
  backend.observe(undefined);
  return calls;
}

const flopsOf = (calls: readonly KernelCall[]) => calls.reduce((sum, call) => sum + countWork(call).flops, 0);

/** Floating-point operations that the kernel calls of a warm step are counted with, and what the job says. */
async function countStep(workload: Pick<Workload, 'job' | 'batch'>): Promise<{ counted: number; said?: number }> {
  await useNative();
  const job = createJob({ ...workload, shape });
  for (let i = 0; i < job.warmUp; i++) await job.step();
  return { counted: flopsOf(await recordCalls(job.step)), said: job.flops };
}

describe('the operations of a step', () => {
  test('training: as Dalle.flopsPerSequence, and the diagonal of attention, which that leaves out', async () => {
    const batch = 3;
    const { counted, said } = await countStep({ job: 'train', batch });
    const { width, layers, captionLength, grid } = shape;
    const T = captionLength + grid ** 2;
    expect(said).toBe(batch * createModel(shape).flopsPerSequence());
    // T (T + 1) / 2 pairs instead of T T / 2, each with 6 products of C multiply-adds, forward and backward.
    expect(counted - (said as number)).toBe(batch * layers * 6 * T * width);
  });

  test('painting: two for every weight that is read, and the keys and values so far', async () => {
    const batch = 2;
    const { counted } = await countStep({ job: 'sample', batch });
    const { width, layers, captionLength, imageVocab } = shape;
    const matrices = createModel(shape)
      .parameters.list()
      .filter(({ name, variable }) => name.startsWith('layers.') && variable.rank === 2);
    const weights = matrices.reduce((sum, { variable }) => sum + variable.size, 0) + width * imageVocab;
    const read = 1 + captionLength + 2; // start, caption, and the two codes painted
    expect(counted).toBe(batch * (2 * weights + layers * 4 * width * read));
  });

  test('the patch tokenizer: three times forward, without a gradient of the pixels', async () => {
    const { counted, said } = await countStep({ job: 'tokenizer', batch: 1 });
    expect(counted).toBe(said);
  });

  test('muon: as the matrix products of its plain composition', async () => {
    await useNative();
    const value = tf.variable(normal([4, 10], 1));
    const momentum = tf.variable(tf.zeros([4, 10]));
    const slot = { value, gradient: normal([4, 10], 2), momentum, weightDecay: 0 };
    const fused = await recordCalls(() => muonStep([slot], { lr: 0.1, beta: 0.9 }));
    const plain = await recordCalls(() => orthogonalize(slot.gradient));
    expect(fused.map(({ kernel }) => kernel)).toEqual(['muon']);
    expect(plain.filter(({ kernel }) => kernel === 'matmul')).toHaveLength(15);
    expect(flopsOf(fused)).toBe(flopsOf(plain));
  });
});

describe('the bytes of a call', () => {
  const bytesOf = async (body: () => unknown) => (await recordCalls(body)).map(call => countWork(call).bytes);

  test('are those of its buffers, where one is absent or there twice too', async () => {
    await useNative();
    const [x, w, bias] = [normal([20, 6], 1), normal([5, 6], 2), normal([5], 3)];
    expect(await bytesOf(() => linear(x, w))).toEqual([4 * (20 * 6 + 5 * 6 + 20 * 5)]);
    expect(await bytesOf(() => linear(x, w, { bias }))).toEqual([4 * (20 * 6 + 5 * 6 + 20 * 5 + 5)]);
    expect(await bytesOf(() => tf.mul(x, x))).toEqual([4 * 2 * 120]);
  });

  test('are those of the rows that are read, where a table is larger', async () => {
    await useNative();
    const table = normal([1000, 8], 1);
    const ids = tf.tensor1d([5, 7, 5], 'int32');
    expect(await bytesOf(() => embedding(table, ids))).toEqual([3 * 4 + 4 * 2 * 3 * 8]);
  });
});

describe('a profile', () => {
  const call = (kernel: string, numbers: readonly number[], floats: number): KernelCall => ({
    kernel,
    numbers,
    buffers: [new Float32Array(floats), null],
  });

  test('sums calls that are alike and says how near the roof they are', () => {
    let time = 0;
    const recorder = new Recorder(() => time);
    const run = (ms: number, made: KernelCall) =>
      recorder.observer(made, () => {
        time += ms;
      });
    for (let step = 0; step < 2; step++) {
      run(1, call('linear', [100, 50, 10, 0, 1], 1000)); // 1e5 operations
      run(3, call('linear', [100, 50, 10, 0, 1], 1000));
      run(5, call('linear', [100, 50, 10, 0, 0], 1000));
      run(1, call('gelu', [], 500_000)); // 2e6 bytes
    }
    const profile = recorder.profile(2, 26, { gflops: { fp32: 0.04, bf16: 0.1 }, bandwidth: 4 });
    expect(profile).toMatchObject({ kernelMs: 10, stepMs: 13, outsideMs: 3 });
    const rows = profile.rows.map(({ kernel, shape: sizes, calls, ms }) => ({ kernel, sizes, calls, ms }));
    expect(rows).toEqual([
      { kernel: 'linear', sizes: '100x50x10', calls: 1, ms: 5 },
      { kernel: 'linear', sizes: '100x50x10', calls: 2, ms: 4 },
      { kernel: 'gelu', sizes: '500000', calls: 1, ms: 1 },
    ]);
    const [fp32, bf16, gelu] = profile.rows;
    expect(fp32.gflops).toBeCloseTo(0.02, 12);
    expect(fp32.share).toBeCloseTo(0.5, 12); // of 0.04
    expect(bf16.share).toBeCloseTo(0.5, 12); // 0.05 of 0.1
    expect(gelu).toMatchObject({ gflops: 0, bandwidth: 2 });
    expect(gelu.share).toBeCloseTo(0.5, 12); // 2 GB/s of 4
  });

  test('prints the largest kernel first, small ones together, and what is outside kernels last', () => {
    const row = { kernel: 'linear', shape: '2x3x4', calls: 2, ms: 6, gflops: 12.34, bandwidth: 5, share: 0.5 };
    const small = { kernel: 'unary', shape: '8', calls: 1, ms: 0.004, gflops: 0, bandwidth: 1, share: 0.1 };
    const rows = [row, small, small];
    expect(profileTable({ rows, kernelMs: 6.008, stepMs: 10, outsideMs: 3.992 })).toEqual([
      'kernel                        calls     ms  of step  GFLOP/s  GB/s  of peak',
      'linear 2x3x4                      2  6.000    60.0%     12.3   5.0      50%',
      '2 smaller                            0.008     0.1%',
      'all kernels                          6.008    60.1%',
      'outside kernels (JavaScript)         3.992    39.9%',
    ]);
  });
});

test('an observer is around every call until it is taken away, and changes nothing', async () => {
  const backend = await useNative();
  const [x, w] = [normal([4, 3], 1), normal([2, 3], 2)];
  const expected = await linear(x, w).data();
  const order: string[] = [];
  backend.observe(({ kernel, buffers, numbers }, run) => {
    order.push(`before ${kernel}`);
    const y = buffers[4] as Float32Array;
    y.fill(7);
    run();
    order.push(`after ${kernel} ${numbers.slice(0, 3)} ${y[0] !== 7}`);
  });
  const observed = await linear(x, w).data();
  backend.observe(undefined);
  await linear(x, w).data();
  expect(order).toEqual(['before linear', 'after linear 4,2,3 true']);
  expect(observed).toEqual(expected);
});
