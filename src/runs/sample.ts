/** @file Painting captions into files, with completion, inpainting, reranking and nearest images. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Split } from '../../data/dataset.ts';
import type { RunConfig } from '../config/run.ts';
import { kebab } from '../config/schema.ts';
import { UserError } from '../core/errors.ts';
import { readRun } from '../families/config.ts';
import { familyOf } from '../families/families.ts';
import { type SamplingSetting, samplingSettings } from '../families/family.ts';
import type { Painter } from '../families/painter.ts';
import type { Completion } from '../families/queue.ts';
import type { SamplingOptions } from '../families/transformer/generate.ts';
import type { Picture } from '../image/images.ts';
import { encodePng } from '../image/png.ts';
import { type Cell, drawSheet } from '../image/sheet.ts';
import { writeAtomic } from '../io/atomic.ts';
import { makeFolder } from '../io/make-folder.ts';
import { isOurs, sheetText } from '../io/outputs.ts';
import { namesIn } from '../io/ownfolder.ts';
import { chooseWeights, fingerprint, runPaths, type WeightKind } from '../io/runfolder.ts';
import { type CaptionFolder, CaptionFolders, GRID_FILE, imageFile, writeCaption } from './caption-folder.ts';
import { splitCaptions } from './captions.ts';
import { type CompletionFlags, readCompletion } from './completion.ts';
import { openPainter } from './open-painter.ts';
import type { Clip } from './rerank.ts';
import type { Neighbours } from './sample-nearest.ts';
import { downloads, type EngineFlags, runOrShipped, type Session, startEngine } from './session.ts';

export interface SampleRequest extends EngineFlags, SamplingOptions, CompletionFlags {
  /** Default: the model that comes with the package. */
  readonly run?: string;
  /** Of a diffusion model. */
  readonly steps?: number;
  readonly seed: number;
  readonly text: string;
  readonly numImages: number;
  /** Most images painted at once; default: as many as fit. */
  readonly batchSize?: number;
  readonly outputsDir: string;
  /** Default: the averaged ones, or the only ones there. */
  readonly weights?: WeightKind;
  readonly preview: boolean;
  readonly rerank?: string;
  readonly bestOf?: number;
  readonly nearest: boolean;
  readonly data?: string;
  /** Sides of the data that the nearest images are of; default: what the run was trained on. */
  readonly split?: readonly Split[];
}

/** A request whose run is known. */
interface Chosen extends SampleRequest {
  readonly run: string;
}

/** A finished image and what belongs to it. */
interface Sample {
  readonly picture: Picture;
  readonly caption: string;
  /** Its number among the caption's images: the stream of the seed that it was drawn from. */
  readonly index: number;
  readonly score?: number;
}

/** Refuses flags that do not go together, before anything slow begins. */
function checkFlags({ bestOf, rerank, numImages, image, keepRows, mask, nearest, data }: SampleRequest): void {
  const refuse = (what: string, hint: string) => {
    throw new UserError('sample', what, hint);
  };
  if (bestOf !== undefined && rerank === undefined) {
    refuse('expected --rerank with --best-of, got none', 'add --rerank, a folder or hub id of a CLIP');
  }
  if (bestOf !== undefined && bestOf < numImages) {
    refuse(
      `expected --best-of of at least --num-images, which is ${numImages}, got ${bestOf}`,
      'e.g. --best-of 32 --num-images 4',
    );
  }
  if (image === undefined && (keepRows !== undefined || mask !== undefined)) {
    refuse(`expected --image with ${mask === undefined ? '--keep-rows' : '--mask'}, got none`, 'add --image FILE');
  }
  if (image !== undefined && (keepRows === undefined) === (mask === undefined)) {
    refuse(
      `expected either --keep-rows or --mask with --image, got ${mask === undefined ? 'neither' : 'both'}`,
      'e.g. --image x.png --keep-rows 14',
    );
  }
  if (nearest && data === undefined) {
    refuse('expected --data with --nearest, got none', 'add --data, the folder that the run was trained on');
  }
}

/** Flags that only families understand whose images appear piece by piece. */
const PIECEWISE = ['image', 'keepRows', 'mask', 'preview'] as const;

/** Rejects flags that the run's family cannot follow. */
function checkFamilyFlags(request: Chosen, config: RunConfig): void {
  const { sampling, piecewise, words } = familyOf(config.family);
  const followed = sampling(config);
  const ignored = [
    ...samplingSettings.filter(setting => followed[setting] === undefined),
    ...(piecewise === true ? [] : PIECEWISE),
  ];
  const stray = ignored.find(flag => request[flag] !== undefined && request[flag] !== false);
  if (stray === undefined) return;
  throw new UserError(
    'sample',
    `--${kebab(stray)}: ${request.run} is a ${config.family} run; ${words.paints}`,
    'leave the flag out, or paint with a run of another family',
  );
}

