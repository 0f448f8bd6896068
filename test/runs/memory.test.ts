import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codebookSizeOf } from '../../src/config/patch-sizes.ts';
import type { RunConfig, RunConfigInput } from '../../src/config/run.ts';
import { Random } from '../../src/core/random.ts';
import { Contrastive } from '../../src/families/contrastive/contrastive.ts';
import { Diffusion } from '../../src/families/diffusion/diffusion.ts';
import { familyOf } from '../../src/families/families.ts';
import { Gan } from '../../src/families/gan/gan.ts';
import { resolveConfig } from '../../src/families/resolve.ts';
import { Dalle } from '../../src/families/transformer/dalle.ts';
import { startBackend } from '../../src/kernels/start.ts';
import type { Parameters } from '../../src/nn/module.ts';
import { expectFits } from '../../src/runs/memory.ts';
import { PatchTokenizer } from '../../tokenizer/patch.ts';

const GiB = 2 ** 30;
const rivals = ['dcgan', 'r3gan', 'diffusion'] as const;

beforeAll(() => startBackend('cpu'));
const made: { dispose(): void }[] = [];
afterAll(() => {
  for (const model of made) model.dispose();
});

/** Numbers of the networks that are trained, counted in the networks themselves; captions of bytes alone. */
function countOf(config: RunConfig): number {
  const random = new Random(1);
  const { images, text, patch } = config;
  const count = (model: { readonly parameters: Parameters; dispose(): void }) => {
    made.push(model);
    return model.parameters.count();
  };
  if (config.family === 'transformer') {
    const vocabulary = { caption: 256, image: codebookSizeOf(patch), grid: patch.grid };
    return (
      count(new PatchTokenizer(patch, images.imageSize, random)) + count(new Dalle(config.model, vocabulary, random))
    );
  }
  const shape = { imageSize: images.imageSize, textDim: text.dim };
  const towers = count(new Contrastive(text, { vocabulary: 256, imageSize: images.imageSize }, random));
  if (config.family === 'diffusion') return towers + count(new Diffusion(config.diffusion, shape, random));
  return towers + count(new Gan(config.gan, shape, random, config.family === 'dcgan' ? 'dcgan' : 'r3gan'));
}

describe('the least numbers of a family', () => {
  const small = { model: { width: 64, layers: 2 }, patch: { grid: 8, stem: 4 }, images: { imageSize: 64 } };
  const wide = { gan: { width: 64, latent: 512, blocks: 4 }, diffusion: { width: 64, multipliers: [1, 1], blocks: 3 } };
  const cases: [string, RunConfigInput][] = [
    ['a transformer', small],
    [
      'one with learned codes',
      { ...small, patch: { ...small.patch, quantizer: 'vq', codebookSize: 60000, codeDim: 64 } },
    ],
    ['one with wide layers', { ...small, model: { ...small.model, mlp: 'gelu', mlpWidth: 1000 } }],
    ...rivals.map((family): [string, RunConfigInput] => [family, { family, images: { imageSize: 64 } }]),
    ...rivals.map((family): [string, RunConfigInput] => [
      `a wide ${family}`,
      { family, images: { imageSize: 8 }, ...wide },
    ]),
  ];
  test.each(cases)('%s: below what it has, and not far below', (_, fields) => {
    const config = resolveConfig({ fields });
    const least = familyOf(config.family).leastParameters?.(config) ?? 0;
    const count = countOf(config);
    expect(least).toBeLessThanOrEqual(count);
    expect(least).toBeGreaterThan(0.3 * count);
  });
});

describe('a training that cannot fit', () => {
  test.each<[string, RunConfigInput, RegExp]>([
    [
      'a transformer',
      { model: { width: 16384, layers: 64 } },
      /^config: a transformer of \d{6} million parameters or more takes \d+\.\d GiB to train; this machine has 16\.0 GiB$/,
    ],
    ['a patch tokenizer', { patch: { maxWidth: 65536, codeBlocks: 1000 } }, /million parameters/],
    [
      'a text encoder',
      { family: 'dcgan', images: { imageSize: 64 }, text: { width: 65536, layers: 1000, heads: 64 } },
      /a dcgan of/,
    ],
    ['a denoiser', { family: 'diffusion', images: { imageSize: 64 }, diffusion: { width: 65536 } }, /a diffusion of/],
    [
      'a batch',
      { patchTrain: { batchSize: 65536 }, images: { imageSize: 256 }, patch: { grid: 32 } },
      /^config: a batch of 65536 images of 256 pixels takes 48\.0 GiB; this machine has 16\.0 GiB$/,
    ],
  ])('%s is refused with the number', (_, fields, says) => {
    expect(() => expectFits(resolveConfig({ fields }), 16 * GiB)).toThrow(says);
  });

  test('what is trained in practice is not', () => {
    for (const preset of ['tiny', 'small', 'base', 'dalle'] as const) {
      expect(() => expectFits(resolveConfig({ preset }), 8 * GiB)).not.toThrow();
    }
    for (const family of rivals) {
      expect(() => expectFits(resolveConfig({ preset: 'tiny', fields: { family } }), 8 * GiB)).not.toThrow();
    }
    // DALL·E itself, on a machine for it.
    const fields = { images: { imageSize: 256 }, model: { width: 3968, layers: 64, heads: 62 } };
    expect(() => expectFits(resolveConfig({ preset: 'dalle', fields }), 512 * GiB)).not.toThrow();
  });
});
