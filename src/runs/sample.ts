/** @file Painting captions into files, with completion, inpainting, reranking and nearest images. */

import { join } from 'node:path';
import { UserError } from '../core/errors.ts';
import { counted } from '../core/numbers.ts';
import { readRun } from '../families/config.ts';
import { familyOf } from '../families/families.ts';
import type { Painter } from '../families/painter.ts';
import type { Completion } from '../families/queue.ts';
import type { Picture } from '../image/images.ts';
import { encodePng } from '../image/png.ts';
import { writeAtomic } from '../io/atomic.ts';
import { makeFolder } from '../io/make-folder.ts';
import { sheetText } from '../io/outputs.ts';
import { namesIn } from '../io/ownfolder.ts';
import { chooseWeights, runPaths } from '../io/runfolder.ts';
import {
  type CaptionFolder,
  CaptionFolders,
  GRID_FILE,
  imageFile,
  type NumberedImage,
  writeCaption,
} from './caption-folder.ts';
import { readCompletion } from './completion.ts';
import { openPainter } from './open-painter.ts';
import { type AskedSettings, type Facts, gatherFacts, pictureText } from './painted-facts.ts';
import type { Ranker } from './rerank.ts';
import { drawGrid, drawGridOfAll, freeGrid, type Sample } from './sample-grids.ts';
import type { Neighbours } from './sample-nearest.ts';
import { type Chosen, checkFamilyFlags, checkFlags, type SampleRequest } from './sample-request.ts';
import { downloads, runOrShipped, type Session, startEngine } from './session.ts';

/** A caption's folder of images with their grid. */
export interface WrittenCaption {
  readonly caption: string;
  /** The folder. */
  readonly path: string;
  readonly grid: string;
  /** In the order of the grid. */
  readonly images: readonly WrittenImage[];
}

/** An image's file, and which of the seed's images it is. `score`: how well what ranks them says that it fits. */
export interface WrittenImage {
  readonly path: string;
  readonly seed: number;
  readonly index: number;
  readonly score?: number;
}

/** Something that was written: a caption's images, or the grid of all captions. */
export type Written = WrittenCaption | { readonly path: string; readonly images?: undefined };

/** What a run paints with, and what is done with its pictures. */
interface Studio {
  readonly painter: Painter;
  readonly request: SampleRequest;
  /** What the files say of how they were made. */
  readonly made: Facts;
  readonly completion?: Completion;
  readonly ranker?: Ranker;
  readonly neighbours?: Neighbours;
}

/**
 * Paints every caption and writes the images and a grid of each caption, and one of all.
 * @returns what is written, as soon as it is
 * @throws UserError if flags do not go together or the run's family cannot follow them, or it was stopped
 */
export async function* sampleRun(session: Session, asked: SampleRequest): AsyncGenerator<Written, void> {
  checkFlags(asked);
  const request = { ...asked, run: runOrShipped(session, asked.run) };
  checkFamilyFlags(request, await readRun(request.run, 'sample'));
  const rankedBy = request.rerank === undefined && request.bestOf === undefined ? undefined : await rankerFor(request);
  await namesIn(request.outputsDir); // refuses a file
  const studio = await openStudio(session, { ...request, rerank: rankedBy }, asked.run ?? 'models/emoji'); // not where the package lies here
  await sayUnseen(session, request.run, request.captions);
  await makeFolder(request.outputsDir); // before the painting, which may take long
  const { captions, outputsDir, image, mask } = request;
  // A folder that holds the image to complete is left alone, so that this stays.
  const folders = new CaptionFolders(
    outputsDir,
    [image, mask].filter(input => input !== undefined),
  );
  const finished: Sample[] = [];
  try {
    for (const caption of captions) {
      const samples = await sampleCaption(session, studio, caption);
      const folder = await folders.choose(caption, ordered(request)); // not before: others may write there meanwhile
      await writeSamples(session, folder, studio, samples);
      finished.push(...samples);
      yield written(folder.path, samples, request);
    }
    if (captions.length > 1) {
      const path = await freeGrid(outputsDir);
      const sheet = await drawGridOfAll(finished, request, studio.painter);
      await writeAtomic(path, await encodePng(sheet, { text: sheetText('samples of captions') }));
      yield { path };
    }
  } finally {
    await studio.ranker?.dispose();
    studio.painter.dispose();
  }
}

/** Every image that is painted of a caption. */
function ordered({ seeds, numImages, bestOf = numImages }: SampleRequest): NumberedImage[] {
  return (seeds ?? [undefined]).flatMap(seed => Array.from({ length: bestOf }, (_, index) => ({ seed, index })));
}

function written(path: string, samples: readonly Sample[], request: SampleRequest): WrittenCaption {
  const images = samples.map(sample => {
    const { seed = request.seed, index, score } = sample;
    return { path: join(path, imageFile(sample)), seed, index, ...(score === undefined ? {} : { score }) };
  });
  return { caption: samples[0].caption, path, grid: join(path, GRID_FILE), images };
}