/** Something that was written. */
export interface Written {
  /** A caption's folder of images with their grid.png, or the grid of all captions. */
  readonly path: string;
  /** In the folder. */
  readonly images?: number;
}

/** What a run paints with, and what is done with its pictures. */
interface Studio {
  readonly painter: Painter;
  readonly request: SampleRequest;
  /** What the files say of how they were made. */
  readonly made: Facts;
  readonly completion?: Completion;
  readonly ranker?: Clip;
  readonly neighbours?: Neighbours;
}

/**
 * Paints every caption of `text` (separated by |) and writes the images and a grid of each caption, and one of all.
 * @returns what is written, as soon as it is
 * @throws UserError if flags do not go together or the run's family cannot follow them, or it was stopped
 */
export async function* sampleRun(session: Session, asked: SampleRequest): AsyncGenerator<Written, void> {
  checkFlags(asked);
  const captions = splitCaptions('sample: --text', asked.text);
  const request = { ...asked, run: runOrShipped(session, asked.run) };
  checkFamilyFlags(request, await readRun(request.run, 'sample'));
  await namesIn(request.outputsDir); // refuses a file
  const studio = await openStudio(session, request, asked.run ?? 'models/emoji'); // not where the package lies here
  await makeFolder(request.outputsDir); // before the painting, which may take long
  const { outputsDir, image, mask, numImages, bestOf = numImages } = request;
  // A folder that holds the image to complete is left alone, so that this stays.
  const folders = new CaptionFolders(
    outputsDir,
    [image, mask].filter(input => input !== undefined),
  );
  const sheet: Cell[] = [];
  try {
    for (const caption of captions) {
      const samples = await sampleCaption(session, studio, caption);
      const folder = await folders.choose(caption, bestOf); // not before: others may write there meanwhile
      const { path } = folder;
      await writeSamples(session, folder, studio, samples);
      sheet.push(...samples.map(({ picture }) => ({ picture, label: caption || '(no caption)' })));
      yield { path, images: samples.length };
    }
    if (captions.length > 1) {
      const columns = Math.min(request.numImages > 1 ? request.numImages : Math.min(6, sheet.length), 12);
      const picture = await drawSheet(sheet, { columns, cellScale: scaleOf(studio.painter), title: 'Samples' });
      const path = await freeGrid(request.outputsDir);
      await writeAtomic(path, await encodePng(picture, { text: sheetText('samples of captions') }));
      yield { path };
    }
  } finally {
    await studio.ranker?.dispose();
    studio.painter.dispose();
  }
}

/** @param named the run as the files name it */
async function openStudio(session: Session, request: Chosen, named: string): Promise<Studio> {
  const { run, backend, precision, rerank, nearest, data, split = ['train'] } = request;
  const active = await startEngine(session, request);
  const weights = chooseWeights(run, request.weights);
  const painter = await openPainter(run, { weights, backend, precision, threads: request.threads });
  // What few ask for is loaded for them only.
  const loadRanker = async (name: string) => (await import('./rerank.ts')).loadClip(name, downloads(session));
  const readData = async (folder: string) =>
    (await import('./sample-nearest.ts')).readNeighbours(session, { data: folder, split }, painter);
  return {
    painter,
    request,
    made: {
      run: named,
      family: painter.family,
      weights,
      weights_sha256: await fingerprint(runPaths(run).weights[weights]),
      backend: active,
      ...settings(request, painter.config),
    },
    completion: await readCompletion(painter, request),
    ranker: rerank === undefined ? undefined : await loadRanker(rerank),
    neighbours: nearest && data !== undefined ? await readData(data) : undefined,
  };
}

/** Paints a caption, and keeps the best where they are ranked. */
async function sampleCaption(session: Session, studio: Studio, caption: string): Promise<Sample[]> {
  const { painter, request, ranker } = studio;
  const cut = painter.cutAt(caption);
  if (cut !== undefined) {
    session.reporter.message(`"${shortened(caption)}" is longer than ${cut} ids and was cut`);
  }
  const painted = await paintCaption(session, studio, caption);
  return ranker === undefined ? painted : rerank(ranker, painted, request.numImages);
}

/**
 * Writes the images, their grid and what is known of them into a caption's folder, in the place of those that were painted
 * for it before.
 */
async function writeSamples(
  session: Session,
  folder: CaptionFolder,
  { painter, made, neighbours }: Studio,
  samples: readonly Sample[],
): Promise<void> {
  const { path, caption, before } = folder;
  const images: [file: string, png: Uint8Array][] = [];
  for (const sample of samples) {
    images.push([imageFile(sample.index), await encodePng(sample.picture, { text: describe(sample, made) })]);
  }
  const cells = neighbours?.cellsOf(samples) ?? samples.map(({ picture }) => ({ picture }));
  const sheet = await layOut(cells, caption, painter, neighbours?.whose);
  images.push([GRID_FILE, await encodePng(sheet, { text: sheetText('samples of a caption') })]);
  const about = { caption, ...made, images: samples.map(({ index }) => index) };
  const others = differences(before, about);
  if (others.length > 0) session.reporter.message(`${path}: replacing images of another ${others.join(', ')}`);
  await writeCaption(folder, images, about);
}

