/**
 * @file A training with a time to keep to: shortened when it is slower, lengthened again when it
 * was for a while, and the same however often it is stopped.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { loadState } from '../../src/io/state.ts';
import { startBackend } from '../../src/kernels/start.ts';
import { Parameters } from '../../src/nn/module.ts';
import { type Pace, type PlannedRhythm, paceAfter, sampleEveryOf, stepsThatFit } from '../../src/training/fit.ts';
import { train } from '../../src/training/loop.ts';
import { readLoopState } from '../../src/training/loop-state.ts';
import { learningRate } from '../../src/training/optimizer.ts';
import { isTrained, savedStep } from '../../src/training/saved-training.ts';
import type { LoopConfig, Task } from '../../src/training/task.ts';

beforeAll(() => startBackend('cpu'));
const root = mkdtempSync(join(tmpdir(), 'tessera-fit-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const config: LoopConfig = {
  steps: 100,
  accumulate: 1,
  lr: 0.1,
  warmup: 0.1,
  finalLr: 0,
  beta1: 0.9,
  beta2: 0.99,
  weightDecay: 0,
  clip: 10,
  ema: 0,
  evalEvery: 7,
  sampleEvery: 50,
  saveEvery: 20,
  logEvery: 5,
  seed: 3,
};

/** A step takes what the clock says; the weight follows the gradient, and so the whole schedule of learning rates. */
class Clock {
  milliseconds = 0;
  readonly now = () => this.milliseconds;
}

type Speed = number | ((step: number) => number);

function taskOf(clock: Clock, speed: Speed, heard: number[] = []): Task {
  const parameters = new Parameters(new Random(1));
  const weight = parameters.normal('w', [3], 1);
  return {
    parameters,
    unit: 'images',
    unitsPerStep: 1,
    batch: async step => {
      clock.milliseconds += 1000 * (typeof speed === 'number' ? speed : speed(step));
      return () => ({ loss: tf.sum(tf.square(tf.sub(weight, step % 5))), metrics: {} });
    },
    evaluate: async () => ({ loss: 1 }),
    setSteps: steps => heard.push(steps),
  };
}

interface RunOptions {
  readonly config?: Partial<LoopConfig>;
  readonly stopAt?: number;
  /** A step after which it ends without another word. */
  readonly killAt?: number;
  /** A step whose evaluation is cut short by a stop. */
  readonly cutAt?: number;
  readonly seconds?: number;
  readonly most?: number;
  readonly clock?: Clock;
  readonly planned?: PlannedRhythm;
}

async function run(name: string, speed: Speed, options: RunOptions = {}) {
  const { stopAt, killAt, cutAt, seconds = 100, most, clock = new Clock(), planned } = options;
  const stop = new AbortController();
  const fits: [number, number][] = [];
  const rates: number[] = [];
  const heard: number[] = [];
  const sampled: number[] = [];
  const task = taskOf(clock, speed, heard);
  let reached = 0;
  const evaluate = task.evaluate.bind(task);
  task.evaluate = async signal => {
    if (reached === cutAt) stop.abort();
    signal?.throwIfAborted();
    return evaluate(signal);
  };
  const result = await train(
    task,
    { ...config, ...options.config },
    {
      folder: join(root, name),
      now: clock.now,
      signal: stop.signal,
      fit: { seconds, most, planned },
      watcher: {
        onStep: ({ step }) => {
          reached = step;
          if (step === killAt) throw new Error('killed');
          if (step === stopAt) stop.abort();
        },
        onLog: ({ lr }) => {
          if (lr !== undefined) rates.push(lr);
        },
        onSample: async step => {
          sampled.push(step);
        },
        onFit: async (steps, before) => {
          fits.push([before, steps]);
        },
      },
    },
  );
  const weights = [...(await task.parameters.values()).get('w')!.values];
  return { result, fits, rates, heard, sampled, weights, folder: join(root, name) };
}

