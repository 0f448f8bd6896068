/** @file `--image` with `--keep-rows` or `--mask`: a picture to complete, in the run's size, and which patches stay. */
import { firstLine, UserError } from '../core/errors.ts';
import type { Painter } from '../families/painter.ts';
import type { Completion } from '../families/queue.ts';
import { decodeImage } from '../image/decode.ts';
import type { Picture } from '../image/images.ts';
import { keptPatches } from '../image/kept-patches.ts';
import { readBytes } from '../io/bytes.ts';

export interface CompletionFlags {
  readonly image?: string;
  readonly keepRows?: number;
  readonly mask?: string;
}

/**
 * `--image` with `--keep-rows` or `--mask`: the picture in the run's size, and which patches stay.
 * @throws UserError if the painter completes no pictures, or a file is no readable image
 */
export async function readCompletion(painter: Painter, request: CompletionFlags): Promise<Completion | undefined> {
  const { image, keepRows, mask } = request;
  if (image === undefined) return undefined;
  const { imageSize: size, grid: side } = painter;
  if (side === undefined) {
    throw new UserError('sample', `--image: the painter of ${painter.run} completes no pictures`, 'leave the flag out');
  }
  const picture = await readImage('image', image, size);
  if (keepRows !== undefined) {
    if (keepRows >= side)
      throw new UserError('sample', `--keep-rows ${keepRows}: expected fewer than the grid's ${side} rows`);
    return { image: picture, keep: Array.from({ length: side * side }, (_, i) => i < keepRows * side) };
  }
  return { image: picture, keep: keptPatches(await readImage('mask', mask as string, size), side) };
}

async function readImage(flag: 'image' | 'mask', path: string, size: number): Promise<Picture> {
  let bytes: Uint8Array;
  try {
    bytes = await readBytes(path);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`sample: --${flag}`, error.message) : error;
  }
  try {
    return await decodeImage(bytes, { size });
  } catch (error) {
    throw new UserError('sample', `${path} is no readable image (${firstLine(error)})`);
  }
}
