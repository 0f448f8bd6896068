/** @file The thousand scenes are drawn as their captions say, and the oracle reads all of them and nothing else. */

import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { splitOf } from '../../data/dataset.ts';
import {
  captionOf,
  drawMode,
  makeModes,
  modeBackgrounds,
  modeColours,
  modeNumber,
  modeOf,
  modePlaces,
  modeSizes,
  modes,
} from '../../data/generators/modes.ts';
import { drawScene } from '../../data/generators/shapes.ts';
import { openDataset } from '../../data/open.ts';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { ModeJudge, ModeOracle } from '../../src/metrics/judges/mode-judge.ts';
import { folder } from '../data/files.ts';

const S = 32;
const judge = new ModeJudge();
const oracle = judge.oracle(S);
const drawn = modes.map((_, mode) => drawMode(mode, S, new Random(3).fork('test', mode)));

const floats = (bytes: Uint8Array): Float32Array => Float32Array.from(bytes, v => v / 255);
const noisy = (values: Float32Array, random: Random): Float32Array =>
  values.map(v => Math.min(1, Math.max(0, v + 0.05 * random.normal())));
const blurred = async (bytes: Uint8Array, size = S): Promise<Uint8Array> =>
  new Uint8Array(
    await sharp(bytes, { raw: { width: size, height: size, channels: 3 } })
      .blur(1)
      .raw()
      .toBuffer(),
  );
const blend = (a: Uint8Array, b: Uint8Array): Float32Array => floats(a).map((v, i) => (v + b[i] / 255) / 2);
const plain = (colour: readonly number[]): Uint8Array =>
  Uint8Array.from({ length: S * S * 3 }, (_, i) => colour[i % 3]);

describe('the modes', () => {
  test('are a thousand with as many captions, and captions, modes and numbers name each other', () => {
    expect(modes.length).toBe(1000);
    expect(new Set(modes.map((_, mode) => captionOf(mode))).size).toBe(1000);
    for (const [number, mode] of modes.entries()) {
      expect(modeOf(captionOf(number))).toBe(number);
      expect(modeNumber(mode)).toBe(number);
    }
    const words = {
      size: 'large',
      colour: 'cyan',
      shape: 'ring',
      place: 'in the bottom left',
      background: 'pink',
    } as const;
    expect(captionOf(modeNumber(words))).toBe('a large cyan ring in the bottom left on pink');
    expect(modeOf(' A large cyan ring in the bottom left on PINK ')).toBe(modeNumber(words));
    expect(modeOf('a large cyan ring')).toBeUndefined();
  });

  test('have colours of which no mixture of two is a third', () => {
    const all = [...Object.values(modeColours), ...Object.values(modeBackgrounds)];
    const distance = (a: readonly number[], b: readonly number[]) => Math.hypot(...a.map((v, c) => (v - b[c]) / 255));
    for (const [i, a] of all.entries()) {
      for (const b of all.slice(i + 1)) {
        expect(distance(a, b)).toBeGreaterThan(0.4);
        const middle = a.map((v, c) => (v + b[c]) / 2);
        for (const other of all) expect(distance(middle, other)).toBeGreaterThan(0.185); // the oracle's tolerance
      }
    }
  });

  test.each([32, 64])('are drawn as a vector program draws them, at %d pixels', async size => {
    for (let mode = 3; mode < modes.length; mode += 37) {
      const words = { ...modes[mode], background: 'white', colour: 'blue' } as const;
      const [x, y] = modePlaces[words.place];
      const object = { ...words, x, y, extent: modeSizes[words.size] };
      const svg = await sharp(await drawScene({ objects: [object], caption: '' }, size))
        .raw()
        .toBuffer();
      // Compared by how far each pixel has gone from white to the colour, in the red channel of either palette.
      const ours = drawMode(modeNumber(words), size);
      const [white, blue] = [modeBackgrounds.white[0], modeColours.blue[0]];
      let [worst, sum] = [0, 0];
      for (let i = 0; i < size * size; i++) {
        const off = Math.abs((white - ours[3 * i]) / (white - blue) - (255 - svg[3 * i]) / (255 - 36));
        worst = Math.max(worst, off);
        sum += off;
      }
      expect(worst, captionOf(mode)).toBeLessThan(0.3);
      expect(sum / (size * size), captionOf(mode)).toBeLessThan(0.01);
    }
  });

  test('are small clusters: pictures of a mode differ a little, and by the generator alone', () => {
    for (let mode = 0; mode < modes.length; mode += 111) {
      const [a, b] = [0, 1].map(i => drawMode(mode, S, new Random(1).fork('jitter', i)));
      const difference = a.reduce((sum, v, i) => sum + Math.abs(v - b[i]), 0) / a.length;
      expect(difference).toBeGreaterThan(0.5);
      expect(difference).toBeLessThan(12);
      expect(drawMode(mode, S, new Random(1).fork('jitter', 0))).toEqual(a);
    }
  });
});

