/** @file A trained transformer as the start of another shape: what is kept gives the same logits, what cannot be is refused. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { type PatchConfig, patchSchema } from '../../../src/config/patch.ts';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import { type AdaptSource, type AdaptTarget, adapt } from '../../../src/families/transformer/adapt.ts';
import type { ModelConfig } from '../../../src/families/transformer/config.ts';
import { Dalle, type Vocabulary } from '../../../src/families/transformer/dalle.ts';
import type { NamedValues } from '../../../src/nn/module.ts';
import { expectAllclose } from '../../support.ts';
import { batchOf, configs, randomWeights } from './tiny-model.ts';

const patch: PatchConfig = patchSchema.parse({ grid: 3, quantizer: 'vq', codebookSize: 13 });
const V = 11;

/** A source of random weights. */
function sourceOf(model: ModelConfig): AdaptSource & { readonly values: NamedValues } {
  const dalle = new Dalle(model, { caption: V, image: 13, grid: 3 });
  const values = randomWeights(dalle, 1);
  dalle.dispose();
  return { config: { model, patch }, vocabulary: V, values };
}

const targetOf = (model: ModelConfig, more: Partial<AdaptTarget> = {}): AdaptTarget => ({
  config: { model, patch },
  random: new Random(7),
  ...more,
});

function modelOf(config: ModelConfig, words: Vocabulary, values: NamedValues): Dalle {
  const model = new Dalle(config, words, new Random(9));
  model.parameters.load(values, 'test');
  return model;
}

const words: Vocabulary = { caption: V, image: 13, grid: 3 };

/** Logits of every code of some captions, as numbers. @param captions ids of the source, whose pads begin at V */
async function logitsOf(model: Dalle, captionIds = V): Promise<ArrayLike<number>> {
  const { captions, codes } = batchOf([3, 5, 1, 0], model.config, { words });
  const moved = captions.map(id => (id < V ? id : id - V + captionIds));
  const shape: [number, number] = [4, model.config.captionLength];
  const logits = tf.tidy(() => model.logits(tf.tensor2d(moved, shape, 'int32'), tf.tensor2d(codes, [4, 9], 'int32')));
  const numbers = await logits.data();
  logits.dispose();
  model.dispose();
  return numbers;
}

/** Rows of a table. */
function rowsOf(values: NamedValues, name: string): number[][] {
  const { shape, values: numbers } = values.get(name) as { shape: readonly number[]; values: Float32Array };
  return Array.from({ length: shape[0] }, (_, i) => [...numbers.subarray(i * shape[1], (i + 1) * shape[1])]);
}

beforeAll(async () => {
  await selectBackend('cpu');
});

describe('what keeps the function', () => {
  test('nothing changes where nothing is to', () => {
    const source = sourceOf(configs.modern);
    const { values, report } = adapt(source, targetOf(configs.modern));
    expect(report).toEqual([]);
    expect([...values.keys()]).toEqual([...source.values.keys()]);
    for (const [name, { values: numbers }] of source.values) expect(values.get(name)?.values).toEqual(numbers);
  });

  test('caption ids are added, and the pads move behind them', async () => {
    const source = sourceOf(configs.modern);
    const { values, report } = adapt(source, targetOf(configs.modern, { added: [[1, 2], [5], [3, 4, 6]] }));
    expect(report).toEqual(['3 caption ids added, each the mean of its parts']);
    const [before, after] = [rowsOf(source.values, 'caption_head.weight'), rowsOf(values, 'caption_head.weight')];
    expect(after[V + 1]).toEqual(before[5]);
    expectAllclose(
      after[V],
      before[1].map((x, i) => (x + before[2][i]) / 2),
    );
    const larger = modelOf(configs.modern, { ...words, caption: V + 3 }, values);
    const logits = await logitsOf(modelOf(configs.modern, words, source.values));
    expectAllclose(await logitsOf(larger, V + 3), logits, { absolute: 1e-5 });
  });

  test.each(['full', 'dalle'])('layers are added, with attention %s', async attention => {
    const config = { ...configs.modern, attention };
    const source = sourceOf(config);
    const deeper = { ...config, layers: 6 };
    const { values, report } = adapt(source, targetOf(deeper));
    expect(report).toEqual(['model.layers 3 -> 6: the new ones begin as the identity']);
    const logits = await logitsOf(modelOf(config, words, source.values));
    expectAllclose(await logitsOf(modelOf(deeper, words, values)), logits, { absolute: 1e-5 });
    const { values: up } = values.get('layers.2.mlp.up.weight') as { values: Float32Array };
    const deviation = Math.sqrt(up.reduce((sum, x) => sum + x * x, 0) / up.length);
    expect(Math.abs(deviation * Math.sqrt(configs.modern.width) - 1)).toBeLessThan(0.1); // 1 / sqrt(inputs)
  });
});

