/** @file Tier T1's judge, its statistics, the words made from its numbers, and the whole study in small. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { binarySearch, cumulative } from '../../scripts/studies/stability/categorical.ts';
import { addPairs, comparePairs } from '../../scripts/studies/stability/pairs.ts';
import { centre, judge, ringPoints } from '../../scripts/studies/stability/ring.ts';
import { families } from '../../scripts/studies/stability/ring-families.ts';
import { ringPage } from '../../scripts/studies/stability/ring-page.ts';
import {
  type FamilyResult,
  type RunResult,
  type Settings,
  summarise,
  widestBand,
} from '../../scripts/studies/stability/ring-results.ts';
import { resultsText, runRing } from '../../scripts/studies/stability/ring-study.ts';
import { conclude, formatP, formatRate } from '../../scripts/studies/stability/ring-words.ts';
import { TerminalReporter } from '../../src/cli/terminal/progress.ts';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { readPngText } from '../../src/image/png.ts';
import { useNative } from '../support.ts';

describe('the judge of the ring', () => {
  test('finds the data itself to be what it is', () => {
    const { points, modes } = ringPoints(new Random(1), 8000);
    const verdict = judge(points);
    // P(within 3 deviations) in the plane is 1 - exp(-9/2) = 0.98889; four standard errors of 8,000.
    expect(Math.abs(verdict.near - 0.98889)).toBeLessThan(4 * Math.sqrt((0.989 * 0.011) / 8000));
    expect(verdict).toMatchObject({ success: true, modes: 8, finite: true });
    expect(verdict.kl).toBeLessThan(0.003); // its mean is 7 / (2 n)
    expect(new Set(modes).size).toBe(8);
  });

  /** Points on modes by count, and others at the origin. */
  function pointsOf(counts: readonly number[], away: number): number[] {
    return [
      ...counts.flatMap((count, k) => Array.from({ length: count }, () => centre(k)).flat()),
      ...Array(2 * away).fill(0),
    ];
  }

  test('counts a mode from 1% of all samples, and wants more than 30% near', () => {
    expect(judge(pointsOf([5, 5, 5, 5, 5, 5, 5, 5], 60))).toMatchObject({ success: true, modes: 8, near: 0.4, kl: 0 });
    expect(judge(pointsOf([92, 1, 1, 1, 1, 1, 1, 1], 1))).toMatchObject({ success: true, modes: 8 });
    expect(judge(pointsOf([93, 1, 1, 1, 1, 1, 1, 1], 1))).toMatchObject({ success: false, modes: 1 });
    expect(judge(pointsOf([3, 3, 3, 3, 3, 3, 3, 3], 76))).toMatchObject({ success: false, modes: 8 });
    const half = judge(pointsOf([10, 10, 10, 10, 0, 0, 0, 0], 0));
    expect(half).toMatchObject({ success: false, modes: 4, near: 1 });
    expect(half.kl).toBeCloseTo(Math.log(2), 12);
  });

  test('tells what is blurred from what is left out', () => {
    const blurred = Array.from({ length: 8 }, (_, k) => centre(k).map(value => 1.2 * value)).flat();
    expect(judge(blurred)).toMatchObject({ modes: 0, drawn: 8, near: 0 });
    expect(judge(blurred.slice(0, 10))).toMatchObject({ modes: 0, drawn: 5 });
  });

  test('takes what is not finite for a failure', () => {
    const points = pointsOf([5, 5, 5, 5, 5, 5, 5, 5], 0);
    points[3] = Number.NaN;
    expect(judge(points)).toMatchObject({ success: false, finite: false });
    expect(judge([Number.NaN, 0])).toMatchObject({ near: 0, kl: null, modes: 0 });
  });
});

describe('draws from a table', () => {
  test('take places in proportion to their weights, never one of weight 0', () => {
    const sums = cumulative([0, 2, 0, 6]);
    expect([0, 0.2499, 0.25, 0.9999].map(u => binarySearch(sums, u))).toEqual([1, 1, 3, 3]);
    expect(binarySearch(cumulative([Number.NaN, 1]), 0.5)).toBeNaN();
  });
});

const lrs = [1e-4, 1e-3, 1e-2];

/** A family with so many successes of five seeds at each rate. */
function result(
  name: string,
  successes: readonly number[],
  {
    gan,
    kind = gan === undefined ? 'likelihood' : 'gan',
    broken = 0,
    fell = 0,
  }: Partial<FamilyResult> & { broken?: number; fell?: number } = {},
): FamilyResult {
  const failed = { broken, fell };
  const runs = lrs.flatMap((lr, i) =>
    Array.from({ length: 5 }, (_, seed): RunResult => {
      const success = seed < successes[i];
      const finite = success || failed.broken-- <= 0;
      const earlier = !success && failed.fell-- > 0 ? 8 : 2;
      const end = { modes: success ? 8 : 3, drawn: success || seed === 4 ? 8 : 7, near: success ? 0.8 : 0.1, kl: 0.1 };
      return { lr, seed, success, finite, ...end, history: [{ step: 1, modes: earlier, drawn: 8, near: 0.5, kl: 1 }] };
    }),
  );
  const settings = { steps: 10, batch: 8, width: 8, lrs, seeds: [0, 1, 2, 3, 4], samples: 100 };
  return { family: name, label: name, kind, gan, settings, seconds: 1, runs, points: [] };
}

