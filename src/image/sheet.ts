/**
 * @file Sheets of pictures with captions, section headings and row labels: samples, reconstructions, contact sheets.
 * It lays out and draws; it does not know what the pictures are.
 */

import { blank, fill, type Picture, paste, type Rgb } from './images.ts';
import { type Face, Lettering, type Lines } from './lettering.ts';
import { resizeNearest } from './resize.ts';

/** One picture and what is written under it. */
export interface Cell {
  readonly picture: Picture;
  /** Several texts stand below one another, as many as there is room for. */
  readonly label?: string | readonly string[];
}

/** A band across the sheet, before the cell with this index; a section starts on a new row. */
export interface Heading {
  readonly before: number;
  readonly text: string;
}

export interface SheetOptions {
  readonly columns: number;
  /** Pixels between cells. */
  readonly gap?: number;
  readonly title?: string;
  /** A smaller line under the title. */
  readonly note?: string;
  /** One a row, left of it. */
  readonly rowLabels?: readonly string[];
  /** Widest that they may be, in pixels; what is longer is wrapped, then cut. Default 150. */
  readonly rowLabelWidth?: number;
  /** One a column, above the first row. */
  readonly columnLabels?: readonly string[];
  /** Every pixel becomes a square of this side. */
  readonly cellScale?: number;
  /** Most lines below a picture; what is longer ends in `…`. Default 3. */
  readonly labelLines?: number;
  readonly headings?: readonly Heading[];
  /** Rows that belong together: after each this many rows there is more room. */
  readonly rowsTogether?: number;
}

/**
 * Draws pictures in labelled rows on white. Labels are wrapped to the cell's width.
 * @param cells in reading order; pictures may differ in size, the largest sets the cell
 * @throws RangeError if there is no cell
 */
export async function drawSheet(cells: readonly Cell[], options: SheetOptions): Promise<Picture> {
  if (cells.length === 0) throw new RangeError('drawSheet: expected at least one cell, got none');
  const letters = new Lettering();
  const scale = options.cellScale ?? 1;
  const gap = options.gap ?? 14;
  const scaled = cells.map(({ picture, label }) => ({ picture: resizeNearest(picture, scale), label }));
  const cellWidth = Math.max(...scaled.map(({ picture }) => picture.width));
  const cellHeight = Math.max(...scaled.map(({ picture }) => picture.height));
  const rows = breakRows(scaled, options.columns, options.headings ?? []);
  const columns = Math.max(...rows.map(row => row.cells.length));
  const { rowLabelWidth = ROW_LABEL_WIDTH } = options;
  const rowLabels = await wrapAll(letters, options.rowLabels ?? [], ROW_LABEL, rowLabelWidth, cellHeight);
  const gutter = await widest(letters, rowLabels);
  const left = MARGIN + (gutter > 0 ? gutter + gap : 0);
  const inner = left - MARGIN + columns * cellWidth + (columns - 1) * gap;
  const title = await letters.wrap(options.title ?? '', TITLE, Math.max(inner, LEAST_WIDTH), 2);
  const note = await letters.wrap(options.note ?? '', NOTE, Math.max(inner, LEAST_WIDTH), 3);
  const width = Math.max(inner, await widest(letters, [title, note]));
  const labelLines = options.labelLines ?? 3;
  const layout: Layout = { letters, gap, left, width, gutter, cellWidth, cellHeight, labelLines };

  // Everything is planned before anything is drawn: labels decide the height of the canvas.
  const plan: Placed[] = [];
  let top = planTitle(plan, layout, title, note);
  top = await planColumnLabels(plan, layout, options.columnLabels ?? [], top);
  for (const [r, row] of rows.entries()) {
    top = await planHeading(plan, layout, row, r > 0 && row.heading !== undefined ? top + 6 : top);
    if (r < rowLabels.length) planRowLabel(plan, layout, rowLabels[r], top);
    top = await planCells(plan, layout, row, top);
    if (r < rows.length - 1) top += gapAfter(r, gap, options.rowsTogether);
  }
  const canvas = blank(width + 2 * MARGIN, top + MARGIN);
  for (const item of plan) await place(canvas, item, letters);
  return canvas;
}

