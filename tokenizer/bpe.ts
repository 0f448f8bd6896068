/**
 * @file Captions to ids and back: a byte-level BPE trained on lower-cased captions, kept as a Hugging Face
 * tokenizer.json. Any text is encodable, since every byte is a token. Does not know the model's sequence, but for the
 * one thing DALL·E asks of a caption: a fixed number of positions, each with a pad token of its own.
 * @see Ramesh et al. 2021, DALL·E, section 2.2 and appendix B.2 (arXiv:2102.12092)
 */
import { type Check, checkValue, textCheck, wholeCheck } from '../src/core/checks.ts';
import { UserError } from '../src/core/errors.ts';
import { sha256 } from '../src/core/platform/platform.ts';
import type { Random } from '../src/core/random.ts';
import { BYTE_CHARS, fromByteChars, splitWords, toByteChars } from './bytes.ts';
import {
  type AddedToken,
  normalizeCaption,
  readTokenizerJson,
  type TokenizerSpec,
  writeTokenizerJson,
} from './huggingface.ts';
import { finished, Merger, mergesInPieces } from './merges.ts';

/** BPE dropout: every possible merge is skipped with this probability at each step. DALL·E trains with 0.1. */
export interface EncodeOptions {
  /** In [0, 1]; 0, the default, is plain BPE and 1 gives single bytes. */
  readonly dropout?: number;
  /** Needed when `dropout` is above 0. */
  readonly random?: Random;
}

/** A caption laid out on the model's caption positions. */
export interface EncodedCaption {
  /** [length] int32: the caption's ids, then position i's own pad id, vocabSize + i. */
  readonly ids: Int32Array;
  /** How many positions the caption fills. */
  readonly count: number;
  /** Whether the caption was too long and lost its end. */
  readonly cut: boolean;
}

const vocabSizeCheck = wholeCheck({ least: 256, most: 1 << 20 });
const lengthCheck = wholeCheck({ least: 1, most: 1 << 20 });
const captionsCheck: Check = {
  expected: 'a list of texts',
  fits: value => typeof value === 'object' && value !== null && Symbol.iterator in value,
};
const idsCheck: Check = {
  expected: 'an array of ids',
  fits: value => Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value),
};

/** Words up to this length are remembered with their ids, as many as this. */
const CACHED_WORD_LENGTH = 64;
const CACHED_WORDS = 65536;

/** A byte-level BPE tokenizer for captions. */
export class BpeTokenizer {
  /** One more than the largest id; pads are not counted. */
  readonly vocabSize: number;
  private readonly json: Readonly<Record<string, unknown>>;
  private readonly spec: TokenizerSpec;
  private readonly merger: Merger;
  /** Ids of the 256 bytes. */
  private readonly byteIds: Int32Array;
  /** The bytes each id stands for; undefined where the file leaves an id out. */
  private readonly bytes: readonly (Uint8Array | undefined)[];
  private readonly wholeWords: ReadonlyMap<string, number>;
  private readonly splitRaw: (text: string) => (string | AddedToken)[];
  private readonly splitNormalized: (text: string) => (string | AddedToken)[];
  private readonly cache = new Map<string, Int32Array>();

  private constructor(json: Readonly<Record<string, unknown>>, spec: TokenizerSpec) {
    const { tokens, added } = spec;
    this.json = json;
    this.spec = spec;
    this.vocabSize = added.reduce((size, { id }) => Math.max(size, id + 1), tokens.length);
    this.merger = new Merger(spec.merges, spec.results, this.vocabSize);
    const ids = new Map<string, number>();
    for (const [id, token] of tokens.entries()) if (token !== undefined) ids.set(token, id); // a file may leave ids out
    this.wholeWords = spec.ignoreMerges ? ids : new Map();
    this.byteIds = Int32Array.from({ length: 256 }, (_, byte) => ids.get(BYTE_CHARS[byte])!); // checked by the reader
    const bytes = Array.from(tokens, token => (token === undefined ? token : fromByteChars(token)));
    for (const { id, content } of added) bytes[id] = utf8.encode(content);
    this.bytes = bytes;
    const normalized = added.filter(token => token.normalized);
    this.splitRaw = splitter(added.filter(token => !token.normalized).map(token => [token.content, token]));
    this.splitNormalized = splitter(normalized.map(token => [spec.normalize(token.content), token]));
  }

