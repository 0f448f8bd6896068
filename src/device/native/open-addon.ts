/** @file Finds and opens the addon for the best instruction set that this processor runs. Loads no tensor library. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../io/package-root.ts';
import { type Addon, type InstructionSet, instructionSets, isCurrent, type LoadedAddon } from './addon.ts';

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

/**
 * Loads the addon.
 * @param wanted an instruction set to load instead of the best one, for tests and comparisons
 * @returns the addon and its instruction set, or why there is none
 */
export function loadAddon(wanted?: InstructionSet): LoadedAddon | Missing {
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
      return { addon, instructionSet, fastest: isFast ? 'bf16' : 'fp32', threads: availableParallelism() };
    }
    return { reason: `no build for ${wanted ?? best} in ${build}` };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}
