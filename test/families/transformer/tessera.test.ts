/** @file A run as a program holds it: what it refuses, which image is which, and that nothing of it stays in memory. */
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { UserError } from '../../../src/core/errors.ts';
import type { Painting, PaintOptions } from '../../../src/families/transformer/codepainter.ts';
import { decodePicture } from '../../../src/image/decode.ts';
import { blank } from '../../../src/image/images.ts';
import { Tessera } from '../../../src/runs/tessera.ts';
import { draw, hardlyTrained, temporaryFolder, tessera, writeConfig, writeDrawings } from '../../cli/program.ts';

const folder = temporaryFolder();
const run = join(folder, 'run');
const sampling = { temperature: 0.5, topK: 3, topP: 0.9, cfgScale: 2 };

beforeAll(async () => {
  const data = join(folder, 'data');
  await writeDrawings(data);
  const config = writeConfig(join(folder, 'config.json'), { ...hardlyTrained, sampling });
  const { code } = await tessera('train', '--data', data, '--out', run, '--config', config);
  expect(code).toBe(0);
});

async function withRun<T>(work: (loaded: Tessera) => Promise<T>): Promise<T> {
  const loaded = await Tessera.load(run, { precision: 'fp32' });
  try {
    return await work(loaded);
  } finally {
    loaded.dispose();
  }
}

async function finished(loaded: Tessera, caption: string, options: PaintOptions): Promise<Painting> {
  let last: Painting | undefined;
  for await (const painting of loaded.paint(caption, options)) last = painting;
  return last as Painting;
}

const refusal = async (work: Promise<unknown>): Promise<string> => {
  const error = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
};

describe('loading', () => {
  test('takes the average, the best or the last weights', async () => {
    const first = async (weights: 'ema' | 'best' | 'last') => {
      const loaded = await Tessera.load(run, { weights });
      const [{ variable }] = loaded.model.parameters.list();
      const values = [...(await variable.data())];
      loaded.dispose();
      return values;
    };
    const [ema, best, last] = [await first('ema'), await first('best'), await first('last')];
    expect(last).not.toEqual(ema);
    expect(best).toEqual(ema); // after the only validation
  });

  test('and disposing leave nothing in memory', async () => {
    await withRun(async () => {}); // what a backend keeps for itself
    const before = tf.memory().numTensors;
    await withRun(async loaded => finished(loaded, 'red circle', { images: 2 }));
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('painting', () => {
  test('image i of a seed is the same, whatever is painted with it', async () => {
    await withRun(async loaded => {
      const N = loaded.model.codes;
      const { codes } = await finished(loaded, 'red circle', { images: 3, seed: 5, temperature: 1, topK: 0, topP: 1 });
      for (const i of [0, 2]) {
        const one = await finished(loaded, 'red circle', { firstImage: i, seed: 5, temperature: 1, topK: 0, topP: 1 });
        expect(one.codes).toEqual(codes.slice(i * N, (i + 1) * N));
      }
      expect(codes.slice(0, N)).not.toEqual(codes.slice(N, 2 * N));
    });
  });

  test("settings left out are the run's own", async () => {
    await withRun(async loaded => {
      expect(loaded.config.sampling).toEqual(sampling);
      const { codes } = await finished(loaded, 'blue square', { seed: 2, images: 4 });
      expect((await finished(loaded, 'blue square', { seed: 2, images: 4, ...sampling })).codes).toEqual(codes);
      const others = { temperature: 5, topK: 0, topP: 1, cfgScale: 1 };
      expect((await finished(loaded, 'blue square', { seed: 2, images: 4, ...others })).codes).not.toEqual(codes);
    });
  });

  test('every code is one of the codebook, and every number of codes between two yields ends whole', async () => {
    await withRun(async loaded => {
      for (const every of [1, 3, 5, 16, 100]) {
        const seen: number[] = [];
        for await (const { painted, codes } of loaded.paint('', { every })) {
          seen.push(painted);
          expect(Math.max(...codes)).toBeLessThan(64); // 4 * 4 * 4 levels
          expect([...codes].filter(code => code >= 0)).toHaveLength(painted);
        }
        expect(seen.at(-1)).toBe(16);
        expect(seen.slice(0, -1)).toEqual(Array.from({ length: seen.length - 1 }, (_, i) => (i + 1) * every));
      }
    });
  });

  test('a whole image given is given back', async () => {
    await withRun(async loaded => {
      const image = await decodePicture(await draw('red circle'), 'test');
      const given = await loaded.encode([image]);
      const { codes, pictures } = await finished(loaded, 'blue square', { image, keep: Array(16).fill(true) });
      expect(codes).toEqual(given);
      expect(pictures).toEqual(await loaded.decode(given));
    });
  });
});

describe('what does not fit is refused with both numbers', () => {
  test('an image of another size', async () => {
    await withRun(async loaded => {
      expect(await refusal(loaded.encode([blank(16, 32)]))).toBe('encode: expected 32 x 32 pixels, got 16 x 32');
      const painting = finished(loaded, 'x', { image: blank(64, 64), keep: Array(16).fill(true) });
      expect(await refusal(painting)).toBe('encode: expected 32 x 32 pixels, got 64 x 64');
    });
  });

  test('patches to keep that are not those of the grid', async () => {
    await withRun(async loaded => {
      const image = blank(32, 32);
      expect(await refusal(finished(loaded, 'x', { image, keep: [true] }))).toBe(
        'paint: keep: expected 16 patches, got 1',
      );
      expect(await refusal(finished(loaded, 'x', { image }))).toBe('paint: keep: expected 16 patches, got none');
    });
  });
});
