/** @file Whether a file is an index of pictures and captions, by what stands at its beginning and end. */

import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { readPiece, whyFailed } from '../files.ts';
import { beginningOf } from '../lines.ts';
import type { References } from '../references.ts';
import { headerOf, isBeforeHeader } from './csv.ts';
import { isTokenLine, isTokenName } from './flickr.ts';
import { firstKey, looksLikeRows, whyNoRowsIn } from './json.ts';

/** What an index is by its name; undefined if it is none. */
export type IndexKind = 'table' | 'json' | 'tokens';

export function indexKind(path: string): IndexKind | undefined {
  if (isTokenName(path)) return 'tokens';
  if (/\.(csv|tsv|txt)$/i.test(path)) return 'table';
  return /\.(jsonl|ndjson|json)$/i.test(path) ? 'json' : undefined;
}

/** Why a file is no index of pictures and captions, in words that follow its name; undefined if it is one. */
export async function whyNoIndex(file: string, references: References, path: string): Promise<string | undefined> {
  try {
    return await whyNotAtBeginning(file, references, path);
  } catch (error) {
    return whyFailed(error);
  }
}

async function whyNotAtBeginning(file: string, references: References, path: string): Promise<string | undefined> {
  const kind = indexKind(path);
  const beginning = await beginningOf(file);
  if (beginning === undefined) return 'is no text (it has zero bytes)';
  if (kind === 'json') {
    if (await looksLikeCoco(file)) return COCO;
    if (beginning.trim() === '') return 'is empty';
    const key = firstKey(beginning);
    const isMap = key !== undefined && references.anywhere(key, references.scopeOf(path)).id !== undefined;
    if (isMap || looksLikeRows(beginning)) return undefined;
    return whyNoRowsIn(beginning) ?? 'has no fields file_name and text at its beginning';
  }
  const lines = beginning.split(/\r\n|\n|\r/);
  if (kind === 'tokens')
    return isTokenLine(lines[0]) ? undefined : 'has no lines of a picture, #, a number and a caption';
  const first = lines.find(line => !isBeforeHeader(line));
  if (first === undefined) return 'is empty';
  const header = await headerOf(first);
  return typeof header === 'string' ? header : undefined;
}

/** Bytes at either end of a JSON file in which the lists of COCO are looked for. */
const END = 4096;

/** Whether a JSON file has captions as COCO has them: lists of images and annotations. */
export async function looksLikeCoco(file: string): Promise<boolean> {
  if (!/\.json$/i.test(file)) return false;
  const ends = await endsOf(file).catch(() => ''); // one that cannot be read is none
  const isList = /"images"\s*:\s*\[\s*\{|"annotations"\s*:\s*\[\s*\{[^\]]*"image_id"\s*:/;
  return /^\s*\{/.test(ends) && isList.test(ends) && /"caption"\s*:/.test(ends) && !/"sentences"\s*:/.test(ends);
}

async function endsOf(file: string): Promise<string> {
  const { size } = await stat(file);
  const pieces = await Promise.all([0, Math.max(0, size - END)].map(offset => readPiece(file, offset, END)));
  return pieces.map(piece => Buffer.from(piece).toString('latin1')).join('');
}

/** Names of indexes that are read from a folder, those that count first come first. */
const NAMES = [
  /^metadata\.(jsonl|ndjson)$/i,
  /^metadata\.json$/i,
  /^metadata\.csv$/i,
  /^metadata\.tsv$/i,
  /^captions\.(jsonl|ndjson)$/i,
  /^captions\.json$/i,
  /^captions\.csv$/i,
  /^captions\.tsv$/i,
  /^captions\.txt$/i,
  /^dataset(_[^/]+)?\.json$/i, // Karpathy's
  /\.token(\.txt)?$/i,
  /^results\.csv$/i, // Flickr30k's
];

/** One quick look at each of what may be millions of names. */
const MAYBE = /(^|\/)(metadata|captions|dataset|results)[^/]*$|\.token/i;

/** The place of a name in the order in which indexes of a folder count; -1 if it is none of theirs. */
export function rankOf(path: string): number {
  if (!MAYBE.test(path)) return -1;
  const name = posix.basename(path);
  return isTokenName(name) || !/\.token/i.test(name) ? NAMES.findIndex(pattern => pattern.test(name)) : -1;
}

/** Why an index of COCO is none of the others. */
export const COCO = 'COCO captions (--format coco reads them)';

/** Whether a file is called what only an index is called, so that somebody expects it to be one. */
export function isIndexOnPurpose(path: string): boolean {
  return /^(metadata|captions)\.(jsonl|ndjson|json|csv|tsv|txt)$/i.test(posix.basename(path));
}
