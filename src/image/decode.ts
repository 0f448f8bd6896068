/**
 * @file Encoded image bytes to RGB pixels, whole or a square of them, in sharp's threads (libvips), never on the main one.
 * Whatever comes in (CMYK, 16 bit, grey, transparent, animated, turned by EXIF, one pixel wide), 8-bit sRGB comes out,
 * transparent parts on the background. The random crop is DALL·E's (Ramesh et al. 2021, appendix A.1, listing 2), with an option to pad for drawings.
 */

import sharp, { type Sharp } from 'sharp';
import { firstLine, UserError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import type { Picture, Size } from './images.ts';
import { LIMIT_PIXELS, whyNoPicture, whyTooLarge } from './kind.ts';
import { decodingTurns, pixelsHeld } from './turns.ts';

/** A square window. In units of the image's short side, so that it means the same for every image. */
export interface Crop {
  /** Side of the square over the short side: 1 takes all of it, less zooms in, more pads with the background. */
  readonly scale: number;
  /** Shift of the square's centre to the right and down, in short sides. */
  readonly x: number;
  readonly y: number;
  /** Place along the long side, in [0, 1]; 0.5 is the middle. */
  readonly along?: number;
  readonly flip?: boolean;
}

/** What comes out of an image. */
export interface DecodeOptions {
  /** Side of the square that comes out, in pixels; without it the whole image comes out in its own size. */
  readonly size?: number;
  /** `center`, the default, is the largest square in the middle. Only with `size`. */
  readonly crop?: 'center' | Crop;
  /** Any CSS colour, by default white; shows through transparent parts and around a crop larger than the image. */
  readonly background?: string;
}

/** What the header of encoded bytes says. */
export interface Header extends Size {
  /** Pixels that lie in memory while it is decoded. */
  readonly pixelsHeld: number;
  /** As sharp names it: `png`, `jpeg`, ... */
  readonly encoding: string;
}

/**
 * Reads the header of one image; its size is that of the image turned as EXIF says.
 * @throws Error with the reason, in words that follow a file's name, if the bytes are no image or it is too large
 */
export async function readHeader(bytes: Uint8Array): Promise<Header> {
  return await withReason(bytes, async () => {
    const metadata = await sharp(bytes, { limitInputPixels: LIMIT_PIXELS }).metadata();
    return { encoding: metadata.format, pixelsHeld: pixelsHeld(metadata), ...metadata.autoOrient };
  });
}

/**
 * Runs a job of sharp on encoded bytes.
 * @throws Error with the reason, in words that follow a file's name, if it fails
 */
export async function withReason<T>(bytes: Uint8Array, job: () => Promise<T>): Promise<T> {
  if (bytes.length === 0) throw new Error(whyNoPicture(bytes));
  try {
    return await job();
  } catch (error) {
    const header = await sharp(bytes, { limitInputPixels: false })
      .metadata()
      .catch(() => undefined);
    const tooLarge = header === undefined ? undefined : whyTooLarge(header);
    throw new Error(tooLarge ?? whyNoPicture(bytes), { cause: error });
  }
}

/**
 * Decodes one image, and crops and scales it where a `size` is given.
 * @throws Error with the reason, in words that follow a file's name, if the image is corrupt, cut off or too large
 */
export async function decodeImage(bytes: Uint8Array, options: DecodeOptions = {}): Promise<Picture> {
  const { size, crop = 'center', background = 'white' } = options;
  const { data, info } = await withReason(bytes, async () => {
    // Only the first frame of an animation is read unless sharp is asked for more.
    const source = sharp(bytes, { limitInputPixels: LIMIT_PIXELS });
    const header = await source.metadata();
    const image = source.autoOrient().flatten({ background });
    const pixels =
      size === undefined
        ? image
        : crop === 'center'
          ? image.resize(size, size, { fit: 'cover', kernel: 'mitchell' })
          : window(header.autoOrient, image, { size, background, crop });
    const rgb = pixels.toColourspace('srgb').removeAlpha().raw({ depth: 'uchar' });
    return await decodingTurns.run(pixelsHeld(header), () => rgb.toBuffer({ resolveWithObject: true }));
  });
  const rgb =
    info.channels === 3 ? new Uint8Array(data.buffer, data.byteOffset, data.length) : repeatGrey(data, info.channels);
  // What sharp says of sizes leaves the padding out.
  const { width, height } = size === undefined ? info : { width: size, height: size };
  if (rgb.length !== width * height * 3)
    throw new Error(`decoded to ${info.width} x ${info.height} x ${info.channels}, not ${width} x ${height} x 3`);
  return { width, height, data: size !== undefined && crop !== 'center' && crop.flip ? mirror(rgb, size) : rgb };
}

/**
 * `decodeImage` for an image that a user named.
 * @param where opens the message of a failure, e.g. the file's name
 * @throws UserError if the bytes are not an image
 */
export async function decodePicture(bytes: Uint8Array, where: string, options?: DecodeOptions): Promise<Picture> {
  try {
    return await decodeImage(bytes, options);
  } catch (error) {
    throw new UserError(where, `expected an image, got ${bytes.length} bytes: ${firstLine(error)}`);
  }
}

/** Scales the whole image so that the crop's side becomes `size`, then cuts the window out and pads what lies outside. */
function window(
  { width, height }: Size,
  image: Sharp,
  { size, background, crop }: { readonly size: number; readonly background: string; readonly crop: Crop },
): Sharp {
  const { scale, x, y, along = 0.5 } = crop;
  const short = Math.min(width, height);
  const zoom = size / (short * scale);
  const W = Math.max(1, Math.round(width * zoom));
  const H = Math.max(1, Math.round(height * zoom));
  const centreX = short / 2 + (width - short) * along + x * short;
  const centreY = short / 2 + (height - short) * along + y * short;
  const across = overlap(Math.round(centreX * zoom - size / 2), size, W);
  const down = overlap(Math.round(centreY * zoom - size / 2), size, H);
  return image
    .resize(W, H, { fit: 'fill', kernel: 'mitchell' })
    .extract({ left: across.from, top: down.from, width: across.length, height: down.length })
    .extend({ left: across.before, right: across.after, top: down.before, bottom: down.after, background });
}

/** How the window [start, start + size) meets [0, length), and how much of it lies before and after; at least one pixel meets. */
function overlap(
  start: number,
  size: number,
  length: number,
): { from: number; length: number; before: number; after: number } {
  const from = Math.min(Math.max(start, 0), length - 1);
  const to = Math.max(Math.min(start + size, length), from + 1);
  const before = Math.min(Math.max(-start, 0), size - 1);
  const inside = Math.min(to - from, size - before);
  return { from, length: inside, before, after: size - before - inside };
}

/** Grey, with or without more channels, as red, green and blue alike. */
function repeatGrey(data: Uint8Array, channels: number): Uint8Array {
  const rgb = new Uint8Array((data.length / channels) * 3);
  for (let i = 0; i < rgb.length / 3; i++) rgb.fill(data[i * channels], 3 * i, 3 * i + 3);
  return rgb;
}

function mirror(rgb: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(rgb.length);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const from = (row * size + column) * 3;
      out.set(rgb.subarray(from, from + 3), (row * size + size - 1 - column) * 3);
    }
  }
  return out;
}

/** How crops are drawn. */
export interface CropOptions {
  /** 0 is the middle, 1 is DALL·E's: up to 1/8 off along the long side and up to 1/8 of zoom. */
  readonly amount?: number;
  /** For drawings on a plain ground: zooms out as well as in and shifts freely, padding with the background. */
  readonly pad?: boolean;
  /** Mirror every second crop. Off by default, because captions say left and right. */
  readonly flip?: boolean;
}

/** Draws a crop near the middle. Without `pad` it never leaves the image. */
export function cropFor(random: Random, { amount = 1, pad = false, flip = false }: CropOptions = {}): Crop {
  const spread = (): number => 2 * random.uniform() - 1; // uniform in [-1, 1)
  const along = 0.5 + (amount * spread()) / 8;
  const scale = pad ? 1 + (amount * spread()) / 8 : 1 / (1 + (amount * random.uniform()) / 8);
  const slack = pad ? amount / 8 : 1 - scale;
  const x = (slack * spread()) / 2;
  const y = (slack * spread()) / 2;
  return { scale, x, y, along: Math.min(1, Math.max(0, along)), flip: flip && random.uniform() < 0.5 };
}
