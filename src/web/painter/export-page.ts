/**
 * @file Exporting a run as a page that paints with it in a browser: a folder for any web server, in any place below it, or one
 * file that opens from a disk. Its scripts are what the build left in dist/browser.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../core/errors.ts';
import { readRun } from '../../families/config.ts';
import { TransformerPainter } from '../../families/transformer/painter.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { readBytes } from '../../io/bytes.ts';
import { beginWriting, endWriting, expectFree, unfinishedFiles } from '../../io/ownfolder.ts';
import { packageRoot } from '../../io/package-root.ts';
import type { WeightKind } from '../../io/runfiles.ts';
import { chooseWeights } from '../../io/runfolder.ts';
import { startBackend } from '../../kernels/start.ts';
import { loadPainter } from '../../runs/open-painter.ts';
import { shippedModel } from '../../runs/run.ts';
import { studioStyle } from '../studio/style.ts';
import { folderDocument, PAGE_SCRIPT, PAGE_STYLE, singleDocument } from './document.ts';
import type { PageFacts, PageFile } from './facts.ts';
import { ENCODER_FILE, pageFiles, weightsFingerprint } from './files.ts';
import { toPlanes } from './planes.ts';
import { painterStyle } from './style.ts';

export interface PageRequest {
  readonly run: string;
  /** A folder, or the file where `isSingle`. */
  readonly out: string;
  readonly isSingle: boolean;
  /** Default: the averaged ones, or the only ones there. */
  readonly weights?: WeightKind;
  /** Of the weight matrices. */
  readonly dtype: 'bf16' | 'f32';
  /** A file that says whose art the run was trained on, which the page shows; default: the run's own. */
  readonly attribution?: string;
  /** Captions that the page offers first; default: of the model that comes with Tessera a choice, of others what they know. */
  readonly examples?: readonly string[];
  /** Where the build left the scripts. */
  readonly scripts?: string;
}

/** What was exported. */
export interface PageExported {
  readonly weights: WeightKind;
  readonly step: number;
  /** Of all that the page loads before it paints. */
  readonly bytes: number;
}

/** What the model that comes with Tessera paints well. */
const SHIPPED_EXAMPLES = [
  ...['red apple', 'sunflower', 'pizza', 'blue heart', 'fox', 'panda', 'rainbow', 'cactus', 'pineapple', 'penguin'],
  ...['doughnut', 'cherries', 'watermelon', 'tulip', 'mushroom', 'ghost', 'robot', 'unicorn', 'gem stone', 'avocado'],
  ...['soccer ball', 'ladybug', 'frog', 'rocket', 'hamburger', 'lion', 'balloon', 'cat with tears of joy'],
];

const BY = 'tessera export --page';
const FINISHED = 'one with such an export that was not finished';
const DOCUMENT = 'index.html';
/** Parts of the engine; the last is for large models, on a GPU. */
const ENGINE = ['worker.js', 'tessera.wasm', 'worker-webgpu.js'] as const;

/**
 * Writes the page.
 * @throws UserError if the run is not a trained transformer, the scripts are not built, or the folder is neither new nor empty, nor
 *   left by such an export that was stopped
 */
export async function exportPage(request: PageRequest): Promise<PageExported> {
  const { run, out, isSingle, scripts = join(packageRoot(), 'dist', 'browser') } = request;
  const where = isSingle ? 'export: --single' : 'export: --page';
  const { family } = await readRun(run, 'export');
  if (family !== 'transformer') {
    const hint = '`tessera export --out` copies a run of any family';
    throw new UserError(where, `expected a run of the family transformer, got ${family}, which no page paints`, hint);
  }
  if (!isSingle && (await unfinishedFiles(out, BY)) === undefined) await expectFree(out, FINISHED);
  if (isSingle && existsSync(out))
    throw new UserError(where, `${out} is there and would be written over`, 'choose another name');
  const engine = await readEngine(where, scripts);
  const weights = chooseWeights(run, request.weights);
  const { step, imageSize, grid, order } = await inspect(run, weights);
  const files = packed(await pageFiles(run, { weights, dtype: request.dtype }));
  const facts: PageFacts = {
    ...{ run: basename(resolve(run)), family, weights, weightsSha256: await weightsFingerprint(run, weights), step },
    examples: request.examples ?? (resolve(run) === resolve(shippedModel()) ? SHIPPED_EXAMPLES : []),
    ...{ imageSize, grid, order, encoder: ENCODER_FILE, credits: await creditsOf(request), isSingle },
    files: Object.fromEntries([...files].map(([name, bytes]) => [name, fileFacts(name, bytes, isSingle)])),
  };
  if (isSingle) await writeSingle(out, facts, { engine, files });
  else await writeFolder(out, facts, { engine, files });
  const loaded = [...files].filter(([name]) => name !== ENCODER_FILE).map(([, bytes]) => bytes);
  const parts = [...loaded, engine.get(PAGE_SCRIPT), engine.get('worker.js'), engine.get('tessera.wasm')];
  return { weights, step, bytes: parts.reduce((sum, part) => sum + (part?.length ?? 0), 0) };
}

