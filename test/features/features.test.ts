/** @file Features: worked out by hand, of known pictures, the same whatever else is looked at, and refused in one line. */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { textSchema } from '../../src/families/contrastive/config.ts';
import { Contrastive } from '../../src/families/contrastive/contrastive.ts';
import { saveTowers } from '../../src/families/contrastive/towers.ts';
import { blur } from '../../src/features/blur.ts';
import type { FeatureExtractor } from '../../src/features/extractor.ts';
import { type FeatureOptions, featuresMatcher, openFeatures } from '../../src/features/open.ts';
import { blank, fill, Images, type Picture } from '../../src/image/images.ts';
import { imagesToTensor } from '../../src/image/pixels.ts';
import { resizeNearest } from '../../src/image/resize.ts';
import { expectAllclose, noKernels, onEveryBackend } from '../support.ts';
import { CLIP_SIZE, CLIP_WORDS, writeClip } from './clip-fixture.ts';

const root = mkdtempSync(join(tmpdir(), 'tessera-features-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const encoder = {
  encodeCaption: (caption: string, { length }: { readonly length: number }) => {
    const letters = [...caption].map(letter => letter.charCodeAt(0) % 11).slice(0, length);
    return { ids: Int32Array.from({ length }, (_, i) => letters[i] ?? 11 + i), count: letters.length };
  },
};
const options: FeatureOptions = { readCaptions: async () => encoder };

function noise(seed: number, size = CLIP_SIZE): Picture {
  const random = new Random(seed);
  return { width: size, height: size, data: Uint8Array.from({ length: size * size * 3 }, () => random.integer(256)) };
}

async function failure(promise: Promise<unknown>): Promise<UserError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof UserError)) throw new Error(`expected a UserError, got ${String(error)}`);
  expect(error.message).not.toContain('\n');
  return error;
}

async function expectSameAlone(features: FeatureExtractor, pictures: readonly Picture[]): Promise<void> {
  const all = await features.images(pictures);
  expect(all.length).toBe(pictures.length * features.dimension);
  for (const [i, picture] of pictures.entries()) {
    const own = all.subarray(i * features.dimension, (i + 1) * features.dimension);
    expectAllclose(await features.images([picture]), own, { absolute: 1e-5, relative: 1e-4 });
  }
  expect(await features.images([])).toEqual(new Float64Array(0));
}

describe('pixels', () => {
  test('are the means of areas', async () => {
    const features = await openFeatures('pixels', options);
    expect([features.name, features.dimension]).toEqual(['pixels-8', 192]);
    const small = noise(3, 8);
    const rows = await features.images([resizeNearest(small, 4), small]);
    const expected = Float64Array.from(small.data, v => v / 255);
    expectAllclose(rows, [...expected, ...expected], { absolute: 1e-12 });
    await expectSameAlone(features, [noise(1, 24), noise(2, 8)]);
  });
});

describe('results in a log', () => {
  test.each([
    ['pixels', 'pixels-8', true],
    ['random', 'random-conv-2', true],
    ['random', 'random-conv-1', false], // of another network
    ['Xenova/clip-vit-base-patch32', 'clip:Xenova/clip-vit-base-patch32', true],
    ['Xenova/clip-vit-base-patch32', 'onnx:Xenova/clip-vit-base-patch32:q8', true],
    ['Xenova/clip-vit-base-patch32', 'clip:Xenova/clip-vit-base-patch32-other', false],
    ['features/a', 'contrastive:features/ab@1a2b3c4d', false],
  ])('through %s are those of %s: %s', async (asked, logged, same) => {
    expect((await featuresMatcher(asked))(logged)).toBe(same);
  });
});

