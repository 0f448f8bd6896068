/**
 * @file Text as pixels: measured, wrapped and drawn with DejaVu Sans from npm, so that a machine without fonts draws the
 * same letters. Sharp (Pango) shapes the text; characters that DejaVu lacks come from the system's fonts where it has any.
 */

import { createRequire } from 'node:module';
import sharp from 'sharp';
import { printable } from '../core/printable.ts';
import type { Picture, Rgb } from './images.ts';

/** Size in pixels, weight and colour. */
export interface Face {
  readonly size: number;
  readonly bold?: boolean;
  readonly colour?: Rgb;
}

/** Lines of text that fit a width, and the height they take. */
export interface Lines {
  readonly lines: readonly string[];
  readonly face: Face;
  readonly lineHeight: number;
  readonly height: number;
}

/** Measures and draws text; keeps what it measured, so one object should serve a whole picture. */
export class Lettering {
  readonly #widths = new Map<string, number>();

  /** Width of one line of text in pixels. */
  async measure(text: string, face: Face): Promise<number> {
    if (text.trim() === '') return 0;
    const key = `${face.size} ${face.bold === true} ${text}`;
    const known = this.#widths.get(key);
    if (known !== undefined) return known;
    const { width } = await render(text, face);
    this.#widths.set(key, width);
    return width;
  }

  /** Breaks text at spaces (and inside words that are too long) to at most `most` lines; a cut ends in `…`. */
  async wrap(text: string, face: Face, width: number, most: number): Promise<Lines> {
    const lines: string[] = [];
    // No letter is narrower than a pixel; what cannot fit must not be drawn to be measured, which has its limits.
    const plain = printable(text.replaceAll(/\s+/g, ' ').trim(), { most: 100_000 });
    let rest = signsOf(plain.slice(0, 20 * (width * most + 1))).slice(0, width * most + 1);
    while (rest.length > 0 && lines.length < most) {
      const count = await this.#fitting(rest, face, width);
      if (count === rest.length || lines.length + 1 < most) {
        lines.push(rest.slice(0, count).join('').trim());
        rest = signsOf(rest.slice(count).join('').trimStart());
      } else {
        lines.push(await this.#ellipsised(rest, face, width));
        rest = [];
      }
    }
    const lineHeight = Math.round(face.size * 1.35);
    return { lines, face, lineHeight, height: lines.length * lineHeight };
  }

  /** Draws wrapped lines in place, their top left corner at (left, top). `width` is that of the box they are set in. */
  async draw(
    target: Picture,
    { lines, face, lineHeight }: Lines,
    {
      left,
      top,
      width,
      align = 'left',
    }: { left: number; top: number; width: number; align?: 'left' | 'centre' | 'right' },
  ): Promise<void> {
    for (const [i, line] of lines.entries()) {
      const room = width - (await this.measure(line, face));
      const offset = align === 'left' ? 0 : align === 'right' ? room : Math.floor(room / 2);
      await drawLine(target, line, face, { left: left + offset, top: top + i * lineHeight, height: lineHeight });
    }
  }

  /** How many characters fit one line, ending at a space where there is one. At least 1. */
  async #fitting(text: readonly string[], face: Face, width: number): Promise<number> {
    const words = text.join('').split(' ');
    let count = 0;
    for (let n = 1; n <= words.length; n++) {
      const start = words.slice(0, n).join(' ');
      if ((await this.measure(start, face)) > width) break;
      count = signsOf(start).length;
    }
    return count > 0 ? count : this.#longestStart(signsOf(words[0]), face, width, '');
  }

  async #ellipsised(text: readonly string[], face: Face, width: number): Promise<string> {
    const count = await this.#longestStart(text, face, width, '…');
    return `${text.slice(0, count).join('').trimEnd()}…`;
  }

  /** Bisects for the longest start that fits together with `ending`; text only grows with its length. */
  async #longestStart(text: readonly string[], face: Face, width: number, ending: string): Promise<number> {
    let fits = 1;
    let most = text.length;
    while (fits < most) {
      const middle = Math.ceil((fits + most) / 2);
      const start = text.slice(0, middle).join('').trimEnd() + ending;
      if ((await this.measure(start, face)) <= width) fits = middle;
      else most = middle - 1;
    }
    return fits;
  }
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** What people see as one character each. */
function signsOf(text: string): string[] {
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

const resolve = createRequire(import.meta.url).resolve;
/** The tallest and the deepest letters of most captions; drawn unseen to give every line the same top and bottom. */
const STRUT = 'Åbgj';

interface Ink {
  readonly width: number;
  readonly height: number;
  /** One byte of coverage a pixel. */
  readonly alpha: Uint8Array;
}

async function render(text: string, { size, bold = false }: Face): Promise<Ink> {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const image = sharp({
    text: {
      text: `\u200e${escaped}`, // from left to right as a line, so that the strut is at its right; Hebrew in it is not turned
      font: `DejaVu Sans ${bold ? 'Bold ' : ''}${size}`,
      fontfile: resolve(`dejavu-fonts-ttf/ttf/DejaVuSans${bold ? '-Bold' : ''}.ttf`),
      dpi: 72, // a point is a pixel
      rgba: true,
    },
  });
  const drawn = await image
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((error: Error) => {
      if (error.message.includes('no text to render')) return undefined; // e.g. a zero-width space
      throw error;
    });
  if (drawn === undefined) return { width: 0, height: 0, alpha: new Uint8Array(0) };
  const { data, info } = drawn;
  const alpha = Uint8Array.from({ length: info.width * info.height }, (_, i) => data[i * 4 + 3]);
  return { width: info.width, height: info.height, alpha };
}

/** Pango trims to the ink, so a line is drawn with a strut behind it and the strut is cut off again. */
async function drawLine(
  target: Picture,
  text: string,
  face: Face,
  { left, top, height }: { left: number; top: number; height: number },
): Promise<void> {
  if (text.trim() === '') return;
  const { width } = await render(text, face);
  if (width === 0) return;
  const ink = await render(`${text}   ${STRUT}`, face);
  const [red, green, blue] = face.colour ?? [34, 34, 38];
  const offset = top + Math.floor((height - ink.height) / 2);
  for (let y = 0; y < ink.height; y++) {
    for (let x = 0; x < width; x++) {
      const toX = left + x;
      const toY = offset + y;
      const cover = ink.alpha[y * ink.width + x] / 255;
      if (cover === 0 || toX < 0 || toY < 0 || toX >= target.width || toY >= target.height) continue;
      const at = (toY * target.width + toX) * 3;
      for (const [c, letter] of [red, green, blue].entries()) {
        target.data[at + c] = Math.round(target.data[at + c] * (1 - cover) + letter * cover);
      }
    }
  }
}
