/**
 * @file Training the towers: they learn what they can, resume exactly, come back from their file; and retrieval and crops
 * are what they say.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test } from 'vitest';
import { UserError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import { textSchema, textTrainSchema } from '../../../src/families/contrastive/config.ts';
import { Contrastive } from '../../../src/families/contrastive/contrastive.ts';
import { encodeCaptions, encodeImages } from '../../../src/families/contrastive/frozen.ts';
import {
  ContrastiveTask,
  randomCrops,
  retrieval,
  type TrainingEncoder,
} from '../../../src/families/contrastive/task.ts';
import { loadTowers, saveTowers } from '../../../src/families/contrastive/towers.ts';
import { Images } from '../../../src/image/images.ts';
import { writeSafetensors } from '../../../src/io/files.ts';
import type { CaptionedImages, ImageStream } from '../../../src/training/captioned.ts';
import { train } from '../../../src/training/loop.ts';
import type { Metrics } from '../../../src/training/measured.ts';
import type { LoopConfig } from '../../../src/training/task.ts';
import { expectAllclose } from '../../support.ts';

const folders: string[] = [];
const temporary = () => {
  const folder = mkdtempSync(join(tmpdir(), 'contrastive-'));
  folders.push(folder);
  return folder;
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const SIZE = 8;
const tints = ['red', 'green', 'blue', 'black'] as const;
const places = ['left', 'right', 'above', 'below'] as const;
const colours = { red: [220, 30, 30], green: [30, 180, 30], blue: [30, 30, 220], black: [20, 20, 20] } as const;
const spots = { left: [2, 0], right: [2, 4], above: [0, 2], below: [4, 2] } as const;

/** A square of a colour at a place, on white. */
function square(tint: (typeof tints)[number], place: (typeof places)[number]): Uint8Array {
  const image = new Uint8Array(SIZE * SIZE * 3).fill(255);
  const [top, left] = spots[place];
  for (let y = top; y < top + 4; y++) {
    for (let x = left; x < left + 4; x++) image.set(colours[tint], (y * SIZE + x) * 3);
  }
  return image;
}

const imagesOf = (squares: readonly Uint8Array[]) =>
  Images.of(squares.map(data => ({ width: SIZE, height: SIZE, data })));

const scenes = tints.flatMap(tint =>
  places.map(place => ({ image: square(tint, place), caption: `${tint} ${place}` })),
);
const all: CaptionedImages = {
  images: imagesOf(scenes.map(({ image }) => image)),
  captions: scenes.map(({ caption }) => caption),
};

const words: readonly string[] = [...tints, ...places];
const encoder: TrainingEncoder = {
  encodeCaption(caption, { length, dropout = 0, random }) {
    const kept = caption.split(' ').filter(() => random === undefined || random.uniform() >= dropout);
    const ids = Int32Array.from({ length }, (_, i) => (i < kept.length ? words.indexOf(kept[i]) : words.length + i));
    return { ids, count: Math.min(kept.length, length), cut: kept.length > length };
  },
};

/** Scenes in random order, the same ones for the same place of the stream. */
class Scenes implements ImageStream {
  private place = 0;
  private readonly size: number;

  constructor(size: number) {
    this.size = size;
  }

  async next(): Promise<CaptionedImages> {
    const random = new Random(5).fork('scenes', this.place++);
    const chosen = Array.from({ length: this.size }, () => scenes[random.integer(scenes.length)]);
    return {
      images: imagesOf(chosen.map(({ image }) => image)),
      captions: chosen.map(({ caption }) => caption),
    };
  }

  state(): unknown {
    return this.place;
  }

  restore(state: unknown): void {
    this.place = state as number;
  }
}

const text = textSchema.parse({ length: 4, dim: 16, width: 16, layers: 1, heads: 2, imageWidth: 8 });
const clock = () => {
  let time = 0;
  return () => time++;
};

