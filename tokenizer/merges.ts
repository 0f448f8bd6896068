/**
 * @file Byte-pair merges: learning them from counted words, and applying them to one word.
 * @see Sennrich et al. 2016 (arXiv:1508.07909); Provilkov et al. 2020, BPE-dropout (arXiv:1910.13267)
 */
import TinyQueue from 'tinyqueue';
import type { Random } from '../src/core/random.ts';
import { BYTE_CHARS } from './bytes.ts';

/** Which two tokens become one, in the order in which merges are applied. */
export interface Vocabulary {
  /** Each id's text, one printable character a byte. */
  readonly tokens: readonly string[];
  readonly merges: readonly (readonly [left: number, right: number])[];
}

/** Merges between two pauses: the first ones of much text take longest. */
const MERGES_AT_ONCE = 16;

/**
 * Learns merges: the most frequent pair of neighbours becomes a token, until `vocabSize` tokens exist or no pair occurs
 * twice. Of pairs equally frequent, the one with the smaller left id is merged first, then the smaller right id; so the
 * result depends on the counts alone, not on the order of the words. (The Hugging Face trainer has the same rule.)
 * The first 256 ids are the bytes, in the order of their printable characters.
 * Pauses after every piece of work, so that who runs it may do something else meanwhile.
 * @param counts how often each word, in printable characters, occurs
 * @param vocabSize at least 256
 */
export function* mergesInPieces(
  counts: ReadonlyMap<string, number>,
  vocabSize: number,
): Generator<undefined, Vocabulary, undefined> {
  const tokens = [...BYTE_CHARS].sort();
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: [number, number][] = [];
  const corpus = new Corpus(counts, ids, vocabSize);
  while (tokens.length < vocabSize) {
    const pair = corpus.mostFrequent();
    if (pair === undefined) break;
    const left = Math.floor(pair / vocabSize);
    const right = pair % vocabSize;
    const token = tokens[left] + tokens[right];
    // Two pairs may spell one token (aa+aaa, aaaa+a): it keeps one id, as in a vocabulary keyed by text it must.
    const id = ids.get(token) ?? tokens.length;
    if (id === tokens.length) {
      tokens.push(token);
      ids.set(token, id);
    }
    merges.push([left, right]);
    corpus.merge(left, right, id);
    if (merges.length % MERGES_AT_ONCE === 0) yield;
  }
  return { tokens, merges };
}

/** `mergesInPieces` without its pauses. */
export function learnMerges(counts: ReadonlyMap<string, number>, vocabSize: number): Vocabulary {
  return finished(mergesInPieces(counts, vocabSize));
}