  /**
   * Learns a vocabulary from captions. It is smaller than asked for where no pair of tokens occurs twice any more. The
   * same captions give the same tokenizer, in any order.
   * @param captions read once
   * @param options.vocabSize at least 256, the bytes
   * @throws UserError if the captions are no list of texts, or the size does not fit
   */
  static train(captions: Iterable<string>, options: { readonly vocabSize?: number } = {}): BpeTokenizer {
    return BpeTokenizer.fromJSON(finished(trainInPieces(captions, options)));
  }

  /**
   * `train`, which lets other work of this process have its turn: that of a long list of captions takes minutes.
   * @param options.pause awaited after every piece of work; what it throws ends the training
   * @throws UserError as `train` does
   */
  static async trainPausing(
    captions: Iterable<string>,
    options: { readonly vocabSize?: number; readonly pause: () => Promise<void> },
  ): Promise<BpeTokenizer> {
    const work = trainInPieces(captions, options);
    for (;;) {
      const { done, value } = work.next();
      if (done === true) return BpeTokenizer.fromJSON(value);
      await options.pause();
    }
  }

  /**
   * Takes a parsed tokenizer.json, ours or that of any Hugging Face byte-level BPE.
   * @param where the file's name, for messages
   * @throws UserError naming what is wrong or not supported
   */
  static fromJSON(json: unknown, where = 'tokenizer.json'): BpeTokenizer {
    const spec = readTokenizerJson(json, where);
    return new BpeTokenizer(json as Record<string, unknown>, spec); // an object, as the reader has checked
  }

  /** The tokenizer.json; `JSON.stringify(tokenizer)` writes it. */
  toJSON(): Readonly<Record<string, unknown>> {
    return this.json;
  }

  /** Differs between tokenizers that could encode a caption differently: what a model remembers of its own. */
  get fingerprint(): string {
    const { normalizer, pre_tokenizer: preTokenizer, model, added_tokens: added } = this.json;
    const { tokens, merges } = this.spec;
    const { ignore_merges: ignoreMerges = false } = model as Record<string, unknown>; // checked by the reader
    const content = JSON.stringify([normalizer, preTokenizer, ignoreMerges, added, tokens, merges]);
    return sha256(utf8.encode(content)).slice(0, 16);
  }

  /** The caption as it is encoded: lower-cased, NFC, without white space around it (for tokenizers we trained). */
  normalize(caption: string): string {
    return this.spec.normalize(caption.replace(/\p{Surrogate}/gu, '\ufffd')); // half a character has no UTF-8
  }

  /**
   * A caption's ids, as many as there are, without pads.
   * @returns int32, owned by the caller; empty for an empty caption
   * @throws UserError if the caption is not text, or the dropout does not fit
   */
  encode(caption: string, options: EncodeOptions = {}): Int32Array {
    return Int32Array.from(this.encodeUpTo(caption, Infinity, options));
  }

  /**
   * A caption's ids on exactly `length` positions, padded or cut.
   * @throws UserError if the caption is not text, or an option does not fit
   */
  encodeCaption(caption: string, options: EncodeOptions & { readonly length?: number } = {}): EncodedCaption {
    const { length = 256 } = options;
    checkValue('BpeTokenizer.encodeCaption: length', length, lengthCheck);
    const found = this.encodeUpTo(caption, length, options);
    const count = Math.min(found.length, length);
    const ids = Int32Array.from({ length }, (_, i) => (i < count ? found[i] : this.vocabSize + i));
    return { ids, count, cut: found.length > length };
  }

  /**
   * The text of ids. Pads, ids from `vocabSize` on, have none; bytes that are not UTF-8 become U+FFFD.
   * @throws UserError for ids that are negative or stand for nothing
   */
  decode(ids: ArrayLike<number>): string {
    checkValue('BpeTokenizer.decode: ids', ids, idsCheck);
    const chunks: Uint8Array[] = [];
    for (let i = 0; i < ids.length; i++) {
      if (ids[i] >= this.vocabSize) continue;
      const bytes = this.bytes[ids[i]];
      if (bytes === undefined)
        throw new UserError('BpeTokenizer.decode', `expected ids of tokens, got ${ids[i]} at ${i}`);
      chunks.push(bytes);
    }
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(joined(chunks));
    return this.spec.addPrefixSpace && text.startsWith(' ') ? text.slice(1) : text;
  }

