/**
 * @file Training on a GPU that is not asked anything between two logs: as on the CPU it skips what is not finite, counts real
 * updates, stops after ten in a row and resumes bit for bit; it reads as seldom as it promises, and nothing grows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { activeGpu, type GpuBackend } from '../../src/device/webgpu/webgpu.ts';
import { loadState } from '../../src/io/state.ts';
import { detached } from '../../src/kernels/detached.ts';
import { linear } from '../../src/kernels/linear/linear.ts';
import { Parameters } from '../../src/nn/module.ts';
import { train } from '../../src/training/loop.ts';
import type { Metrics } from '../../src/training/measured.ts';
import type { Player } from '../../src/training/moves.ts';
import type { LoopConfig, Task, Weights } from '../../src/training/task.ts';
import { expectAllclose, noWebgpu } from '../support.ts';

const folders: string[] = [];
const temporary = () => {
  const folder = mkdtempSync(join(tmpdir(), 'device-'));
  folders.push(folder);
  return folder;
};
afterEach(() => {
  const gpu = activeGpu();
  if (gpu !== undefined) gpu.precision = 'fp32';
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const loop: LoopConfig = {
  steps: 12,
  accumulate: 1,
  lr: 0.02,
  warmup: 0,
  finalLr: 1,
  beta1: 0.9,
  beta2: 0.95,
  weightDecay: 0.05,
  clip: 1,
  ema: 0.9,
  evalEvery: 1000,
  sampleEvery: 1000,
  saveEvery: 1000,
  logEvery: 4,
  seed: 3,
};

async function useGpu(precision: 'fp32' | 'f16' = 'fp32'): Promise<GpuBackend> {
  await selectBackend('webgpu');
  const gpu = activeGpu() as GpuBackend;
  gpu.precision = precision;
  return gpu;
}

/** A little network that learns a product of two numbers from batches drawn anew for each step. */
function network(): Task {
  const parameters = new Parameters(new Random(1));
  const [inner, innerBias] = [parameters.normal('inner', [8, 2], 0.7), parameters.zeros('bias', [8])];
  const outer = parameters.normal('outer', [1, 8], 0.4);
  const lossOf = (x: Float32Array) => {
    const inputs = tf.tensor2d(x, [x.length / 2, 2]);
    const targets = tf.mul(tf.slice(inputs, [0, 0], [-1, 1]), tf.slice(inputs, [0, 1], [-1, 1]));
    const hidden = linear(inputs, inner, { bias: innerBias, activation: 'silu' });
    return tf.mean(tf.squaredDifference(linear(hidden, outer), targets)) as tf.Tensor;
  };
  return {
    parameters,
    unit: 'images',
    unitsPerStep: 6,
    batch: async () => random => {
      const loss = lossOf(random.normals(12, 1));
      return { loss, metrics: { root: tf.sqrt(loss) } };
    },
    evaluate: async () => ({ loss: 1 }),
  };
}

/** The least task that has batches: a line through points. */
function line(): Task {
  const parameters = new Parameters(new Random(1));
  const [slope, bias] = [parameters.normal('slope', [1, 2], 1), parameters.zeros('bias', [1])];
  const lossOf = (x: Float32Array) => {
    const y = Float32Array.from({ length: 6 }, (_, i) => 2 * x[2 * i] - x[2 * i + 1] + 0.5);
    const errors = tf.sub(linear(tf.tensor2d(x, [6, 2]), slope, { bias }), tf.tensor2d(y, [6, 1]));
    return tf.sum(tf.square(errors)) as tf.Tensor;
  };
  return {
    parameters,
    unit: 'images',
    unitsPerStep: 6,
    batch: async () => random => ({ loss: lossOf(random.normals(12, 1)), metrics: {} }),
    evaluate: async () => {
      const loss = tf.tidy(() => lossOf(new Random(4).normals(12, 1)));
      const [value] = await loss.data();
      loss.dispose();
      return { loss: value };
    },
  };
}

