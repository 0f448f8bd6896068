/** @file Many trainings in one batch: each must be what it would be alone, and its optimizer what Adam's formula says. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { LaneAdam } from '../../scripts/studies/stability/adam.ts';
import { discriminatorLoss } from '../../scripts/studies/stability/gan.ts';
import { Lanes } from '../../scripts/studies/stability/lanes.ts';
import {
  firstWeights,
  forward,
  forwardWithSlopes,
  inputGradient,
  orthogonal,
} from '../../scripts/studies/stability/mlp.ts';
import { families } from '../../scripts/studies/stability/ring-families.ts';
import { Random } from '../../src/core/random.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { expectAllclose, finiteDifferences, normal, useNative } from '../support.ts';

const size = { batch: 8, width: 8 };

/** Samples of each lane after a few steps. */
async function trained(name: string, lanes: Lanes, steps = 6): Promise<Float32Array[]> {
  const learner = families.find(family => family.name === name)?.make({ lanes, ...size });
  if (learner === undefined) throw new Error(`no family ${name}`);
  for (let step = 0; step < steps; step++) await learner.train(step);
  const points = await learner.sample(20);
  const values = (await points.data()) as Float32Array;
  tf.dispose(points);
  learner.dispose();
  return lanes.all.map((_, r) => values.slice(r * 40, (r + 1) * 40));
}

describe('lanes', () => {
  test.each([
    'tanh-minimax-predicted',
    'relativistic-r1r2-predicted',
    'hinge-r1',
    'tokens',
    'diffusion',
    'flow',
    'nce',
    'jem',
  ])('a run of %s is the same alone and among others', async name => {
    await useNative();
    const together = Lanes.grid([1e-3, 1e-2], [3, 4]);
    const all = await trained(name, together);
    for (const r of [1, 2]) {
      const [alone] = await trained(name, new Lanes([together.all[r]]));
      expectAllclose(alone, all[r], { relative: 1e-3, absolute: 1e-4 });
    }
    expect([...all[0]]).not.toEqual([...all[1]]); // another seed
    expect([...all[0]]).not.toEqual([...all[2]]); // another rate
  });

  test('a run that overflows leaves the others as they are', async () => {
    await useNative();
    const [, fine] = await trained(
      'diffusion',
      new Lanes([
        { lr: 1e30, seed: 0 },
        { lr: 1e-3, seed: 0 },
      ]),
    );
    const [alone] = await trained('diffusion', new Lanes([{ lr: 1e-3, seed: 0 }]));
    const [broken] = await trained('diffusion', new Lanes([{ lr: 1e30, seed: 0 }]));
    expect(broken.some(value => !Number.isFinite(value))).toBe(true);
    expectAllclose(fine, alone, { relative: 1e-3, absolute: 1e-4 });
  });

  test('nothing is left in memory', async () => {
    await useNative();
    for (const { name } of families) {
      const before = tf.memory().numTensors;
      const lanes = Lanes.grid([1e-3], [0, 1]);
      await trained(name, lanes, 2);
      lanes.dispose();
      expect({ name, left: tf.memory().numTensors - before }).toEqual({ name, left: 0 });
    }
  });
});

describe('the optimizer of lanes', () => {
  test("is Adam's formula with each lane's rate, its average and its look-ahead", async () => {
    await useNative();
    const rates = [1e-3, 3e-2];
    const lanes = new Lanes(rates.map(lr => ({ lr, seed: 0 })));
    const [beta1, beta2, decay, steps] = [0.5, 0.9, 0.2, 5];
    const start = [0.3, -0.7, 1.1, 0.02, 0.5, -0.4];
    const adam = new LaneAdam(lanes, [tf.tensor(start, [2, 1, 3])], { beta1, beta2, ema: decay, predict: true });
    expect([...(await adam.ahead[0].data())]).toEqual([...(await adam.weights[0].data())]);
    const plain = start.map(value => ({ value, m: 0, v: 0, ema: value, before: value }));
    for (let t = 1; t <= steps; t++) {
      const gradient = Array.from({ length: 6 }, (_, i) => Math.sin(i + 2.3 * t));
      adam.step([tf.tensor(gradient, [2, 1, 3])]);
      plain.forEach((slot, i) => {
        slot.before = slot.value;
        slot.m = beta1 * slot.m + (1 - beta1) * gradient[i];
        slot.v = beta2 * slot.v + (1 - beta2) * gradient[i] ** 2;
        const [m, v] = [slot.m / (1 - beta1 ** t), slot.v / (1 - beta2 ** t)];
        slot.value -= (rates[Math.floor(i / 3)] * m) / (Math.sqrt(v) + 1e-8);
        const kept = Math.min(decay, (1 + t) / (10 + t));
        slot.ema = kept * slot.ema + (1 - kept) * slot.value;
      });
    }
    expectAllclose(
      await adam.weights[0].data(),
      plain.map(({ value }) => value),
      { relative: 1e-5, absolute: 1e-6 },
    );
    expectAllclose(
      await adam.average()[0].data(),
      plain.map(({ ema }) => ema),
      { relative: 1e-5, absolute: 1e-6 },
    );
    const ahead = plain.map(({ value, before }) => 2 * value - before);
    expectAllclose(await adam.ahead[0].data(), ahead, { relative: 1e-5, absolute: 1e-6 });
  });
});