describe('what changes it', () => {
  test('longer captions have copies of the last pad and position, shorter ones the first', () => {
    const source = sourceOf(configs.modern); // of 5 positions
    const longer = adapt(source, targetOf({ ...configs.modern, captionLength: 8 }));
    expect(longer.report).toEqual(['model.captionLength 5 -> 8: those from 5 on are copies of the last']);
    for (const name of ['caption_embedding.weight', 'caption_head.weight']) {
      const [before, after] = [rowsOf(source.values, name), rowsOf(longer.values, name)];
      expect(after.slice(0, V + 5)).toEqual(before);
      expect(after.slice(V + 5)).toEqual([before[V + 4], before[V + 4], before[V + 4]]);
    }
    const places = rowsOf(source.values, 'position_embedding.caption.weight');
    expect(rowsOf(longer.values, 'position_embedding.caption.weight')).toEqual([
      ...places,
      places[5],
      places[5],
      places[5],
    ]);
    const shorter = adapt(source, targetOf({ ...configs.modern, captionLength: 3 }));
    expect(rowsOf(shorter.values, 'position_embedding.caption.weight')).toEqual(places.slice(0, 4));
    const heads = rowsOf(source.values, 'caption_head.weight');
    expect(rowsOf(shorter.values, 'caption_head.weight')).toEqual(heads.slice(0, V + 3));
  });

  test('another grid has the positions between', () => {
    const source = sourceOf(configs.modern);
    const config = { model: configs.modern, patch: { ...patch, grid: 6 } };
    const { values, report } = adapt(source, { config, random: new Random(7) });
    expect(report).toEqual(['patch.grid 3 -> 6: positions are interpolated']);
    const [before, after] = [1, 2].map(i => rowsOf(i === 1 ? source.values : values, 'position_embedding.row.weight'));
    expect(after).toHaveLength(6);
    expectAllclose(after[0], before[0]); // the first half of the first cell has none before it
    expectAllclose(
      after[1],
      before[0].map((x, i) => 0.75 * x + 0.25 * before[1][i]),
    );
    expectAllclose(
      after[2],
      before[0].map((x, i) => 0.25 * x + 0.75 * before[1][i]),
    );
    expectAllclose(after[5], before[2]);
  });

  test('other codes are guessed at first', async () => {
    const source = sourceOf(configs.modern);
    const config = { model: configs.modern, patch: { ...patch, codebookSize: 20 } };
    const { values, report } = adapt(source, { config, random: new Random(7) });
    expect(report).toEqual(['20 other codes (13 before): their embeddings and their head are new']);
    const model = modelOf(configs.modern, { ...words, image: 20 }, values);
    const { captions, codes } = batchOf([3, 5], configs.modern, { words: { ...words, image: 20 } });
    const [loss] = await tf.tidy(() => model.loss({ captions, codes }).image).data();
    expect(loss).toBeCloseTo(Math.log(20), 5);
    model.dispose();
    const anew = adapt(source, targetOf(configs.modern, { newCodes: true }));
    expect(anew.report).toEqual(['13 other codes (13 before): their embeddings and their head are new']);
    expect(
      rowsOf(anew.values, 'image_head.weight')
        .flat()
        .every(x => x === 0),
    ).toBe(true);
  });

  test('another mask is said', () => {
    const { report } = adapt(sourceOf(configs.modern), targetOf({ ...configs.modern, attention: 'dalle' }));
    expect(report).toEqual(['attention full -> dalle: the same weights see less or more']);
  });
});

test.each([
  [{ width: 32 }, 'model.width: expected 16, as what it starts from has it, got 32'],
  [{ heads: 4 }, 'model.heads: expected 2,'],
  [{ mlp: 'gelu' }, 'model.mlp: expected swiglu,'],
  [{ mlpWidth: 64 }, 'model.mlpWidth: expected its default,'],
  [{ norm: 'layer' }, 'model.norm: expected rms,'],
  [{ qkNorm: false }, 'model.qkNorm: expected true,'],
  [{ positions: 'rope' }, 'model.positions: expected both,'],
  [{ layers: 2 }, 'model.layers: expected 3 or more,'],
] as const)('refuses %o', (fields, says) => {
  expect(() => adapt(sourceOf(configs.modern), targetOf({ ...configs.modern, ...fields }))).toThrow(says);
});

test('signs of changed pictures go by name, and new ones begin as that of plain pictures', async () => {
  const model: ModelConfig = { ...configs.modern, variants: ['mirrored', 'small'] };
  const source = sourceOf(model);
  const wider: ModelConfig = { ...model, variants: ['mirrored', 'recoloured', 'small'] };
  const { values, report } = adapt(source, targetOf(wider));
  const [mirrored, small] = rowsOf(source.values, 'variant_embedding.weight');
  const { values: start } = values.get('start') as { values: Float32Array };
  expect(rowsOf(values, 'variant_embedding.weight')).toEqual([mirrored, [...start], small]);
  expect(report).toEqual(['variants mirrored, small -> mirrored, recoloured, small']);
  expectAllclose(await logitsOf(modelOf(wider, words, values)), await logitsOf(modelOf(model, words, source.values)), {
    absolute: 0,
  });
  const without = adapt(source, targetOf(configs.modern));
  expect(without.values.has('variant_embedding.weight')).toBe(false);
  expect(without.report).toEqual(['variants mirrored, small -> none']);
});
