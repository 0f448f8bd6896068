/**
 * @file Everything that we use of TensorFlow.js beyond its public types, in one place: the engine's tape and its depths,
 * what kernels may return, private members of its backends. All of it is of version 4.22.0, which package.json pins and
 * `checkVersion` demands. Other files know none of it.
 */
import type { backend_util, NamedAttrMap, NamedTensorMap, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.ts';

/** @throws UserError if another version is installed */
export function checkVersion(): void {
  if (tf.version_core !== '4.22.0') {
    throw new UserError('tfjs-core', `expected version 4.22.0, found ${tf.version_core}`, 'run `npm ci`');
  }
}

// ---- The engine ----

/** What the engine records of an operation. */
export interface TapeNode {
  readonly id: number;
  readonly kernelName: string;
  readonly inputs: Record<string, Tensor | undefined>;
  readonly outputs: Tensor[];
  /** What `gradient` reads: putting another tensor into this array is enough. */
  readonly saved?: Tensor[];
  readonly gradient?: (dys: (Tensor | null)[]) => Record<string, () => Tensor>;
}

/** What is told of every operation while it is the active tape. */
interface Recorder {
  push(node: TapeNode): number;
}

interface EngineState {
  activeTape: Recorder | null;
  /** How many gradients are being recorded inside one another. */
  gradientDepth: number;
  /** How many kernels are running inside one another; nothing inside of one is recorded. */
  kernelDepth: number;
}

function engineState(): EngineState {
  return (tf.engine() as unknown as { readonly state: EngineState }).state;
}

/** How many gradients are being recorded inside one another; more than one if a gradient of a gradient may be asked for. */
export function gradientDepth(): number {
  return engineState().gradientDepth;
}

/**
 * Runs `body` with `tape` as the active one. @returns what it returns
 * @throws Error if gradients are being recorded already
 */
export function recordOnto<T>(tape: Recorder, body: () => T): T {
  const state = engineState();
  if (state.gradientDepth !== 0) throw new Error('autodiff: gradients are being taken already');
  state.activeTape = tape;
  state.gradientDepth = 1;
  try {
    return body();
  } finally {
    state.gradientDepth = 0;
    state.activeTape = null;
  }
}

/** Runs `body` as if inside a kernel, where nothing is recorded. */
export function runUnrecorded<T>(body: () => T): T {
  const state = engineState();
  state.kernelDepth++;
  try {
    return body();
  } finally {
    state.kernelDepth--;
  }
}

/** Runs a registered kernel, recorded. @returns every output */
export function runKernel(name: string, inputs: NamedTensorMap, attributes: NamedAttrMap): Tensor[] {
  const result = tf.engine().runKernel(name, inputs, attributes);
  return (Array.isArray(result) ? result : [result]) as unknown as Tensor[];
}

/** A kernel function of plain operations: the engine hands tensors to it, which only its declared type hides. */
export function plainKernel<Attributes>(
  reference: (inputs: Readonly<Record<string, Tensor>>, attributes: Attributes) => Tensor[],
): tf.KernelFunc {
  return ({ inputs, attrs }) =>
    tf.tidy(() =>
      reference(inputs as unknown as Record<string, Tensor>, attrs as Attributes),
    ) as unknown as TensorInfo[];
}

/** What stands for a tensor where there is none and the engine wants one: it is never read. */
export function placeholderTensor(): Tensor {
  return {} as unknown as Tensor;
}

// ---- Backends ----

/** Keeps the cpu backend from warning at its first write that a faster one exists. */
export function keepQuiet(cpuBackend: tf.KernelBackend): void {
  (cpuBackend as unknown as { firstUse: boolean }).firstUse = false;
}

/** Whether the active backend is TensorFlow's, on a GPU. */
export function isTensorflowOnGpu(): boolean {
  return (tf.backend() as unknown as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true;
}

/** What we use of the WebGPU backend's private members. */
export interface WebgpuInternals {
  commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  commandQueueOwnedIds: { has(id: object): boolean; add(id: object): void };
  dispatchCountInPass: number;
  bufferManager: unknown;
}

export function webgpuInternals(backend: tf.KernelBackend): WebgpuInternals {
  return backend as unknown as WebgpuInternals;
}

/** Forgets a copy of a tensor's values on the CPU, which would be stale. */
export function forgetValues(data: { values?: backend_util.BackendValues }): void {
  data.values = null as unknown as backend_util.BackendValues;
}

/** Puts `around` about the one private method through which all of the WebGPU backend's own kernels pass. */
export function watchWebgpuKernels(backend: tf.KernelBackend, around: (name: string, send: () => void) => void): void {
  const own = backend as unknown as { recordAndSubmit(program: object, ...rest: unknown[]): void };
  const send = own.recordAndSubmit.bind(backend);
  own.recordAndSubmit = (program, ...rest) => around(program.constructor.name, () => send(program, ...rest));
}
