/**
 * @file The design of a study: who is asked what, in which order, and what lies left. Made once from the seed, for numbered
 * slots, each of which one person takes. Pairs of systems come in blocks, each pair once a block, so that every beginning of a
 * session has asked of all pairs nearly alike; over as many slots as there are pairs each stands once at each place of a block
 * (a Latin square). Knows places in lists alone: no names, no pictures.
 */
import { Random } from '../core/random.ts';

/** What may be asked: which fits the caption, which looks more finished, whether a single picture is real or painted. */
export const questionKeys = ['fits', 'finished', 'real'] as const;
export type QuestionKey = (typeof questionKeys)[number];

/** Share of a session that is control trials, whose answer is known, and that comes a second time with its sides swapped. */
const CATCHES = 0.1;
const REPEATS = 0.05;
/** One vote in so many is about pictures that others judged, up to so many of them: what is known of agreement is from these. */
const SHARED = 5;
/** Trials before any others, which say whether the answer was right. */
const WARMUPS = 4;
/** No control trial is among so many first ones: whoever has just begun may still misread a question. */
const UNCHECKED = 3;
/** Fewest and most slots: few people should meet in one; all of them are in the page. */
const SLOTS = { least: 12, most: 120 };
/** Fewest trials of a session that has all of these. */
export const LEAST_TRIALS = 10;

/** What a side of a trial shows: a system's picture of a caption, or a control picture, as it is or its pieces mixed up. */
export type Side =
  | { readonly of: 'system'; readonly system: number; readonly caption: number }
  | { readonly of: 'control'; readonly control: number; readonly how: 'whole' | 'mixed' };

/** One question that is asked. */
export interface Trial {
  readonly question: QuestionKey;
  readonly kind: 'vote' | 'catch' | 'repeat' | 'warmup';
  readonly left: Side;
  /** Absent where a single picture is judged: then the answer `left` is "real", and `right` "painted". */
  readonly right?: Side;
  /** The side that must be chosen, where it is known. */
  readonly answer?: 'left' | 'right';
}

export interface DesignOptions {
  readonly seed: number;
  readonly questions: readonly QuestionKey[];
  /** How many systems there are, and the place among them of the data's own pictures. */
  readonly systems: number;
  readonly real?: number;
  /** How many captions there are. */
  readonly captions: number;
  /** For each control picture the one whose caption is least like its own; itself where there is no other. */
  readonly mismatches: readonly number[];
  /** Trials of a session, control trials and repeats among them; the warm-up comes before. */
  readonly trials: number;
}

/** How the trials of a session are spent. */
export interface Sessions {
  readonly votes: number;
  readonly catches: number;
  readonly repeats: number;
  /** Most votes of one question, of which each has another caption. */
  readonly mostOfQuestion: number;
}

/** Counts the trials of a session. */
export function countTrials({ trials, questions }: Pick<DesignOptions, 'trials' | 'questions'>): Sessions {
  const catches = Math.max(1, Math.round(trials * CATCHES));
  const repeats = Math.max(1, Math.round(trials * REPEATS));
  const blocks = blocksOf({ trials, catches, repeats, count: questions.length });
  const mostOfQuestion = Math.max(...blocks.map(block => block.size - block.catches - block.repeats));
  return { votes: trials - catches - repeats, catches, repeats, mostOfQuestion };
}

/** The pairs of systems, or for `real` the systems as often as they come in a block: half of what is shown is real. */
export function unitsOf(
  question: QuestionKey,
  { systems, real }: Pick<DesignOptions, 'systems' | 'real'>,
): readonly (readonly [a: number, b: number | undefined])[] {
  const all = Array.from({ length: systems }, (_, i) => i);
  if (question !== 'real') return all.flatMap(a => all.slice(a + 1).map(b => [a, b] as const));
  const painted = all.filter(system => system !== real);
  return [...painted, ...painted.map(() => real ?? 0)].map(system => [system, undefined] as const);
}

/**
 * Makes the sessions of all slots.
 * @returns [slots, warm-up and trials]
 */
export function designStudy(options: DesignOptions): readonly (readonly Trial[])[] {
  const { seed, questions } = options;
  const random = new Random(seed).fork('study/design');
  const dealers = new Map(questions.map(question => [question, new Dealer(question, options, random.fork(question))]));
  return Array.from({ length: slotsOf(options) }, (_, slot) =>
    makeSession(options, { slot, dealers, random: random.fork('slot', slot) }),
  );
}

