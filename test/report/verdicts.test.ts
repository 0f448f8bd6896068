/** @file Verdicts on trainings by the rules that were fixed before, and shares of runs that failed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineFamily, removeFamily } from '../../src/families/registry.ts';
import { conclude } from '../../src/report/conclusions.ts';
import { groupNames, shortNames } from '../../src/report/groups.ts';
import { readHistory } from '../../src/report/history.ts';
import { failureShares, progressOf, verdictOf } from '../../src/report/verdicts.ts';
import { configOf, runsOf } from './synthetic.ts';

function judged(family: string, records: readonly object[], given: Readonly<Record<string, unknown>> = {}) {
  const config = configOf(family, given);
  const { kind, rule, step } = verdictOf(readHistory(records, config, { weights: 'ema' }), config);
  return [kind, rule, step];
}

const trained = (stage: string, step: number, more: object = {}) => ({ stage, step, lr: 1e-3, D_loss: 1, ...more });
const check = (stage: string, step: number, more: object = {}) => ({ stage, step, check_kid: 0.1, ...more });
const mark = (stage: string, step: number, collapsed: string) => ({ stage, step, collapsed });

describe('the verdict on a run', () => {
  test.each<[string, string, object[], unknown[]]>([
    ['that was checked is stable', 'dcgan', [trained('dcgan', 10), check('dcgan', 10)], ['stable', null, null]],
    ['whose samples nobody looked at is open', 'r3gan', [trained('r3gan', 10)], ['unchecked', null, null]],
    ['that was not trained is open', 'dcgan', [], ['unchecked', null, null]],
    [
      'that lost its coverage is a collapse, at the step of its mark',
      'dcgan',
      [check('dcgan', 10), check('dcgan', 20), mark('dcgan', 20, 'coverage')],
      ['collapsed', 'coverage rule', 20],
    ],
    [
      'that recovered is that of its end',
      'dcgan',
      [check('dcgan', 10), mark('dcgan', 10, 'spread'), check('dcgan', 20), mark('dcgan', 20, 'none')],
      ['stable', null, null],
    ],
    [
      'that recovered and fell again is a collapse',
      'r3gan',
      [check('r3gan', 9), mark('r3gan', 10, 'spread'), mark('r3gan', 20, 'none'), mark('r3gan', 30, 'regressed')],
      ['collapsed', 'KID rule', 30],
    ],
    [
      'that was not finite once is diverged',
      'dcgan',
      [check('dcgan', 10), { stage: 'dcgan', step: 20, nonfinite: 10 }, mark('dcgan', 30, 'none')],
      ['diverged', 'not finite', 20],
    ],
    [
      'with a loss that is not finite is diverged',
      'diffusion',
      [
        { stage: 'diffusion', step: 10, lr: 1, loss: 0.5 },
        { stage: 'diffusion', step: 20, lr: 1, loss: null },
      ],
      ['diverged', 'not finite', 20],
    ],
    [
      'of a transformer needs no samples, but a validation',
      'transformer',
      [
        { stage: 'transformer', step: 10, lr: 1, loss: 3 },
        { stage: 'transformer', step: 10, val_loss: 3, val_image: 3 },
      ],
      ['stable', null, null],
    ],
    [
      // tiny has 7 * 5^4 = 4,375 codes: guessing costs ln 4,375 = 8.384 nats
      'of a transformer that is worse than guessing is a collapse',
      'transformer',
      [
        { stage: 'transformer', step: 5, val_loss: 8.3, val_image: 8.3 },
        { stage: 'transformer', step: 10, lr: 1, loss: 8.4, image: 8.41 },
        { stage: 'transformer', step: 10, val_loss: 8.39, val_image: 8.39 },
      ],
      ['collapsed', 'validation loss rule', 10],
    ],
    [
      'of a transformer that learnt by heart, and is worse than guessing on others, is none',
      'transformer',
      [
        { stage: 'transformer', step: 10, lr: 1, loss: 3, image: 3 },
        { stage: 'transformer', step: 10, val_loss: 8.39, val_image: 8.39 },
      ],
      ['stable', null, null],
    ],
    [
      'of a GAN whose validation says nothing is open, not diverged',
      'dcgan',
      [trained('dcgan', 10), { stage: 'dcgan', step: 10, val_loss: null }],
      ['unchecked', null, null],
    ],
    [
      'whose samples were alike from the first check on says so',
      'dcgan',
      [check('dcgan', 10), mark('dcgan', 10, 'spread'), check('dcgan', 30), mark('dcgan', 30, 'coverage')],
      ['collapsed', 'coverage rule, broken since the first check', 30],
    ],
    [
      'of a transformer just better than guessing is none',
      'transformer',
      [
        { stage: 'transformer', step: 10, lr: 1, loss: 3 },
        { stage: 'transformer', step: 10, val_loss: 8.38, val_image: 8.38 },
      ],
      ['stable', null, null],
    ],
    [
      'of a denoiser that is worse than none is a collapse',
      'diffusion',
      [check('diffusion', 5, { val_loss: 0.9 }), check('diffusion', 10, { val_loss: 1.1 })],
      ['collapsed', 'validation loss rule', 10],
    ],
    [
      'of a denoiser that ended before it had learnt anything is open',
      'diffusion',
      [check('diffusion', 5, { val_loss: 1.3 }), check('diffusion', 10, { val_loss: 1.1 })],
      ['unchecked', null, null],
    ],
  ])('%s', (_, family, records, expected) => {
    expect(judged(family, records)).toEqual(expected);
  });

  test('of a rectified flow has no such limit, since its loss has other units', () => {
    const records = [check('diffusion', 10, { val_loss: 1.1 })];
    expect(judged('diffusion', records, { diffusion: { precond: 'flow' } })[0]).toBe('stable');
  });
});

describe('shares of failures', () => {
  const runs = runsOf([
    { name: 'a', family: 'dcgan', steps: 1000, config: { train: { lr: 1e-4 } } },
    { name: 'b', family: 'dcgan', steps: 1000, collapses: 250, config: { train: { lr: 1e-3 } } },
    { name: 'c', family: 'dcgan', steps: 1000, collapses: 250, seed: 1, config: { train: { lr: 1e-3 } } },
    { name: 'd', family: 'transformer', steps: 1000 },
  ]);

  test('are pooled by family and told by learning rate, with Wilson’s intervals', () => {
    const found = failureShares(runs).map(({ family, learningRate, failed, trials, interval }) => [
      family,
      learningRate,
      failed,
      trials,
      interval.map(end => Number(end.toFixed(3))),
    ]);
    expect(found).toEqual([
      ['dcgan', null, 2, 3, [0.208, 0.939]],
      ['dcgan', 1e-4, 0, 1, [0, 0.793]],
      ['dcgan', 1e-3, 2, 2, [0.342, 1]],
      ['transformer', null, 0, 1, [0, 0.793]],
    ]);
  });

  test('leave out runs that nobody could judge, and count them', () => {
    const [first, ...others] = runs;
    const open = { ...first, verdict: { ...first.verdict, kind: 'unchecked' as const } };
    expect(failureShares([open, ...others])[0]).toMatchObject({ failed: 2, trials: 2, unchecked: 1 });
  });
});

describe('rank correlation', () => {
  test('of a run pairs each check with the last loss before it', () => {
    const records = [1, 2, 3, 4, 5].flatMap(i => [
      trained('dcgan', 10 * i, { D_loss: i, G_loss: -i }),
      check('dcgan', 10 * i + 1, { check_kid: i * i }),
    ]);
    const { stages, checks } = readHistory(records, configOf('dcgan'), { weights: 'ema' });
    expect(progressOf(stages, checks)).toEqual([
      { loss: 'D_loss', rho: 1, n: 5 },
      { loss: 'G_loss', rho: -1, n: 5 },
    ]);
  });
});

describe('a family that is judged by a loss of another name', () => {
  const curve = (step: number, value: number | null) => ({ stage: 'brush', step, val_nats: value });
  const family = {
    name: 'brush',
    sections: {},
    stages: [],
    sampling: () => ({}),
    validation: { curves: ['val_nats', 'val_loss'], untaught: () => 2, suffices: true },
    words: { title: 'brush', paints: 'it paints', colour: { light: '#123', dark: '#def' }, loss: 'nats' },
    create: async () => {
      throw new Error('is not made here');
    },
  } as const;
  beforeAll(() => void defineFamily(family));
  afterAll(() => removeFamily('brush'));

  test.each([
    ['is stable below that of a model that has learnt nothing', [curve(10, 1.5)], ['stable', null, null]],
    ['is a collapse above it', [curve(10, 1.5), curve(20, 2.5)], ['collapsed', 'validation loss rule', 20]],
    ['is diverged where it is not finite', [curve(10, null), curve(20, 1)], ['diverged', 'not finite', 10]],
    ['is open without it', [{ stage: 'brush', step: 10, val_other: 1 }], ['unchecked', null, null]],
  ])('%s', (_, records, verdict) => {
    expect(judged('brush', records)).toEqual(verdict);
  });

  test('over-fits by it', () => {
    const config = configOf('brush');
    const records = [1.2, 1, 1.3, 1.6, 1.9].map((value, i) => curve(10 * (i + 1), value));
    const { stages, checks } = readHistory(records, config, { weights: 'ema' });
    const [run] = runsOf([{ name: 'a', family: 'diffusion' }]);
    const findings = conclude([{ ...run, family: 'brush', name: 'mine', stages, checks }]);
    expect(findings.find(({ topic }) => topic === 'overfitting')?.text).toContain(
      'mine learns by heart: the loss on held-out images rose again, from 1.00 at step 20 to 1.90 (mine)',
    );
  });
});

describe('groups', () => {
  test('are seeds of one config, named by what sets them apart', () => {
    const lr = (value: number, seed: number) => configOf('dcgan', { seed, train: { lr: value } });
    expect(groupNames([lr(1e-3, 0), lr(1e-3, 1)])).toEqual(['DCGAN', 'DCGAN']);
    expect(groupNames([lr(1e-3, 0), lr(1e-3, 1), lr(2e-4, 0), configOf('diffusion')])).toEqual([
      'DCGAN, lr 0.001',
      'DCGAN, lr 0.001',
      'DCGAN, lr 0.0002',
      'diffusion',
    ]);
    const loss = (name: string, predict: string) => configOf('dcgan', { gan: { loss: name, predict } });
    expect(groupNames([loss('hinge', 'none'), loss('minimax', 'G')])).toEqual([
      'DCGAN, hinge loss, no prediction',
      'DCGAN, minimax loss, prediction G',
    ]);
  });

  test('do not depend on what a family does not use, nor on how it was watched', () => {
    const watched = configOf('dcgan', { train: { evalEvery: 7 }, diffusion: { width: 32 }, patch: { width: 64 } });
    expect(groupNames([configOf('dcgan'), watched])).toEqual(['DCGAN', 'DCGAN']);
  });

  test('stay apart where a name has no room for all differences', () => {
    const many = (width: number) =>
      configOf('dcgan', { train: { steps: 10, lr: 1, batchSize: 4 }, gan: { latent: 8, width } });
    const names = groupNames([many(8), many(16), configOf('dcgan')]);
    expect(new Set(names).size).toBe(3);
  });

  test('of runs with equal last names are told by their folders', () => {
    expect(shortNames(['runs/a', 'other/a/', 'runs/b'])).toEqual(['runs/a', 'other/a/', 'b']);
  });
});
