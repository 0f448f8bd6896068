/**
 * @file Exporting a run: what of a run is needed to paint, evaluate and compare it, in a folder of its own that is a run
 * like any other: config, tokenizers, one set of weights in half the bytes, the log. What goes on with its training and the
 * data as codes stay behind.
 */

import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.ts';
import { printableJson } from '../core/printable.ts';
import { readRun } from '../families/config.ts';
import { familyOf } from '../families/families.ts';
import { partsAmong } from '../families/parts.ts';
import { isTowersFolder, towersOrigin } from '../features/trained.ts';
import { writeAtomic } from '../io/atomic.ts';
import { readBytes } from '../io/bytes.ts';
import { readSafetensors, writeSafetensors } from '../io/files.ts';
import { readJsonLines } from '../io/jsonlines.ts';
import { makeFolder } from '../io/make-folder.ts';
import { beginWriting, endWriting, expectFree, unfinishedFiles } from '../io/ownfolder.ts';
import type { WeightKind } from '../io/runfiles.ts';
import { chooseWeights, runPaths } from '../io/runfolder.ts';
import { encodeSafetensors, type TensorData, toBfloat16, toFloat32 } from '../io/safetensors.ts';
import { startBackend } from '../kernels/start.ts';
import { modelCard } from './model-card/card.ts';
import { readCardFacts } from './model-card/card-facts.ts';
import { loadPainter } from './open-painter.ts';

export interface ExportRequest {
  readonly run: string;
  readonly out: string;
  /** Default: the averaged ones, or the only ones there. */
  readonly weights?: WeightKind;
  /** Of the weight matrices. */
  readonly dtype: 'bf16' | 'f32';
  /** A file that says whose art the run was trained on, e.g. the ATTRIBUTION.md of `tessera data emoji`. */
  readonly attribution?: string;
  /** Features of `tessera features` that shall choose among its pictures; default: those that came with the run, if any did. */
  readonly ranker?: string;
  /** The licence of the weights, by its name in the hub's list, e.g. `cc-by-4.0`; the card says it. */
  readonly license?: string;
}

const ATTRIBUTION = 'ATTRIBUTION.md';
const CARD = 'README.md';

/** Who writes, in the mark of a folder until it is whole. */
const EXPORT = 'tessera export';

/** What was exported. */
export interface Exported {
  /** Which weights, and the training step that they are of. */
  readonly weights: WeightKind;
  readonly step: number;
  /** Size of their file. */
  readonly bytes: number;
}

/**
 * Writes the folder.
 * @throws UserError if the run is not trained, or the folder is neither new nor empty, nor left by an export that was stopped
 */
