/**
 * @file A run on disk: a folder that stands alone. Its files are named here and nowhere else.
 *
 *   config.json          the resolved config
 *   tokenizer.json       the caption tokenizer, as Hugging Face writes it
 *   captions.jsonl.gz    the words and captions it was trained on
 *   patch.safetensors    the patch tokenizer (averaged weights); of a transformer
 *   text.safetensors     the frozen text encoder (averaged weights); of a GAN or a diffusion model
 *   model.safetensors    the last weights of what paints: transformer, generator or denoiser
 *   ema.safetensors      their average
 *   best.safetensors     the average at the lowest validation loss
 *   codes/               the data set as codes
 *   state/               what an exact resume needs: weights, moments, counters, a record of the data, the plan
 *   metrics.jsonl        one record a line
 *   metrics.csv          the same as a table, for other programs; made of the log
 *   tensorboard/         the same, and the sheets, as TensorBoard reads them; made of the log
 *   *.png                pictures of how it went
 *   samples/             earlier sheets of samples, by step
 *   reconstructions/     earlier sheets of the patch tokenizer, by step
 *   usage.jsonl          how often each code of the patch tokenizer occurs in held-out images, by step
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../core/errors.ts';
import { shellWord } from '../core/shell.ts';
import { readBytes } from './bytes.ts';

export const weightKinds = ['ema', 'best', 'last'] as const;
export type WeightKind = (typeof weightKinds)[number];

export interface RunPaths {
  readonly folder: string;
  readonly config: string;
  readonly captions: string;
  readonly learnt: string;
  readonly patch: string;
  readonly text: string;
  readonly weights: Readonly<Record<WeightKind, string>>;
  readonly trainingCodes: string;
  readonly heldOutCodes: string;
  /** What is rehearsed of the data of what it was started from: codes, and captions. */
  readonly rehearsedCodes: string;
  readonly rehearsedCaptions: string;
  readonly patchState: string;
  readonly textState: string;
  readonly modelState: string;
  /** What it was started from, if it was: the first weights of its model. */
  readonly source: string;
  /** The patch tokenizer of what it was started from, the state of a training of all of it, and what became of it. */
  readonly sourcePatch: string;
  readonly wholePatchState: string;
  readonly patchDecision: string;
  readonly dataRecord: string;
  readonly engine: string;
  /** Held by whoever trains it. */
  readonly lock: string;
  readonly plan: string;
  readonly metrics: string;
  readonly csv: string;
  readonly tensorboard: string;
  readonly reconstructions: string;
  readonly samples: string;
  readonly sampleHistory: string;
  readonly reconstructionHistory: string;
  readonly codeUsage: string;
}

/** The files of a run. */
export function runPaths(folder: string): RunPaths {
  const file = (...names: string[]) => join(folder, ...names);
  return {
    folder,
    config: file('config.json'),
    captions: file('tokenizer.json'),
    learnt: file('captions.jsonl.gz'),
    patch: file('patch.safetensors'),
    text: file('text.safetensors'),
    weights: { last: file('model.safetensors'), ema: file('ema.safetensors'), best: file('best.safetensors') },
    trainingCodes: file('codes', 'train.safetensors'),
    heldOutCodes: file('codes', 'validation.safetensors'),
    rehearsedCodes: file('codes', 'rehearsed.safetensors'),
    rehearsedCaptions: file('codes', 'rehearsed.json'),
    patchState: file('state', 'patch'),
    textState: file('state', 'text'),
    modelState: file('state', 'model'),
    source: file('state', 'source.safetensors'),
    sourcePatch: file('state', 'source-patch.safetensors'),
    wholePatchState: file('state', 'whole-patch'),
    patchDecision: file('state', 'patch.json'),
    dataRecord: file('state', 'data.safetensors'),
    engine: file('state', 'engine.json'),
    lock: file('state', 'lock'),
    plan: file('state', 'plan.json'),
    metrics: file('metrics.jsonl'),
    csv: file('metrics.csv'),
    tensorboard: file('tensorboard'),
    reconstructions: file('reconstructions.png'),
    samples: file('samples.png'),
    sampleHistory: file('samples'),
    reconstructionHistory: file('reconstructions'),
    codeUsage: file('usage.jsonl'),
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

/** A file's SHA-256 in hexadecimal: by it a model knows its tokenizers. */
export async function fingerprint(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readBytes(path))
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
      `go on with \`tessera train --out ${shellWord(folder)} --data ...\``,
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
