/** @file What a transformer is kept from learning by heart with: codes that are read wrongly, late dropout, changed pictures. */
import '@tensorflow/tfjs-layers'; // tfjs's own gradients
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import type { CaptionedCodes } from '../../../src/families/family.ts';
import type { ModelConfig } from '../../../src/families/transformer/config.ts';
import { Dalle, type SequenceBatch } from '../../../src/families/transformer/dalle.ts';
import { DalleTask } from '../../../src/families/transformer/task.ts';
import { batchOf, configs, randomModel, vocabulary } from './tiny-model.ts';

beforeAll(() => selectBackend('cpu'));

const small: ModelConfig = { ...configs.modern, layers: 1, width: 8, heads: 2, mlpWidth: 8 };
const K = vocabulary.image;
const N = vocabulary.grid ** 2;
const ITEMS = 8;

/** Item i has the codes i, i, i ... */
const data: CaptionedCodes = {
  set: {
    ids: Array.from({ length: ITEMS }, (_, i) => `${i}.png`),
    crops: 1,
    length: N,
    codes: Uint16Array.from({ length: ITEMS * N }, (_, i) => Math.floor(i / N)),
  },
  captions: Array.from({ length: ITEMS }, () => ['a']),
};

/** Every batch that the model was given at some steps, and the dropout with it. */
async function batchesOf(config: ModelConfig, steps: readonly number[], accumulate = 1, training = data) {
  const model = new Dalle(config, vocabulary, new Random(2));
  const loss = vi.spyOn(model, 'loss').mockImplementation(() => {
    const zero = tf.scalar(0);
    return { loss: zero, caption: zero, image: zero };
  });
  const encoder = { encodeCaption: () => ({ ids: model.emptyCaption(), cut: false }) };
  const options = { batchSize: ITEMS, accumulate, bpeDropout: 0, seed: 5, imageSize: 24 };
  const task = new DalleTask(model, encoder, { training, heldOut: data }, options);
  for (const step of steps) {
    for (let part = 0; part < accumulate; part++) (await task.batch(step, part))(new Random(1));
  }
  model.dispose();
  return loss.mock.calls.map(([batch, noise]) => ({ ...batch, dropout: noise?.dropout }));
}

const reads = (batches: readonly SequenceBatch[]) => batches.flatMap(({ read }) => [...(read as Int32Array)]);

describe('codes that are read wrongly', () => {
  it('are a share of what is read, and what is predicted stays', async () => {
    const steps = Array.from({ length: 40 }, (_, i) => i);
    const batches = await batchesOf({ ...small, codeNoise: 0.3 }, steps);
    let replaced = 0;
    const drawn = new Set<number>();
    for (const { codes, read } of batches) {
      for (let row = 0; row < ITEMS; row++) expect(new Set(codes.subarray(row * N, (row + 1) * N)).size).toBe(1);
      codes.forEach((code, i) => {
        const other = (read as Int32Array)[i];
        if (other === code) return;
        replaced++;
        drawn.add(other);
      });
    }
    const places = batches.length * ITEMS * N;
    const expected = 0.3 * (1 - 1 / K); // a code may be replaced by itself
    const error = Math.sqrt((expected * (1 - expected)) / places);
    expect(Math.abs(replaced / places - expected)).toBeLessThan(4 * error);
    expect([...drawn].sort((a, b) => a - b)).toEqual(Array.from({ length: K }, (_, i) => i));
  });

  it('depend on the seed and the step alone, in however many parts', async () => {
    const config = { ...small, codeNoise: 0.5 };
    const whole = reads(await batchesOf(config, [3, 4]));
    expect(reads(await batchesOf(config, [3, 4]))).toEqual(whole);
    expect(reads(await batchesOf(config, [3, 4], 4))).toEqual(whole);
    expect(reads(await batchesOf(config, [4]))).toEqual(whole.slice(ITEMS * N));
    expect(whole.slice(0, ITEMS * N)).not.toEqual(whole.slice(ITEMS * N));
  });

  it('are none by default', async () => {
    const [batch] = await batchesOf(small, [0]);
    expect(batch.read).toBeUndefined();
  });

  it('change what is known of the past, not what is asked for', async () => {
    const model = randomModel(small);
    const batch = batchOf([3, 5], small);
    const read = batch.codes.map(code => (code + 1) % K);
    const { image } = model.loss({ ...batch, read });
    const captions = tf.tensor2d(batch.captions, [2, small.captionLength], 'int32');
    const logits = model.logits(captions, tf.tensor2d(read, [2, N], 'int32'));
    const chances = await tf.logSoftmax(logits).data();
    const expected = batch.codes.reduce((sum, code, i) => sum - chances[i * K + code], 0) / batch.codes.length;
    expect((await image.data())[0]).toBeCloseTo(expected, 4);
    expect((await model.loss(batch).image.data())[0]).not.toBeCloseTo(expected, 2);
    model.dispose();
  });
});

