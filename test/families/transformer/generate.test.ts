/**
 * @file Painting: decoding with caches against decoding without, token for token; and that an image depends on its seed and number alone.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import { activeGpu, type GpuBackend } from '../../../src/device/webgpu/webgpu.ts';
import type { ModelConfig } from '../../../src/families/transformer/config.ts';
import type { Dalle } from '../../../src/families/transformer/dalle.ts';
import { type GenerateRequest, generate, imagesOfSeed } from '../../../src/families/transformer/generate.ts';
import { disposeKvCache } from '../../../src/kernels/attention/attention.ts';
import { expectAllclose, noWebgpu, onEveryBackend } from '../../support.ts';
import { caption, configs, randomModel, vocabulary } from './tiny-model.ts';

const N = vocabulary.grid ** 2;
const K = vocabulary.image;

type Wanted = Omit<GenerateRequest, 'images'> & Parameters<typeof imagesOfSeed>[1];

const requestOf = (wanted: Wanted): GenerateRequest => ({
  ...wanted,
  images: imagesOfSeed(wanted.captions.length, wanted),
});

/** The finished codes, image by image, and what the generator returned. */
async function paint(model: Dalle, wanted: Wanted) {
  const steps: { codes: Int32Array; logProbabilities: Float64Array; painted: number }[] = [];
  const painting = generate(model, requestOf(wanted));
  for (;;) {
    const next = await painting.next();
    if (next.done === true) {
      const { codes } = steps.at(-1) as { codes: Int32Array };
      const images = Array.from({ length: codes.length / N }, (_, i) => [...codes.subarray(i * N, i * N + N)]);
      return { images, steps, logProbability: next.value };
    }
    steps.push(next.value);
  }
}

/** Logits of every code for one caption and the codes known, -1 counting as 0, from the whole sequence at once. */
async function wholeLogits(model: Dalle, ids: Int32Array, codes: readonly number[]): Promise<Float32Array> {
  const inputs = [
    tf.tensor2d(ids, [1, ids.length], 'int32'),
    tf.tensor2d(
      codes.map(code => Math.max(0, code)),
      [1, N],
      'int32',
    ),
  ];
  const logits = model.logits(inputs[0], inputs[1]);
  const values = Float32Array.from(await logits.data());
  tf.dispose([inputs, logits]);
  return values;
}

/** Logits of one position, guided. */
async function guidedLogits(model: Dalle, ids: Int32Array, codes: readonly number[], position: number, scale: number) {
  const row = async (text: Int32Array) => (await wholeLogits(model, text, codes)).slice(position * K, position * K + K);
  const captioned = await row(ids);
  if (scale === 1) return captioned;
  const empty = await row(model.emptyCaption());
  return captioned.map((x, k) => empty[k] + scale * (x - empty[k]));
}

const argmax = (values: ArrayLike<number>) =>
  Array.from(values).reduce((best, x, i, all) => (x > all[best] ? i : best), 0);

/** The likeliest code at every place, the whole sequence computed anew each time. */
async function slowGreedy(model: Dalle, ids: Int32Array, scale = 1, given?: Int32Array): Promise<number[]> {
  const codes = new Array<number>(N).fill(-1);
  for (const position of model.order.cells) {
    const forced = given?.[position] ?? -1;
    codes[position] = forced >= 0 ? forced : argmax(await guidedLogits(model, ids, codes, position, scale));
  }
  return codes;
}

const captionsFor = (config: ModelConfig) => {
  const random = new Random(4);
  return [3, 5, 1].map(length => caption(random, length, config));
};

