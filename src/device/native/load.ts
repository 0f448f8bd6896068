/**
 * @file Finds and loads the kernels in Node: the addon for the best instruction set that this processor runs, and the
 * WebAssembly that comes with the package.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { firstLine } from '../../core/errors.ts';
import { type Addon, type InstructionSet, instructionSets, isCurrent, type LoadedAddon } from './addon.ts';
import { isRegistered, registerNative } from './native.ts';
import { openWasm, type WasmOptions } from './wasm-addon.ts';
import { nodeProgram, type StartThread } from './wasm-threads.ts';

/** The folder that holds package.json, from a source file or from its compiled twin in dist. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** What cpu.node says of the processor. */
interface Processor {
  readonly instructionSet: Exclude<InstructionSet, 'wasm'>;
  /** Whether pairs of bf16 are multiplied in vectors more slowly than fp32. */
  readonly pairsAreSlow: boolean;
}

/** Why something could not be loaded. */
interface Missing {
  readonly reason: string;
}

function buildFolder(): string {
  return join(packageRoot(), 'native', 'build');
}

/**
 * Loads the addon.
 * @param wanted an instruction set to load instead of the best one, for tests and comparisons
 * @returns the addon and its instruction set, or why there is none
 */
export function loadAddon(wanted?: InstructionSet): LoadedAddon | Missing {
  const build = buildFolder();
  const require = createRequire(import.meta.url);
  try {
    if (!existsSync(join(build, 'cpu.node'))) return { reason: 'it was never built' };
    const { instructionSet: best, pairsAreSlow } = require(join(build, 'cpu.node')) as Processor;
    const runnable = instructionSets.slice(instructionSets.indexOf(best));
    const candidates = wanted === undefined ? runnable : runnable.filter(set => set === wanted);
    for (const instructionSet of candidates) {
      const file = join(build, `${instructionSet}.node`);
      if (!existsSync(file)) continue;
      const addon = require(file) as Partial<Addon>;
      if (!isCurrent(addon)) return { reason: 'it was built from the sources of another version' };
      const isFast = instructionSet === 'amx' || (instructionSet === 'avx512bf16' && !pairsAreSlow);
      return { addon, instructionSet, fastest: isFast ? 'bf16' : 'fp32', threads: availableParallelism() };
    }
    return { reason: `no build for ${wanted ?? best} in ${build}` };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

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
export async function registerWasm(): Promise<string | undefined> {
  if (isRegistered('wasm')) return undefined;
  const loaded = await loadWasm();
  if ('reason' in loaded) return loaded.reason;
  registerNative(loaded);
  return undefined;
}

/**
 * Opens the kernels in WebAssembly, each time with a memory of their own.
 * @returns them, or why they could not be had
 */
export async function loadWasm(options: Omit<WasmOptions, 'startThread'> = {}) {
  const file = join(buildFolder(), 'tessera.wasm');
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
