/** @file Problems for attention, and what it is: a loop over pairs of positions in double precision, masks included. */
import type * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../src/core/random.ts';
import { type AttentionMask, Mask } from '../../src/kernels/attention/mask.ts';
import { normal } from '../support.ts';

/** A causal mask whose image part sees only its own column: rows of text, then a grid. */
export function columnMask(text: number, width: number, T: number): AttentionMask {
  const table = new Uint8Array(T * T);
  for (let i = 0; i < T; i++) {
    for (let j = 0; j <= i; j++) table[i * T + j] = j < text || (i - j) % width === 0 ? 1 : 0;
  }
  return new Mask(`column ${text} ${width} ${T}`, table);
}

/** Entries at random, not causal: nothing about them can be guessed from the tiles around. */
export function randomMask(T: number, share: number): AttentionMask {
  const random = new Random(5);
  const table = Uint8Array.from({ length: T * T }, (_, i) => (i % (T + 1) === 0 || random.uniform() < share ? 1 : 0));
  return new Mask(`random ${T} ${share}`, table);
}

/** Both ways, but only so far: most squares of the table are empty. */
export function bandMask(T: number, reach: number): AttentionMask {
  const table = Uint8Array.from({ length: T * T }, (_, at) =>
    Math.abs(Math.floor(at / T) - (at % T)) < reach ? 1 : 0,
  );
  return new Mask(`band ${T} ${reach}`, table);
}

export interface Case {
  readonly B: number;
  readonly H: number;
  readonly Tq: number;
  readonly Tk: number;
  readonly D: number;
  readonly mask: AttentionMask;
}

export const causal: AttentionMask = 'causal';
export const none: AttentionMask = 'none';

function visible(mask: AttentionMask, position: number, j: number): boolean {
  if (mask === 'none') return true;
  if (mask === 'causal') return j <= position;
  return mask.table[position * Math.sqrt(mask.table.length) + j] === 1;
}

/** One score, one exponential, one sum at a time, in double precision. */
export function naive(q: ArrayLike<number>, k: ArrayLike<number>, v: ArrayLike<number>, one: Case): Float64Array {
  const y = new Float64Array(one.B * one.Tq * one.H * one.D);
  eachQuery(q, k, one, ({ keys, weights, out }) => {
    keys.forEach((key, n) => {
      for (let d = 0; d < one.D; d++) y[out + d] += weights[n] * v[key + d];
    });
  });
  return y;
}

/** dq, dk and dv, likewise: the softmax's derivative is P (dP - sum of P dP). */
export function naiveGradients(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  v: ArrayLike<number>,
  dy: ArrayLike<number>,
  one: Case,
): Float64Array[] {
  const { D } = one;
  const [dq, dk, dv] = [q, k, v].map(x => new Float64Array(x.length));
  eachQuery(q, k, one, ({ query, keys, weights, out }) => {
    const dWeights = keys.map(key => {
      let dot = 0;
      for (let d = 0; d < D; d++) dot += dy[out + d] * v[key + d];
      return dot;
    });
    const delta = dWeights.reduce((sum, dWeight, n) => sum + weights[n] * dWeight, 0);
    keys.forEach((key, n) => {
      const slope = (weights[n] * (dWeights[n] - delta)) / Math.sqrt(D);
      for (let d = 0; d < D; d++) {
        dq[query + d] += slope * k[key + d];
        dk[key + d] += slope * q[query + d];
        dv[key + d] += weights[n] * dy[out + d];
      }
    });
  });
  return [dq, dk, dv];
}

/** A query and what it sees: where rows start in q, in k and v, and in y. */
interface Query {
  readonly query: number;
  readonly keys: readonly number[];
  readonly weights: readonly number[];
  readonly out: number;
}

function eachQuery(q: ArrayLike<number>, k: ArrayLike<number>, one: Case, visit: (query: Query) => void): void {
  const { B, H, Tq, Tk, D, mask } = one;
  for (let bh = 0; bh < B * H; bh++) {
    for (let i = 0; i < Tq; i++) {
      const query = (bh * Tq + i) * D;
      const seen = [...Array(Tk).keys()].filter(j => visible(mask, Tk - Tq + i, j));
      const keys = seen.map(j => (bh * Tk + j) * D);
      const scores = keys.map(key => {
        let dot = 0;
        for (let d = 0; d < D; d++) dot += q[query + d] * k[key + d];
        return dot / Math.sqrt(D);
      });
      const largest = Math.max(...scores);
      const powers = scores.map(s => Math.exp(s - largest));
      const total = powers.reduce((a, b) => a + b, 0);
      const out = (Math.floor(bh / H) * Tq + i) * H * D + (bh % H) * D;
      visit({ query, keys, weights: powers.map(power => power / total), out });
    }
  }
}

export function inputsOf({ B, H, Tq, Tk, D }: Case, deviation = 1): tf.Tensor[] {
  return [normal([B, H, Tq, D], 1, deviation), normal([B, H, Tk, D], 2, deviation), normal([B, H, Tk, D], 3)];
}
