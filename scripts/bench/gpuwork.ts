/**
 * @file What the processes of `npm run bench -- gpu` measure, each on a device of its own: what the GPU is, how far the batch
 * of a training can grow, a training with the time of its kernels, and painting. Each prints one JSON line.
 */

import { UserError } from '../../src/core/errors.ts';
import { median } from '../../src/core/numbers.ts';
import type { GpuBackend } from '../../src/device/webgpu/webgpu.ts';
import { type GpuPeak, measureGpu } from '../../src/kernels/peak/gpupeak.ts';
import { startGpu } from '../../src/kernels/start.ts';
import type { Session } from '../../src/runs/session.ts';
import type { Shape } from './flags.ts';
import { createJob, type Job } from './jobs.ts';
import { type Measured, timeSteps } from './rounds.ts';

export type GpuTask =
  | { readonly task: 'describe'; readonly smoke: boolean }
  | { readonly task: 'grow'; readonly shape: Shape; readonly mostBatch: number; readonly steps: number }
  | {
      readonly task: 'measure';
      readonly job: 'train' | 'sample';
      readonly shape: Shape;
      readonly batch: number;
      readonly steps: number;
      /** Whether each kernel is timed too. */
      readonly kernels: boolean;
    };

export interface GpuFacts {
  readonly name: string;
  readonly driver: string;
  readonly software: boolean;
  readonly precision: string;
  readonly peak: GpuPeak;
}

export interface NoGpu {
  readonly problem: string;
  readonly hint?: string;
}

/** A GPU, or why there is none. */
export type Description = GpuFacts | NoGpu;

export interface Growth {
  readonly tried: readonly { readonly batch: number; readonly tokensPerSecond: number }[];
  readonly stopped: string;
}

export interface KernelShare {
  readonly name: string;
  /** A step. */
  readonly calls: number;
  readonly ms: number;
  readonly share: number;
}

export interface GpuMeasured extends Measured {
  /** Dispatches of a step, and how many more each layer brings. */
  readonly dispatches: number;
  readonly dispatchesPerLayer?: number;
  /** Microseconds of JavaScript and driver for each, while nothing is waited for. */
  readonly cpuPerDispatch: number;
  readonly kernels?: readonly KernelShare[];
}

/** Does what `text` says, in this process. */
export async function workOnGpu(session: Session, text: string): Promise<void> {
  const task = JSON.parse(text) as GpuTask; // written by gpu.ts
  session.print(JSON.stringify(await perform(session, task)));
}

async function perform(session: Session, task: GpuTask): Promise<Description | Growth | GpuMeasured> {
  switch (task.task) {
    case 'describe':
      return describe(session, task.smoke);
    case 'grow':
      return grow(session, task);
    case 'measure':
      return measure(session, task);
    default:
      return task satisfies never;
  }
}

async function describe({ now }: Session, smoke: boolean): Promise<Description> {
  try {
    const gpu = await startGpu();
    const { name, driver, software } = gpu.summary;
    if (software && !smoke) {
      return { problem: `${name} is a GPU in software`, hint: '--smoke shows that all of it runs' };
    }
    const peak = await measureGpu(gpu, { now, ...(smoke ? { enough: 0, mostSide: 256 } : {}) });
    return { name, driver, software, peak, precision: gpu.precisions.at(-1) ?? 'fp32' };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { problem: error.message, hint: error.hint };
  }
}

/** A doubled batch must be faster by this much to be worth its memory. */
const GAIN = 1.03;

/** Doubles the batch until memory or speed stops. */
async function grow(session: Session, task: GpuTask & { task: 'grow' }): Promise<Growth> {
  const gpu = await startGpu();
  const tried: { batch: number; tokensPerSecond: number }[] = [];
  for (let batch = 1; batch <= task.mostBatch; batch *= 2) {
    const before = tried.at(-1)?.tokensPerSecond ?? 0;
    try {
      const job = createJob({ job: 'train', shape: task.shape, batch });
      const ms = median(await timeSteps(job, task.steps, session.now));
      job.dispose?.();
      gpu.trim();
      const tokensPerSecond = (1000 * job.units) / ms;
      tried.push({ batch, tokensPerSecond });
      if (tokensPerSecond < GAIN * before) return { tried, stopped: `batch ${batch} is hardly faster` };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { tried, stopped: `batch ${batch}: ${error.message}` };
    }
  }
  return { tried, stopped: `batch ${task.mostBatch} is the most that was asked for` };
}

/** Milliseconds that a backend's reads have waited since it was last asked. */
function watchReads(gpu: GpuBackend, now: () => number): () => number {
  let waited = 0;
  const read = gpu.read.bind(gpu);
  gpu.read = async dataId => {
    const started = now();
    const values = await read(dataId);
    waited += now() - started;
    return values;
  };
  return () => {
    const sum = waited;
    waited = 0;
    return sum;
  };
}

async function measure(session: Session, task: GpuTask & { task: 'measure' }): Promise<GpuMeasured> {
  const gpu = await startGpu();
  const { job: what, shape, batch, steps } = task;
  const job = createJob({ job: what, shape, batch });
  const waited = watchReads(gpu, session.now);
  await timeSteps(job, 0, session.now); // warms up
  waited();
  const sent = gpu.dispatches;
  const times = await timeSteps({ ...job, warmUp: 0 }, steps, session.now);
  const busy = times.reduce((sum, ms) => sum + ms, 0) - waited();
  const dispatches = (gpu.dispatches - sent) / steps;
  const msPerStep = median(times);
  const { units, flops } = job;
  const peakMib = gpu.memoryUse().peak / 2 ** 20;
  return {
    msPerStep,
    unitsPerSecond: (1000 * units) / msPerStep,
    peakMib,
    ...(flops === undefined ? {} : { gflopPerStep: flops / 1e9, gflops: flops / 1e6 / msPerStep }),
    dispatches,
    cpuPerDispatch: (1000 * busy) / (dispatches * steps),
    ...(task.kernels ? await lookInside(gpu, job, task) : {}),
  };
}

/** The time of each kernel of a step, and what a layer adds to a step. */
async function lookInside(
  gpu: GpuBackend,
  job: Job,
  { shape, batch }: GpuTask & { task: 'measure' },
): Promise<Pick<GpuMeasured, 'kernels' | 'dispatchesPerLayer'>> {
  const kernels = gpu.device.features.has('timestamp-query') ? await timeKernels(gpu, job) : undefined;
  job.dispose?.();
  gpu.trim();
  const counts: number[] = [];
  for (const layers of [1, 2]) {
    const small = createJob({ job: 'train', shape: { ...shape, layers }, batch });
    await small.step();
    const before = gpu.dispatches;
    await small.step();
    counts.push(gpu.dispatches - before);
    small.dispose?.();
  }
  return { kernels, dispatchesPerLayer: counts[1] - counts[0] };
}

async function timeKernels(gpu: GpuBackend, job: Job): Promise<readonly KernelShare[]> {
  const steps = 2;
  const times = await gpu.timeKernels(async () => {
    for (let i = 0; i < steps; i++) await job.step();
  });
  const total = [...times.values()].reduce((sum, { ms }) => sum + ms, 0);
  return [...times].map(([name, { ms, calls }]) => ({
    name,
    calls: calls / steps,
    ms: ms / steps,
    share: total > 0 ? ms / total : 0,
  }));
}
