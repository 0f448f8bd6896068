/**
 * @file The lists of Flickr8k and Flickr30k: `results.token` or `Flickr8k.token.txt` with a picture, the number of the caption
 * and the caption on each line (`1.jpg#0<TAB>a dog`), and beside it the splits, a picture on each line of
 * `Flickr_8k.trainImages.txt`.
 */

import { type Row, rowOf } from '../fields.ts';
import { linesOf } from '../lines.ts';
import { splitNamed } from '../splits.ts';
import type { IndexBuilder } from './entries.ts';

/** Whether a file of that name is a list of captions. */
export function isTokenName(name: string): boolean {
  return /\.token(\.txt)?$/i.test(name) && !/lemma/i.test(name); // lemma: the same without inflections, for search
}

/** Whether a line is one of such a list. */
export function isTokenLine(line: string): boolean {
  return /^[^\t]+#\d+\t/.test(line) && !/\t.*#\d+\t/.test(line); // twice: an end of a line is missing
}

/** Reads a list of captions. @param splits of pictures by name @throws Error if it is no text */
export async function readTokens(
  file: string,
  index: IndexBuilder,
  splits: ReadonlyMap<string, string>,
): Promise<void> {
  for await (const { number, text } of linesOf(file)) {
    if (text?.trim() === '') continue;
    const at = `${index.path}:${number}`;
    if (text === undefined || !isTokenLine(text)) {
      index.addProblem(at, 'expected a picture, #, a number, a tab and a caption');
      continue;
    }
    const end = text.indexOf('\t');
    const name = text.slice(0, end).replace(/#\d+$/, '');
    const row: Row = rowOf({ file_name: name, text: text.slice(end + 1) });
    index.addRow(row, at, splits.get(name));
  }
}

/** Whether a file of that name lists the pictures of a split. */
export function isSplitListName(name: string): boolean {
  return /images?\.txt$/i.test(name) && splitOfList(name) !== undefined;
}

/** Adds the pictures of a list to `splits`; one that stands in two lists has no split that can be read. */
export async function readSplitList(file: string, name: string, splits: Map<string, string>): Promise<void> {
  const split = splitOfList(name) ?? '';
  for await (const { text = '' } of linesOf(file)) {
    const picture = text.trim();
    const other = splits.get(picture);
    if (picture !== '') splits.set(picture, other === undefined || other === split ? split : `${other} and ${split}`);
  }
}

/** The split that `Flickr_8k.trainImages.txt` lists. */
function splitOfList(name: string): string | undefined {
  const word = /([a-z]+?)_?images?\.txt$/i.exec(name)?.[1];
  return word === undefined || splitNamed(word) === undefined ? undefined : word;
}
