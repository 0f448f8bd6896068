/** @file Adversarial losses against values computed by hand, the formulas in double precision, and differences. */
import '@tensorflow/tfjs-layers'; // tfjs's own gradients
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { ShapeError } from '../../../src/core/errors.ts';
import {
  discriminatorTerms,
  type GanLoss,
  generatorTerms,
  mismatchTerms,
} from '../../../src/families/gan/adversarial.ts';
import { expectAllclose, finiteDifferences, normal, onEveryBackend } from '../../support.ts';

const kinds: readonly GanLoss[] = ['minimax', 'nonsaturating', 'hinge', 'relativistic'];
const LN2 = Math.LN2;

/** Losses at D(real) = a, D(fake) = b, D(real, another caption) = m, worked out by hand. */
const byHand: readonly {
  readonly at: readonly [a: number, b: number, m: number];
  readonly values: Readonly<Record<GanLoss, readonly [discriminator: number, generator: number, mismatch: number]>>;
}[] = [
  {
    at: [0, 0, 0],
    values: {
      minimax: [2 * LN2, -LN2, LN2],
      nonsaturating: [2 * LN2, LN2, LN2],
      hinge: [2, 0, 1],
      relativistic: [LN2, LN2, LN2],
    },
  },
  {
    // softplus(ln 3) = ln 4, softplus(-ln 3) = ln(4/3), softplus(ln 7) = ln 8, softplus(-ln 7) = ln(8/7)
    at: [Math.log(3), Math.log(7), -Math.log(3)],
    values: {
      minimax: [Math.log(4 / 3) + Math.log(8), -Math.log(8), Math.log(4 / 3)],
      nonsaturating: [Math.log(4 / 3) + Math.log(8), Math.log(8 / 7), Math.log(4 / 3)],
      hinge: [1 + Math.log(7), -Math.log(7), 0],
      relativistic: [Math.log(10 / 3), Math.log(10 / 7), Math.log(10 / 9)],
    },
  },
  {
    at: [-0.5, -2, 0.25],
    values: {
      minimax: [0.974076984 + 0.126928011, -0.126928011, 0.82593942],
      nonsaturating: [0.974076984 + 0.126928011, 2.126928011, 0.82593942],
      hinge: [1.5, 2, 1.25],
      relativistic: [0.201413278, 1.701413278, 1.136871006],
    },
  },
  {
    // Where exp overflows or underflows in float32.
    at: [-200, 300, 100],
    values: {
      minimax: [500, -300, 100],
      nonsaturating: [500, 0, 100],
      hinge: [201 + 301, -300, 101],
      relativistic: [500, 0, 300],
    },
  },
];

onEveryBackend('adversarial losses have the values worked out by hand', async () => {
  for (const { at, values } of byHand) {
    const [a, b, m] = at.map(x => tf.fill([2, 1], x));
    for (const kind of kinds) {
      const terms = [discriminatorTerms(kind, a, b), generatorTerms(kind, b, a), mismatchTerms(kind, a, m)];
      for (let i = 0; i < 3; i++) {
        expect(terms[i].shape).toEqual([2, 1]);
        const expected = values[kind][i];
        expectAllclose(await terms[i].data(), [expected, expected], { relative: 1e-6, absolute: 1e-6 });
      }
      tf.dispose(terms);
    }
    tf.dispose([a, b, m]);
  }
});

onEveryBackend('adversarial losses have the gradients of their differences', async () => {
  const a = normal([6], 1, 1.5);
  const b = normal([6], 2, 1.5);
  const losses: ((x: tf.Tensor, y: tf.Tensor, kind: GanLoss) => tf.Tensor)[] = [
    (x, y, kind) => tf.sum(discriminatorTerms(kind, x, y)),
    (x, y, kind) => tf.sum(generatorTerms(kind, y, x)),
    (x, y, kind) => tf.sum(mismatchTerms(kind, x, y)),
  ];
  for (const kind of kinds) {
    for (const loss of losses) {
      for (const swap of [false, true]) {
        const f = (x: tf.Tensor) => (swap ? loss(a, x, kind) : loss(x, b, kind));
        const at = swap ? b : a;
        const { derivatives, indices } = await finiteDifferences(f, at, { step: 1e-2 });
        const gradient = tf.grad(x => tf.add(f(x), tf.sum(tf.mul(x, 0))))(at);
        const values = await gradient.data();
        expectAllclose(
          indices.map(i => values[i]),
          derivatives,
          { relative: 1e-3, absolute: 1e-3 },
        );
        gradient.dispose();
      }
    }
  }
  tf.dispose([a, b]);
});

onEveryBackend('logits that do not pair are refused', () => {
  expect(() => discriminatorTerms('relativistic', tf.zeros([2, 1]), tf.zeros([2]))).toThrow(ShapeError);
  expect(() => generatorTerms('hinge', tf.zeros([2]), tf.zeros([3]))).toThrow('generatorTerms: fake');
});