/** What work gives that is done without its pauses. */
export function finished<T>(work: Generator<undefined, T, undefined>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

/** Words as ids, with the count of every pair of neighbours and the words it occurs in, kept while pairs are merged. */
class Corpus {
  /** All words one after another; a merge shortens a word in place. */
  private readonly symbols: Int32Array;
  private readonly starts: Int32Array;
  private readonly lengths: Int32Array;
  private readonly wordCounts: Float64Array;
  /** Pairs are numbers, left * base + right. */
  private readonly base: number;
  private readonly pairCounts = new Map<number, number>();
  /** Words a pair occurs in; one that no longer does may stay listed, and some are listed twice. */
  private readonly pairWords = new Map<number, number[]>();
  /** Holds each pair of count 2 or more at least once; counts that fell since are mended when an entry comes up. */
  private readonly queue = new TinyQueue<{ readonly pair: number; readonly count: number }>(
    [],
    (a, b) => b.count - a.count || a.pair - b.pair,
  );

  constructor(counts: ReadonlyMap<string, number>, ids: ReadonlyMap<string, number>, base: number) {
    let total = 0;
    for (const word of counts.keys()) total += word.length;
    this.base = base;
    this.symbols = new Int32Array(total);
    this.starts = new Int32Array(counts.size);
    this.lengths = new Int32Array(counts.size);
    this.wordCounts = Float64Array.from(counts.values());
    let start = 0;
    let index = 0;
    for (const word of counts.keys()) {
      this.starts[index] = start;
      this.lengths[index] = word.length;
      for (let i = 0; i < word.length; i++) {
        this.symbols[start + i] = ids.get(word[i])!; // every byte has an id
        if (i > 0) this.count(this.symbols[start + i - 1], this.symbols[start + i], index, this.pairCounts);
      }
      start += word.length;
      index++;
    }
    for (const [pair, count] of this.pairCounts) if (count >= 2) this.queue.push({ pair, count });
  }

  /** The pair that occurs most often, taken off the queue; undefined if none occurs twice. */
  mostFrequent(): number | undefined {
    for (;;) {
      const first = this.queue.pop();
      if (first === undefined) return undefined;
      const count = this.pairCounts.get(first.pair) ?? 0;
      if (count === first.count) return first.pair;
      if (count >= 2) this.queue.push({ pair: first.pair, count });
    }
  }

  merge(left: number, right: number, id: number): void {
    const pair = left * this.base + right;
    const changes = new Map<number, number>();
    const words = this.pairWords.get(pair) ?? [];
    this.pairWords.delete(pair);
    for (const word of words) this.mergeWord(word, left, right, id, changes);
    for (const [changed, change] of changes) {
      const count = (this.pairCounts.get(changed) ?? 0) + change;
      if (count > 0) this.pairCounts.set(changed, count);
      else this.pairCounts.delete(changed);
      if (change > 0 && count >= 2) this.queue.push({ pair: changed, count });
    }
  }

  private mergeWord(word: number, left: number, right: number, id: number, changes: Map<number, number>): void {
    const { symbols, base } = this;
    const start = this.starts[word];
    const end = start + this.lengths[word];
    const weight = this.wordCounts[word];
    const remove = (a: number, b: number) => changes.set(a * base + b, (changes.get(a * base + b) ?? 0) - weight);
    let to = start;
    let from = start;
    while (from < end) {
      if (from + 1 === end || symbols[from] !== left || symbols[from + 1] !== right) {
        symbols[to++] = symbols[from++];
        continue;
      }
      remove(left, right);
      if (to > start) {
        remove(symbols[to - 1], left);
        this.count(symbols[to - 1], id, word, changes);
      }
      if (from + 2 < end) {
        remove(right, symbols[from + 2]);
        this.count(id, symbols[from + 2], word, changes);
      }
      symbols[to++] = id;
      from += 2;
    }
    this.lengths[word] = to - start;
  }

  private count(left: number, right: number, word: number, counts: Map<number, number>): void {
    const pair = left * this.base + right;
    counts.set(pair, (counts.get(pair) ?? 0) + this.wordCounts[word]);
    const words = this.pairWords.get(pair);
    if (words === undefined) this.pairWords.set(pair, [word]);
    else if (words[words.length - 1] !== word) words.push(word);
  }
}

/** Applies merges to words: always the earliest learnt that fits, and of equal ones the leftmost. */
export class Merger {
  private readonly base: number;
  /** Rank of each pair, left * base + right. */
  private readonly ranks = new Map<number, number>();
  private readonly results: Int32Array;

  /** @param results the id that each merge makes; @param vocabSize above every id */
  constructor(merges: Vocabulary['merges'], results: Int32Array, vocabSize: number) {
    this.base = vocabSize;
    this.results = results;
    merges.forEach(([left, right], rank) => {
      this.ranks.set(left * vocabSize + right, rank);
    });
  }

  /**
   * Merges one word's bytes into tokens.
   * @param symbols byte ids, overwritten with token ids
   * @param dropout at each step every possible merge is left out with this probability; when all are, the word is done
   * @returns how many ids the word has now, at the front of `symbols`
   */
  apply(symbols: Int32Array, dropout = 0, random?: Random): number {
    const n = symbols.length;
    const next = Int32Array.from(symbols, (_, i) => i + 1);
    const previous = Int32Array.from(symbols, (_, i) => i - 1);
    // A candidate is rank * n + position, so that numbers sort as candidates do.
    const queue = new TinyQueue<number>([], (a, b) => a - b);
    const propose = (position: number) => {
      const rank = this.rankAt(symbols, position, next[position]);
      if (rank !== undefined) queue.push(rank * n + position);
    };
    for (let i = 0; i < n; i++) propose(i);

    let left = n;
    let dropped: number[] = [];
    for (let candidate = queue.pop(); candidate !== undefined; candidate = queue.pop()) {
      const position = candidate % n;
      const rank = Math.floor(candidate / n);
      if (this.rankAt(symbols, position, next[position]) !== rank) continue; // a neighbour has changed since
      if (random !== undefined && random.uniform() < dropout) {
        dropped.push(candidate);
        continue;
      }
      for (const again of dropped) queue.push(again);
      dropped = [];
      const gone = next[position];
      symbols[position] = this.results[rank];
      symbols[gone] = -1;
      next[position] = next[gone];
      if (next[position] < n) previous[next[position]] = position;
      left--;
      propose(position);
      if (previous[position] >= 0) propose(previous[position]);
    }
    for (let i = 0, to = 0; i < n; i = next[i]) symbols[to++] = symbols[i];
    return left;
  }

  private rankAt(symbols: Int32Array, position: number, following: number): number | undefined {
    if (following >= symbols.length || symbols[position] < 0) return undefined;
    return this.ranks.get(symbols[position] * this.base + symbols[following]);
  }
}
