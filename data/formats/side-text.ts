/**
 * @file What a text says that belongs to one picture, in a file beside it or a member of the same archive: captions, one a line,
 * or JSON that is a caption, a list of them, or an object with a field for them.
 */

import { firstLine } from '../../src/core/errors.ts';
import { allCaptionsOf, captionsOf, isNoText, rowOf, type Said, whyNoText } from '../fields.ts';
import { captionLines, type Decoded } from '../text.ts';
import { type Candidate, splitField } from './format.ts';

/** Endings of texts with captions, in the order in which they count. */
export const textEndings = ['txt', 'text', 'caption', 'captions', 'json'] as const;

/** What a text says. */
export interface SideText extends Pick<Candidate, 'split'> {
  readonly captions: readonly string[];
  /** Why there are none, in words that follow the text's name. */
  readonly why?: string;
  /** What all fields say, where they stand in fields, of which some may hold an instruction. */
  readonly fields?: readonly Said[];
}

/** @param ending of the text's name, one of `textEndings` */
export function readSideText(ending: string, { text, why }: Decoded): SideText {
  if (text === undefined) return { captions: [], why };
  if (ending === 'json') return readJson(text);
  const captions = captionLines(text);
  if (captions.length === 0) return { captions, why: 'is an empty caption' };
  if (captions.every(isNoText)) return { captions: [], why: whyNoText(captions[0]) };
  // Boxes and points, as detectors have them in files of the same names.
  if (captions.every(line => NUMBERS.test(line))) return { captions: [], why: 'has no caption, only numbers' };
  return { captions };
}

/** Two numbers or more and nothing else; a single one may be a caption, as of a house number. */
const NUMBERS = /^[-+]?[\d.]+(e[-+]?\d+)?([\s,;]+[-+]?[\d.]+(e[-+]?\d+)?)+[\s,;]*$/i;

/** The split that the texts of one picture name, also one without captions; `why` if they name several. */
export function splitIn(texts: readonly SideText[]): Pick<Candidate, 'split'> & { readonly why?: string } {
  const named = [...new Set(texts.flatMap(({ split }) => split ?? []))];
  if (named.length > 1) return { why: `its texts name several splits: ${named.join(', ')}` };
  return named.length === 0 ? {} : { split: named[0] };
}

function readJson(text: string): SideText {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { captions: [], why: `is not readable as JSON (${firstLine(error)})` };
  }
  if (typeof value === 'string' || Array.isArray(value)) {
    const { captions } = captionsOf(new Map([['text', value]]));
    return captions === undefined ? { captions: [], why: 'has no caption: JSON without text' } : { captions };
  }
  if (typeof value !== 'object' || value === null) return { captions: [], why: 'has no caption: JSON without text' };
  const row = rowOf(value as Readonly<Record<string, unknown>>); // an object, and each value is checked
  const fields = allCaptionsOf(row);
  const [first] = fields;
  const split = splitField(row.get('split'));
  if (first === undefined) return { captions: [], why: `has no caption: ${captionsOf(row).why}`, ...split };
  return { captions: first.captions, fields, ...split };
}
