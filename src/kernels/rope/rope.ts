/**
 * @file From one projection to the heads of attention in one pass over memory: split into q, k, v and heads, RMS-normalise
 * q and k per head ("QK-norm", Henry et al. 2020, arXiv:2010.04245), rotate by position (rotary embedding, Su et al. 2021,
 * arXiv:2104.09864; pairs are neighbours, x[2i] and x[2i+1]). What the angles are (1-D, 2-D) is the caller's affair: they
 * come as tables of cosines and sines.
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, ShapeError } from '../../core/errors.ts';
import { nativeCall, optional, reads, writes } from '../../device/native/calls.ts';
import { type Attributes, defineBuiltInKernel, type Gradients, run } from '../registry.ts';
import { splitHeadsGradientWebgpu, splitHeadsWebgpu } from './webgpu.ts';

const HEADS = 'B * H * T * D';
const QKV = 'B * T * 3 * H * D';
const ANGLES = '(offset + shift + T) * D / 2';

/** T positions from `offset` on, angles of queries `shift` rows behind those of keys; H heads of D channels. */
const splitNumbers = {
  B: 'size',
  T: 'size',
  H: 'size',
  D: 'size',
  offset: 'size',
  shift: 'size',
  eps: 'float',
} as const;

const splitHeadsCall = nativeCall({
  kernel: 'splitHeads',
  buffers: {
    qkv: reads(QKV),
    qGain: optional(reads('D')),
    kGain: optional(reads('D')),
    cos: optional(reads(ANGLES)),
    sin: optional(reads(ANGLES)),
    q: writes(HEADS),
    k: writes(HEADS),
    v: writes(HEADS),
  },
  numbers: splitNumbers,
});

const splitHeadsGradientCall = nativeCall({
  kernel: 'splitHeadsGradient',
  buffers: {
    qkv: reads(QKV),
    qGain: optional(reads('D')),
    kGain: optional(reads('D')),
    cos: optional(reads(ANGLES)),
    sin: optional(reads(ANGLES)),
    dq: reads(HEADS),
    dk: reads(HEADS),
    dv: reads(HEADS),
    dQkv: writes(QKV),
    dQGain: optional(writes('D')),
    dKGain: optional(writes('D')),
  },
  numbers: splitNumbers,
});

export const QK_NORM_EPS = 1e-6;

export interface SplitHeadsOptions {
  readonly heads: number;
  /** Cosines and sines of the angles [T', D/2], one row a position; no rotation without them. Both or neither. */
  readonly cos?: Tensor;
  readonly sin?: Tensor;
  /** The row of the tables that belongs to the first position. */
  readonly offset?: number;
  /** How many rows further on the angles of queries are, where they are others than those of keys; default 0. */
  readonly shift?: number;
  /** Gains [D] of the norm of q and of k, shared by the heads; no norm without them. Both or neither. */
  readonly qGain?: Tensor;
  readonly kGain?: Tensor;
  readonly eps?: number;
}

/**
 * Splits [q | k | v] into heads, with QK-norm and rotary positions.
 * @param qkv [B, T, 3C], C = heads * D
 * @returns q, k, v, each [B, heads, T, D]
 * @throws ShapeError if heads does not divide C, D is odd under rotation, or the tables are too short
 */
export function splitHeads(qkv: Tensor, options: SplitHeadsOptions): [q: Tensor, k: Tensor, v: Tensor] {
  const { heads, cos, sin, offset = 0, shift = 0, qGain, kGain, eps = QK_NORM_EPS } = options;
  const { T, C3 } = expectShape('splitHeads: qkv', qkv.shape, ['B', 'T', 'C3']);
  const D = C3 / (3 * heads);
  if (!Number.isInteger(D)) {
    throw new ShapeError(`splitHeads: expected a last axis of 3 * ${heads} heads * D, got ${C3}`);
  }
  if ((cos === undefined) !== (sin === undefined) || (qGain === undefined) !== (kGain === undefined)) {
    throw new ShapeError('splitHeads: expected cos with sin and qGain with kGain, got one of a pair');
  }
  if (cos !== undefined && sin !== undefined) {
    const table = expectShape('splitHeads: cos', cos.shape, ['rows', D / 2]);
    expectShape('splitHeads: sin', sin.shape, ['rows', D / 2], table);
    if (offset < 0 || shift < 0 || offset + shift + T > table.rows) {
      throw new ShapeError(`splitHeads: expected tables of ${offset + shift} + ${T} rows or more, got ${table.rows}`);
    }
  }
  if (qGain !== undefined && kGain !== undefined) {
    expectShape('splitHeads: qGain', qGain.shape, [D]);
    expectShape('splitHeads: kGain', kGain.shape, [D]);
  }
  const name = kernelName(qGain !== undefined, cos !== undefined);
  const given = {
    qkv,
    ...(qGain !== undefined && kGain !== undefined ? { qGain, kGain } : {}),
    ...(cos !== undefined && sin !== undefined ? { cos, sin } : {}),
  };
  const [q, k, v] = run(name, given, { heads, offset, shift, eps });
  return [q, k, v];
}

/** One kernel for each set of inputs, because tfjs cannot save an input that is not there. */
function kernelName(norm: boolean, rotate: boolean): string {
  return `SplitHeads${norm ? 'Norm' : ''}${rotate ? 'Rotate' : ''}`;
}

/** What the C++ kernels are told. */
function numbersOf(qkv: TensorInfo, attributes: Attributes) {
  const { heads, offset, shift, eps } = attributes as Record<string, number>;
  const [B, T, C3] = qkv.shape;
  return { B, T, H: heads, D: C3 / (3 * heads), offset, shift, eps };
}

