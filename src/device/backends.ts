/**
 * @file Chooses the tfjs backend. `auto` takes a GPU where Dawn finds a real one, else the C++ addon, or WebAssembly where
 * none could be built, with one warning that says how to mend it; every other name is an order, and a failure to follow
 * it is an error.
 */
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.ts';
import { activateCpu } from './cpu.ts';
import { activeDevice } from './device.ts';
import { registerAddon, registerWasm } from './native/load.ts';
import { type NativeBackend, startKernels } from './native/native.ts';
import { expectThreads, threadsAreLimited, threadsToGiveBack } from './native/spare-threads.ts';
import { type PrecisionName, refusePrecision } from './precision.ts';
import { loadTensorflow } from './tensorflow.ts';
import { checkVersion } from './tfjs.ts';
import type { MatrixShape } from './webgpu/adapter.ts';
import { findGpu } from './webgpu/dawn.ts';
import { activateWebgpu, activeGpu, type GpuBackend } from './webgpu/webgpu.ts';

export const backendNames = ['auto', 'webgpu', 'native', 'wasm', 'cpu', 'tensorflow'] as const;
export type BackendName = (typeof backendNames)[number];

const mendThreads = 'raise the limit (ulimit -u, or that of the container), or ask for fewer: --threads';
const mendNative = 'install a C++ compiler (Debian, Ubuntu: apt-get install g++) and run `npx tesserae build-native`';

export interface BackendOptions {
  /** Operands of matrix products; `auto` (default) is bf16 or f16 where the hardware multiplies them, else fp32. */
  readonly precision?: PrecisionName;
  /** Of the native backend and of wasm. */
  readonly threads?: number;
  /** Called at most once, with a line for the user, when the backend is slower than it could be. */
  readonly warn?: (message: string, hint: string) => void;
  /** Called with a line that says which GPU computes, and how, if one does. */
  readonly tell?: (message: string) => void;
  /** Finds out whether a GPU's matrix units multiply as they should; without it products are fp32. */
  readonly probe?: (gpu: GpuBackend) => Promise<{ readonly units?: MatrixShape; readonly reason?: string }>;
}

/**
 * Makes a backend the active one.
 * @returns the name of the backend that is active now
 * @throws UserError if the backend asked for cannot be had, or the precision not on it
 */
export async function selectBackend(name: BackendName, options: BackendOptions = {}): Promise<string> {
  checkVersion();
  const { precision = 'auto' } = options;
  switch (name) {
    case 'auto': {
      if (precision !== 'bf16' && (await tryGpu(options))) break;
      const reason = await activateNative(options);
      if (reason !== undefined) await activateFallback(reason, options);
      break;
    }
    case 'webgpu':
      await startGpu(options);
      break;
    case 'native': {
      const reason = await activateNative(options);
      if (reason !== undefined) throw new UserError('backend native', `no native addon (${reason})`, mendNative);
      break;
    }
    case 'wasm': {
      const reason = await activateWasm(options);
      if (reason !== undefined) throw new UserError('backend wasm', reason, 'use --backend auto or --backend cpu');
      break;
    }
    case 'cpu':
      await activateCpu();
      break;
    case 'tensorflow': {
      const { name: found, slow } = await loadTensorflow();
      if (slow !== undefined) options.warn?.(`${found} computes on the CPU: ${slow.why}`, slow.hint);
      break;
    }
    default:
      name satisfies never;
  }
  const able = activeDevice().precisions;
  if (precision !== 'auto' && !able.includes(precision)) {
    throw refusePrecision(precision, { backend: tf.getBackend(), able, why: activeGpu()?.noMatrixUnits });
  }
  await tf.ready();
  return tf.getBackend();
}

/** Starts a GPU if there is a real one. */
async function tryGpu(options: BackendOptions): Promise<boolean> {
  const { gpu, problem } = await findGpu();
  try {
    if (problem !== undefined) throw problem;
    if (gpu === undefined) return false;
    await startGpu(options);
    return true;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    options.warn?.(`the GPU is not used: ${error.message}`, error.hint ?? 'see `tessera doctor`');
    return false;
  }
}

/** Makes the GPU the active backend, in the precision asked for where it has that. */
async function startGpu({ precision = 'auto', warn, tell, probe }: BackendOptions): Promise<void> {
  const gpu = await activateWebgpu();
  const { name, driver, software } = gpu.summary;
  const unknown = gpu.matrixUnits === undefined && gpu.noMatrixUnits === undefined;
  if ((precision === 'auto' || precision === 'f16') && unknown && probe !== undefined) {
    const { units, reason = 'they were not found' } = await probe(gpu);
    gpu.matrixUnits = units;
    gpu.noMatrixUnits = units === undefined ? reason : undefined;
  }
  const units = precision === 'auto' || precision === 'f16' ? gpu.matrixUnits : undefined;
  gpu.precision = units === undefined ? 'fp32' : 'f16';
  if (software) {
    warn?.(`${name} is a GPU in software, for tests: every backend on the CPU is faster`, 'use --backend native');
  }
  const how = units === undefined ? 'fp32' : `f16 on its matrix units (${units.M} x ${units.N} x ${units.K})`;
  const why = precision === 'auto' && gpu.noMatrixUnits !== undefined ? `, no matrix units: ${gpu.noMatrixUnits}` : '';
  tell?.(`GPU: ${name}, ${driver}; products in ${how}${why}`);
}

/** Without the addon: WebAssembly, and where that does not start either, plain JavaScript. One warning tells all of it. */
async function activateFallback(noAddon: string, options: BackendOptions): Promise<void> {
  const noWasm = await activateWasm(options);
  if (noWasm === undefined) {
    options.warn?.(`no native addon (${noAddon}); using the slower wasm backend`, mendNative);
    return;
  }
  await activateCpu();
  options.warn?.(`no native addon (${noAddon}) and no wasm (${noWasm}); using the very slow cpu backend`, mendNative);
}

/** @returns why it cannot be had, or undefined */
async function activateWasm(options: BackendOptions): Promise<string | undefined> {
  return (await registerWasm()) ?? (await activateKernels('wasm', options));
}

/** @returns why it cannot be had, or undefined */
async function activateNative(options: BackendOptions): Promise<string | undefined> {
  return registerAddon() ?? (await activateKernels('native', options));
}

/** Starts what has been registered. */
async function activateKernels(name: 'native' | 'wasm', options: BackendOptions): Promise<string | undefined> {
  const backend = await startKernels(name);
  if (backend === undefined) return 'it registered but did not start';
  const { precision = 'auto' } = options;
  backend.precision =
    precision === 'auto' ? backend.fastest : precision === 'bf16' && backend.supportsBf16 ? 'bf16' : 'fp32';
  if (options.threads !== undefined) backend.setThreads(options.threads);
  leaveThreads(backend, options);
  return undefined;
}

/** Gives threads of the kernels back where the system has too few for others, and says so. @throws UserError if none are left */
function leaveThreads(backend: NativeBackend, { warn }: BackendOptions): void {
  const wanted = backend.threads + backend.refusedThreads;
  if (backend.refusedThreads === 0 && !threadsAreLimited()) return;
  const back = threadsToGiveBack(backend.spareThreads);
  if (back > 0) backend.setThreads(Math.max(1, backend.threads - back));
  expectThreads(backend.spareThreads);
  const { threads } = backend;
  if (threads < wanted) warn?.(`the system refuses threads: computing on ${threads} of ${wanted}`, mendThreads);
}