  /** Encodes until the caption ends or more than `limit` ids are there. */
  private encodeUpTo(caption: string, limit: number, { dropout = 0, random }: EncodeOptions): number[] {
    if (typeof caption !== 'string') checkValue('BpeTokenizer.encode: caption', caption, textCheck);
    if (!(dropout >= 0 && dropout <= 1) || (dropout > 0 && random === undefined)) {
      throw new UserError('BpeTokenizer.encode', `expected dropout in [0, 1], and random with it, got ${dropout}`);
    }
    const ids: number[] = [];
    for (const section of this.splitRaw(caption)) {
      if (typeof section !== 'string') {
        ids.push(section.id);
        continue;
      }
      for (const part of this.splitNormalized(this.spec.normalize(section))) {
        if (typeof part !== 'string') {
          ids.push(part.id);
          continue;
        }
        for (const word of splitWords(this.spec.addPrefixSpace ? withPrefixSpace(part) : part)) {
          if (ids.length > limit) return ids;
          for (const id of dropout > 0 ? this.mergeWord(word, dropout, random) : this.lookUp(word)) ids.push(id);
        }
      }
    }
    return ids;
  }

  private lookUp(word: string): Int32Array {
    const known = this.cache.get(word);
    if (known !== undefined) return known;
    const ids = this.mergeWord(word);
    if (word.length <= CACHED_WORD_LENGTH) {
      if (this.cache.size >= CACHED_WORDS) this.cache.clear();
      this.cache.set(word, ids);
    }
    return ids;
  }

  private mergeWord(word: string, dropout = 0, random?: Random): Int32Array {
    const whole = this.spec.ignoreMerges ? this.wholeWords.get(toByteChars(word)) : undefined;
    if (whole !== undefined) return Int32Array.of(whole);
    const symbols = Int32Array.from(utf8.encode(word), byte => this.byteIds[byte]);
    return symbols.subarray(0, this.merger.apply(symbols, dropout, random));
  }
}

const utf8 = new TextEncoder();

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** Captions that are counted between two pauses. */
const CAPTIONS_AT_ONCE = 4096;

/** The tokenizer.json of captions, in pieces of work. @throws UserError as `BpeTokenizer.train` does */
function* trainInPieces(
  captions: Iterable<string>,
  { vocabSize = 16384 }: { readonly vocabSize?: number },
): Generator<undefined, Readonly<Record<string, unknown>>, undefined> {
  checkValue('BpeTokenizer.train: vocabSize', vocabSize, vocabSizeCheck);
  checkValue('BpeTokenizer.train: captions', captions, captionsCheck);
  const counts = new Map<string, number>();
  let counted = 0;
  for (const caption of captions) {
    checkValue('BpeTokenizer.train: captions', caption, textCheck);
    for (const word of splitWords(withPrefixSpace(normalizeCaption(caption)))) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    if (++counted % CAPTIONS_AT_ONCE === 0) yield;
  }
  const words = new Map(Array.from(counts, ([word, count]) => [toByteChars(word), count]));
  return writeTokenizerJson(yield* mergesInPieces(words, vocabSize));
}

function withPrefixSpace(text: string): string {
  return text === '' || text.startsWith(' ') ? text : ` ${text}`;
}

/** Cuts text at tokens given by their text; of those that start at one place the longest is taken. */
function splitter(entries: readonly (readonly [string, AddedToken])[]): (text: string) => (string | AddedToken)[] {
  const tokens = new Map(entries.filter(([content]) => content !== ''));
  if (tokens.size === 0) return text => (text === '' ? [] : [text]);
  const longestFirst = [...tokens.keys()].sort((a, b) => b.length - a.length);
  const escaped = longestFirst.map(content => content.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'));
  const pattern = new RegExp(`(${escaped.join('|')})`, 'u');
  return text =>
    text
      .split(pattern)
      .filter(part => part !== '')
      .map(part => tokens.get(part) ?? part);
}
