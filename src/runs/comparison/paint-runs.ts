/**
 * @file What a comparison paints: the same captions by every run beside the real images, and more samples, whose
 * painting is timed and among which training images are looked for. Runs are opened one after another, so that only one
 * is in memory.
 */

import type { Split } from '../../../data/dataset.ts';
import { decodeAll } from '../../../data/decoded.ts';
import { openDataset } from '../../../data/open.ts';
import { reconstructPictures } from '../../../tokenizer/codec.ts';
import type { RunConfig } from '../../config/run.ts';
import { UserError } from '../../core/errors.ts';
import { counted } from '../../core/numbers.ts';
import { shellWord } from '../../core/shell.ts';
import { type Picture, spreadPlaces } from '../../image/images.ts';
import { NearestImages } from '../../image/nearest.ts';
import { encodePng } from '../../image/png.ts';
import type { WeightKind } from '../../io/runfiles.ts';
import { measureMemorisation } from '../../metrics/memorisation.ts';
import type { Embedded, NearestTraining, RunReport, SampleSheet } from '../../report/contents.ts';
import { divideAsTrained } from '../known-sides.ts';
import { openPainter, type Painter } from '../open-painter.ts';
import { measuredItems, sideNames } from '../run-images.ts';
import type { EngineFlags, Session } from '../session.ts';

/** Rows of the sheet of samples, where no captions are given. */
const ROWS = 12;
/** Most held-out images whose distance to training images is measured. */
const HELD_OUT = 256;
/** Side at which images are compared with training images. */
const COMPARED = 32;
/** Samples shown beside their nearest training image. */
const CLOSEST = 16;
/** Most samples that are timed and looked through for training images. */
const MEASURED = 128;
/** A run that can be compared. */
export interface ComparedRun {
  readonly folder: string;
  readonly name: string;
  readonly config: RunConfig;
  /** The weights that it is painted with, and whether they are there. */
  readonly weights: WeightKind;
  readonly trained: boolean;
}

/** How it is painted. */
export interface PaintingRequest extends EngineFlags {
  /** Images painted by each run to be measured. */
  readonly numImages: number;
  readonly seed: number;
}

/** The images of a data set that a comparison needs. */
export interface ComparisonData {
  /** Sides of the data that are measured, and images of them. */
  readonly sides: readonly Split[];
  readonly measured: readonly { readonly picture: Picture; readonly caption: string }[];
  /** Whether none of them was trained on. */
  readonly isHeldOut: boolean;
  readonly training: { readonly index: NearestImages; readonly captions: readonly string[] };
}

/** What painting with a run has shown. */
export interface PaintedRun extends Pick<RunReport, 'sampling' | 'nearest'> {
  readonly parameters: number;
}

/** Decodes the images that are measured, and all training images small; the sides are those of the first run. */
export async function openComparisonData(
  session: Session,
  { data, format, split }: { readonly data: string; readonly format?: string; readonly split?: readonly Split[] },
  { folder, config }: Pick<ComparedRun, 'folder' | 'config'>,
): Promise<ComparisonData> {
  const { images } = config;
  const dataset = await openDataset(data, { format, check: false, signal: session.signal });
  const division = await divideAsTrained(session, dataset, { run: folder, images });
  const { sides, items, whyNone } = measuredItems(division, { split, config, where: 'compare' });
  const { training } = division;
  const small = Math.min(COMPARED, images.imageSize);
  session.reporter.stage('training images', { unit: 'images' });
  const onProgress = (step: number, total: number) => session.reporter.update({ step, total, amount: step });
  const references = await decodeAll(training, { size: small, onProgress, signal: session.signal });
  const held = await decodeAll(evenly(items, HELD_OUT), { size: images.imageSize, signal: session.signal });
  session.reporter.done(`${references.items.length} training images, ${held.items.length} ${sideNames(sides)} ones`);
  if (references.items.length === 0 || held.items.length === 0) {
    throw new UserError(
      'compare',
      `${data}: no image can be decoded`,
      `see \`tessera data inspect ${shellWord(data)}\``,
    );
  }
  return {
    sides,
    measured: held.items.map(({ captions }, i) => ({ picture: held.images.at(i), caption: captions[0] })),
    isHeldOut: whyNone === undefined,
    training: {
      index: new NearestImages(references.images),
      captions: references.items.map(({ captions }) => captions[0]),
    },
  };
}

