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
import {
  type CaptionList,
  damaged,
  expectHead,
  FORMAT,
  type Head,
  type LearntCaptions,
  type LearntWords,
  MOST_BYTES,
  MOST_TEXT,
  parseHead,
  parseLearnt,
} from './parse.ts';
import { wordsOf } from './words.ts';

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
  return parseLearnt(path, await readText(path));
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

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
