/** @file A run as a program holds it: what it refuses, which image is which, and that nothing of it stays in memory. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { UserError } from '../../../src/core/errors.ts';
import { activeNative } from '../../../src/device/native/native.ts';
import type { Painting, PaintOptions } from '../../../src/families/transformer/codepainter.ts';
import { decodePicture } from '../../../src/image/decode.ts';
import { blank } from '../../../src/image/images.ts';
import { Tessera } from '../../../src/library/tessera.ts';
import { openPainter } from '../../../src/runs/open-painter.ts';
import { draw, hardlyTrained, temporaryFolder, tessera, writeConfig, writeSplitDrawings } from '../../cli/program.ts';

const folder = temporaryFolder();
const run = join(folder, 'run');
const sampling = { temperature: 0.5, topK: 3, topP: 0.9, cfgScale: 2 };

beforeAll(async () => {
  const data = join(folder, 'data');
  await writeSplitDrawings(data);
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
  test('sets the number of threads that is asked for', async () => {
    (await Tessera.load(run, { backend: 'native', threads: 1 })).dispose();
    expect(activeNative()?.threads).toBe(1);
    (await Tessera.load(run, { backend: 'native', threads: 2 })).dispose();
    expect(activeNative()?.threads).toBe(2);
  });

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

  test('that fails leaves nothing in memory', async () => {
    const other = join(folder, 'other');
    cpSync(run, other, { recursive: true });
    const stored = JSON.parse(readFileSync(join(other, 'config.json'), 'utf8'));
    const changed = (section: object) => {
      writeFileSync(join(other, 'config.json'), JSON.stringify({ ...stored, ...section }));
      return Tessera.load(other).catch((error: unknown) => error);
    };
    const before = tf.memory().numTensors;
    expect(await changed({ model: { ...stored.model, layers: stored.model.layers + 1 } })).toBeInstanceOf(UserError);
    expect(await changed({ patch: { ...stored.patch, blocks: stored.patch.blocks + 1 } })).toBeInstanceOf(UserError);
    expect(tf.memory().numTensors).toBe(before);
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

  test('more images than fit a batch are painted in several, and are those of a call each', async () => {
    await withRun(async loaded => {
      Object.defineProperty(loaded, 'batchSize', { value: 2, configurable: true });
      const options = { seed: 5, temperature: 1, topK: 0, topP: 1 };
      const seen: number[] = [];
      let last: Painting | undefined;
      for await (const painting of loaded.paint('red circle', { ...options, images: 5, every: 8 })) {
        seen.push(painting.painted);
        expect(painting.pictures).toHaveLength(5);
        expect(painting.codes).toHaveLength(5 * 16);
        last = painting;
      }
      expect(seen).toEqual([3, 6, 9, 12, 14, 16]); // of 16: means of five images, two at a time
      Object.defineProperty(loaded, 'batchSize', { value: 5 });
      const whole = await finished(loaded, 'red circle', { ...options, images: 5 });
      expect(last?.codes).toEqual(whole.codes);
      expect(last?.pictures).toEqual(whole.pictures);
    });
  });

  test("settings left out are the run's own", async () => {
    await withRun(async loaded => {
      expect(loaded.config.sampling).toEqual({ ...sampling, fineTemperature: 1 });
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

describe('the event loop turns', () => {
  /** How often it has turned while a work was done, and what the patch tokenizer was given at each turn. */
  async function watched(loaded: Tessera, work: () => Promise<unknown>) {
    let turns = 0;
    let working = true;
    const turn = () => {
      turns++;
      if (working) setImmediate(turn);
    };
    setImmediate(turn);
    const pieces: { readonly at: number; readonly pictures: number }[] = [];
    const decode = loaded.patch.decode.bind(loaded.patch);
    const encode = loaded.patch.encode.bind(loaded.patch);
    const noting = (method: typeof decode) => (tensor: tf.Tensor) => {
      pieces.push({ at: turns, pictures: tensor.shape[0] });
      return method(tensor);
    };
    Object.assign(loaded.patch, { decode: noting(decode), encode: noting(encode) });
    await work();
    working = false;
    return { turns, pieces };
  }

  test('between any two codes of a batch', async () => {
    await withRun(async loaded => {
      const { turns } = await watched(loaded, () => finished(loaded, 'red circle', { images: 16 }));
      expect(turns).toBeGreaterThanOrEqual(16 + 2); // before each code of a picture, and around the reading of captions
    });
  });

  test('between pieces of few pixels where pictures are decoded and encoded', async () => {
    await withRun(async loaded => {
      for (const work of [
        () => loaded.decode(new Int32Array(80 * 16)),
        () => loaded.encode(Array.from({ length: 80 }, () => blank(32, 32))),
      ]) {
        const { pieces } = await watched(loaded, work);
        expect(pieces.map(({ pictures }) => pictures)).toEqual([32, 32, 16]); // of at most 2^15 pixels
        expect(new Set(pieces.map(({ at }) => at)).size).toBe(3);
      }
    });
  });
});