describe('the networks of lanes', () => {
  const lanes = Lanes.grid([1e-3], [5, 6]);
  const weightsOf = () => firstWeights(lanes, { sizes: [2, 8, 8, 1], bend: 'lrelu', start: 'he' }, 'test');

  test('orthogonal weights have orthonormal rows or columns', () => {
    for (const [rows, columns] of [
      [2, 6],
      [6, 2],
      [5, 5],
    ] as const) {
      const w = orthogonal(new Random(1), rows, columns);
      const count = Math.min(rows, columns);
      const entry = (k: number, i: number) => (rows <= columns ? w[k * columns + i] : w[i * columns + k]);
      for (let a = 0; a < count; a++) {
        for (let b = 0; b < count; b++) {
          let sum = 0;
          for (let i = 0; i < Math.max(rows, columns); i++) sum += entry(a, i) * entry(b, i);
          expect(sum).toBeCloseTo(a === b ? 1 : 0, 5);
        }
      }
    }
  });

  test('the gradient by the input is what the tape says', async () => {
    await useNative();
    const [weights, x] = [weightsOf(), normal([2, 5, 2], 8)];
    const { slopes } = forwardWithSlopes(weights, x);
    const taped = valueAndGradients(() => ({ loss: tf.sum(forward(weights, x, 'lrelu')) }), [x]).gradients[0];
    expectAllclose(await inputGradient(weights, slopes).data(), await (taped as tf.Tensor).data(), { absolute: 1e-5 });
  });

  test.each([
    { r1: 0.3, r2: 0 },
    { r1: 0, r2: 0.3 },
    { r1: 0.3, r2: 0.3 },
    { r1: 0.3, r2: 0.7 },
  ])(
    "D's loss with R1 $r1 and R2 $r2 has the value of its parts and the gradient of differences",
    async ({ r1, r2 }) => {
      await useNative();
      const weights = weightsOf();
      const [real, fake] = [normal([2, 5, 2], 9), normal([2, 5, 2], 10)];
      const spec = { loss: 'relativistic', bend: 'lrelu', r1, r2 } as const;
      const { loss, gradients } = valueAndGradients(
        () => ({ loss: discriminatorLoss(spec, weights, real, fake) }),
        weights,
      );
      const squares = async (x: tf.Tensor) => {
        const g = valueAndGradients(() => ({ loss: tf.sum(forward(weights, x, 'lrelu')) }), [x])
          .gradients[0] as tf.Tensor;
        return (await tf.sum(tf.square(g)).data())[0];
      };
      const plain = discriminatorLoss({ ...spec, r1: 0, r2: 0 }, weights, real, fake);
      const expected =
        (await plain.data())[0] + ((r1 / 2) * (await squares(real)) + (r2 / 2) * (await squares(fake))) / 5;
      expect((await loss.data())[0]).toBeCloseTo(expected, 4);
      // A small step stays within one piece of the network nearly everywhere.
      for (const at of [0, 2, 3, 4]) {
        const f = (w: tf.Tensor) => discriminatorLoss(spec, weights.with(at, w), real, fake);
        const { indices, derivatives } = await finiteDifferences(f, weights[at], { step: 2e-3, samples: 8 });
        const values = await (gradients[at] as tf.Tensor).data();
        expectAllclose(
          indices.map(i => values[i]),
          derivatives,
          { relative: 2e-2, absolute: 5e-3 },
        );
      }
    },
  );
});