/** What a step of `quadratic` may suffer. */
type Fault = 'loss' | 'gradient' | undefined;

/** Minimises weight |w - 3|^2; a fault makes the loss NaN, or the gradient infinite under a loss that is not. */
function quadratic(faultOf: (step: number) => Fault = () => undefined, weight = 1): Task {
  const parameters = new Parameters(new Random(1));
  const w = parameters.normal('w', [5], 1);
  return {
    parameters,
    unit: 'images',
    unitsPerStep: 2,
    batch: async step => () => {
      const fault = faultOf(step);
      let loss = tf.mul(tf.sum(tf.square(tf.sub(w, 3))), weight) as tf.Tensor;
      if (fault === 'loss') loss = tf.add(loss, tf.scalar(Number.NaN));
      if (fault === 'gradient') {
        const nothing = tf.sub(
          w,
          detached(() => tf.clone(w as tf.Tensor)),
        );
        loss = tf.add(loss, tf.sum(tf.mul(tf.mul(nothing, 1e30), 1e30)));
      }
      return { loss, metrics: { twice: tf.mul(loss, 2) } };
    },
    evaluate: async () => ({ loss: 1 }),
  };
}

interface Seen {
  readonly weights: Weights;
  readonly average: Weights;
  readonly records: readonly Metrics[];
  readonly messages: readonly string[];
  readonly losses: readonly number[];
}

async function run(task: Task, config: LoopConfig, folder = temporary(), stopAfter = Number.POSITIVE_INFINITY) {
  const stop = new AbortController();
  const seen = { records: [] as Metrics[], messages: [] as string[], losses: [] as number[] };
  let saved: { weights: Weights; average: Weights } | undefined;
  let time = 0;
  const result = await train(task, config, {
    folder,
    signal: stop.signal,
    now: () => time++,
    watcher: {
      onStep: ({ step, loss }) => {
        seen.losses.push(loss);
        if (step >= stopAfter) stop.abort();
      },
      onLog: record => seen.records.push(record),
      onMessage: message => seen.messages.push(message),
      onSave: async (weights, average) => {
        saved = { weights, average };
      },
    },
  });
  if (saved === undefined) throw new Error('nothing was saved');
  return { ...result, ...seen, ...saved } satisfies Seen & object;
}

async function stateIn(folder: string): Promise<{ updates: number[]; lossScales?: unknown; skipped: number }> {
  const path = (await loadState(folder))?.path as string;
  return JSON.parse(await readFile(join(path, 'state.json'), 'utf8'));
}

const skippedAt = (step: number, row: number) =>
  `step ${step}: the loss or its gradient is not finite; step skipped (${row} in a row)`;

