/**
 * @file What a run remembers of the captions it was trained on: its words with their counts, and the captions themselves,
 * those of one image together. A file of JSON lines, compressed: first what there is, with the words, then a line for each
 * list of captions. What is held out is not in it. Of a large data set a part is kept, which the file says.
 */
import { existsSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { UserError } from '../../core/errors.ts';
import { writeAtomic } from '../../io/atomic.ts';
import { readBytes } from '../../io/bytes.ts';
import { wordsOf } from './words.ts';

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

interface LearntLimits {
  readonly words: number;
  readonly captions: number;
  /** Of the captions, in UTF-16 units. */
  readonly characters: number;
}

interface GatherOptions {
  readonly limits?: LearntLimits;
  readonly pause?: () => Promise<void>;
}

/** Lists between two pauses, tens of milliseconds. */
const PAUSE_EVERY = 5000;

/** Half a megabyte or so, compressed. */
const LIMITS: LearntLimits = { words: 50_000, captions: 50_000, characters: 2 ** 22 };
/** Longest file that is read, in bytes, and longest text in it: twice what is written at most. */
const MOST_BYTES = 2 ** 24;
const MOST_TEXT = 2 ** 25;

const FORMAT = 'tessera captions 1';

/** What of an item is remembered. */
interface Captioned {
  readonly captions: readonly string[];
}

/**
 * Counts the captions of images; of more than the limits allow, every n-th list is kept, and the most frequent words.
 * @param options.pause is called now and then, so that others may work
 */
export async function gatherCaptions(
  items: readonly Captioned[],
  { limits = LIMITS, pause = async () => {} }: GatherOptions = {},
): Promise<LearntCaptions> {
  const lists = new Map<string, { captions: readonly string[]; images: number }>();
  for (const { captions } of items) {
    const key = captions.join('\n'); // a caption is one line
    const list = lists.get(key);
    if (list === undefined) lists.set(key, { captions, images: 1 });
    else list.images++;
  }
  const all = [...lists.values()];
  const captions = new Set(all.flatMap(list => list.captions));
  const words = new Map<string, number>();
  for (const [i, list] of all.entries()) {
    if (i % PAUSE_EVERY === 0) await pause();
    for (const word of new Set(list.captions.flatMap(wordsOf))) words.set(word, (words.get(word) ?? 0) + list.images);
  }
  const frequent = [...words].sort(([a, m], [b, n]) => n - m || compare(a, b)).slice(0, limits.words);
  const kept = thinned(all, limits);
  return {
    images: items.length,
    captions: captions.size,
    kept: kept === all ? captions.size : new Set(kept.flatMap(list => list.captions)).size,
    words: new Map(frequent),
    wordsLeftOut: words.size - frequent.length,
    lists: kept,
  };
}

/** Every n-th of the lists, so that they fit; all of them if they do. */
function thinned(lists: readonly CaptionList[], { captions, characters }: LearntLimits): readonly CaptionList[] {
  const sum = (of: (list: CaptionList) => number) => lists.reduce((total, list) => total + of(list), 0);
  const count = sum(list => list.captions.length);
  const length = sum(list => list.captions.reduce((total, caption) => total + caption.length, 0));
  const every = Math.ceil(Math.max(count / captions, length / characters));
  return every <= 1 ? lists : lists.filter((_, i) => i % every === 0);
}

/**
 * Writes the file, unless it is there already for the same data.
 * @param options.data a fingerprint of the captions of the items, in their order
 */
export async function keepLearnt(
  path: string,
  items: readonly Captioned[],
  { data, pause }: { readonly data: string } & Pick<GatherOptions, 'pause'>,
): Promise<void> {
  const before = existsSync(path) ? await headOf(path) : undefined;
  if (before?.data === data) return;
  await write(path, await gatherCaptions(items, { pause }), { data, source: before?.source });
}

/**
 * Writes the file of a run that starts from another, before it is known what it is trained on.
 * @param source the words that the other has seen, which stay when `keepLearnt` writes the rest
 */
export async function beginLearnt(path: string, source: ReadonlySet<string>): Promise<void> {
  await write(path, await gatherCaptions([]), { data: '', source: [...source].slice(0, LIMITS.words) });
}

async function write(
  path: string,
  { lists, words, ...counts }: LearntCaptions,
  about: { readonly data: string; readonly source: readonly string[] | undefined },
): Promise<void> {
  const head = { format: FORMAT, ...about, ...counts, words: Object.fromEntries(words) };
  const lines = [head, ...lists.map(({ images, captions }) => [images, ...captions])];
  await writeAtomic(path, gzipSync(lines.map(line => `${JSON.stringify(line)}\n`).join('')));
}

/** The words of a file, without the captions; undefined if the run keeps none. @throws UserError if it is damaged */
export async function readLearntWords(path: string): Promise<LearntWords | undefined> {
  return existsSync(path) ? parseHead(path, await readText(path)) : undefined;
}

/** The whole file; undefined if the run keeps none. @throws UserError if it is damaged */
export async function readLearnt(path: string): Promise<LearntCaptions | undefined> {
  if (!existsSync(path)) return undefined;
  const text = await readText(path);
  const head = parseHead(path, text);
  const lines = text.split('\n').slice(1, -1);
  return { ...head, lists: lines.map((line, i) => parseList(line, `${path}, line ${i + 2}`)) };
}

/** Of which data a file is, and the words of the source in it; undefined if it is damaged, or of another version. */
async function headOf(path: string): Promise<Head | undefined> {
  try {
    return expectHead(path, await readText(path));
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

async function readText(path: string): Promise<string> {
  const bytes = await readBytes(path, { most: MOST_BYTES });
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_TEXT }).toString('utf8');
  } catch {
    throw damaged(path);
  }
}

function firstLine(text: string): unknown {
  return JSON.parse(text.slice(0, text.indexOf('\n') + 1));
}

/** The first line, as far as it has been checked. */
interface Head extends Readonly<Record<string, unknown>> {
  readonly source?: readonly string[];
}

function expectHead(path: string, text: string): Head {
  const head = parsed(path, () => firstLine(text));
  if (typeof head !== 'object' || head === null || !('format' in head) || head.format !== FORMAT) throw damaged(path);
  const { source = [] } = head as Readonly<Record<string, unknown>>;
  if (!Array.isArray(source) || !source.every(word => typeof word === 'string')) throw damaged(path);
  return head as Head;
}

function parseHead(path: string, text: string): LearntWords {
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

function damaged(where: string): UserError {
  return new UserError(
    where,
    'expected the captions of a run, as its training writes them, got something else',
    'remove the file; `tessera train` with the run and its data writes it again',
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
