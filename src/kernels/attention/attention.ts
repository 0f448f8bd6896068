/**
 * @file Attention without a matrix of scores in memory: tiles of scores are made, exponentiated with a running maximum and
 * summed into the output, and made again in the backward pass from the saved logsumexp (Dao et al. 2022, FlashAttention,
 * Algorithms 2 and 4, arXiv:2205.14135). What may attend to what is one of three masks; tiles that a mask empties are
 * never computed.
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, ShapeError } from '../../core/errors.ts';
import {
  type KernelWork,
  type NamedNumbers,
  nativeCall,
  oneOf,
  optional,
  precisionNumber,
  reads,
  writes,
} from '../../device/native/calls.ts';
import type { NativeBackend } from '../../device/native/native.ts';
import { defineBuiltInKernel, run } from '../registry.ts';
import { type AttentionMask, Mask } from './mask.ts';
import { attentionGradWebgpu, attentionWebgpu } from './webgpu.ts';

const HEADS = 'B * H * Tq * D';
const KEYS = 'B * H * Tk * D';

/** Bytes of a table are transposed: whether the query at position p sees key j is at j * stride + p. */
const attentionNumbers = {
  B: 'size',
  H: 'size',
  Tq: 'size',
  Tk: 'size',
  D: 'size',
  mask: oneOf('MaskKind', ['none', 'causal', 'table']),
  stride: 'size',
  precision: precisionNumber,
} as const;

/** @param products of a pair's scores and values: two forward, four more for the gradient */
function attentionWork(products: number) {
  return ({ numbers: { B, H, Tq, Tk, D, mask } }: NamedNumbers<typeof attentionNumbers>): KernelWork => {
    // Tables are counted as causal, the most that they let through here.
    const pairs = mask === 'none' ? Tq * Tk : Tq * (Tk - Tq) + (Tq * (Tq + 1)) / 2;
    return { shape: `${B}x${H}x${Tq}x${Tk}x${D}`, flops: 2 * products * B * H * D * pairs };
  };
}

const attentionCall = nativeCall({
  kernel: 'attention',
  buffers: {
    q: reads(HEADS),
    k: reads(KEYS),
    v: reads(KEYS),
    table: optional(reads('Tk * stride', 'uint8')),
    y: writes(HEADS),
    logsumexp: writes('B * H * Tq'),
  },
  numbers: attentionNumbers,
  atMost: { 'Tq - Tk': 0 },
  work: attentionWork(2),
});

const attentionGradientCall = nativeCall({
  kernel: 'attentionGradient',
  buffers: {
    q: reads(HEADS),
    k: reads(KEYS),
    v: reads(KEYS),
    table: optional(reads('Tk * stride', 'uint8')),
    y: reads(HEADS),
    logsumexp: reads('B * H * Tq'),
    dy: reads(HEADS),
    dq: writes(HEADS),
    dk: writes(KEYS),
    dv: writes(KEYS),
  },
  numbers: attentionNumbers,
  atMost: { 'Tq - Tk': 0 },
  work: attentionWork(4),
});

export interface AttentionOptions {
  /** Default: causal. */
  readonly mask?: AttentionMask;
}

/**
 * Scaled dot-product attention, softmax(q kT / sqrt(D) + mask) v, heads merged on output.
 * Queries are the last Tq of Tk positions, so one call serves training (Tq = Tk) and decoding.
 * @param q [B, H, Tq, D]; @param k [B, H, Tk, D]; @param v [B, H, Tk, D], Tq <= Tk
 * @returns [B, Tq, H * D]. Saves q, k, v, the output and one logsumexp per row for the backward pass.
 * @throws ShapeError if B, H or D differ, Tq > Tk, or a mask's table is smaller than Tk
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const bound = expectShape('attention: q', q.shape, ['B', 'H', 'Tq', 'D']);
  expectShape('attention: k', k.shape, ['B', 'H', 'Tk', 'D'], bound);
  expectShape('attention: v', v.shape, ['B', 'H', 'Tk', 'D'], bound);
  const { mask = 'causal' } = options;
  expectPositions(mask, bound.Tk);
  if (bound.Tq > bound.Tk) {
    throw new ShapeError(`attention: expected no more queries than keys, got ${bound.Tq} and ${bound.Tk}`);
  }
  const [y, logsumexp] = run('Attention', { q, k, v }, { mask });
  logsumexp.dispose();
  return y;
}

/** Keys and values of the positions decoded so far, grown by `attentionCached`; the fused decoder has a cache of its own. */
export interface KvCache {
  /** Room for this many positions. */
  readonly capacity: number;
  /** Positions filled. */
  length: number;
  /** [B, H, length, D]. */
  k: Tensor;
  v: Tensor;
}

