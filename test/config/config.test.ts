/** @file The hyperparameters: defaults and presets say what the paper and the README say, and parts that do not fit are refused. */
import { describe, expect, test } from 'vitest';
import type { Bounds, Kind } from '../../src/config/kinds.ts';
import { codebookSizeOf, patchSizeOf } from '../../src/config/patch-sizes.ts';
import { presetNames, presets } from '../../src/config/presets.ts';
import type { RunConfigInput } from '../../src/config/run.ts';
import { fieldsOf, mergeConfig, parseConfig } from '../../src/config/schema.ts';
import { UserError } from '../../src/core/errors.ts';
import { checkConfig, runSchema } from '../../src/families/config.ts';
import { resolveConfig } from '../../src/families/resolve.ts';
import { learningRate } from '../../src/training/optimizer.ts';

const preset = (name: keyof typeof presets, more: RunConfigInput = {}) =>
  checkConfig(parseConfig(runSchema(), mergeConfig(presets[name], more), 'test'));

const refusal = (input: RunConfigInput): UserError => {
  try {
    checkConfig(parseConfig(runSchema(), input, 'config'));
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('was accepted');
};

describe('defaults', () => {
  test("nothing given is DALL·E's shape: 256 caption positions, 32 x 32 codes, 128 pixels at 4 a patch", () => {
    const config = checkConfig(runSchema().parse({}));
    expect(config.model.captionLength).toBe(256);
    expect(config.patch.grid).toBe(32);
    expect(config.images.imageSize).toBe(128);
    expect(patchSizeOf(config)).toBe(4);
    expect(config.caption.vocabSize).toBe(16384);
    expect(config.caption.bpeDropout).toBe(0.1);
    expect(config.model.captionWeight).toBe(1 / 8);
    expect(config.model.captionDrop).toBe(0.1);
    expect(codebookSizeOf(config.patch)).toBe(8 * 5 * 5 * 5);
  });

  test('every default fits its own schema, and a resolved config is its own resolution', () => {
    const config = runSchema().parse({});
    expect(runSchema().parse(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });

  test('every field that is not clear from its name and literature is described', () => {
    const named = new Set(['layers', 'heads', 'norm', 'dropout', 'beta1', 'beta2', 'weightDecay', 'seed']);
    const silent = fieldsOf(runSchema()).fields.filter(
      ({ path, description }) => description === '' && !named.has(path.at(-1) ?? ''),
    );
    expect(silent.map(({ path }) => path.join('.'))).toEqual([]);
  });

  test('a checked config cannot be changed', () => {
    const config = checkConfig(runSchema().parse({}));
    expect(() => Object.assign(config, { seed: 1 })).toThrow();
  });
});

describe('presets', () => {
  test('are those of the README, and each is a whole config', () => {
    expect(presetNames).toEqual(['tiny', 'small', 'base', 'dalle']);
    for (const name of presetNames) expect(preset(name)).toBeDefined();
  });

  test('small and base have the sizes they are known by', () => {
    expect(preset('small').model).toMatchObject({ width: 256, layers: 6, heads: 4 });
    expect(preset('base').model).toMatchObject({ width: 768, layers: 12 });
  });

  test("dalle has the paper's choices (Ramesh et al. 2021, sections 2.2, A.2 and B)", () => {
    const { images, caption, patch, patchTrain, model, train } = preset('dalle');
    expect(images.imageSize / patch.grid).toBe(8);
    expect(caption).toMatchObject({ vocabSize: 16384, bpeDropout: 0.1 });
    expect(patch).toMatchObject({ quantizer: 'dvae', codebookSize: 8192, grid: 32 });
    expect(patchTrain.klWeight).toBe(6.6);
    expect(patchTrain.temperature).toBe(1 / 16);
    // 5,000 of 3,000,000 updates, and 150,000 of them.
    expect(patchTrain.klWarmup).toBeCloseTo(5000 / 3e6, 4);
    expect(patchTrain.temperatureSteps).toBeCloseTo(150000 / 3e6, 4);
    expect(model).toMatchObject({ attention: 'dalle', positions: 'learned', convKernel: 11, captionLength: 256 });
    expect(model.captionWeight).toBe(1 / 8);
    expect(train).toMatchObject({ beta1: 0.9, beta2: 0.96, weightDecay: 0.045, clip: 4 });
    // The dVAE: AdamW at 1e-4, by a cosine to 1.25e-6 over 1,200,000 of 3,000,000 updates, averaged at 0.999.
    expect(patchTrain).toMatchObject({ optimizer: 'adamw', lr: 1e-4, beta2: 0.999, weightDecay: 1e-4, ema: 0.999 });
    const dvae = { ...patchTrain, steps: 3e6 };
    expect(learningRate(dvae, 0)).toBeCloseTo(1e-4, 9);
    expect(learningRate(dvae, 600_000)).toBeCloseTo((1e-4 + 1.25e-6) / 2, 9);
    for (const step of [1_200_000, 2_999_999]) expect(learningRate(dvae, step)).toBeCloseTo(1.25e-6, 12);
    // The transformer: up to 4.5e-4 in 5,000 of 430,000 updates, then by halves; an average of 0.99 every 25 updates.
    const transformer = { ...train, steps: 430_000 };
    expect(learningRate(transformer, 2499)).toBeCloseTo(2.25e-4, 9);
    for (const step of [5000, 429_999]) expect(learningRate(transformer, step)).toBe(4.5e-4);
    expect(train.plateau).toBeGreaterThan(0);
    expect(train.ema ** 25).toBeCloseTo(0.99, 12);
  });

  test('every field can be set over a preset', () => {
    const config = preset('dalle', { model: { width: 64, heads: 2, positions: 'both' }, train: { lr: 1e-4 } });
    expect(config.model).toMatchObject({ width: 64, heads: 2, positions: 'both', attention: 'dalle' });
    expect(config.train).toMatchObject({ lr: 1e-4, beta2: 0.96 });
  });
});

describe('what does not fit together is refused in one line, with a way out', () => {
  const cases: readonly { readonly name: string; readonly input: RunConfigInput; readonly says: RegExp }[] = [
    {
      name: 'a patch of a size that is no power of two',
      input: { images: { imageSize: 96 }, patch: { grid: 32 } },
      says: /imageSize 96 \/ grid 32 = 3, expected a power of two/,
    },
    {
      name: 'a patch of a fraction of a pixel',
      input: { images: { imageSize: 64 }, patch: { grid: 128 } },
      says: /= 0\.5, expected a power of two/,
    },
    {
      name: 'a patch smaller than the stem',
      input: { images: { imageSize: 64 }, patch: { grid: 32, stem: 4 } },
      says: /at least stem \(4\)/,
    },
    { name: 'a stem that is no power of two', input: { patch: { stem: 3 } }, says: /stem \(3\)/ },
    {
      name: 'heads that do not divide the width',
      input: { model: { width: 256, heads: 3 } },
      says: /width 256 \/ heads 3/,
    },
    {
      name: 'heads too narrow to turn',
      input: { model: { width: 256, heads: 128 } },
      says: /multiple of 4 channels a head/,
    },
    {
      name: 'a batch that its parts do not divide',
      input: { train: { batchSize: 10, accumulate: 4 } },
      says: /batchSize 10, expected a multiple of accumulate, which is 4/,
    },
    {
      name: 'a convolutional mask without a middle',
      input: { model: { convKernel: 10 } },
      says: /convKernel 10, expected an odd number/,
    },
    {
      name: 'more codes than 16 bits hold',
      input: { patch: { levels: [8, 8, 8, 8, 8, 8] } },
      says: /262144 codes, expected at most 65536/,
    },
    {
      name: 'pictures that the stages of diffusion do not halve',
      input: {
        family: 'diffusion',
        images: { imageSize: 72 },
        patch: { grid: 9 },
        diffusion: { multipliers: [1, 2, 2, 2] },
      },
      says: /imageSize 72, expected a multiple of 16/,
    },
    {
      name: 'channels that make no groups',
      input: { family: 'diffusion', diffusion: { width: 12, multipliers: [2, 3] } },
      says: /gives 36, expected multiples of 8 channels/,
    },
    {
      name: 'noise that rises',
      input: { family: 'diffusion', diffusion: { sigmaMin: 2, sigmaMax: 1 } },
      says: /sigmaMin 2, expected less than sigmaMax, which is 1/,
    },
    {
      name: 'pictures that a generator cannot double to',
      input: { family: 'dcgan', images: { imageSize: 48 }, patch: { grid: 12 } },
      says: /imageSize 48, expected a power of two from 8 on for dcgan/,
    },
  ];
  for (const { name, input, says } of cases) {
    test(name, () => {
      const error = refusal(input);
      expect(error.message).toMatch(says);
      expect(error.message).not.toContain('\n');
    });
  }

  test('values out of range and fields unknown name the field and what it takes', () => {
    expect(refusal({ model: { width: -1 } }).message).toMatch(/^config: model\.width: expected a whole number/);
    expect(refusal({ model: { dropout: 2 } }).message).toMatch(
      /model\.dropout: expected a number of at least 0 and below 1, got 2/,
    );
    expect(refusal({ seed: 2 ** 32 }).message).toMatch(/seed/);
    expect(refusal({ model: { widht: 8 } } as RunConfigInput).message).toMatch(
      /unknown field model\.widht, did you mean model\.width\?/,
    );
    expect(refusal({ patch: { quantizer: 'vqgan' } } as never).message).toMatch(/one of fsq, vq or dvae/);
  });
});

describe('a config of a stranger', () => {
  /** Every number of a schema, those in lists included, with its path. */
  function* numbersOf(kind: Kind, path: string): Generator<[string, Bounds]> {
    if (kind.type === 'number') yield [path, kind.bounds];
    if (kind.type === 'list') yield* numbersOf(kind.items, `${path}[]`);
    if (kind.type === 'either') for (const option of kind.options) yield* numbersOf(option, path);
  }

  test('has both ends of every number, and of every list', () => {
    const { fields } = fieldsOf(runSchema());
    const open = fields.flatMap(({ path, kind }) =>
      [...numbersOf(kind, path.join('.'))].filter(([, { most, below }]) => most === undefined && below === undefined),
    );
    // Those end where 32 bits do, or where whole numbers do, which nobody needs to be told.
    expect(open.map(([name]) => name).filter(name => accepts(name, 1e39))).toEqual([]);
    for (const { path, kind } of fields) {
      if (kind.type === 'list') expect([path.join('.'), kind.most]).toEqual([path.join('.'), expect.any(Number)]);
      if (kind.type === 'list') expect(kind.most).toBeLessThanOrEqual(16);
    }
  });

  test.each([
    [{ patch: { blocks: 1e9 } }, /patch\.blocks: expected a whole number above 0 and at most 1024, got 1000000000/],
    [{ model: { layers: 1e6 } }, /model\.layers: expected a whole number above 0 and at most 1024/],
    [{ model: { width: 1e9 } }, /model\.width: expected a whole number above 0 and at most 65536/],
    [{ patch: { grid: 512 } }, /patch\.grid: expected a whole number above 0 and at most 128, got 512/],
    [{ images: { imageSize: 2 ** 30 } }, /images\.imageSize/],
    [{ train: { batchSize: 1e9 } }, /train\.batchSize/],
    [{ gan: { width: 65537 } }, /gan\.width/],
    [{ diffusion: { multipliers: Array(17).fill(1) } }, /diffusion\.multipliers: expected 1 or more .*, at most 16/],
  ])('%j is refused', (fields, says) => {
    expect(refusal(fields as never).message).toMatch(says);
  });

  test('may be of the largest models that there are', () => {
    const fields = {
      images: { imageSize: 4096 },
      patch: { grid: 32, stem: 4 },
      model: { width: 16384, layers: 64, heads: 128 },
    };
    expect(resolveConfig({ preset: 'dalle', fields }).model.width).toBe(16384);
  });

  test('cannot set what every object has', () => {
    const stored = JSON.parse('{"model":{"__proto__":{"layers":3}},"__proto__":{"seed":5}}') as object;
    expect(() => parseConfig(runSchema(), stored, 'f')).toThrow('f: unknown field model.__proto__');
    const merged = mergeConfig({ seed: 1 }, stored as Record<string, unknown>);
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype);
    expect(merged.seed).toBe(1);
  });
});

/** Whether a run's config takes a number in a field. */
function accepts(name: string, value: number): boolean {
  const [section, field] = name.split('.');
  return runSchema().safeParse({ [section]: { [field]: value } }).success;
}