/** So many that nearly every pair is asked of every caption, in whole squares. */
function slotsOf(options: DesignOptions): number {
  const { mostOfQuestion } = countTrials(options);
  const [units, cells] = [Math.max, Math.max].map((most, i) =>
    most(...options.questions.map(question => unitsOf(question, options).length * (i === 0 ? 1 : options.captions))),
  );
  const wanted = Math.min(SLOTS.most, Math.max(SLOTS.least, Math.ceil(cells / (mostOfQuestion * (1 - 1 / SHARED)))));
  return Math.ceil(wanted / units) * units;
}

/** Deals the votes of one question, slot after slot. */
class Dealer {
  private readonly question: QuestionKey;
  private readonly captions: number;
  private readonly random: Random;
  private readonly units: readonly (readonly [number, number | undefined])[];
  /** How often each caption was shown, and each of a unit's. */
  private readonly shown: number[];
  private readonly shownOf: ReadonlyMap<string, number[]>;
  /** How much oftener the first system of a pair lay left. */
  private readonly leaning = new Map<string, number>();

  constructor(question: QuestionKey, options: DesignOptions, random: Random) {
    this.question = question;
    this.captions = options.captions;
    this.random = random;
    this.units = unitsOf(question, options);
    this.shown = new Array<number>(options.captions).fill(0);
    this.shownOf = new Map(this.units.map(unit => [String(unit), new Array<number>(options.captions).fill(0)]));
  }

  /** The votes of a slot, in their order: every caption at most once. @param count at most as many as there are captions */
  deal(slot: number, count: number): Trial[] {
    const used = new Set<number>();
    const leaning = new Map<string, number>();
    return Array.from({ length: count }, (_, place) => {
      const [a, b] = this.unitAt(slot, place);
      const key = String([a, b]);
      const caption = this.chooseCaption(key, used, place % SHARED === SHARED - 1);
      used.add(caption);
      const sides = [a, b].flatMap(system =>
        system === undefined ? [] : [{ of: 'system', system, caption } as const],
      );
      if (sides.length === 2 && !this.isFirstLeft(key, leaning)) sides.reverse();
      return { question: this.question, kind: 'vote', left: sides[0], right: sides[1] };
    });
  }

  /** Blocks are orders of all units, turned by one place from slot to slot. */
  private unitAt(slot: number, place: number): readonly [number, number | undefined] {
    const n = this.units.length;
    const square = this.random.fork('square', Math.floor(slot / n));
    const order = square.fork('block', Math.floor(place / n)).permutation(n);
    return this.units[order[(place + slot) % n]];
  }

  /**
   * One that this person has not seen, and others least often: of this unit, then of all; then by chance.
   * @param isShared one that others have seen of this unit most often, if there is any
   */
  private chooseCaption(key: string, used: ReadonlySet<number>, isShared: boolean): number {
    const of = this.shownOf.get(key) ?? [];
    const rank = (caption: number) =>
      isShared && of[caption] > 0 && of[caption] < SHARED ? -of[caption] : of[caption];
    let best = -1;
    for (const caption of this.random.permutation(this.captions)) {
      if (used.has(caption)) continue;
      const less = best < 0 ? -1 : rank(caption) - rank(best) || this.shown[caption] - this.shown[best];
      if (less < 0) best = caption;
    }
    of[best]++;
    this.shown[best]++;
    return best;
  }

  /** Whether the first system of a pair lies left: where it lay less often in this session, then in all; then by chance. */
  private isFirstLeft(key: string, session: Map<string, number>): boolean {
    const [here, all] = [session.get(key) ?? 0, this.leaning.get(key) ?? 0];
    const chance = this.random.integer(2) === 0;
    const isLeft = here !== 0 ? here < 0 : all !== 0 ? all < 0 : chance;
    for (const counts of [session, this.leaning]) counts.set(key, (counts.get(key) ?? 0) + (isLeft ? 1 : -1));
    return isLeft;
  }
}

/** The trials of one question of a session. */
interface Block {
  readonly size: number;
  readonly catches: number;
  readonly repeats: number;
}

/** Trials in blocks of nearly one size; the last have the control trials that do not go round, the first the repeats. */
function blocksOf(options: {
  readonly trials: number;
  readonly catches: number;
  readonly repeats: number;
  readonly count: number;
}): Block[] {
  const { trials, catches, repeats, count } = options;
  const share = (total: number, i: number) => Math.floor(total / count) + (i < total % count ? 1 : 0);
  return Array.from({ length: count }, (_, i) => ({
    size: share(trials, i),
    catches: share(catches, count - 1 - i),
    repeats: share(repeats, i),
  }));
}

