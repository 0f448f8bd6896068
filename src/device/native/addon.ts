/** @file Finds and loads the C++ addon: the build for the best instruction set that this processor runs. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callsSignature } from './signature.ts';

/** What native/addon.cc exports. */
export interface Addon {
  call(kernel: number, buffers: readonly (ArrayBufferView | null)[], numbers: Float64Array, count: number): void;
  kernelNames(): string[];
  /** Of the declarations (calls.ts) that the build was made from. */
  signature(): string;
  allocate(bytes: number): ArrayBuffer;
  /** @returns how many there are then: fewer where the system refuses threads */
  setThreads(count: number): number;
  /** How many more threads the system would give this process, up to 8. */
  spareThreads(): number;
}

/** All that it exports. */
const exported: Readonly<Record<keyof Addon, true>> = {
  call: true,
  kernelNames: true,
  signature: true,
  allocate: true,
  setThreads: true,
  spareThreads: true,
};

/** Whether a build is of these sources: it has all functions, and its kernels were declared as they are now. */
export function isCurrent(addon: Partial<Addon>): addon is Addon {
  const names = Object.keys(exported) as (keyof Addon)[];
  return names.every(name => typeof addon[name] === 'function') && addon.signature?.() === callsSignature;
}

export const instructionSets = ['amx', 'avx512bf16', 'avx512', 'avx2', 'portable'] as const;
export type InstructionSet = (typeof instructionSets)[number];

/** The folder that holds package.json, from a source file or from its compiled twin in dist. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** A build that this processor runs. */
export interface LoadedAddon {
  readonly addon: Addon;
  readonly instructionSet: InstructionSet;
  /** Operands of products where nobody asks for any: bf16 where that is faster. */
  readonly fastest: 'fp32' | 'bf16';
}

/** What cpu.node says of the processor. */
interface Processor {
  readonly instructionSet: InstructionSet;
  /** Whether pairs of bf16 are multiplied in vectors more slowly than fp32. */
  readonly pairsAreSlow: boolean;
}

/**
 * Loads the addon.
 * @param wanted an instruction set to load instead of the best one, for tests and comparisons
 * @returns the addon and its instruction set, or why there is none
 */
export function loadAddon(wanted?: InstructionSet): LoadedAddon | { readonly reason: string } {
  const build = join(packageRoot(), 'native', 'build');
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
      return { addon, instructionSet, fastest: isFast ? 'bf16' : 'fp32' };
    }
    return { reason: `no build for ${wanted ?? best} in ${build}` };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}