const game = (loss: 'minimax' | 'relativistic', r1 = 0, r2 = 0, predict = false, bend: 'tanh' | 'lrelu' = 'lrelu') =>
  ({ gan: { loss, bend, r1, r2, predict } }) as const;
const words = (...results: readonly FamilyResult[]) => conclude(results.map(summarise)).join('\n');

describe('the summary of a family', () => {
  test('counts successes, bands, collapses, falls and broken runs', () => {
    const summary = summarise(result('x', [5, 4, 1], { broken: 2, fell: 3 }));
    expect(summary).toMatchObject({ runs: 15, successes: 10, dropped: 3, fell: 3, nonFinite: 2 });
    expect(summary.rates.map(rate => rate.successes)).toEqual([5, 4, 1]);
    expect(summary.rates[1].near).toBeCloseTo((4 * 0.8 + 0.1) / 5, 12);
    expect(summary.rates[1].spread).toBeCloseTo(0.7 / Math.sqrt(5), 12); // n - 1
    expect(summary.band?.octaves).toBeCloseTo(Math.log2(10), 12);
    expect(summary.best.lr).toBe(1e-4);
    const [low, high] = summary.interval; // Wilson, 10 of 15
    expect(low).toBeCloseTo(0.4171, 3);
    expect(high).toBeCloseTo(0.8482, 3);
  });

  test('a band is of neighbours, with enough successes and not much worse than the best', () => {
    const rate = (lr: number, successes: number, near: number) => ({ lr, runs: 5, successes, near, spread: 0 });
    expect(widestBand([rate(1, 3, 0.9), rate(2, 0, 0.9)])).toBeUndefined();
    expect(widestBand([rate(1, 5, 0.9), rate(2, 3, 0.9), rate(4, 4, 0.9), rate(8, 5, 0.9)])).toEqual({
      low: 4,
      high: 8,
      octaves: 1,
    });
    expect(widestBand([rate(1, 5, 0.9), rate(2, 5, 0.5), rate(4, 5, 0.7)])).toEqual({ low: 1, high: 1, octaves: 0 });
  });
});

describe('pairs of one rate and seed', () => {
  const outcomes = (successes: readonly boolean[]) => successes.map((success, seed) => ({ lr: 1e-3, seed, success }));

  test('count those of which one alone succeeds, whatever order they come in', () => {
    const first = outcomes([true, true, true, false, false]);
    const second = outcomes([true, false, false, true, false]);
    expect(comparePairs(first, second.toReversed())).toMatchObject({ first: 2, second: 1, p: 1 });
    const other = { first: 0, second: 9 };
    expect(addPairs([comparePairs(first, second), other])).toMatchObject({ first: 2, second: 10 });
    expect(addPairs([other]).p).toBeCloseTo(2 / 512, 12);
  });

  test('are refused where a run has no partner', () => {
    const all = outcomes([true, false]);
    expect(() => comparePairs(all, all.slice(1))).toThrow('no partner of rate 0.001, seed 0');
    expect(() => comparePairs(all.slice(1), all)).toThrow('no partner of rate 0.001, seed 0');
    expect(() => comparePairs([all[0], all[0]], all)).toThrow('no partner of rate 0.001, seed 0');
  });
});

test('the page that is kept says what the results that are kept say', () => {
  const folder = join('docs', 'stability', 'ring');
  const text = readFileSync(join(folder, 'results.json'), 'utf8');
  const { settings, families: kept } = JSON.parse(text) as { settings: Settings; families: FamilyResult[] };
  const results = kept.map(family => ({ ...family, settings, points: [] }));
  expect(ringPage(results, settings)).toBe(readFileSync(join(folder, 'README.md'), 'utf8'));
  expect(resultsText(results, settings)).toBe(text);
  expect(text.split('\n').length).toBeLessThan(settings.lrs.length * settings.seeds.length * kept.length + 100);
});