/**
 * An empty cache; its tensors outlive tidy scopes and are freed by `disposeKvCache`.
 * @param size B, H, most positions, D
 */
export function createKvCache(size: {
  readonly batch: number;
  readonly heads: number;
  readonly length: number;
  readonly headDim: number;
}): KvCache {
  const { batch, heads, length, headDim } = size;
  const empty = () => tf.keep(tf.zeros([batch, heads, 0, headDim]));
  return { capacity: length, length: 0, k: empty(), v: empty() };
}

/**
 * A new cache whose row i is row rows[i] of the given one, which stays as it is: one prefill serves several images.
 * @param rows numbers from 0 to B - 1, in any order, any of them more than once
 * @returns [rows, H, length, D], freed by `disposeKvCache`
 * @throws RangeError if a row is not in the cache
 */
export function gatherKvCache(cache: KvCache, rows: readonly number[]): KvCache {
  const [B] = cache.k.shape;
  if (!rows.every(row => Number.isInteger(row) && row >= 0 && row < B)) {
    throw new RangeError(`gatherKvCache: expected rows from 0 to ${B - 1}, got [${rows.join(', ')}]`);
  }
  const gather = (x: Tensor) => tf.keep(tf.tidy(() => tf.gather(x, tf.tensor1d([...rows], 'int32'))));
  return { capacity: cache.capacity, length: cache.length, k: gather(cache.k), v: gather(cache.v) };
}

/** Frees the cache's memory. */
export function disposeKvCache(cache: KvCache): void {
  cache.k.dispose();
  cache.v.dispose();
}

/**
 * Attention while decoding: appends n positions to the cache, then attends from them to all of it. No gradient.
 * @param q [B, H, n, D]; @param k [B, H, n, D]; @param v [B, H, n, D]: the new positions
 * @param cache appended to
 * @returns [B, n, H * D]
 * @throws ShapeError if the cache has no room or another shape
 */
export function attentionCached(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions & { readonly cache: KvCache },
): Tensor {
  const { cache } = options;
  const bound = expectShape('attentionCached: q', q.shape, ['B', 'H', 'n', 'D']);
  expectShape('attentionCached: k', k.shape, ['B', 'H', 'n', 'D'], bound);
  expectShape('attentionCached: v', v.shape, ['B', 'H', 'n', 'D'], bound);
  expectShape('attentionCached: cache', cache.k.shape, ['B', 'H', 'rows', 'D'], bound);
  const total = cache.length + bound.n;
  if (total > cache.capacity) {
    throw new ShapeError(`attentionCached: expected at most ${cache.capacity} positions, got ${total}`);
  }
  const append = (old: Tensor, rows: Tensor) => {
    const joined = tf.keep(total === bound.n ? tf.clone(rows) : tf.concat([old, rows], 2));
    old.dispose();
    return joined;
  };
  cache.length = total;
  cache.k = append(cache.k, k);
  cache.v = append(cache.v, v);
  return attention(q, cache.k, cache.v, { mask: options.mask });
}

function expectPositions(mask: AttentionMask, Tk: number): void {
  if (!(mask instanceof Mask) || mask.positions >= Tk) return;
  throw new ShapeError(
    `attention: mask ${mask.name}: expected a mask of ${Tk} positions or more, got ${mask.positions}`,
  );
}

/** 0 where a query may attend and -1e30 where not, [Tq, Tk]; null if there is no mask. */
function maskBias(mask: AttentionMask, Tq: number, Tk: number): Tensor | null {
  if (mask === 'none') return null;
  const bias = new Float32Array(Tq * Tk);
  for (let i = 0; i < Tq; i++) {
    const position = Tk - Tq + i;
    for (let j = 0; j < Tk; j++) {
      const visible = mask === 'causal' ? j <= position : mask.sees(position, j);
      if (!visible) bias[i * Tk + j] = -1e30;
    }
  }
  return tf.tensor(bias, [Tq, Tk]);
}

