/** @file Opening, copying and reading what was trained: painters of any family, the tokenizers of a run, its export. */
import type { BpeTokenizer } from '../../tokenizer/bpe.ts';
import { PictureCodec, reconstructPictures } from '../../tokenizer/codec.ts';
import { isLicenseName, LICENSE_WORDS } from '../config/names.ts';
import { type LogFormat, logFormats, type RunConfig } from '../config/run.ts';
import { checkOptions, checkValue, choiceCheck, listCheck, pathCheck, pictureCheck } from '../core/checks.ts';
import { readRun } from '../families/config.ts';
import type { Painter } from '../families/painter.ts';
import type { Picture } from '../image/images.ts';
import { type WeightKind, weightKinds } from '../io/runfiles.ts';
import { startBackend } from '../kernels/start.ts';
import { type Exported, exportRun as writeExport } from '../runs/export.ts';
import { writeLogs as writeRunLogs } from '../runs/logs/write-logs.ts';
import { openPainter as openRunPainter } from '../runs/open-painter.ts';
import { openCaptionTokenizer, openPatchTokenizer } from '../runs/open-tokenizers.ts';
import { shippedModel } from '../runs/run.ts';
import { type EngineOptions, engineChecks, engineOf } from './engine.ts';

/** Which weights of a run, and where to compute with them. */
export interface OpenOptions extends EngineOptions {
  /**
   * `ema`: averaged weights; `best`: the average at the best validation; `last`: as trained last. Default `ema`, or the only
   * ones that are there.
   */
  readonly weights?: WeightKind;
}

const openChecks = { ...engineChecks, weights: choiceCheck(weightKinds) };

/**
 * Loads a run of any family as what paints captions. Calls of its `paint` may overlap: they are painted together.
 * @param run folder of a trained or an exported run; default the model that comes with the package
 * @throws UserError if something of it is missing, or a part is not the one that its weights were trained with
 */
export async function openPainter(run: string = shippedModel(), options: OpenOptions = {}): Promise<Painter> {
  checkValue('openPainter: run', run, pathCheck);
  checkOptions('openPainter', options, openChecks);
  return openRunPainter(run, { ...engineOf(options), weights: options.weights });
}

/** What makes ids of captions and codes of pictures. */
export interface Tokenizers {
  readonly captions: BpeTokenizer;
  readonly pictures: PictureCodec;
}

/**
 * Loads both tokenizers of a run of a family that paints codes; its model need not be trained yet.
 * @param run its folder; default the model that comes with the package
 * @returns them; `pictures.dispose()` frees the weights
 * @throws UserError if one is not trained, or the run's family has no patch tokenizer
 */
export async function openTokenizers(run: string = shippedModel(), options: EngineOptions = {}): Promise<Tokenizers> {
  checkValue('openTokenizers: run', run, pathCheck);
  checkOptions('openTokenizers', options, engineChecks);
  const captions = await openCaptionTokenizer(run);
  const { backend, precision, threads } = engineOf(options);
  const start = () => startBackend(backend, { precision, threads });
  return { captions, pictures: new PictureCodec(await openPatchTokenizer(run, { where: 'openTokenizers', start })) };
}

/**
 * The config of a run, with every field's value. Loads nothing else of it.
 * @param run its folder; default the model that comes with the package
 * @throws UserError if there is no run, or a field of it is not known here
 */
export async function readRunConfig(run: string = shippedModel()): Promise<RunConfig> {
  checkValue('readRunConfig: run', run, pathCheck);
  return readRun(run, 'readRunConfig');
}

/** Pictures through a patch tokenizer and back. */
export interface Reconstructed {
  readonly pictures: readonly Picture[];
  /** Peak signal-to-noise ratio of each to its original, in dB; 100 of a copy. */
  readonly psnr: readonly number[];
}

/**
 * Puts pictures through a run's patch tokenizer and back.
 * @param pictures of the run's size, which `decodePicture` can give them
 * @param run its folder; default the model that comes with the package
 * @throws UserError if the run has no patch tokenizer, or a picture another size
 */
export async function reconstruct(
  pictures: readonly Picture[],
  run: string = shippedModel(),
  options: EngineOptions = {},
): Promise<Reconstructed> {
  checkValue('reconstruct: pictures', pictures, listCheck('pictures', pictureCheck()));
  checkValue('reconstruct: run', run, pathCheck);
  checkOptions('reconstruct', options, engineChecks);
  const { backend, precision, threads } = engineOf(options);
  const start = () => startBackend(backend, { precision, threads });
  const patch = await openPatchTokenizer(run, { where: 'reconstruct', start });
  try {
    const back = await reconstructPictures(patch, pictures);
    const { psnr } = await import('../metrics/similarity.ts');
    return { pictures: back, psnr: pictures.map((original, i) => psnr(original, back[i])) };
  } finally {
    patch.dispose();
  }
}

const licenseCheck = { expected: LICENSE_WORDS, fits: isLicenseName };

/** What to copy. */
export interface ExportOptions {
  /** Folder of a trained run. */
  readonly run: string;
  /** Folder of the copy, a run that can be painted with, evaluated and compared: a new or an empty one. */
  readonly out: string;
  /** Default: the averaged ones, or the only ones there. */
  readonly weights?: WeightKind;
  /** Type of the weight matrices; default `bf16`, half the size. */
  readonly dtype?: 'bf16' | 'f32';
  /** A file that says whose art the run was trained on: copied as ATTRIBUTION.md. */
  readonly attribution?: string;
  /** The licence of the weights, by its name in the hub's list, e.g. `cc-by-4.0`; the model card says it. */
  readonly license?: string;
}

/**
 * Copies what of a run is needed to paint, and leaves out what its training goes on from.
 * @throws UserError if the run is not trained, or `out` is neither new nor empty, nor left by an export that was stopped
 */
export async function exportRun(options: ExportOptions): Promise<Exported> {
  const checks = { weights: choiceCheck(weightKinds), dtype: choiceCheck(['bf16', 'f32']), license: licenseCheck };
  const paths = { run: pathCheck, out: pathCheck, attribution: pathCheck };
  checkOptions('exportRun', options, { ...paths, ...checks }, ['run', 'out']);
  return writeExport({ dtype: 'bf16', ...options });
}

/** Whose log, and what to make of it. */
export interface WriteLogsOptions {
  /** Folder of a run. */
  readonly run: string;
  /** `csv`: metrics.csv; `tensorboard`: a folder of event files. Default both. */
  readonly formats?: readonly LogFormat[];
  /** Where they go; default: the run's folder, where a training keeps them. */
  readonly out?: string;
}

/**
 * Makes the log of a run for other programs: a table, and event files for TensorBoard.
 * @returns the file and the folder that were written
 * @throws UserError if there is no run, it has no log, or it is being trained and keeps them itself
 */
export async function writeLogs(options: WriteLogsOptions): Promise<string[]> {
  const formats = listCheck('formats', choiceCheck(logFormats), { least: 1 });
  checkOptions('writeLogs', options, { run: pathCheck, out: pathCheck, formats }, ['run']);
  return writeRunLogs({ formats: logFormats, ...options });
}