/** Rotates neighbouring pairs of x [B, H, T, D]; `direction` -1 undoes it, which is also its gradient. */
function rotatePairs(x: Tensor, cos: Tensor, sin: Tensor, direction: 1 | -1): Tensor {
  const [B, H, T, D] = x.shape;
  const pairs = tf.reshape(x, [B * H, T, D / 2, 2]);
  const pick = (i: number) => tf.reshape(tf.slice(pairs, [0, 0, 0, i], [-1, -1, -1, 1]), [B * H, T, D / 2]);
  const even = pick(0);
  const odd = pick(1);
  const s = tf.mul(sin, direction);
  const rotated = [tf.sub(tf.mul(even, cos), tf.mul(odd, s)), tf.add(tf.mul(even, s), tf.mul(odd, cos))];
  return tf.reshape(tf.stack(rotated, -1), x.shape);
}

function headsOf(qkv: Tensor, heads: number): Tensor[] {
  const [B, T, C3] = qkv.shape;
  const shaped = tf.reshape(qkv, [B, T, 3 * heads, C3 / (3 * heads)]);
  return tf.split(tf.transpose(shaped, [0, 2, 1, 3]), 3, 1); // 3 x [B, H, T, D]
}

function rowsOf(table: Tensor, offset: number, T: number): Tensor {
  return tf.slice(table, [offset, 0], [T, -1]);
}

function inverseRms(x: Tensor, eps: number): Tensor {
  return tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps));
}

function defineSplitHeads(norm: boolean, rotate: boolean): void {
  const name = kernelName(norm, rotate);
  const gains = norm ? ['qGain', 'kGain'] : [];
  const tables = rotate ? ['cos', 'sin'] : [];

  defineBuiltInKernel({
    name,
    cheap: true,
    reference: (inputs, attributes) => {
      const { qkv, cos, sin } = inputs;
      const { heads, offset, shift, eps } = attributes as Record<string, number>;
      const [q, k, v] = headsOf(qkv, heads);
      const finish = (x: Tensor, gain: Tensor, first: number) => {
        const [, , T] = x.shape;
        const normalized = norm ? tf.mul(tf.mul(x, inverseRms(x, eps)), gain) : x;
        return rotate ? rotatePairs(normalized, rowsOf(cos, first, T), rowsOf(sin, first, T), 1) : normalized;
      };
      return [finish(q, inputs.qGain, offset + shift), finish(k, inputs.kGain, offset), v];
    },
    native: (inputs, attributes, backend) => {
      const { qkv, cos, sin, qGain, kGain } = inputs;
      const numbers = numbersOf(qkv, attributes);
      const { B, H, T, D } = numbers;
      const [q, k, v] = [0, 1, 2].map(() => backend.output([B, H, T, D]));
      backend.call(splitHeadsCall, { qkv, qGain, kGain, cos, sin, q, k, v }, numbers);
      return [q, k, v];
    },
    webgpu: splitHeadsWebgpu,
    gradient: {
      saveInputs: ['qkv', ...gains, ...tables],
      run: (dys, saved, attributes) => {
        const { qkv } = saved;
        const [B, T, C3] = qkv.shape;
        const heads = attributes.heads as number;
        const zeros = () => tf.zeros([B, heads, T, C3 / (3 * heads)]);
        const [dq, dk, dv] = dys.map(dy => dy ?? zeros());
        const [dQkv, dQGain, dKGain] = run(`${name}Grad`, { ...saved, dq, dk, dv }, attributes);
        const gradients: Gradients = norm ? { qkv: dQkv, qGain: dQGain, kGain: dKGain } : { qkv: dQkv };
        return gradients;
      },
    },
  });

  defineBuiltInKernel({
    name: `${name}Grad`,
    reference: (inputs, attributes) => {
      const { qkv, cos, sin, dq, dk, dv } = inputs;
      const { heads, offset, shift, eps } = attributes as Record<string, number>;
      const [B, T, C3] = qkv.shape;
      const [q, k] = headsOf(qkv, heads);
      const undo = (x: Tensor, dy: Tensor, gain: Tensor, first: number): Tensor[] => {
        const d = rotate ? rotatePairs(dy, rowsOf(cos, first, T), rowsOf(sin, first, T), -1) : dy;
        if (!norm) return [d];
        const scale = inverseRms(x, eps);
        const normalized = tf.mul(x, scale);
        const g = tf.mul(d, gain);
        const dx = tf.mul(tf.sub(g, tf.mul(normalized, tf.mean(tf.mul(g, normalized), -1, true))), scale);
        return [dx, tf.sum(tf.mul(d, normalized), [0, 1, 2])];
      };
      const [dxq, ...dQGain] = undo(q, dq, inputs.qGain, offset + shift);
      const [dxk, ...dKGain] = undo(k, dk, inputs.kGain, offset);
      const dQkv = tf.reshape(tf.transpose(tf.concat([dxq, dxk, dv], 1), [0, 2, 1, 3]), [B, T, C3]);
      return [dQkv, ...dQGain, ...dKGain];
    },
    native: (inputs, attributes, backend) => {
      const { qkv, cos, sin, qGain, kGain, dq, dk, dv } = inputs;
      const outputs = [backend.output(qkv.shape)];
      if (norm) for (const gain of [qGain, kGain]) outputs.push(backend.output((gain as TensorInfo).shape));
      const [dQkv, dQGain, dKGain] = outputs;
      const buffers = { qkv, qGain, kGain, cos, sin, dq, dk, dv, dQkv, dQGain, dKGain };
      backend.call(splitHeadsGradientCall, buffers, numbersOf(qkv, attributes));
      return outputs;
    },
    webgpu: splitHeadsGradientWebgpu,
  });
}

for (const norm of [false, true]) for (const rotate of [false, true]) defineSplitHeads(norm, rotate);
