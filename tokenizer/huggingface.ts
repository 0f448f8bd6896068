/**
 * @file The Hugging Face tokenizer.json of a byte-level BPE: written for what we train, and read with checks, also where
 * others made it. What such a file can ask for and we do not do is refused by name, never ignored.
 * @see https://huggingface.co/docs/tokenizers/components
 */
import { isRecord } from '../src/core/checks.ts';
import { UserError } from '../src/core/errors.ts';
import { CHAR_BYTES } from './bytes.ts';
import type { Vocabulary } from './merges.ts';

/** A token matched in the text itself, before words are cut. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Whether it is looked for in the text as it came, or after normalisation. */
  readonly normalized: boolean;
}

/** What a tokenizer.json says, checked. */
export interface TokenizerSpec extends Vocabulary {
  /** The id each merge makes. */
  readonly results: Int32Array;
  readonly normalize: (text: string) => string;
  /** A space is put before text that starts without one, so that the first word is spelt as it is elsewhere. */
  readonly addPrefixSpace: boolean;
  /** A word that is in the vocabulary is that token, whatever the merges say. */
  readonly ignoreMerges: boolean;
  readonly added: readonly AddedToken[];
}

type Json = Readonly<Record<string, unknown>>;

/**
 * What is done to a caption before it is cut into words: lower case, NFC (file names on macOS are NFD), no white space
 * around it. The first three steps remove what Rust and JavaScript see differently, so that both readers of the file
 * agree: whether U+FEFF and U+0085 are white space, and whether a capital sigma that ends a word becomes a final one.
 */
const NORMALIZER = {
  type: 'Sequence',
  normalizers: [
    { type: 'Replace', pattern: { String: '\ufeff' }, content: '' },
    { type: 'Replace', pattern: { String: '\u0085' }, content: ' ' },
    { type: 'Replace', pattern: { String: 'Σ' }, content: 'σ' },
    { type: 'Lowercase' },
    { type: 'NFC' },
    { type: 'Strip', strip_left: true, strip_right: true },
  ],
};

/** What a normalizer does to a text, one step after another. */
type Steps = readonly ((text: string) => string)[];

/** Steps of a normalizer, and lists of steps inside one another; those that people use have a handful. */
const MOST_STEPS = 64;
const MOST_NESTED = 8;
/** Letters that a step puts in the place of some. */
const MOST_CONTENT = 64;
/** Letters up to which a text may be made longer by any factor; from there on by this one at most. */
const SHORT = 1 << 16;
const MOST_GROWTH = 4;

/** The normalisation of captions by tokenizers we train. */
export const normalizeCaption: (text: string) => string = bounded(
  readNormalizer(NORMALIZER, 'normalizer'),
  'normalizer',
);

/** The tokenizer.json of a vocabulary we trained. */
export function writeTokenizerJson({ tokens, merges }: Vocabulary): Json {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: NORMALIZER,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map(([left, right]) => `${tokens[left]} ${tokens[right]}`),
    },
  };
}

/**
 * Reads a tokenizer.json. `truncation`, `padding` and the model's own `dropout` do not concern us and are not read.
 * @param where the file's name, for messages
 * @throws UserError naming what is wrong or not supported
 */
export function readTokenizerJson(json: unknown, where: string): TokenizerSpec {
  const root = object(json, where);
  const model = object(root.model, `${where}: model`);
  const type = model.type ?? 'BPE'; // old files leave it out
  if (type !== 'BPE') throw unsupported(`${where}: model.type`, 'BPE', type);
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix', 'byte_fallback']) {
    if (model[key]) throw unsupported(`${where}: model.${key}`, 'none', model[key]);
  }
  const post = root.post_processor ?? null;
  if (post !== null && object(post, `${where}: post_processor`).type !== 'ByteLevel') {
    throw unsupported(`${where}: post_processor`, 'ByteLevel or none', post);
  }
  const decoder = object(root.decoder, `${where}: decoder`);
  if (decoder.type !== 'ByteLevel') throw unsupported(`${where}: decoder.type`, 'ByteLevel', decoder.type);

  const ids = readVocab(model.vocab, `${where}: model.vocab`);
  const tokens: string[] = [];
  for (const [token, id] of ids) tokens[id] = token;
  const added = readAddedTokens(root.added_tokens, `${where}: added_tokens`);
  const { merges, results } = readMerges(model.merges, ids, `${where}: model.merges`);
  return {
    tokens,
    merges,
    results,
    normalize: bounded(readNormalizer(root.normalizer ?? null, `${where}: normalizer`), `${where}: normalizer`),
    addPrefixSpace: readPreTokenizer(root.pre_tokenizer, `${where}: pre_tokenizer`),
    ignoreMerges: model.ignore_merges === true,
    added,
  };
}

function unsupported(where: string, expected: string, got: unknown): UserError {
  return new UserError(
    where,
    `expected ${expected}, got ${shortJson(got)}`,
    'only byte-level BPE tokenizers are supported',
  );
}

function shortJson(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? 'nothing';
  } catch {
    return 'something that JSON cannot hold'; // an object of a program: what is read from a file is not deep
  }
  return text.length > 120 ? `${text.slice(0, 120)}...` : text;
}

function object(value: unknown, where: string): Json {
  if (isRecord(value)) return value;
  throw unsupported(where, 'an object', value);
}

