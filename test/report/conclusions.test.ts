/** @file Made-up situations, and the sentences that must come of them. */
import { describe, expect, test } from 'vitest';
import { conclude } from '../../src/report/conclusions.ts';
import type { Finding, Measured, RunReport } from '../../src/report/contents.ts';
import { leaderOf, measuredRows, measureOf } from '../../src/report/measures.ts';
import { type Course, runsOf } from './synthetic.ts';

const steps = 1000;

/** Some runs of a family of which the first ones collapse. */
function some(family: Course['family'], count: number, collapsing = 0): Course[] {
  return Array.from({ length: count }, (_, seed) => ({
    name: `${family}-${seed}`,
    family,
    seed,
    steps,
    collapses: seed < collapsing ? 250 : undefined,
  }));
}

function say(topic: Finding['topic'], runs: readonly RunReport[]): string {
  return conclude(runs)
    .filter(finding => finding.topic === topic)
    .map(({ text }) => text)
    .join(' ');
}

function unchecked(runs: readonly RunReport[], family: Course['family']): RunReport[] {
  return runs.map(run =>
    run.family === family
      ? { ...run, verdict: { kind: 'unchecked', rule: null, step: null, checks: 0, validations: 0 } }
      : run,
  );
}

describe('what is said of stability', () => {
  const stability = (...courses: Course[][]) => say('stability', runsOf(courses.flat()));

  test('one of three collapsed', () => {
    const text = stability(some('transformer', 3), some('dcgan', 3, 1));
    expect(text).toContain('1 of 3 DCGAN runs collapsed (coverage rule, step 750); 0 of 3 transformer runs.');
    expect(text).toContain('6.1 to 79 % (DCGAN), 0 to 56 % (transformer)');
    expect(text).toContain('Adversarial families failed more often than the other families (1 of 3 against 0 of 3)');
    expect(text).toContain('but the 95 % intervals overlap: too few runs to tell it from chance');
  });

  test('no GAN collapsed: the claim is not supported', () => {
    const text = stability(some('transformer', 2), some('dcgan', 2), some('r3gan', 2));
    expect(text).toContain('0 of 2 transformer runs collapsed or diverged; 0 of 2 DCGAN runs; 0 of 2 R3GAN runs.');
    expect(text).toContain(
      'No adversarial run collapsed or diverged: the claim that adversarial training is the unstable one is not supported here.',
    );
    expect(text).toContain('DCGAN and R3GAN were stable in 4 runs.');
  });

  test('one kind of GAN collapsed and another did not: that one is named as stable', () => {
    const text = stability(some('diffusion', 3), some('dcgan', 3, 3), some('r3gan', 3));
    expect(text).toContain('3 of 3 DCGAN runs collapsed');
    expect(text).toContain('That does not hold for R3GAN, of which no run failed.');
  });

  test('all GANs collapsed, often enough to be sure', () => {
    const text = stability(some('diffusion', 5), some('dcgan', 5, 5));
    expect(text).toContain('(5 of 5 against 0 of 5), the 95 % intervals do not overlap.');
    expect(text).not.toContain('does not hold');
  });

  test('everything collapsed: the claim is not supported either', () => {
    const broken = runsOf([...some('diffusion', 2, 2), ...some('dcgan', 2, 2)]);
    const text = say('stability', broken);
    expect(text).toContain('2 of 2 diffusion runs collapsed (coverage rule, step 750; coverage rule, step 750)');
    expect(text).toContain('Other families failed as often as the adversarial ones (2 of 2 against 2 of 2)');
    expect(text).toContain('is not supported here');
    const mixed = stability(some('diffusion', 2, 2), some('dcgan', 2, 2), some('r3gan', 2));
    expect(mixed).toContain('(2 of 2 against 2 of 4)');
    expect(mixed).toContain('is not supported here. No R3GAN run failed.');
    expect(mixed).not.toContain('That does not hold');
  });

  test('only others failed', () => {
    const text = stability(some('diffusion', 2, 1), some('r3gan', 2));
    expect(text).toContain('No adversarial run collapsed or diverged');
    expect(text).toContain('1 of 2 other runs failed.');
  });

  test('only GANs were compared', () => {
    const text = stability(some('dcgan', 2, 1));
    expect(text).toContain('cannot be tested: only adversarial families were judged here');
  });

  test('no GAN was compared, or none was looked at', () => {
    expect(stability(some('transformer', 1))).toContain('0 of 1 transformer run collapsed or diverged.');
    expect(stability(some('transformer', 1))).toContain('No adversarial family was compared');
    const text = say('stability', unchecked(runsOf([...some('transformer', 1), ...some('dcgan', 2)]), 'dcgan'));
    expect(text).toContain('2 DCGAN runs were not checked');
    expect(text).toContain('No adversarial family’s samples were checked'.replace('’', "'"));
    expect(text).not.toContain('not supported');
  });

  test('a run stopped', () => {
    const [run] = runsOf(some('transformer', 1));
    expect(say('stability', [{ ...run, step: 340, steps: 4000 }])).toContain(
      'transformer-0 stopped at step 340 of 4,000: what made it stop is not in its log.',
    );
  });
});

