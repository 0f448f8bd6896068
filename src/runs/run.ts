/** @file Making a run's folder and going on with it: its config, its lock; and the run that comes with the package. */
import { existsSync, readdirSync, realpathSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { isChangeable, type RunConfig } from '../config/run.ts';
import { flattenConfig, mergeConfig, parseConfig, unflattenConfig } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import { checkConfig, readRun, runSchema, storedConfig } from '../families/config.ts';
import { askedValues, type RunSettings, resolveConfig } from '../families/resolve.ts';
import { writeJson } from '../io/files.ts';
import { isInSight, takeLock } from '../io/lock.ts';
import { makeFolder } from '../io/make-folder.ts';
import { endWriting, expectFree, namesIn, readMark, UNFINISHED, unfinishedFiles } from '../io/ownfolder.ts';
import { packageRoot } from '../io/package-root.ts';
import { weightKinds } from '../io/runfiles.ts';
import { runPaths } from '../io/runfolder.ts';

/** Who writes the first files of a run that takes them over from another one. */
export const TAKEN_OVER = 'a run that takes over what another one trained';

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

/** Whether a run came with the package, in which nothing is written: it lies among its models, and was not trained there. */
export function isOfPackage(folder: string): boolean {
  const models = join(packageRoot(), 'models');
  if (!existsSync(models) || !existsSync(folder) || existsSync(dirname(runPaths(folder).modelState))) return false;
  const way = relative(realpathSync(models), realpathSync(folder));
  return way !== '' && !isAbsolute(way) && way.split(sep)[0] !== '..';
}

/**
 * The config that a run is to be trained with: a new one, or that of the run that is there with what may change of it.
 * Writes nothing.
 * @param options.make makes the config of a new run; @param options.command who asks, for messages
 * @throws UserError if the run that is there was made with another value of a field that cannot change, or was exported
 */
export async function configOfRun(
  folder: string,
  settings: RunSettings,
  options: ConfigOptions = {},
): Promise<RunConfig> {
  const { make = resolveConfig, command = 'train' } = options;
  await expectRunFolder(folder);
  if (!existsSync(runPaths(folder).config)) return await make(settings);
  const stored = await readTrainable(folder, command);
  const before = flattenConfig(stored);
  const changed: Record<string, unknown> = {};
  for (const { field, value, preset } of askedValues(settings, stored.family)) {
    if (isChangeable(field)) {
      if (preset === undefined) changed[field] = value; // a preset is where a run starts, not how long it goes on
    } else {
      const whose = preset && ` of preset ${preset}`;
      expectSame(command, folder, { field, before: before[field], now: value, whose });
    }
  }
  const merged = mergeConfig(stored, unflattenConfig(changed));
  const config = checkConfig(parseConfig(runSchema(), merged, runPaths(folder).config));
  await expectPossible(command, folder, { before: stored, now: config });
  return config;
}

export interface ConfigOptions {
  readonly make?: (settings: RunSettings) => RunConfig | Promise<RunConfig>;
  readonly command?: string;
}

/** What of a run is there before its config.json, if it is stopped in its first moments. */
const FIRST_STATE = /^(lock.*|engine\.json|plan\.json|data\.safetensors)$/;

/**
 * Makes sure that a folder is new, empty or a run.
 * @throws UserError if it is the user's, or has the config.json of another program
 */
export async function expectRunFolder(folder: string): Promise<void> {
  const { config } = runPaths(folder);
  if (existsSync(config)) {
    const fields = await readMark(config);
    if (fields === undefined || 'family' in fields || 'images' in fields) return; // what is damaged is said by its reader
    throw new UserError(
      folder,
      'expected a run, got a folder with the config.json of something else (no field family or images)',
      'choose another folder; in this one nothing was changed',
    );
  }
  const own = new Set(['state']);
  const begun = await unfinishedFiles(folder, TAKEN_OVER);
  for (const file of begun === undefined ? [] : [...begun, UNFINISHED]) own.add(file.split('/')[0]);
  await expectFree(folder, 'a run', name => own.has(name));
  const state = begun === undefined ? await namesIn(join(folder, 'state')) : undefined;
  if (state?.some(name => !FIRST_STATE.test(name)) === true) await expectFree(folder, 'a run');
}

/** A run that is held: nobody else trains it meanwhile. */
export interface HeldRun {
  /** Whether it was there before. */
  readonly resumed: boolean;
  /** When it was taken, in nanoseconds, by the clock of its file system. */
  readonly begun: bigint;
  /** Writes the run's config. Until then the run is as it was. */
  readonly keepConfig: () => Promise<void>;
}

/**
 * Makes a run's folder or takes the one that is there, and does work on it, while other processes are kept from it.
 * @param config as `configOfRun` makes it; written when the work says so
 * @param command who asks, for messages
 * @throws UserError if the run is being trained, or is there with another value of a field that cannot change
 */
export async function withRun<T>(
  folder: string,
  { config, command = 'train' }: { readonly config: RunConfig; readonly command?: string },
  work: (run: HeldRun) => Promise<T>,
): Promise<T> {
  await expectRunFolder(folder);
  const unlock = await lockRun(folder, command);
  try {
    const resumed = await expectAgrees(command, folder, config);
    const { mtimeNs: begun } = await stat(lockOf(folder), { bigint: true });
    const keepConfig = async () => {
      await writeJson(runPaths(folder).config, storedConfig(config));
      await endWriting(folder); // of what it began with
    };
    return await work({ resumed, begun, keepConfig });
  } finally {
    await unlock();
  }
}

/** Whether the run is there; what was planned for it must fit what it is by now. */
async function expectAgrees(command: string, folder: string, config: RunConfig): Promise<boolean> {
  if (!existsSync(runPaths(folder).config)) return false;
  const stored = await readTrainable(folder, command);
  const before = flattenConfig(stored);
  for (const [field, now] of Object.entries(flattenConfig(config))) {
    if (!isChangeable(field)) expectSame(command, folder, { field, before: before[field], now });
  }
  await expectPossible(command, folder, { before: stored, now: config });
  return true;
}

/**
 * A training cannot become shorter than it is, nor longer once something was made with what it has left.
 * @throws UserError naming the field
 */
async function expectPossible(
  command: string,
  folder: string,
  { before, now }: { readonly before: RunConfig; readonly now: RunConfig },
): Promise<void> {
  const { patchState, textState, modelState, trainingCodes } = runPaths(folder);
  const trainings = [
    { section: 'patchTrain', state: patchState, users: [trainingCodes, modelState] },
    { section: 'textTrain', state: textState, users: [modelState] },
    { section: 'train', state: modelState, users: [] },
  ] as const;
  for (const { section, state, users } of trainings) {
    const [old, steps] = [before[section].steps, now[section].steps];
    if (steps === old) continue;
    const { savedStep } = await import('../training/saved-training.ts'); // programs that paint import this file
    const done = await savedStep(state);
    const refuse = (what: string, hint: string) => new UserError(command, `${section}.steps ${steps}: ${what}`, hint);
    const hint = 'leave the flag out to go on with it, or choose another --out';
    if (steps < done) throw refuse(`the run in ${folder} has done ${done} steps already`, hint);
    if (users.some(existsSync)) {
      throw refuse(`expected ${old}: what the run in ${folder} made of this training is in use`, hint);
    }
  }
}

/**
 * The config of a run that training can go on with, with the steps that its plan has by now: the states know them first.
 * @throws UserError if there is none, or it was exported
 */
async function readTrainable(folder: string, command: string): Promise<RunConfig> {
  const paths = runPaths(folder);
  const stored = await readRun(folder, command);
  const states = dirname(paths.modelState);
  const goesOn = existsSync(states) && readdirSync(states).some(name => !name.startsWith('lock')); // which is ours
  if (!goesOn && weightKinds.some(kind => existsSync(paths.weights[kind]))) {
    throw new UserError(
      command,
      `the run in ${folder} was exported, without what its training goes on from`,
      'go on with the run that it was exported from, or choose another --out',
    );
  }
  if (!existsSync(paths.plan)) return stored;
  const { readPlan } = await import('./plan/kept.ts'); // programs that paint import this file
  const { refitSaved, withSteps } = await import('./plan/refit.ts');
  const plan = await readPlan(paths.plan);
  return plan === undefined ? stored : withSteps(stored, await refitSaved(plan, paths));
}

function expectSame(
  command: string,
  folder: string,
  asked: { readonly field: string; readonly before: unknown; readonly now: unknown; readonly whose?: string },
): void {
  const { field, whose = '' } = asked;
  const [before, now] = [asked.before, asked.now].map(value => JSON.stringify(value) ?? 'none');
  if (before === now) return;
  throw new UserError(
    command,
    `expected ${field} ${before}, as the run in ${folder} has it, got ${now}${whose}`,
    'leave the flag out to go on with it, or choose another --out',
  );
}

function lockOf(folder: string): string {
  return runPaths(folder).lock;
}

/**
 * Keeps others from training the run at the same time. The lock of a process that was killed does not count.
 * @param command who asks, for the message
 * @returns gives the run free again
 * @throws UserError naming the process that trains it, and its host
 */
export async function lockRun(folder: string, command = 'train'): Promise<() => Promise<void>> {
  const path = lockOf(folder);
  await makeFolder(dirname(path));
  const { release, holder } = await takeLock(path);
  if (release !== undefined) return release;
  const { pid, host } = holder;
  throw new UserError(
    command,
    `${folder} is being trained by process ${pid} on ${host}`,
    (await isInSight(holder))
      ? 'wait until it ends, or stop it'
      : `wait until it ends, or stop it there; if it was killed, remove ${path}`,
  );
}
