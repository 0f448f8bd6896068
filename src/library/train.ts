/**
 * @file Training runs and features from a program: what `tessera train` and `tessera features` do. What trains is loaded
 * when it is called, so that a program that only paints does not wait for it.
 */

import { presetNames } from '../config/presets.ts';
import { keptShare, type PatchChoice, patchChoices, type RunConfigInput } from '../config/run.ts';
import {
  booleanCheck,
  checkOptions,
  choiceCheck,
  numberCheck,
  objectCheck,
  pathCheck,
  textCheck,
} from '../core/checks.ts';
import { type StageName, stageNames } from '../families/family.ts';
import { type WeightKind, weightKinds } from '../io/runfiles.ts';
import { type EngineOptions, engineChecks, engineOf } from './engine.ts';
import { openSession, type WorkOptions, workChecks } from './progress.ts';

/** Captioned images to learn from. */
interface DataOptions {
  /** A folder, an archive or an index file; see `openDataset`. */
  readonly data: string;
  /** Default `auto`: recognised. */
  readonly format?: string;
  /** Whether the first item that cannot be used is an error; by default such items are left out and named. */
  readonly strict?: boolean;
  /**
   * Whether a run that is there goes on with data that is not what it was started with: what has changed is encoded again,
   * what is new is added, what is gone is left out. By default such data is refused, and what has changed is named.
   */
  readonly acceptChanges?: boolean;
}

/** What to train, on what. */
export interface TrainOptions extends DataOptions, EngineOptions, WorkOptions {
  /** Folder of the run: made, or gone on with if it is there. */
  readonly out: string;
  /**
   * What the config of a new run starts from: `tiny`, `small`, `base` and others of `presetNames`. Default: planned from the data
   * and this machine, unless `config` has the steps of every stage.
   */
  readonly preset?: (typeof presetNames)[number];
  /**
   * What a new run starts from: the folder of a run or export, or the name of a model that comes with the package (`emoji`). Its
   * config takes the place of a preset's.
   */
  readonly from?: string;
  /** Which of its weights; default the best on validation, else the averaged, else the last. */
  readonly fromWeights?: WeightKind;
  /** What becomes of its patch tokenizer: `keep`, `decoder` tuned, or `all` of it; default: decided by how the pictures come back. */
  readonly patch?: PatchChoice;
  /** Share of every batch, from 0.001 to 0.9, that comes from the data of the trained model, so that it is not forgotten; default none. */
  readonly keep?: number;
  /** Where that data is, for `keep`, until the run has it as codes; that of the shipped model is drawn. */
  readonly keepData?: string;
  /**
   * Fields that differ from the preset, nested as in a run's config.json. Of a run that is there, only how long and how
   * closely watched it is trained can differ.
   */
  readonly config?: RunConfigInput;
  /**
   * The last stage to do, where the model is not to be trained yet: `captions` the caption tokenizer, `text` the text
   * encoder, `patch` the patch tokenizer, `codes` the data as codes. Which of them a run has is its family's matter.
   */
  readonly until?: StageName;
}

/** How a training ended. */
export interface Trained {
  /** False if it was stopped by the signal before its end; all is saved, and the same call goes on with it. */
  readonly finished: boolean;
}

const keepCheck = numberCheck(keptShare);
const untilCheck = choiceCheck(stageNames);
const dataChecks = { data: pathCheck, format: textCheck, strict: booleanCheck, acceptChanges: booleanCheck };

/**
 * Trains a run to its end, stage by stage: the caption tokenizer, then what its family needs (a patch tokenizer and the data
 * as codes, or a text encoder), then the model. Stages that are done are skipped, and one that was interrupted goes on
 * with the same weights, as if it had never stopped.
 * @throws UserError if the data cannot be used, the config does not fit, or another process trains the run
 */
export async function train(options: TrainOptions): Promise<Trained> {
  const checks = { ...dataChecks, ...engineChecks, ...workChecks };
  const start = {
    from: pathCheck,
    fromWeights: choiceCheck(weightKinds),
    patch: choiceCheck(patchChoices),
    keep: keepCheck,
    keepData: pathCheck,
  };
  const own = { out: pathCheck, preset: choiceCheck(presetNames), config: objectCheck, until: untilCheck, ...start };
  checkOptions('train', options, { ...checks, ...own }, ['data', 'out']);
  const { data, out, preset, config: fields, format, strict, acceptChanges, until } = options;
  const { from, fromWeights: weights, patch, keep, keepData } = options;
  const { startEngine } = await import('../runs/session.ts');
  const { prepareTraining } = await import('../runs/training/prepare.ts');
  const { trainRun } = await import('../runs/train.ts');
  const session = openSession(options);
  const request = { data, out, format, strict, acceptChanges, preset, until, keepData };
  const begin = () => startEngine(session, engineOf(options));
  const prepared = await prepareTraining(session, { ...request, fields, from, weights, patch, keep, begin });
  return { finished: prepared !== undefined && (await trainRun(session, { ...request, ...prepared })) };
}

/** What features to train, on what. */
export interface TrainFeatureNetworkOptions extends DataOptions, EngineOptions, WorkOptions {
  /** Folder of the features: made, or gone on with if they are there. */
  readonly out: string;
  /** Fields that differ from the defaults of `tessera features`, e.g. `{ imageSize: 32, steps: 500 }`. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/**
 * Trains a network of features on captioned images, to judge models by (`evaluate`'s `features`).
 * @throws UserError as `train`
 */
export async function trainFeatureNetwork(options: TrainFeatureNetworkOptions): Promise<Trained> {
  const checks = { ...dataChecks, ...engineChecks, ...workChecks, out: pathCheck, config: objectCheck };
  checkOptions('trainFeatureNetwork', options, checks, ['data', 'out']);
  const { data, out, format, strict, acceptChanges, config: fields = {} } = options;
  const { planFeatures, trainFeatures } = await import('../runs/features.ts');
  const { startEngine } = await import('../runs/session.ts');
  await planFeatures(out, fields); // what is wrong is said before anything is started
  const session = openSession(options);
  await startEngine(session, engineOf(options));
  const request = { data, out, format, strict, acceptChanges, fields };
  return { finished: (await trainFeatures(session, request)) !== undefined };
}
