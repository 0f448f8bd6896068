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
 * Paints pictures side by side with their labels beneath, as many as there is room for: the width is used up, and where
 * pictures belong to rows (`Labelled.row`), the same places of all rows stand below one another, each row under its name.
 * @param options.columns width of the terminal; @param options.rows most lines in all
 * @param options.pictureColumns about how wide a picture is to be: pictures are made a little wider or narrower to fill the
 *   width, narrower so that all rows fit the height, and are never enlarged
 */
export function halfBlockRow(items: readonly Labelled[], options: RowOptions): string {
  const { columns = 80, rows = Number.POSITIVE_INFINITY, gap = 2, colours } = options;
  if (colours === 'none' || columns < 1 || items.length === 0) return '';
  const named = [...new Set(items.map(({ row }) => row))];
  const groups = named.map(name => ({ name, items: items.filter(({ row }) => row === name) }));
  const { across, width } = fitPictures(groups, { columns, rows, pictureColumns: options.pictureColumns ?? 32, gap });
  const lines: string[] = [];
  for (let start = 0; start < Math.max(...groups.map(group => group.items.length)); start += across) {
    const block = groups.flatMap(({ name, items: own }) => {
      const some = own.slice(start, start + across);
      if (some.length === 0) return [];
      return [...(name === undefined ? [] : [cutToWidth(name, columns)]), ...paintRow(some, { width, gap, colours })];
    });
    if (lines.length > 0 && lines.length + block.length > rows) break;
    lines.push(...block);
  }
  return lines.slice(0, rows).join('\n');
}

interface RowOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly pictureColumns?: number;
  readonly gap?: number;
  readonly colours: Colours;
}

/** Pictures that stand beside one another, under a name where they have one. */
interface Group {
  readonly name: string | undefined;
  readonly items: readonly Labelled[];
}

/** Narrowest that pictures are made so that all rows are seen, in characters. */
const LEAST_COLUMNS = 10;

/** How many pictures stand beside one another, and how wide each is. */
function fitPictures(
  groups: readonly Group[],
  { columns, rows, pictureColumns, gap }: Required<Omit<RowOptions, 'colours'>>,
): { readonly across: number; readonly width: number } {
  const pictures = groups.flatMap(({ items }) => items.map(({ picture }) => picture));
  const widest = Math.min(columns, Math.max(...pictures.map(({ width }) => width)));
  const highest = (width: number) =>
    Math.max(...pictures.map(picture => Math.ceil(heightAt(picture, Math.min(width, picture.width)) / 2)));
  const linesAt = (width: number) =>
    groups.reduce(
      (sum, { name, items }) => sum + highest(width) + (name === undefined ? 0 : 1) + (hasLabels(items) ? 1 : 0),
      0,
    );
  let tallest = widest;
  while (tallest > LEAST_COLUMNS && linesAt(tallest) > rows) tallest--;
  const wanted = Math.min(pictureColumns, tallest);
  // Pictures of their own size stay so; others may shrink a little to be one more.
  const whole = wanted === widest ? Math.floor : Math.round;
  const across = Math.max(1, whole((columns + gap) / (wanted + gap)));
  const most = Math.max(...groups.map(({ items }) => items.length));
  if (most < across) return { across: most, width: wanted };
  return { across, width: Math.max(1, Math.min(tallest, Math.floor((columns + gap) / across) - gap)) };
}

function hasLabels(items: readonly Labelled[]): boolean {
  return items.some(({ label }) => (label ?? '') !== '');
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
  if (hasLabels(items)) {
    const labels = items.map(({ label }) => {
      const text = cutToWidth(label ?? '', width);
      return text + ' '.repeat(width - displayWidth(text));
    });
    lines.push(labels.join(space).trimEnd());
  }
  return lines;
}

/** Pixels in height of a picture that is made so wide. */
function heightAt(picture: Picture, width: number): number {
  return Math.max(1, Math.round((picture.height * width) / picture.width));
}

function paintLines(picture: Picture, width: number, colours: Colours): string[] {
  const height = heightAt(picture, width);
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
