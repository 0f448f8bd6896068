/** @file When a held-out loss has turned: curves as trainings have them, and noise that must not be taken for it. */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { learntByHeartSince, turningOf } from '../../src/metrics/turning.ts';

const every = (steps: number, values: readonly number[]) =>
  values.map((value, i) => ({ step: (i + 1) * steps, value }));
/** The number of evaluations after which it is first said, and of which step. */
function saidAt(losses: readonly { readonly step: number; readonly value: number }[]) {
  for (let n = 1; n <= losses.length; n++) {
    const turned = turningOf(losses.slice(0, n));
    if (turned !== undefined) return { after: losses[n - 1].step, since: turned.step };
  }
  return undefined;
}

describe('a held-out loss that turns', () => {
  test('of a demo of 1,600 steps: said once three evaluations lie clear above the lowest', () => {
    const demo = [5.71, 5.02, 4.61, 4.46, 4.49, 4.58, 4.7, 4.83, 4.95, 5.05, 5.15, 5.24, 5.31, 5.38, 5.43, 5.48];
    expect(saidAt(every(100, demo))).toEqual({ after: 900, since: 400 });
  });

  test('of a hundred icons, worse than guessing in the end', () => {
    expect(saidAt(every(100, [8.81, 8.8, 8.9, 9.1, 9.35, 9.6, 9.85, 10]))).toEqual({ after: 600, since: 200 });
  });

  test('of few items, which jumps', () => {
    const few = [6.1, 5.7, 5.62, 5.75, 5.66, 5.81, 5.74, 5.93, 5.88, 6.04, 6.1, 6.2, 6.17, 6.3];
    expect(saidAt(every(50, few))?.since).toBe(150);
  });

  test('of negative numbers, as PSNR is: 24.1 dB and then less', () => {
    expect(saidAt(every(10, [-20, -22.5, -24.1, -23.9, -23.6, -23.3, -23.1]))).toEqual({ after: 70, since: 30 });
  });
});

describe('a held-out loss that has not turned', () => {
  test.each([
    ['falls', [8.4, 6.2, 5.1, 4.8, 4.6, 4.5, 4.45, 4.42]],
    ['lies flat', [5, 4.5, 4.4, 4.4, 4.4, 4.41, 4.4, 4.41, 4.42, 4.42]],
    ['has had one better evaluation by luck', [5, 4.6, 4.3, 4.45, 4.43, 4.42, 4.38, 4.35]],
    ['rose twice only', [5, 4.5, 4.4, 4.9, 5.2]],
    ['came back', [5, 4.4, 4.8, 4.9, 4.2, 4.1, 4.15]],
    ['is not there', []],
    ['is not finite', [Number.NaN, Number.NaN, Number.NaN, Number.NaN]],
  ])('%s', (_, values) => expect(saidAt(every(100, values))).toBeUndefined());

  test('noise alone is hardly ever taken for it: at most 3 in 100 trainings of 40 evaluations', () => {
    const random = new Random(7);
    const told = Array.from({ length: 200 }, (_, i) => {
      const noise = random.fork('noise', i).normals(40);
      return saidAt(
        every(
          10,
          Array.from(noise, (draw, step) => 4 + 2 * Math.exp(-step / 5) + 0.1 * draw),
        ),
      );
    });
    expect(told.filter(Boolean).length).toBeLessThanOrEqual(6);
  });
});

test('by heart it is learnt only where the training loss goes on falling', () => {
  const heldOut = every(100, [5, 4.5, 4.9, 5.2, 5.5]);
  const training = (...values: number[]) => every(50, values);
  expect(learntByHeartSince(heldOut, training(5, 4.6, 4.4, 4.2, 3.9, 3.5, 3.2, 3, 2.8, 2.5))?.step).toBe(200);
  expect(learntByHeartSince(heldOut, training(5, 4.6, 4.4, 4.2, 4.5, 4.9, 5.2, 5.3, 5.4, 5.5))).toBeUndefined();
  expect(learntByHeartSince(heldOut, [])?.step).toBe(200);
  expect(learntByHeartSince(heldOut.slice(0, 4), training(5, 4, 3, 2))).toBeUndefined();
});
