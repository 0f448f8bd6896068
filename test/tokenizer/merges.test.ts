/** @file Learning and applying merges, against loops that count everything again at each step. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { BYTE_CHARS } from '../../tokenizer/bytes.ts';
import { learnMerges, Merger, type Vocabulary } from '../../tokenizer/merges.ts';

function replacePair(word: readonly number[], left: number, right: number, id: number): number[] {
  const out: number[] = [];
  for (let i = 0; i < word.length; i++) {
    if (word[i] === left && word[i + 1] === right) {
      out.push(id);
      i++;
    } else out.push(word[i]);
  }
  return out;
}

/** The definition: count all pairs of all words, merge the most frequent everywhere, begin again. */
function learnNaively(counts: ReadonlyMap<string, number>, vocabSize: number): Vocabulary {
  const tokens = [...BYTE_CHARS].sort();
  const merges: [number, number][] = [];
  let words = [...counts].map(([word, count]) => ({ ids: [...word].map(char => tokens.indexOf(char)), count }));
  while (tokens.length < vocabSize) {
    const pairs = new Map<string, { left: number; right: number; count: number }>();
    for (const { ids, count } of words) {
      for (let i = 1; i < ids.length; i++) {
        const key = `${ids[i - 1]} ${ids[i]}`;
        pairs.set(key, { left: ids[i - 1], right: ids[i], count: (pairs.get(key)?.count ?? 0) + count });
      }
    }
    const [best] = [...pairs.values()].sort((a, b) => b.count - a.count || a.left - b.left || a.right - b.right);
    if (best === undefined || best.count < 2) break;
    const token = tokens[best.left] + tokens[best.right];
    if (!tokens.includes(token)) tokens.push(token);
    merges.push([best.left, best.right]);
    const id = tokens.indexOf(token);
    words = words.map(({ ids, count }) => ({ ids: replacePair(ids, best.left, best.right, id), count }));
  }
  return { tokens, merges };
}

/** The definition: apply the earliest learnt merge that fits, everywhere from left to right, begin again. */
function mergeNaively(word: readonly number[], { tokens, merges }: Vocabulary): number[] {
  let ids = [...word];
  for (;;) {
    const fits = merges.find(([left, right]) => ids.some((id, i) => id === left && ids[i + 1] === right));
    if (fits === undefined) return ids;
    ids = replacePair(ids, fits[0], fits[1], tokens.indexOf(tokens[fits[0]] + tokens[fits[1]]));
  }
}

function randomWords(seed: number, letters: string, words: number, maxLength: number): Map<string, number> {
  const random = new Random(seed);
  const counts = new Map<string, number>();
  for (let i = 0; i < words; i++) {
    const length = 1 + random.integer(maxLength);
    const word = Array.from({ length }, () => letters[random.integer(letters.length)]).join('');
    counts.set(word, (counts.get(word) ?? 0) + 1 + random.integer(3));
  }
  return counts;
}

const corpora: [string, Map<string, number>][] = [
  ['words of five letters', randomWords(1, 'abcde', 60, 8)],
  ['two letters, so that pairs overlap', randomWords(2, 'ab', 40, 12)],
  [
    'runs of one letter, where two pairs spell one token',
    new Map(Array.from({ length: 23 }, (_, i) => ['a'.repeat(i + 1), (i * 7) % 5])),
  ],
  ['mostly one letter', randomWords(3, 'aaab', 50, 20)],
];

describe('learnMerges', () => {
  it.each(corpora)('equals counting everything again at each step: %s', (_, counts) => {
    const learnt = learnMerges(counts, 300);
    expect(learnt).toEqual(learnNaively(counts, 300));
    expect(learnt.merges.length).toBeGreaterThan(10);
  });

  it('stops at the size asked for, and before it when no pair occurs twice', () => {
    expect(learnMerges(corpora[0][1], 260).tokens).toHaveLength(260);
    expect(learnMerges(new Map([['abc', 1]]), 300)).toEqual({ tokens: [...BYTE_CHARS].sort(), merges: [] });
    expect(learnMerges(new Map([['ab', 2]]), 300).tokens.slice(256)).toEqual(['ab']);
  });

  it('does not depend on the order of the words', () => {
    const words = [...corpora[3][1]];
    expect(learnMerges(new Map(words.toReversed()), 300)).toEqual(learnMerges(new Map(words), 300));
  });
});

describe('Merger', () => {
  const vocabulary = learnMerges(corpora[0][1], 300);
  const results = Int32Array.from(vocabulary.merges, ([a, b]) =>
    vocabulary.tokens.indexOf(vocabulary.tokens[a] + vocabulary.tokens[b]),
  );
  const merger = new Merger(vocabulary.merges, results, 300);
  const bytesOf = (word: string) => Int32Array.from(word, char => vocabulary.tokens.indexOf(char));
  const merge = (word: string, dropout?: number, random?: Random) => {
    const symbols = bytesOf(word);
    return [...symbols.subarray(0, merger.apply(symbols, dropout, random))];
  };

  it('equals applying one merge after another everywhere', () => {
    const words = [...randomWords(9, 'abcde', 300, 30).keys(), '', 'a', 'zz'];
    for (const word of words) expect(merge(word)).toEqual(mergeNaively([...bytesOf(word)], vocabulary));
  });

  it('drops each possible merge with the probability asked for', () => {
    const random = new Random(4);
    // One merge fits: the word stays two tokens exactly when it is dropped.
    const [left, right] = vocabulary.merges[0];
    const word = vocabulary.tokens[left] + vocabulary.tokens[right];
    const trials = 20000;
    let kept = 0;
    for (let i = 0; i < trials; i++) kept += merge(word, 0.3, random).length - 1;
    // Binomial: 5 standard deviations are 0.016.
    expect(Math.abs(kept / trials - 0.3)).toBeLessThan(0.0165);
  });
});
