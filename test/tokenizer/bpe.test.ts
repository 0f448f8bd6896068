/** @file The caption tokenizer, against the Hugging Face libraries: transformers.js live, the Rust one by its results. */
import { PreTrainedTokenizer } from '@huggingface/transformers';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';

/** What the Rust library (tokenizers 0.23.2, BpeTrainer, min_frequency 2) learns from these captions. */
const RUST_CAPTIONS = [
  ...['a red apple', 'two red apples', 'a green apple', 'Green grapes', 'a cat with a red hat', 'the cat in the hat'],
  ...["it's a café", 'CAFÉ at night', 'aaaaaaa!', 'aaaaa !!!!!!!', '!!!!!', '红苹果 🍎', '🍎🍎 红苹果'],
];
const RUST_MERGES =
  'Ġ a|! !|a a|r e|a t|Ġ c|l e|p p|t h|ð Ł|Ġ g|Ġ re|į İ|Ġa pp|!! !!|aa aa|ðŁ įİ|Ġre d|Ġapp le|a f|e n|h at|¢ è|¹ æ|º ¢è|' +
  'Ã ©|ç º¢è|Ġ i|Ġ th|Ġ !!!!|Ġ ðŁįİ|Ġ hat|Ġ çº¢è|ĭ ¹æ|ŀ ľ|Ġa aaaa|re en|Ġc at|Ġc af|Ġg reen|Ġth e|Ġçº¢è ĭ¹æ|' +
  'Ġcaf Ã©|Ġçº¢èĭ¹æ ŀľ';
const RUST_IDS: [string, number[]][] = [
  ['A RED APPLE', [256, 273, 274]],
  ["it's the CAT", [283, 83, 6, 82, 296, 293]],
  ['\u039f\u0394\u039f\u03a3', [220, 138, 123, 138, 112, 138, 123, 139, 225]],
  ['\u0130', [283, 136, 229]],
  ['Cafe\u0301\u0085x\ufeff', [298, 220, 87]],
  ['🍎红苹果!!!!!!!aaaaaa', [286, 282, 289, 290, 270, 257, 0, 271, 258]],
  ['  two\n\nhats  ', [220, 83, 86, 78, 198, 198, 277, 82]],
  ['', []],
  [' ', []],
];

const WORDS = [
  'red',
  'Apple',
  'CAT',
  'playing',
  'the',
  'guitar',
  'grinning',
  'face',
  "don't",
  "it's",
  "we'll",
  '’s',
  'éclair',
];
const ODD = [
  ...[
    '👩‍👩‍👧‍👦',
    '❤️',
    '🏳️‍🌈',
    '👍🏽',
    '🍎',
    '红色的苹果',
    '一只猫。',
    'مُحَمَّد',
    'تفاحة',
    'हिन्दी',
    'İSTANBUL',
    'ıŞık',
    'ΟΔΟΣ',
  ],
  ...[
    'STRASSE ẞ',
    'cafe\u0301',
    'ÉCLAIR',
    'ǅ',
    'K',
    '\t',
    '\n',
    '\r\n',
    '  ',
    '\u00a0',
    '\u3000',
    '\ufeff',
    '\u0085',
    '\u200b',
    '\0',
  ],
  ...['12345', '3.14', '½', 'Ⅷ', '!!!', '...', '<|endoftext|>', '__proto__', "'s", '\ud83d', '\udc00x'],
];

/** English, odd and random captions: 2,000, with the empty, the blank and the very long among them. */
function captions(): string[] {
  const random = new Random(11);
  const list = ['', ' ', '\t\n', 'x'.repeat(20000), 'ab '.repeat(3000), '日本語テキスト'.repeat(300)];
  while (list.length < 2000) {
    const parts = Array.from({ length: 1 + random.integer(9) }, () => {
      const kind = random.integer(10);
      if (kind === 0) return String.fromCodePoint(random.integer(0xd800));
      if (kind === 1) return String.fromCodePoint(0x10000 + random.integer(0x20000));
      const source = kind < 4 ? ODD : WORDS;
      return source[random.integer(source.length)];
    });
    list.push(parts.join(random.integer(4) === 0 ? '' : ' '));
  }
  return list;
}

const all = captions();
const tokenizer = BpeTokenizer.train(all.slice(0, 1000), { vocabSize: 700 });
const stored = JSON.stringify(tokenizer);

