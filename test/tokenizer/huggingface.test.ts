/** @file tokenizer.json files that others made: read as transformers.js reads them, or refused by name. */
import { PreTrainedTokenizer } from '@huggingface/transformers';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';

const ours = JSON.parse(JSON.stringify(BpeTokenizer.train(['a red apple', 'two red apples', 'red red'])));

/** A file as GPT-2 has it: no normaliser, no space before the text, merges as pairs, a token for the end of text. */
function gpt2Like(changes: Record<string, unknown> = {}, model: Record<string, unknown> = {}): Record<string, unknown> {
  const size = Object.keys(ours.model.vocab).length;
  const flags = { lstrip: false, rstrip: false, single_word: false };
  return {
    ...ours,
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
    post_processor: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false },
    added_tokens: [
      { id: size, content: '<|endoftext|>', special: true, normalized: false, ...flags },
      { id: size + 2, content: '<Big>', special: false, normalized: true, ...flags },
    ],
    ...changes,
    model: { ...ours.model, merges: ours.model.merges.map((merge: string) => merge.split(' ')), ...model },
  };
}

const TEXTS = [
  ...['red apple', ' red  Apple', '<|endoftext|>', 'red<|endoftext|>red <|endoftext|>', '<Big>red <big>', 'a\tred', ''],
  ...['<|endoftext', 'RED', "it's 12 RED!", 'é👍🏽红'],
];

describe('fromJSON', () => {
  const cases: [string, Record<string, unknown>][] = [
    ['as GPT-2 has it', gpt2Like()],
    ['lower-cased, so that an added token is too', gpt2Like({ normalizer: { type: 'Lowercase' } })],
    ['with a space before the text', gpt2Like({ pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } })],
    [
      'normalised in steps',
      gpt2Like({
        normalizer: {
          type: 'Sequence',
          normalizers: [{ type: 'NFKD' }, { type: 'Replace', pattern: { String: 'red' }, content: 'apple' }],
        },
      }),
    ],
    ['with words that need no merges', gpt2Like({}, { ignore_merges: true, merges: [] })],
  ];

  it.each(cases)('encodes as transformers.js does: %s', (_, json) => {
    const tokenizer = BpeTokenizer.fromJSON(json);
    const theirs = new PreTrainedTokenizer(structuredClone(json), {});
    for (const text of TEXTS) expect([...tokenizer.encode(text)], text).toEqual(theirs.encode(text));
    expect(tokenizer.toJSON()).toEqual(json);
  });

  it('counts added tokens, decodes them, and knows the ids between them as nothing', () => {
    const tokenizer = BpeTokenizer.fromJSON(gpt2Like());
    const size = Object.keys(ours.model.vocab).length;
    expect(tokenizer.vocabSize).toBe(size + 3);
    expect(tokenizer.decode(tokenizer.encode('red<|endoftext|> <Big>'))).toBe('red<|endoftext|> <Big>');
    expect(() => tokenizer.decode([size + 1])).toThrow(UserError);
  });

  const bad: [unknown, string][] = [
    [null, 't.json: expected an object, got null'],
    [{}, 't.json: model: expected an object, got nothing'],
    [gpt2Like({}, { type: 'WordPiece' }), 't.json: model.type: expected BPE, got "WordPiece"'],
    [gpt2Like({}, { end_of_word_suffix: '</w>' }), 't.json: model.end_of_word_suffix: expected none, got "</w>"'],
    [gpt2Like({}, { byte_fallback: true }), 't.json: model.byte_fallback: expected none, got true'],
    [gpt2Like({}, { vocab: { a: 0 } }), 't.json: model.vocab: expected all 256 bytes, got'],
    [gpt2Like({}, { vocab: { a: 0, b: 0 } }), 't.json: model.vocab: "b": expected a whole number'],
    [gpt2Like({}, { vocab: { a: 1e9 } }), 't.json: model.vocab: "a": expected a whole number'],
    [gpt2Like({}, { merges: ['a zz'] }), 't.json: model.merges[0]: expected two tokens'],
    [gpt2Like({}, { merges: [7] }), 't.json: model.merges[0]: expected two tokens'],
    [gpt2Like({ decoder: { type: 'WordPiece' } }), 't.json: decoder.type: expected ByteLevel'],
    [
      gpt2Like({ post_processor: { type: 'TemplateProcessing' } }),
      't.json: post_processor: expected ByteLevel or none',
    ],
    [gpt2Like({ pre_tokenizer: { type: 'Whitespace' } }), 't.json: pre_tokenizer.type: expected ByteLevel'],
    [gpt2Like({ pre_tokenizer: { type: 'ByteLevel', use_regex: false } }), 't.json: pre_tokenizer.use_regex'],
    [gpt2Like({ normalizer: { type: 'Nmt' } }), 't.json: normalizer.type: expected Lowercase'],
    [
      gpt2Like({ normalizer: { type: 'Replace', pattern: { Regex: 'a' }, content: '' } }),
      't.json: normalizer: expected Replace of a String',
    ],
    [gpt2Like({ added_tokens: [{ id: 1, content: 'x', lstrip: true }] }), 't.json: added_tokens[0].lstrip'],
  ];
  it.each(bad)('refuses what it does not do: %#', (json, message) => {
    const read = () => BpeTokenizer.fromJSON(json, 't.json');
    expect(read).toThrow(UserError);
    expect(read).toThrow(message);
  });
});

