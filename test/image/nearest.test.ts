import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { blank, Images, type Picture } from '../../src/image/images.ts';
import { NearestImages } from '../../src/image/nearest.ts';
import { resizeArea, resizeNearest } from '../../src/image/resize.ts';
import { disturb, naive, noise } from './noise.ts';

describe('NearestImages', () => {
  test('agrees with a naive search, whatever the size and however alike the references are', () => {
    const random = new Random(3);
    for (const size of [1, 2, 3, 5, 7, 8, 13, 16]) {
      for (const spread of [1, 6, 255]) {
        const references = Array.from({ length: 40 }, () => noise(random, size, 100, spread));
        const nearest = new NearestImages(Images.of(references));
        for (let i = 0; i < 12; i++) {
          const query = noise(random, size, 100, spread);
          const expected = naive(query, references);
          const found = nearest.find(query);
          expect(found.index).toBe(expected.index);
          expect(found.distance).toBeCloseTo(expected.distance, 12);
        }
      }
    }
  });

  test('finds exact copies at distance 0, and the neighbour of a reference when that is left out', () => {
    const random = new Random(4);
    const references = Array.from({ length: 30 }, () => noise(random, 9));
    const nearest = new NearestImages(Images.of(references));
    expect(nearest.count).toBe(30);
    references.forEach((reference, i) => {
      expect(nearest.find(reference)).toEqual({ index: i, distance: 0 });
      expect(nearest.reference(i).data).toEqual(reference.data);
      const others = [...references.slice(0, i), ...references.slice(i + 1)];
      const expected = naive(reference, others);
      const found = nearest.find(reference, { except: i });
      expect(found.index).toBe(expected.index + (expected.index >= i ? 1 : 0));
      expect(found.distance).toBeCloseTo(expected.distance, 12);
    });
  });

  test('finds the original of a disturbed copy at the distance it was disturbed by', () => {
    const random = new Random(5);
    const references = Array.from({ length: 50 }, () => noise(random, 8));
    const nearest = new NearestImages(Images.of(references));
    for (const step of [1, 5, 20]) {
      const found = nearest.find(disturb(references[17], step));
      expect(found.index).toBe(17);
      expect(found.distance).toBeCloseTo(step / 255, 12);
    }
  });

  test('gives the first of equally near references, equal or not', () => {
    const grey = (value: number) => blank(4, 4, [value, value, value]);
    const nearest = new NearestImages(Images.of([grey(200), grey(90), grey(110), grey(90), grey(110)]));
    expect(nearest.find(grey(100))).toEqual({ index: 1, distance: 10 / 255 });
    expect(nearest.find(grey(110)).index).toBe(2);
    expect(nearest.find(grey(110), { except: 2 }).index).toBe(4);
    // The second one has the same sum in every cell as the picture, so it is read before the first.
    const changed = (changes: readonly (readonly [pixel: number, by: number])[]): Picture => {
      const picture = grey8();
      for (const [pixel, by] of changes) picture.data[pixel * 3] += by;
      return picture;
    };
    const grey8 = () => blank(8, 8, [100, 100, 100]);
    const one = changed([[0, 4]]);
    const four = changed([
      [0, 2],
      [1, 2],
      [8, -2],
      [9, -2],
    ]);
    expect(new NearestImages(Images.of([one, four])).find(grey8()).index).toBe(0);
    expect(new NearestImages(Images.of([four, one])).find(grey8()).index).toBe(0);
    expect(new NearestImages(Images.of([one, four])).find(grey8(), { except: 0 }).index).toBe(1);
  });

  test('puts black and white at distance 1', () => {
    const white = new NearestImages(Images.of([blank(5, 5)]));
    expect(white.find(blank(5, 5, [0, 0, 0]))).toEqual({ index: 0, distance: 1 });
  });

  test('reduces queries of any size', () => {
    const random = new Random(6);
    const large = Array.from({ length: 20 }, () => noise(random, 24));
    const nearest = new NearestImages(Images.of(large.map(picture => resizeArea(picture, 8, 8))));
    expect(nearest.find(large[11])).toEqual({ index: 11, distance: 0 });
    expect(nearest.find(resizeNearest(large[4], 2))).toEqual({ index: 4, distance: 0 });
    expect(nearest.find(resizeArea(large[9], 8, 8))).toEqual({ index: 9, distance: 0 });
  });

  test('refuses no images, images that are not square, and a search with nothing to find', () => {
    expect(() => new NearestImages(Images.of([blank(4, 5)]))).toThrow(/expected square images, got 1 of 4 x 5 pixels/);
    expect(() => new NearestImages(Images.allocate(0, blank(4, 4)))).toThrow(/got 0 of 4 x 4/);
    expect(() => new NearestImages(Images.of([blank(4, 4)])).find(blank(4, 4), { except: 0 })).toThrow(/left out/);
  });
});
