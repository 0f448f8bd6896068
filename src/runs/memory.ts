/**
 * @file Refusing what clearly cannot fit the machine's memory before anything is begun: by the numbers of the networks, and
 * by the images of a batch. Lower bounds both; what passes may still turn out to be too large.
 */
import { totalmem } from 'node:os';
import type { RunConfig } from '../config/run.ts';
import { UserError } from '../core/errors.ts';
import { familyOf } from '../families/families.ts';
import type { StageName } from '../families/family.ts';

/** Of a parameter in training: its weight, its gradient, two moments and its average, four bytes each. */
const BYTES_A_PARAMETER = 20;
/** Of a pixel: three numbers of four bytes. */
const BYTES_A_PIXEL = 12;
const GiB = 2 ** 30;

/**
 * @param memory of the machine in bytes
 * @throws UserError if what a config asks for cannot be trained in so much memory
 */
export function expectFits(config: RunConfig, memory = machineMemory()): void {
  const { family, images } = config;
  const { stages, leastParameters } = familyOf(family);
  const parameters = leastParameters?.(config) ?? 0;
  const weights = parameters * BYTES_A_PARAMETER;
  const largest = Math.max(...batchesOf(config, stages));
  const batch = largest * images.imageSize ** 2 * BYTES_A_PIXEL;
  const inGiB = (bytes: number) => `${(bytes / GiB).toFixed(1)} GiB`;
  if (weights > memory) {
    throw new UserError(
      'config',
      `a ${family} of ${(parameters / 1e6).toFixed(0)} million parameters or more takes ${inGiB(weights)} to train; this machine has ${inGiB(memory)}`,
      'use fewer or narrower layers, or a smaller --preset',
    );
  }
  if (batch > memory) {
    throw new UserError(
      'config',
      `a batch of ${largest} images of ${images.imageSize} pixels takes ${inGiB(batch)}; this machine has ${inGiB(memory)}`,
      'use a smaller --batch-size, or --accumulate',
    );
  }
}

/** Images that are in memory at once in each training of a run. */
function batchesOf({ patchTrain, textTrain, train }: RunConfig, stages: readonly StageName[]): number[] {
  return [
    stages.includes('patch') ? patchTrain.batchSize : 0,
    stages.includes('text') ? textTrain.batchSize : 0,
    stages.includes('codes') ? 0 : train.batchSize / train.accumulate,
  ];
}

/** What the machine, or the container around this process, has. */
export function machineMemory(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  return constrained > 0 ? Math.min(totalmem(), constrained) : totalmem();
}