/** Says which words of the captions the run has never seen, if it knows. */
async function sayUnseen({ reporter }: Session, run: string, captions: readonly string[]): Promise<void> {
  const { readLearntWords } = await import('./learnt/record.ts');
  const { describeUnseen } = await import('./learnt/unseen.ts');
  try {
    const learnt = await readLearntWords(runPaths(run).learnt);
    const line = learnt && describeUnseen(captions, learnt);
    if (line !== undefined) reporter.message(line, { isWarning: true });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    reporter.message(`warning: ${error.message}`, { isWarning: true }); // it paints without
  }
}

/** @param named the run as the files name it */
async function openStudio(session: Session, request: Chosen, named: string): Promise<Studio> {
  const { run, backend, precision, rerank, nearest, data, split = ['train'] } = request;
  const active = await startEngine(session, request);
  const weights = chooseWeights(run, request.weights);
  const painter = await openPainter(run, { weights, backend, precision, threads: request.threads });
  // What few ask for is loaded for them only.
  const loadRanker = async (name: string) => (await import('./rerank.ts')).loadRanker(name, downloads(session));
  const readData = async (folder: string) =>
    (await import('./sample-nearest.ts')).readNeighbours(session, { data: folder, split }, painter);
  return {
    painter,
    request,
    made: await gatherFacts(painter, { named, weights, backend: active, asked: askedSettings(request) }),
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
    session.reporter.message(`"${shortened(caption)}" is longer than ${cut} ids and was cut`, { isWarning: true });
  }
  const painted = await paintCaption(session, studio, caption);
  if (ranker === undefined) return painted.flat();
  const best: Sample[] = [];
  for (const samples of painted) best.push(...(await rerank(ranker, samples, request.numImages)));
  return best;
}

/**
 * Writes the images, their grid and what is known of them into a caption's folder, in the place of those that were painted
 * for it before.
 */
async function writeSamples(
  session: Session,
  folder: CaptionFolder,
  { painter, request, made, neighbours }: Studio,
  samples: readonly Sample[],
): Promise<void> {
  const { path, caption, before } = folder;
  const images: [file: string, png: Uint8Array][] = [];
  for (const sample of samples) {
    images.push([imageFile(sample), await encodePng(sample.picture, { text: pictureText(sample, made) })]);
  }
  const sheet = await drawGrid(samples, request, { painter, neighbours });
  images.push([GRID_FILE, await encodePng(sheet, { text: sheetText('samples of a caption') })]);
  const seeds = samples.flatMap(({ seed }) => seed ?? []);
  const about = {
    caption,
    ...made,
    ...(seeds.length > 0 && { seeds }), // of each image
    images: samples.map(({ index }) => index),
  };
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
  const others = Object.keys(facts).filter(name => JSON.stringify(before[name]) !== JSON.stringify(now[name]));
  return [...new Set(others.map(name => (name === 'seeds' ? 'seed' : name)))];
}

/** Paints as many images as are wanted, [seeds, images of each]; those of all seeds are painted beside each other. */
async function paintCaption(
  session: Session,
  { painter, request, completion }: Studio,
  caption: string,
): Promise<Sample[][]> {
  const { reporter } = session;
  const { numImages, bestOf = numImages } = request;
  const seeds = request.seeds ?? [undefined];
  const wanted = seeds.length * bestOf;
  const isOfCodes = familyOf(painter.family).words.unit === 'tokens';
  const each = isOfCodes ? painter.passes : 1;
  const counting = isOfCodes ? { counts: 'code', unit: 'codes' } : { counts: 'image', unit: 'images' };
  reporter.stage(caption === '' ? '(no caption)' : shortened(caption), { total: wanted * each, ...counting });
  const show = (pictures: readonly Picture[]) => reporter.pictures(pictures.map(picture => ({ picture })));
  let painted = 0;
  const paint = async (seed: number | undefined): Promise<Sample[]> => {
    let before = 0;
    const pictures = await painter.paint(new Array<string>(bestOf).fill(caption), {
      ...options(request),
      ...(seed !== undefined && { seed }),
      batchSize: request.batchSize,
      completion,
      onUnfinished: request.preview ? show : undefined,
      onProgress: done => {
        painted += done - before;
        before = done;
        const step = Math.round(painted * each);
        reporter.update({ step, amount: step });
      },
      signal: session.signal,
    });
    return pictures.map((picture, index) => ({ picture, caption, index, seed }));
  };
  const samples = await Promise.all(seeds.map(paint));
  reporter.done(counted(wanted, 'image'));
  return samples;
}

/** What the user asked of the painting, for what the files say of it. */
function askedSettings({ seed, seeds, image, keepRows, mask, ...request }: SampleRequest): AskedSettings {
  return { ...options({ ...request, seed }), seed: seeds === undefined ? seed : undefined, image, keepRows, mask };
}

/** The same for the painter; the rest is the run's. */
function options({ seed, temperature, fineTemperature, topK, topP, cfgScale, steps }: SampleRequest) {
  return { seed, temperature, fineTemperature, topK, topP, cfgScale, steps };
}

async function rankerFor(request: Chosen): Promise<string | undefined> {
  return (await import('./rerank.ts')).chosenRanker(request, 'sample');
}

/** The samples of one caption that fit it best. */
async function rerank(ranker: Ranker, samples: readonly Sample[], keep: number): Promise<Sample[]> {
  const { rank } = await import('./rerank.ts');
  const scores = await ranker.score(
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