/**
 * Originals above their reconstructions, in pairs of rows labelled at the left.
 * @param reconstructions as many as originals
 */
export async function stackRows(
  originals: readonly Picture[],
  reconstructions: readonly Picture[],
  options: Pick<SheetOptions, 'columns' | 'gap' | 'title' | 'note' | 'cellScale'> & {
    /** What the two rows are called. */
    readonly names?: readonly [string, string];
  },
): Promise<Picture> {
  const { columns, names = ['original', 'reconstruction'], ...rest } = options;
  if (originals.length !== reconstructions.length) {
    throw new RangeError(
      `stackRows: expected as many reconstructions as originals, got ${reconstructions.length} and ${originals.length}`,
    );
  }
  const cells: Cell[] = [];
  const rowLabels: string[] = [];
  const headings: Heading[] = [];
  for (let start = 0; start < originals.length; start += columns) {
    const end = Math.min(start + columns, originals.length);
    for (const [i, pictures] of [originals, reconstructions].entries()) {
      headings.push({ before: cells.length, text: '' }); // a short last row still starts its own
      cells.push(...pictures.slice(start, end).map(picture => ({ picture })));
      rowLabels.push(names[i]);
    }
  }
  return drawSheet(cells, { ...rest, columns, gap: rest.gap ?? 12, rowLabels, headings, rowsTogether: 2 });
}

/** Most lines of one of several labels. */
const MOST_LINES = 3;
const MARGIN = 28;
const BAND = 30;
const LEAST_WIDTH = 260;
const ROW_LABEL_WIDTH = 150;
const GREY: Rgb = [242, 243, 245];
const LINE: Rgb = [225, 227, 231];
const ACCENT: Rgb = [232, 93, 58];
const TITLE: Face = { size: 22, bold: true, colour: [24, 24, 27] };
const NOTE: Face = { size: 13, colour: [113, 113, 122] };
const HEADING: Face = { size: 14, bold: true, colour: [39, 39, 42] };
const LABEL: Face = { size: 12, colour: [63, 63, 70] };
const ROW_LABEL: Face = { size: 13, colour: [63, 63, 70] };

interface TextBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
}

type Placed =
  | { readonly text: Lines; readonly box: TextBox; readonly align?: 'left' | 'centre' }
  | { readonly band: { left: number; top: number; width: number; height: number } }
  | { readonly picture: Picture; readonly left: number; readonly top: number };

/** What every part of the page needs to know; `left` is where cells begin, `width` the page's without margins. */
interface Layout {
  readonly letters: Lettering;
  readonly gap: number;
  readonly left: number;
  readonly width: number;
  readonly gutter: number;
  readonly cellWidth: number;
  readonly cellHeight: number;
  readonly labelLines: number;
}

/** Each plan function adds what it places from `top` on and returns where the next part begins. */
function planTitle(plan: Placed[], { width }: Layout, title: Lines, note: Lines): number {
  let top = MARGIN;
  for (const [text, after] of [
    [title, note.height > 0 ? 2 : 12],
    [note, 12],
  ] as const) {
    if (text.height === 0) continue;
    plan.push({ text, box: { left: MARGIN, top, width } });
    top += text.height + after;
  }
  return top;
}

async function planColumnLabels(
  plan: Placed[],
  layout: Layout,
  labels: readonly string[],
  top: number,
): Promise<number> {
  if (labels.length === 0) return top;
  const { letters, left, gap, cellWidth } = layout;
  const texts = await wrapAll(letters, labels, LABEL, cellWidth, 3 * LABEL.size * 1.35);
  const tallest = Math.max(...texts.map(({ height }) => height));
  for (const [i, text] of texts.entries()) {
    const box = { left: left + i * (cellWidth + gap), top: top + tallest - text.height, width: cellWidth };
    plan.push({ text, box, align: 'centre' });
  }
  return top + tallest + 6;
}

async function planHeading(plan: Placed[], { letters, width, gap }: Layout, row: Row, top: number): Promise<number> {
  if (row.heading === undefined) return top;
  const text = await letters.wrap(row.heading, HEADING, width - 24, 1);
  plan.push({ band: { left: MARGIN, top, width, height: BAND } });
  plan.push({ text, box: { left: MARGIN + 14, top: top + Math.floor((BAND - text.height) / 2), width } });
  return top + BAND + gap;
}