/** What the C++ kernels need to know of shapes and mask. */
function nativeProblem(q: TensorInfo, k: TensorInfo, mask: AttentionMask, backend: NativeBackend) {
  const [B, H, Tq, D] = q.shape;
  const [, , Tk] = k.shape;
  const { bytes, stride = 0 } = mask instanceof Mask ? mask.transposed : {};
  const kind = mask instanceof Mask ? 'table' : mask;
  const numbers = { B, H, Tq, Tk, D, mask: kind, stride, precision: backend.precision } as const;
  return { table: bytes === undefined ? null : backend.resident(bytes), numbers };
}

/** q kT / sqrt(D) + mask, [B, H, Tq, Tk]. */
function maskedScores(q: Tensor, k: Tensor, mask: AttentionMask): Tensor {
  const [, , Tq, D] = q.shape;
  const [, , Tk] = k.shape;
  const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(D));
  const bias = maskBias(mask, Tq, Tk);
  return bias === null ? scores : tf.add(scores, bias);
}

defineBuiltInKernel({
  name: 'Attention',
  reference: ({ q, k, v }, { mask }) => {
    const [B, H, Tq, D] = q.shape;
    const scores = maskedScores(q, k, mask as AttentionMask);
    const logsumexp = tf.logSumExp(scores, -1, true); // [B, H, Tq, 1]
    const y = tf.matMul(tf.exp(tf.sub(scores, logsumexp)), v); // [B, H, Tq, D]
    return [tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [B, Tq, H * D]), tf.reshape(logsumexp, [B, H, Tq])];
  },
  native: ({ q, k, v }, { mask }, backend) => {
    const [B, H, Tq, D] = q.shape;
    const y = backend.output([B, Tq, H * D]);
    const logsumexp = backend.output([B, H, Tq]);
    const { table, numbers } = nativeProblem(q, k, mask as AttentionMask, backend);
    backend.call(attentionCall, { q, k, v, table, y, logsumexp }, numbers);
    return [y, logsumexp];
  },
  webgpu: (inputs, { mask }, backend) => attentionWebgpu(inputs, mask as AttentionMask, backend),
  gradient: {
    saveInputs: ['q', 'k', 'v'],
    saveOutputs: [true, true],
    run: ([dy], { q, k, v, y0, y1 }, { mask }) => {
      const [dq, dk, dv] = run('AttentionGrad', { q, k, v, y: y0, logsumexp: y1, dy: dy as Tensor }, { mask });
      return { q: dq, k: dk, v: dv };
    },
  },
});

defineBuiltInKernel({
  name: 'AttentionGrad',
  reference: ({ q, k, v, y, logsumexp, dy }, { mask }) => {
    const [B, H, Tq, D] = q.shape;
    const split = (x: Tensor) => tf.transpose(tf.reshape(x, [B, Tq, H, D]), [0, 2, 1, 3]); // [B, H, Tq, D]
    const dO = split(dy);
    const p = tf.exp(tf.sub(maskedScores(q, k, mask as AttentionMask), tf.expandDims(logsumexp, -1))); // [B, H, Tq, Tk]
    const delta = tf.sum(tf.mul(dO, split(y)), -1, true);
    const dp = tf.matMul(dO, v, false, true);
    const ds = tf.mul(tf.mul(p, tf.sub(dp, delta)), 1 / Math.sqrt(D));
    return [tf.matMul(ds, k), tf.matMul(ds, q, true, false), tf.matMul(p, dO, true, false)];
  },
  native: ({ q, k, v, y, logsumexp, dy }, { mask }, backend) => {
    const [dq, dk, dv] = [q, k, v].map(x => backend.output(x.shape));
    const { table, numbers } = nativeProblem(q, k, mask as AttentionMask, backend);
    backend.call(attentionGradientCall, { q, k, v, table, y, logsumexp, dy, dq, dk, dv }, numbers);
    return [dq, dk, dv];
  },
  webgpu: (inputs, { mask }, backend) => attentionGradWebgpu(inputs, mask as AttentionMask, backend),
});
