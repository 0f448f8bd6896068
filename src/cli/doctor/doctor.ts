/** @file What `tessera doctor` prints: which backends work on this machine, how fast each multiplies, and how to get the others. */
import { cpus, totalmem } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../core/errors.ts';
import { median } from '../../core/numbers.ts';
import { type BackendName, backendNames } from '../../device/backends.ts';
import { activeDevice } from '../../device/device.ts';
import { linear } from '../../kernels/linear/linear.ts';
import { measurePeak, type Peak } from '../../kernels/peak/peak.ts';
import { startBackend, startNative } from '../../kernels/start.ts';
import type { Session } from '../../runs/session.ts';
import { describeGpu } from './gpu.ts';

/** Side of the matrices that are multiplied, by how fast a backend is expected to be. */
const SIDE = { native: 1024, tensorflow: 1024, wasm: 512, cpu: 192 } as const;

/** What was found of a backend. */
export interface Examined {
  readonly name: string;
  readonly works: boolean;
  /** GFLOP/s of products, by precision. */
  readonly speeds?: Readonly<Record<string, number>>;
  /** Of the native backend. */
  readonly instructionSet?: string;
  readonly peak?: Peak;
  /** What a GPU is and can, in lines. */
  readonly gpu?: readonly string[];
  /** Why it does not work, and what mends that. */
  readonly problem?: string;
  readonly hint?: string;
}

/** Prints a line for each backend, and some more for a GPU. @returns the same as data */
export async function examineBackends(session: Session) {
  const [{ model } = { model: 'unknown processor' }] = cpus();
  const machine = {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    processor: model.trim(),
    cores: cpus().length,
    memory: totalmem(),
    tfjs: tf.version_core,
  };
  session.print(`node ${machine.node}, ${machine.platform}`);
  session.print(`${machine.cores} x ${machine.processor}, ${Math.round(machine.memory / 2 ** 30)} GiB`);
  session.print(`tfjs-core ${machine.tfjs}`);
  const backends: Examined[] = [];
  for (const name of backendNames) {
    if (name === 'auto') continue;
    const examined = await examine(name, session);
    backends.push(examined);
    for (const line of linesOf(examined)) session.print(line);
  }
  await startBackend('auto');
  session.print(`--backend auto takes ${tf.getBackend()}`);
  return { ...machine, backends, auto: tf.getBackend() };
}

async function examine(name: Exclude<BackendName, 'auto'>, session: Session): Promise<Examined> {
  try {
    if (name === 'webgpu') return { name, works: true, gpu: await describeGpu(session) };
    await startBackend(name);
    const speeds: Record<string, number> = {};
    for (const precision of activeDevice().precisions) {
      await startBackend(name, { precision });
      speeds[precision] = await multiplyRate(SIDE[name], session.now);
    }
    if (name !== 'native') return { name, works: true, speeds };
    const native = await startNative();
    const { instructionSet } = native;
    return { name, works: true, speeds, instructionSet, peak: measurePeak(native, session.now) };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { name, works: false, problem: error.message, hint: error.hint };
  }
}

function linesOf({ name, gpu, speeds = {}, instructionSet, peak, problem, hint = '' }: Examined): string[] {
  const [head, indent] = [name.padEnd(10), ' '.repeat(11)];
  if (problem !== undefined) return [`${head} ${problem}`, `${indent}hint: ${hint}`];
  if (gpu !== undefined) return [`${head} works: ${gpu[0]}`, ...gpu.slice(1).map(line => indent + line)];
  const rates = Object.entries(speeds).map(([precision, rate]) => `${rate.toFixed(0)} GFLOP/s ${precision}`);
  const detail = instructionSet === undefined ? '' : ` (${instructionSet})`;
  const most = peak === undefined ? '' : `; ${describePeak(peak)}`;
  return [`${head} works${detail}: ${rates.join(', ')}${most}`];
}

/** What no kernel can exceed. */
function describePeak({ gflops, bandwidth }: Peak): string {
  const rates = Object.values(gflops).map(rate => rate.toFixed(0));
  return `at most ${rates.join(', ')}, and ${bandwidth.toFixed(0)} GB/s of memory`;
}

/** GFLOP/s of square matrix products, the median of five. */
async function multiplyRate(side: number, now: () => number): Promise<number> {
  const x = tf.ones([side, side]);
  const w = tf.ones([side, side]);
  const times: number[] = [];
  for (let i = 0; i < 6; i++) {
    const started = now();
    const y = linear(x, w);
    await y.data();
    times.push(now() - started);
    y.dispose();
  }
  x.dispose();
  w.dispose();
  return (2 * side ** 3) / (median(times.slice(1)) * 1e6); // the first call warms up
}
