/**
 * @file What load.ts is in a browser: the kernels in WebAssembly, from the file that lies beside the script. There is no addon.
 */
import { firstLine } from '../../core/errors.ts';
import { registerOnce } from './native.ts';
import { openWasm, type WasmOptions } from './wasm-addon.ts';

/** @returns why there is none */
export function registerAddon(): string {
  return 'a browser has none';
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
  try {
    const url = new URL('./tessera.wasm', import.meta.url);
    const answer = await fetch(url);
    if (!answer.ok) return { reason: `${url} cannot be loaded (${answer.status})` };
    return await openWasm(await answer.arrayBuffer(), options);
  } catch (error) {
    return { reason: firstLine(error) };
  }
}
