/** @file The design of a study, counted by loops that know nothing of how it was made. */
import { describe, expect, test } from 'vitest';
import {
  countTrials,
  type DesignOptions,
  designStudy,
  LEAST_TRIALS,
  type Trial,
  unitsOf,
} from '../../src/study/design.ts';

const options: DesignOptions = {
  seed: 7,
  questions: ['fits', 'finished', 'real'],
  systems: 4,
  real: 3,
  captions: 30,
  mismatches: [1, 2, 3, 4, 5, 6, 7, 8, 9, 0],
  trials: 60,
};
const slots = designStudy(options);

/** The systems of a trial by number, and whether the first of them lies left. */
function pairOf({ left, right }: Trial): { readonly pair: string; readonly isFirstLeft: boolean } {
  const system = (side: Trial['left']) => (side.of === 'system' ? side.system : -1);
  if (right === undefined) return { pair: `${system(left)}`, isFirstLeft: true };
  const [l, r] = [system(left), system(right)];
  return { pair: `${Math.min(l, r)}-${Math.max(l, r)}`, isFirstLeft: l < r };
}

const votesOf = (session: readonly Trial[], question: string) =>
  session.filter(trial => trial.kind === 'vote' && trial.question === question);

function count<T>(values: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Largest less smallest count, of `kinds` values that there may be. */
const spread = (counts: ReadonlyMap<unknown, number>, kinds: number) =>
  Math.max(...counts.values()) - (counts.size < kinds ? 0 : Math.min(...counts.values()));

describe('the design of a study', () => {
  test('is the same of the same seed, and another of another', () => {
    expect(designStudy(options)).toEqual(slots);
    expect(designStudy({ ...options, seed: 8 })).not.toEqual(slots);
  });

  test('has in every session what was asked for', () => {
    for (const session of slots) {
      const kinds = count(session.map(({ kind }) => kind));
      expect(Object.fromEntries(kinds)).toEqual({ warmup: 4, vote: 51, catch: 6, repeat: 3 });
      expect(session.slice(0, 4).every(({ kind }) => kind === 'warmup')).toBe(true);
      expect(session.slice(4, 7).some(({ kind }) => kind === 'catch')).toBe(false);
    }
  });

  test('shows a caption to nobody twice under one question', () => {
    for (const session of slots) {
      for (const question of options.questions) {
        const captions = votesOf(session, question).map(({ left }) => left.of === 'system' && left.caption);
        expect(new Set(captions).size).toBe(captions.length);
      }
    }
  });

  test('shows two systems of the same caption, each on one side', () => {
    for (const { left, right, kind, question } of slots.flat()) {
      if (kind !== 'vote' && kind !== 'repeat') continue;
      if (question === 'real') expect(right).toBeUndefined();
      else if (left.of === 'system' && right?.of === 'system') {
        expect(right.caption).toBe(left.caption);
        expect(right.system).not.toBe(left.system);
      } else throw new Error('a vote of a control picture');
    }
  });

  test('asks of every pair equally often, in every beginning of a session and in all', () => {
    for (const question of ['fits', 'finished']) {
      for (const session of slots) {
        const votes = votesOf(session, question).map(trial => pairOf(trial).pair);
        for (let n = 1; n <= votes.length; n++) expect(spread(count(votes.slice(0, n)), 6)).toBeLessThanOrEqual(1);
      }
      const all = slots.flatMap(session => votesOf(session, question)).map(trial => pairOf(trial).pair);
      expect(spread(count(all), 6)).toBeLessThanOrEqual(1);
    }
  });

  test('asks first of each pair equally often, whoever stops early', () => {
    const six = slots.slice(0, 6).map(session => votesOf(session, 'fits'));
    for (let place = 0; place < 12; place++) {
      expect(new Set(six.map(votes => pairOf(votes[place]).pair)).size).toBe(6);
    }
  });

  test('lays each of a pair left as often as right, in every session and in all', () => {
    for (const question of ['fits', 'finished']) {
      const total = new Map<string, number>();
      for (const session of slots) {
        const here = new Map<string, number>();
        for (const trial of votesOf(session, question)) {
          const { pair, isFirstLeft } = pairOf(trial);
          for (const counts of [here, total]) counts.set(pair, (counts.get(pair) ?? 0) + (isFirstLeft ? 1 : -1));
        }
        for (const leaning of here.values()) expect(Math.abs(leaning)).toBeLessThanOrEqual(1);
      }
      for (const leaning of total.values()) expect(Math.abs(leaning)).toBeLessThanOrEqual(1);
    }
  });

  test('shows nearly every pair with every caption, and some of them to several people', () => {
    const cellsOf = (some: typeof slots) =>
      count(
        some
          .flatMap(session => votesOf(session, 'fits'))
          .map(trial => `${pairOf(trial).pair} ${trial.left.of === 'system' && trial.left.caption}`),
      );
    const counts = cellsOf(slots);
    expect(counts.size).toBeGreaterThanOrEqual(0.95 * 6 * 30);
    expect(Math.max(...counts.values())).toBeLessThanOrEqual(6);
    // Of five people each gave three or four votes that others gave too, but for the first.
    const shared = [...cellsOf(slots.slice(0, 5)).values()].filter(n => n > 1);
    expect(shared.reduce((sum, n) => sum + n, 0)).toBeGreaterThanOrEqual(12);
  });

  test('shows captions about equally often', () => {
    for (const question of options.questions) {
      const shown = count(
        slots.flatMap(session => votesOf(session, question)).map(({ left }) => left.of === 'system' && left.caption),
      );
      const mean = [...shown.values()].reduce((sum, n) => sum + n, 0) / 30;
      for (const n of shown.values()) expect(Math.abs(n - mean)).toBeLessThanOrEqual(0.35 * mean);
    }
  });

  test('shows real pictures in half of the trials that ask for them', () => {
    const shown = slots.flatMap(session => votesOf(session, 'real')).map(trial => pairOf(trial).pair);
    const counts = count(shown);
    expect((counts.get('3') ?? 0) / shown.length).toBeCloseTo(0.5, 1);
    expect(counts.size).toBe(4);
  });

  test('repeats a vote of the same session with its sides swapped, later', () => {
    for (const session of slots) {
      for (const [i, { kind, question, left, right }] of session.entries()) {
        if (kind !== 'repeat') continue;
        const first = session.findIndex(
          other =>
            other.kind === 'vote' &&
            other.question === question &&
            [other.left, other.right].every(side => side === left || side === right),
        );
        expect(first).toBeGreaterThanOrEqual(4);
        expect(i - first).toBeGreaterThanOrEqual(5);
        if (right !== undefined) expect(session[first].left).toBe(right);
      }
    }
  });

  test('knows the answer of control trials, which lies left as often as right', () => {
    const controls = slots.flat().filter(({ kind }) => kind === 'catch' || kind === 'warmup');
    const left = controls.filter(({ answer }) => answer === 'left').length;
    expect(left / controls.length).toBeGreaterThan(0.4);
    expect(left / controls.length).toBeLessThan(0.6);
    for (const { question, left, right, answer } of controls) {
      if (question === 'real') {
        expect(left).toMatchObject({ of: 'control', how: answer === 'left' ? 'whole' : 'mixed' });
        continue;
      }
      const [good, bad] = answer === 'left' ? [left, right] : [right, left];
      if (good?.of !== 'control' || bad?.of !== 'control') throw new Error('a control of a system');
      expect(good.how).toBe('whole');
      if (bad.how === 'whole') expect([question, bad.control]).toEqual(['fits', options.mismatches[good.control]]);
      else expect(bad.control).toBe(good.control);
    }
    expect(
      controls.some(
        ({ left, right }) =>
          right !== undefined && [left, right].every(side => side.of === 'control' && side.how === 'whole'),
      ),
    ).toBe(true);
  });

  test.each([
    [
      'two systems and one question',
      { systems: 2, real: undefined, questions: ['fits'], captions: 9, trials: LEAST_TRIALS },
    ],
    ['three questions in ten trials', { trials: LEAST_TRIALS, captions: 3 }],
    ['seven systems', { systems: 7, real: 6, trials: 30 }],
    ['one control picture', { mismatches: [0], trials: 12 }],
  ] as const)('can be made of %s', (_, other) => {
    const asked = { ...options, ...other };
    const sizes = countTrials(asked);
    for (const session of designStudy(asked)) {
      expect(session).toHaveLength(4 + asked.trials);
      expect(session.filter(({ kind }) => kind === 'vote')).toHaveLength(sizes.votes);
      expect(session.filter(({ kind }) => kind === 'catch')).toHaveLength(sizes.catches);
    }
  });

  test('has the pairs of all systems as units, or each system as often as real pictures are shown', () => {
    expect(unitsOf('fits', { systems: 3 })).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
    ]);
    expect(unitsOf('real', { systems: 3, real: 2 }).map(([system]) => system)).toEqual([0, 1, 2, 2]);
  });
});