export async function exportRun(request: ExportRequest): Promise<Exported> {
  const { run, out, dtype, attribution } = request;
  const config = await readRun(run, 'export');
  const weights = chooseWeights(run, request.weights);
  const from = runPaths(run);
  const to = runPaths(out);
  const credits = attribution === undefined ? undefined : await readAttribution(attribution);
  const ranker = await readRanker(request.ranker ?? (isTowersFolder(from.ranker) ? from.ranker : undefined), dtype);
  const parts = partsAmong(familyOf(config.family).stages);
  const there = [
    to.weights[weights],
    ...parts.map(part => to[part]),
    ...(existsSync(from.learnt) ? [to.learnt] : []),
    ...(existsSync(from.metrics) ? [to.metrics] : []),
    ...(existsSync(from.samples) ? [to.samples] : []),
  ];
  const files = [to.config, ...there, join(out, CARD)].map(file => relative(out, file));
  if (credits !== undefined) files.push(ATTRIBUTION);
  files.push(...ranker.map(({ name }) => join(relative(out, to.ranker), name)));
  await expectNoRun(out);
  // Only what can be painted with is worth exporting. Nothing is computed: any backend does, and one that is active stays.
  const start = async () => tf.getBackend() || startBackend('cpu');
  const painter = await loadPainter(run, { weights, start });
  const { step, parameters } = painter;
  painter.dispose();

  const { tensors, metadata } = await readSafetensors(from.weights[weights]);
  const written = new Map([...tensors].map(([name, tensor]) => [name, converted(tensor, dtype)]));
  await beginWriting(out, { by: EXPORT, what: 'one with an export that was not finished', files });
  // The tokenizers keep their bytes, by which the weights know them.
  for (const part of parts) {
    await writeAtomic(to[part], await readBytes(from[part]));
  }
  const source = basename(resolve(run));
  await writeSafetensors(to.weights[weights], written, { ...metadata, dtype, weights, source });
  if (existsSync(from.learnt)) await writeAtomic(to.learnt, await readBytes(from.learnt));
  if (existsSync(from.metrics)) await writeAtomic(to.metrics, logOf(from.metrics, source));
  if (credits !== undefined) await writeAtomic(join(out, ATTRIBUTION), credits);
  if (existsSync(from.samples)) await writeAtomic(to.samples, await readBytes(from.samples));
  if (ranker.length > 0) await makeFolder(to.ranker);
  for (const { name, bytes } of ranker) await writeAtomic(join(to.ranker, name), bytes);
  const card = await readCardFacts(from, {
    ...{ name: basename(resolve(out)), config, weights, step, parameters, dtype, license: request.license },
    isAttributed: credits !== undefined,
    hasSamples: existsSync(from.samples),
  });
  await writeAtomic(join(out, CARD), modelCard(card));
  // Last, so that a folder with a config is complete.
  await writeAtomic(to.config, await readBytes(from.config));
  await endWriting(out);
  return { weights, step, bytes: (await stat(to.weights[weights])).size };
}

/**
 * A folder that is new, empty, or left by an export that was not finished.
 * @throws UserError if it is another
 */
async function expectNoRun(out: string): Promise<void> {
  if ((await unfinishedFiles(out, EXPORT)) !== undefined) return;
  const taken = [runPaths(out).config].find(existsSync);
  if (taken !== undefined) {
    throw new UserError('export: --out', `there is a run in ${out} already (${taken})`, 'choose another folder');
  }
  await expectFree(out, 'one with an export that was not finished');
}

/** The files of what ranks, its matrices in the type that is wanted. @throws UserError if the folder holds none */
async function readRanker(
  folder: string | undefined,
  dtype: ExportRequest['dtype'],
): Promise<readonly { readonly name: string; readonly bytes: Uint8Array }[]> {
  if (folder === undefined) return [];
  const features = runPaths(folder);
  if (!isTowersFolder(folder)) {
    throw new UserError(
      'export: --ranker',
      `expected a folder of \`tessera features\`, got ${folder}, which has no ${basename(features.text)}`,
    );
  }
  const { tensors, metadata } = await readSafetensors(features.text);
  const weights = new Map([...tensors].map(([name, tensor]) => [name, converted(tensor, dtype)]));
  const origin = await towersOrigin(folder); // by which it is known as the judge that it may be elsewhere
  return [
    { name: basename(features.captions), bytes: await readBytes(features.captions) },
    { name: basename(features.text), bytes: Buffer.concat(encodeSafetensors(weights, { ...metadata, origin })) },
  ];
}

async function readAttribution(path: string): Promise<Uint8Array> {
  try {
    return await readBytes(path);
  } catch (error) {
    throw error instanceof UserError ? new UserError('export: --attribution', error.message, 'name a file') : error;
  }
}

/**
 * Matrices in the type that is wanted. Vectors (gains, biases) stay fp32: they are few, and products round their operands
 * only.
 */
function converted(tensor: TensorData, dtype: ExportRequest['dtype']): TensorData {
  const data = toFloat32(tensor);
  const { shape } = tensor;
  return dtype === 'bf16' && shape.length > 1
    ? { dtype: 'BF16', shape, data: toBfloat16(data) }
    : { dtype: 'F32', shape, data };
}

/** The log, whose evaluations name the run by its own name instead of where it lay. */
function logOf(path: string, source: string): string {
  const records = readJsonLines(path).map(record =>
    typeof record === 'object' && record !== null && 'run' in record ? { ...record, run: source } : record,
  );
  return records.map(record => `${printableJson(record)}\n`).join('');
}
