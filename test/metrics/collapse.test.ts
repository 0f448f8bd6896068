import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import {
  afterCheck,
  type CheckFloor,
  type Collapse,
  checkFloor,
  checkSamples,
  meanDistance,
  type SampleCheck,
  unchecked,
  verdictOf,
} from '../../src/metrics/collapse.ts';
import { type Matrix, matrix, takeRows } from '../../src/metrics/matrix.ts';

const floor: CheckFloor = { kid: 0.01, coverage: 0.96 };
const well: SampleCheck = { kid: 0.1, coverage: 0.8, spread: 0.9 };
const uncovered = { ...well, coverage: 0.05 };
const worse = { ...well, kid: 0.21 };
const narrow = { ...well, spread: 0.19 };

/** The verdict after each of some checks. */
function verdicts(...checks: readonly (SampleCheck | 'nonfinite')[]): (Collapse | undefined)[] {
  let state = unchecked;
  return checks.map(check => {
    state = afterCheck(state, check, floor);
    return verdictOf(state);
  });
}

describe('the rules of collapse', () => {
  test('a run that paints well is not collapsed, nor one that was never checked', () => {
    expect(verdicts(well, well, well, well)).toEqual([undefined, undefined, undefined, undefined]);
    expect(verdictOf(unchecked)).toBeUndefined();
  });

  test('coverage below a tenth counts at the third check in a row, and no longer when it recovers', () => {
    expect(verdicts(uncovered, uncovered, uncovered, uncovered, well)).toEqual([
      undefined,
      undefined,
      'coverage',
      'coverage',
      undefined,
    ]);
    expect(verdicts(uncovered, uncovered, well, uncovered, uncovered)).not.toContain('coverage');
    expect(verdicts(...Array(3).fill({ ...well, coverage: 0.1 }))).not.toContain('coverage');
  });

  test('a KID above twice the best counts at the third check in a row', () => {
    expect(verdicts(well, worse, worse, worse, worse)).toEqual([
      undefined,
      undefined,
      undefined,
      'regressed',
      'regressed',
    ]);
    expect(verdicts(worse, worse, worse, worse)).not.toContain('regressed'); // it never was better
    expect(verdicts(well, worse, worse, { ...well, kid: 0.2 }, worse)).not.toContain('regressed');
  });

  test('a best KID at the floor or below nothing does not make noise a regression', () => {
    const at = (kid: number) => ({ ...well, kid });
    expect(verdicts(at(-0.002), at(0.015), at(0.018), at(0.019))).not.toContain('regressed');
    expect(verdicts(at(-0.002), at(0.021), at(0.021), at(0.021)).at(-1)).toBe('regressed');
  });

  test('samples that are nearly alike count at once, while they are', () => {
    expect(verdicts(narrow, well, narrow)).toEqual(['spread', undefined, 'spread']);
  });

  test('what is not finite is for good, and never mistaken for a good check', () => {
    expect(verdicts(well, 'nonfinite', well)).toEqual([undefined, 'nonfinite', 'nonfinite']);
    expect(verdicts({ ...well, kid: Number.NaN }, well)).toEqual(['nonfinite', 'nonfinite']);
  });

  test('the gravest verdict comes first', () => {
    const all = { kid: 0.5, coverage: 0, spread: 0 };
    expect(verdicts(well, all, all, all)).toEqual([undefined, 'spread', 'spread', 'coverage']);
  });
});

describe('a check of samples', () => {
  const gaussian = (n: number, seed: number, deviation = 1) =>
    matrix(Float64Array.from(new Random(seed).normals(n * 6, deviation)), 6);
  const real = gaussian(200, 1);
  const measured = checkFloor(real, gaussian(80, 2), new Random(1));

  test('of what is like the real pictures finds nothing', () => {
    const check = checkSamples(gaussian(80, 3), real, measured);
    expect(Math.abs(check.kid)).toBeLessThan(2 * measured.kid + 0.02);
    expect(check.coverage).toBeGreaterThan(0.8);
    expect(check.spread).toBeCloseTo(1, 1);
    expect(verdictOf(afterCheck(unchecked, check, measured))).toBeUndefined();
  });

  test('of one picture with a little noise finds collapse', () => {
    const same: Matrix = takeRows(real, Array(80).fill(7));
    const data = same.data.map((v, i) => v + 0.01 * Math.sin(i));
    const check = checkSamples({ ...same, data }, real, measured);
    expect(check.kid).toBeGreaterThan(10 * measured.kid);
    expect(check.coverage).toBeLessThan(0.1);
    expect(check.spread).toBeLessThan(0.02);
    let state = unchecked;
    for (let i = 0; i < 3; i++) state = afterCheck(state, check, measured);
    expect(verdictOf(state)).toBe('coverage');
  });

  test('distances are means over pairs', () => {
    expect(meanDistance(matrix(Float64Array.from([0, 0, 3, 4, 0, 8]), 2))).toBeCloseTo((5 + 8 + 5) / 3, 12);
  });
});
