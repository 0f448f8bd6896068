/** @file The mask of a completion: strokes against sets of patches worked out by hand, and undoing them. */
import { describe, expect, test } from 'vitest';
import { Mask } from '../../../../src/web/page/mask.ts';

/** The patches that are painted anew, as rows of . and #. */
const drawn = ({ keep, grid }: Mask) =>
  Array.from({ length: grid }, (_, y) =>
    keep
      .slice(y * grid, (y + 1) * grid)
      .map(kept => (kept ? '.' : '#'))
      .join(''),
  ).join(' ');

function stroke(mask: Mask, patches: readonly number[], size = 1): void {
  const [first, ...others] = patches;
  mask.begin(first, size);
  for (const patch of others) mask.move(patch, size);
  mask.end();
}

describe('strokes', () => {
  test('mark from an unmarked patch on, unmark from a marked one, and leave no gap on the way', () => {
    const mask = new Mask(4);
    stroke(mask, [0, 15]);
    expect(drawn(mask)).toBe('#... .#.. ..#. ...#');
    stroke(mask, [5, 7]);
    expect(drawn(mask)).toBe('#... .... ..#. ...#');
    expect(mask.painted).toBe(3);
    mask.begin(12, 1, 'keep'); // the eraser erases wherever it begins
    mask.move(15, 1);
    mask.end();
    expect(drawn(mask)).toBe('#... .... ..#. ....');
  });

  test('of a larger brush are squares, cut off at the edge', () => {
    const mask = new Mask(4);
    stroke(mask, [5], 3);
    expect(drawn(mask)).toBe('###. ###. ###. ....');
    stroke(mask, [15], 2);
    expect(drawn(mask)).toBe('###. ###. ###. ...#');
    mask.undo();
    stroke(mask, [3], 9);
    expect(drawn(mask)).toBe('#### #### #### ####');
  });

  test('are undone and done again one by one; what changes nothing is none', () => {
    const mask = new Mask(2);
    stroke(mask, [0, 1, 3]);
    stroke(mask, [2]);
    expect(drawn(mask)).toBe('## ##');
    mask.begin(0, 1, 'anew');
    mask.end();
    mask.undo();
    expect(drawn(mask)).toBe('## .#');
    mask.undo();
    expect([drawn(mask), mask.canUndo]).toEqual(['.. ..', false]);
    mask.undo();
    mask.redo();
    mask.redo();
    expect([drawn(mask), mask.canRedo]).toEqual(['## ##', false]);
    mask.undo();
    stroke(mask, [3]);
    expect([drawn(mask), mask.canRedo]).toEqual(['## ..', false]);
  });
});

test('whole rows from the top are known for rows, and nothing else is', () => {
  const mask = new Mask(3);
  expect(mask.rows).toBe(3);
  for (const rows of [2, 1, 0]) {
    mask.keepRows(rows);
    expect(mask.rows).toBe(rows);
  }
  mask.set([true, true, true, false, true, false, false, false, false]);
  expect(mask.rows).toBeUndefined();
  mask.set([false, false, false, true, true, true, false, false, false]);
  expect(mask.rows).toBeUndefined();
});