describe('steps that fit', () => {
  const at = (step: number, spent: number, more: { pace?: number; steps?: number; most?: number } = {}) => {
    const { pace = spent / step, steps = 100, most } = more;
    return stepsThatFit({ step, spent, secondsAStep: pace }, { steps, most, seconds: 100 });
  };

  test('are no fewer within a tenth, otherwise as many as the time allows', () => {
    expect(at(20, 20)).toBe(100);
    expect(at(20, 21.9)).toBe(100);
    expect(at(20, 25)).toBe(80);
    expect(at(20, 99)).toBe(21); // a step more than are done, so that the end is looked at
    expect(at(20, 500)).toBe(21);
    expect(at(20, 10)).toBe(100); // faster is for the stages after it
    expect(at(0, 0, { pace: 0 })).toBe(100);
    expect(at(100, 900)).toBe(100);
  });

  test('are more again where a tenth of the time would be left, up to those that were planned', () => {
    const shortened = { steps: 60, most: 100 };
    expect(at(20, 40, { ...shortened, pace: 1.25 })).toBe(60); // 90 s in all
    expect(at(20, 40, { ...shortened, pace: 1.2 })).toBe(70);
    expect(at(20, 40, { ...shortened, pace: 0.5 })).toBe(100);
    expect(at(20, 40, { steps: 60, pace: 0.5 })).toBe(60); // was never more
    expect(at(20, 40, { steps: 100, most: 80, pace: 0.5 })).toBe(100); // somebody has asked for more
  });

  test('are as many as fill the time, where nothing is the most', () => {
    const most = Number.POSITIVE_INFINITY;
    expect(at(20, 18.2, { most })).toBe(100); // 91 s in all
    expect(at(20, 10, { most })).toBe(200);
    expect(at(90, 80, { most, pace: 0.1 })).toBe(290);
    expect(at(20, 25, { most })).toBe(80);
    expect(at(20, 0, { most, pace: 0 })).toBe(100); // a clock that stands still
  });

  test('are not raised where less than a fifth would be left for the learning rate to come down in', () => {
    expect(at(56, 56, { steps: 60, most: 70, pace: 1 })).toBe(70);
    expect(at(57, 57, { steps: 60, most: 70, pace: 1 })).toBe(60);
    expect(at(59, 59, { steps: 60, most: 100, pace: 1 })).toBe(100);
    expect(at(60, 60, { steps: 60, most: 100, pace: 1 })).toBe(60); // it is over
  });

  test('do not waver with a pace that does', () => {
    let [steps, spent, changes] = [100, 0, 0];
    let pace: Pace | undefined;
    for (let step = 5; step < steps; step += 5) {
      spent += 5 * (step % 10 === 0 ? 1.25 : 0.8);
      pace = paceAfter({ step, spent }, pace);
      const now = stepsThatFit(pace, { steps, most: 100, seconds: 104 });
      if (now !== steps) changes++;
      steps = now;
    }
    expect([steps, changes]).toEqual([100, 0]);
  });

  test('know the pace by the last stretch and by those before, half and half', () => {
    const first = paceAfter({ step: 10, spent: 30 }, undefined);
    const second = paceAfter({ step: 20, spent: 40 }, first);
    expect([first, second].map(({ secondsAStep }) => secondsAStep)).toEqual([3, 2]);
    expect(paceAfter({ step: 30, spent: 90 }, second).secondsAStep).toBe(3.5);
    expect(paceAfter({ step: 0, spent: 5 }, undefined).secondsAStep).toBe(5);
  });
});

test('a training as quick as planned keeps its steps; a slower one is shortened at its first saved state', async () => {
  expect(await run('quick', 1)).toMatchObject({ result: { step: 100, finished: true }, fits: [], heard: [] });
  const slow = await run('slow', 2);
  expect(slow).toMatchObject({ result: { step: 50, finished: true }, fits: [[100, 50]], heard: [50] });
  // From the first saved state on the rates are those of the shorter schedule.
  expect(slow.rates.slice(0, 4)).toEqual([4, 9, 14, 19].map(step => learningRate(config, step)));
  expect(slow.rates.slice(4)).toEqual(
    [24, 29, 34, 39, 44, 49].map(step => learningRate({ ...config, steps: 50 }, step)),
  );
  expect(await isTrained(slow.folder, { steps: 50 })).toBe(true);
});

test.each([
  ['before its first saved state', 11],
  ['right at it', 20],
  ['after it', 33],
])('stopped %s and gone on with, it is the unbroken one', async (_, stopAt) => {
  const whole = await run(`whole-${stopAt}`, 2);
  const clock = new Clock();
  const first = await run(`parts-${stopAt}`, 2, { stopAt, clock });
  expect(first.result.finished).toBe(false);
  clock.milliseconds += 1e6; // a pause is not the training's time
  const second = await run(`parts-${stopAt}`, 2, { clock });
  expect(second.result).toEqual(whole.result);
  expect([...first.fits, ...second.fits]).toEqual(whole.fits);
  expect(second.weights).toEqual(whole.weights);
  expect(await savedStep(second.folder)).toBe(50);
});

