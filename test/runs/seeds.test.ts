import { describe, expect, test } from 'vitest';
import { MOST_SEEDS, readSeeds } from '../../src/runs/seeds.ts';

const read = (text: string) => readSeeds('sample: --seeds', text);

describe('a list of seeds', () => {
  test.each<[string, number[], number[]]>([
    ['7', [7], []],
    ['1-4', [1, 2, 3, 4], []],
    ['3,5,8-10', [3, 5, 8, 9, 10], []],
    [' 3 , 1 - 2 ', [3, 1, 2], []],
    ['5-5', [5], []],
    ['2,1-3,3', [2, 1, 3], [2, 3]],
    ['4294967295', [4294967295], []],
  ])('%j', (text, seeds, twice) => expect(read(text)).toEqual({ seeds, twice }));

  test('may have as many as one call paints, and no more', () => {
    expect(read(`1-${MOST_SEEDS}`).seeds).toHaveLength(MOST_SEEDS);
    expect(read(`1-${MOST_SEEDS},1`)).toMatchObject({ twice: [1] });
    for (const text of [`0-${MOST_SEEDS}`, `1-${MOST_SEEDS},0`, '0-4294967295']) {
      expect(() => read(text)).toThrow(`sample: --seeds: expected at most 10000 seeds, got more: "${text}"`);
    }
  });

  test.each([
    ['', '""'],
    ['x', '"x"'],
    ['1,,2', '"1,,2"'],
    ['1-', '"1-"'],
    ['-3', '"-3"'],
    ['1.5', '"1.5"'],
    ['9-3', 'the range 9-3, which runs backwards'],
    ['4294967296', '"4294967296"'],
    ['1-99999999999', '"1-99999999999"'],
  ])('%j is refused', (text, got) =>
    expect(() => read(text)).toThrow(`sample: --seeds: expected seeds from 0 to 4294967295, got ${got}`),
  );
});
