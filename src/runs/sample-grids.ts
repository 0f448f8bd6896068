/** @file The sheets that `sample` leaves beside its images: one of each caption, and one of all. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Painter } from '../families/painter.ts';
import type { Picture } from '../image/images.ts';
import { drawSheet } from '../image/sheet.ts';
import { isOurs } from '../io/outputs.ts';
import { GRID_FILE, type NumberedImage } from './caption-folder.ts';
import type { Neighbours } from './sample-nearest.ts';
import type { SampleRequest } from './sample-request.ts';

/** A finished image and what belongs to it. Its number is the stream of the seed that it was drawn from. */
export interface Sample extends NumberedImage {
  readonly picture: Picture;
  readonly caption: string;
  readonly score?: number;
}

/** Where the grid of all captions goes: what is no grid of ours is left alone. */
export async function freeGrid(folder: string): Promise<string> {
  for (let number = 1; ; number++) {
    const path = join(folder, number === 1 ? GRID_FILE : `grid_${number}.png`);
    if (!existsSync(path) || (await isOurs(path, 'sheet'))) return path;
  }
}

function named(caption: string): string {
  return caption || '(no caption)';
}

function scaleOf({ imageSize }: Painter): number {
  return Math.max(1, Math.round(128 / imageSize));
}

/** What a grid says below an image of several seeds. */
function labelOf({ seed, index }: NumberedImage): string | undefined {
  if (seed === undefined) return undefined;
  return index === 0 ? `seed ${seed}` : `seed ${seed}, image ${index}`;
}

/** The sheet of a caption's images; each is followed by its nearest one, where that is looked for. */
export async function drawGrid(
  samples: readonly Sample[],
  { seeds }: SampleRequest,
  { painter, neighbours }: { readonly painter: Painter; readonly neighbours?: Neighbours },
): Promise<Picture> {
  const labelled = samples.map(sample => ({ picture: sample.picture, label: labelOf(sample) }));
  const cells = neighbours?.cellsOf(labelled) ?? labelled;
  const isSquare = seeds !== undefined && neighbours === undefined;
  return drawSheet(cells, {
    columns: isSquare ? columnsOf(cells.length) : Math.min(cells.length, 8),
    cellScale: scaleOf(painter),
    title: named(samples[0].caption),
    note: neighbours && `each sample is followed by its nearest ${neighbours.whose} image`,
  });
}

/** One sheet of all captions; of several seeds, each caption has a section. */
export async function drawGridOfAll(
  samples: readonly Sample[],
  { captions, seeds, numImages }: SampleRequest,
  painter: Painter,
): Promise<Picture> {
  const each = samples.length / captions.length;
  const cells = samples.map(sample => ({
    picture: sample.picture,
    label: labelOf(sample) ?? named(sample.caption),
  }));
  const headings = captions.map((caption, i) => ({ before: i * each, text: named(caption) }));
  const columns = seeds === undefined ? (numImages > 1 ? numImages : Math.min(6, samples.length)) : columnsOf(each);
  return drawSheet(cells, {
    columns: Math.min(columns, 12),
    cellScale: scaleOf(painter),
    title: 'Samples',
    headings: seeds === undefined ? undefined : headings,
  });
}

/** A grid that is about square, where there are many images. */
function columnsOf(images: number): number {
  return Math.min(images, Math.max(6, Math.ceil(Math.sqrt(images))), 12);
}
