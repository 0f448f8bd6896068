/**
 * @file `npm run pictures -- appearing`: the moving picture of the README. The shipped model paints some captions side by
 * side, and every frame shows the codes that have been drawn so far: nothing in it is staged but the pause at the end.
 */
import sharp from 'sharp';
import type { Picture } from '../../src/image/images.ts';
import { drawSheet } from '../../src/image/sheet.ts';
import { writeAtomic } from '../../src/io/atomic.ts';
import { Tessera } from '../../src/library/tessera.ts';

export interface AppearingOptions {
  readonly captions: readonly string[];
  readonly seed: number;
  /** Codes that are painted between two frames. */
  readonly every: number;
  /** Milliseconds of a frame. */
  readonly delay: number;
  /** Milliseconds that the finished pictures stay. */
  readonly pause: number;
}

/** Paints the captions with a run's own settings, one column each. @returns the frames, the last one finished */
export async function paintFrames(run: string, options: AppearingOptions): Promise<Picture[]> {
  const { captions, seed, every } = options;
  const tessera = await Tessera.load(run);
  const frames: Picture[] = [];
  try {
    const orders = captions.map(caption => ({ caption, seed, number: 0 }));
    for await (const { pictures } of tessera.paintOrders(orders, { every, previews: true })) {
      const cells = pictures.map((picture, i) => ({ picture, label: captions[i] }));
      frames.push(await drawSheet(cells, { columns: captions.length }));
    }
  } finally {
    tessera.dispose();
  }
  return frames;
}

/** Writes the frames as an animated WebP that goes round for ever. */
export async function writeAnimation(
  path: string,
  frames: readonly Picture[],
  { delay, pause }: Pick<AppearingOptions, 'delay' | 'pause'>,
): Promise<void> {
  const pages = await Promise.all(
    frames.map(({ data, width, height }) =>
      sharp(data, { raw: { width, height, channels: 3 } })
        .png()
        .toBuffer(),
    ),
  );
  const delays = frames.map((_, i) => (i === frames.length - 1 ? pause : delay));
  const encoded = await sharp(pages, { join: { animated: true } })
    .webp({ quality: 80, effort: 6, minSize: true, loop: 0, delay: delays })
    .toBuffer();
  await writeAtomic(path, encoded);
}