/** Everything that the runs paint. */
export async function paintRuns(
  session: Session,
  request: PaintingRequest,
  wanted: {
    readonly runs: readonly ComparedRun[];
    readonly captions: readonly string[] | undefined;
    readonly data: ComparisonData | undefined;
  },
): Promise<{ readonly painted: ReadonlyMap<string, PaintedRun>; readonly grid: SampleSheet | null }> {
  const { captions: given, data } = wanted;
  const runs = wanted.runs.filter(({ trained }) => trained);
  const shown = given === undefined ? evenly(data?.measured ?? [], ROWS) : [];
  const captions = given ?? shown.map(({ caption }) => caption);
  const real = given === undefined ? shown.map(({ picture }) => picture) : null;
  const count = imagesPerCaption(runs.length);
  const painted = new Map<string, PaintedRun>();
  const images: { run: string; images: (readonly Embedded[])[] }[] = [];
  const reconstructions: { run: string; images: readonly Embedded[] }[] = [];
  for (const { folder, weights, name } of runs) {
    const painter = await openPainter(folder, { ...request, weights });
    try {
      const inGrid = captions.flatMap(caption => Array.from({ length: count }, () => caption));
      const numbers = inGrid.map((_, i) => i % count);
      const { pictures } = await paintTimed(session, painter, inGrid, { ...request, name, numbers });
      const embedded = await embedAll(pictures);
      images.push({ run: name, images: captions.map((_, i) => embedded.slice(i * count, (i + 1) * count)) });
      painted.set(name, await measure(session, painter, { ...request, name, data, captions }));
      if (painter.tokenizer !== undefined && real !== null) {
        const back = await embedAll(await reconstructPictures(painter.tokenizer, real));
        // Runs that share a tokenizer are shown once.
        const known = reconstructions.some(other => other.images.every(({ uri }, i) => uri === back[i].uri));
        if (!known) reconstructions.push({ run: name, images: back });
      }
    } finally {
      painter.dispose();
    }
  }
  if (captions.length === 0) return { painted, grid: null };
  const heldOut = given === undefined && data?.isHeldOut === true;
  const originals = real === null ? null : await embedAll(real);
  return { painted, grid: { captions, heldOut, real: originals, reconstructions, painted: images } };
}

/** Paints captions and takes the time. @param numbers of the images, one a caption */
async function paintTimed(
  session: Session,
  painter: Painter,
  captions: readonly string[],
  { seed, name, numbers }: { readonly seed: number; readonly name: string; readonly numbers: readonly number[] },
): Promise<{ readonly pictures: Picture[]; readonly milliseconds: number }> {
  session.reporter.stage(`painting with ${name}`, { total: captions.length, counts: 'image', unit: 'images' });
  const onProgress = (done: number) => session.reporter.update({ step: Math.floor(done), amount: done });
  const started = session.now();
  const pictures = await painter.paint(captions, { seed, numbers, onProgress, signal: session.signal });
  const milliseconds = session.now() - started;
  session.reporter.done(counted(pictures.length, 'image'));
  return { pictures, milliseconds };
}

/** More samples, of the data's captions one after another: the network is warm by now, and they are many. */
async function measure(
  session: Session,
  painter: Painter,
  options: PaintingRequest & {
    readonly name: string;
    readonly data: ComparisonData | undefined;
    readonly captions: readonly string[];
  },
): Promise<PaintedRun> {
  const { data, numImages, name, seed } = options;
  const captions = data?.measured.map(({ caption }) => caption) ?? options.captions;
  const asked = Array.from({ length: Math.min(numImages, MEASURED) }, (_, i) => captions[i % captions.length]);
  // Numbers far from those of the grid, whose captions may be the same.
  const numbers = asked.map((_, i) => 1000 + Math.floor(i / captions.length));
  const { pictures, milliseconds } = await paintTimed(session, painter, asked, { seed, name, numbers });
  return {
    parameters: painter.parameters,
    sampling: { passes: painter.passes, msPerImage: milliseconds / pictures.length, images: pictures.length },
    nearest: data === undefined ? null : await nearestOf(pictures, asked, data),
  };
}

async function nearestOf(
  samples: readonly Picture[],
  captions: readonly string[],
  { training, measured, isHeldOut }: ComparisonData,
): Promise<NearestTraining> {
  const heldOut = isHeldOut ? measured : [];
  const found = measureMemorisation(
    samples,
    training.index,
    heldOut.map(({ picture }) => picture),
  );
  const closest = found.closest.slice(0, CLOSEST).map(async i => {
    const { index, distance } = found.samples[i];
    return {
      caption: captions[i],
      trained: training.captions[index],
      distance,
      sample: await embed(samples[i]),
      image: await embed(training.index.reference(index)),
    };
  });
  const finite = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    samples: samples.length,
    heldOut: heldOut.length,
    training: training.index.count,
    sampleMedian: found.sampleMedian,
    heldOutMedian: finite(found.heldOutMedian),
    ratio: finite(found.ratio),
    authentic: finite(found.authentic),
    sampleRatios: [...found.ratios].filter(Number.isFinite),
    heldOutRatios: found.heldOut.map(({ distance }) => distance / found.heldOutMedian).filter(Number.isFinite),
    closest: await Promise.all(closest),
  };
}

/** As many as fit beside one another. */
function imagesPerCaption(runs: number): number {
  return runs <= 2 ? 4 : runs <= 4 ? 2 : 1;
}

function evenly<T>(items: readonly T[], count: number): T[] {
  return spreadPlaces(items.length, count).map(i => items[i]);
}

function embedAll(pictures: readonly Picture[]): Promise<Embedded[]> {
  return Promise.all(pictures.map(embed));
}

async function embed(picture: Picture): Promise<Embedded> {
  const png = Buffer.from(await encodePng(picture));
  return { uri: `data:image/png;base64,${png.toString('base64')}`, width: picture.width, height: picture.height };
}
