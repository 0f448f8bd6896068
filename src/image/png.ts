/**
 * @file PNG files with text in them. The text chunks follow the PNG specification (third edition, sections 11.3.3.2 tEXt,
 * 11.3.3.3 zTXt and 11.3.3.4 iTXt); the pixels are compressed by sharp.
 */

import { inflateSync } from 'node:zlib';
import sharp from 'sharp';
import { type Check, checkValue, found, objectCheck, pictureCheck, textCheck } from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';
import type { Picture } from './images.ts';

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
  const chunks = Object.entries(text).map(([keyword, value]) => textChunk(keyword, value));
  const afterHeader = SIGNATURE.length + 12 + 13; // IHDR always comes first and holds 13 bytes
  return new Uint8Array(Buffer.concat([png.subarray(0, afterHeader), ...chunks, png.subarray(afterHeader)]));
}

/** The text entries of a PNG: tEXt, iTXt and zTXt, by keyword. @throws UserError if the bytes are not a PNG */
export function readPngText(bytes: Uint8Array, where = 'PNG'): Record<string, string> {
  checkValue(where, bytes, bytesCheck);
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!file.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw new UserError(where, 'expected a PNG file');
  const text: Record<string, string> = {};
  let at = SIGNATURE.length;
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

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

function textChunk(keyword: string, value: string): Buffer {
  if (!/^[!-~\xa1-\xff](?:[ -~\xa1-\xff]{0,77}[!-~\xa1-\xff])?$/.test(keyword)) {
    throw new UserError('encodePng', `expected a keyword of 1 to 79 Latin characters, got ${found(keyword)}`);
  }
  checkValue(`encodePng: text: ${keyword}`, value, textCheck);
  const lines = value.replaceAll('\r\n', '\n'); // the one control character that the specification allows
  const clean = printable(lines, { lines: true, most: Number.POSITIVE_INFINITY });
  const ascii = /^[\n -~]*$/.test(clean);
  // iTXt: keyword, NUL, not compressed (0, method 0), no language, NUL, no translated keyword, NUL, UTF-8.
  const body = ascii
    ? Buffer.concat([Buffer.from(`${keyword}\0`, 'latin1'), Buffer.from(clean, 'latin1')])
    : Buffer.concat([Buffer.from(`${keyword}\0\0\0\0\0`, 'latin1'), Buffer.from(clean, 'utf8')]);
  const chunk = Buffer.alloc(12 + body.length);
  chunk.writeUInt32BE(body.length, 0);
  chunk.write(ascii ? 'tEXt' : 'iTXt', 4, 'latin1');
  body.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + body.length)), 8 + body.length);
  return chunk;
}

/** CRC-32 as in PNG annex D; node:zlib has one only since Node 20.15. */
function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** The value of an iTXt chunk, from after the keyword. */
function internationalText(body: Buffer): string {
  const compressed = body[0] === 1;
  const language = body.indexOf(0, 2);
  const translated = body.indexOf(0, language + 1);
  const value = body.subarray(translated + 1);
  return (compressed ? inflateSync(value) : value).toString('utf8');
}
