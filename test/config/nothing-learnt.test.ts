/** @file Settings with which something would be trained and nothing learnt are refused for a new run, and for it alone. */
import { expect, test } from 'vitest';
import { checkConfig, runSchema } from '../../src/families/config.ts';
import { resolveConfig } from '../../src/families/resolve.ts';
import { featuresConfig } from '../../src/runs/features-config.ts';

const small = { imageSize: 32 };
const cases: readonly (readonly [string, Record<string, unknown>, string])[] = [
  [
    'a text encoder of batches of one',
    { family: 'dcgan', images: small, textTrain: { batchSize: 1 } },
    'textTrain.batchSize 1',
  ],
  [
    'the same of a diffusion',
    { family: 'diffusion', images: small, textTrain: { batchSize: 1 } },
    'textTrain.batchSize 1',
  ],
  ['no caption for a transformer', { model: { captionDrop: 1 } }, 'model.captionDrop 1'],
  ['no caption for a GAN', { family: 'r3gan', images: small, gan: { captionDrop: 1 } }, 'gan.captionDrop 1'],
  [
    'no caption for a diffusion',
    { family: 'diffusion', images: small, diffusion: { captionDrop: 1 } },
    'diffusion.captionDrop 1',
  ],
  [
    "another's caption where there is no other",
    { family: 'dcgan', images: small, train: { batchSize: 1 } },
    'gan.mismatch 0.5',
  ],
  [
    'the same in parts of one',
    { family: 'dcgan', images: small, train: { batchSize: 4, accumulate: 4 } },
    'train.batchSize 4, accumulate 4',
  ],
  ['no weight for the image', { model: { captionWeight: 1 } }, 'model.captionWeight 1'],
  ['no merge ever', { caption: { bpeDropout: 1 } }, 'caption.bpeDropout 1'],
  ['no weight for any error', { patchTrain: { l1: 0, l2: 0, edges: 0 } }, 'l1, l2 and edges are all 0'],
  ['no learning rate after the warm-up', { patchTrain: { finalLr: 0, decay: 0 } }, 'patchTrain.decay 0'],
];
for (const [name, fields, says] of cases) {
  test(`${name}: refused for a new run, not for one that is there`, () => {
    expect(() => resolveConfig({ preset: 'tiny', fields })).toThrow(says);
    expect(() => checkConfig(runSchema().parse(fields))).not.toThrow();
  });
}

test('what is next to them is allowed', () => {
  const near: Record<string, unknown>[] = [
    {
      family: 'dcgan',
      images: small,
      textTrain: { batchSize: 2 },
      train: { batchSize: 2 },
      gan: { captionDrop: 0.99 },
    },
    { family: 'dcgan', images: small, train: { batchSize: 1 }, gan: { mismatch: 0 } },
    { model: { captionDrop: 0, captionWeight: 0 }, caption: { bpeDropout: 0.9 }, train: { batchSize: 1 } },
    { patch: { quantizer: 'dvae' }, patchTrain: { l1: 0, l2: 0, edges: 0 } },
    { patchTrain: { l1: 0, l2: 1, edges: 0, finalLr: 0 } },
  ];
  for (const fields of near)
    expect(() => resolveConfig({ preset: 'tiny', fields }), JSON.stringify(fields)).not.toThrow();
});

test('features have the same bound', () => {
  expect(() => featuresConfig({ textTrain: { batchSize: 1 } })).toThrow('textTrain.batchSize 1');
  expect(() => featuresConfig({ caption: { bpeDropout: 1 } })).toThrow('caption.bpeDropout 1');
  expect(featuresConfig({ textTrain: { batchSize: 2 } }).textTrain.batchSize).toBe(2);
});
