/** @file Changed pictures: where every pixel comes from, and what is left as it was. */
import { describe, expect, it } from 'vitest';
import type { Picture } from '../../src/image/images.ts';
import { changed, variantNames } from '../../src/image/variants.ts';

/** A square picture whose pixel at (x, y) is [x, y, 7]. */
function coordinates(side: number): Picture {
  const data = new Uint8Array(side * side * 3);
  for (let i = 0; i < side * side; i++) data.set([i % side, Math.floor(i / side), 7], i * 3);
  return { width: side, height: side, data };
}

const at = ({ width, data }: Picture, x: number, y: number) => [...data.subarray((y * width + x) * 3).subarray(0, 3)];

describe('changed', () => {
  it('mirrors left for right', () => {
    const mirrored = changed(coordinates(5), 'mirrored');
    expect(at(mirrored, 0, 2)).toEqual([4, 2, 7]);
    expect(at(mirrored, 3, 1)).toEqual([1, 1, 7]);
    expect(changed(mirrored, 'mirrored')).toEqual(coordinates(5));
  });

  it('turns a quarter clockwise', () => {
    const turned = changed(coordinates(5), 'turned');
    expect(at(turned, 4, 0)).toEqual([0, 0, 7]); // the corner above on the left goes to the right
    expect(at(turned, 4, 4)).toEqual([4, 0, 7]);
    let back = turned;
    for (let i = 0; i < 3; i++) back = changed(back, 'turned');
    expect(back).toEqual(coordinates(5));
  });

  it('turns hues by a third, and leaves greys', () => {
    const pixels = Uint8Array.from([255, 0, 0, 0, 255, 0, 0, 0, 255, 90, 90, 90]);
    const { data } = changed({ width: 2, height: 2, data: pixels }, 'recoloured');
    expect([...data]).toEqual([0, 255, 0, 0, 0, 255, 255, 0, 0, 90, 90, 90]); // red to green to blue
  });

  it('makes small on white', () => {
    const black = { width: 8, height: 8, data: new Uint8Array(8 * 8 * 3) };
    const small = changed(black, 'small');
    for (let i = 0; i < 8; i++) {
      expect(at(small, i, 0)).toEqual([255, 255, 255]);
      expect(at(small, 7, i)).toEqual([255, 255, 255]);
    }
    for (let i = 1; i < 7; i++) expect(at(small, i, 1)).toEqual([0, 0, 0]);
  });

  it('leaves the picture that it is given, and refuses what is not square', () => {
    for (const variant of variantNames) {
      const picture = coordinates(8);
      changed(picture, variant);
      expect(picture).toEqual(coordinates(8));
      expect(() => changed({ width: 2, height: 1, data: new Uint8Array(6) }, variant)).toThrow('square');
    }
  });
});
