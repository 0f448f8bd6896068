/**
 * @file The GPU's decoder against the model's own operations on the cpu backend, over the whole sequence at once and
 * without a cache: every kind of model, sizes that overhang vectors and tiles, rows that share what they have read, caches
 * of more positions than a workgroup takes, and halves.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { presets } from '../../../src/config/presets.ts';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import { activeGpu, type GpuBackend } from '../../../src/device/webgpu/webgpu.ts';
import { type ModelConfig, modelSchema } from '../../../src/families/transformer/config.ts';
import { Dalle, type Vocabulary } from '../../../src/families/transformer/dalle.ts';
import { createDecoder, type Decoder, type FirstDecoder } from '../../../src/families/transformer/decoder.ts';
import { expectAllclose, noWebgpu, type Tolerance } from '../../support.ts';
import { caption, randomModel, randomWeights } from './tiny-model.ts';

const words: Vocabulary = { caption: 9, image: 37, grid: 3 };
const N = words.grid ** 2;
const small = { captionLength: 6, layers: 2, convKernel: 3, dropout: 0 };
const kinds: Readonly<Record<string, ModelConfig>> = {
  'swiglu, rotary and learned': modelSchema.parse({ ...small, width: 24, heads: 2 }),
  "the paper's": modelSchema.parse({ ...presets.dalle.model, ...small, width: 16, heads: 2, layers: 3 }),
  'odd sizes': modelSchema.parse({ ...presets.dalle.model, ...small, width: 33, heads: 3, mlpWidth: 50 }),
  'one head, rotary and layer norm': modelSchema.parse({
    ...{ ...small, width: 20, heads: 1, layers: 1, positions: 'rope', norm: 'layer' },
  }),
  // Two workgroups a head where there are few rows, one that takes two turns where there are many.
  'a long caption': modelSchema.parse({ ...small, captionLength: 254, layers: 1, width: 8, heads: 2 }),
};

/** Which of three rows are read on: fewer and more than a tile of a product has. */
const chosen: Readonly<Record<string, readonly number[]>> = {
  'swiglu, rotary and learned': [1, 0, 0, 2, 1, 1, 0, 2, 2, 1],
  "the paper's": [1],
  'odd sizes': [2, 1, 2],
  'one head, rotary and layer norm': [0, 0],
  'a long caption': [0, 2, 1],
};

interface Read {
  readonly captions: readonly (readonly number[])[];
  readonly codes: readonly (readonly number[])[];
}

function sequence(config: ModelConfig, rows: number, seed = 4): Read {
  const random = new Random(seed);
  const captions = Array.from({ length: rows }, (_, i) => [...caption(random, i % 5, config, words)]);
  const codes = Array.from({ length: rows }, () => Array.from({ length: N }, () => random.integer(words.image)));
  return { captions, codes };
}

const flat = (rows: readonly (readonly number[])[]) => Int32Array.from(rows.flat());

const untrainedModel = (config: ModelConfig) => randomModel(config, 3, words);

/** Weights of the size that training gives them, so that halves are judged fairly. */
function trainedModel(config: ModelConfig): Dalle {
  const model = new Dalle(config, words);
  const weights = randomWeights(model, 3);
  for (const [name, { shape, values }] of weights) {
    if (shape.length !== 2 || name.includes('embedding')) continue;
    for (let i = 0; i < values.length; i++) values[i] *= 1.5 / 0.35 / Math.sqrt(shape[1] as number);
  }
  model.parameters.load(weights, 'test');
  return model;
}

/** Logits of every code, [row][place], and the backend left at webgpu. */
async function wholeOnCpu(
  config: ModelConfig,
  { captions, codes }: Read,
  make: (config: ModelConfig) => Dalle = untrainedModel,
): Promise<number[][][]> {
  await selectBackend('cpu');
  const model = make(config);
  const inputs = [
    tf.tensor2d(flat(captions), [captions.length, config.captionLength], 'int32'),
    tf.tensor2d(flat(codes), [codes.length, N], 'int32'),
  ];
  const logits = model.logits(inputs[0], inputs[1]);
  const values = (await logits.array()) as number[][][];
  tf.dispose([inputs, logits]);
  model.dispose();
  await selectBackend('webgpu');
  return values;
}

async function take(logits: tf.Tensor): Promise<number[]> {
  const values = [...(await logits.data())];
  logits.dispose();
  return values;
}