describe('the words', () => {
  test('say where a family failed and where it is steady', () => {
    expect(words(result('tokens', [5, 5, 5]))).toBe(
      'Tokens: 15 of 15 runs (100%, 95% interval 80 to 100%) succeeded; steady over 6.6 octaves of the learning rate, 1e-4 to 1e-2.',
    );
    expect(words(result('tokens', [0, 5, 2]))).toContain(
      'with failures at 1e-4 (5 of 5) and 1e-2 (3 of 5); steady at 1e-3 alone.',
    );
    expect(words(result('tokens', [0, 0, 0]))).toContain(
      '0 of 15 runs (0%, 95% interval 0 to 20%) succeeded, with failures at',
    );
  });

  test('a modern GAN without a failure unsays the claim', () => {
    const text = words(result('tokens', [5, 5, 5]), result('r3', [5, 5, 5], game('relativistic', 0.1, 0.1)));
    expect(text).toContain(
      'The relativistic GAN with R1 and R2 shows no failure in 15 runs: the claim that GANs are unstable does not hold for it here.',
    );
    expect(text).toContain(
      "Tokens against the relativistic GAN with R1 and R2: 15 of 15 against 15 of 15, Fisher's exact p = 1.00: no difference in how often they succeed can be told.",
    );
  });

  test('a modern GAN that fails is said to, and where it does not', () => {
    const some = words(result('r3', [5, 5, 1], game('relativistic', 0.1, 0.1)));
    expect(some).toContain(
      'failed in 4 of 15 runs, with failures at 1e-2 (4 of 5); at 1e-4 and 1e-3 all of its runs succeed',
    );
    expect(words(result('r3', [3, 4, 1], game('relativistic', 0.1, 0.1)))).toContain(
      'there is no rate at which all of its runs succeed',
    );
    expect(words(result('r3', [0, 0, 0], game('relativistic', 0.1, 0.1)))).toContain('succeeded in none of 15 runs.');
  });

  test('who succeeds more often is said only where the test tells', () => {
    const tokens = result('tokens', [5, 5, 5]);
    expect(words(tokens, result('bad', [0, 0, 0], game('minimax')))).toContain(
      "15 of 15 against 0 of 15, Fisher's exact p < 0.001: the former succeeds more often.",
    );
    expect(words(result('tokens', [0, 0, 0]), result('good', [5, 5, 5], game('minimax')))).toContain(
      'the latter succeeds more often.',
    );
    expect(words(tokens, result('good', [5, 5, 3], game('minimax')))).toContain('p = 0.48: no difference');
  });

  test('prediction helps, does harm or does nothing that can be told, in all games and in each part', () => {
    const pair = (without: readonly number[], predicted: readonly number[], bend: 'tanh' | 'lrelu' = 'lrelu') => [
      result('without', without, game('minimax', 0, 0, false, bend)),
      result('predicted', predicted, game('minimax', 0, 0, true, bend)),
    ];
    expect(words(...pair([0, 1, 0], [5, 5, 0]))).toContain(
      "Prediction in all games together: 10 of 15 runs succeed with it, 1 of 15 without; of the pairs of one rate and seed, 9 with it alone and 0 without it alone, McNemar's exact p = 0.004: prediction helps.",
    );
    expect(words(...pair([5, 5, 0], [0, 1, 0]))).toContain('prediction does harm.');
    expect(words(...pair([2, 1, 0], [1, 2, 0]))).toContain(
      "1 with it alone and 1 without it alone, McNemar's exact p = 1.00: no effect can be told.",
    );
    // The shares are those of the first case, but every seed that succeeds with it succeeds without it too.
    expect(words(...pair([5, 1, 0], [5, 5, 0]))).toContain('4 with it alone and 0 without it alone');
    const both = words(...pair([5, 5, 5], [0, 0, 0]), ...pair([0, 0, 0], [5, 5, 5], 'tanh'));
    expect(both).toContain("in the prediction paper's own game (tanh networks, minimax, momentum 0.9): 15 of 15");
    expect(both).toContain(
      'in games without a penalty on leaky networks: 0 of 15 runs succeed with it, 15 of 15 without',
    );
    expect(both).toContain('in all games together: 15 of 30 runs succeed with it, 15 of 30 without');
    expect(words(pair([5, 5, 5], [0, 0, 0])[0])).not.toContain('Prediction');
  });

  test('GANs are counted by penalty, without prediction', () => {
    const text = words(
      result('a', [1, 2, 3], game('minimax')),
      result('b', [5, 5, 5], game('minimax', 0, 0, true)),
      result('c', [4, 4, 4], game('relativistic')),
      result('d', [0, 1, 0], game('relativistic', 0.1)),
    );
    expect(text).toContain(
      'GANs without a penalty: 18 of 30 runs (60%, 95% interval 42 to 75%) succeeded (minimax 6 of 15, relativistic 12 of 15).',
    );
    expect(text).toContain('GANs with R1: 1 of 15 runs');
    expect(text).not.toContain('R1 and R2');
  });

  test('how failures show is counted', () => {
    const text = words(
      result('a', [1, 2, 2], { ...game('minimax'), fell: 4 }),
      result('e', [5, 5, 2], { kind: 'denoising', broken: 2 }),
    );
    expect(text).toContain(
      'Of the 10 failed runs of GANs, 0 met a number that is not finite, 7 leave a mode out, and 4 held all modes at an earlier look and do not at the end;',
    );
    expect(text).toContain(
      'Of the 3 failed runs of the other families, 2 met a number that is not finite, 2 leave a mode out, and 0 held',
    );
    expect(words(result('tokens', [5, 5, 5]))).not.toContain('failed runs');
  });

  test('rates and probabilities are short', () => {
    expect([1e-4, 3e-4, 0.01, 2, 30].map(formatRate)).toEqual(['1e-4', '3e-4', '1e-2', '2', '3e1']);
    expect([4e-8, 0.0123, 0.13, 1].map(formatP)).toEqual(['< 0.001', '= 0.012', '= 0.13', '= 1.00']);
  });
});

