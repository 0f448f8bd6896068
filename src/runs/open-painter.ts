/** @file Opening a run of any family as what paints it. */
import { existsSync } from 'node:fs';
import { found } from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import type { BackendName } from '../device/backends.ts';
import type { PrecisionName } from '../device/precision.ts';
import { readRun } from '../families/config.ts';
import { familyOf } from '../families/families.ts';
import type { Making } from '../families/family.ts';
import type { Painter } from '../families/painter.ts';
import { companionsOf, disposeParts, loadParts, partFiles } from '../families/parts.ts';
import { readSafetensors } from '../io/files.ts';
import { type WeightKind, weightKinds } from '../io/runfiles.ts';
import { chooseWeights, expectTrained, expectTrainedWith, runPaths } from '../io/runfolder.ts';
import { startBackend } from '../kernels/start.ts';
import { Checkpoint } from '../nn/module.ts';
import { namedValues } from '../training/named-values.ts';

export type { Painter } from '../families/painter.ts';

export interface OpenOptions {
  /**
   * `ema`: averaged weights; `best`: the average at the best validation; `last`: as trained last. Default `ema`, or the only
   * ones that are there.
   */
  readonly weights?: WeightKind;
  /** Where to compute; default `auto`. */
  readonly backend?: BackendName;
  readonly precision?: PrecisionName;
  /** Of the native backend; default: as it has them, at first as many as the processor has cores. */
  readonly threads?: number;
}

/**
 * Loads a run of any family.
 * @throws UserError if something of it is missing, or a part of it is not the one that it was trained with
 */
export async function openPainter(run: string, options: OpenOptions = {}): Promise<Painter> {
  const { backend = 'auto', precision = 'auto', threads, weights } = options;
  return loadPainter(run, { weights, start: () => startBackend(backend, { precision, threads }) });
}

/** The training step that weights carry; 0 where they carry none. */
export function stepOf({ step = '0' }: Readonly<Record<string, string>>, where: string): number {
  const count = /^\d{1,10}$/.test(step) ? Number(step) : Number.NaN;
  if (Number.isSafeInteger(count)) return count;
  throw new UserError(where, `expected the step of a training, got ${found(step)}`);
}

/** As `openPainter`. @param options.start starts a backend, once all files are known to be there */
export async function loadPainter(
  run: string,
  options: { readonly weights?: WeightKind; readonly start: () => Promise<unknown> },
): Promise<Painter> {
  const config = await readRun(run, 'load');
  const family = familyOf(config.family);
  const paths = runPaths(run);
  const path = paths.weights[chooseWeights(run, options.weights)];
  expectWeights(run, options.weights);
  expectTrained(run, [...partFiles(family.stages, paths), [path, family.name]]);
  await options.start();
  const { tensors, metadata } = await readSafetensors(path);
  await expectTrainedWith(path, companionsOf(family.stages, paths, metadata));
  const loaded = await loadParts(family.stages, config, paths);
  const parts = loaded as Making['parts']; // those of its stages are there
  const values = namedValues(tensors, path);
  const making: Making = {
    config,
    folder: run,
    parts,
    random: new Checkpoint(values, path),
    step: stepOf(metadata, path),
  };
  const model = await family.create(making).catch(error => {
    disposeParts(loaded);
    throw error;
  });
  try {
    model.load(values, path);
    return model.painter;
  } catch (error) {
    model.painter.dispose(); // and the parts with it
    throw error;
  }
}

/** @throws UserError if those that are asked for are not there, but others are */
function expectWeights(run: string, wanted: WeightKind | undefined): void {
  const { weights } = runPaths(run);
  const there = weightKinds.filter(kind => existsSync(weights[kind]));
  if (wanted === undefined || there.length === 0 || there.includes(wanted)) return;
  const why = wanted === 'best' ? '; the best are chosen by held-out images, of which a run may have none' : '';
  throw new UserError('load: weights', `expected ${there.join(' or ')}, which ${run} has, got ${wanted}${why}`);
}
