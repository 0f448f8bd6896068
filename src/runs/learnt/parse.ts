/** @file What a run remembers of its captions, out of the text of its file (record.ts writes it), wherever that was read. */
import { UserError } from '../../core/errors.ts';

/** The captions that some images have: all of them, or those that were kept. */
export interface CaptionList {
  readonly captions: readonly string[];
  /** How many images have just these. */
  readonly images: number;
}

/** The words of a run, and how much it was trained on. */
export interface LearntWords {
  /** Images that it was trained on, and their different captions. */
  readonly images: number;
  readonly captions: number;
  /** Of those, how many the file keeps. */
  readonly kept: number;
  /** Every word, with how many images have it in a caption, the most frequent first. */
  readonly words: ReadonlyMap<string, number>;
  /** Words that the file leaves out, rarer than all it has. */
  readonly wordsLeftOut: number;
  /** Of a run that was started from another: the words that the other has seen, which it may have forgotten. */
  readonly source?: ReadonlySet<string>;
}

/** All that a run remembers of its captions. */
export interface LearntCaptions extends LearntWords {
  readonly lists: readonly CaptionList[];
}

/** The first field of every such file. */
export const FORMAT = 'tessera captions 1';

/** Longest file that is read, in bytes, and longest text in it: twice what is written at most. */
export const MOST_BYTES = 2 ** 24;
export const MOST_TEXT = 2 ** 25;

/** All of a file. @throws UserError if it is damaged */
export function parseLearnt(where: string, text: string): LearntCaptions {
  const head = parseHead(where, text);
  const lines = text.split('\n').slice(1, -1);
  return { ...head, lists: lines.map((line, i) => parseList(line, `${where}, line ${i + 2}`)) };
}

/** The first line, as far as it has been checked. */
export interface Head extends Readonly<Record<string, unknown>> {
  readonly source?: readonly string[];
}

/** The first line. @throws UserError if it is damaged */
export function expectHead(path: string, text: string): Head {
  const head = parsed(path, () => firstLine(text));
  if (typeof head !== 'object' || head === null || !('format' in head) || head.format !== FORMAT) throw damaged(path);
  const { source = [] } = head as Readonly<Record<string, unknown>>;
  if (!Array.isArray(source) || !source.every(word => typeof word === 'string')) throw damaged(path);
  return head as Head;
}

/** The words, without the captions. @throws UserError if they are damaged */
export function parseHead(path: string, text: string): LearntWords {
  const { images, captions, kept, wordsLeftOut, words, source } = expectHead(path, text);
  const counts = { images, captions, kept, wordsLeftOut };
  if (!Object.values(counts).every(isCount) || typeof words !== 'object' || words === null) throw damaged(path);
  const entries = Object.entries(words);
  if (!entries.every(([, count]) => isCount(count))) throw damaged(path);
  // Integers come first in an object, whatever their counts.
  const sorted = (entries as [string, number][]).sort(([, m], [, n]) => n - m);
  return {
    ...(counts as Record<keyof typeof counts, number>),
    words: new Map(sorted),
    ...(source !== undefined && { source: new Set(source) }),
  };
}

function parseList(line: string, where: string): CaptionList {
  const list = parsed(where, () => JSON.parse(line) as unknown);
  if (!Array.isArray(list)) throw damaged(where);
  const [images, ...captions] = list as unknown[];
  if (!isCount(images) || !captions.every(caption => typeof caption === 'string')) throw damaged(where);
  return { images, captions };
}

function parsed<T>(where: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw damaged(where);
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The error of a file that is none of a training's. */
export function damaged(where: string): UserError {
  return new UserError(
    where,
    'expected the captions of a run, as its training writes them, got something else',
    'remove the file; `tessera train` with the run and its data writes it again',
  );
}

function firstLine(text: string): unknown {
  return JSON.parse(text.slice(0, text.indexOf('\n') + 1));
}
