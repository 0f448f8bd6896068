/** @file Image files as the pictures that the library takes. */
import { type Check, checkOptions, checkValue, wholeCheck } from '../core/checks.ts';
import { decodePicture as decode } from '../image/decode.ts';
import type { Picture } from '../image/images.ts';

const bytesCheck: Check = { expected: 'the bytes of an image file', fits: value => value instanceof Uint8Array };

/**
 * Decodes an image file: PNG, JPEG, WebP, GIF (its first frame), SVG and whatever else sharp reads, on white.
 * @param bytes of the file
 * @param options.size side in pixels of the square that is cut from the middle and scaled; default: the whole image, in its
 *   own size
 * @throws UserError if the bytes are no image
 */
export async function decodePicture(bytes: Uint8Array, options: { readonly size?: number } = {}): Promise<Picture> {
  checkValue('decodePicture', bytes, bytesCheck);
  checkOptions('decodePicture', options, { size: wholeCheck({ least: 1, most: 16384 }) });
  return decode(bytes, 'decodePicture', options);
}
