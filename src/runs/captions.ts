/** @file The captions that a user asks for: in one text, or in a file that has one on each line. */
import { cleanCaption, decodeText, LIMIT_CAPTION, splitLines } from '../../data/text.ts';
import { UserError } from '../core/errors.ts';
import { printable } from '../core/printable.ts';

/**
 * Captions separated by |, each cleaned as those of data sets are; what is empty between them asks for nothing. An empty text
 * is one empty caption, by which a model paints without.
 * @param where opens the message, e.g. `sample: --text`
 * @throws UserError if a text that is not empty has no caption
 */
export function splitCaptions(where: string, text: string): string[] {
  if (text.trim() === '') return [''];
  const captions = text
    .split('|')
    .map(cleanCaption)
    .filter(caption => caption !== '');
  if (captions.length > 0) return captions;
  throw new UserError(
    where,
    `expected captions separated by |, got '${printable(text, { most: 60 })}' without one`,
    "e.g. 'red apple|blue heart'; '' paints without a caption",
  );
}

/** Captions of a file. */
export interface ReadCaptions {
  /** In the order of the lines. */
  readonly captions: readonly string[];
  /** Lines without a caption. */
  readonly empty: number;
}

/**
 * One caption a line of UTF-8 or UTF-16, each cleaned as those of data sets are; a | is a character like any other.
 * @param where opens the message, e.g. `sample: --text-file`; @param name of the file
 * @throws UserError if it is no text, has no caption or one that is too long
 */
export function captionsOfFile(where: string, name: string, bytes: Uint8Array): ReadCaptions {
  const { text, why } = decodeText(bytes);
  if (text === undefined) throw new UserError(where, `${name} ${why}`);
  const lines = splitLines(text).map(cleanCaption);
  const long = lines.findIndex(line => line.length > LIMIT_CAPTION);
  if (long >= 0) {
    throw new UserError(where, `${name}: line ${long + 1}: expected at most ${LIMIT_CAPTION} characters, got more`);
  }
  const captions = lines.filter(line => line !== '');
  if (captions.length === 0) throw new UserError(where, `${name}: expected a caption on each line, got none`);
  return { captions, empty: lines.length - captions.length };
}
