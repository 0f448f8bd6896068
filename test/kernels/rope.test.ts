/** @file splitHeads against loops written from its definition. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { definedKernels, run } from '../../src/kernels/registry.ts';
import { splitHeads } from '../../src/kernels/rope/rope.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../support.ts';
import { expectGradients, expectNoLeak, expectSameBits } from './gradients.ts';

interface Case {
  readonly B: number;
  readonly T: number;
  readonly heads: number;
  readonly D: number;
  readonly norm: boolean;
  readonly rotate: boolean;
  readonly offset?: number;
  readonly shift?: number;
}

const cases: readonly Case[] = [
  { B: 1, T: 1, heads: 1, D: 2, norm: false, rotate: false },
  { B: 2, T: 5, heads: 3, D: 6, norm: true, rotate: true, offset: 2 },
  { B: 2, T: 7, heads: 2, D: 16, norm: false, rotate: true },
  { B: 1, T: 17, heads: 4, D: 32, norm: true, rotate: false },
  { B: 3, T: 33, heads: 2, D: 64, norm: true, rotate: true, offset: 5 },
  { B: 1, T: 3, heads: 2, D: 80, norm: true, rotate: true },
  { B: 2, T: 9, heads: 2, D: 16, norm: true, rotate: true, offset: 3, shift: 14 },
  { B: 1, T: 4, heads: 3, D: 6, norm: false, rotate: true, shift: 1 },
  { B: 2, T: 3, heads: 5, D: 3, norm: true, rotate: false },
  { B: 1, T: 3, heads: 1, D: 260, norm: true, rotate: true },
  { B: 1, T: 2, heads: 100, D: 6, norm: true, rotate: true },
  { B: 3, T: 350, heads: 1, D: 2, norm: true, rotate: true },
];

function angles(rows: number, D: number): { cos: tf.Tensor; sin: tf.Tensor } {
  const values = Array.from({ length: (rows * D) / 2 }, (_, i) => Math.floor(i / (D / 2)) / 10 ** (i % (D / 2)));
  return {
    cos: tf.tensor(values.map(Math.cos), [rows, D / 2], 'float32'),
    sin: tf.tensor(values.map(Math.sin), [rows, D / 2], 'float32'),
  };
}

function optionsOf({ T, D, heads, norm, rotate, offset = 0, shift = 0 }: Case) {
  return {
    heads,
    offset,
    shift,
    ...(rotate ? angles(T + offset + shift + 1, D) : {}),
    ...(norm ? { qGain: normal([D], 7), kGain: normal([D], 8) } : {}),
  };
}

onEveryBackend('splitHeads equals a loop over heads and pairs', async () => {
  for (const one of cases) {
    const { B, T, heads, D, norm, rotate, offset = 0, shift = 0 } = one;
    const qkv = normal([B, T, 3 * heads * D], 3);
    const options = optionsOf(one);
    const xs = await qkv.data();
    const gains = norm ? [await options.qGain!.data(), await options.kGain!.data()] : [];
    const [cos, sin] = rotate ? [await options.cos!.data(), await options.sin!.data()] : [];
    const outputs = splitHeads(qkv, options);
    for (let part = 0; part < 3; part++) {
      const expected: number[] = [];
      for (let b = 0; b < B; b++) {
        for (let h = 0; h < heads; h++) {
          for (let t = 0; t < T; t++) {
            const at = ((b * T + t) * 3 + part) * heads * D + h * D;
            let row = Array.from(xs.slice(at, at + D));
            if (part < 2 && norm) {
              const scale = 1 / Math.sqrt(row.reduce((a, x) => a + x * x, 0) / D + 1e-6);
              row = row.map((x, i) => x * scale * gains[part][i]);
            }
            if (part < 2 && rotate) {
              row = row.map((x, i) => {
                const at = ((t + offset + (part === 0 ? shift : 0)) * D) / 2 + Math.floor(i / 2);
                return i % 2 === 0 ? x * cos![at] - row[i + 1] * sin![at] : x * cos![at] + row[i - 1] * sin![at];
              });
            }
            expected.push(...row);
          }
        }
      }
      expect(outputs[part].shape).toEqual([B, heads, T, D]);
      expectAllclose(await outputs[part].data(), expected, { relative: 1e-5, absolute: 1e-5 });
    }
  }
});

onEveryBackend('gradients of splitHeads', async backend => {
  for (const one of cases) {
    const { B, T, heads, D, norm, rotate, offset = 0, shift = 0 } = one;
    const name = `SplitHeads${norm ? 'Norm' : ''}${rotate ? 'Rotate' : ''}`;
    const table = rotate ? angles(T + offset + shift + 1, D) : {};
    await expectGradients({
      backend,
      fused: (qkv, qGain, kGain) => splitHeads(qkv, { heads, offset, shift, qGain, kGain, ...table }),
      plain: (qkv, qGain, kGain) => {
        const { reference } = definedKernels().get(name)!;
        return reference({ qkv, qGain, kGain, ...table }, { heads, offset, shift, eps: 1e-6 });
      },
      inputs: [normal([B, T, 3 * heads * D], 3), ...(norm ? [normal([D], 7), normal([D], 8)] : [])],
      step: T > 10 || heads * D > 200 ? 0 : 3e-3,
    });
  }
});

onEveryBackend('an unused output has no gradient to give', async () => {
  const qkv = normal([1, 2, 12], 1);
  const gradient = tf.grad(x => tf.sum(tf.square(splitHeads(x, { heads: 1 })[1])))(qkv);
  const expected = (await qkv.data()).map((x, i) => (i % 12 >= 4 && i % 12 < 8 ? 2 * x : 0));
  expectAllclose(await gradient.data(), expected);
});

onEveryBackend('splitHeads leaves no tensors behind', async () => {
  const qkv = normal([2, 3, 24], 1);
  const options = optionsOf({ B: 2, T: 3, heads: 2, D: 4, norm: true, rotate: true });
  await expectNoLeak(() => {
    for (const x of splitHeads(qkv, options)) x.dispose();
    tf.grad(x => tf.addN(splitHeads(x, options).map(y => tf.sum(y))))(qkv).dispose();
  });
});

test('splitHeads gradients on native give the same bits twice', async () => {
  await useNative();
  const one = { B: 4, T: 100, heads: 4, D: 32, norm: true, rotate: true };
  const { heads, offset, shift, ...tensors } = optionsOf(one);
  const inputs = { qkv: normal([4, 100, 384], 1), ...tensors } as Record<string, tf.Tensor>;
  const [dq, dk, dv] = [2, 3, 4].map(seed => normal([4, 4, 100, 32], seed));
  await expectSameBits(() =>
    run('SplitHeadsNormRotateGrad', { ...inputs, dq, dk, dv }, { heads, offset, shift, eps: 1e-6 }),
  );
});

test('what does not fit is named', async () => {
  await useNative();
  expect(() => splitHeads(normal([1, 2, 10], 1), { heads: 2 })).toThrow(/3 \* 2 heads \* D, got 10/);
  expect(() => splitHeads(normal([1, 9, 12], 1), { heads: 1, ...angles(8, 4) })).toThrow(/0 \+ 9 rows or more, got 8/);
  const short = { heads: 1, shift: 2, ...angles(10, 4) };
  expect(() => splitHeads(normal([1, 9, 12], 1), short)).toThrow(/2 \+ 9 rows or more, got 10/);
  expect(() => splitHeads(normal([1, 9, 12], 1), { heads: 1, cos: normal([9, 2], 1) })).toThrow(/one of a pair/);
});
