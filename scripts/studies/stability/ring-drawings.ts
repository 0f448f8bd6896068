/** @file Tier T1 in pictures: successes by family and learning rate, and what the samples look like. */

import { blank, fill, type Picture, type Rgb } from '../../../src/image/images.ts';
import { Lettering } from '../../../src/image/lettering.ts';
import { drawSheet } from '../../../src/image/sheet.ts';
import { centre, MODES } from './ring.ts';
import { type FamilyResult, type Settings, summarise } from './ring-results.ts';
import { formatRate } from './ring-words.ts';

const CELL = { width: 74, height: 40 };
const PANEL = 112;
/** Panels show [-EDGE, EDGE]^2. */
const EDGE = 1.6;

/**
 * Successes of each family at each rate, red for none and green for all, with the mean share near a mode under them.
 */
export async function stabilityMap(results: readonly FamilyResult[], settings: Settings): Promise<Picture> {
  const letters = new Lettering();
  const cells: { picture: Picture }[] = [];
  for (const { rates } of results.map(summarise)) {
    for (const { successes, runs, near } of rates) {
      const picture = blank(CELL.width, CELL.height, shade(successes / runs));
      const lines = [
        { text: `${successes}/${runs}`, face: { size: 14, bold: true }, top: 3 },
        { text: near.toFixed(2), face: { size: 10 }, top: 22 },
      ];
      for (const { text, face, top } of lines) {
        const wrapped = await letters.wrap(text, face, CELL.width, 1);
        await letters.draw(picture, wrapped, { left: 0, top, width: CELL.width, align: 'centre' });
      }
      cells.push({ picture });
    }
  }
  return drawSheet(cells, {
    columns: settings.lrs.length,
    gap: 3,
    title: 'Eight Gaussians on a ring',
    note: `Successes of ${settings.seeds.length} seeds by learning rate after ${settings.steps} steps; below, the mean share of samples near a mode.`,
    rowLabels: results.map(({ label }) => label),
    rowLabelWidth: 230,
    columnLabels: settings.lrs.map(formatRate),
  });
}

/**
 * Samples of the first seed, a row a family. A GAN's loss would not show any of this: it is the same at start and end.
 */
export async function samplePanels(results: readonly FamilyResult[], settings: Settings): Promise<Picture> {
  const cells = results.flatMap(({ points }) => points.map(({ xy }) => ({ picture: scatter(xy) })));
  return drawSheet(cells, {
    columns: settings.lrs.length,
    gap: 6,
    title: 'Samples by learning rate',
    note: `The first seed's, after ${settings.steps} steps; circles are the modes.`,
    rowLabels: results.map(({ label }) => label),
    rowLabelWidth: 230,
    columnLabels: settings.lrs.map(formatRate),
  });
}

/** @param xy x and y in turn, in thousandths */
function scatter(xy: readonly number[]): Picture {
  const picture = blank(PANEL, PANEL, [250, 250, 251]);
  const pixel = (value: number) => Math.round(((value + EDGE) / (2 * EDGE)) * (PANEL - 1));
  const dot = (x: number, y: number, size: number, colour: Rgb) =>
    fill(picture, { left: pixel(x), top: pixel(-y), width: size, height: size }, colour);
  for (let k = 0; k < MODES; k++) {
    const [x, y] = centre(k);
    for (let turn = 0; turn < 36; turn++) {
      const angle = (turn / 36) * 2 * Math.PI;
      dot(x + 0.14 * Math.cos(angle), y + 0.14 * Math.sin(angle), 1, [190, 194, 202]);
    }
  }
  for (let i = 0; i < xy.length; i += 2) dot(xy[i] / 1000, xy[i + 1] / 1000, 1, [214, 62, 30]);
  return picture;
}

/** Red over yellow to green, light enough for dark letters. */
function shade(share: number): Rgb {
  const stops: readonly Rgb[] = [
    [240, 150, 130],
    [250, 226, 150],
    [142, 208, 150],
  ];
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const from = Math.min(stops.length - 2, Math.floor(at));
  const [a, b] = [stops[from], stops[from + 1]];
  const mix = (i: 0 | 1 | 2) => Math.round(a[i] + (at - from) * (b[i] - a[i]));
  return [mix(0), mix(1), mix(2)];
}
