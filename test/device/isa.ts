/**
 * @file Run by isa.test.ts in a process of its own: loads one build of the addon and compares fused operations, forward
 * and backward, whole models and what they paint with tfjs's cpu backend. Prints one line.
 */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../src/core/random.ts';
import type { InstructionSet } from '../../src/device/native/addon.ts';
import { registerAddon, registerWasm } from '../../src/device/native/load.ts';
import type { ModelConfig } from '../../src/families/transformer/config.ts';
import { generate, imagesOfSeed } from '../../src/families/transformer/generate.ts';
import { leakySlope } from '../../src/kernels/activation/activation.ts';
import { attention } from '../../src/kernels/attention/attention.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { conv2d, convTranspose2d } from '../../src/kernels/conv/conv.ts';
import { upsample2x } from '../../src/kernels/grid/grid.ts';
import { linearCrossEntropy } from '../../src/kernels/headloss/headloss.ts';
import { linear } from '../../src/kernels/linear/linear.ts';
import { groupNorm } from '../../src/kernels/norm/norm.ts';
import { doubleSmoothly, halveSmoothly } from '../../src/kernels/resample/resample.ts';
import { shiftImages } from '../../src/kernels/shift/shift.ts';
import { batchOf, caption, configs, randomModel } from '../families/transformer/tiny-model.ts';

const instructionSet = process.argv[2] as InstructionSet;
/** What it is built for. */
const ours = instructionSet === 'wasm' ? 'wasm' : 'native';

interface Operation {
  readonly name: string;
  readonly shapes: readonly number[][];
  readonly apply: (...inputs: tf.Tensor[]) => tf.Tensor;
}

