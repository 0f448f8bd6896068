/**
 * @file What a GPU does at most, as far as our kernels show it: large matrix products in every precision that it has, and a
 * copy through its memory. Other kernels are judged by it, as by peak.ts on a processor. Sizes grow until the GPU has
 * something to do, so that one in software is not kept busy for minutes.
 */
import * as tf from '@tensorflow/tfjs-core';
import { read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { linear } from '../linear/linear.ts';

export interface GpuPeak {
  /** TFLOP/s of a large product with operands of each precision; f16 where the matrix units were seen to work. */
  readonly tflops: { readonly fp32: number; readonly f16?: number };
  /** GB/s read and written by a copy. */
  readonly bandwidth: number;
}

export interface GpuPeakOptions {
  /** A clock in milliseconds, for GPUs that have none of their own. */
  readonly now: () => number;
  /** Milliseconds that one product or copy should take. Default 20. */
  readonly enough?: number;
  /** Side of the largest matrices. Default 8192, which are 256 MiB. */
  readonly mostSide?: number;
}

const LEAST_SIDE = 256;
const LEAST_BYTES = 1 << 22;
const RUNS = 5;

/** Milliseconds of one of several calls of `send` on the GPU, after one that warms up. */
async function timeOnGpu(
  backend: GpuBackend,
  send: () => void,
  { now }: GpuPeakOptions,
  runs: number,
): Promise<number> {
  send();
  await backend.finish();
  const repeat = async () => {
    for (let i = 0; i < runs; i++) send();
  };
  if (backend.device.features.has('timestamp-query')) {
    const times = await backend.timeKernels(repeat);
    return [...times.values()].reduce((sum, { ms }) => sum + ms, 0) / runs;
  }
  const started = now();
  await repeat();
  await backend.finish();
  return (now() - started) / runs;
}

/** TFLOP/s of square products in the precision that the backend is set to. */
async function productRate(backend: GpuBackend, options: GpuPeakOptions): Promise<number> {
  const { enough = 20, mostSide = 8192 } = options;
  for (let side = LEAST_SIDE; ; side *= 2) {
    const [x, w] = [tf.fill([side, side], 0.5), tf.fill([side, side], 0.25)];
    const send = () => linear(x, w).dispose();
    const once = await timeOnGpu(backend, send, options, 1);
    const last = once >= enough || 2 * side > mostSide || 16 * side ** 2 > backend.largestTensor;
    const ms = last && once < 10 * enough ? await timeOnGpu(backend, send, options, RUNS) : once;
    tf.dispose([x, w]);
    if (last) return (2 * side ** 3) / ms / 1e9;
  }
}

/** GB/s of copies, reading and writing counted. */
async function copyRate(backend: GpuBackend, options: GpuPeakOptions): Promise<number> {
  const { enough = 20, mostSide = 8192 } = options;
  const most = Math.min(4 * mostSide ** 2, backend.largestTensor / 2);
  for (let bytes = LEAST_BYTES; ; bytes *= 2) {
    const length = bytes / 4;
    const [x, y] = [tf.fill([length], 1), tf.fill([length], 0)];
    const send = () =>
      backend.dispatch({
        name: 'copy',
        bindings: [read('x', x, 'vec4f'), write('y', y, 'vec4f')],
        uniforms: { vectors: length / 4 },
        groups: Math.ceil(length / 4 / 256),
        body: () => 'let i = block * 256u + lane; if (i < u.vectors) { y[i] = x[i]; }',
      });
    const once = await timeOnGpu(backend, send, options, 1);
    // A copy of what fits the caches says nothing of the memory: the largest is taken however short it is.
    const last = once >= enough || 2 * bytes > most;
    const ms = last && once < 10 * enough ? await timeOnGpu(backend, send, options, RUNS) : once;
    tf.dispose([x, y]);
    if (last) return (2 * bytes) / ms / 1e6;
  }
}

/** Measures the active backend, whose precision is left as it is. */
export async function measureGpu(backend: GpuBackend, options: GpuPeakOptions): Promise<GpuPeak> {
  const { precision } = backend;
  try {
    backend.precision = 'fp32';
    const fp32 = await productRate(backend, options);
    const bandwidth = await copyRate(backend, options);
    if (backend.matrixUnits === undefined) return { tflops: { fp32 }, bandwidth };
    backend.precision = 'f16';
    return { tflops: { fp32, f16: await productRate(backend, options) }, bandwidth };
  } finally {
    backend.precision = precision;
    backend.trim();
  }
}