describe('the random network', () => {
  const drawing = blank(32, 32, [255, 255, 255]);
  fill(drawing, { left: 4, top: 6, width: 12, height: 20 }, [200, 30, 60]);
  fill(drawing, { left: 18, top: 14, width: 9, height: 9 }, [20, 90, 220]);

  onEveryBackend('is the same network everywhere', async () => {
    const features = await openFeatures('random', options);
    expect([features.name, features.dimension]).toEqual(['random-conv-2', 256]);
    const row = await features.images([drawing]);
    // Other numbers are another network: count its version up.
    expect(row.reduce((a, b) => a + b)).toBeCloseTo(107.804, 3);
    expect(Math.min(...row)).toBeGreaterThanOrEqual(0);
    await features.dispose();
  });

  test('sees each picture by itself, of any size, and leaves no tensors', async () => {
    await selectBackend(noKernels.wasm === undefined ? 'wasm' : 'cpu');
    const before = tf.memory().numTensors;
    const features = await openFeatures('random', options);
    await expectSameAlone(features, [drawing, noise(1, 40), resizeNearest(drawing, 2)]);
    const [a, b] = [await features.images([drawing]), await features.images([resizeNearest(drawing, 2)])];
    expectAllclose(a, b, { absolute: 1e-6 });
    await features.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a folder of tessera features', () => {
  const config = textSchema.parse({ length: 6, dim: 6, width: 8, layers: 1, heads: 2, imageWidth: 4 });
  const sizes = { vocabulary: 11, imageSize: 8 };

  async function folder(seed: number): Promise<{ readonly path: string; readonly model: Contrastive }> {
    const path = join(root, `towers-${seed}`);
    mkdirSync(path, { recursive: true });
    const model = new Contrastive(config, sizes, new Random(seed));
    const weights = model.parameters.list().map(({ name, variable }) => ({
      name,
      shape: [...variable.shape],
      values: variable.dataSync() as Float32Array,
    }));
    await saveTowers(
      join(path, 'text.safetensors'),
      model,
      new Map(weights.map(({ name, shape, values }) => [name, { shape, values }])),
    );
    return { path, model };
  }

  test('gives the rows of its towers, for pictures of any size and for captions', async () => {
    await selectBackend('cpu');
    const { path, model } = await folder(1);
    const features = await openFeatures(path, options);
    expect(features.name).toMatch(/^contrastive:.*towers-1@[0-9a-f]{8}$/);
    const isLogged = await featuresMatcher(features.name.slice('contrastive:'.length).replace(/@.*/, ''));
    const elsewhere = `contrastive:old/place${features.name.slice(features.name.lastIndexOf('@'))}`;
    const other = features.name.replace(/.$/, last => (last === '0' ? '1' : '0'));
    expect([features.name, elsewhere, other].map(isLogged)).toEqual([true, true, false]);
    expect(features.dimension).toBe(6);
    const pictures = [noise(1, 8), noise(2, 8)];
    const expected = tf.tidy(() => model.image(imagesToTensor(Images.of(pictures))).dataSync());
    expectAllclose(await features.images(pictures), expected, { absolute: 1e-6 });
    expectAllclose(await features.images([resizeNearest(pictures[1], 3)]), expected.slice(6), { absolute: 1e-6 });
    const captions = ['red', '', 'a dog'];
    const ids = captions.map(caption => encoder.encodeCaption(caption, { length: 6 }).ids);
    const texts = tf.tidy(() =>
      model
        .text(
          tf.tensor2d(
            ids.flatMap(row => [...row]),
            [3, 6],
            'int32',
          ),
        )
        .dataSync(),
    );
    expectAllclose(await (features.text as NonNullable<typeof features.text>)(captions), texts, { absolute: 1e-6 });
    await features.dispose();
    model.dispose();
  });

  test('is known by its weights', async () => {
    const [one, other] = [await folder(1), await folder(2)];
    const names = await Promise.all(
      [one, other].map(async ({ path }) => {
        const features = await openFeatures(path, options);
        await features.dispose();
        return features.name.split('@')[1];
      }),
    );
    expect(names[0]).not.toBe(names[1]);
    one.model.dispose();
    other.model.dispose();
  });
});

/** By hand: mean red, green and blue in [-1, 1], and how much brighter the upper half is. */
function byHand({ width, height, data }: Picture): number[] {
  const embedding = [0, 0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const value = (data[i] / 255 - 0.5) / 0.5;
    embedding[i % 3] += value / (width * height);
    embedding[3] += (i < data.length / 2 ? value : -value) / data.length;
  }
  return embedding;
}

describe('networks as ONNX', () => {
  const pictures = Array.from({ length: 10 }, (_, i) => noise(i));

  test.each(['towers', 'joint'] as const)('a CLIP gives images and captions in one space (%s)', async layout => {
    const folder = join(root, `clip-${layout}`);
    writeClip(folder, { layout });
    const features = await openFeatures(folder, options);
    expect([features.name, features.dimension]).toEqual([`clip:${folder}`, 4]);
    expectAllclose(await features.images(pictures), pictures.flatMap(byHand), { absolute: 1e-5 });
    const text = features.text as NonNullable<typeof features.text>;
    const end = CLIP_WORDS['|'];
    const rows = [CLIP_WORDS.red, CLIP_WORDS.sky, CLIP_WORDS.red].flatMap(word => word.map((v, i) => v + end[i]));
    expectAllclose(await text(['red', 'sky', 'red']), rows, { absolute: 1e-5 });
    await features.dispose();
  });

  test('any other network gives a row a picture, and no captions', async () => {
    const folder = join(root, 'other');
    writeClip(folder, { suffix: '_quantized' });
    renameSync(join(folder, 'onnx/vision_model_quantized.onnx'), join(folder, 'onnx/model_quantized.onnx'));
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, model_type: 'dinov2' }));
    rmSync(join(folder, 'tokenizer.json'));
    const features = await openFeatures(folder, options);
    expect(features.name).toBe(`onnx:${folder}:q8`);
    expect(features.text).toBeUndefined();
    expectAllclose(await features.images(pictures), pictures.flatMap(byHand), { absolute: 1e-5 });
    await features.dispose();
  });
});

