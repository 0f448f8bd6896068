/** @file Pictures one after another as one animated file: WebP without loss, or GIF in 256 colours. Encoded by sharp. */
import sharp from 'sharp';
import {
  booleanCheck,
  checkOptions,
  checkValue,
  choiceCheck,
  listCheck,
  numberCheck,
  pictureCheck,
  wholeCheck,
} from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import { Images, type Picture } from './images.ts';
import { resizeNearest } from './resize.ts';

export const animationFormats = ['webp', 'gif'] as const;
export type AnimationFormat = (typeof animationFormats)[number];

export interface AnimationOptions {
  /** Default `webp`, whose pixels are those of the pictures; a GIF has 256 colours. */
  readonly format?: AnimationFormat;
  /** Pictures a second; default 24. Files keep whole milliseconds (WebP) or hundredths of a second (GIF). */
  readonly fps?: number;
  /** Each pixel becomes so many, across and down; default 1. */
  readonly scale?: number;
  /** Whether it begins again when it ends; default true. */
  readonly repeat?: boolean;
}

const optionChecks = {
  format: choiceCheck(animationFormats),
  fps: numberCheck({ least: 1, most: 100 }),
  scale: wholeCheck({ least: 1, most: 64 }),
  repeat: booleanCheck,
};

/** Largest side of a WebP. */
const MOST_SIDE = 16383;

/**
 * Pictures as the bytes of an animated file.
 * @param pictures at least one, all of one size
 * @throws UserError naming the first argument that does not fit
 */
export async function encodeAnimation(
  pictures: readonly Picture[],
  options: AnimationOptions = {},
): Promise<Uint8Array> {
  checkValue('encodeAnimation: pictures', pictures, listCheck('pictures', pictureCheck(), { least: 1 }));
  checkOptions('encodeAnimation', options, optionChecks);
  const { format = 'webp', fps = 24, scale = 1, repeat = true } = options;
  const [{ width, height }] = pictures;
  if (pictures.some(picture => picture.width !== width || picture.height !== height)) {
    throw new UserError('encodeAnimation: pictures', `expected pictures of one size, got several sizes`);
  }
  if (Math.max(width, height) * scale > MOST_SIDE) {
    throw new UserError('encodeAnimation', `expected at most ${MOST_SIDE} pixels a side, got more at scale ${scale}`);
  }
  const frames = Images.of(pictures.map(picture => resizeNearest(picture, scale)));
  const raw = {
    width: frames.width,
    height: frames.height * frames.count,
    channels: 3,
    pageHeight: frames.height,
  } as const;
  const played = { delay: delaysOf(pictures.length, fps), loop: repeat ? 0 : 1 };
  const image = sharp(frames.bytes, { raw, limitInputPixels: false });
  const file = format === 'gif' ? image.gif({ ...played, effort: 7 }) : image.webp({ ...played, lossless: true });
  return new Uint8Array(await file.toBuffer());
}

/** How long each picture stays, in whole milliseconds; together as long as they should be. */
function delaysOf(count: number, fps: number): number[] {
  const at = (i: number) => Math.round((i * 1000) / fps);
  return Array.from({ length: count }, (_, i) => at(i + 1) - at(i));
}
