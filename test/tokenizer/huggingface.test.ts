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
