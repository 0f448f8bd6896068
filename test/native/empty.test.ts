/**
 * @file Batches of nothing, and images, rows and heads without content: every fused operation gives what tfjs's cpu backend
 * gives, and gradients of parameters that are zero. A division by zero in C++ would end the process.
 */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { dropoutAdd, gelu, leakySlope, silu, swiglu } from '../../src/kernels/activation/activation.ts';
import { attention } from '../../src/kernels/attention/attention.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { gumbelSoftmax, klToUniform } from '../../src/kernels/categorical/categorical.ts';
import { conv2d, convTranspose2d } from '../../src/kernels/conv/conv.ts';
import { embedding } from '../../src/kernels/embedding/embedding.ts';
import { patchify, unpatchify, upsample2x } from '../../src/kernels/grid/grid.ts';
import { linearCrossEntropy } from '../../src/kernels/headloss/headloss.ts';
import { linear } from '../../src/kernels/linear/linear.ts';
import { groupNorm, layerNorm, rmsNorm } from '../../src/kernels/norm/norm.ts';
import { doubleSmoothly, halveSmoothly } from '../../src/kernels/resample/resample.ts';
import { splitHeads } from '../../src/kernels/rope/rope.ts';
import { shiftImages } from '../../src/kernels/shift/shift.ts';
import { noKernels, useNative } from '../support.ts';

interface Operation {
  readonly name: string;
  readonly shapes: readonly number[][];
  readonly apply: (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];
  /** Where tfjs's own operations cannot do it: all there is to expect is that every output is 0. */
  readonly unknownToCpu?: boolean;
}

const causal = { mask: 'causal' } as const;
const noise = { temperature: 1, seed: 1, stream: 1 };