function measured(value: number | null, half: number | null, more: Partial<Measured> = {}): Measured {
  const end = (sign: number) => (value === null || half === null ? null : value + sign * half);
  return {
    metric: 'kid',
    row: 'samples',
    split: 'validation',
    features: 'random-conv',
    weights: 'ema',
    value,
    low: end(-1),
    high: end(1),
    step: 1,
    n: 100,
    reference: 100,
    seed: 0,
    reason: null,
    ...more,
  };
}

/** Runs called a, b, c with these results each. */
function scored(...results: (readonly Measured[])[]): RunReport[] {
  const [run] = runsOf(some('transformer', 1));
  return results.map((metrics, i) => ({ ...run, name: 'abc'[i], metrics }));
}

describe('what is said of quality', () => {
  const quality = (...results: (readonly Measured[])[]) => say('quality', scored(...results));

  test('one interval lies clear of all others', () => {
    const text = quality([measured(0.03, 0.002)], [measured(0.01, 0.002)], [measured(0.02, 0.002)]);
    expect(text).toContain(
      'By KID × 1,000 (features random-conv), b is best with 10.0 [8.0, 12.0]: its interval overlaps no other.',
    );
    expect(text).toContain('they do not tell what another seed of the same training would give');
  });

  test('two overlap, one is behind', () => {
    const text = quality([measured(0.03, 0.002)], [measured(0.01, 0.002)], [measured(0.012, 0.002)]);
    expect(text).toContain('the intervals of b and c overlap: no order between them is claimed. a is worse than b.');
    expect(text).not.toContain('best');
  });

  test('a value has no interval: nothing is claimed', () => {
    expect(quality([measured(0.03, null)], [measured(0.01, 0.002)])).toContain('the intervals of b and a overlap');
  });

  test('the runs were measured on different numbers of images', () => {
    const text = quality([measured(0.03, 0.001)], [measured(0.01, 0.001, { n: 50 })]);
    expect(text).toContain('no order is claimed: the runs were measured on different numbers of images');
  });

  test('one run was measured, or none', () => {
    expect(quality([measured(0.01, 0.002)], [])).toContain('a scores 10.0 [8.0, 12.0]; no other run was measured.');
    expect(quality([], [])).toBe('KID and coverage were not measured: nothing is said of which run paints best.');
  });

  test('higher is better for coverage', () => {
    const coverage = (value: number) => measured(value, 0.02, { metric: 'coverage' });
    const text = quality([measured(0.01, 0.01), coverage(0.5)], [measured(0.01, 0.01), coverage(0.7)]);
    expect(text).toContain('By coverage (features random-conv), b is best with 0.700 [0.680, 0.720]:');
  });

  test('the tokenizer is said to be a ceiling, beside the floor', () => {
    const rows = [
      measured(0.01, 0.001),
      measured(0.004, 0.001, { row: 'reconstruction' }),
      measured(0.0002, 0.001, { row: 'floor' }),
    ];
    expect(say('ceiling', scored(rows))).toBe(
      'Reconstructions by the tokenizer have a KID × 1,000 of 4.0 [3.0, 5.0] (a) where real images score 0.2 [−0.8, 1.2]: what it loses, the transformer cannot paint.',
    );
  });
});