function taskOf(options: { readonly batchSize: number; readonly views?: number; readonly crop?: number }) {
  const model = new Contrastive(text, { vocabulary: words.length, imageSize: SIZE }, new Random(4));
  const config = textTrainSchema.parse(options);
  const task = new ContrastiveTask(model, encoder, new Scenes(config.batchSize), {
    config,
    bpeDropout: 0.1,
    heldOut: all,
  });
  return { model, task };
}

function loopOf(steps: number, lr: number): LoopConfig {
  const rhythm = { evalEvery: steps, sampleEvery: 1000, saveEvery: 1000, logEvery: 1 };
  return { ...textTrainSchema.parse({ steps, lr, warmup: 0.1, ema: 0.9 }), ...rhythm, accumulate: 1, seed: 7 };
}

test('towers learn which of sixteen squares a caption means', async () => {
  await selectBackend('auto', { precision: 'fp32' });
  const { model, task } = taskOf({ batchSize: 32, crop: 0.05 });
  const before = await task.evaluate();
  expect(before.captionTop1).toBeLessThan(0.5);
  expect(before.candidates).toBe(16);
  const log: Metrics[] = [];
  await train(task, loopOf(120, 0.01), {
    folder: temporary(),
    now: clock(),
    watcher: { onLog: record => void log.push(record) },
  });
  const last = log[log.length - 1];
  expect(last).toMatchObject({ step: 120, val_captionTop1: 1, val_imageTop1: 1 });
  expect(last.val_loss).toBeLessThan(0.2);
  // A caption comes twice in a batch: were the second a wrong answer, no loss could be below ln 2 for long.
  expect(log[110].loss).toBeLessThan(0.7);
  model.dispose();
});

test('a run that is stopped and resumed ends bit for bit where an unbroken one does', async () => {
  await selectBackend('auto', { precision: 'fp32' });
  const config = loopOf(6, 0.01);
  const options = { batchSize: 8, views: 0.5, crop: 0.1 };
  const whole = taskOf(options);
  await train(whole.task, config, { folder: temporary(), now: clock() });
  const folder = temporary();
  const stop = new AbortController();
  const first = taskOf(options);
  const stopped = await train(first.task, config, {
    folder,
    now: clock(),
    signal: stop.signal,
    watcher: {
      onStep: ({ step }) => {
        if (step === 3) stop.abort();
      },
    },
  });
  expect(stopped).toMatchObject({ step: 3, finished: false });
  const second = taskOf(options);
  await train(second.task, config, { folder, now: clock() });
  const [expected, actual] = [await whole.model.parameters.values(), await second.model.parameters.values()];
  for (const [name, { values }] of expected) expect(actual.get(name)?.values, name).toEqual(values);
  for (const { model } of [whole, first, second]) model.dispose();
});

test('towers come back from their file as they were; another file is refused', async () => {
  await selectBackend('auto', { precision: 'fp32' });
  const { model } = taskOf({ batchSize: 8 });
  const path = join(temporary(), 'text.safetensors');
  await saveTowers(path, model, await model.parameters.values());
  const again = await loadTowers(path);
  expect(again.config).toEqual(model.config);
  expect(again.sizes).toEqual(model.sizes);
  expect(await encodeCaptions(again, encoder, all.captions)).toEqual(
    await encodeCaptions(model, encoder, all.captions),
  );
  expect(await encodeImages(again, all.images)).toEqual(await encodeImages(model, all.images));
  model.dispose();
  again.dispose();
  await writeSafetensors(path, new Map([['x', { dtype: 'F32', shape: [1], data: new Float32Array(1) }]]), {
    format: 'tessera transformer',
  });
  await expect(loadTowers(path)).rejects.toThrow(UserError);
});