for (const [name, config] of Object.entries(configs)) {
  describe(`the ${name} model`, () => {
    onEveryBackend('greedy decoding with caches equals decoding without', async () => {
      const model = randomModel(config, 2);
      const captions = captionsFor(config);
      const { images } = await paint(model, { captions, temperature: 0 });
      const slow = [];
      for (const ids of captions) slow.push(await slowGreedy(model, ids));
      expect(images).toEqual(slow);
      expect(new Set(slow.map(String)).size).toBeGreaterThan(1); // the captions matter
      model.dispose();
    });

    onEveryBackend('with guidance', async () => {
      const model = randomModel(config, 3);
      const captions = captionsFor(config);
      const { images } = await paint(model, { captions, temperature: 0, cfgScale: 2.5 });
      const slow = [];
      for (const ids of captions) slow.push(await slowGreedy(model, ids, 2.5));
      expect(images).toEqual(slow);
      const unguided = await paint(model, { captions, temperature: 0 });
      expect(images).not.toEqual(unguided.images); // guidance matters
      model.dispose();
    });

    onEveryBackend('with codes given at the start, and with codes given here and there', async () => {
      const model = randomModel(config, 4);
      const [ids] = captionsFor(config);
      const prefix = Int32Array.from([7, 1, 12, 0, 3, -1, -1, -1, -1]);
      const scattered = Int32Array.from([-1, 5, -1, -1, 8, 2, -1, -1, 6]);
      const both = Int32Array.from([9, 9, -1, 4, -1, 0, -1, 11, -1]);
      const everything = Int32Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]);
      for (const given of [prefix, scattered, both, everything]) {
        for (const cfgScale of [1, 3]) {
          const { images } = await paint(model, {
            captions: [ids],
            imagesPerCaption: 2,
            temperature: 0,
            cfgScale,
            given,
          });
          const slow = await slowGreedy(model, ids, cfgScale, given);
          expect(images).toEqual([slow, slow]);
          slow.forEach((code, i) => {
            if (given[i] >= 0) expect(code).toBe(given[i]);
          });
        }
      }
      model.dispose();
    });

    onEveryBackend('the logits themselves agree at every step, whatever the caches were filled with', async () => {
      const model = randomModel(config, 5);
      const captions = captionsFor(config);
      const random = new Random(6);
      const codes = captions.map(() => Array.from({ length: N }, () => random.integer(K)));
      const whole: Float32Array[] = [];
      for (const [i, ids] of captions.entries()) whole.push(await wholeLogits(model, ids, codes[i]));
      const { cells } = model.order;
      const at = (place: number) =>
        whole.flatMap(values => [...values.slice(cells[place] * K, (cells[place] + 1) * K)]);
      const ids = tf.tensor2d(
        captions.flatMap(ids => [...ids]),
        [3, config.captionLength],
        'int32',
      );
      const read = (from: number, to: number) =>
        tf.tensor2d(
          codes.flatMap(row => Array.from(cells.slice(from, to), cell => row[cell])),
          [3, to - from],
          'int32',
        );
      for (const known of [0, 1, 4]) {
        const caches = model.createCaches(3);
        const first = read(0, known);
        let logits = model.prefill(ids, first, caches);
        first.dispose();
        expectAllclose(await logits.data(), at(known), { relative: 1e-4, absolute: 1e-4 });
        // One code at a time, but for two at once in the middle.
        let position = known;
        while (position < N - 1) {
          const count = position === 5 ? 2 : 1;
          logits.dispose();
          const next = read(position, position + count);
          logits = model.step(next, position, caches);
          next.dispose();
          position += count;
          expectAllclose(await logits.data(), at(position), { relative: 1e-4, absolute: 1e-4 });
        }
        logits.dispose();
        for (const cache of caches) disposeKvCache(cache);
      }
      ids.dispose();
      model.dispose();
    });
  });
}

