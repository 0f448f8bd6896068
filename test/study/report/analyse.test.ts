/** @file What is made of the votes of simulated people whose preferences are known. */
import { describe, expect, test } from 'vitest';
import { UserError } from '../../../src/core/errors.ts';
import { binomialTest } from '../../../src/metrics/preference/binomial.ts';
import type { Vote } from '../../../src/study/answers.ts';
import { type AnalysisOptions, analyseStudy as analyse } from '../../../src/study/report/analyse.ts';
import type { AnalysedStudy } from '../../../src/study/report/results.ts';
import { simulateVotes, strengths, study } from './simulated.ts';

/** With fewer resamples than a report has: they are not what is looked at here. */
function analyseStudy(of: AnalysedStudy, given: readonly Vote[], options: AnalysisOptions = {}) {
  return analyse(of, given, { resamples: 100, ...options });
}

const votes = simulateVotes({ raters: 9, careless: 2 });
const results = analyseStudy(study, votes);
const [fits, real] = results.questions;
const isKept = ({ rater }: Vote) => rater !== 'rater7' && rater !== 'rater8';

describe('who is counted', () => {
  test('is who kept the threshold, with the results of everyone beside', () => {
    expect(results.raters).toEqual({
      answered: 9,
      kept: 7,
      excluded: [
        { rater: 'rater7', right: 3, catches: 5 },
        { rater: 'rater8', right: 3, catches: 5 },
      ],
      unchecked: 0,
      catches: 35,
      right: 35,
    });
    const total = (pairs: readonly { readonly votes: number }[]) => pairs.reduce((sum, pair) => sum + pair.votes, 0);
    expect(total(fits.pairs)).toBe(7 * 20);
    expect(total(results.everyone?.[0].pairs ?? [])).toBe(9 * 20);
  });

  test('may be nobody: then there are the shares of everyone alone', () => {
    const none = analyseStudy(study, simulateVotes({ raters: 2, careless: 2 }));
    expect(none.questions).toEqual([]);
    expect(none.everyone?.map(({ question }) => question)).toEqual(['fits', 'real']);
    expect(none.raters.kept).toBe(0);
  });

  test('is by the threshold of the study, and everyone who met no control trial', () => {
    const lenient = analyseStudy({ ...study, threshold: 0.6 }, votes);
    expect(lenient.raters.excluded).toEqual([]);
    expect(lenient.everyone).toBeNull();
    const without = analyseStudy(
      study,
      votes.filter(({ kind, rater }) => kind !== 'catch' || rater !== 'rater8'),
    );
    expect(without.raters).toMatchObject({ kept: 8, unchecked: 1 });
  });
});

describe('pairs', () => {
  test('hold what is counted by hand, control trials, warm-ups and repeats apart', () => {
    for (const pair of fits.pairs) {
      const own = votes.filter(
        vote =>
          isKept(vote) && vote.kind === 'vote' && vote.question === 'fits' && vote.a === pair.a && vote.b === pair.b,
      );
      const count = (choice: Vote['choice']) => own.filter(vote => vote.choice === choice).length;
      expect(pair).toMatchObject({ wins: count('a'), losses: count('b'), ties: count('tie'), votes: own.length });
      expect(pair.share).toBeCloseTo((count('a') + count('tie') / 2) / own.length, 12);
      expect(pair.independent.p).toBeCloseTo(binomialTest(count('a'), count('a') + count('b')), 12);
      expect(pair.raters).toBe(new Set(own.map(({ rater }) => rater)).size);
      expect(pair.low).toBeLessThanOrEqual(pair.share);
      expect(pair.high).toBeGreaterThanOrEqual(pair.share);
    }
    expect(fits.pairs).toHaveLength(6);
    expect(fits.unjudged).toEqual([]);
  });

  test('find what people prefer, after the correction for six tests, and nothing where they prefer nothing', () => {
    const found = fits.pairs.find(({ a, b }) => a === 'diffusion' && b === 'real');
    expect(found).toMatchObject({ preferred: 'real' });
    expect(found?.holm).toBeGreaterThanOrEqual(found?.p ?? 1);
    const guessing = analyseStudy(
      { ...study, threshold: 0 },
      simulateVotes({ raters: 8, careless: 8, questions: ['fits'] }),
    );
    expect(guessing.questions[0].pairs.map(({ preferred }) => preferred)).toEqual([null, null, null, null, null, null]);
  });

  test('count captions by what most votes on them say', () => {
    const pair = { question: 'fits', a: 'tokens', b: 'diffusion', left: 'a', milliseconds: 900, kind: 'vote' } as const;
    const say = (item: string, choices: readonly Vote['choice'][]) =>
      choices.map((choice, i): Vote => ({ ...pair, item, choice, rater: `r${i}`, trial: Number(item.slice(1)) }));
    const some = [
      ...say('c1', ['a', 'a', 'b']),
      ...say('c2', ['b', 'tie', 'b']),
      ...say('c3', ['a', 'b', 'tie']),
      ...say('c4', ['a', 'a']), // too few
    ];
    const [{ pairs, unjudged }] = analyseStudy({ ...study, questions: ['fits'] }, some).questions;
    expect(pairs[0].majority).toEqual({ a: 1, b: 1, even: 1 });
    expect(pairs[0]).toMatchObject({ votes: 11, wins: 5, losses: 4, ties: 2 });
    expect(unjudged).toHaveLength(5);
  });
});

