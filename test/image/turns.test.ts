/** @file Decoding in turns: how much is held at once, and of which pictures. */
import { expect, test } from 'vitest';
import { pixelsHeld, Turns } from '../../src/image/turns.ts';

test('jobs at once never weigh more than the budget, but for one that is heavier and runs alone', async () => {
  const turns = new Turns(10);
  const weights = [4, 4, 4, 25, 1, 9, 3, 3, 3, 2, 10, 0];
  const under = new Set<number>();
  const begun: number[] = [];
  let most = 0;
  const jobs = weights.map((weight, i) =>
    turns.run(weight, async () => {
      under.add(i);
      begun.push(i);
      const sum = [...under].reduce((total, each) => total + weights[each], 0);
      if (under.size > 1) most = Math.max(most, sum);
      if (weight === 25) expect(under.size).toBe(1);
      await Promise.resolve();
      await Promise.resolve();
      under.delete(i);
      if (weight === 9) throw new Error('fails');
      return i;
    }),
  );
  const ends = await Promise.allSettled(jobs);
  expect(begun).toEqual(weights.map((_, i) => i)); // nobody is passed by
  expect(ends.map(end => (end.status === 'fulfilled' ? end.value : 'failed'))).toEqual(
    weights.map((weight, i) => (weight === 9 ? 'failed' : i)),
  );
  expect(most).toBeLessThanOrEqual(10);
  expect(most).toBeGreaterThan(4);
});

test('pictures that are decoded by lines weigh a sixteenth', () => {
  const size = { width: 100, height: 160 };
  expect(pixelsHeld({ ...size, format: 'png' })).toBe(1000);
  expect(pixelsHeld({ ...size, format: 'jpeg', orientation: 1 })).toBe(1000);
  expect(pixelsHeld({ ...size, format: 'png', isProgressive: true })).toBe(16000);
  expect(pixelsHeld({ ...size, format: 'jpeg', orientation: 6 })).toBe(16000);
  expect(pixelsHeld({ ...size, format: 'webp' })).toBe(16000);
});
