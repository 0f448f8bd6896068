/** @file Reading logs: whole ones, those of older versions, and those of runs that stopped. */
import { describe, expect, test } from 'vitest';
import { readHistory, totalOf } from '../../src/report/history.ts';
import { configOf, four, recordsOf } from './synthetic.ts';

const config = configOf('dcgan');
const step = (number: number, more: object = {}) => ({ stage: 'dcgan', step: number, lr: 1e-3, ...more });

describe('a whole log', () => {
  const { stages, checks, metrics } = readHistory(recordsOf(four[3]), configOf('diffusion'), { weights: 'ema' });

  test('has stages in the order they were trained, with what they cost', () => {
    expect(
      stages.map(({ stage, steps, seconds, images, flops }) => ({ stage, steps, seconds, images, flops })),
    ).toEqual([
      { stage: 'text', steps: 1000, seconds: 100, images: 16000, flops: 3e12 },
      { stage: 'diffusion', steps: 5000, seconds: 1000, images: 160000, flops: 7.5e14 },
    ]);
    expect(totalOf(stages, 'seconds')).toBe(1100);
  });

  test('has curves that are thinned and keep their ends', () => {
    const { loss, val_loss } = stages[1].curves;
    expect(loss).toHaveLength(240);
    expect([loss[0].step, loss[239].step]).toEqual([10, 5000]);
    expect(val_loss).toHaveLength(20);
  });

  test('has checks whose cost includes the stages before, at the step they were made', () => {
    expect(checks).toHaveLength(20);
    expect(checks[0]).toMatchObject({ step: 250, seconds: 150, images: 8000 });
    expect(checks[0].flops).toBeCloseTo(3e12 + 250 * 1.5e11, -9);
  });

  test('has results with their intervals', () => {
    expect(metrics.find(({ metric, row }) => metric === 'kid' && row === 'floor')).toEqual({
      metric: 'kid',
      row: 'floor',
      split: 'validation',
      features: 'random-conv',
      weights: 'ema',
      value: 0.0002,
      low: 0.0002 - 0.0008,
      high: 0.0002 + 0.0008,
      step: 5000,
      n: 1000,
      reference: 500,
      seed: 0,
      reason: null,
    });
  });
});

describe('a partial log', () => {
  test('may be empty, or hold only what prepares', () => {
    expect(readHistory([], config, { weights: 'ema' })).toEqual({
      stages: [],
      checks: [],
      marks: [],
      metrics: [],
      notes: [],
    });
    const { stages } = readHistory([{ stage: 'text', step: 1, lr: 1, loss: 2 }], config, { weights: 'ema' });
    expect(stages.map(({ stage }) => stage)).toEqual(['text']);
  });

  test('of an older version has no times, and images by its steps', () => {
    const { stages } = readHistory([step(10, { D_loss: 1 }), step(20, { D_loss: 2 })], config, { weights: 'ema' });
    expect(stages[0]).toMatchObject({ steps: 20, seconds: null, flops: null, images: 20 * config.train.batchSize });
    expect(totalOf(stages, 'seconds')).toBeNull();
  });

  test('holds lines that are no records, and values that are no numbers', () => {
    const odd = [null, 3, 'x', [], {}, { stage: 'dcgan' }, step(10, { D_loss: null, G_loss: 'x', seconds: 'y' })];
    const { stages } = readHistory(odd, config, { weights: 'ema' });
    expect(stages[0].seconds).toBeNull();
    expect(stages[0].curves.D_loss).toEqual([{ step: 10, seconds: null, flops: null, images: 320, value: null }]);
  });

  test('has a gap where a training record lacks its loss', () => {
    const { stages } = readHistory([step(10, { D_loss: 1 }), step(20)], config, { weights: 'ema' });
    expect(stages[0].curves.D_loss.map(({ value }) => value)).toEqual([1, null]);
  });

  test('has checks without coverage, and marks', () => {
    const lines = [step(10, { D_loss: 1, seconds: 4 }), { stage: 'dcgan', step: 12, check_kid: 0.1 }];
    const marks = [
      { stage: 'dcgan', step: 12, collapsed: 'spread' },
      { stage: 'dcgan', step: 15, nonfinite: 10 },
    ];
    const history = readHistory([...lines, ...marks], config, { weights: 'ema' });
    expect(history.checks).toEqual([
      { step: 12, seconds: 4, images: 12 * 32, flops: null, kid: 0.1, coverage: null, spread: null },
    ]);
    expect(history.marks).toEqual([
      { step: 12, collapsed: 'spread' },
      { step: 15, collapsed: 'nonfinite' },
    ]);
  });
});

describe('results of evaluations', () => {
  const result = (value: number, more: object = {}) => ({
    stage: 'eval',
    metric: 'kid',
    features: 'a',
    weights: 'ema',
    row: 'samples',
    value,
    ...more,
  });
  const read = (...records: object[]) =>
    readHistory(records, config, { weights: 'ema' }).metrics.map(({ value, features, row }) => ({
      value,
      features,
      row,
    }));

  test('are the last of each metric, row and features', () => {
    expect(read(result(1), result(2), result(3, { features: 'b' }), result(4, { row: 'floor' }))).toEqual([
      { value: 2, features: 'a', row: 'samples' },
      { value: 3, features: 'b', row: 'samples' },
      { value: 4, features: 'a', row: 'floor' },
    ]);
  });

  test('are of one network wherever its folder lay, by its hash', () => {
    const through = (features: string) => ({ features });
    const [here, there, other] = ['a@0123abcd', 'old/b@0123abcd', 'a@ffffffff'].map(name => `contrastive:${name}`);
    expect(read(result(1, through(here)), result(2, through(other)), result(3, through(there)))).toEqual([
      { value: 2, features: other, row: 'samples' },
      { value: 3, features: there, row: 'samples' },
    ]);
  });

  test('are those of the weights that are asked for, and a null stays one', () => {
    expect(read(result(1), result(2, { weights: 'last' }))).toEqual([{ value: 1, features: 'a', row: 'samples' }]);
    expect(read({ stage: 'eval', metric: 'nll', value: null })).toEqual([
      { value: null, features: null, row: 'samples' },
    ]);
  });
});