describe('a tokenizer.json of a stranger', () => {
  const replace = (count: number) => ({
    type: 'Sequence',
    normalizers: Array.from({ length: count }, () => ({
      type: 'Replace',
      pattern: { String: 'e' },
      content: 'e'.repeat(10),
    })),
  });
  const nested = (levels: number): unknown => {
    let normalizer: unknown = { type: 'Lowercase' };
    for (let i = 0; i < levels; i++) normalizer = { type: 'Sequence', normalizers: [normalizer] };
    return normalizer;
  };

  it('may leave ids of its vocabulary out', () => {
    const { vocab } = ours.model as { vocab: Record<string, number> };
    const sparse = Object.fromEntries(Object.entries(vocab).map(([token, id]) => [token, 3 * id + 1]));
    for (const more of [{}, { ignore_merges: true }]) {
      const tokenizer = BpeTokenizer.fromJSON(gpt2Like({ added_tokens: [] }, { vocab: sparse, ...more }));
      const plain = BpeTokenizer.fromJSON(gpt2Like({ added_tokens: [] }, more));
      expect(tokenizer.vocabSize).toBe(3 * (plain.vocabSize - 1) + 2);
      expect([...tokenizer.encode('red apple')]).toEqual([...plain.encode('red apple')].map(id => 3 * id + 1));
      expect(tokenizer.decode(tokenizer.encode('red apple'))).toBe('red apple');
      expect(() => tokenizer.decode([0])).toThrow('expected ids of tokens, got 0');
    }
  });

  it('may have tokens that are called as what every object has', () => {
    const { vocab } = ours.model as { vocab: Record<string, number> };
    const json = JSON.stringify({ ...vocab, constructor: 5000 }).replace(
      '"constructor"',
      '"__proto__":5001,"constructor"',
    );
    const tokenizer = BpeTokenizer.fromJSON(
      gpt2Like({ added_tokens: [] }, { vocab: JSON.parse(json), ignore_merges: true }),
    );
    expect([...tokenizer.encode('constructor')]).toEqual([5000]);
    expect([...tokenizer.encode('__proto__')]).not.toEqual([]);
    expect(tokenizer.decode([5001, 5000])).toBe('__proto__constructor');
  });

  it('does not make gigabytes of a caption: what grows beyond measure is refused when it does', () => {
    const tokenizer = BpeTokenizer.fromJSON(gpt2Like({ normalizer: replace(9) }));
    expect(() => tokenizer.encode('e'.repeat(100))).toThrow(
      /^tokenizer\.json: normalizer: makes a text of 100 letters longer than 65536$/,
    );
    const twice = BpeTokenizer.fromJSON(gpt2Like({ normalizer: replace(2) }));
    expect(twice.decode(twice.encode('e'))).toBe('e'.repeat(100));
  });

  it.each<[string, unknown, RegExp]>([
    ['65 steps', replace(65), /expected at most 64 steps, got 65/],
    ['nine lists in one another', nested(9), /expected at most 8 Sequences in one another/],
    [
      'a replacement of 65 letters',
      { type: 'Replace', pattern: { String: 'e' }, content: 'e'.repeat(65) },
      /by at most 64 letters/,
    ],
  ])('refuses a normalizer of %s', (_, normalizer, says) => {
    expect(() => BpeTokenizer.fromJSON(gpt2Like({ normalizer }))).toThrow(says);
  });

  it('refuses what no program can walk through in one line', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
    expect(() => BpeTokenizer.fromJSON(gpt2Like({ normalizer: deep }))).toThrow(
      'tokenizer.json: normalizer: expected an object, got something that JSON cannot hold',
    );
    expect(() => BpeTokenizer.fromJSON(gpt2Like({ normalizer: nested(20_000) }))).toThrow('at most 8 Sequences');
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>, RegExp]>([
    ['a merge of what is not there', {}, { merges: ['r zz'] }, /merges\[0\]: expected two tokens of the vocabulary/],
    ['a merge that makes nothing', {}, { merges: ['z q'] }, /merges\[0\]/],
    ['an id of 2^32', {}, { vocab: { ...ours.model.vocab, zz: 2 ** 32 } }, /a whole number up to 4194304/],
    ['one id for two tokens', {}, { vocab: { ...ours.model.vocab, zz: 0 } }, /of its own/],
    [
      'too many added tokens',
      { added_tokens: Array(16385).fill({ id: 1, content: 'x' }) },
      {},
      /expected at most 16384 tokens/,
    ],
    ['an added id that is none', { added_tokens: [{ id: 1e9, content: 'x' }] }, {}, /added_tokens\[0\]/],
  ])('refuses %s', (_, changes, model, says) => {
    expect(() => BpeTokenizer.fromJSON(gpt2Like(changes, model))).toThrow(says);
  });
});
