/** @file Scenes are what their captions say, held-out pairs stay out of training, and the checker sees all of it. */

import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { splitOf } from '../../data/dataset.ts';
import {
  drawScene,
  heldOutCaptions,
  heldOutPairs,
  makeShapes,
  type Scene,
  sceneColours,
  sceneFor,
  sceneShapes,
} from '../../data/generators/shapes.ts';
import { openDataset } from '../../data/open.ts';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { SceneJudge } from '../../src/metrics/judges/scene-judge.ts';
import { folder } from './files.ts';

const judge = new SceneJudge();

const scenes = Array.from({ length: 80 }, (_, i) => sceneFor(new Random(11).fork('scene', i)));

type Change = (png: Uint8Array, size: number) => Promise<Uint8Array | Float32Array>;

const clean: Change = async png => new Uint8Array(await sharp(png).raw().toBuffer());
const blurred: Change = async (png, size) =>
  new Uint8Array(
    await sharp(png)
      .blur(size / 50)
      .raw()
      .toBuffer(),
  );
const compressed: Change = async (png, size) => {
  const jpeg = await sharp(png)
    .blur(0.3 + size / 128)
    .jpeg({ quality: 40 })
    .toBuffer();
  return new Uint8Array(await sharp(jpeg).raw().toBuffer());
};
const noisy: Change = async png => {
  const random = new Random(2);
  return Float32Array.from(await clean(png, 0), v => Math.min(1, Math.max(0, v / 255 + 0.08 * random.normal())));
};

/** The share of attributes right over scenes, each picture with the caption `shift` places on. */
async function score(size: number, change: Change, shift = 0, of: readonly Scene[] = scenes): Promise<number> {
  let [right, total] = [0, 0];
  for (const [i, scene] of of.entries()) {
    const pixels = await change(await drawScene(scene, size), size);
    const check = judge.check(pixels, size, of[(i + shift) % of.length].caption);
    right += check.right;
    total += check.total;
  }
  return right / total;
}

describe('the checker', () => {
  test.each([32, 64])('reads clean %d pixel scenes without a mistake', async size => {
    expect(await score(size, clean)).toBe(1);
  });

  test('reads large scenes too', async () => {
    expect(await score(128, clean, 0, scenes.slice(0, 16))).toBe(1);
  });

  test.each([
    ['blur', blurred],
    ['blur and JPEG', compressed],
    ['noise', noisy],
  ])('reads 64 pixel scenes after %s', async (_, change) => {
    expect(await score(64, change)).toBeGreaterThanOrEqual(0.98);
  });

  test('reads 32 pixel scenes after blur and JPEG', async () => {
    expect(await score(32, compressed)).toBeGreaterThanOrEqual(0.97);
  });

  test('is near chance on the captions of other pictures', async () => {
    // One half for how many objects and sizes, about one eighth for colours and shapes, less for places.
    expect(await score(32, clean, 1)).toBeLessThan(0.4);
  });

  test('says what it wanted and saw; an empty picture has nothing right', async () => {
    const scene = scenes.find(({ objects }) => objects.length === 1)!;
    const pixels = await clean(await drawScene(scene, 64), 64);
    const [{ size, colour, shape }] = scene.objects;
    const other = shape === 'circle' ? 'square' : 'circle';
    const check = judge.check(pixels, 64, scene.caption.replace(shape, other));
    expect(check).toMatchObject({ right: 4, total: 5 });
    expect(check.attributes.find(({ right }) => !right)).toEqual({
      name: 'shape',
      wanted: other,
      seen: shape,
      right: false,
    });
    expect(check.attributes.map(({ name }) => name)).toEqual(['objects', 'size', 'colour', 'shape', 'place']);
    expect(check.attributes.slice(1, 3).map(({ seen }) => seen)).toEqual([size, colour]);
    expect(
      judge.check(new Uint8Array(64 * 64 * 3).fill(255), 64, 'a small red circle above a large blue ring'),
    ).toMatchObject({ right: 0, total: 8 });
    expect(() => judge.check(pixels, 64, 'a nice picture')).toThrow(/not a caption of a scene/);
  });
});

