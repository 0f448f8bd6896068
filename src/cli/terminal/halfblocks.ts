/**
 * @file Pictures on a terminal. One character shows two pixels: the upper half block ▀ in the upper pixel's colour on the
 * lower pixel's. A character is about twice as high as wide, so these pixels are about square.
 */

import type { Picture, Rgb } from '../../image/images.ts';
import { resizeArea } from '../../image/resize.ts';
import type { Labelled } from '../../runs/session.ts';
import type { Colours } from './support.ts';
import { cutToWidth, displayWidth } from './text.ts';

/**
 * Paints one picture, at most `columns` characters wide and never enlarged.
 * @returns lines joined by newlines, each ending with colours reset; the empty string where there are no colours
 */
export function halfBlocks(
  picture: Picture,
  { columns = 80, colours }: { readonly columns?: number; readonly colours: Colours },
): string {
  if (colours === 'none' || columns < 1) return '';
  return paintLines(picture, Math.min(columns, picture.width), colours).join('\n');
}

/**
 * Paints pictures side by side with their labels beneath, in as many rows of pictures as they need.
 * @param options.columns width of the terminal; @param options.pictureColumns widest a picture may be
 * @param options.rows most lines in all; pictures that do not fit are left out
 */
export function halfBlockRow(
  items: readonly Labelled[],
  {
    columns = 80,
    rows = Number.POSITIVE_INFINITY,
    pictureColumns = 32,
    gap = 2,
    colours,
  }: {
    readonly columns?: number;
    readonly rows?: number;
    readonly pictureColumns?: number;
    readonly gap?: number;
    readonly colours: Colours;
  },
): string {
  if (colours === 'none' || columns < 1 || items.length === 0) return '';
  const width = Math.min(pictureColumns, columns, Math.max(...items.map(({ picture }) => picture.width)));
  const across = Math.max(1, Math.floor((columns + gap) / (width + gap)));
  const lines: string[] = [];
  for (let start = 0; start < items.length; start += across) {
    const block = paintRow(items.slice(start, start + across), { width, gap, colours });
    if (lines.length > 0 && lines.length + block.length > rows) break;
    lines.push(...block);
  }
  return lines.slice(0, rows).join('\n');
}

function paintRow(
  items: readonly Labelled[],
  { width, gap, colours }: { readonly width: number; readonly gap: number; readonly colours: Colours },
): string[] {
  const painted = items.map(({ picture }) => paintLines(picture, Math.min(width, picture.width), colours));
  const height = Math.max(...painted.map(lines => lines.length));
  const space = ' '.repeat(gap);
  const lines = Array.from({ length: height }, (_, y) =>
    items
      .map(({ picture }, i) => {
        const missing = width - Math.min(width, picture.width);
        return y < painted[i].length ? painted[i][y] + ' '.repeat(missing) : ' '.repeat(width);
      })
      .join(space)
      .trimEnd(),
  );
  if (items.some(({ label }) => (label ?? '') !== '')) {
    const labels = items.map(({ label }) => {
      const text = cutToWidth(label ?? '', width);
      return text + ' '.repeat(width - displayWidth(text));
    });
    lines.push(labels.join(space).trimEnd());
  }
  return lines;
}

function paintLines(picture: Picture, width: number, colours: Colours): string[] {
  const height = Math.max(1, Math.round((picture.height * width) / picture.width));
  const small = resizeArea(picture, width, height);
  const lines: string[] = [];
  for (let y = 0; y < height; y += 2) {
    let line = '';
    let upper = '';
    let lower = '';
    for (let x = 0; x < width; x++) {
      const nextUpper = `38;${code(at(small, x, y), colours)}`;
      // An odd last row has nothing below it: the terminal's own background.
      const nextLower = y + 1 < height ? `48;${code(at(small, x, y + 1), colours)}` : '49';
      const changes = [nextUpper !== upper ? nextUpper : '', nextLower !== lower ? nextLower : ''].filter(Boolean);
      if (changes.length > 0) line += `\x1b[${changes.join(';')}m`;
      line += '▀';
      [upper, lower] = [nextUpper, nextLower];
    }
    lines.push(`${line}\x1b[0m`);
  }
  return lines;
}

function at({ width, data }: Picture, x: number, y: number): Rgb {
  const i = (y * width + x) * 3;
  return [data[i], data[i + 1], data[i + 2]];
}

function code(colour: Rgb, colours: Colours): string {
  return colours === 'truecolor' ? `2;${colour.join(';')}` : `5;${nearestOf256(colour)}`;
}

/** The nearest of xterm's 6 x 6 x 6 cube (16 to 231) and its 24 greys (232 to 255). */
function nearestOf256(colour: Rgb): number {
  const steps = colour.map(value => nearestIndex(CUBE, value));
  const grey = nearestIndex(GREYS, (colour[0] + colour[1] + colour[2]) / 3);
  const cubeError = colour.reduce((sum, value, c) => sum + (value - CUBE[steps[c]]) ** 2, 0);
  const greyError = colour.reduce((sum, value) => sum + (value - GREYS[grey]) ** 2, 0);
  return greyError < cubeError ? 232 + grey : 16 + 36 * steps[0] + 6 * steps[1] + steps[2];
}

const CUBE: readonly number[] = [0, 95, 135, 175, 215, 255];
const GREYS: readonly number[] = Array.from({ length: 24 }, (_, i) => 8 + 10 * i);

function nearestIndex(values: readonly number[], wanted: number): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (Math.abs(values[i] - wanted) < Math.abs(values[best] - wanted)) best = i;
  return best;
}
