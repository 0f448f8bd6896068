/** @file Orders of codes: every cell once, coarse ones first. */
import { expect, test } from 'vitest';
import { codeOrders, fillFromCoarser, orderOf, reorder } from '../../src/nn/orders.ts';

test.each(codeOrders)('%s: every cell once, and places are where cells are', name => {
  for (const grid of [1, 2, 3, 5, 8, 12, 32]) {
    const { cells, places } = orderOf(name, grid);
    expect([...cells].sort((a, b) => a - b)).toEqual(Array.from({ length: grid * grid }, (_, i) => i));
    expect([...cells].map(cell => places[cell])).toEqual([...cells.keys()]);
  }
});

test('raster is row by row', () => {
  expect([...orderOf('raster', 3).cells]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

test('interlaced is the grid of every 16th cell, then of every 8th, 4th, 2nd, and the rest, each row by row', () => {
  expect([...orderOf('interlaced', 4).cells]).toEqual([0, 2, 8, 10, 1, 3, 4, 5, 6, 7, 9, 11, 12, 13, 14, 15]);
  expect([...orderOf('interlaced', 3).cells]).toEqual([0, 2, 6, 8, 1, 3, 4, 5, 7]);
  const { cells } = orderOf('interlaced', 32);
  expect([...cells.slice(0, 4)]).toEqual([0, 16, 16 * 32, 16 * 32 + 16]);
  // A level's number of a cell: how often both of its coordinates can be halved.
  const levelOf = (cell: number) => {
    const [row, column] = [Math.floor(cell / 32), cell % 32];
    let level = 0;
    while (level < 4 && row % 2 ** (level + 1) === 0 && column % 2 ** (level + 1) === 0) level++;
    return level;
  };
  const sorted = Array.from({ length: 1024 }, (_, cell) => cell).sort(
    (a, b) => levelOf(b) - levelOf(a) || a - b, // row by row within a level
  );
  expect([...cells]).toEqual(sorted);
});

test('reordering and back is where one began, picture by picture', () => {
  const { cells, places } = orderOf('interlaced', 3);
  const values = Int32Array.from({ length: 18 }, (_, i) => i * i);
  const there = reorder(values, cells);
  expect([...there.slice(0, 4), ...there.slice(9, 11)]).toEqual([0, 4, 36, 64, 81, 121]);
  expect(reorder(there, places)).toEqual(values);
});

test('what is not painted yet shows the coarser cell that it lies right and below of', () => {
  const none = new Int32Array(16).fill(-1);
  expect(fillFromCoarser(none, 4)).toEqual(none);
  const first = none.slice();
  first[0] = 7;
  expect([...fillFromCoarser(first, 4)]).toEqual(new Array(16).fill(7));
  const level = Int32Array.from([1, -1, 2, -1, -1, -1, -1, -1, 3, -1, 4, -1, -1, -1, -1, -1]);
  expect([...fillFromCoarser(level, 4)]).toEqual([1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
  level[5] = 9;
  expect(fillFromCoarser(level, 4)[5]).toBe(9);
  expect([...fillFromCoarser(Int32Array.from([...level, ...first]), 4).slice(16)]).toEqual(new Array(16).fill(7));
});
