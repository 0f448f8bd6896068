/** @file The captions that a user asks for in one text. */
import { cleanCaption } from '../../data/text.ts';
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
