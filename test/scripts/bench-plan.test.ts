/** @file The pure parts of the benchmark of plans. */
import { expect, test } from 'vitest';
import { planCases, planTable } from '../../scripts/bench/plan.ts';
import { familyNames } from '../../src/families/families.ts';

test('eight plans of every family take less than a quarter of an hour', () => {
  expect(planCases.length).toBe(8);
  expect(new Set(planCases.map(({ family }) => family))).toEqual(new Set(familyNames()));
  expect(planCases.reduce((sum, { minutes }) => sum + minutes, 0)).toBeLessThanOrEqual(13);
});

test('the table has what was predicted beside what was, and counts what is near', () => {
  const result = (predicted: number, real: number) => ({
    ...planCases[0],
    ...{ shape: '64 x 64 pixels', steps: 120, predicted, real, firstPredicted: 30.4, firstReal: 33.6 },
  });
  const lines = planTable([result(1, 1.1), result(1, 1.3), result(2, 1.6), result(2, 1.5)]);
  expect(lines[1]).toMatch(/transformer +50 +1 min +64 x 64 pixels +120 +1\.00 +1\.10 +\+10% +30 s +34 s/);
  expect(lines[4]).toContain('-25%');
  expect(lines.at(-1)).toBe('within 20%: 2 of 4');
});
