/**
 * @file Text of files that people made: which encoding it has, and a caption as one clean line. What is not surely text is
 * refused with the reason, never guessed: a caption in the wrong letters would be trained on unseen.
 */

import { stripVTControlCharacters } from 'node:util';

/** Text, or why the bytes are none, in words that follow a file's name. */
export type Decoded =
  | { readonly text: string; readonly why?: undefined }
  | { readonly why: string; readonly text?: undefined };

/**
 * Decodes UTF-8 and UTF-16, with a byte order mark or without. UTF-16 without a mark is recognised by the zero bytes of Latin
 * letters, which all stand at even or all at odd places. Older encodings look like one another, so they are refused.
 */
export function decodeText(bytes: Uint8Array): Decoded {
  const { encoding, why } = encodingOf(bytes);
  if (encoding === undefined) return { why };
  try {
    return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes) }; // drops the mark
  } catch {
    return { why: whyNot(encoding) };
  }
}

export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be';

/** The encoding that text has if it is text, or why it is none. @param bytes all of it, or an even number from its beginning */
export function encodingOf(
  bytes: Uint8Array,
): { readonly encoding: Encoding; readonly why?: undefined } | { readonly why: string; readonly encoding?: undefined } {
  const marked = encodingOfMark(bytes);
  if (marked !== undefined) return { encoding: marked };
  if (!bytes.includes(0)) return { encoding: 'utf-8' };
  const encoding = encodingOfZeros(bytes);
  return encoding === undefined ? { why: 'is no text (it has zero bytes)' } : { encoding };
}

/** Why bytes are no text, which cannot be read in the encoding that they would have. */
export function whyNot(encoding: Encoding): string {
  const hint =
    encoding === 'utf-8' ? ' or UTF-16 text (another encoding? iconv -f latin1 -t utf-8 makes it UTF-8)' : ' text';
  return `is not ${encoding.toUpperCase()}${hint}`;
}

function encodingOfMark([a, b, c]: Uint8Array): Encoding | undefined {
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8';
  if (a === 0xff && b === 0xfe) return 'utf-16le';
  return a === 0xfe && b === 0xff ? 'utf-16be' : undefined;
}

/** The encoding of UTF-16 without a mark, of which at least every fourth character has to be a Latin one. */
function encodingOfZeros(bytes: Uint8Array): Encoding | undefined {
  if (bytes.length % 2 === 1) return undefined;
  const zeros = [0, 0];
  for (const [i, byte] of bytes.entries()) if (byte === 0) zeros[i % 2]++;
  const enough = bytes.length / 8;
  if (zeros[0] === 0 && zeros[1] >= enough) return 'utf-16le';
  return zeros[1] === 0 && zeros[0] >= enough ? 'utf-16be' : undefined;
}

/** What has no place in a line: control characters, marks of direction, broken halves of characters. */
const INVISIBLE = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\p{Cs}]/gu;

/**
 * One caption on one line: no byte order mark, no escape sequences, control characters or marks that turn the direction of
 * writing; white space runs as one space, canonical Unicode; '' if nothing is left.
 */
export function cleanCaption(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/[\s\u200b\ufeff\u0085]+/gu, ' ')
    .replace(INVISIBLE, '')
    .normalize('NFC')
    .replace(/ +/g, ' ')
    .trim();
}

/** The captions in a metadata value: a string, or a list of strings. Anything else, and what is empty, gives none. */
export function captionsFrom(value: unknown): string[] {
  const texts = Array.isArray(value) ? value : [value];
  const clean = texts.filter(text => typeof text === 'string').map(cleanCaption);
  return [...new Set(clean.filter(text => text !== ''))];
}

/** The lines of a text that has one caption on each. */
export function captionLines(text: string): string[] {
  return captionsFrom(text.split(/\r\n|[\n\r\u2028\u2029\u0085]/));
}