describe('BpeTokenizer', () => {
  it('learns what the Rust library learns, and encodes as it does', () => {
    const trained = BpeTokenizer.train(RUST_CAPTIONS);
    const { merges } = JSON.parse(JSON.stringify(trained)).model;
    expect(merges.join('|')).toBe(RUST_MERGES);
    for (const [caption, ids] of RUST_IDS) expect([...trained.encode(caption)], caption).toEqual(ids);
  });

  it('is loaded by transformers.js, which encodes 2,000 captions to the same ids', () => {
    const theirs = new PreTrainedTokenizer(JSON.parse(stored), {});
    const different = all.filter(caption => String(theirs.encode(caption)) !== String([...tokenizer.encode(caption)]));
    expect(different).toEqual([]);
  });

  it('is the same tokenizer after it was stored', () => {
    const loaded = BpeTokenizer.fromJSON(JSON.parse(stored));
    expect(loaded.fingerprint).toBe(tokenizer.fingerprint);
    expect(loaded.vocabSize).toBe(700);
    const different = all.filter(caption => String(loaded.encode(caption)) !== String(tokenizer.encode(caption)));
    expect(different).toEqual([]);
  });

  it('gives the same vocabulary whatever the order of the captions, and another fingerprint to another one', () => {
    expect(BpeTokenizer.train(RUST_CAPTIONS.toReversed()).fingerprint).toBe(
      BpeTokenizer.train(RUST_CAPTIONS).fingerprint,
    );
    expect(BpeTokenizer.train(RUST_CAPTIONS, { vocabSize: 280 }).fingerprint).not.toBe(
      BpeTokenizer.train(RUST_CAPTIONS).fingerprint,
    );
  });

  it('decodes to the lower-cased caption', () => {
    const english = 'A Photo of TWO Dogs, 3.5 metres apart;  it\'s "fine"\n(é, 猫, 👩‍👩‍👧‍👦)';
    expect(tokenizer.decode(tokenizer.encode(english))).toBe(english.toLowerCase());
    for (const caption of all) expect(tokenizer.decode(tokenizer.encode(caption))).toBe(tokenizer.normalize(caption));
  });

  it('lower-cases letter by letter, composes accents and trims', () => {
    expect(tokenizer.normalize('\ufeff ΟΔΟΣ\u0085')).toBe('οδοσ');
    expect(tokenizer.normalize('İ')).toBe('i\u0307');
    expect(tokenizer.normalize('Cafe\u0301\n')).toBe('caf\u00e9');
    expect(tokenizer.normalize('a\ud83d')).toBe('a\ufffd');
  });

  it('spells the first word as it is spelt elsewhere', () => {
    expect(tokenizer.encode('the cat').slice(1)).toEqual(tokenizer.encode('cat'));
  });

  it('turns ids that are not text into something, and refuses ids that are nothing', () => {
    expect(tokenizer.decode(tokenizer.encode('é').slice(0, 2))).toMatch(/\ufffd|é/);
    expect(() => tokenizer.decode([-1])).toThrow(UserError);
  });
});

describe('BPE dropout', () => {
  const encode = (caption: string, dropout: number, seed = 1) =>
    tokenizer.encode(caption, { dropout, random: new Random(seed) });

  it('at 0 is plain, at 1 gives bytes', () => {
    for (const caption of all.slice(6, 200)) {
      expect(encode(caption, 0)).toEqual(tokenizer.encode(caption));
      const bytes = new TextEncoder().encode(tokenizer.normalize(caption)).length;
      expect(encode(caption, 1)).toHaveLength(bytes === 0 ? 0 : bytes + 1); // and the space before the text
      expect(encode(caption, 1).every(id => id < 256)).toBe(true);
    }
  });

  it('at 0.1 says the same text in other ids, the same ids for the same seed', () => {
    let longer = 0;
    for (const caption of all.slice(6, 200)) {
      const ids = encode(caption, 0.1);
      expect(tokenizer.decode(ids)).toBe(tokenizer.normalize(caption));
      expect(encode(caption, 0.1)).toEqual(ids);
      longer += Number(ids.length > tokenizer.encode(caption).length);
    }
    expect(longer).toBeGreaterThan(50);
    expect(encode(all[100], 0.5, 2)).not.toEqual(encode(all[100], 0.5, 1));
  });

  it('asks for a probability and for random numbers', () => {
    expect(() => encode('cat', 1.5)).toThrow('dropout in [0, 1]');
    expect(() => tokenizer.encode('cat', { dropout: 0.1 })).toThrow('random');
  });
});

describe('encodeCaption', () => {
  it('fills the positions that a caption leaves with their own pads', () => {
    const { ids, count, cut } = tokenizer.encodeCaption('the red apple', { length: 8 });
    const plain = tokenizer.encode('the red apple');
    expect({ count, cut }).toEqual({ count: plain.length, cut: false });
    expect([...ids]).toEqual([...plain, ...[0, 1, 2, 3, 4, 5, 6, 7].slice(count).map(i => tokenizer.vocabSize + i)]);
    expect(tokenizer.decode(ids)).toBe('the red apple');
  });

  it('gives an empty caption pads alone', () => {
    const { ids, count } = tokenizer.encodeCaption('');
    expect(count).toBe(0);
    expect([...ids]).toEqual(Array.from({ length: 256 }, (_, i) => tokenizer.vocabSize + i));
  });

  it('cuts what is too long and says so, but not what just fits', () => {
    const plain = tokenizer.encode('ab '.repeat(3000));
    const { ids, count, cut } = tokenizer.encodeCaption('ab '.repeat(3000), { length: 100 });
    expect({ count, cut }).toEqual({ count: 100, cut: true });
    expect(ids).toEqual(plain.slice(0, 100));
    const fitting = tokenizer.encode('the red apple');
    expect(tokenizer.encodeCaption('the red apple', { length: fitting.length }).cut).toBe(false);
    expect(tokenizer.encodeCaption('the red apple', { length: fitting.length - 1 }).cut).toBe(true);
  });
});

it('train asks for room for the bytes', () => {
  expect(() => BpeTokenizer.train(['a'], { vocabSize: 100 })).toThrow('a whole number from 256 to');
  expect(BpeTokenizer.train([]).vocabSize).toBe(256);
});

it('learns the same where training pauses, and ends where a pause throws', async () => {
  let pauses = 0;
  const pause = async () => {
    pauses++;
  };
  const trained = await BpeTokenizer.trainPausing(all.slice(0, 1000), { vocabSize: 700, pause });
  expect(JSON.stringify(trained)).toBe(JSON.stringify(tokenizer));
  expect(pauses).toBeGreaterThan(10);
  const stop = new Error('stop');
  const stopping = BpeTokenizer.trainPausing(all.slice(0, 1000), { vocabSize: 700, pause: () => Promise.reject(stop) });
  await expect(stopping).rejects.toBe(stop);
});