describe('strengths', () => {
  test('are those that people were given, within their intervals', () => {
    const many = analyseStudy(study, simulateVotes({ raters: 40, questions: ['fits'], draws: 0.2, seed: 3 }));
    const found = many.questions[0].strengths;
    expect(found?.systems.map(({ system }) => system)).toEqual(['real', 'copy', 'tokens', 'diffusion']);
    const mean = Object.values(strengths).reduce((sum, each) => sum + each, 0) / 4;
    for (const { system, log, low, high } of found?.systems ?? []) {
      expect(Math.abs(log - (strengths[system] - mean))).toBeLessThan(0.4);
      expect(low).toBeLessThan(log);
      expect(high).toBeGreaterThan(log);
      expect((high ?? 0) - (low ?? 0)).toBeLessThan(0.8);
    }
    expect(found?.equality).toMatchObject({ degrees: 3 });
    expect(found?.equality.p).toBeLessThan(1e-6);
    expect(found?.triads).toEqual({ judged: 4, circular: [] });
  });

  test('are not made of two systems, nor of systems that no votes connect', () => {
    const two = analyseStudy(study, simulateVotes({ systems: ['tokens', 'diffusion'], questions: ['fits'] }));
    expect(two.questions[0].strengths).toBeNull();
    const apart = votes.filter(({ a, b }) => (a === 'tokens' && b === 'diffusion') || (a === 'copy' && b === 'real'));
    expect(analyseStudy(study, apart).questions[0].strengths).toBeNull();
  });
});

describe('single pictures', () => {
  test('have the shares that were taken for real, and errors beside real ones', () => {
    const shareOf = (system: string) => {
      const own = votes.filter(
        vote => isKept(vote) && vote.kind === 'vote' && vote.question === 'real' && vote.a === system,
      );
      const points: number[] = own.map(({ choice }) => (choice === 'a' ? 1 : choice === 'tie' ? 0.5 : 0));
      return points.reduce((sum, each) => sum + each, 0) / own.length;
    };
    for (const single of real.singles) {
      expect(single.share).toBeCloseTo(shareOf(single.system), 12);
      if (single.system === 'real') expect(single.errors).toBeNull();
      else expect(single.errors?.share).toBeCloseTo((single.share + 1 - shareOf('real')) / 2, 12);
    }
    expect(real.singles.find(({ system }) => system === 'diffusion')?.errors).toMatchObject({ toldApart: true });
    expect(real.pairs).toEqual([]);
    expect(real.unjudged).toEqual([]);
    const some = votes.filter(({ question, a }) => question === 'real' && a !== 'copy');
    expect(analyseStudy(study, some).questions[0].unjudged).toEqual([['copy', '']]);
  });

  test('are not told apart by people who guess', () => {
    const guessing = analyseStudy(
      { ...study, threshold: 0 },
      simulateVotes({ raters: 8, careless: 8, questions: ['real'], seed: 2 }),
    );
    expect(guessing.questions[0].singles.map(({ errors }) => errors?.toldApart)).toEqual([
      false,
      false,
      false,
      undefined,
    ]);
  });
});

describe('how people answered', () => {
  test('tells a liking for the left, repeats, times and what changed', () => {
    const leaning = analyseStudy(study, simulateVotes({ raters: 8, leaning: 1.5, questions: ['fits'] }));
    const { position, repeats, session, times } = leaning.questions[0].behaviour;
    expect(position?.p).toBeLessThan(0.01);
    expect((position?.left ?? 0) / (position?.decided ?? 1)).toBeGreaterThan(0.6);
    expect(fits.behaviour.position?.p).toBeGreaterThan(0.05);
    expect(repeats).toEqual({ pairs: 16, same: 16 });
    // Every answer comes 40 ms sooner than the one before, and the thirds are six of twenty: 14 trials apart.
    expect((session?.first.medianMs ?? 0) - (session?.last.medianMs ?? 0)).toBeCloseTo(14 * 40, -2);
    expect(times.quartiles[0]).toBeLessThan(times.median);
    expect(times.hasty).toBe(0);
    expect(real.behaviour.position).toBeNull();
  });
});

describe('correlation with metrics', () => {
  test('is that of the order, turned where less is better', () => {
    const values = { tokens: 0.01, diffusion: 0.02, copy: 0.003, nobody: 7 };
    const metrics = [
      { metric: 'kid', features: 'random', values },
      { metric: 'coverage', features: 'random', values },
      { metric: 'fd', features: 'random', values: { tokens: 1, real: 0 } },
    ];
    const found = analyseStudy(study, votes, { metrics }).correlations.filter(({ question }) => question === 'fits');
    expect(found.map(({ metric, spearman, kendall, p }) => [metric, spearman, kendall, p])).toEqual([
      ['kid', 1, 1, 2 / 6],
      ['coverage', -1, -1, 2 / 6],
    ]);
  });
});

describe('votes that are none of the study', () => {
  test.each([
    [[], 'expected votes, got none'],
    [[{ ...votes[0], a: 'stranger' }], 'expected one of the systems tokens, diffusion, copy, real, got stranger'],
    [[{ ...votes[0], question: 'nicer' }], 'expected one of the questions fits, real, got nicer'],
    [[votes[0], votes[0]], 'expected one answer a trial, got two of rater0, trial 0'],
  ])('are refused in one line', (given, message) => {
    expect(() => analyseStudy(study, given)).toThrow(UserError);
    expect(() => analyseStudy(study, given)).toThrow(message);
  });

  test('leave results that are the same again, and in JSON', () => {
    expect(analyseStudy(study, votes)).toEqual(results);
    expect(JSON.parse(JSON.stringify(results))).toEqual(results);
  });
});
