/**
 * @file Chooses the tfjs backend. `auto` takes the C++ addon, or WebAssembly where none could be built, with one
 * warning that says how to mend it; every other name is an order, and a failure to follow it is an error.
 */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../errors.ts';
import { activeNative, type Precision, registerNative } from './native.ts';
import { loadTensorflow } from './tensorflow.ts';
import { activateWasm } from './wasm.ts';
import { activateWebgpu } from './webgpu/webgpu.ts';

export const backendNames = ['auto', 'webgpu', 'native', 'wasm', 'cpu', 'tensorflow'] as const;
export type BackendName = (typeof backendNames)[number];

const mendNative = 'install a C++ compiler (Debian, Ubuntu: apt-get install g++) and run `npx tessera build-native`';

export interface BackendOptions {
  /** Operand precision of matrix products on the native backend; `auto` is bf16 where the processor has it. */
  readonly precision?: 'auto' | Precision;
  readonly threads?: number;
  /** Called at most once, with a line for the user, when the backend is slower than it could be. */
  readonly warn?: (message: string, hint: string) => void;
}

/**
 * Makes a backend the active one.
 * @returns the name of the backend that is active now
 * @throws UserError if the backend asked for cannot be had
 */
export async function selectBackend(name: BackendName, options: BackendOptions = {}): Promise<string> {
  checkVersion();
  switch (name) {
    case 'auto': {
      const reason = await activateNative(options);
      if (reason !== undefined) await settle(reason, options.warn);
      break;
    }
    case 'webgpu':
      await activateWebgpu();
      break;
    case 'native': {
      const reason = await activateNative(options);
      if (reason !== undefined) throw new UserError('backend native', `no native addon (${reason})`, mendNative);
      break;
    }
    case 'wasm': {
      const reason = await activateWasm();
      if (reason !== undefined) throw new UserError('backend wasm', reason, 'use --backend auto or --backend cpu');
      break;
    }
    case 'cpu':
      await tf.setBackend('cpu');
      break;
    case 'tensorflow': {
      const { name: found, gpu } = await loadTensorflow();
      if (!gpu)
        options.warn?.(`${found} computes on the CPU, no GPU was found`, 'see `tessera doctor` for what is faster');
      break;
    }
    default:
      name satisfies never;
  }
  if (options.precision === 'bf16' && !activeNative()?.supportsBf16) {
    throw new UserError('precision bf16', `the ${tf.getBackend()} backend has no bf16 here`, 'use --precision fp32');
  }
  await tf.ready();
  return tf.getBackend();
}

/** Without the addon: WebAssembly, and where that does not start either, plain JavaScript. One warning tells all of it. */
async function settle(noAddon: string, warn: BackendOptions['warn']): Promise<void> {
  const noWasm = await activateWasm();
  if (noWasm === undefined) {
    warn?.(`no native addon (${noAddon}); using the slower wasm backend`, mendNative);
    return;
  }
  await tf.setBackend('cpu');
  warn?.(`no native addon (${noAddon}) and no wasm (${noWasm}); using the very slow cpu backend`, mendNative);
}

async function activateNative(options: BackendOptions): Promise<string | undefined> {
  const reason = registerNative();
  if (reason !== undefined) return reason;
  const started = await tf.setBackend('native');
  const backend = started ? activeNative() : undefined;
  if (backend === undefined) return 'it registered but did not start';
  const { precision = 'auto' } = options;
  if (backend.supportsBf16) backend.precision = precision === 'auto' ? 'bf16' : precision;
  if (options.threads !== undefined) backend.setThreads(options.threads);
  return undefined;
}

/** autodiff.ts and native.ts work on internals of this version. */
function checkVersion(): void {
  if (tf.version_core !== '4.22.0') {
    throw new UserError('tfjs-core', `expected version 4.22.0, found ${tf.version_core}`, 'run `npm ci`');
  }
}