/** What of a caption's images was another before; where there were none, nothing. */
function differences(
  before: Readonly<Record<string, unknown>> | undefined,
  now: Readonly<Record<string, unknown>>,
): string[] {
  if (before === undefined) return [];
  const { images: _, ...facts } = { ...before, ...now };
  const written = JSON.parse(JSON.stringify(now)) as Readonly<Record<string, unknown>>; // as it will stand there
  return Object.keys(facts).filter(name => before[name] !== written[name]);
}

/** Where the grid of all captions goes: what is no grid of ours is left alone. */
async function freeGrid(folder: string): Promise<string> {
  for (let number = 1; ; number++) {
    const path = join(folder, number === 1 ? GRID_FILE : `grid_${number}.png`);
    if (!existsSync(path) || (await isOurs(path, 'sheet'))) return path;
  }
}

function scaleOf({ imageSize }: Painter): number {
  return Math.max(1, Math.round(128 / imageSize));
}

async function layOut(
  cells: readonly Cell[],
  caption: string,
  painter: Painter,
  whose: string | undefined,
): Promise<Picture> {
  const columns = Math.min(cells.length, 8);
  return drawSheet(cells, {
    columns,
    cellScale: scaleOf(painter),
    title: caption === '' ? '(no caption)' : caption,
    note: whose === undefined ? undefined : `each sample is followed by its nearest ${whose} image`,
  });
}

/** Paints as many images as are wanted. */
async function paintCaption(
  session: Session,
  { painter, request, completion }: Studio,
  caption: string,
): Promise<Sample[]> {
  const { reporter } = session;
  const wanted = request.bestOf ?? request.numImages;
  const unit = familyOf(painter.family).words.unit ?? 'images';
  const each = unit === 'tokens' ? painter.passes : 1;
  reporter.stage(caption === '' ? '(no caption)' : shortened(caption), { total: wanted * each, unit });
  const show = (pictures: readonly Picture[]) => reporter.pictures(pictures.map(picture => ({ picture })));
  const pictures = await painter.paint(new Array<string>(wanted).fill(caption), {
    ...options(request),
    batchSize: request.batchSize,
    completion,
    onUnfinished: request.preview ? show : undefined,
    onProgress: done => {
      const step = Math.round(done * each);
      reporter.update({ step, amount: step });
    },
    signal: session.signal,
  });
  reporter.done(`${pictures.length} images`);
  return pictures.map((picture, index) => ({ picture, caption, index }));
}

/** What the user asked of the painting; the rest is the run's. */
function options({ seed, temperature, topK, topP, cfgScale, steps }: SampleRequest) {
  return { seed, temperature, topK, topP, cfgScale, steps };
}

/** The samples of one caption that the CLIP likes best. */
async function rerank(clip: Clip, samples: readonly Sample[], keep: number): Promise<Sample[]> {
  const { rank } = await import('./rerank.ts');
  const scores = await clip.score(
    samples[0].caption,
    samples.map(({ picture }) => picture),
  );
  return rank(scores)
    .slice(0, keep)
    .map(i => ({ ...samples[i], score: scores[i] }));
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** As much of a caption as fits a line. */
function shortened(caption: string): string {
  const letters = Array.from(graphemes.segment(caption.slice(0, 2000)), ({ segment }) => segment);
  return letters.length <= 60 ? caption : `${letters.slice(0, 59).join('')}…`;
}

/** How the images are made: by the user's settings, or else by the run's, as far as the family has them. */
function settings(request: SampleRequest, config: RunConfig): Facts {
  const { seed, image, keepRows, mask } = request;
  const { sampling, piecewise } = familyOf(config.family);
  const followed = Object.entries(sampling(config)).map(([setting, value]) => [
    setting,
    request[setting as SamplingSetting] ?? value,
  ]);
  return { seed, ...Object.fromEntries(followed), ...(piecewise === true && { completed: image, keepRows, mask }) };
}

type Facts = Readonly<Record<string, string | number | undefined>>;

/** What the PNG says of itself. */
function describe(sample: Sample, made: Facts): Record<string, string> {
  const facts = Object.entries({ ...made, image: sample.index, score: sample.score });
  const text = facts.flatMap(([key, value]) => (value === undefined ? [] : [[`tessera:${key}`, String(value)]]));
  return { Title: sample.caption, Software: 'Tessera', ...Object.fromEntries(text) };
}
