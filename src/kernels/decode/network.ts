/** @file What is decoded: the parameters of a pre-norm transformer, as both fused decoders take them. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { ShapeError } from '../../core/errors.ts';
import { type AttentionMask, Mask } from '../attention/mask.ts';

/** One layer's parameters, [outputs, inputs] each; biases of norms and gains of the QK-norm where the model has them. */
export interface DecoderLayer {
  readonly norm1: Tensor;
  readonly bias1?: Tensor;
  readonly qkv: Tensor;
  readonly qGain?: Tensor;
  readonly kGain?: Tensor;
  readonly output: Tensor;
  readonly norm2: Tensor;
  readonly bias2?: Tensor;
  readonly up: Tensor;
  readonly down: Tensor;
  readonly mask: AttentionMask;
}

/** A pre-norm transformer from vectors to logits. */
export interface DecoderNetwork {
  readonly layers: readonly DecoderLayer[];
  readonly heads: number;
  /** Whether `up` makes gates and what they gate (SwiGLU); else GELU. */
  readonly gated: boolean;
  /** Most positions of a row; tables of masks and angles have as many. */
  readonly positions: number;
  readonly norm: Tensor;
  readonly bias?: Tensor;
  readonly head: Tensor; // [vocabulary, C]
  /** cos and sin [shift + positions, D / 2]: the angles of queries are `shift` rows (default 0) behind those of keys. */
  readonly rotary?: { readonly cos: Tensor; readonly sin: Tensor; readonly shift?: number };
}

/** Which table each layer's mask is. */
export interface LayerTables {
  /** Every mask that is a table, once. */
  readonly masks: readonly Mask[];
  /** By layer: a number of `masks`, -1 for causal. */
  readonly maskOf: Int32Array;
}

/**
 * The tables that the layers' masks are.
 * @throws ShapeError if a mask has another number of positions than the network, or there is none
 */
export function layerTables({ layers, positions }: DecoderNetwork): LayerTables {
  const masks: Mask[] = [];
  const maskOf = Int32Array.from(layers, ({ mask }) => {
    if (mask === 'none') throw new ShapeError('decode: expected a mask of every layer, got none');
    if (!(mask instanceof Mask)) return -1;
    if (mask.positions !== positions) {
      throw new ShapeError(
        `decode: mask ${mask.name}: expected a mask of ${positions} positions, got ${mask.positions}`,
      );
    }
    if (!masks.includes(mask)) masks.push(mask);
    return masks.indexOf(mask);
  });
  return { masks, maskOf };
}