describe('log-probabilities', () => {
  test('are those of the codes that were painted, and differ by caption', async () => {
    await withRun(async loaded => {
      const { codes } = await finished(loaded, 'red circle', { images: 2, seed: 1, temperature: 1, topK: 0, topP: 1 });
      const given = await loaded.logProbabilities(['red circle', 'red circle'], codes);
      expect(given).toHaveLength(32);
      expect(Math.max(...given)).toBeLessThanOrEqual(0);
      // Greedy codes are the likeliest of each place.
      const likeliest = await finished(loaded, 'red circle', { temperature: 0, cfgScale: 1 });
      const best = await loaded.logProbabilities(['red circle'], likeliest.codes);
      for (let place = 0; place < 16; place++) {
        for (const code of [0, 17, 63]) {
          const other = Int32Array.from(likeliest.codes);
          other[place] = code;
          const there = (await loaded.logProbabilities(['red circle'], other))[place];
          expect(there).toBeLessThanOrEqual(best[place] + 1e-5);
        }
      }
      expect(await loaded.logProbabilities(['blue square'], likeliest.codes)).not.toEqual(best);
    });
  });

  test('of all codes at a place are a distribution', async () => {
    await withRun(async loaded => {
      const codes = new Int32Array(64 * 16);
      for (let code = 0; code < 64; code++) codes[code * 16 + 15] = code;
      const given = await loaded.logProbabilities(new Array(64).fill(''), codes);
      let sum = 0;
      for (let code = 0; code < 64; code++) sum += Math.exp(given[code * 16 + 15]);
      expect(sum).toBeCloseTo(1, 4);
    });
  });
});

