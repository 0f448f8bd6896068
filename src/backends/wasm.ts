/** @file tfjs's WebAssembly backend: the fallback where no C++ addon could be built. One thread in Node. */

import { createRequire } from 'node:module';
import { dirname, sep } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';

/** Registers the backend; later calls do nothing. */
export async function loadWasm(): Promise<void> {
  if (tf.findBackendFactory('wasm') !== null && tf.findBackend('wasm') !== null) return;
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  const require = createRequire(import.meta.url);
  setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep);
}
