/**
 * @file Run by isa.test.ts in a process of its own: loads one build of the addon and compares fused operations, forward
 * and backward, with their reference on tfjs's cpu backend. Prints one line.
 */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type { InstructionSet } from '../../src/backends/addon.ts';
import { registerNative } from '../../src/backends/native.ts';
import { attention } from '../../src/kernels/attention.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { conv2d, upsample2x } from '../../src/kernels/conv.ts';
import { linear } from '../../src/kernels/linear.ts';
import { Random } from '../../src/random.ts';

const instructionSet = process.argv[2] as InstructionSet;

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
        linear(x, w, { bias, residual, activation: (['gelu', 'silu', 'relu'] as const)[M % 3] }),
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
  ...([1, 2] as const).flatMap(stride =>
    [3, 16, 33].map(C => ({
      name: `conv2d ${C} / ${stride}`,
      shapes: [[2, 7, 9, C], [19, 3, 3, C], [19]],
      apply: (x: tf.Tensor, w: tf.Tensor, bias: tf.Tensor) => conv2d(x, w, { bias, stride, activation: 'silu' }),
    })),
  ),
  { name: 'upsample2x', shapes: [[2, 3, 5, 7]], apply: x => upsample2x(x) },
  ...[8, 32, 80].map(D => ({
    name: `attention ${D}`,
    shapes: [
      [2, 2, 37, D],
      [2, 2, 37, D],
      [2, 2, 37, D],
    ],
    apply: (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => attention(q, k, v, { mask: { kind: 'causal' } }),
  })),
];

/** The operation's value and its gradients by every input, on one backend. */
async function evaluate({ shapes, apply }: Operation, backend: string): Promise<Float32Array[]> {
  await tf.setBackend(backend);
  if (backend === 'native') Object.assign(tf.backend(), { precision: 'fp32' });
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

const reason = registerNative(instructionSet);
if (reason !== undefined) {
  console.log(`skipped ${instructionSet}: ${reason}`);
} else {
  tf.env().set('IS_NODE', false); // no advertisement on stderr
  let agree = 0;
  for (const operation of operations) {
    const ours = await evaluate(operation, 'native');
    const theirs = await evaluate(operation, 'cpu');
    ours.forEach((values, output) => {
      const scale = Math.sqrt(theirs[output].reduce((sum, x) => sum + x * x, 0) / theirs[output].length) + 1e-3;
      values.forEach((value, i) => {
        if (!(Math.abs(value - theirs[output][i]) <= 5e-5 * scale + 5e-5 * Math.abs(theirs[output][i]))) {
          throw new Error(`${operation.name}, output ${output}, entry ${i}: ${value}, expected ${theirs[output][i]}`);
        }
      });
    });
    agree++;
  }
  console.log(`${instructionSet}: ${agree} operations agree`);
}