/** Reads codes from .. to - 1 one at a time and compares the logits of the code after each. */
async function expectSteps(
  decoder: Decoder,
  { codes, wanted }: { readonly codes: Read['codes']; readonly wanted: readonly number[][][] },
  [from, to]: readonly [number, number],
  tolerance: Tolerance = { relative: 1e-4, absolute: 1e-4 },
): Promise<void> {
  for (let i = from; i < to; i++) {
    expectAllclose(
      await take(decoder.next(flat(codes.map(row => [row[i]])))),
      wanted.flatMap(row => row[i + 1]),
      tolerance,
    );
  }
}

/** Reads of rows that have the caption of row `of[i]` and its first `known` codes, and others after them. */
function branches(read: Read, of: readonly number[], known: number): Read {
  const rest = sequence(kinds['odd sizes'], of.length, 9).codes;
  return {
    captions: of.map(row => read.captions[row]),
    codes: of.map((row, i) => [...read.codes[row].slice(0, known), ...rest[i].slice(known)]),
  };
}

describe.skipIf(noWebgpu !== undefined)(`on webgpu${noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`}`, () => {
  const gpu = () => activeGpu() as GpuBackend;

  for (const [name, config] of Object.entries(kinds)) {
    test(`${name}: steps equal the whole sequence, rows of one beginning included`, async () => {
      const read = sequence(config, 3);
      const known = 2;
      const of = chosen[name];
      const branched = branches(read, of, known);
      const wanted = await wholeOnCpu(config, branched);
      const before = tf.memory().numTensors;
      const model = untrainedModel(config);
      const shared = createDecoder(model, 3);
      await take(shared.start(flat(read.captions), flat(read.codes.map(row => row.slice(0, known)))));
      const decoder = shared.select(of);
      shared.dispose();
      await expectSteps(decoder, { ...branched, wanted }, [known, N - 1]);
      expect(() => decoder.next(new Int32Array(of.length))).toThrow('at most');
      decoder.dispose();
      model.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });
  }

  test('several codes at once, and rows selected between steps, in both precisions', async () => {
    const config = kinds['swiglu, rotary and learned'];
    const read = sequence(config, 2);
    const of = [1, 0, 1];
    const branched = branches(read, of, 4);
    const wanted = await wholeOnCpu(config, branched, trainedModel);
    for (const precision of ['fp32', 'f16'] as const) {
      gpu().precision = precision;
      const tolerance = precision === 'fp32' ? { relative: 1e-4, absolute: 1e-4 } : { relative: 0.005, absolute: 0.02 };
      const model = trainedModel(config);
      const shared = createDecoder(model, 2);
      await take(shared.start(flat(read.captions), new Int32Array(0)));
      await take(shared.next(flat(read.codes.map(row => row.slice(0, 4)))));
      const decoder = shared.select(of);
      await expectSteps(decoder, { ...branched, wanted }, [4, 6], tolerance);
      const later = (decoder as FirstDecoder).select([2]); // what the GPU can beyond the contract
      decoder.dispose();
      shared.dispose();
      await expectSteps(later, { codes: [branched.codes[2]], wanted: [wanted[2]] }, [6, 8], tolerance);
      later.dispose();
      model.dispose();
    }
    gpu().precision = 'fp32';
  });

  test('a row does not depend, to the bit, on the rows beside it', async () => {
    await selectBackend('webgpu');
    const config = kinds['a long caption'];
    const { captions, codes } = sequence(config, 2);
    const model = untrainedModel(config);
    const shared = createDecoder(model, 2);
    await take(shared.start(flat(captions), new Int32Array(0)));
    const read = async (rows: readonly number[]) => {
      const decoder = shared.select(rows);
      const got: number[][] = [];
      for (let i = 0; i < 4; i++) got.push(await take(decoder.next(flat(rows.map(row => [codes[row][i]])))));
      decoder.dispose();
      return rows.map((_, r) => got.map(logits => logits.slice(r * words.image, (r + 1) * words.image)));
    };
    const [first] = await read([0]);
    const [second] = await read([1]);
    const everyone = await read(Array.from({ length: 65 }, (_, i) => (i % 3 === 0 ? 1 : 0)));
    expect(everyone[64]).toEqual(first);
    expect(everyone[63]).toEqual(second);
    expect((await read([1, 1, 0]))[2]).toEqual(first);
    shared.dispose();
    model.dispose();
  });
});