describe('the study', () => {
  let out: string;
  beforeEach(() => {
    out = mkdtempSync(join(tmpdir(), 'tessera-stability-'));
  });
  afterEach(() => rmSync(out, { recursive: true }));

  const settings = { steps: 4, batch: 8, width: 8, samples: 50, lrs: [1e-3, 1e-2], seeds: [3, 4] };
  const chosen = families.filter(({ name }) => ['tokens', 'minimax', 'minimax-predicted', 'jem'].includes(name));

  function session(lines: string[], signal = new AbortController().signal) {
    const stream = { write: (text: string) => lines.push(text) };
    const reporter = new TerminalReporter({ stream, isTTY: false, now: () => 0 });
    return { reporter, signal, now: () => 0, print: () => {}, cacheDir: '' };
  }

  test('writes every run, the page and the pictures, and goes on where it stood', async () => {
    await useNative();
    const [first, second]: string[][] = [[], []];
    const [tokens, ...others] = chosen;
    expect(await runRing(session(first), { families: [tokens], settings, out })).toBe(true);
    expect(await runRing(session(second), { families: [tokens, ...others], settings, out })).toBe(true);
    expect(second.join('')).toContain('[1/4] tokens: done before');
    expect(second.join('')).toContain('[2/4] minimax: done');
    const { families: saved } = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8'));
    expect(saved.map(({ family }: { family: string }) => family)).toEqual([
      'tokens',
      'minimax',
      'minimax-predicted',
      'jem',
    ]);
    for (const { runs } of saved as FamilyResult[]) {
      expect(runs.map(({ lr, seed }) => [lr, seed])).toEqual([
        [1e-3, 3],
        [1e-3, 4],
        [1e-2, 3],
        [1e-2, 4],
      ]);
      expect(runs[0].history.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    }
    const page = readFileSync(join(out, 'README.md'), 'utf8');
    expect(page).toContain('4 families, 2 seeds at 2 learning rates, 4 steps of 8 points');
    expect(page).toContain('| family | 1e-3 | 1e-2 | all |');
    expect(page).toMatch(/\| minimax, prediction \| \d \(0\.\d\d\) \| \d \(0\.\d\d\) \| \d\/4 \|/);
    for (const name of ['map.png', 'samples.png']) expect(readPngText(readFileSync(join(out, name)))).toEqual({});
  });

  test('refuses to mix settings', async () => {
    await useNative();
    await runRing(session([]), { families: chosen.slice(0, 1), settings, out });
    const other = { families: chosen.slice(0, 1), settings: { ...settings, steps: 5 }, out };
    await expect(runRing(session([]), other)).rejects.toThrow(UserError);
    await expect(runRing(session([]), other)).rejects.toThrow('expected a result with steps 5, got one with 4');
  });

  test('stops when it is told to, keeping what is finished', async () => {
    await useNative();
    const stop = new AbortController();
    await runRing(session([]), { families: chosen.slice(0, 1), settings, out });
    stop.abort();
    expect(await runRing(session([], stop.signal), { families: chosen, settings, out })).toBe(false);
    expect(JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')).families).toHaveLength(1);
  });

  test('is a program that names the families it knows', () => {
    const program = (...argv: readonly string[]) =>
      spawnSync(
        process.execPath,
        ['--import', 'tsx', join('scripts', 'studies', 'stability', 'stability.ts'), ...argv],
        {
          encoding: 'utf8',
        },
      );
    const wrong = program('--tier', 'ring', '--families', 'tokens,wgan', '--out', out);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toMatch(/stability: --families: expected some of tokens, .*, jem, got wgan/);
    const small = program('--smoke', '--families', 'tokens', '--steps', '2', '--out', out);
    expect(small.stderr).toContain('1 family, 4 runs of 2 steps each');
    expect(small.status).toBe(0);
    expect(small.stdout.trim()).toBe(join(out, 'ring', 'README.md'));
  });
});
