/**
 * @file Exporting a transformer's run as two ONNX networks, for programs that are not Tessera: one that continues a caption
 * code by code, one that makes pixels of codes, with the caption tokenizer, what a program must know of them, and two
 * small programs that paint with them.
 */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../core/errors.ts';
import { printableJson } from '../../core/printable.ts';
import { readRun } from '../../families/config.ts';
import type { CodePainter } from '../../families/transformer/codepainter.ts';
import { TransformerPainter } from '../../families/transformer/painter.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { readBytes } from '../../io/bytes.ts';
import { beginWriting, endWriting, expectFree, unfinishedFiles } from '../../io/ownfolder.ts';
import type { WeightKind } from '../../io/runfiles.ts';
import { chooseWeights, fingerprint, runPaths } from '../../io/runfolder.ts';
import { startBackend } from '../../kernels/start.ts';
import { coarsePlaces } from '../../nn/orders.ts';
import { loadPainter } from '../open-painter.ts';
import { decoderGraph, idOffsets } from './decoder.ts';
import { pixelsGraph } from './pixels.ts';
import { type OnnxFacts, onnxReadme, readExample } from './readme.ts';

export interface OnnxRequest {
  readonly run: string;
  readonly out: string;
  /** Default: the averaged ones, or the only ones there. */
  readonly weights?: WeightKind;
  /** A file that says whose art the run was trained on. */
  readonly attribution?: string;
}

/** What was exported. */
export interface OnnxExported {
  readonly weights: WeightKind;
  readonly step: number;
  /** Of both networks. */
  readonly bytes: number;
}

const WHERE = 'export: --onnx';
/** Who writes, in the mark of a folder until it is whole. */
const BY = 'tessera export --onnx';
const FINISHED = 'one with such an export that was not finished';
const ABOUT = 'painting.json';

/**
 * Writes the folder.
 * @throws UserError if the run is not a trained transformer, a network is too large for the format, or the folder is neither
 *   new nor empty, nor left by such an export that was stopped
 */
export async function exportOnnx(request: OnnxRequest): Promise<OnnxExported> {
  const { run, out } = request;
  const { family } = await readRun(run, 'export');
  if (family !== 'transformer') {
    throw new UserError(
      WHERE,
      `expected a run of the family transformer, got ${family}, of which no ONNX graph is known`,
      '`tessera export --out` copies a run of any family',
    );
  }
  const credits = request.attribution === undefined ? undefined : await readBytes(request.attribution);
  if ((await unfinishedFiles(out, BY)) === undefined) await expectFree(out, FINISHED);
  const weights = chooseWeights(run, request.weights);
  const start = async () => tf.getBackend() || startBackend('cpu');
  const painter = await loadPainter(run, { weights, start });
  try {
    if (!(painter instanceof TransformerPainter)) throw new Error('a transformer with another painter');
    const files = await contentsOf(painter.codes, { ...request, weights, credits });
    await beginWriting(out, { by: BY, what: FINISHED, files: [...files.keys()].reverse() });
    for (const [name, content] of files) await writeAtomic(join(out, name), content);
    await endWriting(out);
    const sizes = await Promise.all(['decoder.onnx', 'pixels.onnx'].map(name => stat(join(out, name))));
    return { weights, step: painter.step, bytes: sizes.reduce((sum, { size }) => sum + size, 0) };
  } finally {
    painter.dispose();
  }
}

/** The files in the order in which they are written: last the one without which the folder is not whole. */
async function contentsOf(
  painter: CodePainter,
  { run, weights, credits }: { readonly run: string; readonly weights: WeightKind; readonly credits?: Uint8Array },
): Promise<Map<string, string | Uint8Array | readonly Uint8Array[]>> {
  const { captions } = runPaths(run);
  const about = await aboutOf(painter, { run, weights });
  const metadata = Object.fromEntries(
    Object.entries(about).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
  const graphs = { decoder: await decoderGraph(painter.model), pixels: await pixelsGraph(painter.patch) };
  const card = join(run, 'README.md');
  const ownCredits = join(run, 'ATTRIBUTION.md');
  const attribution = credits ?? (existsSync(ownCredits) ? await readBytes(ownCredits) : undefined);
  const hasCard = existsSync(card);
  return new Map<string, string | Uint8Array | readonly Uint8Array[]>([
    ['decoder.onnx', graphs.decoder.encode({ where: WHERE, metadata })],
    ['pixels.onnx', graphs.pixels.encode({ where: WHERE, metadata })],
    ['tokenizer.json', await readBytes(captions)],
    ['paint.py', await readExample('paint.py')],
    ['paint.mjs', await readExample('paint.mjs')],
    ...(hasCard ? ([['MODEL.md', await readBytes(card)]] as const) : []),
    ...(attribution === undefined ? [] : ([['ATTRIBUTION.md', attribution]] as const)),
    ['README.md', onnxReadme(about, { hasCard, isAttributed: attribution !== undefined })],
    [ABOUT, `${printableJson(about)}\n`],
  ]);
}

async function aboutOf(
  { config, model, patch, step }: CodePainter,
  { run, weights }: { readonly run: string; readonly weights: WeightKind },
): Promise<OnnxFacts> {
  const paths = runPaths(run);
  const { temperature, fineTemperature, topK, topP, cfgScale } = config.sampling;
  const { start, caption, code } = idOffsets(model);
  return {
    ...{ source: basename(resolve(run)), weights, step },
    tokenizers: { captions: await fingerprint(paths.captions), patch: await fingerprint(paths.patch) },
    ...{ imageSize: patch.imageSize, grid: patch.grid, codes: model.codes, codebookSize: patch.vocabSize },
    ...{ captionLength: model.config.captionLength, positions: model.length },
    ids: { start, caption, pad: caption + model.vocabulary.caption, code },
    cells: [...model.order.cells],
    coarse: model.config.order === 'interlaced' ? coarsePlaces(patch.grid) : model.codes,
    sampling: { temperature, fineTemperature, topK, topP, cfgScale },
  };
}
