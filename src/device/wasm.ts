/** @file tfjs's WebAssembly backend: the fallback where no C++ addon could be built. One thread in Node. */

import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { firstLine } from '../core/errors.ts';

/**
 * Registers the backend and makes it the active one.
 * @returns why it could not be, or undefined
 */
export async function activateWasm(): Promise<string | undefined> {
  try {
    if (tf.findBackendFactory('wasm') === null) {
      const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
      const require = createRequire(import.meta.url);
      setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep);
    }
    return (await tf.setBackend('wasm')) ? undefined : 'it did not start';
  } catch (error) {
    return firstLine(error);
  }
}