describe('a painter', () => {
  test('gives overlapping calls the pictures that each would get alone', async () => {
    const painter = await openPainter(run, { precision: 'fp32' });
    const calls = [
      { captions: ['red circle', 'red circle', ''], options: { seed: 1, temperature: 1, topK: 0, topP: 1 } },
      { captions: ['blue square'], options: { seed: 2, temperature: 1, topK: 0, topP: 1 } },
      { captions: ['red circle'], options: { seed: 1, firstImage: 1, temperature: 1, topK: 0, topP: 1 } },
      { captions: ['green circle'], options: { seed: 1, temperature: 0 } },
    ];
    const alone = [];
    for (const { captions, options } of calls) alone.push(await painter.paint(captions, options));
    const together = await Promise.all(calls.map(({ captions, options }) => painter.paint(captions, options)));
    expect(together).toEqual(alone);
    expect(together[2][0]).toEqual(together[0][1]);
    expect(together[0][0]).not.toEqual(together[0][1]);
    painter.dispose();
  });

  test('stops at its signal', async () => {
    const painter = await openPainter(run);
    const stop = new AbortController();
    const onProgress = (done: number) => {
      if (done > 0) stop.abort();
    };
    const error = await painter.paint(['red circle'], { onProgress, signal: stop.signal }).catch((e: unknown) => e);
    expect(error).toBe(stop.signal.reason);
    painter.dispose();
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

  test('patches to keep of no image', async () => {
    await withRun(async loaded => {
      const painting = (async () => finished(loaded, 'x', { keep: Array(16).fill(true) }))();
      expect(await refusal(painting)).toBe('paint: keep: expected an image whose patches are kept, got none');
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

describe('wrong arguments are refused in one line', () => {
  const wrong: (readonly [name: string, call: (loaded: Tessera) => unknown, message: string])[] = [
    ['a caption that is none', t => t.paint(5 as never), 'paint: caption: expected text, got 5'],
    ['options that are none', t => t.paint('x', 'y' as never), 'paint: expected an object of options, got "y"'],
    ['an option unknown', t => t.paint('x', { image_: 1 } as never), 'paint: unknown option image_'],
    ...(
      [
        ['images', 0, 'a whole number from 1 to 10000'],
        ['images', 1.5, 'a whole number from 1 to 10000'],
        ['images', 1e9, 'a whole number from 1 to 10000'],
        ['firstImage', -1, 'a whole number of at least 0'],
        ['seed', -1, 'a whole number from 0 to 4294967295'],
        ['seed', Number.NaN, 'a whole number from 0 to 4294967295'],
        ['temperature', -1, 'a number from 0 to 100'],
        ['temperature', Number.POSITIVE_INFINITY, 'a number from 0 to 100'],
        ['topK', -1, 'a whole number of at least 0'],
        ['topP', 0, 'a number above 0 and of at most 1'],
        ['topP', Number.NaN, 'a number above 0 and of at most 1'],
        ['cfgScale', '3', 'a number from 0 to 100'],
        ['every', 0, 'a whole number of at least 1'],
        ['previews', 1, 'true or false'],
      ] as const
    ).map(
      ([name, value, expected]) =>
        [
          `${name} ${value}`,
          (t: Tessera) => t.paint('x', { [name]: value }),
          `paint: ${name}: expected ${expected}, got ${typeof value === 'string' ? `"${value}"` : value}`,
        ] as const,
    ),
    [
      'a picture without its bytes',
      t => t.encode([{ width: 32, height: 32, data: new Uint8Array(5) }]),
      'encode: pictures: expected an array of pictures, got 5 bytes for 32 x 32 pixels at 0',
    ],
    ['codes of no type', t => t.decode([1] as never), 'decode: codes: expected an Int32Array, got Array of 1'],
    ['half a picture', t => t.decode(new Int32Array(8)), 'decode: codes: expected a multiple of 16, got 8'],
    [
      'codes that are none',
      t => t.decode(new Int32Array(16).fill(64)),
      'decode: codes: expected numbers from -1 to 63, got 64 at 0',
    ],
    [
      'a code too many',
      t => t.logProbabilities(['a'], new Int32Array(32)),
      'logProbabilities: codes: expected 16, those of a picture each, got 32',
    ],
    [
      'a code that is not there',
      t => t.logProbabilities(['a'], new Int32Array(16).fill(-1)),
      'logProbabilities: codes: expected numbers from 0 to 63, got -1 at 0',
    ],
    ['a caption to encode', t => t.encodeCaption(null as never), 'encodeCaption: caption: expected text, got null'],
  ];

  test.each(wrong)('%s', async (_, call, message) => {
    await withRun(async loaded => {
      const refused = await refusal((async () => call(loaded))());
      expect(refused).toContain(message);
      expect(refused).not.toContain('\n');
    });
  });

  test('by a painter as well', async () => {
    const painter = await openPainter(run);
    for (const [captions, options, message] of [
      ['x', {}, 'paint: captions: expected an array of captions, got "x"'],
      [['x', 5], {}, 'paint: captions: expected an array of captions, got 5 at 1, where text should be'],
      [['x'], { numbers: [1, 2] }, 'paint: numbers: expected one a caption, 1, got 2'],
      [['x'], { numbers: [-1] }, 'paint: numbers: expected an array of numbers, got -1 at 0'],
      [['x'], { batchSize: 0 }, 'paint: batchSize: expected a whole number from 1 to 1024, got 0'],
      [
        ['x'],
        { completion: { image: blank(32, 32) } },
        'paint: completion: expected a picture to complete, { image, keep }',
      ],
      [['x'], { completion: { image: blank(32, 32), keep: [true] } }, 'paint: keep: expected 16 patches, got 1'],
      [
        ['x'],
        { steps: 5 },
        'paint: steps: expected none with a transformer run, since a transformer paints code by code',
      ],
      [
        ['x'],
        { completion: { image: blank(64, 64), keep: Array(16).fill(true) } },
        'paint: completion: image: expected a picture of 32 x 32 pixels',
      ],
      [['x'], { signal: {} }, 'paint: signal: expected an AbortSignal, got an object (Object)'],
      [['x'], { temperature: -1 }, 'paint: temperature: expected a number from 0 to 100, got -1'],
    ] as const) {
      expect(await refusal(painter.paint(captions as never, options as never))).toContain(message);
    }
    painter.dispose();
    expect(await refusal(painter.paint(['x']))).toBe(`painter: ${run} was disposed of`);
  });

  test('and so is everything after dispose', async () => {
    const loaded = await Tessera.load(run);
    const painting = loaded.paint('red circle', { every: 1 });
    await painting.next();
    loaded.dispose();
    loaded.dispose();
    const gone = `Tessera: ${run} was disposed of`;
    expect(await refusal(painting.next())).toBe(gone); // what is under way ends at its next step
    for (const call of [
      () => loaded.paint('x'),
      () => loaded.encode([blank(32, 32)]),
      () => loaded.decode(new Int32Array(16)),
      () => loaded.logProbabilities(['x'], new Int32Array(16)),
    ]) {
      expect(await refusal((async () => call())())).toBe(gone);
    }
  });
});