function planRowLabel(plan: Placed[], { gutter, cellHeight }: Layout, text: Lines, top: number): void {
  plan.push({ text, box: { left: MARGIN, top: top + Math.floor((cellHeight - text.height) / 2), width: gutter } });
}

async function planCells(plan: Placed[], layout: Layout, row: Row, top: number): Promise<number> {
  const { left, gap, cellWidth, cellHeight } = layout;
  let labelHeight = 0;
  for (const [i, { picture, label = '' }] of row.cells.entries()) {
    const cellLeft = left + i * (cellWidth + gap);
    const text = await wrapLabel(layout, typeof label === 'string' ? [label] : label);
    plan.push({
      picture,
      left: cellLeft + Math.floor((cellWidth - picture.width) / 2),
      top: top + Math.floor((cellHeight - picture.height) / 2),
    });
    plan.push({ text, box: { left: cellLeft, top: top + cellHeight + 5, width: cellWidth }, align: 'centre' });
    labelHeight = Math.max(labelHeight, text.height);
  }
  return top + cellHeight + (labelHeight > 0 ? 5 + labelHeight : 0);
}

/** Texts below one another; of what there is no room for it is said how many. */
async function wrapLabel({ letters, cellWidth, labelLines }: Layout, texts: readonly string[]): Promise<Lines> {
  const lines: string[] = [];
  for (const [i, text] of texts.entries()) {
    const last = i === texts.length - 1;
    const room = labelLines - lines.length - (last ? 0 : 1); // a line is kept for how many more there are
    if (room < 1) {
      lines.push(`+ ${texts.length - i} more`);
      break;
    }
    const most = last ? room : Math.min(room, MOST_LINES);
    const point = texts.length > 1 ? '• ' : '';
    lines.push(...(await letters.wrap(`${point}${text}`, LABEL, cellWidth, most)).lines);
  }
  const lineHeight = Math.round(LABEL.size * 1.35);
  return { lines, face: LABEL, lineHeight, height: lines.length * lineHeight };
}

function gapAfter(row: number, gap: number, together: number | undefined): number {
  if (together === undefined) return gap;
  return (row + 1) % together === 0 ? gap * 2 : Math.ceil(gap / 3);
}

async function place(canvas: Picture, item: Placed, letters: Lettering): Promise<void> {
  if ('text' in item) {
    await letters.draw(canvas, item.text, { ...item.box, align: item.align });
  } else if ('band' in item) {
    fill(canvas, item.band, GREY);
    fill(canvas, { ...item.band, width: 4 }, ACCENT);
  } else {
    // A hairline frame keeps pictures on white from dissolving into the page.
    const { width, height } = item.picture;
    fill(canvas, { left: item.left - 1, top: item.top - 1, width: width + 2, height: height + 2 }, LINE);
    paste(canvas, item.picture, item.left, item.top);
  }
}

interface Row {
  readonly heading: string | undefined;
  readonly cells: Cell[];
}

function breakRows(cells: readonly Cell[], columns: number, headings: readonly Heading[]): Row[] {
  const rows: Row[] = [];
  for (const [i, cell] of cells.entries()) {
    const heading = headings.find(({ before }) => before === i);
    const row = rows[rows.length - 1];
    if (row === undefined || heading !== undefined || row.cells.length >= columns) {
      rows.push({ heading: heading?.text === '' ? undefined : heading?.text, cells: [cell] });
    } else {
      row.cells.push(cell);
    }
  }
  return rows;
}

/** Wraps each text to a width and to the number of lines that fit a height. */
async function wrapAll(
  letters: Lettering,
  texts: readonly string[],
  face: Face,
  width: number,
  height: number,
): Promise<Lines[]> {
  const most = Math.max(1, Math.min(4, Math.floor(height / (face.size * 1.35))));
  const wrapped: Lines[] = [];
  for (const text of texts) wrapped.push(await letters.wrap(text, face, width, most));
  return wrapped;
}

async function widest(letters: Lettering, texts: readonly Lines[]): Promise<number> {
  let width = 0;
  for (const { lines, face } of texts) {
    for (const line of lines) width = Math.max(width, await letters.measure(line, face));
  }
  return width;
}