const operations: readonly Operation[] = [
  ...(['none', 'gelu'] as const).map(activation => ({
    name: `linear of no rows, ${activation}`,
    shapes: [[0, 5], [7, 5], [7]],
    apply: (x: tf.Tensor, w: tf.Tensor, bias: tf.Tensor) => linear(x, w, { bias, activation }),
  })),
  {
    name: 'a product of no matrices',
    shapes: [
      [0, 3, 4],
      [0, 4, 5],
    ],
    apply: (a, b) => tf.matMul(a, b),
  },
  {
    name: 'a product over nothing',
    shapes: [
      [3, 0],
      [0, 5],
    ],
    apply: (a, b) => tf.matMul(a, b),
  },
  ...[
    { size: 3, stride: 1, outputs: 5 },
    { size: 3, stride: 1, outputs: 16 },
    { size: 3, stride: 2, outputs: 5 },
    { size: 1, stride: 1, outputs: 5 },
  ].map(({ size, stride, outputs }) => ({
    name: `conv2d ${size} / ${stride} of no images to ${outputs} channels`,
    shapes: [[0, 4, 4, 3], [outputs, size, size, 3], [outputs]],
    apply: (x: tf.Tensor, w: tf.Tensor, bias: tf.Tensor) =>
      conv2d(x, w, { bias, stride: stride as 1 | 2, activation: 'silu' }),
  })),
  { name: 'upsample2x', shapes: [[0, 4, 4, 3]], apply: x => upsample2x(x) },
  {
    name: 'convTranspose2d',
    shapes: [
      [0, 4, 4, 5],
      [5, 4, 4, 3],
    ],
    apply: (x, w) => convTranspose2d(x, w),
  },
  { name: 'doubleSmoothly', shapes: [[0, 4, 4, 3]], apply: x => doubleSmoothly(x), unknownToCpu: true },
  { name: 'halveSmoothly', shapes: [[0, 4, 4, 3]], apply: x => halveSmoothly(x), unknownToCpu: true },
  { name: 'shiftImages', shapes: [[0, 4, 4, 3]], apply: x => shiftImages(x, []), unknownToCpu: true },
  { name: 'leakySlope', shapes: [[0, 4]], apply: x => leakySlope(x, tf.neg(x)) },
  { name: 'patchify', shapes: [[0, 4, 4, 3]], apply: x => patchify(x, 2) },
  { name: 'unpatchify', shapes: [[0, 2, 2, 12]], apply: x => unpatchify(x, 2) },
  ...[
    { name: 'attention of no rows', sizes: [0, 2, 5, 8] },
    { name: 'attention of no positions', sizes: [1, 2, 0, 8] },
  ].map(({ name, sizes }) => ({
    name,
    shapes: [sizes, sizes, sizes],
    apply: (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => attention(q, k, v, causal),
  })),
  { name: 'splitHeads', shapes: [[0, 5, 24]], apply: x => splitHeads(x, { heads: 2 }) },
  { name: 'rmsNorm of no rows', shapes: [[0, 5], [5]], apply: (x, gain) => rmsNorm(x, gain) },
  { name: 'rmsNorm of no channels', shapes: [[3, 0], [0]], apply: (x, gain) => rmsNorm(x, gain) },
  { name: 'layerNorm', shapes: [[0, 5], [5], [5]], apply: (x, gain, bias) => layerNorm(x, gain, bias) },
  ...[
    [0, 4, 4, 4],
    [2, 0, 4, 4],
  ].map(shape => ({
    name: `groupNorm of ${shape}`,
    shapes: [shape, [4], [4]],
    apply: (x: tf.Tensor, gain: tf.Tensor, bias: tf.Tensor) => groupNorm(x, gain, bias, 2),
    unknownToCpu: true,
  })),
  { name: 'embedding of no ids', shapes: [[5, 3]], apply: table => embedding(table, tf.tensor1d([], 'int32')) },
  { name: 'embedding of no channels', shapes: [[5, 0]], apply: table => embedding(table, tf.tensor1d([1], 'int32')) },
  {
    name: 'linearCrossEntropy of no rows',
    shapes: [
      [0, 5],
      [7, 5],
    ],
    apply: (x, w) => linearCrossEntropy(x, w, tf.tensor1d([], 'int32'), { scale: 1 }),
  },
  {
    name: 'linearCrossEntropy of no channels',
    shapes: [
      [3, 0],
      [7, 0],
    ],
    apply: (x, w) => linearCrossEntropy(x, w, tf.tensor1d([1, -1, 2], 'int32'), { scale: 1 }),
  },
  { name: 'gumbelSoftmax', shapes: [[0, 4]], apply: x => gumbelSoftmax(x, noise) },
  { name: 'klToUniform', shapes: [[0, 4]], apply: x => klToUniform(x) },
  { name: 'gelu', shapes: [[0, 4]], apply: x => gelu(x) },
  { name: 'silu', shapes: [[0, 4]], apply: x => silu(x) },
  { name: 'swiglu of no rows', shapes: [[0, 4]], apply: x => swiglu(x) },
  { name: 'swiglu of no channels', shapes: [[3, 0]], apply: x => swiglu(x) },
  {
    name: 'dropoutAdd',
    shapes: [
      [0, 4],
      [0, 4],
    ],
    apply: (x, residual) => dropoutAdd(x, residual, { rate: 0.5, ...noise }),
  },
];

/** Shapes and values of the operation's outputs and its gradients by every input. */
async function evaluate({ shapes, apply }: Operation): Promise<{ shape: number[]; values: number[] }[]> {
  const random = new Random(7);
  const inputs = shapes.map(shape =>
    tf.tensor(random.normals(tf.util.sizeFromShape([...shape])), [...shape], 'float32'),
  );
  const { loss, aux, gradients } = valueAndGradients(() => {
    const outputs = [apply(...inputs)].flat();
    return { loss: tf.addN(outputs.map(y => tf.sum(tf.square(y)))), aux: outputs };
  }, inputs);
  const results = [...aux, ...(gradients as tf.Tensor[])]; // every input has one
  const values = await Promise.all(results.map(async t => ({ shape: t.shape, values: [...(await t.data())] })));
  tf.dispose([...inputs, ...results, loss]);
  return values;
}

const cases = (['native', 'wasm'] as const).flatMap(build =>
  noKernels[build] === undefined ? operations.map(operation => ({ build, ...operation })) : [],
);

test.skipIf(cases.length === 0).each(cases)('$name on $build', async ({ build, ...operation }) => {
  const backend = await useNative(build);
  backend.setThreads(2); // one thread divides less
  const ours = await evaluate(operation);
  if (operation.unknownToCpu) {
    for (const { values } of ours) expect(values).toEqual(values.map(() => 0));
    return;
  }
  await selectBackend('cpu');
  expect(ours).toEqual(await evaluate(operation));
});
