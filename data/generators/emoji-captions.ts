/**
 * @file The captions of an emoji's drawing: its name with the style and without, the plainer name that some have likewise, then
 * how else the name is said, and other names. The first is the one that a model is judged by on what was held out.
 *
 * A caption that is no name belongs to one emoji alone: to the first that has it, and to none where it is the name of another.
 * So nothing that is said of a held-out emoji has been said of a trained one.
 */

import { aliasesByKey, type Keywords } from './emoji-aliases.ts';
import { bareNameOf, otherPhraseOf, phraseOf, tonesInWords, untoned, withStyle, withTones } from './emoji-names.ts';
import { wordingsOf } from './emoji-wordings.ts';

/** A drawing has at most so many captions, unless its names alone are more. */
export const MOST_CAPTIONS = 8;
const MOST_WORDINGS = 2;
const MOST_ALIASES = 3;

/** What to make captions from. */
export interface EmojiWords {
  /** The icon's name of every emoji by its key, in all styles. */
  readonly names: ReadonlyMap<string, string>;
  /** The kind of every emoji by its key, e.g. `food drink`. */
  readonly kinds: ReadonlyMap<string, string>;
  readonly keywords: Keywords;
}

/** Says the captions of a drawing. @param keys the emoji that it stands for; @param style the icon set */
export type SayCaptions = (keys: readonly string[], style: string) => string[];

export function emojiCaptions(words: EmojiWords): SayCaptions {
  const { names } = words;
  const more = otherCaptions(words);
  return (keys, style) => {
    const spoken = keys.map(key => ({ key, name: names.get(key) ?? key }));
    const phrases = spoken.map(({ name, key }) => phraseOf(name, key));
    const others = spoken.flatMap(({ name, key }) => otherPhraseOf(name, key) ?? []);
    const named = [...new Set([...phrases, ...others])].flatMap(phrase => [withStyle(phrase, style), phrase]);
    const rest = keys.flatMap(key => more.get(key) ?? []);
    return [...named, ...rest.slice(0, Math.max(0, MOST_CAPTIONS - named.length))];
  };
}

/** What else is said of every emoji, by its key: none is the name of another, and no two emoji have one in common. */
function otherCaptions({ names, kinds, keywords }: EmojiWords): Map<string, string[]> {
  const bare = new Map([...names].map(([key, name]) => [key, bareNameOf(name)]));
  const aliases = aliasesByKey(keywords, bare, key => kinds.get(key));
  const taken = new Set([...names].flatMap(([key, name]) => [phraseOf(name, key), otherPhraseOf(name, key)]));
  const captions = new Map<string, string[]>();
  for (const [key, name] of bare) {
    const tones = tonesInWords(key);
    const said = [
      ...wordingsOf(name).slice(0, MOST_WORDINGS),
      ...(aliases.get(untoned(key)) ?? []).slice(0, MOST_ALIASES),
    ].map(phrase => withTones(phrase, key));
    const fresh = [...(tones === undefined ? [] : [`${tones} ${name}`]), ...said].filter(phrase => !taken.has(phrase));
    for (const phrase of fresh) taken.add(phrase);
    captions.set(key, fresh);
  }
  return captions;
}
