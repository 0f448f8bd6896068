/**
 * @file Chooses the tfjs backend. `auto` takes the C++ addon, or WebAssembly where none could be built, with one
 * warning that says how to mend it; every other name is an order, and a failure to follow it is an error.
 */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../errors.ts';
import { activeNative, type Precision, registerNative } from './native.ts';
import { loadTensorflow } from './tensorflow.ts';
import { loadWasm } from './wasm.ts';

export const backendNames = ['auto', 'native', 'wasm', 'cpu', 'tensorflow'] as const;
export type BackendName = (typeof backendNames)[number];

export const mendNative = 'install a C++ compiler (Debian, Ubuntu: apt-get install g++) and run `npm run build:native`';

export interface BackendOptions {
  /** Operand precision of matrix products on the native backend; `auto` is bf16 where the processor has it. */
  readonly precision?: 'auto' | Precision;
  readonly threads?: number;
  /** Called at most once, with a line for the user, when `auto` had to settle for a slower backend. */
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
      if (reason !== undefined) {
        options.warn?.(`no native addon (${reason}); using the slower wasm backend`, mendNative);
        await loadWasm();
        await tf.setBackend('wasm');
      }
      break;
    }
    case 'native': {
      const reason = await activateNative(options);
      if (reason !== undefined) throw new UserError('backend native', `no native addon (${reason})`, mendNative);
      break;
    }
    case 'wasm':
      await loadWasm();
      await tf.setBackend('wasm');
      break;
    case 'cpu':
      await tf.setBackend('cpu');
      break;
    case 'tensorflow':
      await loadTensorflow();
      await tf.setBackend('tensorflow');
      break;
    default:
      name satisfies never;
  }
  if (options.precision === 'bf16' && !activeNative()?.supportsBf16) {
    throw new UserError('precision bf16', `the ${tf.getBackend()} backend has no bf16 here`, 'use --precision fp32');
  }
  await tf.ready();
  return tf.getBackend();
}

async function activateNative(options: BackendOptions): Promise<string | undefined> {
  const reason = registerNative();
  if (reason !== undefined) return reason;
  await tf.setBackend('native');
  const backend = activeNative();
  if (backend === undefined) return 'it registered but did not start';
  if (options.precision !== undefined && options.precision !== 'auto' && backend.supportsBf16) {
    backend.precision = options.precision;
  }
  if (options.threads !== undefined) backend.setThreads(options.threads);
  return undefined;
}

/** autodiff.ts and native.ts work on internals of this version. */
function checkVersion(): void {
  if (tf.version_core !== '4.22.0') {
    throw new UserError('tfjs-core', `expected version 4.22.0, found ${tf.version_core}`, 'run `npm ci`');
  }
}
