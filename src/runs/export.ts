/**
 * @file Exporting a run: what of a run is needed to paint, evaluate and compare it, in a folder of its own that is a run
 * like any other: config, tokenizers, one set of weights in half the bytes, the log. What goes on with its training and the
 * data as codes stay behind.
 */

import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.ts';
import { printableJson } from '../core/printable.ts';
import { readRun } from '../families/config.ts';
import { familyOf } from '../families/families.ts';
import { partsAmong } from '../families/parts.ts';
import { writeAtomic } from '../io/atomic.ts';
import { readSafetensors, writeSafetensors } from '../io/files.ts';
import { readJsonLines } from '../io/jsonlines.ts';
import { chooseWeights, runPaths, type WeightKind, weightKinds } from '../io/runfolder.ts';
import { type TensorData, toBfloat16, toFloat32 } from '../io/safetensors.ts';
import { startBackend } from '../kernels/start.ts';
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
}

const ATTRIBUTION = 'ATTRIBUTION.md';

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
 * @throws UserError if the run is not trained, or the folder holds a run already
 */
export async function exportRun(request: ExportRequest): Promise<Exported> {
  const { run, out, dtype, attribution } = request;
  const config = await readRun(run, 'export');
  const weights = chooseWeights(run, request.weights);
  const from = runPaths(run);
  const to = runPaths(out);
  const credits = attribution === undefined ? undefined : await readAttribution(attribution);
  expectFree(out, [
    to.config,
    ...weightKinds.map(kind => to.weights[kind]),
    ...[to.captions, to.patch, to.text, to.metrics],
    ...(credits === undefined ? [] : [join(out, ATTRIBUTION)]),
  ]);
  // Only what can be painted with is worth exporting. Nothing is computed: any backend does, and one that is active stays.
  const start = async () => tf.getBackend() || startBackend('cpu');
  const painter = await loadPainter(run, { weights, start });
  const { step } = painter;
  painter.dispose();

  const { tensors, metadata } = await readSafetensors(from.weights[weights]);
  const written = new Map([...tensors].map(([name, tensor]) => [name, converted(tensor, dtype)]));
  // The tokenizers keep their bytes, by which the weights know them.
  for (const part of partsAmong(familyOf(config.family).stages)) {
    await writeAtomic(to[part], await readFile(from[part]));
  }
  const source = basename(resolve(run));
  await writeSafetensors(to.weights[weights], written, { ...metadata, dtype, weights, source });
  if (existsSync(from.metrics)) await writeAtomic(to.metrics, logOf(from.metrics, source));
  if (credits !== undefined) await writeAtomic(join(out, ATTRIBUTION), credits);
  // Last, so that a folder with a config is complete.
  await writeAtomic(to.config, await readFile(from.config));
  return { weights, step, bytes: (await stat(to.weights[weights])).size };
}

/** @throws UserError naming the first file that would be written over */
function expectFree(out: string, files: readonly string[]): void {
  const taken = files.find(existsSync);
  if (taken === undefined) return;
  throw new UserError('export: --out', `there is a run in ${out} already (${taken})`, 'choose another folder');
}

async function readAttribution(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException; // readFile throws nothing else
    throw new UserError('export: --attribution', `cannot read ${path} (${code})`, 'name a file');
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
