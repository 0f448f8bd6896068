/** @file What a plan becomes by what its saved states say. */
import { describe, expect, test } from 'vitest';
import { resolveConfig } from '../../src/families/resolve.ts';
import type { KeptPlan } from '../../src/runs/plan/kept.ts';
import { refit, withoutAsked, withSteps } from '../../src/runs/plan/refit.ts';

const plan: KeptPlan = {
  stages: {
    captions: { seconds: 1 },
    patch: { seconds: 60, steps: 1000, loopSeconds: 50, fitted: true },
    codes: { seconds: 5 },
    model: { seconds: 210, steps: 800, loopSeconds: 200, fitted: true },
  },
};

describe('after the first stage', () => {
  const once = (spent: number, model?: { step: number; steps?: number }) =>
    refit(plan, { patch: { step: 1000, steps: 1000, spent }, ...(model && { model: { spent: 9, ...model } }) });

  test('before it, the steps are those that were planned', () => {
    expect(refit(plan, {})).toEqual({
      steps: { patch: 1000, model: 800 },
      most: { patch: 1000, model: 800 },
      seconds: { patch: 50, model: 200 },
    });
    expect(refit(plan, { patch: { step: 300, steps: 1000, spent: 90 } }).steps).toEqual({ patch: 1000, model: 800 });
  });

  test('time that is left goes to the model, and time that is not is taken from it', () => {
    expect(once(10)).toMatchObject({ steps: { model: 960 }, seconds: { model: 240 } });
    expect(once(53).steps.model).toBe(800); // small changes are not worth it
    // 1.4 times slower: the model is taken to be as much slower, in 180 of its 200 seconds.
    expect(once(70).steps.model).toBe(Math.floor(180 / (0.25 * 1.4)));
    expect(once(400).steps.model).toBe(20);
  });

  test('a first stage that was shortened on its way is done with the steps that its state has', () => {
    const shortened = refit(plan, { patch: { step: 600, steps: 600, spent: 50 } });
    expect(shortened.steps).toEqual({ patch: 600, model: Math.floor(200 / (0.25 * (1000 / 600))) });
  });

  test('what the state of the model says comes first', () => {
    expect(once(10, { step: 40, steps: 777 }).steps.model).toBe(777);
  });
});

test('steps that were taken from a stage may be had again: those of the plan, or what it was given since', () => {
  expect(refit(plan, { patch: { step: 300, steps: 600, spent: 90 } }).most).toEqual({ patch: 1000, model: 800 });
  // The first stage was slow, so that the model begins with fewer steps; and it was quick, so that it begins with more.
  expect(refit(plan, { patch: { step: 600, steps: 600, spent: 90 } })).toMatchObject({ most: { model: 800 } });
  const quick = { patch: { step: 1000, steps: 1000, spent: 10 } };
  expect(refit(plan, quick)).toMatchObject({ steps: { model: 960 }, most: { model: 960 } });
  const shortened = refit(plan, { ...quick, model: { step: 100, steps: 200, spent: 90 } });
  expect(shortened).toMatchObject({ steps: { model: 200 }, most: { model: 960 } });
  // No more than are worth it.
  const worth = { stages: { ...plan.stages, model: { ...plan.stages.model, seconds: 210, stepsAtMost: 900 } } };
  expect(refit(worth, quick).most.model).toBe(900);
});

test('a time that was asked for is filled: the model has no most steps', () => {
  const asked: KeptPlan = {
    stages: { ...plan.stages, model: { seconds: 210, steps: 800, loopSeconds: 200, fitted: true, fillsTime: true } },
  };
  expect(refit(asked, {}).most).toEqual({ patch: 1000, model: Number.POSITIVE_INFINITY });
  const quick = { patch: { step: 1000, steps: 1000, spent: 10 }, model: { step: 100, steps: 1500, spent: 9 } };
  expect(refit(asked, quick)).toMatchObject({ steps: { model: 1500 }, most: { model: Number.POSITIVE_INFINITY } });
});