describe('a machine that is busy for a while', () => {
  const busy = { saveEvery: 10, evalEvery: 10 };
  /** Three times as slow for ten steps. */
  const pace = (step: number) => (step < 10 ? 3 : 1);

  test('gets its steps back as far as the time allows, with the rates of the longer schedule', async () => {
    const whole = await run('busy', pace, { config: busy });
    // 10 steps take 30 of 100 s: 33 in all. Then 10 take 10: 2 s a step by both halves, and 60 s are left; and so on.
    const fits = [
      [100, 33],
      [33, 50],
      [50, 63],
      [63, 72],
    ];
    expect(whole).toMatchObject({ result: { step: 72, finished: true }, fits, heard: [33, 50, 63, 72] });
    const stepsAt = (step: number) => fits.reduce((steps, [, next], i) => (step < 10 * (i + 1) ? steps : next), 100);
    const logged = [...Array.from({ length: 14 }, (_, i) => 5 * i + 4), 71];
    expect(whole.rates).toEqual(logged.map(step => learningRate({ ...config, steps: stepsAt(step) }, step)));
  });

  test('gets no more than were planned', async () => {
    const { fits } = await run('busy-briefly', step => (step < 10 ? 2 : 0.1), { config: busy });
    expect(fits).toEqual([
      [100, 50],
      [50, 95],
      [95, 100],
    ]);
    const capped = await run('busy-capped', step => (step < 10 ? 2 : 0.1), { config: busy, most: 60 });
    expect(capped.fits.map(([, steps]) => steps)).toEqual([50, 60]);
    expect(capped.result.step).toBe(60);
  });

  test.each([7, 20, 33, 71])('stopped at step %i and gone on with, it is the unbroken one', async stopAt => {
    const whole = await run('busy', pace, { config: busy });
    const clock = new Clock();
    const first = await run(`busy-${stopAt}`, pace, { config: busy, stopAt, clock });
    clock.milliseconds += 1e6;
    const second = await run(`busy-${stopAt}`, pace, { config: busy, clock });
    expect(second.result).toEqual(whole.result);
    expect([...first.fits, ...second.fits]).toHaveLength(4);
    expect(second.weights).toEqual(whole.weights);
  });

  test('fills a time that was asked for, with more than were planned, stopped or not', async () => {
    const asked = { config: busy, most: Number.POSITIVE_INFINITY };
    const whole = await run('quicker', 0.5, asked);
    expect(whole).toMatchObject({ result: { step: 200, finished: true }, fits: [[100, 200]] });
    const clock = new Clock();
    await run('quicker-parts', 0.5, { ...asked, stopAt: 123, clock });
    const second = await run('quicker-parts', 0.5, { ...asked, clock });
    expect(second.result).toEqual(whole.result);
    expect(second.weights).toEqual(whole.weights);
  });

  test.each([15, 29])('killed at step %i, too', async killAt => {
    const whole = await run('busy', pace, { config: busy });
    await expect(run(`killed-${killAt}`, pace, { config: busy, killAt })).rejects.toThrow('killed');
    const second = await run(`killed-${killAt}`, pace, { config: busy });
    expect(second.weights).toEqual(whole.weights);
    expect(second.result.step).toBe(72);
  });

  test('and one whose look was cut short where its state was due', async () => {
    const whole = await run('busy', pace, { config: busy });
    const first = await run('busy-look', pace, { config: busy, cutAt: 20 });
    expect([first.result.finished, first.fits]).toEqual([false, [[100, 33]]]);
    const second = await run('busy-look', pace, { config: busy });
    expect(second.fits[0]).toEqual([33, 50]);
    expect(second.weights).toEqual(whole.weights);
  });
});

test('samples come as much sooner as there are fewer steps than planned, stopped or not', async () => {
  const planned = { steps: 100, sampleEvery: 50 };
  expect([100, 50, 33, 1, 200].map(steps => sampleEveryOf(planned, steps))).toEqual([50, 25, 17, 1, 50]);
  expect((await run('rhythm-quick', 1, { planned })).sampled).toEqual([50, 100]);
  expect((await run('rhythm-stands', 4)).sampled).toEqual([25]);
  const slow = await run('rhythm-slow', 4, { planned });
  // 20 steps take 80 of the 100 seconds, so that there are 25 in all, with samples every 13: those are had at once.
  expect(slow).toMatchObject({ fits: [[100, 25]], sampled: [20, 25] });
  const slower = await run('rhythm-slower', 2, { planned });
  expect(slower).toMatchObject({ fits: [[100, 50]], sampled: [25, 50] });
  for (const stopAt of [18, 20, 24]) {
    const clock = new Clock();
    const parts = [
      await run(`rhythm-parts-${stopAt}`, 2, { planned, clock, stopAt }),
      await run(`rhythm-parts-${stopAt}`, 2, { planned, clock }),
    ];
    expect(parts.flatMap(({ sampled }) => sampled)).toEqual([25, 50]);
    expect(parts[1].weights).toEqual(slower.weights);
  }
});

test('a state without a time to keep to says nothing of steps', async () => {
  const clock = new Clock();
  await train(taskOf(clock, 5), { ...config, steps: 20 }, { folder: join(root, 'plain'), now: clock.now });
  const { folder } = await run('timed', 1);
  const stateOf = async (path: string) => {
    const saved = await loadState(path);
    return saved === undefined ? undefined : await readLoopState(saved);
  };
  expect(await stateOf(join(root, 'plain'))).not.toHaveProperty('steps');
  expect(await stateOf(folder)).toMatchObject({ steps: 100, spent: 100 });
});
