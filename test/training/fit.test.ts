/** @file A training with a time to keep to: shortened when it is slower, and the same however often it is stopped. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { loadState } from '../../src/io/state.ts';
import { startBackend } from '../../src/kernels/start.ts';
import { Parameters } from '../../src/nn/module.ts';
import { type PlannedRhythm, sampleEveryOf, stepsThatFit } from '../../src/training/fit.ts';
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

function taskOf(clock: Clock, secondsAStep: number, heard: number[] = []): Task {
  const parameters = new Parameters(new Random(1));
  const weight = parameters.normal('w', [3], 1);
  return {
    parameters,
    unit: 'images',
    unitsPerStep: 1,
    batch: async step => {
      clock.milliseconds += 1000 * secondsAStep;
      return () => ({ loss: tf.sum(tf.square(tf.sub(weight, step % 5))), metrics: {} });
    },
    evaluate: async () => ({ loss: 1 }),
    setSteps: steps => heard.push(steps),
  };
}

async function run(
  name: string,
  secondsAStep: number,
  options: { stopAt?: number; seconds?: number; clock?: Clock; planned?: PlannedRhythm } = {},
) {
  const { stopAt, seconds = 100, clock = new Clock(), planned } = options;
  const stop = new AbortController();
  const fits: [number, number][] = [];
  const rates: number[] = [];
  const heard: number[] = [];
  const sampled: number[] = [];
  const task = taskOf(clock, secondsAStep, heard);
  const result = await train(task, config, {
    folder: join(root, name),
    now: clock.now,
    signal: stop.signal,
    fit: { seconds, planned },
    watcher: {
      onStep: ({ step }) => {
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
  });
  const weights = [...(await task.parameters.values()).get('w')!.values];
  return { result, fits, rates, heard, sampled, weights, folder: join(root, name) };
}

test('steps that fit: none fewer within a tenth, otherwise as many as the time allows', () => {
  const steps = (step: number, spent: number) => stepsThatFit({ step, steps: 100, spent }, 100);
  expect(steps(20, 20)).toBe(100);
  expect(steps(20, 21.9)).toBe(100);
  expect(steps(20, 25)).toBe(80);
  expect(steps(20, 99)).toBe(21); // a step more than are done, so that the end is looked at
  expect(steps(20, 500)).toBe(21);
  expect(steps(20, 10)).toBe(100); // faster is for the stages after it
  expect(steps(0, 0)).toBe(100);
  expect(steps(100, 900)).toBe(100);
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
