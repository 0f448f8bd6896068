/**
 * @file PNG files with text in them, also what other programs have compressed (zTXt, section 11.3.3.3 of the PNG specification);
 * the pixels are compressed by sharp.
 */

import { inflateSync } from 'node:zlib';
import sharp from 'sharp';
import { type Check, checkValue, objectCheck, pictureCheck } from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import type { Picture } from './images.ts';
import { PNG_SIGNATURE, withPngText } from './png-text.ts';

/**
 * A picture as a PNG file.
 * @param options.text entries to store in the file, by keyword (1 to 79 Latin characters, e.g. `caption`); values are any
 *   text, whose control characters (but line feeds) are written as escapes. ASCII is stored as tEXt, which every tool shows;
 *   anything else as iTXt in UTF-8.
 * @returns the bytes of the file
 * @throws UserError if it is no picture, or a keyword or value does not fit
 */
export async function encodePng(
  picture: Picture,
  options: { readonly text?: Readonly<Record<string, string>> } = {},
): Promise<Uint8Array> {
  const { text = {} } = options;
  checkValue('encodePng: picture', picture, pictureCheck());
  checkValue('encodePng: text', text, objectCheck);
  const { width, height, data } = picture;
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
  return withPngText(png, text);
}

/** The text entries of a PNG: tEXt, iTXt and zTXt, by keyword. @throws UserError if the bytes are not a PNG */
export function readPngText(bytes: Uint8Array, where = 'PNG'): Record<string, string> {
  checkValue(where, bytes, bytesCheck);
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!file.subarray(0, PNG_SIGNATURE.length).equals(PNG_SIGNATURE)) throw new UserError(where, 'expected a PNG file');
  const text: Record<string, string> = {};
  let at = PNG_SIGNATURE.length;
  while (at + 12 <= file.length) {
    const length = file.readUInt32BE(at);
    const type = file.toString('latin1', at + 4, at + 8);
    const body = file.subarray(at + 8, at + 8 + length);
    if (body.length < length) break; // cut short
    const end = body.indexOf(0);
    const keyword = body.toString('latin1', 0, end);
    if (type === 'tEXt') text[keyword] = body.toString('latin1', end + 1);
    if (type === 'zTXt') text[keyword] = inflateSync(body.subarray(end + 2)).toString('latin1');
    if (type === 'iTXt') text[keyword] = internationalText(body.subarray(end + 1));
    at += 12 + length;
  }
  return text;
}

const bytesCheck: Check = { expected: 'bytes', fits: value => value instanceof Uint8Array };

/** The value of an iTXt chunk, from after the keyword. */
function internationalText(body: Buffer): string {
  const compressed = body[0] === 1;
  const language = body.indexOf(0, 2);
  const translated = body.indexOf(0, language + 1);
  const value = body.subarray(translated + 1);
  return (compressed ? inflateSync(value) : value).toString('utf8');
}
