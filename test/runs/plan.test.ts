/** @file What is planned for data of four orders on three machines, and that the steps fit their time. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { RunConfig } from '../../src/config/run.ts';
import { choose, usefulSteps, validationFor } from '../../src/runs/plan/choose.ts';
import { flopsOf, trainedStagesOf } from '../../src/runs/plan/costs.ts';
import { fitSteps, rhythmOf, secondsAStep } from '../../src/runs/plan/fit.ts';
import { drawings, machines, planFor, planTable } from './plan-machines.ts';

const shape = ({ images, patch, model }: RunConfig) => [images.imageSize, patch.grid, model.width];

describe('sizes over four orders of pictures and three machines', () => {
  test.each([
    ['2 cores', 50, [64, 8, 256]],
    ['2 cores', 500, [64, 8, 256]],
    ['2 cores', 5000, [64, 8, 256]],
    ['2 cores', 500_000, [128, 16, 256]],
    ['16 cores', 50, [128, 16, 256]],
    ['16 cores', 5000, [128, 16, 256]],
    ['16 cores', 500_000, [128, 32, 256]],
    ['GPU', 50, [128, 32, 256]],
    ['GPU', 5000, [128, 32, 256]],
    ['GPU', 500_000, [256, 32, 768]],
  ] as const)('%s, %i drawings', (machine, pictures, expected) => {
    expect(shape(planFor(drawings(pictures), machines[machine]).config)).toEqual(expected);
  });

  test.each(Object.entries(machines))('%s: more pictures take longer and are seen less often', (_, machine) => {
    const plans = [50, 500, 5000, 500_000].map(pictures => planFor(drawings(pictures), machine));
    const minutes = plans.map(plan => plan.minutes);
    const passes = plans.map(({ config: { train }, sides }) => (train.steps * train.batchSize) / sides.training);
    expect(minutes).toEqual([...minutes].sort((a, b) => a - b));
    expect(passes).toEqual([...passes].sort((a, b) => b - a));
    expect(passes[3]).toBeGreaterThan(1.9); // nothing is chosen that would see its pictures less than twice
  });

  test('few drawings on two cores: minutes, and first samples within one and a half', () => {
    const { minutes, firstSamples, config } = planFor(drawings(50), machines['2 cores']);
    expect(minutes).toBeGreaterThanOrEqual(3);
    expect(minutes).toBeLessThanOrEqual(5);
    expect(firstSamples).toBeLessThan(90);
    expect(config.train).toMatchObject({ optimizer: 'muon', lr: 6e-3, batchSize: 32 });
  });

  test('a slow machine takes longer rather than learn nothing, and not for ever', () => {
    const minutes = (slower: number) =>
      planFor(drawings(50), { ...machines['2 cores'], flopsPerSecond: 4e11 / slower }).minutes;
    expect([1, 2, 4, 100].map(minutes)).toEqual([3, 4, 6.5, 20]);
  });

  test('more minutes buy larger pictures, and a rung is only taken with the steps that it needs', () => {
    const sizes = [3, 30, 240, 2400].map(minutes => planFor(drawings(500), machines['2 cores'], { minutes }));
    expect(sizes.map(({ config }) => config.patch.grid * config.images.imageSize)).toEqual([512, 1024, 4096, 4096]);
    for (const { config, useful } of sizes.slice(1)) expect(config.train.steps).toBeGreaterThan(0.6 * useful);
    expect(sizes[0].why).toMatch(/^64 x 64 pixels as 16 x 16 codes would get \d+ of the 2,\d\d\d steps that it needs$/);
  });

  test.each(['dcgan', 'r3gan', 'diffusion'])('%s is fitted to the same minutes as a transformer', family => {
    const plans = ['transformer', family].map(each =>
      planFor(drawings(3700), machines['2 cores'], { family: each, minutes: 10 }),
    );
    for (const { seconds, config } of plans) {
      expect(seconds).toBeGreaterThan(560);
      expect(seconds).toBeLessThan(620);
      expect(config.images.imageSize).toBe(64);
    }
    expect(plans[1].config.train).toMatchObject({ optimizer: 'adamw' }); // its own, not a transformer's
  });
});

describe('what the data decides', () => {
  const config = (survey = drawings(120), fields: Record<string, unknown> = {}) =>
    choose(survey, machines['2 cores'], { family: 'transformer', fields }).config;

  test('positions for the captions that there are', () => {
    const of = (ids: number) =>
      config(drawings(120, { captions: { distinct: 9, sampled: 9, bytes: 1, ids } })).model.captionLength;
    expect([1, 3, 6, 8, 60, 4096].map(of)).toEqual([4, 4, 8, 12, 64, 256]);
  });

  test('pictures are not made larger than the data has them', () => {
    const of = (side: number) => shape(config(drawings(120, { side })));
    expect([12, 16, 32, 48, 64, 900].map(side => of(side)[0])).toEqual([16, 16, 32, 64, 64, 64]);
  });

  test('photographs have crops, and no white around them', () => {
    expect(config(drawings(500, { kind: 'photographs', whiteGround: false })).images).toMatchObject({
      crops: 4,
      padCrops: false,
    });
    expect(config().images).toMatchObject({ crops: 1, padCrops: true });
  });

  test('few pictures hold out more, fewer than ten nothing', () => {
    expect([1, 9, 10, 199, 200, 999, 1000, 500_000].map(pictures => validationFor({ pictures }))).toEqual([
      0, 0, 0.2, 0.2, 0.1, 0.1, 0.05, 0.01,
    ]);
  });

  test('what was asked for stands, and the rest fits it', () => {
    expect(
      config(drawings(120), { images: { imageSize: 128 }, patch: { grid: 16 }, train: { lr: 1e-3 } }),
    ).toMatchObject({
      images: { imageSize: 128, validation: 0.2 },
      patch: { grid: 16, stem: 4 },
      train: { lr: 1e-3, batchSize: 32 },
    });
    expect(() => config(drawings(120), { images: { imageSize: 40 } })).toThrow('expected a power of two');
  });

  test('one picture, and pictures that are all the same, are planned like others', () => {
    const { config: one, sides } = planFor(drawings(1), machines['2 cores']);
    expect(sides).toEqual({ training: 1, heldOut: 0 });
    expect(one.train.steps).toBeGreaterThan(20);
    expect(shape(one)).toEqual([64, 8, 256]);
  });

  test('useful steps grow slowly with few pictures, and by passes with many', () => {
    expect([1, 50, 800, 5000].map(n => usefulSteps(500, n, 32))).toEqual([500, 500, 1000, 1581]);
    expect(usefulSteps(500, 500_000, 32)).toBe(Math.round((8 * 0.01 ** 0.3 * 500_000) / 32));
  });
});

describe('fitting steps to seconds', () => {
  const loop = { step: 0.2, evaluation: 0.3, sheet: 1, save: 0.2 };
  const costs = {
    loops: { patch: { step: 0.04, evaluation: 0.1, sheet: 0.2, save: 0.1 }, model: loop },
    encode: 1e-3,
    decode: 1e-3,
  };
  const sides = { training: 320, heldOut: 80 };
  const { config } = planFor(drawings(400), machines['2 cores']);

  test('all stages together take what they may', () => {
    for (const seconds of [120, 300, 3600]) {
      const fitted = fitSteps(config, { costs, sides, seconds, fixed: new Set() });
      expect(fitted.seconds).toBeLessThanOrEqual(seconds);
      expect(fitted.seconds).toBeGreaterThan(0.96 * seconds);
      const { patch, model } = fitted.stages;
      const { train, patchTrain } = fitted.config;
      expect(model?.loopSeconds).toBeCloseTo(train.steps * secondsAStep(loop, train) + 1.5, 6);
      expect(patch?.loopSeconds).toBeCloseTo(patchTrain.steps * 0.04 + 10 * 0.4, 6);
      expect([patch?.fitted, model?.fitted]).toEqual([true, true]);
    }
  });

  test('steps that stand are counted, and the other stage has the rest', () => {
    const asked = { ...config, train: { ...config.train, steps: 500 } };
    const fitted = fitSteps(asked, { costs, sides, seconds: 200, fillsTime: true, fixed: new Set(['train.steps']) });
    expect(fitted.config.train.steps).toBe(500);
    expect(fitted.stages.model?.fitted).toBe(false);
    expect(fitted.config.patchTrain.steps).toBeGreaterThan(1000);
    expect(fitted.config.patchTrain.steps).toBeLessThan(2500);
    expect(fitted.stages.model).not.toHaveProperty('fillsTime');
    const open = fitSteps(asked, { costs, sides, fixed: new Set(['train.steps']) });
    expect(open.config.train.steps).toBe(500);
    expect(open.stages.patch?.fitted).toBe(false);
  });

  test('a quarter of a pass is validated, and no kind of look takes more than its share', () => {
    const every = rhythmOf(200, { costs: loop, sides, batchSize: 32 });
    expect(every).toEqual({ evalEvery: 17, sampleEvery: 125, saveEvery: 100 });
    expect(loop.evaluation / every.evalEvery).toBeLessThan(0.1 * loop.step);
    const quick = rhythmOf(200, { costs: { ...loop, evaluation: 0.01 }, sides, batchSize: 32 });
    expect(quick.evalEvery).toBe(3); // 320 images in batches of 32: ten steps a pass
  });

  test('a rhythm that was asked for stands', () => {
    const asked = { ...config, train: { ...config.train, evalEvery: 7 } };
    const fitted = fitSteps(asked, { costs, sides, seconds: 200, fixed: new Set(['train.evalEvery']) });
    expect(fitted.config.train.evalEvery).toBe(7);
    expect(fitted.config.train.sampleEvery).not.toBe(config.train.sampleEvery);
  });
});

test('operations are those that the models count themselves', () => {
  const { config } = planFor(drawings(50), machines['2 cores']);
  const model = {
    ...config,
    caption: { ...config.caption, vocabSize: 2048 },
    model: { ...config.model, captionLength: 20 },
  };
  // Dalle.flopsPerSequence of the preset `tiny` is 2.912e9, PatchTokenizer.flopsPerImage 2.000e8.
  expect(flopsOf(model).model / 2.912e9).toBeCloseTo(1, 1);
  expect(flopsOf(config).patch / 2e8).toBeCloseTo(1, 1);
  expect(trainedStagesOf('diffusion')).toEqual(['text', 'model']);
});

test('the table of the documentation is what would be planned', () => {
  const page = readFileSync(new URL('../../docs/training.md', import.meta.url), 'utf8');
  const table = page.split('\n').filter(line => /^\| (pictures|[\d,]+) \| (machine|\d+ cores|GPU) /.test(line));
  expect(table).toEqual(planTable().filter(line => !line.startsWith('|-')));
});
