/** @file Small models and batches for tests: every parameter random, because heads that start at zero would hide mistakes. */

import { presets } from '../../../src/config/presets.ts';
import { Random } from '../../../src/core/random.ts';
import { type ModelConfig, modelSchema } from '../../../src/families/transformer/config.ts';
import { Dalle, type SequenceBatch, type Vocabulary } from '../../../src/families/transformer/dalle.ts';
import type { Weights } from './plain-dalle.ts';

export const vocabulary: Vocabulary = { caption: 11, image: 13, grid: 3 };

const size = { captionLength: 5, width: 16, layers: 3, heads: 2, convKernel: 3, dropout: 0, zLoss: 1e-3 };

/** The default model, the same in another order of codes, and the paper's, small; all without dropout. */
export const configs: Readonly<Record<'modern' | 'interlaced' | 'dalle', ModelConfig>> = {
  modern: modelSchema.parse(size),
  interlaced: modelSchema.parse({ ...size, order: 'interlaced' }),
  dalle: modelSchema.parse({ ...presets.dalle.model, ...size, zLoss: 0 }),
};

/** Values for every parameter, gains and biases included, large enough that attention is far from uniform. */
export function randomWeights(model: Dalle, seed: number): Weights {
  return new Map(
    model.parameters.list().map(({ name, variable }) => {
      const draws = new Random(seed).fork(name);
      const gain = name.includes('norm') && name.endsWith('.weight');
      const deviation = gain ? 0.2 : variable.shape.length > 1 && !name.includes('embedding') ? 0.35 : 0.7;
      const values = draws.normals(variable.size, deviation);
      if (gain) for (let i = 0; i < values.length; i++) values[i] += 1;
      return [name, { shape: [...variable.shape], values }];
    }),
  );
}

/** A model with `randomWeights`. */
export function randomModel(config: ModelConfig, seed = 1, words: Vocabulary = vocabulary): Dalle {
  const model = new Dalle(config, words);
  model.parameters.load(randomWeights(model, seed), 'test');
  return model;
}

/** A caption of `length` random ids, padded. */
export function caption(
  random: Random,
  length: number,
  config: ModelConfig,
  words: Vocabulary = vocabulary,
): Int32Array {
  return Int32Array.from({ length: config.captionLength }, (_, i) =>
    i < length ? random.integer(words.caption) : words.caption + i,
  );
}

/** Captions of the given lengths with random codes; `dropped` marks those that are left out. */
export function batchOf(
  lengths: readonly number[],
  config: ModelConfig,
  options: { readonly seed?: number; readonly dropped?: readonly number[]; readonly words?: Vocabulary } = {},
): SequenceBatch {
  const { seed = 5, dropped, words = vocabulary } = options;
  const random = new Random(seed);
  const captions = lengths.flatMap((length, i) => [...caption(random, dropped?.[i] === 1 ? 0 : length, config, words)]);
  const codes = Int32Array.from({ length: lengths.length * words.grid ** 2 }, () => random.integer(words.image));
  return {
    captions: Int32Array.from(captions),
    codes,
    ...(dropped === undefined ? {} : { dropped: Uint8Array.from(dropped) }),
  };
}
