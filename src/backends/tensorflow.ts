/**
 * @file tfjs-node-gpu, an optional peer: TensorFlow 2.9 with CUDA 11. Its last release (4.22.0) calls `util.isNullOrUndefined`,
 * which Node 23 removed, so that is put back before it is imported. Every way it can fail ends in one clear line.
 */

import { createRequire } from 'node:module';
import * as util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../errors.ts';

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;
const install = 'npm install @tensorflow/tfjs-node-gpu@4.22.0 (Linux, CUDA 11.2 with cuDNN 8, Node 18 to 22)';

function polyfill(): void {
  const mutable = createRequire(import.meta.url)('node:util') as { isNullOrUndefined?: (x: unknown) => boolean };
  if (!('isNullOrUndefined' in util)) mutable.isNullOrUndefined = x => x === null || x === undefined;
}

/**
 * Imports tfjs-node-gpu, or the CPU build of the same package, and makes its backend `tensorflow` the active one.
 * @param load how a package is imported; tests pass a stand-in
 * @returns the package that was found, and whether it computes on a GPU
 * @throws UserError saying what is missing
 */
export async function loadTensorflow(
  load: (name: string) => Promise<unknown> = name => import(name),
): Promise<{ readonly name: string; readonly gpu: boolean }> {
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
    const backend = tf.backend() as unknown as { isUsingGpuDevice?: boolean };
    return { name, gpu: backend.isUsingGpuDevice === true };
  }
  throw new UserError('backend tensorflow', failures.join('; '), install);
}

/** Whether the package itself is missing, rather than something that it needs. */
function isAbsent(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException; // whatever was thrown may have them
  return code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`);
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0];
}
