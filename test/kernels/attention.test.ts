/** @file Attention against a loop over pairs of positions, masks included, and decoding against the whole sequence. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import {
  attention,
  attentionCached,
  createKvCache,
  disposeKvCache,
  gatherKvCache,
} from '../../src/kernels/attention/attention.ts';
import { Mask } from '../../src/kernels/attention/mask.ts';
import { definedKernels, run } from '../../src/kernels/registry.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../support.ts';
import { bandMask, type Case, causal, columnMask, inputsOf, naive, none, randomMask } from './attentioncases.ts';
import { expectGradients, expectNoLeak, expectSameBits } from './gradients.ts';

const cases: readonly Case[] = [
  { B: 1, H: 1, Tq: 1, Tk: 1, D: 1, mask: causal },
  { B: 2, H: 3, Tq: 5, Tk: 5, D: 3, mask: causal },
  { B: 2, H: 2, Tq: 17, Tk: 17, D: 16, mask: none },
  { B: 1, H: 2, Tq: 65, Tk: 65, D: 32, mask: causal },
  { B: 2, H: 1, Tq: 3, Tk: 70, D: 32, mask: causal },
  { B: 1, H: 2, Tq: 1, Tk: 129, D: 64, mask: causal },
  { B: 1, H: 1, Tq: 40, Tk: 129, D: 80, mask: none },
  { B: 1, H: 2, Tq: 131, Tk: 131, D: 64, mask: columnMask(20, 8, 140) },
  { B: 1, H: 1, Tq: 30, Tk: 131, D: 33, mask: columnMask(20, 8, 140) },
  { B: 1, H: 2, Tq: 150, Tk: 150, D: 16, mask: randomMask(150, 0.1) },
  { B: 1, H: 1, Tq: 150, Tk: 200, D: 128, mask: randomMask(200, 0.9) },
  { B: 1, H: 1, Tq: 67, Tk: 67, D: 96, mask: causal },
  { B: 1, H: 1, Tq: 130, Tk: 130, D: 4, mask: bandMask(130, 20) },
  { B: 2, H: 1, Tq: 17, Tk: 65, D: 20, mask: bandMask(130, 20) },
  { B: 1, H: 1, Tq: 9, Tk: 11, D: 200, mask: causal },
  { B: 1, H: 2, Tq: 1, Tk: 130, D: 20, mask: bandMask(130, 20) },
];

onEveryBackend('attention equals a loop over pairs', async () => {
  for (const one of cases) {
    const [q, k, v] = inputsOf(one);
    const expected = naive(await q.data(), await k.data(), await v.data(), one);
    const y = attention(q, k, v, { mask: one.mask });
    expect(y.shape).toEqual([one.B, one.Tq, one.H * one.D]);
    expectAllclose(await y.data(), expected, { relative: 1e-4, absolute: 2e-5 });
  }
});

onEveryBackend('large scores neither overflow nor lose the largest', async () => {
  const one = cases[3];
  const [q, k, v] = inputsOf(one, 12);
  const expected = naive(await q.data(), await k.data(), await v.data(), one);
  expectAllclose(await attention(q, k, v).data(), expected, { relative: 1e-3, absolute: 1e-3 });
});

onEveryBackend('gradients of attention', async backend => {
  for (const one of cases) {
    await expectGradients({
      backend,
      fused: (q, k, v) => attention(q, k, v, { mask: one.mask }),
      plain: (q, k, v) => {
        return definedKernels().get('Attention')!.reference({ q, k, v }, { mask: one.mask })[0];
      },
      inputs: inputsOf(one),
      tolerance: { relative: 1e-3, absolute: 1e-4 },
      step: one.Tk > 100 ? 0 : 3e-3,
    });
  }
});

onEveryBackend('decoding with the cache equals the whole sequence', async () => {
  const T = 45;
  for (const mask of [causal, columnMask(20, 5, 48)]) {
    for (const D of [8, 64]) {
      const one = { B: 2, H: 2, Tq: T, Tk: T, D, mask };
      const [q, k, v] = inputsOf(one);
      const whole = attention(q, k, v, { mask });
      const cache = createKvCache({ batch: 2, heads: 2, length: T + 1, headDim: D });
      const rows = (x: tf.Tensor, at: number, n: number) => tf.slice(x, [0, 0, at, 0], [-1, -1, n, -1]);
      let at = 0;
      for (const n of [20, 1, 1, 3, 1, 19]) {
        const y = attentionCached(rows(q, at, n), rows(k, at, n), rows(v, at, n), { mask, cache });
        const expected = tf.slice(whole, [0, at, 0], [-1, n, -1]);
        expectAllclose(await y.data(), await expected.data(), { relative: 1e-4, absolute: 1e-5 });
        at += n;
        expect(cache.length).toBe(at);
      }
      expect(() => attentionCached(rows(q, 0, 2), rows(k, 0, 2), rows(v, 0, 2), { cache })).toThrow(/at most 46/);
      disposeKvCache(cache);
    }
  }
});

onEveryBackend('one prefill serves several images', async () => {
  const one = { B: 2, H: 2, Tq: 6, Tk: 6, D: 8, mask: causal };
  const [q, k, v] = inputsOf(one);
  await expectNoLeak(async () => {
    const cache = createKvCache({ batch: 2, heads: 2, length: 9, headDim: 8 });
    attentionCached(q, k, v, { cache }).dispose();
    const rows = [0, 0, 1, 0, 1, 1];
    const shared = gatherKvCache(cache, rows);
    const news = [4, 5, 6].map(seed => normal([6, 2, 1, 8], seed));
    const y = attentionCached(news[0], news[1], news[2], { cache: shared });
    const values = await y.data();
    for (const [image, prefilled] of rows.entries()) {
      const single = tf.tidy(() => {
        const row = (x: tf.Tensor, i: number) => tf.slice(x, [i, 0, 0, 0], [1, -1, -1, -1]);
        const keys = tf.concat([row(k, prefilled), row(news[1], image)], 2);
        return attention(row(news[0], image), keys, tf.concat([row(v, prefilled), row(news[2], image)], 2));
      });
      const here = values.slice(image * 16, image * 16 + 16);
      expectAllclose(here, await single.data(), { relative: 1e-4, absolute: 1e-5 });
      single.dispose();
    }
    expect([cache.length, shared.length]).toEqual([6, 7]);
    expect(() => gatherKvCache(cache, [0, 2])).toThrow('expected rows from 0 to 1, got [0, 2]');
    for (const x of [...news, y]) x.dispose();
    disposeKvCache(cache);
    disposeKvCache(shared);
  });
});

onEveryBackend('attention leaves no tensors behind', async () => {
  const [q, k, v] = inputsOf(cases[1]);
  await expectNoLeak(() => {
    attention(q, k, v).dispose();
    for (const x of tf.grads((a, b, c) => tf.sum(attention(a, b, c)))([q, k, v])) x.dispose();
  });
});

test('attention on native gives the same bits twice', async () => {
  const backend = await useNative();
  for (const precision of ['fp32', 'bf16'] as const) {
    if (precision === 'bf16' && !backend.supportsBf16) continue;
    backend.precision = precision;
    for (const [B, T] of [
      [1, 300],
      [5, 80],
    ]) {
      const [q, k, v] = inputsOf({ B, H: 2, Tq: T, Tk: T, D: 64, mask: causal });
      await expectSameBits(() => run('Attention', { q, k, v }, { mask: 'causal' }));
      const [y, logsumexp] = run('Attention', { q, k, v }, { mask: 'causal' });
      const dy = normal([B, T, 128], 9);
      await expectSameBits(() => run('AttentionGrad', { q, k, v, y, logsumexp, dy }, { mask: 'causal' }));
    }
  }
});

test('bf16 operands stay within a hundredth of the size of the values', async ({ skip }) => {
  const backend = await useNative();
  if (!backend.supportsBf16) skip('this processor has no bf16');
  for (const one of cases) {
    const [q, k, v] = inputsOf(one);
    const dy = normal([one.B, one.Tq, one.H * one.D], 9);
    backend.precision = 'fp32';
    const y = attention(q, k, v, { mask: one.mask });
    const [exact, logsumexp] = run('Attention', { q, k, v }, { mask: one.mask });
    const gradients = run('AttentionGrad', { q, k, v, y: exact, logsumexp, dy }, { mask: one.mask });
    backend.precision = 'bf16';
    const rounded = attention(q, k, v, { mask: one.mask });
    const [coarse, coarseLse] = run('Attention', { q, k, v }, { mask: one.mask });
    const roundedGradients = run('AttentionGrad', { q, k, v, y: coarse, logsumexp: coarseLse, dy }, { mask: one.mask });
    const pairs = [[rounded, y], ...gradients.map((g, i) => [roundedGradients[i], g])];
    for (const [a, b] of pairs) {
      const [actual, expected] = [await a.data(), Array.from<number>(await b.data())];
      const size = Math.hypot(...expected);
      const error = Math.hypot(...expected.map((x, i) => x - actual[i]));
      expect(error).toBeLessThan(0.012 * size + 1e-3);
    }
  }
});

test('what does not fit is named', async () => {
  await useNative();
  const [q, k, v] = inputsOf({ B: 1, H: 1, Tq: 4, Tk: 3, D: 2, mask: causal });
  expect(() => attention(q, k, v)).toThrow(/no more queries than keys, got 4 and 3/);
  expect(() => attention(k, q, v)).toThrow(/attention: v: expected \[B, H, Tk, D\], got \[1, 1, 3, 2\]/);
  const small = new Mask('small', new Uint8Array(4).fill(1));
  expect(() => attention(k, k, v, { mask: small })).toThrow(/mask of 3 positions or more, got 2/);
  expect(() => new Mask('blind', new Uint8Array(9))).toThrow(/mask blind: position 0 may not attend to itself/);
  expect(() => new Mask('odd', new Uint8Array(7).fill(1))).toThrow(/mask odd: expected T \* T entries, got 7/);
});
