/**
 * @file A picture is coded and painted with the same bits beside any others: of every grid, quantizer and precision, and
 * though sums of a few rows could be had cheaper in another order.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { patchSchema } from '../../src/config/patch.ts';
import { Random } from '../../src/core/random.ts';
import { PatchTokenizer } from '../../tokenizer/patch.ts';
import { useNative } from '../support.ts';

const grids = [2, 3, 4, 5, 8, 16, 32] as const;
const patchSize = 4;

/** A tokenizer whose every weight counts: blocks that start at zero would hide what they add up. */
function randomTokenizer(grid: number, quantizer: 'fsq' | 'vq' | 'dvae'): PatchTokenizer {
  const config = patchSchema.parse({ grid, quantizer, codebookSize: 64, width: 24, maxWidth: 40, stem: 2 });
  const tokenizer = new PatchTokenizer(config, grid * patchSize, new Random(1));
  const weights = new Map(
    tokenizer.parameters.list().map(({ name, variable }) => {
      const values = new Random(2)
        .fork(name)
        .normals(variable.size, 0.5 / Math.sqrt(variable.size / variable.shape[0]));
      return [name, { shape: [...variable.shape], values }];
    }),
  );
  tokenizer.parameters.load(weights, 'test');
  return tokenizer;
}

/** What `apply` makes of all rows at once, of one at a time, and of two beside each other. */
async function partsOf(rows: tf.Tensor, apply: (rows: tf.Tensor) => tf.Tensor): Promise<[Uint8Array, Uint8Array][]> {
  const count = rows.shape[0];
  const of = async (first: number, size: number) => {
    const result = tf.tidy(() => apply(tf.slice(rows, [first], [size])));
    const values = await result.data();
    result.dispose();
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
  };
  const whole = await of(0, count);
  const each = whole.length / count;
  const cut = (first: number, size: number) => whole.subarray(first * each, (first + size) * each);
  const pairs: [Uint8Array, Uint8Array][] = [];
  for (let i = 0; i < count; i++) pairs.push([await of(i, 1), cut(i, 1)]);
  pairs.push([await of(1, 2), cut(1, 2)]);
  return pairs;
}

describe.each(['fp32', 'bf16'] as const)('%s', precision => {
  for (const grid of grids) {
    for (const quantizer of ['fsq', 'vq', 'dvae'] as const) {
      test(`${quantizer}, a grid of ${grid}: one picture is the same beside others`, async ({ skip }) => {
        const backend = await useNative();
        if (precision === 'bf16' && !backend.supportsBf16) skip('this processor has no bf16');
        backend.precision = precision;
        const tokenizer = randomTokenizer(grid, quantizer);
        const count = grid > 8 ? 3 : 5;
        const side = grid * patchSize;
        const pixels = Float32Array.from({ length: count * side * side * 3 }, () => 0);
        const random = new Random(3);
        for (let i = 0; i < pixels.length; i++) pixels[i] = random.uniform();
        const images = tf.tensor(pixels, [count, side, side, 3]);
        for (const [alone, beside] of await partsOf(images, x => tokenizer.encode(x))) expect(alone).toEqual(beside);
        const codes = tf.tensor(
          Int32Array.from({ length: count * grid * grid }, () => random.integer(tokenizer.vocabSize)),
          [count, grid * grid],
          'int32',
        );
        for (const [alone, beside] of await partsOf(codes, x => tokenizer.decode(x))) {
          expect(Buffer.compare(alone, beside)).toBe(0);
        }
        tf.dispose([images, codes]);
        tokenizer.dispose();
        backend.precision = 'fp32';
      });
    }
  }
});
