/**
 * @file tfjs-node-gpu, an optional peer: TensorFlow 2.9 with CUDA 11. Its last release (4.22.0) calls `util.isNullOrUndefined`,
 * which Node 23 removed, so that is put back before it is imported. Every way it can fail ends in one clear line; where
 * it falls back to the processor, which it does in silence, the libraries that it lacks are named. It has no kernels of
 * ours: the reference compositions run on it.
 */

import { createRequire } from 'node:module';
import { constants } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.ts';
import { isTensorflowOnGpu } from './tfjs.ts';

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;
const install = 'npm install @tensorflow/tfjs-node-gpu@4.22.0 (Linux, CUDA 11.2 with cuDNN 8)';

/** What TensorFlow 2.9 opens before it takes a GPU: the driver and CUDA 11. */
const libraries = [
  'libcuda.so.1',
  'libcudart.so.11.0',
  'libcublas.so.11',
  'libcublasLt.so.11',
  'libcufft.so.10',
  'libcurand.so.10',
  'libcusolver.so.11',
  'libcusparse.so.11',
  'libcudnn.so.8',
] as const;

export interface LoadedTensorflow {
  /** The package that was found. */
  readonly name: string;
  readonly gpu: boolean;
  /** Why it computes on the processor, and what to do about it. */
  readonly slow?: { readonly why: string; readonly hint: string };
}

function polyfill(): void {
  const util = createRequire(import.meta.url)('node:util') as { isNullOrUndefined?: (x: unknown) => boolean };
  util.isNullOrUndefined ??= x => x === null || x === undefined;
}

/** Whether the system finds a shared library. */
function opens(library: string): boolean {
  try {
    process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_LAZY);
  } catch (error) {
    return !firstLine(error).includes('cannot open shared object file'); // one that is there is no addon of Node
  }
  return true;
}

/**
 * Imports tfjs-node-gpu, or the CPU build of the same package, and makes its backend `tensorflow` the active one.
 * @param load how a package is imported; tests pass a stand-in
 * @param find whether a shared library is there
 * @throws UserError saying what is missing
 */
export async function loadTensorflow(
  load: (name: string) => Promise<unknown> = name => import(name),
  find: (library: string) => boolean = opens,
): Promise<LoadedTensorflow> {
  polyfill();
  const failures: string[] = [];
  for (const name of packages) {
    try {
      await load(name);
    } catch (error) {
      failures.push(isAbsent(error, name) ? `${name} is not installed` : `${name}: ${firstLine(error)}`);
      continue;
    }
    if (tf.findBackendFactory('tensorflow') === null) {
      failures.push(`${name}: imported, but it registered with another copy of tfjs-core`);
      continue;
    }
    if (!(await tf.setBackend('tensorflow'))) {
      failures.push(`${name}: imported, but it did not start`);
      continue;
    }
    return isTensorflowOnGpu() ? { name, gpu: true } : { name, gpu: false, slow: explain(name, find) };
  }
  throw new UserError('backend tensorflow', failures.join('; '), install);
}

/** Why a package computes on the processor. */
function explain(name: string, find: (library: string) => boolean): { readonly why: string; readonly hint: string } {
  if (name !== packages[0]) return { why: 'it is built without CUDA', hint: install };
  const missing = libraries.filter(library => !find(library));
  if (missing.length === 0)
    return { why: 'TensorFlow found no GPU that it can use', hint: 'see what it says on stderr' };
  if (missing.includes('libcuda.so.1')) return { why: 'there is no NVIDIA driver (libcuda.so.1)', hint: 'install it' };
  return {
    why: `these libraries are not found: ${missing.join(', ')}`,
    hint: 'install CUDA 11.2 and cuDNN 8, and put the folders that they are in into LD_LIBRARY_PATH',
  };
}

/** Whether the package itself is missing, rather than something that it needs. */
function isAbsent(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException; // whatever was thrown may have them
  return code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0];
}
