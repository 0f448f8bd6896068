/**
 * @file How much of its caption a picture shows, where pictures can be read back by a program: those of `tessera data
 * shapes` and `tessera data modes`.
 */
import type { Random } from '../core/random.ts';
import { defineBuiltInMetric, type Estimate } from './define.ts';
import { bootstrap, wilson } from './intervals.ts';
import { findJudge } from './judges/judge.ts';

defineBuiltInMetric({
  name: 'caption-accuracy',
  gives: [
    {
      name: 'caption-accuracy',
      title: 'caption accuracy',
      better: 'higher',
      note: 'share of captions whose every claim the image keeps',
    },
    {
      name: 'claim-accuracy',
      title: 'claim accuracy',
      better: 'higher',
      note: 'share of the captions’ claims that images keep',
    },
  ],
  needs: ['pictures'],
  byDefault: true,
  refuse: ({ pictures: { captions } }) =>
    findJudge(captions) === undefined
      ? 'only captions of `tessera data shapes` and `tessera data modes` can be read back from pictures'
      : undefined,
  measure: ({ pictures: { pictures, captions } }, random) => {
    const judge = findJudge(captions);
    if (judge === undefined) throw new Error('caption-accuracy: captions that cannot be read back');
    return accuracies(
      pictures.map(({ data, width }, i) => judge.check(data, width, captions[i])),
      random,
    );
  },
});

/** Captions kept whole, and claims kept of all claims. @param checks one a picture, at least one */
export function accuracies(
  checks: readonly { readonly right: number; readonly total: number }[],
  random: Random,
): Estimate[] {
  const n = checks.length;
  const whole = checks.filter(({ right, total }) => right === total).length;
  const shareOf = (rows: Float64Array) => {
    let [right, total] = [0, 0];
    for (const i of rows) {
      right += checks[i].right;
      total += checks[i].total;
    }
    return right / total;
  };
  const value = shareOf(Float64Array.from(checks.keys()));
  return [
    { metric: 'caption-accuracy', value: whole / n, interval: wilson(whole, n), n, reference: 0 },
    { metric: 'claim-accuracy', value, interval: bootstrap(n, shareOf, { random }), n, reference: 0 },
  ];
}