describe('the oracle', () => {
  test('reads every one of the thousand', () => {
    for (const [mode, picture] of drawn.entries()) {
      expect(oracle.read(picture), captionOf(mode)).toMatchObject({ mode, nearest: mode, rejection: undefined });
    }
  });

  test('reads them through noise, blur and both', async () => {
    const random = new Random(8);
    let right = [0, 0, 0];
    const some = drawn.map((picture, mode) => ({ picture, mode })).filter(({ mode }) => mode % 3 === 0);
    for (const { picture, mode } of some) {
      const soft = await blurred(picture);
      const changed = [noisy(floats(picture), random), soft, noisy(floats(soft), random)];
      right = right.map((n, i) => n + (oracle.read(changed[i]).mode === mode ? 1 : 0));
    }
    for (const n of right) expect(n / some.length).toBeGreaterThanOrEqual(0.995);
  });

  test('reads pictures of 64 pixels', async () => {
    const large = new ModeOracle(64);
    let before: Uint8Array | undefined;
    for (let mode = 5; mode < modes.length; mode += 13) {
      const picture = drawMode(mode, 64, new Random(9).fork('large', mode));
      expect(large.read(picture).mode).toBe(mode);
      expect(large.read(await blurred(picture, 64)).mode).toBe(mode);
      if (before !== undefined) expect(large.read(blend(picture, before)).mode).toBeUndefined();
      before = picture;
    }
  });

  test('rejects blends of two scenes', () => {
    const order = new Random(4).permutation(modes.length);
    const taken = drawn.slice(0, 400).filter((picture, mode) => {
      const { mode: seen } = oracle.read(blend(picture, drawn[order[mode]]));
      return seen !== undefined && order[mode] !== mode;
    });
    expect(taken.length).toBeLessThanOrEqual(2);
  });

  test.each(['colour', 'place', 'background'] as const)(
    'rejects blends of scenes that differ in their %s alone',
    name => {
      const values = [...new Set(modes.map(mode => mode[name]))];
      for (const [number, mode] of modes.entries()) {
        if (number % 7 !== 0) continue;
        const other = modeNumber({ ...mode, [name]: values[(values.indexOf(mode[name]) + 1) % values.length] });
        expect(oracle.read(blend(drawn[number], drawn[other])).mode, `${captionOf(number)}, ${captionOf(other)}`).toBe(
          undefined,
        );
      }
    },
  );

  test('rejects empty pictures, noise, other colours, and a second object', () => {
    const random = new Random(6);
    for (const colour of [...Object.values(modeBackgrounds), ...Object.values(modeColours), [128, 128, 128]]) {
      expect(oracle.read(plain(colour)).mode).toBeUndefined();
      expect(oracle.read(noisy(floats(plain(colour)), random)).mode).toBeUndefined();
    }
    for (let i = 0; i < 20; i++) {
      const noise = Float32Array.from({ length: S * S * 3 }, () => random.uniform());
      expect(oracle.read(noise)).toMatchObject({ mode: undefined, rejection: 'background' });
    }
    const words = {
      size: 'small',
      colour: 'red',
      shape: 'circle',
      place: 'in the top left',
      background: 'white',
    } as const;
    const one = drawMode(modeNumber(words), S);
    const two = drawMode(modeNumber({ ...words, place: 'in the bottom right' }), S);
    const both = one.map((v, i) => Math.min(v, two[i]));
    expect(oracle.read(both)).toMatchObject({ mode: undefined, rejection: 'rest' });
    const green = one.map((v, i) => (i % 3 === 0 ? Math.round(0.5 * v) : v));
    expect(oracle.read(green).mode).toBeUndefined();
  });

  test('says of a caption which words a picture shows; a rejected picture shows none', () => {
    const number = modes.findIndex(({ shape, colour }) => shape === 'cross' && colour === 'green');
    const wanted = modeNumber({ ...modes[number], shape: 'ring', size: 'large' });
    expect(judge.check(drawn[number], S, captionOf(number))).toMatchObject({ right: 5, total: 5 });
    const check = judge.check(floats(drawn[number]), S, captionOf(wanted));
    expect(check).toMatchObject({ right: modes[number].size === 'large' ? 4 : 3, total: 5 });
    expect(check.attributes.find(({ name }) => name === 'shape')).toEqual({
      name: 'shape',
      wanted: 'ring',
      seen: 'cross',
      right: false,
    });
    expect(judge.check(plain([245, 245, 245]), S, captionOf(3))).toMatchObject({ right: 0, total: 5 });
    expect(() => judge.check(drawn[0], S, 'a nice picture')).toThrow(/not a caption of a mode/);
  });
});

test('as a data set: every mode on either side of the split, twice is a no-op', async () => {
  const out = await folder();
  const options = { out, perMode: 2, size: 16, seed: 4 };
  expect(await makeModes(options)).toEqual({ train: 1000, heldOut: 1000, upToDate: false, others: [] });
  expect((await makeModes(options)).upToDate).toBe(true);
  const { items } = await openDataset(out, { check: false });
  for (const side of ['train', 'validation']) {
    const captions = items.filter(item => splitOf(item, 0.5) === side).map(item => modeOf(item.captions[0]));
    expect(captions.sort((a, b) => a! - b!)).toEqual(modes.map((_, mode) => mode));
  }
  expect((await makeModes({ ...options, seed: 5 })).upToDate).toBe(false);
  await expect(makeModes({ out, perMode: 0 })).rejects.toThrow(UserError);
  await expect(makeModes({ out, perMode: 1, size: 8 })).rejects.toThrow('size: expected 16 to 256 pixels, got 8');
});