describe('dropout that sets in late', () => {
  it('waits for some passes over the data', async () => {
    const rates = async (dropoutAfter: number) =>
      (await batchesOf({ ...small, dropout: 0.2, dropoutAfter }, [0, 1, 2, 3])).map(({ dropout }) => dropout);
    expect(await rates(0)).toEqual([0.2, 0.2, 0.2, 0.2]);
    expect(await rates(2)).toEqual([0, 0, 0.2, 0.2]); // a step is a pass
  });
});

describe('changed pictures', () => {
  const config: ModelConfig = { ...small, variants: ['mirrored', 'small'] };
  /** Two crops of three kinds: plain ones have the codes 0 and 1, mirrored ones 2 and 3, small ones 4 and 5. */
  const varied: CaptionedCodes = {
    ...data,
    set: {
      ...data.set,
      crops: 6,
      codes: Uint16Array.from({ length: ITEMS * 6 * N }, (_, i) => Math.floor(i / N) % 6),
    },
  };

  it('are half of what is learnt, each with its own sign', async () => {
    const batches = await batchesOf(
      config,
      Array.from({ length: 60 }, (_, i) => i),
      1,
      varied,
    );
    const counts = [0, 0, 0];
    for (const { codes, variants } of batches) {
      for (let row = 0; row < ITEMS; row++) {
        const kind = (variants as Int32Array)[row];
        expect(Math.floor(codes[row * N] / 2)).toBe(kind);
        counts[kind]++;
      }
    }
    const rows = 60 * ITEMS;
    for (const [kind, share] of [0.5, 0.25, 0.25].entries()) {
      expect(Math.abs(counts[kind] / rows - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / rows));
    }
  });

  it("are told from plain ones by what stands in the start token's place, which learns", async () => {
    const model = randomModel(config);
    const batch = batchOf([3, 5], config);
    const loss = async (variants?: number[]) => {
      const { image } = model.loss({ ...batch, ...(variants && { variants: Int32Array.from(variants) }) });
      return (await image.data())[0];
    };
    const plain = await loss();
    expect(await loss([0, 0])).toBe(plain);
    expect(await loss([1, 1])).not.toBeCloseTo(plain, 3);
    expect(await loss([2, 2])).not.toBeCloseTo(await loss([1, 1]), 3);
    // With the sign of plain pictures, those of changed ones change nothing.
    const table = model.parameters.list().find(({ name }) => name === 'variant_embedding.weight');
    const start = model.parameters.list().find(({ name }) => name === 'start');
    if (table === undefined || start === undefined) throw new Error('no such parameters');
    table.variable.assign(tf.stack([start.variable, start.variable]));
    expect(await loss([1, 2])).toBeCloseTo(plain, 5);
    const { grads } = tf.variableGrads(
      () => model.loss({ ...batch, variants: Int32Array.from([1, 0]) }).image as tf.Scalar,
      [table.variable],
    );
    const gradient = await Object.values(grads)[0].data();
    const [first, second] = [0, 1].map(row =>
      Math.max(...gradient.subarray(row * small.width, (row + 1) * small.width).map(Math.abs)),
    );
    expect(first).toBeGreaterThan(0);
    expect(second).toBe(0);
    model.dispose();
  });
});
