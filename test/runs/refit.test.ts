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
    expect(refit(plan, {})).toEqual({ steps: { patch: 1000, model: 800 }, seconds: { patch: 50, model: 200 } });
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

test('stages that do not follow the time are left alone', () => {
  const { patch, ...others } = plan.stages;
  const asked = { stages: { ...others, patch: { ...patch, seconds: 60, fitted: false } } };
  expect(refit(asked, { patch: { step: 1000, spent: 400 } })).toEqual({
    steps: { model: 800 },
    seconds: { model: 200 },
  });
  expect(refit({ stages: {} }, {})).toEqual({ steps: {}, seconds: {} });
});

test('steps that somebody sets himself do not follow the time any more', () => {
  const config = withSteps(resolveConfig({ preset: 'tiny' }), refit(plan, {}));
  expect([config.patchTrain.steps, config.train.steps]).toEqual([1000, 800]);
  expect(withoutAsked(plan, refit(plan, {}), config)).toEqual(plan);
  const longer = withSteps(config, { steps: { model: 2000 } });
  const kept = withoutAsked(plan, refit(plan, {}), longer);
  expect(kept.stages.model).toEqual({ ...plan.stages.model, fitted: false });
  expect(kept.stages.patch).toEqual(plan.stages.patch);
});
