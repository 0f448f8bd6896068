/**
 * @file What a build of the C++ kernels is to TypeScript, whatever it was built for: an addon of Node (load.ts finds it) or
 * WebAssembly (wasm-addon.ts). Knows no platform.
 */
import type { BlockSource } from './pool.ts';
import { callsSignature } from './signature.ts';

/** What native/addon.cc exports, and wasm-addon.ts as well. */
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

/** Of processors, the best first. */
export const instructionSets = ['amx', 'avx512bf16', 'avx512', 'avx2', 'portable'] as const;
export type InstructionSet = (typeof instructionSets)[number] | 'wasm';

/** A build that runs here. */
export interface LoadedAddon {
  readonly addon: Addon;
  readonly instructionSet: InstructionSet;
  /** Operands of products where nobody asks for any: bf16 where that is faster. */
  readonly fastest: 'fp32' | 'bf16';
  /** How many threads compute where nobody says how many. */
  readonly threads: number;
  /** The memory that its kernels read; absent where that is any. */
  readonly memory?: BlockSource;
}
