/** @file Errors thrown on purpose: what they say, and that shapes are checked axis by axis. */
import { describe, expect, test } from 'vitest';
import { expectShape, ShapeError, UserError } from '../../src/core/errors.ts';

describe('UserError', () => {
  test('reads `where: what` and carries a hint', () => {
    const error = new UserError('sample', 'no checkpoint in runs/demo', 'train one');
    expect(error.message).toBe('sample: no checkpoint in runs/demo');
    expect(error.hint).toBe('train one');
    expect(error.name).toBe('UserError');
    expect(error).toBeInstanceOf(Error);
    expect(new UserError('a', 'b').hint).toBeUndefined();
  });
});

describe('expectShape', () => {
  test('binds names at first use and returns them', () => {
    expect(expectShape('x', [2, 3, 2], ['B', 3, 'B'])).toEqual({ B: 2 });
  });

  test('checks several tensors against each other', () => {
    const bound = expectShape('q', [2, 8, 256, 32], ['B', 'H', 'T', 'D']);
    expectShape('v', [2, 8, 256, 32], ['B', 'H', 'T', 'D'], bound);
    const wrong = () => expectShape('attention: k', [2, 8, 255, 32], ['B', 'H', 'T', 'D'], bound);
    expect(wrong).toThrow(ShapeError);
    expect(wrong).toThrow('attention: k: expected [B, H, T, D], got [2, 8, 255, 32] (axis 2 is 255, T is 256)');
  });

  test('names the axis and the number where a number was expected', () => {
    expect(() => expectShape('x', [2, 3], [2, 4])).toThrow('x: expected [2, 4], got [2, 3] (axis 1 is 3, 4)');
  });

  test('names both ranks where they differ', () => {
    expect(() => expectShape('x', [2], ['B', 'T'])).toThrow('x: expected [B, T], got [2] (rank 1, not 2)');
  });

  test('tells a size of 0 from a name that is not bound', () => {
    expect(expectShape('x', [0], ['N'])).toEqual({ N: 0 });
    expect(() => expectShape('y', [1], ['N'], { N: 0 })).toThrow('axis 0 is 1, N is 0');
  });
});
