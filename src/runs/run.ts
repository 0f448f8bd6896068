/** @file Making a run's folder and going on with it: its config, its lock; and the run that comes with the package. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { isChangeable, type RunConfig } from '../config/run.ts';
import { flattenConfig, mergeConfig, parseConfig, unflattenConfig } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import { packageRoot } from '../device/native/addon.ts';
import { checkConfig, readRun, runSchema, storedConfig } from '../families/config.ts';
import { askedValues, type RunSettings, resolveConfig } from '../families/resolve.ts';
import { writeJson } from '../io/files.ts';
import { takeLock } from '../io/lock.ts';
import { runPaths, weightKinds } from '../io/runfolder.ts';

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

/**
 * The config that a run is to be trained with: a new one, or that of the run that is there with what may change of it.
 * Writes nothing.
 * @param make makes the config of a new run
 * @throws UserError if the run that is there was made with another value of a field that cannot change, or was exported
 */
export async function planRun(
  folder: string,
  settings: RunSettings,
  make: (settings: RunSettings) => RunConfig = resolveConfig,
): Promise<RunConfig> {
  if (!existsSync(runPaths(folder).config)) return make(settings);
  const stored = await readTrainable(folder);
  const before = flattenConfig(stored);
  const changed: Record<string, unknown> = {};
  for (const { field, value, preset } of askedValues(settings, stored.family)) {
    if (isChangeable(field)) {
      if (preset === undefined) changed[field] = value; // a preset is where a run starts, not how long it goes on
    } else {
      expectSame(folder, { field, before: before[field], now: value, whose: preset && ` of preset ${preset}` });
    }
  }
  return checkConfig(parseConfig(runSchema(), mergeConfig(stored, unflattenConfig(changed)), runPaths(folder).config));
}

/**
 * Makes a run's folder or takes the one that is there, keeps its config in it, and does work on it, while other processes
 * are kept from it.
 * @param config as `planRun` makes it
 * @throws UserError if the run is being trained, or is there with another value of a field that cannot change
 */
export async function withRun<T>(
  folder: string,
  config: RunConfig,
  work: (run: { readonly resumed: boolean }) => Promise<T>,
): Promise<T> {
  await mkdir(folder, { recursive: true });
  const unlock = await lockRun(folder);
  try {
    return await work(await openRun(folder, config));
  } finally {
    await unlock();
  }
}

/**
 * Keeps a planned config in the run's folder. To be called by whoever holds the run's lock.
 * @returns whether the run was there before
 * @throws UserError if it is there with another value of a field that cannot change
 */
export async function openRun(folder: string, config: RunConfig): Promise<{ readonly resumed: boolean }> {
  const paths = runPaths(folder);
  const resumed = existsSync(paths.config);
  if (resumed) {
    const before = flattenConfig(await readTrainable(folder));
    for (const [field, now] of Object.entries(flattenConfig(config))) {
      if (!isChangeable(field)) expectSame(folder, { field, before: before[field], now });
    }
  }
  await writeJson(paths.config, storedConfig(config));
  return { resumed };
}

/** The config of a run that training can go on with. @throws UserError if there is none, or it was exported */
async function readTrainable(folder: string): Promise<RunConfig> {
  const paths = runPaths(folder);
  const stored = await readRun(folder, 'train');
  const states = dirname(paths.modelState);
  const goesOn = existsSync(states) && readdirSync(states).some(name => !name.startsWith('lock')); // which is ours
  if (!goesOn && weightKinds.some(kind => existsSync(paths.weights[kind]))) {
    throw new UserError(
      'train',
      `the run in ${folder} was exported, without what its training goes on from`,
      'go on with the run that it was exported from, or choose another --out',
    );
  }
  return stored;
}

function expectSame(
  folder: string,
  asked: { readonly field: string; readonly before: unknown; readonly now: unknown; readonly whose?: string },
): void {
  const { field, whose = '' } = asked;
  const [before, now] = [JSON.stringify(asked.before), JSON.stringify(asked.now)];
  if (before === now) return;
  throw new UserError(
    'train',
    `expected ${field} ${before}, as the run in ${folder} has it, got ${now}${whose}`,
    'leave the flag out to go on with it, or choose another --out',
  );
}

/**
 * Keeps others from training the run at the same time. The lock of a process that was killed does not count.
 * @returns gives the run free again
 * @throws UserError naming the process that trains it, and its host
 */
export async function lockRun(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, 'state', 'lock');
  await mkdir(dirname(path), { recursive: true });
  const { release, holder } = await takeLock(path);
  if (release !== undefined) return release;
  const { pid, host } = holder;
  throw new UserError(
    'train',
    `${folder} is being trained by process ${pid} on ${host}`,
    host === hostname()
      ? 'wait until it ends, or stop it'
      : `wait until it ends, or stop it there; if it was killed, remove ${path}`,
  );
}