describe('painting', () => {
  onEveryBackend('image i of a seed is the same whatever is painted beside it', async () => {
    const model = randomModel(configs.modern, 7);
    const [first, second] = captionsFor(configs.modern);
    const settings = { seed: 11, cfgScale: 2, temperature: 0.9 };
    const together = await paint(model, { captions: [first, second], imagesPerCaption: 4, ...settings });
    const alone: { images: number[][]; logProbability: number[] } = { images: [], logProbability: [] };
    for (const ids of [first, second]) {
      for (let i = 0; i < 4; i++) {
        const single = await paint(model, { captions: [ids], firstImage: i, ...settings });
        alone.images.push(...single.images);
        alone.logProbability.push(...single.logProbability);
      }
    }
    expect(together.images).toEqual(alone.images);
    expectAllclose(together.logProbability, alone.logProbability, { relative: 1e-4, absolute: 1e-4 });
    expect(new Set(together.images.map(String)).size).toBe(8); // images and captions differ
    const other = await paint(model, { captions: [first], ...settings, seed: 12 });
    expect(other.images[0]).not.toEqual(together.images[0]);
    model.dispose();
  });

  onEveryBackend('the log-probability is that of the painted codes, given ones left out', async () => {
    const model = randomModel(configs.dalle, 8);
    const [ids] = captionsFor(configs.dalle);
    const given = Int32Array.from([3, -1, -1, 7, -1, -1, -1, -1, 2]);
    const request = { captions: [ids], imagesPerCaption: 2, seed: 3, cfgScale: 1.5, temperature: 0.7, given };
    const { images, steps, logProbability } = await paint(model, request);
    for (const [i, codes] of images.entries()) {
      const expected = new Float64Array(N); // 0 where the code is given
      for (let position = 0; position < N; position++) {
        if (given[position] >= 0) continue;
        const logits = Array.from(await guidedLogits(model, ids, codes, position, 1.5), x => x / 0.7);
        expected[position] = logits[codes[position]] - Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0));
      }
      const each = steps.at(-1)?.logProbabilities.subarray(i * N, (i + 1) * N) ?? [];
      expectAllclose(each, expected, { relative: 1e-4, absolute: 1e-3 });
      const sum = expected.reduce((total, value) => total + value, 0);
      expectAllclose([logProbability[i]], [sum], { relative: 1e-4, absolute: 1e-3 });
    }
    model.dispose();
  });

  test('yields the image as it grows, unpainted places as -1', async () => {
    await selectBackend('cpu');
    const model = randomModel(configs.modern, 9);
    const [ids] = captionsFor(configs.modern);
    const rows = await paint(model, { captions: [ids], seed: 1 });
    expect(rows.steps.map(({ painted }) => painted)).toEqual([3, 6, 9]);
    for (const { codes, painted } of rows.steps) {
      expect([...codes.subarray(0, painted)]).toEqual(rows.images[0].slice(0, painted));
      expect(codes.subarray(painted).every(code => code === -1)).toBe(true);
    }
    const fours = await paint(model, { captions: [ids], seed: 1, every: 4 });
    expect(fours.steps.map(({ painted }) => painted)).toEqual([4, 8, 9]);
    expect(fours.images).toEqual(rows.images);
    model.dispose();
  });

  onEveryBackend('leaves no tensors behind, also when it is left early', async () => {
    const model = randomModel(configs.modern, 9);
    const [ids] = captionsFor(configs.modern);
    const before = tf.memory().numTensors;
    await paint(model, { captions: [ids], imagesPerCaption: 2, cfgScale: 2 });
    expect(tf.memory().numTensors).toBe(before);
    for await (const { painted } of generate(model, requestOf({ captions: [ids], every: 1 }))) if (painted === 2) break;
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });
});

