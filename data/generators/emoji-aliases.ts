/**
 * @file Other names of emoji, from the keywords of the npm package `emojilib`. Many keywords are no names but moods, kinds
 * or signs ("nature", "like", "blue-square"), so two rules choose:
 *
 * 1. A keyword counts where at most three emoji have it, all with a word of their names in common, and names the first of them;
 *    it names a man or a woman only if no other emoji has it.
 * 2. It names a thing: no face, sign or flag has aliases, and left out are names of other emoji and the words of their names,
 *    endings of verbs and adjectives, and the words of `NO_NAMES`, found by reading what the rules gave.
 */

import { createRequire } from 'node:module';
import { UserError } from '../../src/core/errors.ts';
import { keyOf } from './emoji-names.ts';

/** Emoji with their keywords, and of which release. */
export interface Keywords {
  readonly version: string;
  /** In Unicode's order; the name and the keywords in lower case, without underscores. */
  readonly emoji: readonly { readonly key: string; readonly name: string; readonly keywords: readonly string[] }[];
}

/** Kinds of emoji that show things and people; the others show moods and signs, whose keywords say what they mean. */
const KINDS = new Set(['people body', 'animals nature', 'food drink', 'travel places', 'activities', 'objects']);

/** A word or a few, at least three letters: "noodles", "hot pot", "jack-o'-lantern". */
const WORDS = /^(?=.{3})\p{L}+(?:[ '-]\p{L}+)*$/u;
const NO_NOUN = /(?:ing|ed|ous|ful|able|ible|ly|ish|ive)$/;

/** Keywords that the rules let through and that name nothing one would draw, or something else. */
const NO_NAMES = new Set(
  `
abandon, academic, accessory, accident, accomodation, accordian, accountant, acidic, actor, add ci, address
admiralty, adviser, agriculture, aladdin, amex, amoeba, analyst, analytics, ancient, ang, ape, apology, appreciate
appreciation, approve, arabian, arabs, architectural, arctic, ariel, army, arrivals, artificial, ashes, ask, assets
assist, assistance, astronomy, athlete, athletic, athletics, attack, attendant, attraction, aviation, awareness
bait, bakkureru, ballerina, ban, band, banker, banzai, barber's, barrell, barrier, bart, batman, beacon, beat
beckon, bedroom, beers, bees, bengal, bet, between, biology, birdie, birds, birth, bisque, blade, blues, bones, born
both, bound, bowie, boys, brass, breath, breathe, brief, bro, broadcast, bromance, bureau, burn, burp, bury
butchers, butt, buy, cafe, caffeine, calculate, calm, capsule, car's, carbonation, cardboard, cardiology, career
carpenter, cartwheel, casual, cause, caution, celebrate, center, ceo, chadder, championship, charm, che, checkin
cheers, chill, chip, chirp, christ, citric, citrus, clairvoyant, clap, classroom, claw, claws, clay, clef, clerk
click, climb, clink, cloudy, cluck, cob, colada, college, colors, comb, come, comedy, compact, competition
composition, compress, compression, concierge, cone, congrats, constraint, contributors, corner, cos, costume, count
countdown, court, cozy, crate, create, credentials, creme, crime, criminal, croak, crochet, crook, crops, cruise
cube, cue, culinary, cupertino, curve, dam, data, database, day, deadline, december, deck, decline, deli, demand
demonstration, dental, departures, derby, diaper, diners, dinner, director, dislike, dismiss, display, dito
documentation, doll, donation, dormouse, downtown, drinks, drizzle, drug, dua, dumplings, dupe, dynamite, easter
eat, eclipse, edge, educator, eeyore, eighth, electronic, elementary, embroidery, energy, engagement, ensnare
enterprise, entertainer, entrance, equestrian, eruption, event, evict, evidence, evil eye, evolution, exasperation
exhalation, exit, expenses, express, eyeballs, eyesight, facepunch, facial hair, failure, fairness, falfel, farewell
fatima, favor, favorite, feats, feature, festivus, fighter, films, find, firetruck, firework, fisherman, flamboyant
flamenco, flex, flick, flip, flipper, float, flops, flour, fluctuate, flutter, force, formula, freshwater, friend
friendship, frosty, ftw, furniture, future, gate, gene, genetics, gentleman, gingerbread, glide, glittery, global
gloss, glow, gooseberry, goosebumps, gps, grain, granny, grasp, greenery, greens, groceries, grow, growth, gua
guardsman, gym, gymnastic, gymnastics, hairless, hallelujah, halt, hamam, handy, handyman, hang, harm, harvest, haul
headline, heal, healthcare, healthcheck, healthy, heels, helix, herd, heterosexual, hidden, hike, hiss, hocho
hollywood, honk, hoop, hoot, hop, hope, hour, hover, hygiene, hyperlink, idaho, idea, ignorance, ikea, imac
immortal, imperial, improve, industry, infrastructure, inhalation, inline, insert, instructment, instructor
intelligent, internationalization, interrogation, interweb, investigate, iphone, ipod, iron, iss, jabsco, jaws
jemima, jewish bakery, job, joey, jog, joint, juggle, kami, karaoke, karl, kid, kidney, kills, knee, kneel, knit
kod, kwik, kyoto, laboratory, ladies, lai, landscape, lather, launch, laundry, lavender, lazy, lead, leader, league
leftward, legolas, length, levitate, life, limb, limbs, lines, listen, lit, little, load, localization, londoneye
lord, lower left ballpoint pen, mac, mag, magnify, makeup, malaria, malt, manager, manga, mans, mao, marker, market
mart, mary, masa, masks, mastercard, maze, mcdonalds, meal, mecca, medio, meditate, mega, menstruation, meow, merry
metrics, mice, michi, mid, mimic, mindfulness, miniature, minidisk, miracle, miriam, molester, molusc, mom, momi
monitor, moo, mover, movie theater, mrt, multitask, myth, mythtical, navigation, nba, neck, nemo, new years, newyork
nfl, nicholas, night life, ninjutsu, noble, noise, noisy, nonchalant, nope, notification, notifications, oberon
observation, obsolete, octagonal, offer, ohyeah, oink, orbit, orchestra, order, orthoptera, overcast, packet
paddles, pageant, pain, pao, parasite, parlor, patrol, pattern, peek, peerson, percussion, perform, performance
performer, period, personal, pester, pests, phallic, pharmacy, physician, picard, picket, pied piper, pins, piña
plaster, platform, player, playstation, please, plumage, plush, pointe, policeman, policewoman, pollution, praise
pregnancy, preserve, press, pretty, price, primary, professional, progress, proof, prophecy, propose, prosper
prosthetic, protect, protest, psychic, pulse, pumps, punk, purchase, purity, push, putto, quartet, quench, quid
quotes, rainy, rashers, rate, ray, rays, reborn, rebound, recession, recovery, recreational, recruit, redhot, reduce
reflection, regal, regardless, regular, reindeer, repair, repercussion, research, resort, resources, respiration
responsive design, restaurant, rhythm, riches, rightward, ringer, rings, roar, rock on, rocker, rockstar, roo, roof
rotary, run, rung, saharah, salsa, sane, sanfrancisco, sarcastic, sash, sasha, sassy, saturn, saturnine, sauce, say
scenery, schmear, search, second, secure, semaphore, semi, seo, serenity, serve, set, sexy, shadow, shadows, shake
sharp, shave, sheet, shifty, shiny, shipit, shops, shout, show, shruggie, sight, silhouettes, silk, sir, sketch
skill, skills, slay, slip-on, slug, smallest, smart, smh, smith, smog, snap, snapshots, snapstreak, sniff, snowboard
snowflakes, soar, software, solar, solid, solong, song, spaceflight, speculum, spill, spin, spiny, spots, squeeze
squirt, stack, staffmode, stalk, stamp, stand, standard, star festival, starch, stare, stealth, steamroom, step
steps, still, stink, stinky, stitches, stomp, strip, stripe, strong, structure, stub, subscription, success, sucker
suction, suitup, supernature, superstition, surf, surgery, sustain, sutures, sven, sweep, sword, symphony, synagog
take, talkshow, tanzaku, taste, teach, temperature, tentacles, terrorism, thank you, theme, therapist, third, thongs
tiara, tichel, tidy, tiki, tile, titania, tobacco, toss, tour, towels, tragedy, trainer, transparent, treble
treeman, trend, triton, trunk, turn, turrets, tusk, tusks, tweet, twenty, typos, uber, ultimate, underarm
underwater, unicorn face, universe, university, unlock, unlucky, update ci, upon, upward, urban, url, useless, users
vaccination, vaccine, vegas, vegetables, venison, vice, villain, visa, vortex, vuoi, wait, wake, walking dead, wall
walt, warrior, washroom, wear, welder, when, wii, win, winners, winzip, wise, wishes, without snow, woof
work in progress, world's, worry, wound, wrap, wrestle, wrist, www, xbox, yay, yea, year, yoga, zap, zen, zoomin
`
    .trim()
    .split(/\s*[,\n]\s*/),
);

/** A name of all should not become that of a man. */
const ONE_SEX = /^(?:man|men|woman|women) /;

/** At most so many emoji may share a keyword. */
const MOST_SHARED = 3;

/**
 * The keywords of the installed `emojilib`.
 * @throws UserError if it is not installed
 */
export function loadKeywords(): Keywords {
  const require = createRequire(import.meta.url);
  const part = (file: string): unknown => require(`emojilib/${file}.json`);
  try {
    const { version } = part('package') as { readonly version: string };
    const all = Object.entries(part('dist/emoji-en-US') as Readonly<Record<string, readonly string[]>>);
    const emoji = all.map(([characters, words]) => {
      const [name, ...keywords] = words.map(word => word.toLowerCase().replaceAll('_', ' ').replaceAll('’', "'"));
      return { key: keyOf(pointsOf(characters)), name, keywords: [...new Set(keywords)] };
    });
    return { version, emoji };
  } catch {
    throw new UserError('emoji', 'the words of emojilib are not installed', 'npm install -D emojilib');
  }
}

/**
 * Other names of emoji by their keys, in the order of the keywords.
 * @param names every emoji's name by its key, as captions say it; @param kindOf the kind of a key in `KINDS`' words, if known
 */
export function aliasesByKey(
  { emoji }: Keywords,
  names: ReadonlyMap<string, string>,
  kindOf: (key: string) => string | undefined,
): Map<string, string[]> {
  const having = new Map<string, string[]>();
  for (const { name, keywords } of emoji)
    for (const word of keywords) having.set(word, [...(having.get(word) ?? []), name]);
  const taken = new Set([...names.values(), ...emoji.map(({ name }) => name)]);
  for (const name of [...taken]) for (const word of name.split(/[ ,]+/)) taken.add(word);
  const aliases = new Map<string, string[]>();
  for (const { key, name, keywords } of emoji) {
    if (!names.has(key) || !KINDS.has(kindOf(key) ?? '')) continue;
    const isAlias = (word: string): boolean => {
      const sharing = having.get(word) ?? [];
      return (
        WORDS.test(word) &&
        !NO_NOUN.test(word) &&
        !NO_NAMES.has(word) &&
        !taken.has(word) &&
        sharing.length <= MOST_SHARED &&
        (ONE_SEX.test(name) ? sharing.length === 1 : sharing.every(other => haveCommonWord(other, name)))
      );
    };
    const chosen = keywords.filter(isAlias);
    for (const word of chosen) taken.add(word);
    if (chosen.length > 0) aliases.set(key, chosen);
  }
  return aliases;
}

function haveCommonWord(a: string, b: string): boolean {
  const words = new Set(a.split(' ').filter(word => word.length > 2));
  return a === b || b.split(' ').some(word => words.has(word));
}

/** Code points of an emoji as the icon sets write them, e.g. `2764-fe0f`. */
function pointsOf(characters: string): string {
  return [...characters].map(character => character.codePointAt(0)?.toString(16).padStart(4, '0')).join('-');
}
