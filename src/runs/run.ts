/**
 * @file A run on disk: a folder that stands alone. Its files are named here and nowhere else.
 *
 *   config.json          the resolved config
 *   tokenizer.json       the caption tokenizer, as Hugging Face writes it
 *   patch.safetensors    the patch tokenizer (averaged weights); of a transformer
 *   text.safetensors     the frozen text encoder (averaged weights); of a GAN or a diffusion model
 *   model.safetensors    the last weights of what paints: transformer, generator or denoiser
 *   ema.safetensors      their average
 *   best.safetensors     the average at the lowest validation loss
 *   codes/               the data set as codes
 *   state/               what an exact resume needs: weights, moments, counters
 *   metrics.jsonl        one record a line
 *   *.png                pictures of how it went
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { askedValues, type RunSettings, resolveConfig } from '../config/resolve.ts';
import { checkConfig, type RunConfig, runSchema } from '../config/run.ts';
import { flattenConfig, mergeConfig, parseConfig, unflattenConfig } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import { packageRoot } from '../device/native/addon.ts';
import { readJson, writeJson } from '../io/files.ts';
import { takeLock } from '../io/lock.ts';

export const weightKinds = ['ema', 'best', 'last'] as const;
export type WeightKind = (typeof weightKinds)[number];

export interface RunPaths {
  readonly folder: string;
  readonly config: string;
  readonly captions: string;
  readonly patch: string;
  readonly text: string;
  readonly weights: Readonly<Record<WeightKind, string>>;
  readonly trainingCodes: string;
  readonly heldOutCodes: string;
  readonly patchState: string;
  readonly textState: string;
  readonly modelState: string;
  readonly metrics: string;
  readonly reconstructions: string;
  readonly samples: string;
}

/** The files of a run. */
export function runPaths(folder: string): RunPaths {
  const file = (...names: string[]) => join(folder, ...names);
  return {
    folder,
    config: file('config.json'),
    captions: file('tokenizer.json'),
    patch: file('patch.safetensors'),
    text: file('text.safetensors'),
    weights: { last: file('model.safetensors'), ema: file('ema.safetensors'), best: file('best.safetensors') },
    trainingCodes: file('codes', 'train.safetensors'),
    heldOutCodes: file('codes', 'validation.safetensors'),
    patchState: file('state', 'patch'),
    textState: file('state', 'text'),
    modelState: file('state', 'model'),
    metrics: file('metrics.jsonl'),
    reconstructions: file('reconstructions.png'),
    samples: file('samples.png'),
  };
}

/**
 * The weights that a run is loaded with: those asked for, or else the averaged ones, or else the only ones that are there,
 * which is how a run is exported.
 */
export function chooseWeights(folder: string, wanted?: WeightKind): WeightKind {
  const { weights } = runPaths(folder);
  const there = weightKinds.filter(kind => existsSync(weights[kind]));
  return wanted ?? (there.length === 1 ? there[0] : 'ema');
}

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
 * The config of a run that must be there.
 * @param who the command, for the message
 * @throws UserError if the folder is no run
 */
export async function readRun(folder: string, who: string): Promise<RunConfig> {
  const { config } = runPaths(folder);
  if (!existsSync(config)) {
    throw new UserError(
      who,
      `no run in ${folder} (looked for config.json)`,
      `train one with \`tessera train --data datasets/emoji --out ${folder}\``,
    );
  }
  return checkConfig(parseConfig(runSchema, await readJson(config), config));
}

/** Fields that a resumed run may change: how long and how closely watched, not what it is. */
const changeable = /^(train|patchTrain|textTrain)\.(steps|evalEvery|sampleEvery|saveEvery|logEvery)$/;

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
    if (changeable.test(field)) {
      if (preset === undefined) changed[field] = value; // a preset is where a run starts, not how long it goes on
    } else {
      expectSame(folder, { field, before: before[field], now: value, whose: preset && ` of preset ${preset}` });
    }
  }
  return checkConfig(parseConfig(runSchema, mergeConfig(stored, unflattenConfig(changed)), runPaths(folder).config));
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
      if (!changeable.test(field)) expectSame(folder, { field, before: before[field], now });
    }
  }
  await writeJson(paths.config, config);
  return { resumed };
}

/** The config of a run that training can go on with. @throws UserError if there is none, or it was exported */
async function readTrainable(folder: string): Promise<RunConfig> {
  const paths = runPaths(folder);
  const stored = await readRun(folder, 'train');
  if (!existsSync(dirname(paths.modelState)) && weightKinds.some(kind => existsSync(paths.weights[kind]))) {
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
    `the run in ${folder} has ${field} ${before}, not ${now}${whose}`,
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

/** A file's SHA-256 in hexadecimal: by it a model knows its tokenizers. */
export async function fingerprint(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/**
 * Makes sure that what a run is loaded from is there.
 * @param parts files, and the stages that leave them
 * @throws UserError naming the first stage that is missing
 */
export function expectTrained(folder: string, parts: readonly (readonly [file: string, stage: string])[]): void {
  for (const [file, stage] of parts) {
    if (existsSync(file)) continue;
    throw new UserError(
      'load',
      `the ${stage} of ${folder} is not trained yet (no ${file})`,
      `go on with \`tessera train --out ${folder} --data ...\``,
    );
  }
}

/** A file beside a model's weights, and the fingerprint that they were trained with; undefined where they name none. */
export type Companion = readonly [what: string, file: string, wanted: string | undefined];

/** @throws UserError naming the first file that is not the one that the weights were trained with */
export async function expectTrainedWith(weights: string, companions: readonly Companion[]): Promise<void> {
  for (const [what, file, wanted] of companions) {
    const found = await fingerprint(file);
    if (wanted === undefined || wanted === found) continue;
    throw new UserError(
      weights,
      `was trained with another ${what}: it needs the one with SHA-256 ${wanted.slice(0, 16)}..., ${file} is ${found.slice(0, 16)}...`,
      'put back the file that the run was trained with, or train again in another folder',
    );
  }
}
