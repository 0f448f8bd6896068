/**
 * @file Exported networks compute what ours compute, whatever options a run has: logits of every code and pixels, by
 * onnxruntime, of models whose parameters are all random.
 */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { patchSchema } from '../../../src/config/patch.ts';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import { type ModelConfig, modelSchema } from '../../../src/families/transformer/config.ts';
import { defineMask, overImage, removeMask } from '../../../src/nn/masks.ts';
import { decoderGraph, idOffsets } from '../../../src/runs/onnx/decoder.ts';
import { pixelsGraph } from '../../../src/runs/onnx/pixels.ts';
import { PatchTokenizer } from '../../../tokenizer/patch.ts';
import { batchOf, configs, randomModel } from '../../families/transformer/tiny-model.ts';
import { expectAllclose } from '../../support.ts';
import { int64, noOnnx, openNetwork, Reader } from './run-onnx.ts';

const here = noOnnx === undefined ? '' : ` (skipped: ${noOnnx})`;
const encoding = { where: 'test', metadata: {} };

beforeAll(async () => {
  await selectBackend('cpu');
});

const { modern, interlaced, dalle } = configs;
const variants: readonly (readonly [string, ModelConfig])[] = [
  ['as it is by default', modern],
  ['interlaced', interlaced],
  ['interlaced, without embedded positions', { ...interlaced, positions: 'rope' }],
  ["of the paper: layer norms, GELU, learnt positions, the paper's masks", dalle],
  ['without a norm of queries and keys, rotary positions alone', { ...modern, qkNorm: false, positions: 'rope' }],
  [
    'of a given inner width, one head, and variants that only training reads',
    modelSchema.parse({ ...modern, mlpWidth: 24, attention: 'full', variants: ['mirrored'], heads: 1 }),
  ],
];

describe.skipIf(noOnnx !== undefined)(`the decoder${here}`, () => {
  test.each(variants)('%s', async (_, config) => {
    await expectSameLogits(config);
  });

  test('a mask that a program has defined', async () => {
    defineMask({ name: 'onnx-strided', rule: overImage((query, key) => (query - key) % 2 === 0) });
    try {
      await expectSameLogits({ ...modern, attention: 'onnx-strided' });
    } finally {
      removeMask('onnx-strided');
    }
  });
});

/** Reads two captions at once, then code by code, then again in larger pieces. */
async function expectSameLogits(config: ModelConfig): Promise<void> {
  const model = randomModel(config);
  const { captions, codes } = batchOf([3, 0], config);
  const { captionLength: L } = config;
  const [N, K] = [model.codes, model.vocabulary.image];
  const tensors = [tf.tensor2d(captions, [2, L], 'int32'), tf.tensor2d(codes, [2, N], 'int32')];
  const expected = await model.logits(tensors[0], tensors[1]).data(); // [2, N, K]
  const session = await openNetwork((await decoderGraph(model)).encode(encoding));
  const first = idOffsets(model);
  const rowsOf = (row: (b: number) => readonly number[]) => [0, 1].flatMap(row);
  const begin = rowsOf(b =>
    [first.start, ...captions.subarray(b * L, (b + 1) * L)].map((id, i) => (i === 0 ? id : first.caption + id)),
  );
  const codesOf = (from: number, to: number) =>
    rowsOf(b => Array.from({ length: to - from }, (_, i) => first.code + codes[b * N + model.order.cells[from + i]]));
  const expectAt = (logits: Float32Array, place: number) =>
    rowsOf(b => {
      const at = (b * N + model.order.cells[place]) * K;
      expectAllclose(logits.subarray(b * K, (b + 1) * K), expected.subarray(at, at + K), {
        absolute: 1e-4,
        relative: 0,
      });
      return [];
    });
  const reader = new Reader(session, 2);
  expectAt(await reader.next(begin), 0);
  for (let place = 1; place < N; place++) expectAt(await reader.next(codesOf(place - 1, place)), place);
  const again = new Reader(session, 2);
  await again.next(begin);
  expectAt(await again.next(codesOf(0, 5)), 5);
  expectAt(await again.next(codesOf(5, N - 1)), N - 1);
  model.dispose();
  tf.dispose(tensors);
}

describe.skipIf(noOnnx !== undefined)(`the decoder of pixels${here}`, () => {
  test.each([
    ['fsq', { quantizer: 'fsq', levels: [4, 3, 5] }, 8],
    ['vq', { quantizer: 'vq', codebookSize: 29, codeDim: 3, stem: 1, codeBlocks: 1 }, 4],
    ['dvae', { quantizer: 'dvae', codebookSize: 17, stem: 4, blocks: 1 }, 4],
  ] as const)('%s', async (_, changes, patchSize) => {
    const config = patchSchema.parse({ grid: 3, width: 4, maxWidth: 6, ...changes });
    const patch = new PatchTokenizer(config, 3 * patchSize, new Random(3));
    for (const { name, variable } of patch.parameters.list()) {
      variable.assign(tf.tensor(new Random(4).fork(name).normals(variable.size, 0.25), variable.shape));
    }
    const codes = Array.from({ length: 18 }, (_, i) => (i * 7) % patch.vocabSize);
    const decoded = patch.decode(tf.tensor2d(codes, [2, 9], 'int32'));
    const expected = await decoded.data();
    const session = await openNetwork((await pixelsGraph(patch)).encode(encoding));
    const { pixels } = await session.run({ codes: int64(codes, [2, 9]) });
    expect(pixels.dims).toEqual(decoded.shape);
    expectAllclose(pixels.data, expected, { absolute: 1e-4, relative: 0 });
    expect(new Set(expected).size).toBeGreaterThan(50); // not all black or white
    patch.dispose();
    decoded.dispose();
  });
});

test('a network that is too large for one file is refused', async () => {
  const model = randomModel(modern);
  const graph = await decoderGraph(model);
  expect(() => graph.encode({ ...encoding, where: 'export: --onnx', most: 10_000 })).toThrow(
    'export: --onnx: decoder would be 0.00 GB, expected at most 0.00 GB',
  );
  model.dispose();
});
