/**
 * @file Runs that are to stand beside one another: which weights they have, and whether they learnt from the same images at the same
 * size, so that none is judged by what it was trained on.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../../core/errors.ts';
import { readRun } from '../../families/config.ts';
import { familyOf } from '../../families/families.ts';
import { partFiles } from '../../families/parts.ts';
import { readSafetensors } from '../../io/files.ts';
import type { WeightKind } from '../../io/runfiles.ts';
import { chooseWeights, runPaths } from '../../io/runfolder.ts';
import { shortNames } from '../../report/groups.ts';
import type { ComparedRun } from './paint-runs.ts';

/**
 * Reads the configs of runs and sees which weights they have.
 * @param where the command, for messages
 * @throws UserError if there is none, one is named twice, or is no run
 */
export async function openRuns(
  where: string,
  { runs: folders, weights: wanted }: { readonly runs: readonly string[]; readonly weights?: WeightKind },
): Promise<ComparedRun[]> {
  if (folders.length === 0) {
    throw new UserError(where, 'expected at least one run, got none', `e.g. tessera ${where} runs/a runs/b`);
  }
  const twice = folders.find((folder, i) => folders.some((other, j) => j < i && resolve(other) === resolve(folder)));
  if (twice !== undefined) throw new UserError(where, `expected every run once, got ${twice} twice`);
  const configs = await Promise.all(folders.map(folder => readRun(folder, where)));
  const names = shortNames(folders);
  return folders.map((folder, i) => {
    const config = configs[i];
    const paths = runPaths(folder);
    const weights = chooseWeights(folder, wanted);
    const parts = partFiles(familyOf(config.family).stages, paths).map(([file]) => file);
    return { folder, name: names[i], config, weights, trained: [paths.weights[weights], ...parts].every(existsSync) };
  });
}

/**
 * Refuses runs that did not learn from the same images, or not at the same size.
 * @param where the command, for messages
 */
export async function checkSplits(where: string, runs: readonly ComparedRun[]): Promise<void> {
  const [first, ...others] = runs;
  const held = await heldOutIds(first);
  for (const other of others) {
    const [a, b] = [first.config.images, other.config.images];
    if (a.imageSize !== b.imageSize) {
      throw new UserError(
        where,
        `${first.folder} paints ${a.imageSize} x ${a.imageSize} pixels, ${other.folder} ${b.imageSize} x ${b.imageSize}`,
        'take runs that were trained with the same --image-size',
      );
    }
    const ids = await heldOutIds(other);
    const differ = held !== undefined && ids !== undefined && held !== ids;
    if (String(a.split) !== String(b.split)) {
      throw new UserError(
        where,
        `the data splits differ: ${other.folder} was trained on ${b.split.join(', ')}, ${first.folder} on ${a.split.join(', ')}`,
        'take runs that were trained with the same --split',
      );
    }
    if (a.validation !== b.validation || differ) {
      const how = differ
        ? `${other.folder} held out other images than ${first.folder}`
        : `${other.folder} held out ${b.validation} of the images, ${first.folder} ${a.validation}`;
      throw new UserError(
        where,
        `the data splits differ: ${how}: one would be judged by what the other was trained on`,
        'take runs that were trained on the same data with the same --validation',
      );
    }
  }
}

/** The held-out items of a run that keeps its data as codes. */
async function heldOutIds({ folder }: ComparedRun): Promise<string | undefined> {
  const { heldOutCodes } = runPaths(folder);
  return existsSync(heldOutCodes) ? (await readSafetensors(heldOutCodes)).metadata.ids : undefined;
}
