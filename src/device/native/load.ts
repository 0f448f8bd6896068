/** @file Loads the kernels in Node as backends: the addon, and the WebAssembly that comes with the package. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { firstLine } from '../../core/errors.ts';
import { packageRoot } from '../../io/package-root.ts';
import type { InstructionSet } from './addon.ts';
import { isRegistered, registerNative, registerOnce } from './native.ts';
import { loadAddon } from './open-addon.ts';
import { openWasm, type WasmOptions } from './wasm-addon.ts';
import { nodeProgram, type StartThread } from './wasm-threads.ts';

/**
 * Registers the addon as the backend `native`.
 * @returns why it could not be, or undefined
 */
export function registerAddon(instructionSet?: InstructionSet): string | undefined {
  if (isRegistered('native')) return undefined;
  const loaded = loadAddon(instructionSet);
  if ('reason' in loaded) return loaded.reason;
  registerNative(loaded);
  return undefined;
}

/**
 * Registers the kernels in WebAssembly as the backend `wasm`.
 * @returns why they could not be, or undefined
 */
export function registerWasm(): Promise<string | undefined> {
  return registerOnce('wasm', loadWasm);
}

/**
 * Opens the kernels in WebAssembly, each time with a memory of their own.
 * @returns them, or why they could not be had
 */
export async function loadWasm(options: Omit<WasmOptions, 'startThread'> = {}) {
  const file = join(packageRoot(), 'native', 'build', 'tessera.wasm');
  if (!existsSync(file)) return { reason: 'it was never built' };
  try {
    return await openWasm(readFileSync(file), { threads: availableParallelism(), ...options, startThread });
  } catch (error) {
    return { reason: firstLine(error) };
  }
}

/** Threads of the kernels in WebAssembly. */
const startThread: StartThread = (start, ended) => {
  const thread = new Worker(nodeProgram, { eval: true, workerData: start, execArgv: [], stdin: false });
  thread.on('message', ended);
  thread.unref(); // a process ends without asking them
};
