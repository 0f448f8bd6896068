/**
 * @file Names that say nothing: every picture that a design shows gets a random one, and trials speak of those alone. What no name
 * tells, which trial is a control or a repeat, goes to the key.
 */
import { Random } from '../core/random.ts';
import type { Side, Trial } from './design.ts';
import type { StudyKey, StudyTrial } from './study.ts';

/** A design without names of systems. */
export interface Blinded {
  readonly slots: StudyTrial[][];
  /** Of the systems' pictures, then of control pictures. */
  readonly captions: readonly string[];
  readonly others: StudyKey['others'];
  /** The names of what each side shows, by `sideKey`. */
  readonly ids: ReadonlyMap<string, readonly string[]>;
  /** What each of them shows. */
  readonly sides: ReadonlyMap<string, Side>;
}

/** By what a side is known. */
function sideKey(side: Side): string {
  return side.of === 'system' ? `system ${side.system} ${side.caption}` : `control ${side.control} ${side.how}`;
}

/** @param options.images pictures of a side; @param options.controls captions of the control pictures */
export function blindStudy(options: {
  readonly slots: readonly (readonly Trial[])[];
  readonly seed: number;
  readonly images: number;
  readonly captions: readonly string[];
  readonly controls: readonly string[];
}): Blinded {
  const { slots, seed, images, captions, controls } = options;
  const sides = new Map<string, Side>();
  for (const { left, right } of slots.flat()) {
    for (const side of [left, right]) if (side !== undefined) sides.set(sideKey(side), side);
  }
  const names = new Names(new Random(seed).fork('study/names'));
  const ids = new Map([...sides.keys()].map(key => [key, Array.from({ length: images }, () => names.next())]));
  const idsOf = (side: Side) => ids.get(sideKey(side)) ?? [];
  const captionOf = ({ left, right, answer }: Trial) => {
    const side = answer === 'right' && right !== undefined ? right : left;
    return side.of === 'system' ? side.caption : captions.length + side.control;
  };
  const blind = (trial: Trial): StudyTrial => ({
    question: trial.question,
    ...(trial.question === 'fits' ? { caption: captionOf(trial) } : {}),
    left: [...idsOf(trial.left)],
    ...(trial.right === undefined ? {} : { right: [...idsOf(trial.right)] }),
    ...(trial.kind === 'warmup' ? { answer: trial.answer } : {}),
  });
  const others = slots.flatMap((session, slot) =>
    session.flatMap(({ kind, answer }, trial) =>
      kind === 'vote' ? [] : [{ slot, trial, kind, ...(kind === 'repeat' ? {} : { answer }) }],
    ),
  );
  return { slots: slots.map(session => session.map(blind)), captions: [...captions, ...controls], others, ids, sides };
}

/** Random names, each once. */
class Names {
  private readonly random: Random;
  private readonly given = new Set<string>(['0'.repeat(12)]);

  constructor(random: Random) {
    this.random = random;
  }

  next(): string {
    for (;;) {
      const hex = [this.random.uint32(), this.random.uint32()].map(word => word.toString(16).padStart(8, '0')).join('');
      const name = hex.slice(0, 12);
      if (this.given.has(name)) continue;
      this.given.add(name);
      return name;
    }
  }
}