function readVocab(value: unknown, where: string): Map<string, number> {
  const ids = new Map<string, number>();
  const seen = new Set<number>();
  for (const [token, id] of Object.entries(object(value, where))) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAX_ID || seen.has(id)) {
      throw unsupported(`${where}: ${JSON.stringify(token)}`, `a whole number up to ${MAX_ID} of its own`, id);
    }
    ids.set(token, id);
    seen.add(id);
  }
  const missing = [...CHAR_BYTES].find(([char]) => !ids.has(char));
  if (missing !== undefined) {
    throw unsupported(where, 'all 256 bytes', `no ${JSON.stringify(missing[0])} (byte ${missing[1]})`);
  }
  return ids;
}

/** No vocabulary is this large; a typing error in a file must not fill the memory. */
const MAX_ID = 2 ** 22;

function readMerges(
  value: unknown,
  ids: ReadonlyMap<string, number>,
  where: string,
): { merges: [number, number][]; results: Int32Array } {
  if (!Array.isArray(value)) throw unsupported(where, 'a list', value);
  const results = new Int32Array(value.length);
  const merges = value.map((merge: unknown, rank): [number, number] => {
    const pair: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    const [left, right] = Array.isArray(pair) && pair.length === 2 ? pair : [];
    const [leftId, rightId, id] = [ids.get(left), ids.get(right), ids.get(left + right)];
    if (leftId === undefined || rightId === undefined || id === undefined) {
      throw unsupported(`${where}[${rank}]`, 'two tokens of the vocabulary that make a third', merge);
    }
    results[rank] = id;
    return [leftId, rightId];
  });
  return { merges, results };
}

/** Tokens that are looked for in the text itself, all at once. */
const MOST_ADDED = 1 << 14;

function readAddedTokens(value: unknown, where: string): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw unsupported(where, 'a list', value);
  if (value.length > MOST_ADDED) throw unsupported(where, `at most ${MOST_ADDED} tokens`, value.length);
  return value.map((entry: unknown, i) => {
    const { id, content, normalized, ...flags } = object(entry, `${where}[${i}]`);
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAX_ID || typeof content !== 'string') {
      throw unsupported(`${where}[${i}]`, '{ id, content, ... }', entry);
    }
    for (const flag of ['lstrip', 'rstrip', 'single_word']) {
      if (flags[flag]) throw unsupported(`${where}[${i}].${flag}`, 'false', flags[flag]);
    }
    return { id, content, normalized: normalized === true };
  });
}

/** Returns whether a space is put before the text. */
function readPreTokenizer(value: unknown, where: string): boolean {
  const { type, use_regex: useRegex, add_prefix_space: addPrefixSpace } = object(value, where);
  if (type !== 'ByteLevel') throw unsupported(`${where}.type`, 'ByteLevel', type);
  if (useRegex === false) throw unsupported(`${where}.use_regex`, 'true', useRegex);
  return addPrefixSpace === true;
}

/**
 * Steps as one function.
 * @throws UserError, when it is called, if the text grows beyond measure: a few steps that replace a letter by ten of it
 *   make a gigabyte of a caption
 */
function bounded(steps: Steps, where: string): (text: string) => string {
  if (steps.length > MOST_STEPS) throw unsupported(where, `at most ${MOST_STEPS} steps`, steps.length);
  return text => {
    const most = Math.max(SHORT, MOST_GROWTH * text.length);
    let result = text;
    for (const step of steps) {
      result = step(result);
      if (result.length > most) {
        throw new UserError(
          where,
          `makes a text of ${text.length} letters longer than ${most}`,
          'do not use this file',
        );
      }
    }
    return result;
  };
}

/** Follows the Rust library where it and transformers.js differ. */
function readNormalizer(value: unknown, where: string, nested = 0): Steps {
  if (value === null) return [];
  const { type, ...options } = object(value, where);
  switch (type) {
    case 'Lowercase':
      // Letter by letter: JavaScript alone makes a capital sigma at the end of a word a final sigma.
      return [text => text.replaceAll('Σ', 'σ').toLowerCase()];
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return [text => text.normalize(type)];
    case 'Strip': {
      const left = options.strip_left === false ? /(?!)/u : /^\p{White_Space}+/u;
      const right = options.strip_right === false ? /(?!)/u : /(?<!\p{White_Space})\p{White_Space}+$/u;
      return [text => text.replace(left, '').replace(right, '')];
    }
    case 'Replace': {
      const { String: pattern } = object(options.pattern, `${where}.pattern`);
      const { content } = options;
      if (
        typeof pattern !== 'string' ||
        pattern === '' ||
        typeof content !== 'string' ||
        content.length > MOST_CONTENT
      ) {
        throw unsupported(where, `Replace of a String pattern by at most ${MOST_CONTENT} letters`, value);
      }
      return [text => text.replaceAll(pattern, () => content)];
    }
    case 'Sequence': {
      if (!Array.isArray(options.normalizers)) throw unsupported(`${where}.normalizers`, 'a list', options.normalizers);
      if (nested === MOST_NESTED) throw unsupported(where, `at most ${MOST_NESTED} Sequences in one another`, type);
      return options.normalizers.flatMap((step: unknown, i) =>
        readNormalizer(step, `${where}.normalizers[${i}]`, nested + 1),
      );
    }
    default:
      throw unsupported(`${where}.type`, 'Lowercase, NFC, NFD, NFKC, NFKD, Strip, Replace or Sequence', type);
  }
}
