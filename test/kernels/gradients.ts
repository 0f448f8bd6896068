/** @file Gradients of a fused operation against tfjs's own of a plain composition (on cpu) and against differences. */
import * as tf from '@tensorflow/tfjs-core';
import { selectBackend } from '../../src/device/backends.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { expectAllclose, finiteDifferences, normal, type Tolerance } from '../support.ts';

export type Operation = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

export interface GradientCheck {
  readonly backend: string;
  /** The operation under test. */
  readonly fused: Operation;
  /** The same mathematics in operations that tfjs can differentiate. */
  readonly plain: Operation;
  /** Differentiated by each of them. */
  readonly inputs: readonly tf.Tensor[];
  readonly tolerance?: Tolerance;
  /** Step of the differences; 0 leaves them out. */
  readonly step?: number;
}

/** The outputs weighted by fixed random numbers and summed, so that no gradient vanishes by symmetry. */
function weighted(operation: Operation, inputs: readonly tf.Tensor[]): tf.Tensor {
  return tf.tidy(() => {
    const y = operation(...inputs);
    const terms = (Array.isArray(y) ? y : [y]).map((out, i) => tf.sum(tf.mul(out, normal(out.shape, 1000 + i))));
    return tf.addN(terms);
  });
}

/** Fails unless the fused operation's outputs and gradients agree with the plain ones, and with differences. */
export async function expectGradients(check: GradientCheck): Promise<void> {
  const { backend, fused, plain, inputs, tolerance = { relative: 1e-4, absolute: 1e-5 }, step = 1e-2 } = check;
  const raw = await Promise.all(inputs.map(async x => ({ values: Float32Array.from(await x.data()), shape: x.shape })));
  const copies = () => raw.map(({ values, shape }) => tf.tensor(values, shape));

  await selectBackend('cpu');
  const plainInputs = copies();
  const plainValue = weighted(plain, plainInputs);
  const plainGradients = tf.grads((...xs: tf.Tensor[]) => weighted(plain, xs) as tf.Scalar)(plainInputs);
  const [value] = await plainValue.data();
  const expected = await Promise.all(plainGradients.map(g => g.data()));
  for (const x of [...plainInputs, ...plainGradients, plainValue]) x.dispose();
  await selectBackend(backend as 'cpu', { precision: 'fp32' });

  const fusedInputs = copies();
  const { loss, gradients } = valueAndGradients(() => ({ loss: weighted(fused, fusedInputs) }), fusedInputs);
  expectAllclose(await loss.data(), [value], { relative: 1e-4, absolute: 1e-4 });
  for (let i = 0; i < inputs.length; i++) {
    const actual = await (gradients[i] as tf.Tensor).data();
    expectAllclose(actual, expected[i], tolerance);
    if (step === 0) continue;
    const { indices, derivatives } = await finiteDifferences(
      x => weighted(fused, fusedInputs.with(i, x)),
      fusedInputs[i],
      { step, samples: 4 },
    );
    expectAllclose(
      indices.map(index => actual[index]),
      derivatives,
      { relative: 3e-2, absolute: 3e-2 },
    );
  }
  for (const x of [...fusedInputs, ...gradients, loss]) x?.dispose();
}

/** Fails if running the body leaves tensors behind. */
export async function expectNoLeak(body: () => Promise<void> | void): Promise<void> {
  const before = tf.memory().numTensors;
  await body();
  const left = tf.memory().numTensors - before;
  if (left !== 0) throw new Error(`${left} tensors left behind`);
}

/** Fails unless the body gives the same bits twice. */
export async function expectSameBits(body: () => tf.Tensor[]): Promise<void> {
  const first = body();
  const again = body();
  for (let i = 0; i < first.length; i++) {
    const [a, b] = [await first[i].data(), await again[i].data()];
    if (Buffer.compare(Buffer.from(a.slice().buffer), Buffer.from(b.slice().buffer)) !== 0) {
      throw new Error(`output ${i} differs between two runs`);
    }
    first[i].dispose();
    again[i].dispose();
  }
}
