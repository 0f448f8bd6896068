/** @file Tier T2's scores by hand, its budget, the words made from its numbers, and the whole study in small. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drawMode, modeNumber, modes } from '../../data/generators/modes.ts';
import { stepSeconds, stepsWithin } from '../../scripts/stages.ts';
import { modesConfig, modesFamilies } from '../../scripts/studies/stability/modes-families.ts';
import { byFamily, byRate, type ModesResult, stands } from '../../scripts/studies/stability/modes-results.ts';
import { klFloor, scoreAnswers, scorePictures, wantedModes } from '../../scripts/studies/stability/modes-score.ts';
import { type ModesOptions, runModes } from '../../scripts/studies/stability/modes-study.ts';
import { concludeModes, percent } from '../../scripts/studies/stability/modes-words.ts';
import { TerminalReporter } from '../../src/cli/terminal/progress.ts';
import { UserError } from '../../src/core/errors.ts';
import type { Session } from '../../src/runs/session.ts';
import { useNative } from '../support.ts';

describe('the score', () => {
  const words = { size: 'small', colour: 'red', shape: 'ring', place: 'in the center', background: 'pink' } as const;
  const a = modeNumber(words);
  const b = modeNumber({ ...words, shape: 'cross', colour: 'blue' });

  test('counts scenes, rejections and attributes', () => {
    const score = scoreAnswers([
      { wanted: a, seen: a },
      { wanted: a, seen: b },
      { wanted: b, seen: undefined },
      { wanted: b, seen: b },
      { wanted: b, seen: a },
    ]);
    expect(score).toMatchObject({
      images: 5,
      rejected: 1,
      hit: 2,
      right: 2,
      attributes: { size: 4, colour: 2, shape: 2, place: 4, background: 4 },
    });
    expect(score.kl).toBeCloseTo(Math.log(1000 / 2), 12); // two scenes evenly
    expect(klFloor(score)).toBeCloseTo(999 / 8, 12);
  });

  test('is zero nats where every scene comes as often, and knows none where nothing is recognised', () => {
    const even = scoreAnswers(wantedModes(2000).map(wanted => ({ wanted, seen: (wanted + 7) % 1000 })));
    expect(even).toMatchObject({ hit: 1000, right: 0 });
    expect(even.kl).toBeCloseTo(0, 12);
    expect(klFloor({ ...even, images: 26000 })).toBeCloseTo(0.0192, 4); // BASELINES' example
    const none = scoreAnswers([{ wanted: a, seen: undefined }]);
    expect(none).toMatchObject({ hit: 0, kl: null, rejected: 1 });
    expect(klFloor(none)).toBeNull();
  });

  test('asks for all scenes in turn, and reads pictures with the oracle', () => {
    expect([...wantedModes(1000)].sort((x, y) => x - y)).toEqual(modes.map((_, mode) => mode));
    const picture = (mode: number) => ({ width: 32, height: 32, data: drawMode(mode, 32) });
    expect(scorePictures([picture(a), picture(b)], [a, a])).toMatchObject({ right: 1, hit: 2, rejected: 0 });
  });
});

describe('the budget', () => {
  test('takes the seconds of a step from the log, without the first line', () => {
    const records = [
      { stage: 'text', step: 10, seconds: 5 },
      { stage: 'text', step: 20, seconds: 6 },
      { stage: 'dcgan', step: 10, seconds: 100 },
      { stage: 'text', step: 30, seconds: 7 },
      { stage: 'text', step: 30, val_loss: 3 },
      { stage: 'dcgan', step: 30, seconds: 140 },
    ];
    expect(stepSeconds(records)).toEqual({ text: 0.1, dcgan: 2 });
  });

  test('is seconds or images, and what a stage has of them', () => {
    expect(stepsWithin({ seconds: 600 }, 0.25, { seconds: 0.1, images: 32 })).toBe(1500);
    expect(stepsWithin({ images: 64000 }, 0.5, { seconds: 0.1, images: 32 })).toBe(1000);
    expect(stepsWithin({ seconds: 1 }, 0.1, { seconds: 10, images: 1 })).toBe(20);
  });
});

test('configs differ by what is compared: no family is augmented, guided or sharpened, all average', () => {
  for (const family of modesFamilies) {
    const config = modesConfig(family, { seed: 4 });
    expect(config).toMatchObject({ seed: 4, images: { imageSize: 32, cropAmount: 0 }, gan: { augment: [] } });
    expect(config.sampling).toMatchObject({ temperature: 1, cfgScale: 1 });
    expect(config.train.ema).toBeGreaterThan(0);
    expect(family.without === undefined || modesFamilies.some(({ name }) => name === family.without)).toBe(true);
  }
});

describe('the words', () => {
  const [hit, lost] = [950, 120].map(n => ({
    ...scoreAnswers(wantedModes(1000).map((wanted, i) => ({ wanted, seen: i < n ? wanted : undefined }))),
  }));
  const runs = (family: string, fields: Partial<ModesResult>, scores: readonly ModesResult['score'][]): ModesResult[] =>
    scores.map((score, seed) => ({
      ...{ family, label: family, kind: 'gan' as const, lr: 2e-4, seed, finite: true, checks: [] },
      ...{ steps: 10, seconds: 1, firstSeconds: 1, seen: 320, parameters: null, passes: null, score },
      settings: { budget: { seconds: 2 }, perMode: 10, images: 1000, checks: 1, glance: 100 },
      ...fields,
    }));
  const five = <T>(value: T): T[] => Array<T>(5).fill(value);

  test('a run stands that is finite and paints half of the scenes', () => {
    const [good, poor] = runs('x', {}, [hit, lost]);
    expect([good, poor, { ...good, finite: false }, { ...good, score: null }].map(stands)).toEqual([
      true,
      false,
      false,
      false,
    ]);
    const rates = [...runs('x', { lr: 1e-2 }, [lost]), ...runs('x', { lr: 1e-3 }, [hit])];
    expect(byRate(rates).map(({ results, successes }) => [results[0].lr, successes])).toEqual([
      [1e-3, 1],
      [1e-2, 0],
    ]);
    expect(byFamily(rates)).toMatchObject([{ family: 'x', successes: 1, runs: 2 }]);
  });

  test('say what the numbers say, and the opposite of opposite numbers', () => {
    const steady = runs('transformer', { kind: 'likelihood' }, five(hit));
    const fallen = runs('dcgan', {}, five(lost));
    const text = concludeModes([...steady, ...fallen], { real: hit, reconstruction: null }).join('\n');
    expect(text).toContain('reads 95% (93 to 96) of real pictures');
    expect(text).toContain('Transformer: 5 of 5 runs paint at least half of the 1000 scenes (95% interval 57 to 100%)');
    expect(text).toContain('shows what was asked for in 12% (10 to 14) of its pictures');
    expect(text).toMatch(/Transformer against dcgan: 5 of 5 runs against 0 of 5.*p = 0\.008: the former stands more/);
    const swapped = [...runs('transformer', { kind: 'likelihood' }, five(lost)), ...runs('dcgan', {}, five(hit))];
    expect(concludeModes(swapped, undefined).join('\n')).toMatch(/5 of 5.*: the latter stands more often/);
    const equal = [...steady, ...runs('dcgan', {}, five(hit))];
    expect(concludeModes(equal, undefined).join('\n')).toMatch(/p = 1\.00: no difference/);
  });

  test('pair prediction with the game without it, and name what is not finite', () => {
    const pair = [
      ...runs('dcgan', { label: 'DCGAN' }, [...five(lost), ...five(lost)]),
      ...runs('dcgan-predict', { label: 'DCGAN, prediction', without: 'dcgan' }, [...five(hit), ...five(hit)]),
    ];
    expect(concludeModes(pair, undefined).at(-1)).toBe(
      "Prediction in DCGAN: 10 of 10 runs stand with it, 0 of 10 without; of the pairs of one rate and seed, 10 with it alone and 0 without it alone, McNemar's exact p = 0.002: prediction helps.",
    );
    const broken = runs('dcgan', { finite: false }, [null, null]);
    expect(concludeModes(broken, undefined)).toEqual([
      'Dcgan: 0 of 2 runs paint at least half of the 1000 scenes (95% interval 0 to 66%), and 2 met a loss that is not finite.',
    ]);
    expect([percent(0, 100), percent(1, 1000), percent(1, 2)]).toEqual([
      '0% (0 to 4)',
      '0.1% (0.0 to 0.6)',
      '50% (9 to 91)',
    ]);
  });
});

describe('the study', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tessera-modes-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const tiny = {
    caption: { vocabSize: 300 },
    patch: { width: 4, maxWidth: 4, blocks: 1, codeBlocks: 1, levels: [4, 4] },
    patchTrain: { batchSize: 2 },
    model: { captionLength: 20, width: 16, layers: 1, heads: 2 },
    train: { batchSize: 2 },
  };

  test('trains, looks, writes, and goes on where it stood', async () => {
    await useNative();
    const lines: string[] = [];
    const reporter = new TerminalReporter({ stream: { write: text => lines.push(text) }, isTTY: false, now: () => 0 });
    const session = (signal: AbortSignal): Session => ({
      ...{ reporter, print: line => lines.push(line), now: () => performance.now(), signal, cacheDir: folder },
    });
    const options: ModesOptions = {
      families: modesFamilies.filter(({ name }) => name === 'transformer'),
      settings: { budget: { images: 60 }, perMode: 1, images: 24, checks: 2, glance: 8 },
      ...{ seeds: [0], lrs: [2e-3, 1e30], fields: tiny, backend: 'native', precision: 'fp32' },
      ...{ data: join(folder, 'data'), runs: join(folder, 'runs'), out: join(folder, 'out') },
    };
    const stopped = new AbortController();
    stopped.abort();
    expect(await runModes(session(stopped.signal), options)).toBe(false);
    expect(await runModes(session(new AbortController().signal), options)).toBe(true);

    const read = (name: string) => readFileSync(join(options.out, name), 'utf8');
    const result = JSON.parse(read('runs/transformer-lr2e-3-seed0.json')) as ModesResult;
    expect(result).toMatchObject({ family: 'transformer', lr: 2e-3, seed: 0, finite: true, steps: 21, seen: 42 });
    expect(result.checks.map(({ step, score }) => [step, score.images])).toEqual([
      [11, 8],
      [21, 24],
    ]);
    expect(result.score).toEqual(result.checks[1].score);
    expect(JSON.parse(read('references.json'))).toMatchObject({ real: { images: 24, right: 24, hit: 24 } });
    const page = read('README.md');
    expect(page).toContain('2 runs of 1 family on 1000 scenes of 32 x 32 pixels, 1 picture of each');
    expect(page).toContain('Gradients are clipped in training: transformer on tokens.');
    expect(page).toContain('The oracle reads 100% (86 to 100) of real pictures');
    for (const lr of ['2e-3', '1e30']) expect(page).toContain(`| transformer on tokens | ${lr} | 0/1 |`);
    expect(JSON.parse(read('runs/transformer-lr1e30-seed0.json'))).toMatchObject({ finite: false });
    expect(page).toContain('| transformer on tokens | 1e30 | 0 | not finite |');
    expect(existsSync(join(options.out, 'samples-transformer.png'))).toBe(true);

    lines.length = 0;
    expect(await runModes(session(new AbortController().signal), options)).toBe(true);
    expect(lines.filter(line => /lr(2e-3|1e30).*done before/.test(line))).toHaveLength(2);
    expect(read('README.md')).toBe(page);
    const other = { ...options, settings: { ...options.settings, budget: { images: 80 } } };
    await expect(runModes(session(new AbortController().signal), other)).rejects.toThrow(UserError);
  });
});