/** Loads the run once, which refuses what cannot be painted with, and says what the page must know. */
async function inspect(run: string, weights: WeightKind) {
  const start = async () => tf.getBackend() || startBackend('cpu');
  const painter = await loadPainter(run, { weights, start });
  try {
    if (!(painter instanceof TransformerPainter)) throw new Error('a transformer with another painter');
    const { step, imageSize, config } = painter;
    return { step, imageSize, grid: config.patch.grid, order: config.model.order };
  } finally {
    painter.dispose();
  }
}

type Parts = ReadonlyMap<string, Uint8Array>;

/** @throws UserError if the scripts are not there */
async function readEngine(where: string, scripts: string): Promise<Parts> {
  const found = new Map<string, Uint8Array>();
  for (const [name, path] of [[PAGE_SCRIPT, 'painter.js'], ...ENGINE.map(name => [name, name])]) {
    const file = join(scripts, path);
    if (existsSync(file)) found.set(name, await readBytes(file));
    else if (name !== 'worker-webgpu.js') {
      throw new UserError(where, `expected the built page, got no ${file}`, 'npm run build');
    }
  }
  return found;
}

/** Files of weights in fewer bytes, none of which is lost. */
function packed(files: Parts): Parts {
  // Weights do not repeat themselves: to look for repeats would cost seconds and bytes.
  const options = { strategy: constants.Z_HUFFMAN_ONLY };
  return new Map(
    [...files].map(([name, bytes]) => [name, isWeights(name) ? gzipSync(toPlanes(bytes), options) : bytes]),
  );
}

function isWeights(name: string): boolean {
  return name.endsWith('.safetensors');
}

function fileFacts(name: string, bytes: Uint8Array, isSingle: boolean): PageFile {
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const isPacked = isWeights(name);
  return { path: isSingle ? '' : `run/${name}${isPacked ? '.packed' : ''}`, bytes: bytes.length, sha256, isPacked };
}

async function creditsOf({ run, attribution }: PageRequest): Promise<string | null> {
  const own = join(run, 'ATTRIBUTION.md');
  const path = attribution ?? (existsSync(own) ? own : undefined);
  return path === undefined ? null : new TextDecoder().decode(await readBytes(path));
}

function styleSheet(): string {
  return `${studioStyle()}${painterStyle}`;
}

async function writeSingle(
  out: string,
  facts: PageFacts,
  { engine, files }: { readonly engine: Parts; readonly files: Parts },
): Promise<void> {
  const kernels = [...engine].filter(([name]) => name === 'worker.js' || name === 'tessera.wasm');
  const script = new TextDecoder().decode(engine.get(PAGE_SCRIPT));
  await writeAtomic(
    out,
    singleDocument(facts, { script, style: styleSheet(), files: new Map([...kernels, ...files]) }),
  );
}

async function writeFolder(
  out: string,
  facts: PageFacts,
  { engine, files }: { readonly engine: Parts; readonly files: Parts },
): Promise<void> {
  const contents = new Map<string, string | Uint8Array>([
    ...engine,
    ...[...files].map(([name, bytes]) => [facts.files[name].path, bytes] as const),
    [PAGE_STYLE, styleSheet()],
    [DOCUMENT, folderDocument(facts)], // last: a folder with it is complete
  ]);
  await beginWriting(out, { by: BY, what: FINISHED, files: [...contents.keys()].reverse() });
  for (const [path, content] of contents) await writeAtomic(join(out, path), content);
  await endWriting(out);
}
