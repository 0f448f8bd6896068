/**
 * @file Looking through the captions that a run was trained on: those with the words of a query, others of the same images
 * (which is how a run knows synonyms), and where no caption has a word, those with the words that it may be misspelt from.
 */
import type { CaptionList, LearntCaptions } from './parse.ts';
import { type NearWord, nearWords } from './unseen.ts';
import { wordsOf } from './words.ts';

/** A caption, and how many images of the training have it; of a large data set, among those whose captions were kept. */
export interface KnownCaption {
  readonly caption: string;
  readonly images: number;
}

/** A part of what was found, the best first, of how many. */
export interface FoundCaptions {
  readonly captions: readonly KnownCaption[];
  readonly total: number;
}

export interface CaptionSearch {
  /** Captions with every word of the query, also as the beginning of a longer word. */
  readonly found: FoundCaptions;
  /** Other captions of their images. */
  readonly same: FoundCaptions;
  /** Words that no caption has, with the known ones that they may be misspelt from, the nearest first. */
  readonly unseen: readonly { readonly word: string; readonly near: readonly NearWord[] }[];
  /** The query with the nearest words for the unknown ones, where a caption has those. */
  readonly instead?: { readonly query: string; readonly found: FoundCaptions };
  /** Of several words, where no caption has all: captions with some of them, those with the most first. */
  readonly some?: FoundCaptions;
}

/** Most words that are offered for one. */
const OFFERED = 3;

/**
 * The captions of a run, those of the most images first, then by the alphabet.
 * @param limit how many of them
 */
export function listCaptions({ lists }: LearntCaptions, limit: number): FoundCaptions {
  const all = [...countImages(lists)].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return { captions: all.slice(0, limit).map(([caption, images]) => ({ caption, images })), total: all.length };
}

/**
 * @param query words in any order; @param limit most captions of each kind
 * @returns undefined of a query without a word
 */
export function searchCaptions(learnt: LearntCaptions, query: string, limit: number): CaptionSearch | undefined {
  const words = wordsOf(query);
  if (words.length === 0) return undefined;
  const all = countImages(learnt.lists);
  const split = new Map([...all.keys()].map(caption => [caption, wordsOf(caption)]));
  const wordsIn = (caption: string) => split.get(caption) ?? [];
  const found = withAll(all, wordsIn, words);
  const known = [...new Set([...split.values()].flat())];
  const unseen = words
    .filter(word => !learnt.words.has(word) && !known.some(other => begins(other, word)))
    .map(word => ({ word, near: nearWords(word, learnt, OFFERED) }));
  const near = insteadOf(words, unseen);
  const instead = near === undefined ? undefined : { query: near.join(' '), found: withAll(all, wordsIn, near) };
  const helped = found.size > 0 || (instead !== undefined && instead.found.size > 0);
  const ofImages = learnt.lists.filter(list => list.captions.some(caption => found.has(caption)));
  const beside = new Set(ofImages.flatMap(list => list.captions).filter(caption => !found.has(caption)));
  const same = new Map([...all].filter(([caption]) => beside.has(caption)));
  const ranked = (captions: Counts, wanted: string) => best(captions, rankOf(wanted, wordsIn), limit);
  return {
    found: ranked(found, query),
    same: best(same, () => 0, limit),
    unseen,
    ...(found.size === 0 &&
      instead !== undefined &&
      instead.found.size > 0 && { instead: { query: instead.query, found: ranked(instead.found, instead.query) } }),
    ...(!helped && words.length > 1 && { some: withSome(all, wordsIn, { words, limit }) }),
  };
}

type Counts = ReadonlyMap<string, number>;
type WordsIn = (caption: string) => readonly string[];

/** Different captions, and the images that have them. */
function countImages(lists: readonly CaptionList[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { captions, images } of lists) {
    for (const caption of new Set(captions)) counts.set(caption, (counts.get(caption) ?? 0) + images);
  }
  return counts;
}

function withAll(all: Counts, wordsIn: WordsIn, words: readonly string[]): Map<string, number> {
  return new Map(
    [...all].filter(([caption]) => {
      const there = wordsIn(caption);
      return words.every(word => there.some(other => begins(other, word)));
    }),
  );
}

/** Captions with at least one whole word; those with more of them first. */
function withSome(
  all: Counts,
  wordsIn: WordsIn,
  { words, limit }: { readonly words: readonly string[]; readonly limit: number },
): FoundCaptions {
  const missing = (caption: string) => words.filter(word => !wordsIn(caption).includes(word)).length;
  const some = new Map([...all].filter(([caption]) => missing(caption) < words.length));
  return best(some, missing, limit);
}

/** Whether a word is a query's, or begins with it. */
function begins(word: string, query: string): boolean {
  return word === query || (query.length >= 3 && word.startsWith(query));
}

/** The query with known words; undefined where all are known or there is none for one. */
function insteadOf(words: readonly string[], unseen: CaptionSearch['unseen']): string[] | undefined {
  if (unseen.length === 0) return undefined;
  const nearest = new Map(unseen.map(({ word, near }) => [word, near[0]?.word]));
  const instead = words.map(word => (nearest.has(word) ? nearest.get(word) : word));
  return instead.every(word => word !== undefined) ? instead : undefined;
}

/** The caption that is the query, then those with its whole words, then those with longer ones. */
function rankOf(query: string, wordsIn: WordsIn): (caption: string) => number {
  const words = wordsOf(query);
  const whole = query.trim().toLowerCase();
  return caption => {
    if (caption.toLowerCase() === whole) return 0;
    const there = wordsIn(caption);
    return words.every(word => there.includes(word)) ? 1 : 2;
  };
}

/** By their rank, then those of the most images, then the shortest. */
function best(counts: Counts, rank: (caption: string) => number, limit: number): FoundCaptions {
  const captions = [...counts]
    .map(([caption, images]) => ({ caption, images, rank: rank(caption) }))
    .sort(
      (a, b) =>
        a.rank - b.rank ||
        b.images - a.images ||
        a.caption.length - b.caption.length ||
        (a.caption < b.caption ? -1 : 1),
    );
  return {
    captions: captions.slice(0, limit).map(({ caption, images }) => ({ caption, images })),
    total: captions.length,
  };
}
