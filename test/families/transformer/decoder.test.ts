/**
 * @file The fused decoder against the model's own operations, over the whole sequence at once and without a cache: every
 * kind of model, sizes that fill and that overhang the vectors, several positions at a time, going back, and both
 * precisions.
 */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { presets } from '../../../src/config/presets.ts';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import { activeNative, type NativeBackend } from '../../../src/device/native/native.ts';
import { type ModelConfig, modelSchema } from '../../../src/families/transformer/config.ts';
import { Dalle, type Vocabulary } from '../../../src/families/transformer/dalle.ts';
import { createDecoder } from '../../../src/families/transformer/decoder.ts';
import { FusedDecoder } from '../../../src/kernels/decode/decode.ts';
import { expectAllclose, noKernels } from '../../support.ts';
import { caption, randomWeights } from './tiny-model.ts';

const reason = noKernels.native;
const native = () => activeNative() as NativeBackend;

const words: Vocabulary = { caption: 9, image: 67, grid: 7 };
const base = { captionLength: 6, layers: 3, convKernel: 3, dropout: 0 };
const variants: Readonly<Record<string, ModelConfig>> = {
  'swiglu, rotary and learned': modelSchema.parse({ ...base, width: 64, heads: 2 }),
  'heads of 64': modelSchema.parse({ ...base, width: 128, heads: 2, layers: 2 }),
  "the paper's": modelSchema.parse({ ...presets.dalle.model, ...base, width: 48, heads: 2, layers: 5 }),
  'odd sizes': modelSchema.parse({ ...presets.dalle.model, ...base, width: 33, heads: 3, mlpWidth: 50 }),
  'one head of 80, rotary': modelSchema.parse({ ...base, width: 80, heads: 1, positions: 'rope', norm: 'layer' }),
};

/** Weights of the size that training gives them, so that bf16 is judged fairly. */
function makeModel(config: ModelConfig): Dalle {
  const model = new Dalle(config, words);
  const weights = randomWeights(model, 3);
  for (const [name, { shape, values }] of weights) {
    if (shape.length !== 2 || name.includes('embedding')) continue;
    const scale = 1.5 / 0.35 / Math.sqrt(shape[1] as number);
    for (let i = 0; i < values.length; i++) values[i] *= scale;
  }
  model.parameters.load(weights, 'test');
  return model;
}

const N = words.grid ** 2;

function sequence(config: ModelConfig, rows: number, seed = 4) {
  const random = new Random(seed);
  const captions = Array.from({ length: rows }, (_, i) => [...caption(random, i % 5, config, words)]);
  const codes = Array.from({ length: rows }, () => Array.from({ length: N }, () => random.integer(words.image)));
  return { captions, codes };
}

const flat = (rows: readonly (readonly number[])[]) => Int32Array.from(rows.flat());

/** Logits of every code, [row][position], without a cache. */
async function whole(model: Dalle, captions: readonly number[][], codes: readonly number[][]) {
  const inputs = [
    tf.tensor2d(flat(captions), [captions.length, model.config.captionLength], 'int32'),
    tf.tensor2d(flat(codes), [codes.length, N], 'int32'),
  ];
  const logits = model.logits(inputs[0], inputs[1]);
  const values = (await logits.array()) as number[][][];
  tf.dispose([inputs, logits]);
  return values;
}

async function take(logits: tf.Tensor): Promise<number[]> {
  const values = [...(await logits.data())];
  logits.dispose();
  return values;
}

