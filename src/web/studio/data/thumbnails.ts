/** @file Pictures of a data set as the page shows them: decoded, whatever they are, scaled, and made PNGs or WebPs anew. */
import sharp from 'sharp';
import type { Item } from '../../../../data/dataset.ts';
import { firstLine } from '../../../core/errors.ts';
import { decodeImage, readHeader, withReason } from '../../../image/decode.ts';
import { LIMIT_PIXELS } from '../../../image/kind.ts';
import { encodePng } from '../../../image/png.ts';
import { decodingTurns } from '../../../image/turns.ts';
import { Refusal } from '../../guard.ts';

/** Bytes of thumbnails that are kept. */
const MOST_BYTES = 2 ** 25;

/** Thumbnails, the ones that were used last. */
export class Thumbnails {
  private readonly kept = new Map<string, Uint8Array>();
  private bytes = 0;

  /** A WebP that fits a square of `size` pixels. @throws Refusal if the picture cannot be decoded */
  async of(item: Item, { key, size }: { readonly key: string; readonly size: number }): Promise<Uint8Array> {
    const name = `${key} ${size}`;
    const there = this.kept.get(name);
    if (there !== undefined) {
      this.kept.delete(name);
      this.kept.set(name, there);
      return there;
    }
    const made = await readable(item, async encoded => {
      const { pixelsHeld, width, height } = await readHeader(encoded);
      const isSmall = Math.max(width, height) <= size; // each pixel is seen: nothing is to be lost
      const image = sharp(encoded, { limitInputPixels: LIMIT_PIXELS })
        .autoOrient()
        .resize(size, size, { fit: 'inside', withoutEnlargement: true })
        .webp(isSmall ? { lossless: true, effort: 1 } : { quality: 85, effort: 1 });
      return new Uint8Array(await withReason(encoded, () => decodingTurns.run(pixelsHeld, () => image.toBuffer())));
    });
    this.kept.set(name, made);
    this.bytes += made.length;
    for (const [oldest, { length }] of this.kept) {
      if (this.bytes <= MOST_BYTES) break;
      this.kept.delete(oldest);
      this.bytes -= length;
    }
    return made;
  }
}

/** A picture as a run sees it: its middle square, as a PNG. @throws Refusal if it cannot be decoded */
export function squareOf(item: Item, size: number): Promise<Uint8Array> {
  return readable(item, async encoded => encodePng(await decodeImage(encoded, { size })));
}

async function readable<T>(item: Item, work: (encoded: Uint8Array) => Promise<T>): Promise<T> {
  try {
    return await work(await item.read());
  } catch (error) {
    throw new Refusal(422, `${item.id}: ${firstLine(error)}`);
  }
}
