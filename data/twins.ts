/**
 * @file Pictures that look alike: by an average hash (Krawetz 2011, "Looks like it"), which tells of each of 8 x 8 cells whether it is lighter
 * than the mean, and by the colours of these cells, as drawings on white share their hash with many others. Copies of other sizes and
 * encodings are found; what was cropped or turned is not.
 */
import sharp from 'sharp';
import { readHeader } from '../src/image/decode.ts';
import { LIMIT_PIXELS } from '../src/image/kind.ts';
import { decodingTurns } from '../src/image/turns.ts';

/** Cells along each side. */
const CELLS = 8;
/** Cells whose hash may differ, and most that colours of cells differ by, on average and anywhere, of 255: what resampling and JPEG leave. */
const OTHER = 2;
const NEAR = 5;
const ANYWHERE = 32;
/** Parts of a hash that are looked up: of four at least two are the same where two cells differ. */
const PARTS = 4;

/** A picture as it is compared. */
export interface Looks {
  /** A character a cell: whether it is lighter than the mean. */
  readonly hash: string;
  /** Red, green and blue of the cells: [8, 8, 3]. */
  readonly cells: Uint8Array;
}

/** @throws Error if the bytes are no image */
export async function looksOf(encoded: Uint8Array): Promise<Looks> {
  const header = await readHeader(encoded);
  const image = sharp(encoded, { limitInputPixels: LIMIT_PIXELS })
    .autoOrient()
    .flatten({ background: 'white' })
    .resize(CELLS, CELLS, { fit: 'fill', kernel: 'cubic' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw({ depth: 'uchar' });
  const { data, info } = await decodingTurns.run(header.pixelsHeld, () => image.toBuffer({ resolveWithObject: true }));
  const cells = Uint8Array.from({ length: CELLS * CELLS * 3 }, (_, i) =>
    info.channels === 3 ? data[i] : data[Math.floor(i / 3) * info.channels],
  );
  return { hash: hashOf(cells), cells };
}

function hashOf(cells: Uint8Array): string {
  const light = Array.from({ length: CELLS * CELLS }, (_, i) => cells[3 * i] + cells[3 * i + 1] + cells[3 * i + 2]);
  const mean = light.reduce((sum, value) => sum + value, 0) / light.length;
  return light.map(value => (value > mean ? '1' : '0')).join('');
}

/** Whether two pictures look alike. */
function areAlike(a: Looks, b: Looks): boolean {
  let others = 0;
  for (let i = 0; i < a.hash.length; i++) if (a.hash[i] !== b.hash[i]) others++;
  if (others > OTHER) return false;
  let sum = 0;
  for (let i = 0; i < a.cells.length; i++) {
    const difference = Math.abs(a.cells[i] - b.cells[i]);
    if (difference > ANYWHERE) return false;
    sum += difference;
  }
  return sum <= NEAR * a.cells.length;
}

/** What hashes that differ in few cells share at least one of: two of their parts. */
function keysOf(hash: string): string[] {
  const length = hash.length / PARTS;
  const parts = Array.from({ length: PARTS }, (_, i) => `${i}:${hash.slice(i * length, (i + 1) * length)}`);
  return parts.flatMap((part, i) => parts.slice(i + 1).map(other => `${part} ${other}`));
}

/**
 * Groups of pictures that look alike, of two or more, the largest first. Each is like the first of its group.
 * @returns places in the list
 */
export function findTwins(looks: readonly (Looks | undefined)[]): number[][] {
  const all: number[][] = [];
  const byKey = new Map<string, number[][]>();
  for (const [i, own] of looks.entries()) {
    if (own === undefined) continue;
    const keys = keysOf(own.hash);
    const near = keys.flatMap(key => byKey.get(key) ?? []);
    const group = near.find(([first]) => areAlike(looks[first] as Looks, own)); // the first of a group is there
    if (group !== undefined) {
      group.push(i);
      continue;
    }
    const alone = [i];
    all.push(alone);
    for (const key of keys) {
      const groups = byKey.get(key);
      if (groups === undefined) byKey.set(key, [alone]);
      else groups.push(alone);
    }
  }
  return all.filter(({ length }) => length > 1).sort((a, b) => b.length - a.length || a[0] - b[0]);
}
