/**
 * @file Text of files that people made: which encoding it has, and a caption as one clean line. What is not surely text is
 * refused with the reason, never guessed: a caption in the wrong letters would be trained on unseen.
 */

import { constants } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import { whyTooLong } from './files.ts';

/** Text, or why the bytes are none, in words that follow a file's name. */
export type Decoded =
  | { readonly text: string; readonly why?: undefined }
  | { readonly why: string; readonly text?: undefined };

/** Longest caption, in UTF-16 units. */
export const LIMIT_CAPTION = 2 ** 14;
/** Longest text that belongs to one picture, in bytes. */
export const LIMIT_TEXT = 2 ** 20;

/** The text of a small file, which belongs to one picture. @throws Error of the file system if it cannot be read */
export async function readText(path: string): Promise<Decoded> {
  const { size } = await stat(path);
  if (size > LIMIT_TEXT) return { why: `is ${whyTooLong(size, LIMIT_TEXT, 'the text of a picture')}` };
  return decodeText(await readFile(path));
}

/**
 * Decodes UTF-8 and UTF-16, with a byte order mark or without. UTF-16 without a mark is recognised by the upper halves of
 * its characters, which all stand at even or all at odd places and are small for all alphabets. Older encodings look like
 * one another, so they are refused.
 */
export function decodeText(bytes: Uint8Array): Decoded {
  if (bytes.length > constants.MAX_STRING_LENGTH) {
    return { why: `is longer than ${constants.MAX_STRING_LENGTH >> 20} MiB, more than one text may have` };
  }
  const { encoding, why } = encodingOf(bytes);
  if (encoding === undefined) return { why };
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes); // drops the mark
    const notText = whyNoText(text);
    return notText === undefined ? { text } : { why: notText };
  } catch {
    return { why: whyNotIn(encoding) };
  }
}

export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be';

/** The encoding that text has if it is text, or why it is none. @param bytes all of it, or an even number from its beginning */
export function encodingOf(
  bytes: Uint8Array,
): { readonly encoding: Encoding; readonly why?: undefined } | { readonly why: string; readonly encoding?: undefined } {
  const marked = encodingOfMark(bytes);
  if (marked === 'utf-32')
    return { why: 'is UTF-32, not UTF-8 or UTF-16 text (iconv -f utf-32 -t utf-8 makes it UTF-8)' };
  if (marked !== undefined) return { encoding: marked };
  const counts = count(bytes);
  if (counts.controls === 0) return { encoding: 'utf-8' };
  const unmarked = encodingOfHalves(bytes.length, counts);
  if (unmarked !== undefined) return { encoding: unmarked };
  if (bytes.includes(0)) return { why: 'is no text, or UTF-16 without a byte order mark (it has zero bytes)' };
  if (counts.controls > bytes.length / 10) return { why: 'is no text (it is full of control characters)' };
  return { encoding: 'utf-8' };
}

/** Why bytes are no text that cannot be decoded. */
export function whyNotIn(encoding: Encoding): string {
  const hint = '(another encoding? iconv -f latin1 -t utf-8 makes it UTF-8)';
  return encoding === 'utf-8' ? `is not UTF-8 or UTF-16 text ${hint}` : `is not ${encoding.toUpperCase()} text`;
}

/** Escape sequences that begin letters in the Japanese encoding of mails, which is ASCII to the eye. */
const JAPANESE = ['\x1b$@', '\x1b$B', '\x1b$(', '\x1b(I', '\x1b(J'];

/** Why decoded characters are no text; undefined if they are. */
export function whyNoText(text: string): string | undefined {
  const isJapanese = JAPANESE.some(sequence => text.includes(sequence));
  return isJapanese
    ? 'is ISO-2022-JP, not UTF-8 or UTF-16 text (iconv -f iso-2022-jp -t utf-8 makes it UTF-8)'
    : undefined;
}

function encodingOfMark([a, b, c, d]: Uint8Array): Encoding | 'utf-32' | undefined {
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8';
  if (a === 0 && b === 0 && c === 0xfe && d === 0xff) return 'utf-32';
  if (a === 0xff && b === 0xfe) return c === 0 && d === 0 ? 'utf-32' : 'utf-16le';
  return a === 0xfe && b === 0xff ? 'utf-16be' : undefined;
}

/** What tells text from other bytes, counted. */
interface Counts {
  /** Control characters that plain text does not have. */
  readonly controls: number;
  /** Bytes below 0x20 at even and at odd places; those without white space. */
  readonly low: readonly [number, number];
  readonly lowSigns: readonly [number, number];
}

function count(bytes: Uint8Array): Counts {
  const low: [number, number] = [0, 0];
  const lowSigns: [number, number] = [0, 0];
  let controls = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte >= 0x20) continue;
    low[i % 2]++;
    if (byte < 0x09 || byte > 0x0d) lowSigns[i % 2]++;
    if (byte < 0x07 || (byte > 0x0d && byte !== 0x1b)) controls++;
  }
  return { controls, low, lowSigns };
}

/** The encoding of UTF-16 without a mark: three quarters of its characters lie below U+2000, so their upper halves are low. */
function encodingOfHalves(length: number, { low, lowSigns }: Counts): Encoding | undefined {
  if (length % 2 === 1) return undefined;
  const [most, few] = [(3 / 8) * length, length / 4];
  if (low[1] >= most && lowSigns[0] <= few) return 'utf-16le';
  return low[0] >= most && lowSigns[1] <= few ? 'utf-16be' : undefined;
}

/** What has no place in a line: control characters, marks of direction, broken halves of characters. */
const INVISIBLE = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\p{Cs}]/gu;
/** More marks on one letter than any language has (Unicode UAX #15, D3), which take very long to sort. */
const TOO_MANY_MARKS = /(\p{M}{30})\p{M}+/gu;

/**
 * One caption on one line: no byte order mark, no escape sequences, control characters or marks that turn the direction of
 * writing; white space runs as one space, at most 30 marks on a letter, canonical Unicode; '' if nothing visible is left.
 * What is longer than `LIMIT_CAPTION` comes back cut to one more than that, for `openDataset` to refuse.
 */
export function cleanCaption(text: string): string {
  if (text.length > LIMIT_CAPTION) return text.slice(0, LIMIT_CAPTION + 1);
  const clean = stripVTControlCharacters(text)
    .replace(/\ufeff/g, '')
    .replace(/[\s\u200b\u0085]+/gu, ' ')
    .replace(INVISIBLE, '')
    .replace(TOO_MANY_MARKS, '$1')
    .normalize('NFC')
    .replace(/ +/g, ' ')
    .trim();
  return /^[\s\p{Default_Ignorable_Code_Point}]*$/u.test(clean) ? '' : clean;
}

/** The captions in a metadata value: a string, or a list of strings. Anything else, and what is empty, gives none. */
export function captionsFrom(value: unknown): string[] {
  const texts = Array.isArray(value) ? value : [value];
  const clean = texts.filter(text => typeof text === 'string').map(cleanCaption);
  return [...new Set(clean.filter(text => text !== ''))];
}

/** The lines of a text that has one caption on each. */
export function captionLines(text: string): string[] {
  return captionsFrom(splitLines(text));
}

/** Lines without their ends, which may be those of any system; the last end begins no line. */
export function splitLines(text: string): string[] {
  const lines = text.split(/\r\n|[\n\r\u2028\u2029\u0085]/);
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}