describe('retrieval', () => {
  const rows = (...values: number[]) => Float32Array.from(values);
  const options = { candidates: 100, random: new Random(1) };

  test('counts first answers both ways', () => {
    // Image 2 looks most like caption 0; caption 2 still finds its image.
    const images = rows(1, 0, 0, 1, 0.9, 0.2);
    const texts = rows(1, 0, 0, 1, 0.6, 0.1);
    expect(retrieval(images, texts, { ...options, captions: ['a', 'b', 'c'] })).toEqual({
      captionTop1: 2 / 3,
      imageTop1: 2 / 3,
      candidates: 3,
    });
  });

  test('takes no equal caption for a wrong answer, and shares the point among ties', () => {
    const same = rows(1, 0, 1, 0, 1, 0, 1, 0);
    expect(retrieval(same, same, { ...options, captions: ['a', 'a', 'b', 'b'] })).toEqual({
      captionTop1: 1 / 3,
      imageTop1: 1 / 3,
      candidates: 3,
    });
  });

  test('is chance for features that know nothing', () => {
    const n = 400;
    const noise = (seed: number) => new Random(seed).normals(n * 4);
    const captions = Array.from({ length: n }, (_, i) => String(i));
    const found = retrieval(noise(1), noise(2), { captions, candidates: 10, random: new Random(3) });
    expect(found.candidates).toBe(10);
    // 0.1 with a deviation of 0.015.
    for (const share of [found.captionTop1, found.imageTop1]) expect(Math.abs(share - 0.1)).toBeLessThan(0.06);
  });
});

describe('crops', () => {
  const S = 4;
  const bytes = Uint8Array.from({ length: 2 * S * S * 3 }, (_, i) => (i * 37) % 256);

  test('of no amount are the images', async () => {
    await selectBackend('cpu');
    const images = randomCrops(new Images(bytes, { width: S, height: S }), { amount: 0, random: new Random(1) });
    expect(images.shape).toEqual([2, S, S, 3]);
    expectAllclose(
      await images.data(),
      Array.from(bytes, v => v / 255),
    );
    images.dispose();
  });

  test('shift a slope by what they shift, and keep colours', async () => {
    await selectBackend('cpu');
    const size = 32;
    // Red rises from left to right, green from top to bottom, blue is one value.
    const slopes = Uint8Array.from({ length: size * size * 3 }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % size, Math.floor(i / 3 / size)];
      return [60 + 4 * x, 60 + 4 * y, 99][i % 3];
    });
    const shifts = new Set<string>();
    for (let seed = 0; seed < 8; seed++) {
      const crop = randomCrops(new Images(slopes, { width: size, height: size }), {
        amount: 0.2,
        random: new Random(seed),
      });
      const at = (await crop.array()) as number[][][][];
      crop.dispose();
      const red = (x: number) => at[0][16][x][0] * 255;
      // Inside the image a crop of a slope is a slope, at most a fifth steeper or flatter.
      const zoom = (red(16) - red(13)) / 3 / 4;
      expect(zoom).toBeGreaterThan(0.8 - 1e-6);
      expect(zoom).toBeLessThan(1.2 + 1e-6);
      const green = (at[0][19][16][1] - at[0][16][16][1]) * 255;
      expect(green / 3 / 4).toBeCloseTo(zoom, 4);
      const middle = (red(15) + red(16)) / 2;
      expect(Math.abs(middle - (60 + 4 * 15.5)) / 4).toBeLessThan(0.1 * size + 1e-4);
      expect(at[0].flat().every(pixel => Math.abs(pixel[2] - 99 / 255) < 1e-6)).toBe(true);
      shifts.add(middle.toFixed(3));
    }
    expect(shifts.size).toBe(8);
  });

  test('are another with every draw, and none beyond the range of the image', async () => {
    await selectBackend('cpu');
    const random = new Random(2);
    const [one, two] = [0, 1].map(() =>
      randomCrops(new Images(bytes, { width: S, height: S }), { amount: 0.9, random }),
    );
    expect([...(await one.data())]).not.toEqual([...(await two.data())]);
    const [low, high] = [Math.min(...bytes) / 255, Math.max(...bytes) / 255];
    for (const v of await one.data()) expect(v >= low - 1e-6 && v <= high + 1e-6).toBe(true);
    tf.dispose([one, two]);
  });
});