test('captions are exact: each relation and place holds for the coordinates drawn', () => {
  const part = (v: number): number => (v < 1 / 3 + 0.05 ? 0 : v > 2 / 3 - 0.05 ? 2 : 1);
  const rows = ['top', '', 'bottom'];
  const columns = ['left', '', 'right'];
  for (let i = 0; i < 400; i++) {
    const { objects, caption } = sceneFor(new Random(3).fork('exact', i));
    for (const { size, colour, shape, x, y, extent } of objects) {
      expect(caption).toContain(`a ${size} ${colour} ${shape}`);
      for (const v of [x, y]) expect(Math.abs(v - 0.5) + extent / 2).toBeLessThanOrEqual(0.5);
    }
    const [a, b] = objects;
    if (b === undefined) {
      for (const [words, at] of [
        [rows, a.y],
        [columns, a.x],
      ] as const) {
        for (const [k, word] of words.entries())
          if (word !== '') expect(caption.includes(word), caption).toBe(part(at) === k);
      }
      continue;
    }
    const holds = { left: a.x < b.x, right: a.x > b.x, above: a.y < b.y, below: a.y > b.y };
    const word = (['left', 'right', 'above', 'below'] as const).find(each => caption.includes(each))!;
    expect(holds[word], caption).toBe(true);
    const [dx, dy] = [Math.abs(a.x - b.x), Math.abs(a.y - b.y)];
    expect(word === 'left' || word === 'right' ? dx > dy : dy > dx).toBe(true);
    expect(Math.max(dx, dy)).toBeGreaterThan((a.extent + b.extent) / 2); // they do not touch
  }
});

describe('held-out combinations', () => {
  test('leave every colour and shape in training, and depend on the seed alone', () => {
    for (const fraction of [0.1, 0.3]) {
      const pairs = heldOutPairs(7, fraction);
      expect(pairs).toEqual(heldOutPairs(7, fraction));
      expect(pairs.length).toBe(Math.round(64 * fraction));
      for (const word of [...Object.keys(sceneColours), ...sceneShapes])
        expect(pairs.filter(pair => pair.split(' ').includes(word)).length).toBeLessThanOrEqual(4);
    }
    expect(heldOutPairs(7, 0.1)).not.toEqual(heldOutPairs(8, 0.1));
    const captions = heldOutCaptions({ seed: 7, count: 50 });
    expect(captions.every(caption => heldOutPairs(7, 0.1).some(pair => caption.includes(pair)))).toBe(true);
    expect(heldOutCaptions({ count: 5, holdOut: 0 })).toEqual([]);
  });

  test('written scenes: held-out ones go to validation, the others never show a held-out pair, twice is a no-op', async () => {
    const out = await folder();
    const options = { out, count: 60, size: 32, seed: 4 };
    const made = await makeShapes(options);
    expect(made).toMatchObject({ train: 54, heldOut: 6, upToDate: false });
    expect((await makeShapes(options)).upToDate).toBe(true);
    const { items } = await openDataset(out, { strict: true });
    expect(items.length).toBe(60);
    for (const item of items) {
      const held = made.pairs.some(pair => item.captions[0].includes(pair));
      expect(held).toBe(item.id.startsWith('held-out/'));
      if (held) expect(splitOf(item, 0)).toBe('validation');
    }
    await expect(makeShapes({ out, count: 0 })).rejects.toThrow(UserError);
    await expect(makeShapes({ out, count: 5, size: 1e6 })).rejects.toThrow(
      'size: expected 16 to 1024 pixels, got 1000000',
    );
  });
});

test('a folder that was drawn over halfway is neither made before nor a dataset', async () => {
  const out = await folder();
  const options = { out, count: 20, size: 16, seed: 1 };
  await makeShapes(options);
  const interrupt = (): never => {
    throw new Error('interrupted');
  };
  await expect(makeShapes({ ...options, seed: 2, onProgress: interrupt })).rejects.toThrow('interrupted');
  await expect(openDataset(out)).rejects.toThrow('no captioned image');
  expect((await makeShapes(options)).upToDate).toBe(false);
  expect((await openDataset(out)).items.length).toBe(20);
});
