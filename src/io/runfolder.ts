/**
 * @file A run on disk: a folder that stands alone. Its files are named here, those that painting reads in runfiles.ts, and
 * nowhere else.
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
 *   ranker/              a network of captions and images that chooses among pictures, laid out as `tessera features` does
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
import {
  type Companion,
  expectCompanion,
  preferredWeights,
  runFiles,
  type WeightKind,
  weightKinds,
} from './runfiles.ts';

export interface RunPaths {
  readonly folder: string;
  readonly config: string;
  readonly captions: string;
  readonly learnt: string;
  readonly patch: string;
  readonly text: string;
  readonly weights: Readonly<Record<WeightKind, string>>;
  readonly ranker: string;
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
    config: file(runFiles.config),
    captions: file(runFiles.captions),
    learnt: file(runFiles.learnt),
    patch: file(runFiles.patch),
    text: file('text.safetensors'),
    weights: { last: file(runFiles.last), ema: file(runFiles.ema), best: file(runFiles.best) },
    ranker: file('ranker'),
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
  return preferredWeights(
    weightKinds.filter(kind => existsSync(weights[kind])),
    wanted,
  );
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

/** @throws UserError naming the first file that is not the one that the weights were trained with */
export async function expectTrainedWith(weights: string, companions: readonly Companion[]): Promise<void> {
  for (const companion of companions) expectCompanion(weights, companion, await fingerprint(companion[1]));
}
