/** @file Making a run's folder and going on with it: its config, its lock; and the run that comes with the package. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RunConfig } from '../config/run.ts';
import { flattenConfig, mergeConfig, parseConfig } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import { packageRoot } from '../device/native/addon.ts';
import { checkConfig, ownSections, readRun, runSchema } from '../families/config.ts';
import { runPaths, weightKinds } from '../io/runfolder.ts';
import { isRunning, writeJson } from '../io/state.ts';

/**
 * The folder of the model that comes with the package: a run, to be loaded as any other.
 * @throws UserError if this copy of the package has none
 */
export function shippedModel(): string {
  const folder = join(packageRoot(), 'models', 'emoji');
  if (!existsSync(runPaths(folder).config)) {
    throw new UserError(
      'load',
      `no model came with this copy of tessera (looked for ${runPaths(folder).config})`,
      'name a run: --run RUN; `tessera train --data datasets/emoji --out RUN` trains one',
    );
  }
  return folder;
}

/** Fields that a resumed run may change: how long and how closely watched, not what it is. */
const changeable = /^(train|\w+Train)\.(steps|evalEvery|sampleEvery|saveEvery|logEvery)$/;

/**
 * Makes a run's folder, or goes on with the run that is there.
 * @param fresh the config of a new run
 * @param asked.given what the user asked for by flag or file
 * @param asked.sections what config.json keeps beside the sections of every run; default the sections of the run's family
 * @returns the config to train with, saved in the folder
 * @throws UserError if the run that is there was made with another value of a field that cannot change, or was exported
 */
export async function openRun(
  folder: string,
  fresh: RunConfig,
  asked: { readonly given: Readonly<Record<string, unknown>>; readonly sections?: string[] },
): Promise<{ readonly config: RunConfig; readonly resumed: boolean }> {
  const { given, sections } = asked;
  const paths = runPaths(folder);
  const resumed = existsSync(paths.config);
  let config = fresh;
  if (resumed) {
    const stored = await readRun(folder, 'train');
    if (!existsSync(dirname(paths.modelState)) && weightKinds.some(kind => existsSync(paths.weights[kind]))) {
      throw new UserError(
        'train',
        `the run in ${folder} was exported, without what its training goes on from`,
        'go on with the run that it was exported from, or choose another --out',
      );
    }
    const before = flattenConfig(stored);
    for (const [field, value] of Object.entries(flattenConfig(given))) {
      if (changeable.test(field) || JSON.stringify(before[field]) === JSON.stringify(value)) continue;
      throw new UserError(
        'train',
        `the run in ${folder} has ${field} ${JSON.stringify(before[field])}, not ${JSON.stringify(value)}`,
        'leave the flag out to go on with it, or choose another --out',
      );
    }
    config = checkConfig(parseConfig(runSchema(), mergeConfig(stored, given), paths.config));
  }
  await writeJson(paths.config, ownSections(config, sections));
  return { config, resumed };
}

/**
 * Keeps other processes from training the run at the same time. The lock of a process that was killed does not count.
 * @returns gives the run free again
 * @throws UserError naming the process that trains it
 */
export async function lockRun(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'state', 'lock');
  await mkdir(dirname(path), { recursive: true });
  const holder = Number(await readFile(path, 'utf8').catch(() => 'nobody'));
  if (Number.isInteger(holder) && holder !== process.pid && isRunning(holder)) {
    throw new UserError('train', `${folder} is being trained by process ${holder}`, 'wait until it ends, or stop it');
  }
  await writeFile(path, String(process.pid));
  return () => rm(path, { force: true });
}