const operations: readonly Operation[] = [
  ...[1, 2, 5, 16, 17, 31, 33, 130].flatMap(M =>
    [
      [1, 1],
      [3, 5],
      [17, 31],
      [33, 65],
      [65, 17],
      [129, 300],
    ].map(([N, K]) => ({
      name: `linear ${M} x ${N} x ${K}`,
      shapes: [[M, K], [N, K], [N], [M, N]],
      apply: (x: tf.Tensor, w: tf.Tensor, bias: tf.Tensor, residual: tf.Tensor) =>
        linear(x, w, { bias, residual, activation: (['gelu', 'silu', 'relu', 'lrelu'] as const)[M % 4] }),
    })),
  ),
  ...[true, false].flatMap(transposeA =>
    [true, false].map(transposeB => ({
      name: `matMul ${transposeA} ${transposeB}`,
      shapes: [
        [3, ...(transposeA ? [17, 33] : [33, 17])],
        [3, ...(transposeB ? [31, 17] : [17, 31])],
      ],
      apply: (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b, transposeA, transposeB),
    })),
  ),
  ...[
    [1, 1, 1],
    [9, 17, 33],
    [700, 9, 70],
  ].map(([M, C, V]) => ({
    name: `linearCrossEntropy ${M} x ${V} x ${C}`,
    shapes: [
      [M, C],
      [V, C],
    ],
    apply: (hidden: tf.Tensor, weight: tf.Tensor) => {
      const targets = Int32Array.from({ length: M }, (_, i) => (i % 5 === 4 ? -1 : (7 * i) % V));
      return linearCrossEntropy(hidden, weight, tf.tensor1d(targets, 'int32'), { scale: 1 / M, zLoss: 0.01 });
    },
  })),
  ...([1, 2] as const).flatMap(stride =>
    [3, 16, 33].map(C => ({
      name: `conv2d ${C} / ${stride}`,
      shapes: [[2, 7, 9, C], [19, 3, 3, C], [19]],
      apply: (x: tf.Tensor, w: tf.Tensor, bias: tf.Tensor) => conv2d(x, w, { bias, stride, activation: 'silu' }),
    })),
  ),
  { name: 'upsample2x', shapes: [[2, 3, 5, 7]], apply: x => upsample2x(x) },
  {
    name: 'convTranspose2d',
    shapes: [
      [2, 3, 5, 19],
      [19, 4, 4, 7],
    ],
    apply: (x: tf.Tensor, w: tf.Tensor) => convTranspose2d(x, w),
  },
  { name: 'doubleSmoothly', shapes: [[2, 3, 5, 7]], apply: x => doubleSmoothly(x) },
  { name: 'halveSmoothly', shapes: [[2, 6, 4, 19]], apply: x => halveSmoothly(x) },
  { name: 'shiftImages', shapes: [[2, 6, 4, 5]], apply: x => shiftImages(x, [1, -2, -3, 0]) },
  { name: 'leakySlope', shapes: [[5, 19]], apply: x => leakySlope(x, tf.sub(0.1, x)) },
  ...(['none', 'silu'] as const).map(activation => ({
    name: `groupNorm ${activation}`,
    shapes: [
      [2, 5, 3, 20],
      [2, 20],
      [2, 20],
    ],
    apply: (x: tf.Tensor, gain: tf.Tensor, bias: tf.Tensor) => groupNorm(x, gain, bias, 5, { activation }),
  })),
  ...[8, 32, 80].map(D => ({
    name: `attention ${D}`,
    shapes: [
      [2, 2, 37, D],
      [2, 2, 37, D],
      [2, 2, 37, D],
    ],
    apply: (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => attention(q, k, v, { mask: 'causal' }),
  })),
];

async function use(backend: string): Promise<void> {
  await tf.setBackend(backend);
  if (backend === ours) Object.assign(tf.backend(), { precision: 'fp32' });
}

/** The operation's value and its gradients by every input, on one backend. */
async function evaluate({ shapes, apply }: Operation, backend: string): Promise<Float32Array[]> {
  await use(backend);
  const random = new Random(7);
  const inputs = shapes.map(shape => tf.tensor(random.normals(tf.util.sizeFromShape(shape), 0.5), shape));
  const { loss, aux, gradients } = valueAndGradients(() => {
    const y = apply(...inputs);
    return { loss: tf.sum(tf.square(y)), aux: [y] };
  }, inputs);
  const results = [...aux, ...(gradients as tf.Tensor[])];
  const values = (await Promise.all(results.map(t => t.data()))) as Float32Array[];
  tf.dispose([...inputs, ...results, loss]);
  return values;
}

/** A model's loss, the gradients of all its parameters, and the codes and log-probabilities of what it paints. */
async function trainAndPaint(config: ModelConfig, backend: string): Promise<ArrayLike<number>[]> {
  await use(backend);
  const model = randomModel(config, 2);
  const { loss, gradients } = valueAndGradients(
    () => ({ loss: model.loss(batchOf([3, 5, 1], config), { random: new Random(1) }).loss }),
    model.parameters.list().map(({ variable }) => variable as tf.Tensor),
  );
  const results = [loss, ...(gradients as tf.Tensor[])];
  const values: ArrayLike<number>[] = await Promise.all(results.map(t => t.data() as Promise<Float32Array>));
  tf.dispose(results);
  const captions = [2, 4].map(length => caption(new Random(length), length, config));
  const images = imagesOfSeed(2, { imagesPerCaption: 3, seed: 4 });
  const painting = generate(model, { captions, images, cfgScale: 2, topK: 9, topP: 0.95 });
  for (;;) {
    const { done, value } = await painting.next();
    if (done === true) {
      values.push(value);
      break;
    }
    values.push(value.codes);
  }
  model.dispose();
  return values;
}

/** Throws at the first number that is not as close as `tolerance` to the other, of itself and of all of its kind. */
function compare(
  name: string,
  ours: readonly ArrayLike<number>[],
  theirs: readonly ArrayLike<number>[],
  tolerance: number,
) {
  ours.forEach((values, output) => {
    const wanted = Array.from(theirs[output]);
    const scale = Math.sqrt(wanted.reduce((sum, x) => sum + x * x, 0) / wanted.length) + 1e-3;
    wanted.forEach((x, i) => {
      if (!(Math.abs(values[i] - x) <= tolerance * (scale + Math.abs(x)))) {
        throw new Error(`${name}, output ${output}, entry ${i}: ${values[i]}, expected ${x}`);
      }
    });
  });
}

const reason = ours === 'wasm' ? await registerWasm() : registerAddon(instructionSet);
if (reason !== undefined) {
  console.log(`skipped ${instructionSet}: ${reason}`);
} else {
  tf.env().set('IS_NODE', false); // no advertisement on stderr
  let agree = 0;
  for (const operation of operations) {
    compare(operation.name, await evaluate(operation, ours), await evaluate(operation, 'cpu'), 5e-5);
    agree++;
  }
  for (const [name, config] of Object.entries(configs)) {
    compare(`the ${name} model`, await trainAndPaint(config, ours), await trainAndPaint(config, 'cpu'), 2e-4);
    agree++;
  }
  console.log(`${instructionSet}: ${agree} operations agree`);
}
