/**
 * @file Text in PNG files, as bytes alone: the text chunks of the PNG specification (third edition, sections 11.3.3.2 tEXt and
 * 11.3.3.4 iTXt).
 */
import { checkValue, found, textCheck } from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';

/** What every PNG begins with. */
export const PNG_SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** IHDR always comes first and holds 13 bytes. */
const AFTER_HEADER = PNG_SIGNATURE.length + 12 + 13;

/**
 * A PNG with text in it.
 * @param text entries by keyword (1 to 79 Latin characters); values are any text, whose control characters (but line
 *   feeds) are written as escapes. ASCII is stored as tEXt, which every tool shows; anything else as iTXt in UTF-8.
 * @throws UserError if a keyword or value does not fit
 */
export function withPngText(png: Uint8Array, text: Readonly<Record<string, string>>): Uint8Array {
  const chunks = Object.entries(text).map(([keyword, value]) => textChunk(keyword, value));
  return joined([png.subarray(0, AFTER_HEADER), ...chunks, png.subarray(AFTER_HEADER)]);
}

function textChunk(keyword: string, value: string): Uint8Array {
  if (!/^[!-~\xa1-\xff](?:[ -~\xa1-\xff]{0,77}[!-~\xa1-\xff])?$/.test(keyword)) {
    throw new UserError('encodePng', `expected a keyword of 1 to 79 Latin characters, got ${found(keyword)}`);
  }
  checkValue(`encodePng: text: ${keyword}`, value, textCheck);
  const lines = value.replaceAll('\r\n', '\n'); // the one control character that the specification allows
  const clean = printable(lines, { lines: true, most: Number.POSITIVE_INFINITY });
  const ascii = /^[\n -~]*$/.test(clean);
  // iTXt: keyword, NUL, not compressed (0, method 0), no language, NUL, no translated keyword, NUL, UTF-8.
  const body = ascii
    ? joined([latin1(`${keyword}\0${clean}`)])
    : joined([latin1(`${keyword}\0\0\0\0\0`), new TextEncoder().encode(clean)]);
  const named = joined([latin1(ascii ? 'tEXt' : 'iTXt'), body]);
  return joined([number32(body.length), named, number32(crc32(named))]);
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, letter => letter.charCodeAt(0));
}

function number32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** CRC-32 as in PNG annex D; node:zlib has one only since Node 20.15. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