describe('features that are not there', () => {
  test.each([
    ['vgg', 'features: expected pixels, random, inception, mobilenet, a folder or a hub id, got "vgg"'],
    [join(root, 'none'), `features: there is no folder ${join(root, 'none')}`],
  ])('%s', async (name, message) => {
    expect((await failure(openFeatures(name, options))).message).toBe(message);
  });

  test('an empty folder, and a file', async () => {
    const folder = join(root, 'empty');
    mkdirSync(folder);
    expect((await failure(openFeatures(folder, options))).message).toBe(`features: no config.json in ${folder}`);
    const file = join(folder, 'x.onnx');
    writeFileSync(file, 'x');
    expect((await failure(openFeatures(file, options))).message).toMatch(/expected a folder or a hub id, got the file/);
  });
});

describe('blur', () => {
  const drawn: Picture = {
    width: 12,
    height: 9,
    data: Uint8Array.from({ length: 12 * 9 * 3 }, (_, i) => {
      const [x, y, c] = [Math.floor(i / 3) % 12, Math.floor(i / 36), i % 3];
      return [7 * x + 13 * y * y, x * y * 3, x * x + y * 29][c];
    }),
  };

  // scipy.ndimage.gaussian_filter(channel, r, truncate=3, mode='nearest'), rounded
  test.each([
    [1, [9, 0, 11], [150, 72, 153], [147, 118, 80], 32144],
    [2, [28, 2, 25], [127, 72, 143], [131, 129, 84], 31245],
    [4, [52, 7, 52], [104, 65, 117], [124, 105, 102], 28771],
  ])('by radius %i is that of scipy', (radius, corner, middle, last, sum) => {
    const { data } = blur(drawn, radius);
    const at = (x: number, y: number) => [...data.subarray((y * 12 + x) * 3, (y * 12 + x) * 3 + 3)];
    expect([at(0, 0), at(6, 4), at(11, 8)]).toEqual([corner, middle, last]);
    expect(data.reduce((a, b) => a + b)).toBe(sum);
  });

  test('leaves one colour alone, and by 0 everything', () => {
    expect(blur(blank(9, 5, [3, 200, 77]), 8).data).toEqual(blank(9, 5, [3, 200, 77]).data);
    expect(blur(drawn, 0)).toBe(drawn);
  });
});
