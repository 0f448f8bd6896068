/** @file How painting makes way for trainings in the studio's folder: one thread beside them, and no GPU where one of them has it. */
import { isRecord } from '../../../core/checks.ts';
import { readJson } from '../../../io/files.ts';
import { holderOf } from '../../../io/lock.ts';
import { runPaths } from '../../../io/runfolder.ts';
import type { Place } from '../library.ts';

/** How a painter computes, and why in words. */
export interface Politeness {
  readonly threads?: number;
  readonly sparesGpu: boolean;
  readonly why: string | null;
}

/** Backends that may have the GPU. */
const ON_GPU: readonly unknown[] = ['webgpu', 'tensorflow'];

/** Looks which of some runs are being trained now. */
export async function politenessBeside(runs: readonly Place[]): Promise<Politeness> {
  const trained: string[] = [];
  let sparesGpu = false;
  for (const { folder, name } of runs) {
    const paths = runPaths(folder);
    if ((await holderOf(paths.lock)) === undefined) continue;
    trained.push(name);
    const engine: unknown = await readJson(paths.engine).catch(() => undefined); // not written yet, or damaged
    sparesGpu ||= isRecord(engine) && ON_GPU.includes(engine.backend);
  }
  if (trained.length === 0) return { sparesGpu, why: null };
  const others = trained.length > 1 ? ` and ${trained.length - 1} more` : '';
  const how = sparesGpu ? 'on one thread of the processor, and leaves the GPU to it' : 'on one thread';
  return {
    threads: 1,
    sparesGpu,
    why: `${trained[0]}${others} ${trained.length > 1 ? 'are' : 'is'} being trained: this paints ${how}`,
  };
}