const because = noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`;

describe.skipIf(noWebgpu !== undefined)(`training on webgpu${because}`, () => {
  test('reads at logs and evaluations only, and does not grow', async () => {
    const gpu = await useGpu();
    const manager = gpu.bufferManager as unknown as { numBytesAllocated: number };
    const task = line();
    const records: Metrics[] = [];
    const seen = new Map<number, { reads: number; tensors: number; bytes: number }>();
    let reads = 0;
    const read = gpu.read.bind(gpu);
    gpu.read = dataId => {
      reads++;
      return read(dataId);
    };
    try {
      await train(
        task,
        { ...loop, steps: 500, logEvery: 10, evalEvery: 250 },
        {
          folder: temporary(),
          now: () => 0,
          watcher: {
            onStep: ({ step }) => {
              seen.set(step, { reads, tensors: tf.memory().numTensors, bytes: manager.numBytesAllocated });
            },
            onLog: record => records.push(record),
          },
        },
      );
    } finally {
      gpu.read = read;
    }
    expect(seen.get(500)?.reads).toBeLessThanOrEqual(50 + 1);
    expect(seen.get(500)?.tensors).toBe(seen.get(50)?.tensors);
    const bytes = (step: number) => (seen.get(step) as { bytes: number }).bytes;
    expect(bytes(250)).toBeLessThanOrEqual(bytes(50)); // less, where the pool has let go of what nobody used for long
    expect(bytes(500)).toBeLessThanOrEqual(bytes(260)); // the evaluation between them read a number alone
    const losses = records.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
    expect(losses.length).toBe(50);
    expect(losses[49]).toBeLessThan(0.01 * losses[0]);
    task.parameters.dispose();
  });

  test('learns as the CPU does', async () => {
    const config = { ...loop, steps: 60, logEvery: 10 };
    await selectBackend('cpu');
    const onCpu = await run(network(), config);
    await useGpu();
    const onGpu = await run(network(), config);
    const logs = ({ records }: Seen) => records.filter(({ loss }) => loss !== undefined);
    for (const name of ['loss', 'root', 'norm']) {
      const of = (seen: Seen) => logs(seen).map(record => record[name]);
      expectAllclose(of(onGpu), of(onCpu), { relative: 1e-3, absolute: 0 });
    }
    expect(logs(onGpu)[5].loss).toBeLessThan(logs(onGpu)[0].loss);
  });

  test('skips what is not finite, says so at the next look by the right steps, and counts real updates', async () => {
    const faults = (step: number): Fault => (step === 1 || step === 2 ? 'loss' : step === 6 ? 'gradient' : undefined);
    const expected = [skippedAt(2, 1), skippedAt(3, 2), skippedAt(7, 1)];
    await selectBackend('cpu');
    const onCpu = await run(quadratic(faults), loop);
    await useGpu();
    const folder = temporary();
    const onGpu = await run(quadratic(faults), loop, folder);
    expect(onCpu.messages).toEqual(expected);
    expect(onGpu.messages).toEqual(expected);
    expect(await stateIn(folder)).toMatchObject({ updates: [9], skipped: 0 });
    expectAllclose(onGpu.weights.get('w')?.values ?? [], onCpu.weights.get('w')?.values ?? [], { relative: 1e-5 });
    expectAllclose(onGpu.average.get('w')?.values ?? [], onCpu.average.get('w')?.values ?? [], { relative: 1e-5 });
    for (const [i, record] of onCpu.records.entries()) {
      for (const name of ['step', 'loss', 'twice', 'norm', 'lr', 'val_loss']) {
        if (record[name] !== undefined) expectAllclose([onGpu.records[i][name]], [record[name]], { relative: 1e-5 });
      }
    }
    // A progress line has the loss of the last look.
    expect(onGpu.losses.slice(0, 3)).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expectAllclose(onGpu.losses.slice(3, 7), new Array(4).fill(onCpu.losses[3]));
  });

  test('stopped between two looks and resumed, it ends where it would have without, skipped steps and all', async () => {
    await useGpu();
    const faults = (step: number): Fault => (step === 2 ? 'loss' : step === 5 ? 'gradient' : undefined);
    const config = { ...loop, accumulate: 2 };
    const straight = await run(quadratic(faults), config);
    const folder = temporary();
    expect(await run(quadratic(faults), config, folder, 5)).toMatchObject({ step: 5, messages: [skippedAt(3, 1)] });
    expect(await stateIn(folder)).toMatchObject({ updates: [4] });
    const resumed = await run(quadratic(faults), config, folder);
    expect(resumed.messages).toEqual(['resumed at step 5', skippedAt(6, 1)]);
    expect(resumed.weights).toEqual(straight.weights);
    expect(resumed.average).toEqual(straight.average);
  });

  test('ten in a row stop it, and the last saved state is whole', async () => {
    await useGpu();
    const folder = temporary();
    const before = tf.memory().numTensors;
    const ten = quadratic(step => (step >= 2 ? 'loss' : undefined));
    const error = await run(ten, { ...loop, steps: 40, saveEvery: 8 }, folder).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toContain('10 steps in a row had a loss or gradient that is not finite');
    expect((error as UserError).message).toContain('the last at step 12');
    expect(await stateIn(folder)).toMatchObject({ updates: [2], skipped: 6 });
    for (const { values } of (await ten.parameters.values()).values()) expect(values.every(Number.isFinite)).toBe(true);
    ten.parameters.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('in a game the player whose gradient is not finite stays, and the others move', async () => {
    await useGpu();
    const parameters = new Parameters(new Random(5));
    const [u, v] = [parameters.normal('u', [3], 1), parameters.normal('v', [3], 1)];
    const [first, second] = parameters.list();
    const before = await parameters.values();
    const player = (name: string, own: typeof first, spoilt: boolean): Player => ({
      name,
      parameters: [own],
      batch: async () => () => {
        const loss = tf.sum(tf.square(tf.sub(u, v))) as tf.Tensor;
        return { loss: spoilt ? tf.add(loss, tf.scalar(Number.NaN)) : loss, metrics: {} };
      },
    });
    const players = [player('U', first, true), player('V', second, false)];
    const game: Task = { parameters, players, unit: 'images', unitsPerStep: 1, evaluate: async () => ({ loss: 1 }) };
    const folder = temporary();
    const { weights, messages } = await run(game, { ...loop, steps: 1 }, folder);
    expect(weights.get('u')).toEqual(before.get('u'));
    expect(weights.get('v')).not.toEqual(before.get('v'));
    expect(messages).toEqual([skippedAt(1, 1)]);
    expect(await stateIn(folder)).toMatchObject({ updates: [0, 1] });
  });
});

describe.skipIf(noWebgpu !== undefined)(`the loss scale in f16${because}`, () => {
  /** Squares of its gradient are finite in fp32 from a scale of about a hundred down. */
  const steep = 1e16;

  test('halves until the gradient fits, which is nobody’s fault, and changes nothing of the updates', async () => {
    await useGpu('f16');
    const config = { ...loop, accumulate: 2, logEvery: 1 };
    const folder = temporary();
    const scaled = await run(quadratic(undefined, steep), { ...config, steps: 16 }, folder);
    const { updates, lossScales } = await stateIn(folder);
    const [made] = updates;
    expect(made).toBeGreaterThan(3);
    expect(made).toBeLessThan(12);
    expect(lossScales).toEqual([{ scale: 2 ** made, good: made }]); // 16 - made halvings of 2^16 before
    expect(scaled.messages).toEqual([]);

    await useGpu();
    const plain = await run(quadratic(undefined, steep), { ...config, steps: made });
    // Powers of two go in and out of a number without a trace.
    expect(scaled.weights).toEqual(plain.weights);
    expect(scaled.average).toEqual(plain.average);
    const lastOf = ({ records }: Seen) => records.filter(({ loss }) => loss !== undefined).at(-1) as Metrics;
    expect(lastOf(scaled)).toMatchObject({ lossScale: 2 ** made, norm: lastOf(plain).norm, loss: lastOf(plain).loss });
    expect(lastOf(plain)).not.toHaveProperty('lossScale');
  });

  test('is part of what is resumed', async () => {
    await useGpu('f16');
    const straight = await run(quadratic(undefined, steep), loop);
    const folder = temporary();
    await run(quadratic(undefined, steep), loop, folder, 5);
    expect((await stateIn(folder)).lossScales).toEqual([{ scale: 2 ** 11, good: 0 }]);
    const resumed = await run(quadratic(undefined, steep), loop, folder);
    expect(resumed.weights).toEqual(straight.weights);
    expect(resumed.average).toEqual(straight.average);
  });

  test('of 1 leaves a gradient that is not finite to the user', async () => {
    await useGpu('f16');
    const broken = run(
      quadratic(() => 'gradient'),
      { ...loop, steps: 60 },
    );
    await expect(broken).rejects.toThrow('the last at step 26'); // sixteen halvings and ten steps
  });
});