function makeSession(
  options: DesignOptions,
  {
    slot,
    dealers,
    random,
  }: { readonly slot: number; readonly dealers: ReadonlyMap<QuestionKey, Dealer>; readonly random: Random },
): Trial[] {
  const { questions, trials } = options;
  const order = questions.map((_, i) => questions[(i + slot) % questions.length]);
  const controls = new Controls(options.mismatches, random.fork('controls'));
  const warmups = Array.from({ length: WARMUPS }, (_, i) =>
    controls.next(order[Math.floor((i * order.length) / WARMUPS)], 'warmup'),
  );
  const { catches, repeats } = countTrials(options);
  let begun = 0;
  const blocks = blocksOf({ trials, catches, repeats, count: order.length }).flatMap((block, i) => {
    const dealt = dealers.get(order[i])?.deal(slot, block.size - block.catches - block.repeats) ?? [];
    const unchecked = Math.max(0, UNCHECKED - begun);
    begun += block.size;
    const control = () => controls.next(order[i], 'catch');
    return arrangeBlock(block, { dealt, unchecked, control, random: random.fork('block', i) });
  });
  return [...warmups, ...blocks];
}

/** Puts control trials and repeats between the votes. */
function arrangeBlock(
  { size, catches, repeats }: Block,
  {
    dealt,
    unchecked,
    control,
    random,
  }: {
    readonly dealt: readonly Trial[];
    /** So many first places have no control trial. */
    readonly unchecked: number;
    readonly control: () => Trial;
    readonly random: Random;
  },
): Trial[] {
  const arranged = new Array<Trial | undefined>(size).fill(undefined);
  // One in each of as many equal stretches.
  for (let i = 0; i < catches; i++) {
    const [from, to] = [i, i + 1].map(at => unchecked + Math.floor(((size - unchecked) * at) / catches));
    arranged[from + random.integer(to - from)] = control();
  }
  const isFree = (place: number) => arranged[place] === undefined;
  const free = Array.from({ length: size }, (_, place) => place).filter(isFree);
  const late = free.slice(Math.min(Math.ceil(free.length / 2), free.length - repeats));
  const again = [...random.permutation(late.length)].slice(0, repeats).map(i => late[i]);
  const votes = free.filter(place => !again.includes(place));
  votes.forEach((place, i) => {
    arranged[place] = dealt[i];
  });
  // As far from the first time as a quarter of the block, where there is such a vote.
  const early = votes.filter(place => place < Math.min(...again));
  const far = early.filter(place => place <= Math.min(...again) - size / 4);
  const originals = far.length >= repeats ? far : early;
  const chosen = [...random.permutation(originals.length)].map(i => originals[i]);
  again.forEach((place, i) => {
    const { left, right, ...rest } = dealt[votes.indexOf(chosen[i % chosen.length])];
    arranged[place] = { ...rest, kind: 'repeat', left: right ?? left, right: right && left };
  });
  return arranged.filter(trial => trial !== undefined);
}

/** Trials whose answer is known: of other pictures each, as long as there are others. */
class Controls {
  private readonly mismatches: readonly number[];
  private readonly order: Uint32Array;
  private made = 0;
  private readonly sides: ('left' | 'right')[];
  private readonly asked = new Map<QuestionKey, number>();

  constructor(mismatches: readonly number[], random: Random) {
    this.mismatches = mismatches;
    this.order = random.permutation(mismatches.length);
    this.sides = Array.from({ length: 64 }, () => (['left', 'right'] as const)[random.integer(2)]);
  }

  /** Which fits: another caption's picture, or the same with its pieces mixed up, by turns. Which is more finished: the latter. */
  next(question: QuestionKey, kind: 'catch' | 'warmup'): Trial {
    const control = this.order[this.made % this.order.length];
    const answer = this.sides[this.made % this.sides.length];
    this.made++;
    const turn = this.asked.get(question) ?? 0;
    this.asked.set(question, turn + 1);
    const whole = { of: 'control', control, how: 'whole' } as const;
    const mixed = { of: 'control', control, how: 'mixed' } as const;
    if (question === 'real') return { question, kind, left: answer === 'left' ? whole : mixed, answer };
    const other = this.mismatches[control];
    const wrong = question === 'fits' && turn % 2 === 0 && other !== control ? { ...whole, control: other } : mixed;
    return answer === 'left'
      ? { question, kind, left: whole, right: wrong, answer }
      : { question, kind, left: wrong, right: whole, answer };
  }
}
