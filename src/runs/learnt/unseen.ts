/** @file Words of a caption that a run was never trained on, and what they may be misspelt from. */
import { editDistance } from '../../core/edit-distance.ts';
import type { LearntWords } from './parse.ts';
import { wordsOf } from './words.ts';

/** A word that a run knows, near another in spelling. */
export interface NearWord {
  readonly word: string;
  /** Letters put in, left out, changed or swapped with their neighbour, 1 to 3. */
  readonly distance: number;
  /** Images of the training with the word in a caption. */
  readonly images: number;
}

/** A word that is in no caption that a run was trained on. */
export interface UnseenWord {
  readonly word: string;
  /** The known word that is written most alike, if one is near. It may well mean something else. */
  readonly nearest?: NearWord;
  /** True where the run was started from one that has seen the word. It may have forgotten it since. */
  readonly bySource?: true;
}

/** The words of a text that a run does not know, in the order of the text. */
export function unseenWords(text: string, learnt: LearntWords): UnseenWord[] {
  return unknownOf(text, learnt).map(word =>
    learnt.source?.has(word) === true ? { word, bySource: true } : withNearest(word, learnt),
  );
}

function unknownOf(text: string, { words }: LearntWords): string[] {
  return wordsOf(text).filter(word => !words.has(word));
}

function withNearest(word: string, learnt: LearntWords): UnseenWord {
  const [nearest] = nearWords(word, learnt, 1);
  return nearest === undefined ? { word } : { word, nearest };
}

/**
 * Known words that may be meant: one letter differs of up to four, two of up to seven, three of longer ones, and where more than
 * one does, the first two are the same. Words of less than three letters are near to all, so that there is none near them.
 * @returns the nearest first, of equally near ones those that begin alike, then the most frequent; at most `most`
 */
export function nearWords(word: string, { words }: LearntWords, most: number): NearWord[] {
  if (word.length < SHORTEST || word.length > LONGEST) return [];
  const farthest = word.length <= 4 ? 1 : word.length <= 7 ? 2 : 3;
  const near: NearWord[] = [];
  const letters = lettersOf(word);
  for (const [known, images] of words) {
    if (known.length < SHORTEST || Math.abs(known.length - word.length) > farthest) continue;
    const others = lettersOf(known); // an edit mends at most one letter that the other has not
    if (countBits(letters & ~others) > farthest || countBits(others & ~letters) > farthest) continue;
    const distance = editDistance(word, known);
    if (distance <= farthest && (distance === 1 || commonBeginning(known, word) >= BEGINNING)) {
      near.push({ word: known, distance, images });
    }
  }
  const begun = (known: NearWord) => commonBeginning(known.word, word);
  return near.sort((a, b) => a.distance - b.distance || begun(b) - begun(a) || b.images - a.images).slice(0, most);
}

/** The letters of a word as bits, some of which letters share. */
function lettersOf(word: string): number {
  let bits = 0;
  for (let i = 0; i < word.length; i++) bits |= 1 << (word.charCodeAt(i) & 31);
  return bits;
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}

function commonBeginning(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** Letters that words have in common at least, at their beginning, if more than one differs: there people seldom mistype. */
const BEGINNING = 2;
/** Of words that people mistype. */
const SHORTEST = 3;
const LONGEST = 40;

/** Most words that a line names. */
const NAMED = 8;

/**
 * A line about the unknown words of some texts; undefined if there are none. A word is offered where one is near, with a
 * question mark where more than one letter differs.
 */
export function describeUnseen(texts: readonly string[], learnt: LearntWords): string | undefined {
  const unknown = [...new Set(texts.flatMap(text => unknownOf(text, learnt)))];
  const ofSource = unknown.filter(word => learnt.source?.has(word) === true);
  const unseen = unknown.filter(word => !ofSource.includes(word));
  const parts = [
    ...(unseen.length > 0 ? [describeNever(unseen, learnt)] : []),
    ...(ofSource.length > 0 ? [`${firstOf(ofSource)}: seen only by the model that it was started from`] : []),
  ];
  return parts.length === 0 ? undefined : parts.join('; ');
}

function describeNever(unseen: readonly string[], learnt: LearntWords): string {
  const named = unseen.slice(0, NAMED).map(word => withNearest(word, learnt));
  const how =
    learnt.wordsLeftOut === 0 ? 'never seen in training' : `not among the ${learnt.words.size} words seen most`;
  const offers = named.flatMap(({ word, nearest }) =>
    nearest === undefined ? [] : offer(word, nearest, unseen.length),
  );
  const nearest = offers.length === 0 ? '' : `; nearest in spelling: ${offers.join(', ')}`;
  return `${firstOf(unseen)}: ${how}${nearest}`;
}

function firstOf(words: readonly string[]): string {
  return `${words.slice(0, NAMED).join(', ')}${words.length > NAMED ? ` and ${words.length - NAMED} more` : ''}`;
}

function offer(word: string, { word: known, distance }: NearWord, count: number): string {
  return `${known}${distance > 1 ? '?' : ''}${count > 1 ? ` (${word})` : ''}`;
}
