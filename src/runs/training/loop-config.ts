/** @file The settings of a training loop from the section of a config that a stage is trained by. */
import type { PatchTrainConfig } from '../../config/patch.ts';
import type { TrainConfig } from '../../config/run.ts';
import type { TextTrainConfig } from '../../families/contrastive/config.ts';
import type { LoopConfig } from '../../training/task.ts';

/**
 * Trainings without a rhythm of their own in the config are looked at ten times.
 * @param options.planned steps that the rhythm is of, where the training has become another since
 */
export function loopOf(
  config: PatchTrainConfig | TextTrainConfig | TrainConfig,
  { seed, planned = config.steps }: { readonly seed: number; readonly planned?: number },
): LoopConfig {
  const rhythm = 'evalEvery' in config ? config : { ...tenths(planned), accumulate: 1 };
  return { ...config, ...rhythm, seed };
}

function tenths(steps: number): Pick<LoopConfig, 'evalEvery' | 'sampleEvery' | 'saveEvery' | 'logEvery'> {
  const tenth = Math.max(1, Math.ceil(steps / 10));
  return { evalEvery: tenth, sampleEvery: tenth, saveEvery: tenth, logEvery: 10 };
}
