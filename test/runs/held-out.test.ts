/** @file What is said of held-out losses while a stage is trained: each thing once, also where the log is read again. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Division } from '../../data/division.ts';
import { UserError } from '../../src/core/errors.ts';
import { saveState } from '../../src/io/state.ts';
import { describeWeights, HeldOutJudge, type Judging } from '../../src/runs/training/held-out.ts';
import { recordsAfter } from '../../src/runs/training/job.ts';
import { expectWatchable } from '../../src/runs/training/watch.ts';

const judging: Judging = { rose: 'held-out loss rose', weights: 'best kept', untaught: Math.log(4375) };
/** Evaluations every 100 steps of a demo that learns by heart, and in the end is worse than guessing (8.384 nats). */
const losses = [8.41, 5.02, 4.61, 4.46, 4.49, 4.58, 4.7, 4.83, 4.95, 5.9, 7.1, 8.39, 8.9];
const records = losses.map((value, i) => ({ step: 100 * (i + 1), val_loss: value }));
const heard = (judge: HeldOutJudge, from = 0) => records.slice(from).flatMap(record => judge.add(record));

describe('what held-out losses say', () => {
  const expected = [
    {
      text: 'step 900: held-out loss rose since step 400: it now learns by heart (best kept)',
      record: { turned: 400 },
    },
    {
      text: 'step 1200: held-out loss 8.390 is worse than guessing, which has 8.384',
      record: { guessing: Math.log(4375) },
    },
  ];

  test('that it turned and that it is worse than guessing, once each; not that it was before it had learnt', () => {
    expect(heard(new HeldOutJudge(judging))).toEqual(expected);
  });

  test.each([0, 1, 5, 8, 9, 10, 12, 13])('the same and no more where it goes on after %i evaluations', done => {
    const before = new HeldOutJudge(judging);
    const said = records.slice(0, done).flatMap(record => before.add(record));
    const after = new HeldOutJudge(judging); // which reads the log first
    for (const record of records.slice(0, done)) after.add(record);
    expect([...said, ...heard(after, done)]).toEqual(expected);
  });

  test('records of training steps say nothing, nor losses that measure nothing', () => {
    expect(new HeldOutJudge(judging).add({ step: 10, loss: 3 })).toEqual([]);
    const game = new HeldOutJudge(undefined);
    expect(heard(game)).toEqual([]);
    expect(game.best).toEqual({ step: 400, value: 4.46 });
  });

  test('what few pictures are worth, with the first loss', () => {
    const say = (more: Record<string, number>) => new HeldOutJudge(judging).add({ step: 1, val_loss: 5, ...more });
    const texts = (more: Record<string, number>) => say(more).map(({ text }) => text);
    expect(texts({ val_items: 9, val_margin: 0.4567 })).toEqual([
      '9 held-out pictures: held-out loss is good to about ±0.46; --validation holds out more',
    ]);
    expect(texts({ val_items: 1 })).toEqual([
      '1 held-out picture: its loss says nothing of others; --validation holds out more',
    ]);
    expect(texts({ val_items: 4 })).toEqual([
      '4 held-out pictures: held-out loss is rough; --validation holds out more',
    ]);
    expect(texts({})).toEqual([]);
  });
});

describe('which weights paint', () => {
  const weights = (values: readonly number[], measure = 'held-out loss') => {
    const judge = new HeldOutJudge(judging);
    values.forEach((value, i) => {
      judge.add({ step: 100 * (i + 1), val_loss: value });
    });
    return describeWeights(judge, { step: 100 * values.length, averaged: true, measure });
  };
  const last = 'painting takes the averaged weights of the last step';

  test('the last, which know the captions of the training, where the loss has turned', () => {
    expect(weights(losses)).toBe(
      `${last}, 1300, which know their training captions best; \`--weights best\` those of step 400 (held-out loss 4.460, 8.900 at the end, worse than guessing), for captions never seen`,
    );
  });

  test('the last, and the best beside them where it has not', () => {
    expect(weights([5, 4.5, 4.51])).toBe(
      `${last}, 300; \`--weights best\` those of step 200 (held-out loss 4.500, 4.510 at the end)`,
    );
    expect(weights([5, 4.5, 4.4])).toBe(`${last}, 300, which are also the best (held-out loss 4.400)`);
  });

  test('none are the best where nothing was measured', () => {
    const judge = new HeldOutJudge(undefined);
    expect(describeWeights(judge, { step: 20, averaged: false, measure: 'held-out loss' })).toBe(
      'painting takes the weights of the last step, 20; none are called the best, as nothing was measured',
    );
  });
});

describe('a watch that was asked for', () => {
  const sides = (training: number, heldOut: number) =>
    ({ training: { length: training }, heldOut: { length: heldOut } }) as unknown as Pick<
      Division,
      'training' | 'heldOut'
    >;

  test.each([
    [95, 5, '--validation 0.1 holds out more; --check-samples 0 trains without'],
    [18, 2, '--validation 0.5 holds out more; --check-samples 0 trains without'],
    [5, 0, '--check-samples 0 trains without'],
    [4, 100, '--check-samples 0 trains without'],
  ])('is refused beside %i training and %i held-out images', (training, heldOut, hint) => {
    const what = `samples are watched beside 8 held-out and 8 training images at least, got ${heldOut} and ${training}`;
    expect(() => expectWatchable(64, sides(training, heldOut))).toThrow(
      new UserError('train', `train.checkSamples 64: ${what}`, hint),
    );
  });

  test('is had beside 8 and 8, and none is always had', () => {
    expect(() => expectWatchable(64, sides(8, 8))).not.toThrow();
    expect(() => expectWatchable(0, sides(5, 0))).not.toThrow();
  });
});

test('a training that owes an evaluation writes what it says of it again, and nothing else', async () => {
  const state = join(mkdtempSync(join(tmpdir(), 'tessera-held-out-')), 'state');
  const saved = { step: 100, skipped: 0, seconds: 1, best: null, updates: [100], owed: 'evaluation', task: null };
  await saveState(state, { 'state.json': JSON.stringify(saved) });
  const isAfter = await recordsAfter('transformer', state);
  const records = [
    { step: 0, note: 'samples are not watched for collapse' },
    { step: 90, val_loss: 5 },
    { step: 90, turned: 50 },
    { step: 100, loss: 3 },
    { step: 100, val_loss: 5 },
    { step: 100, turned: 50 },
    { step: 100, guessing: 8.4 },
    { step: 110, loss: 3 },
  ].map(record => ({ stage: 'transformer', ...record }));
  expect(records.filter(record => !isAfter(record))).toEqual(records.slice(0, 4));
  rmSync(state, { recursive: true });
});
