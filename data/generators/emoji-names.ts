/**
 * @file From an emoji's name to its captions. The icon sets name one emoji slightly differently ("person-elf", "elf"); here
 * every code point has one name, so that all styles teach the same words. Phrases are regular on purpose: what is drawn, the
 * skin tone after a comma, the style last: "woman raising hand, medium-dark skin tone, noto style".
 */

/** How each style is named in captions. */
const STYLE_WORDS: Readonly<Record<string, string>> = { 'fluent-emoji-flat': 'fluent' };

/** Unicode's five skin tone modifiers, as code points in an emoji's key. */
const TONES: Readonly<Record<string, string>> = {
  '1f3fb': 'light',
  '1f3fc': 'medium-light',
  '1f3fd': 'medium',
  '1f3fe': 'medium-dark',
  '1f3ff': 'dark',
};
const TONE_WORDS = /-(medium-light|medium-dark|light|medium|dark)-skin-tone/g;

/** Names whose hyphens, accents or word order need a hand. */
const SPECIAL: Readonly<Record<string, string>> = {
  't-shirt': 't-shirt',
  't-rex': 't-rex',
  'x-ray': 'x-ray',
  'yo-yo': 'yo-yo',
  'e-mail': 'e-mail',
  'fleur-de-lis': 'fleur-de-lis',
  'jack-o-lantern': "jack-o'-lantern",
  pinata: 'piñata',
  zzz: 'zzz',
  'mans-shoe': "man's shoe",
  'mens-room': "men's room",
  'womans-boot': "woman's boot",
  'womans-clothes': "woman's clothes",
  'womans-hat': "woman's hat",
  'womans-sandal': "woman's sandal",
  'womens-room': "women's room",
  'rescue-workers-helmet': "rescue worker's helmet",
  'mrs-claus': 'mrs. claus',
  'mx-claus': 'mx. claus',
  'yin-yang': 'yin yang',
  'non-potable-water': 'non-potable water',
  'tear-off-calendar': 'tear-off calendar',
  'snow-capped-mountain': 'snow-capped mountain',
  'two-hump-camel': 'two-hump camel',
  'four-leaf-clover': 'four-leaf clover',
  'front-facing-baby-chick': 'front-facing baby chick',
  'a-button-blood-type': 'a button, blood type',
  'b-button-blood-type': 'b button, blood type',
  'ab-button-blood-type': 'ab button, blood type',
  'o-button-blood-type': 'o button, blood type',
  'globe-showing-americas': 'globe showing the americas',
  'globe-showing-asia-australia': 'globe showing asia and australia',
  'globe-showing-europe-africa': 'globe showing europe and africa',
  'pool-8-ball': 'pool 8 ball',
};

/** Plain words that people type for what Unicode names more formally; each is one more caption. */
const ALSO: Readonly<Record<string, string>> = {
  automobile: 'car',
  'sport-utility-vehicle': 'suv',
  locomotive: 'steam train',
  'delivery-truck': 'truck',
  'fire-engine': 'fire truck',
  'motor-scooter': 'scooter',
  bicycle: 'bike',
  'soccer-ball': 'football',
  cooking: 'fried egg',
  'hot-beverage': 'cup of coffee',
  'teacup-without-handle': 'cup of tea',
  'beer-mug': 'glass of beer',
  'wine-glass': 'glass of red wine',
  'red-apple': 'apple',
  tangerine: 'orange fruit',
  'soft-ice-cream': 'ice cream cone',
  shortcake: 'slice of cake',
  'french-fries': 'fries',
  'ear-of-corn': 'corn',
  'red-heart': 'heart',
  'grinning-face': 'smiley',
  'slightly-smiling-face': 'smile',
  'face-with-tears-of-joy': 'laughing face',
  'loudly-crying-face': 'sobbing face',
  'enraged-face': 'red angry face',
  'pile-of-poo': 'poop',
  honeybee: 'bee',
  'lady-beetle': 'ladybug',
  'spouting-whale': 'whale spouting water',
  'evergreen-tree': 'pine tree',
  'deciduous-tree': 'tree',
  'high-voltage': 'lightning bolt',
  'sun-with-face': 'smiling sun',
  'flying-saucer': 'ufo',
  'desktop-computer': 'computer',
  laptop: 'laptop computer',
  'cat-face': 'kitten',
  'dog-face': 'puppy',
  'mobile-phone': 'phone',
  'wrapped-gift': 'present',
  'party-popper': 'confetti party popper',
  'gem-stone': 'diamond gem',
  spectacles: 'glasses',
  'smiling-face-with-sunglasses': 'cool face with sunglasses',
  'crescent-moon': 'moon',
  'house-with-garden': 'house with a tree',
  'police-car-light': 'siren',
  locked: 'padlock',
  'video-game': 'game controller',
  memo: 'note and pencil',
  'person-running': 'runner',
  'santa-claus': 'father christmas',
  'hundred-points': '100 points',
};