describe('of a run that starts from another one', () => {
  const model = { seconds: 62, steps: 300, loopSeconds: 60, fitted: true, secondsAtMost: 90, stepsAtMost: 300 };
  const tuning = { seconds: 2, steps: 100, loopSeconds: 20, fitted: true };
  const likelyKept: KeptPlan = { stages: { patch: { ...tuning, ifNeeded: true }, codes: { seconds: 1 }, model } };
  const surely: KeptPlan = { stages: { patch: { ...tuning, seconds: 22 }, codes: { seconds: 1 }, model } };

  test('the model has the time that it may take, and no more steps than are worth it', () => {
    expect(refit(likelyKept, {})).toEqual({
      steps: { patch: 100, model: 300 },
      most: { patch: 100, model: 300 },
      seconds: { patch: 20, model: 90 },
    });
    expect(refit(surely, { patch: { step: 100, steps: 100, spent: 4 } })).toMatchObject({
      steps: { model: 300 },
      seconds: { model: 106 },
    });
  });

  test('what tuning took is taken from the model, where it was likely that there is none', () => {
    expect(refit(likelyKept, { patch: { step: 100, steps: 100, spent: 20 } })).toMatchObject({
      steps: { model: 300 },
      seconds: { model: 70 },
    });
    const long = refit(
      { stages: { ...likelyKept.stages, model: { ...model, secondsAtMost: 60 } } },
      {
        patch: { step: 100, steps: 100, spent: 20 },
      },
    );
    expect(long).toMatchObject({ steps: { model: 200 }, seconds: { model: 40 } });
  });

  test('tuning that ended by its patience is done, and one that goes on is not', () => {
    const once = (waited: number) => refit(likelyKept, { patch: { step: 70, steps: 100, spent: 45, waited } });
    expect(once(1).seconds.model).toBe(90);
    // 45 s for 70 of the 100 steps that were to take 20: 3.2 times slower, and 45 s are left.
    expect(once(2)).toMatchObject({
      steps: { model: Math.floor(45 / (0.2 * (45 / 70 / 0.2))) },
      seconds: { model: 45 },
    });
  });

  test('the decoder and then all of it count together', () => {
    const both = { patch: { step: 100, steps: 100, spent: 20 }, whole: { step: 60, steps: 90, spent: 12 } };
    expect(refit(likelyKept, both)).toMatchObject({ steps: { patch: 90, model: 300 }, seconds: { model: 90 } });
    const done = { ...both, whole: { step: 90, steps: 90, spent: 18 } };
    expect(refit(likelyKept, done)).toMatchObject({ steps: { model: 260 }, seconds: { model: 52 } });
  });
});

test('samples come as much sooner as the model has fewer steps, unless somebody has set how often', () => {
  const watched: KeptPlan = {
    stages: { model: { seconds: 210, steps: 800, loopSeconds: 200, fitted: true, sampleEvery: 120 } },
  };
  expect(refit(watched, {}).sampleEvery).toBe(120);
  const shorter = refit(watched, { model: { step: 50, steps: 200, spent: 50 } });
  expect(shorter.sampleEvery).toBe(30);
  expect(refit(watched, { model: { step: 50, steps: 900, spent: 5 } }).sampleEvery).toBe(120);
  const config = withSteps(resolveConfig({ preset: 'tiny' }), shorter);
  expect([config.train.steps, config.train.sampleEvery]).toEqual([200, 30]);
  expect(withoutAsked(watched, shorter, { config: config, asked: [] })).toEqual(watched);
  const asked = { ...config, train: { ...config.train, sampleEvery: 7 } };
  const kept = withoutAsked(watched, shorter, { config: asked, asked: [] });
  expect(kept.stages.model).toEqual({ seconds: 210, steps: 800, loopSeconds: 200, fitted: true });
  expect(withSteps(asked, refit(kept, {})).train.sampleEvery).toBe(7);
  const given = withoutAsked(watched, shorter, { config, asked: ['train.sampleEvery'] });
  expect(given.stages.model).not.toHaveProperty('sampleEvery');
});

test('stages that do not follow the time are left alone', () => {
  const { patch, ...others } = plan.stages;
  const asked = { stages: { ...others, patch: { ...patch, seconds: 60, fitted: false } } };
  expect(refit(asked, { patch: { step: 1000, spent: 400 } })).toEqual({
    steps: { model: 800 },
    most: { model: 800 },
    seconds: { model: 200 },
  });
  expect(refit({ stages: {} }, {})).toEqual({ steps: {}, most: {}, seconds: {} });
});

test('steps that somebody sets himself do not follow the time any more', () => {
  const config = withSteps(resolveConfig({ preset: 'tiny' }), refit(plan, {}));
  expect([config.patchTrain.steps, config.train.steps]).toEqual([1000, 800]);
  expect(withoutAsked(plan, refit(plan, {}), { config: config, asked: [] })).toEqual(plan);
  const longer = withSteps(config, { steps: { model: 2000 } });
  const kept = withoutAsked(plan, refit(plan, {}), { config: longer, asked: [] });
  expect(kept.stages.model).toEqual({ ...plan.stages.model, fitted: false });
  expect(kept.stages.patch).toEqual(plan.stages.patch);
  // Also where they are those that were planned.
  const same = withoutAsked(plan, refit(plan, {}), { config, asked: ['train.steps', 'train.lr'] });
  expect(same.stages).toEqual({ ...plan.stages, model: { ...plan.stages.model, fitted: false } });
  expect(withoutAsked(plan, refit(plan, {}), { config, asked: ['patchTrain.steps'] }).stages.patch?.fitted).toBe(false);
});