describe.skipIf(reason !== undefined)(`the fused decoder${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  for (const [build, precision] of [
    ['native', 'fp32'],
    ['native', 'bf16'],
    ['wasm', 'fp32'],
  ] as const) {
    if (noKernels[build] !== undefined) continue;
    describe(`${build}, ${precision}`, () => {
      beforeAll(async () => {
        await selectBackend(build, { precision: 'fp32' });
        if (native().supportsBf16) native().precision = precision;
      });
      // Measured: 2e-6 and 0.03 of logits with a deviation of about 1.5.
      const tolerance = precision === 'fp32' ? { relative: 1e-4, absolute: 1e-4 } : { relative: 0.02, absolute: 0.12 };

      for (const [name, config] of Object.entries(variants)) {
        test(`${name}: step by step equals the whole sequence`, async () => {
          const model = makeModel(config);
          for (const rows of [1, 3, 17]) {
            const { captions, codes } = sequence(config, rows);
            const wanted = await whole(model, captions, codes);
            const known = rows;
            const decoder = createDecoder(model, rows);
            const got = [await take(decoder.start(flat(captions), flat(codes.map(row => row.slice(0, known)))))];
            for (let i = known; i < N - 1; i++) got.push(await take(decoder.next(flat(codes.map(row => [row[i]])))));
            decoder.dispose();
            got.forEach((logits, i) => {
              expectAllclose(
                logits,
                wanted.flatMap(row => row[known + i]),
                tolerance,
              );
            });
          }
          model.dispose();
        });

        test(`${name}: several positions at once, and going back, change no bit`, async () => {
          const model = makeModel(config);
          const rows = 2;
          const decoder = new FusedDecoder(model.network(), rows, native());
          const C = config.width;
          const x = new Random(7).normals(rows * N * C, 1);
          const at = (from: number, n: number) =>
            Float32Array.from({ length: rows * n * C }, (_, i) => {
              const row = Math.floor(i / (n * C));
              return x[row * N * C + from * C + (i % (n * C))];
            });
          const single: number[][] = [];
          for (let i = 0; i < N; i++) single.push(await take(decoder.read(at(i, 1), 1) as tf.Tensor));
          const K = words.image;
          for (const [start, n] of [
            [0, 40],
            [13, 5],
            [14, 21],
            [1, 2],
            [7, 17],
          ]) {
            // Others in their stead first, so that what was there cannot help.
            decoder.length = start;
            decoder.read(new Random(8).normals(rows * n * C, 1), n, 'none');
            decoder.length = start;
            const all = await take(decoder.read(at(start, n), n, 'all') as tf.Tensor);
            for (let row = 0; row < rows; row++) {
              for (let i = 0; i < n; i++) {
                const got = all.slice((row * n + i) * K, (row * n + i + 1) * K);
                expect(got).toEqual(single[start + i].slice(row * K, row * K + K));
              }
            }
            // What follows depends on the cache that was just written.
            for (let i = start + n; i < Math.min(N, start + n + 2); i++) {
              expect(await take(decoder.read(at(i, 1), 1) as tf.Tensor)).toEqual(single[i]);
            }
            // Restores what the next case starts from.
            decoder.length = start + n;
            for (let i = start + n; i < N; i++) decoder.read(at(i, 1), 1, 'none');
          }
          decoder.dispose();
          model.dispose();
        });
      }

      test('a row does not depend, to the bit, on the rows beside it', async () => {
        const config = variants['heads of 64'];
        const model = makeModel(config);
        const { captions, codes } = sequence(config, 30);
        const read = async (chosen: readonly number[]) => {
          const decoder = createDecoder(model, chosen.length);
          const ids = chosen.map(i => captions[i]);
          const got = [await take(decoder.start(flat(ids), new Int32Array(0)))];
          for (let i = 0; i < 6; i++) got.push(await take(decoder.next(flat(chosen.map(row => [codes[row][i]])))));
          decoder.dispose();
          return chosen.map((_, r) => got.map(logits => logits.slice(r * words.image, (r + 1) * words.image)));
        };
        const everyone = await read([...captions.keys()]);
        for (const chosen of [[4], [29, 3], [0, 1, 2], [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]]) {
          expect(await read(chosen)).toEqual(chosen.map(i => everyone[i]));
        }
        model.dispose();
      });

      for (const name of ["the paper's", 'heads of 64', 'odd sizes']) {
        test(`${name}: rows that share their beginning equal the whole sequence`, async () => {
          const config = variants[name];
          const model = makeModel(config);
          const { captions, codes } = sequence(config, 3);
          const known = 2;
          const begin = () => {
            const shared = createDecoder(model, 3);
            shared.start(flat(captions), flat(codes.map(row => row.slice(0, known)))).dispose();
            return shared;
          };
          // Rows of one beginning side by side and apart, more of them than a group holds, and one beginning not used.
          const rows = [1, 0, 0, 1, ...new Array<number>(21).fill(1)];
          const painted = sequence(config, rows.length, 9).codes.map((row, i) => [
            ...codes[rows[i]].slice(0, known),
            ...row.slice(known),
          ]);
          const wanted = await whole(
            model,
            rows.map(row => captions[row]),
            painted,
          );
          const readOn = async (chosen: readonly number[]) => {
            const shared = begin();
            const decoder = shared.select(chosen.map(i => rows[i]));
            shared.dispose();
            const got: number[][] = [];
            for (let i = known; i < N - 1; i++)
              got.push(await take(decoder.next(flat(chosen.map(r => [painted[r][i]])))));
            decoder.dispose();
            return got;
          };
          const all = await readOn([...rows.keys()]);
          all.forEach((logits, i) => {
            expectAllclose(
              logits,
              wanted.flatMap(row => row[known + i + 1]),
              tolerance,
            );
          });
          // To the bit the same in other company.
          const K = words.image;
          for (const chosen of [[3], [2, 9], [24, 1, 5, 6, 7, 8]]) {
            const some = await readOn(chosen);
            some.forEach((logits, i) => {
              expect(logits).toEqual(chosen.flatMap(r => all[i].slice(r * K, (r + 1) * K)));
            });
          }
          model.dispose();
        });
      }

      test('a window of positions after a shared beginning changes no bit', async () => {
        const config = variants['heads of 64'];
        const model = makeModel(config);
        const { captions, codes } = sequence(config, 1);
        const shared = createDecoder(model, 1) as unknown as { fused: FusedDecoder } & ReturnType<typeof createDecoder>;
        shared.start(flat(captions), flat([codes[0].slice(0, 3)])).dispose();
        const decoder = shared.fused.select([0]);
        shared.dispose();
        const start = decoder.length;
        const x = new Random(5).normals(20 * config.width, 1);
        const single: number[] = [];
        for (let i = 0; i < 20; i++) {
          const vector = x.slice(i * config.width, (i + 1) * config.width);
          single.push(...(await take(decoder.read(vector, 1) as tf.Tensor)));
        }
        decoder.length = start;
        expect(await take(decoder.read(x, 20, 'all') as tf.Tensor)).toEqual(single);
        decoder.length = start - 1;
        expect(() => decoder.read(x, 1)).toThrow('after what rows share');
        expect(() => decoder.select([0])).toThrow('selected before');
        decoder.dispose();
        model.dispose();
      });
    });
  }

  test('refuses more positions than there are, and leaves no tensors behind', async () => {
    await selectBackend('native');
    const model = makeModel(variants['odd sizes']);
    const before = tf.memory();
    const decoder = new FusedDecoder(model.network(), 1, native());
    const { positions } = model.network();
    decoder.read(new Float32Array(positions * 33), positions, 'none');
    expect(() => decoder.read(new Float32Array(33), 1)).toThrow(`at most ${positions} positions, got ${positions + 1}`);
    expect(() => decoder.select([])).toThrow('at least one row, got 0');
    const other = decoder.select([0, 0]);
    expect(other.length).toBe(positions);
    other.dispose();
    decoder.dispose();
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
    model.dispose();
  });
});