const HAIR: Readonly<Record<string, string>> = {
  beard: 'a beard',
  'red-hair': 'red hair',
  'blond-hair': 'blond hair',
  'white-hair': 'white hair',
  'curly-hair': 'curly hair',
};

/** An emoji's key: its code points without the variation selector, e.g. `1f468-1f3fd-200d-1f9b0`. */
export function keyOf(characters: string): string {
  return characters
    .split('-')
    .filter(point => point !== 'fe0f')
    .join('-');
}

/** A key without its skin tones. */
export function untoned(key: string): string {
  return key
    .split('-')
    .filter(point => !(point in TONES))
    .join('-');
}

/** The skin tones in a key, in the order drawn. */
export function tonesOf(key: string): string[] {
  return key
    .split('-')
    .filter(point => point in TONES)
    .map(point => TONES[point]);
}

/**
 * What is drawn, in words, without the style.
 * @param name the icon's name, e.g. `man-medium-skin-tone-red-hair`; @param key its code points
 */
export function phraseOf(name: string, key: string): string {
  return withTones(bareNameOf(name), key);
}

/** The name of what is drawn, in words, without skin tones: `t-shirt`, `woman raising hand`. @param name the icon's */
export function bareNameOf(name: string): string {
  return wordsOf(name.replace(TONE_WORDS, ''));
}

/** Another phrase for the same drawing, if there is a plainer one. */
export function otherPhraseOf(name: string, key: string): string | undefined {
  const plain = ALSO[name.replace(TONE_WORDS, '')];
  return plain === undefined ? undefined : withTones(plain, key);
}

/** What is drawn with the skin tones of its key, e.g. `thumb up, dark skin tone`. */
export function withTones(phrase: string, key: string): string {
  const tones = tonesInWords(key);
  return tones === undefined ? phrase : `${phrase}, ${tones}`;
}

/** The skin tones of a key in words, e.g. `light skin tone and dark skin tone`; undefined where it has none. */
export function tonesInWords(key: string): string | undefined {
  const tones = [...new Set(tonesOf(key))].map(tone => `${tone} skin tone`);
  return tones.length === 0 ? undefined : tones.join(' and ');
}

/** The caption that names the style. */
export function withStyle(phrase: string, style: string): string {
  return `${phrase}, ${STYLE_WORDS[style] ?? style} style`;
}

function wordsOf(name: string): string {
  if (name in SPECIAL) return SPECIAL[name];
  const hair = /^(man|woman|person)-(bald|beard|(?:red|blond|white|curly)-hair)$/.exec(name);
  if (hair?.[2] === 'bald') return `bald ${hair[1]}`;
  if (hair !== null) return `${hair[1]} with ${HAIR[hair[2]]}`;
  const couple = /^(kiss|couple-with-heart)-(man|woman|person)-(man|woman|person)$/.exec(name);
  if (couple !== null) return `${spaced(couple[1])}, ${couple[2]} and ${couple[3]}`;
  const family = /^family-(.+)$/.exec(name);
  if (family !== null) return `family, ${listed(family[1].split('-'))}`;
  const clock = /^([a-z]+)-(oclock|thirty)$/.exec(name);
  if (clock !== null) return clock[2] === 'oclock' ? `clock at ${clock[1]} o'clock` : `clock at half past ${clock[1]}`;
  if (name.startsWith('flag-')) return `flag of ${spaced(name.slice(5))}`;
  return spaced(name);
}

function spaced(name: string): string {
  return name.replaceAll('-', ' ');
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words[words.length - 1]}`;
}
