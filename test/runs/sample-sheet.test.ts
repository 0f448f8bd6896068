/** @file Which captions a sheet of samples shows, and how its pictures are handed to a terminal. */
import { describe, expect, test } from 'vitest';
import { blank } from '../../src/image/images.ts';
import type { Painter } from '../../src/runs/open-painter.ts';
import { drawSampleSheet, pickCaptions } from '../../src/runs/sample-sheet.ts';

const items = (count: number, name: (i: number) => string) => Array.from({ length: count }, (_, i) => [name(i)]);
const training = items(100, i => `trained ${i}`);

describe('captions of the sheet', () => {
  test.each([
    [0, 24],
    [3, 18],
    [6, 18],
    [7, 12],
    [12, 12],
    [200, 12],
  ])('%i held out: whole rows of trained ones fill what is left', (heldOut, trained) => {
    const picked = pickCaptions(
      training,
      items(heldOut, i => `unseen ${i}`),
    );
    expect(picked.unseen).toHaveLength(Math.min(12, heldOut));
    expect(picked.trained).toHaveLength(trained);
    for (const side of [picked.trained, picked.unseen]) expect(new Set(side).size).toBe(side.length);
  });

  test('none twice, however often the data has it', () => {
    const picked = pickCaptions(
      items(60, i => `shape ${i % 5}`),
      items(30, i => `unseen ${i % 2}`),
    );
    expect(picked).toEqual({
      trained: ['shape 0', 'shape 1', 'shape 2', 'shape 3', 'shape 4'],
      unseen: ['unseen 0', 'unseen 1'],
    });
  });

  test('a held-out picture with a caption that was trained on is not called unseen', () => {
    expect(pickCaptions([['a', 'b']], [['b'], ['c']])).toEqual({ trained: ['a'], unseen: ['c'] });
  });
});

test('the pictures stand in two rows by what was trained on', async () => {
  const painter = {
    imageSize: 8,
    settings: '',
    paint: async (captions: readonly string[]) => captions.map(() => blank(8, 8)),
  };
  const captions = { trained: ['a', 'b'], unseen: ['c'] };
  const { painted } = await drawSampleSheet(painter as unknown as Painter, captions);
  expect(painted.map(({ label, row }) => [label, row])).toEqual([
    ['a', 'captions it was trained on'],
    ['b', 'captions it was trained on'],
    ['c', 'captions it has never seen'],
  ]);
});
