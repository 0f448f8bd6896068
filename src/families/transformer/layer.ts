/**
 * @file A layer of the transformer: attention and a feed-forward network, each normalised before and added to the residual
 * stream after.
 *
 * This is the layer that trains. Painting reads one position at a time and costs what reading the weights costs, so there
 * the same layer is written twice more, fused: native/decode.cc and src/kernels/decode/webgpu.ts. Who changes a layer
 * changes all three; test/families/transformer/decoder.test.ts and gpudecoder.test.ts hold them together, and
 * plain-dalle.ts beside them is the layer once more, slowly, for all three to equal.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import { dropoutAdd, gelu, swiglu } from '../../kernels/activation/activation.ts';
import { attention, attentionCached, type KvCache } from '../../kernels/attention/attention.ts';
import type { AttentionMask } from '../../kernels/attention/mask.ts';
import type { DecoderLayer } from '../../kernels/decode/network.ts';
import { splitHeads } from '../../kernels/rope/rope.ts';
import { Linear, Norm } from '../../nn/layers.ts';
import type { Parameters } from '../../nn/module.ts';
import type { RotaryTables } from '../../nn/rotary.ts';
import type { ModelConfig } from './config.ts';

/** Dropout of one training step: every site of the network draws from a stream of its own. */
export interface Noise {
  readonly rate: number;
  readonly seed: number;
  stream: number;
}

class Attention {
  readonly qkv: Linear;
  readonly output: Linear;
  readonly qGain: Variable | undefined;
  readonly kGain: Variable | undefined;
  private readonly heads: number;

  constructor(parameters: Parameters, config: ModelConfig) {
    const { width, heads, layers } = config;
    this.heads = heads;
    this.qkv = new Linear(parameters.scope('qkv'), width, 3 * width, { bias: false });
    // The residual stream adds up 2 * layers branches (Radford et al. 2019): each starts that much smaller.
    this.output = new Linear(parameters.scope('output'), width, width, {
      bias: false,
      deviation: 1 / Math.sqrt(2 * layers * width),
    });
    this.qGain = config.qkNorm ? parameters.ones('q_norm.weight', [width / heads]) : undefined;
    this.kGain = config.qkNorm ? parameters.ones('k_norm.weight', [width / heads]) : undefined;
  }

  /** @param x [B, T, C]; @returns [B, T, C], before the residual is added */
  apply(x: Tensor, context: LayerContext, residual?: Tensor): Tensor {
    const { heads, qGain, kGain } = this;
    const { offset, rotary, mask, cache } = context;
    const qkv = this.qkv.apply(x); // [B, T, 3C]
    const [q, k, v] = splitHeads(qkv, { heads, offset, qGain, kGain, ...rotary }); // [B, H, T, D]
    const mixed = cache === undefined ? attention(q, k, v, { mask }) : attentionCached(q, k, v, { mask, cache });
    return this.output.apply(mixed, { residual }); // [B, T, C]
  }
}

class Mlp {
  readonly up: Linear;
  readonly down: Linear;
  private readonly gated: boolean;

  constructor(parameters: Parameters, config: ModelConfig) {
    const { width, layers } = config;
    this.gated = config.mlp === 'swiglu';
    const inner = config.mlpWidth ?? (this.gated ? Math.max(1, Math.round((width * 8) / 3 / 32)) * 32 : 4 * width);
    this.up = new Linear(parameters.scope('up'), width, this.gated ? 2 * inner : inner, { bias: false });
    this.down = new Linear(parameters.scope('down'), inner, width, {
      bias: false,
      deviation: 1 / Math.sqrt(2 * layers * inner),
    });
  }

  apply(x: Tensor, residual?: Tensor): Tensor {
    const inner = this.gated ? swiglu(this.up.apply(x)) : gelu(this.up.apply(x)); // [B, T, inner]
    return this.down.apply(inner, { residual }); // [B, T, C]
  }
}

export interface LayerContext {
  /** Position of the first row in the whole sequence. */
  readonly offset: number;
  readonly rotary: RotaryTables | undefined;
  readonly mask: AttentionMask;
  readonly cache?: KvCache;
  readonly noise?: Noise;
}

export class Layer {
  private readonly norm1: Norm;
  private readonly attention: Attention;
  private readonly norm2: Norm;
  private readonly mlp: Mlp;

  constructor(parameters: Parameters, config: ModelConfig) {
    this.norm1 = new Norm(parameters.scope('norm1'), config.width, config.norm);
    this.attention = new Attention(parameters.scope('attention'), config);
    this.norm2 = new Norm(parameters.scope('norm2'), config.width, config.norm);
    this.mlp = new Mlp(parameters.scope('mlp'), config);
  }

  /** The parameters by the names that the fused decoder knows. */
  weights(): Omit<DecoderLayer, 'mask'> {
    const { norm1, norm2, attention, mlp } = this;
    return {
      norm1: norm1.weight,
      bias1: norm1.bias,
      qkv: attention.qkv.weight,
      qGain: attention.qGain,
      kGain: attention.kGain,
      output: attention.output.weight,
      norm2: norm2.weight,
      bias2: norm2.bias,
      up: mlp.up.weight,
      down: mlp.down.weight,
    };
  }

  apply(x: Tensor, context: LayerContext): Tensor {
    const { noise } = context;
    if (noise === undefined) {
      const y = this.attention.apply(this.norm1.apply(x), context, x);
      return this.mlp.apply(this.norm2.apply(y), y);
    }
    const y = dropoutAdd(this.attention.apply(this.norm1.apply(x), context), x, nextSite(noise));
    return dropoutAdd(this.mlp.apply(this.norm2.apply(y)), y, nextSite(noise));
  }
}

export function nextSite(noise: Noise): { rate: number; seed: number; stream: number } {
  return { rate: noise.rate, seed: noise.seed, stream: noise.stream++ };
}