describe('the best of a metric', () => {
  test('is marked only where it is clear', () => {
    const rowOf = (...values: Measured[]) => measuredRows(scored(...values.map(value => [value])))[0];
    expect(rowOf(measured(3, 1), measured(6, 1)).best).toBe('a');
    expect(rowOf(measured(3, 2), measured(6, 1)).best).toBeNull();
    expect(rowOf(measured(3, 1)).best).toBeNull();
    expect(rowOf(measured(3, 1), measured(6, 1, { reference: 7 })).best).toBeNull();
    expect(rowOf(measured(null, null), measured(6, 1)).best).toBeNull();
    expect(rowOf(measured(3, 1, { metric: 'nll' }), measured(6, 1, { metric: 'nll' })).best).toBeNull();
    expect(rowOf(measured(3, 1, { metric: 'unheard-of' }), measured(6, 1, { metric: 'unheard-of' })).best).toBeNull();
  });

  test('is not looked for between different features', () => {
    const rows = measuredRows(scored([measured(3, 1)], [measured(6, 1, { features: 'clip' })]));
    expect(rows.map(({ features, best }) => [features, best])).toEqual([
      ['random-conv', null],
      ['clip', null],
    ]);
  });

  test('is looked for through one network, wherever its folder lay', () => {
    const features = 'contrastive:features/judge@0123abcd';
    const moved = 'contrastive:judge@0123abcd';
    const rows = measuredRows(scored([measured(3, 1, { features })], [measured(6, 1, { features: moved })]));
    expect(rows.map(row => [row.features, row.samples.size, row.best])).toEqual([[moved, 2, 'a']]);
  });

  test('has those behind and those it cannot be told from', () => {
    const samples = new Map([
      ['a', measured(1, 1)],
      ['b', measured(2.5, 1)],
      ['c', measured(9, 1)],
    ]);
    expect(leaderOf(samples, measureOf('kid'))).toMatchObject({ name: 'a', tied: ['b'], behind: ['c'], clear: false });
    expect(leaderOf(samples, measureOf('recall'))).toMatchObject({
      name: 'c',
      tied: [],
      behind: ['b', 'a'],
      clear: true,
    });
  });
});

describe('what is said of the rest', () => {
  test('budgets that are equal, that differ and that are not known', () => {
    const [a, b] = runsOf([...some('diffusion', 1), ...some('dcgan', 1)]);
    const text = say('budget', [a, b]);
    expect(text).toContain('Equal to within 10 %: training time, images seen and parameters for sampling.');
    expect(text).toContain('Training operations go from 63.0 TFLOP (dcgan-0) to 153 TFLOP (diffusion-0).');
    expect(text).not.toContain('may be a difference in budget');
    const without = { ...b, parameters: null, stages: b.stages.map(stage => ({ ...stage, seconds: null, images: 9 })) };
    const other = say('budget', [a, without]);
    expect(other).toContain('Training time: not recorded for dcgan-0.');
    expect(other).toContain('Images seen go from 9 (dcgan-0) to 32,000 (diffusion-0).');
    expect(other).toContain('A difference in quality below may be a difference in budget.');
    expect(say('budget', [a])).toBe('');
  });

  test('over-fitting, with the step of the lowest validation loss, and not where it falls to the end', () => {
    const [long] = runsOf([{ name: 'long', family: 'transformer', steps: 5000 }]);
    expect(say('overfitting', [long])).toMatch(
      /^long learns by heart: the loss on held-out images rose again, from 4\.03 at step 2,500 to 4\.50 \(long\)\./,
    );
    expect(say('overfitting', runsOf(some('diffusion', 1)))).toBe('');
    expect(say('overfitting', runsOf(some('dcgan', 1)))).toBe('');
  });

  test('how near samples come to training images, nearest first, and of many runs the ends', () => {
    const [run] = runsOf(some('dcgan', 1));
    const near = (name: string, ratio: number | null): RunReport => ({
      ...run,
      name,
      nearest: {
        samples: 9,
        heldOut: 9,
        training: 9,
        sampleMedian: 1,
        heldOutMedian: 1,
        ratio,
        authentic: null,
        sampleRatios: [],
        heldOutRatios: [],
        closest: [],
      },
    });
    expect(say('memorisation', [near('a', 1.04), near('b', 0.1), near('c', null)])).toContain('0.10 (b) and 1.0 (a).');
    const many = Array.from({ length: 9 }, (_, i) => near(`r${i}`, i / 10));
    expect(say('memorisation', many)).toContain('images: 0 (r0) to 0.80 (r8).');
    expect(say('memorisation', [run])).toBe('');
  });

  test('the cost of sampling, the cheapest and the dearest', () => {
    const runs = runsOf([...some('diffusion', 1), ...some('dcgan', 1), ...some('transformer', 1)]);
    expect(say('cost', runs)).toBe(
      'Sampling is cheapest with dcgan-0 (1.74 ms an image, 1 pass) and dearest with diffusion-0 (148 ms an image, 35 passes): a factor of 85 on this machine.',
    );
    expect(say('cost', [runs[0], runs[0]])).toContain('about the same');
    expect(
      say(
        'cost',
        runs.map(run => ({ ...run, sampling: null })),
      ),
    ).toBe('');
  });
});