describe.skipIf(noWebgpu !== undefined)(`on webgpu${noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`}`, () => {
  const [ids, other] = captionsFor(configs.modern);
  const settings = { imagesPerCaption: 2, seed: 5, cfgScale: 1.5, topK: 9, topP: 0.95, temperature: 0.8 };
  const given = Int32Array.from([7, -1, -1, 4, 2, -1, -1, -1, 11]);
  const requests: readonly Wanted[] = [
    { captions: [ids, other], temperature: 0 },
    { captions: [ids, other], ...settings },
    { captions: [ids], ...settings, given, every: 2 },
  ];

  test('paints what the cpu backend paints', async () => {
    const paintOn = async (backend: 'cpu' | 'webgpu') => {
      await selectBackend(backend);
      const model = randomModel(configs.modern, 2);
      const painted = [];
      for (const request of requests) painted.push(await paint(model, request));
      model.dispose();
      return painted;
    };
    const [wanted, got] = [await paintOn('cpu'), await paintOn('webgpu')];
    got.forEach(({ images, steps, logProbability }, i) => {
      expect(images).toEqual(wanted[i].images);
      const codesOf = (all: typeof steps) => all.map(({ codes, painted }) => ({ codes, painted }));
      expect(codesOf(steps)).toEqual(codesOf(wanted[i].steps));
      const near = { relative: 1e-4, absolute: 1e-4 };
      expectAllclose(logProbability, wanted[i].logProbability, near);
      steps.forEach(({ logProbabilities }, step) => {
        expectAllclose(logProbabilities, wanted[i].steps[step].logProbabilities, near);
      });
    });
  });

  test('reads back once a block, and takes no more memory for more images', async () => {
    await selectBackend('webgpu');
    const gpu = activeGpu() as GpuBackend;
    const model = randomModel(configs.modern, 2);
    const read = gpu.read.bind(gpu);
    let reads = 0;
    gpu.read = data => {
      reads++;
      return read(data);
    };
    try {
      const all = async () => {
        for (const request of requests) {
          reads = 0;
          const { steps } = await paint(model, request);
          expect(reads).toBeLessThanOrEqual(steps.length);
        }
        return { tensors: tf.memory().numTensors, ...gpu.memory() };
      };
      await all();
      const before = await all();
      await all();
      const { numBytesAllocatedInGPU: allocated, ...after } = await all();
      expect(after).toEqual({ ...before, numBytesAllocatedInGPU: undefined });
      expect(allocated).toBeLessThanOrEqual(before.numBytesAllocatedInGPU); // how much is kept for reuse depends on when it was freed
    } finally {
      gpu.read = read;
    }
    model.dispose();
  });
});

test('what does not fit the model is named before anything is read', async () => {
  await selectBackend('cpu');
  const model = randomModel(configs.modern, 2);
  const captions = captionsFor(configs.modern);
  const images = imagesOfSeed(1);
  const wrong: readonly [Partial<GenerateRequest>, RegExp][] = [
    [{ temperature: -1 }, /generate: expected temperature to be a number of at least 0, got -1/],
    [{ topK: 0.5 }, /topK/],
    [{ topP: 2 }, /topP/],
    [{ cfgScale: Number.POSITIVE_INFINITY }, /cfgScale/],
    [{ captions: [captions[0].subarray(1)] }, /expected 5 ids of caption 0, got 4/],
    [{ captions: [captions[0].map(() => -1)] }, /ids of caption 0 from 0 to 15, got -1/],
    [{ captions: [captions[0].map(() => 16)] }, /ids of caption 0 from 0 to 15, got 16/],
    [{ images: [] }, /at least one image/],
    [{ images: [{ caption: 3, seed: 0, number: 0 }] }, /a caption of image 0 below 3, got 3/],
    [{ images: [{ caption: 0, seed: -1, number: 0 }] }, /a seed of image 0 .* got -1/],
    [{ images: [{ caption: 0, seed: 0, number: 1.5 }] }, /a number of image 0 .* got 1.5/],
    [{ every: 0 }, /every .* got 0/],
    [{ given: new Int32Array(N + 1) }, /expected 9 given codes, got 10/],
    [{ given: new Int32Array(N).fill(K) }, /given codes from 0 to 12, or -1, got 13/],
    [{ given: new Int32Array(N).fill(-2) }, /got -2/],
  ];
  for (const [change, message] of wrong) {
    await expect(generate(model, { captions, images, ...change }).next(), String(message)).rejects.toThrow(message);
  }
  model.dispose();
});

onEveryBackend('a model whose weights are no numbers paints nothing, and says so', async () => {
  const model = randomModel(configs.modern, 2);
  for (const { name, variable } of model.parameters.list()) {
    if (name === 'image_head.weight') variable.assign(tf.fill(variable.shape, Number.NaN));
  }
  const request = { captions: captionsFor(configs.modern), images: imagesOfSeed(3, { seed: 1 }) };
  await expect(generate(model, request).next()).rejects.toThrow(/draw: expected a logit above -Infinity/);
  model.dispose();
});
