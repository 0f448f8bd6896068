/**
 * @file Decoding in one native call a step: every layer of the transformer, its cache of keys and values written in place,
 * the logits at the end. Weights are packed once for the micro-kernel, and they and the cache are bf16 where products are.
 * Only the native backend has it; WebGPU has a decoder of its own (wgsl/decode.ts), and elsewhere src/families/transformer/decoder.ts composes
 * a step from the fused operations. C++: native/decode.cc.
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../../device/native/native.ts';
import type { Mask } from '../attention/mask.ts';
import { LAYER_NORM_EPS, RMS_NORM_EPS } from '../norm/norm.ts';
import { QK_NORM_EPS } from '../rope/rope.ts';
import { type DecoderNetwork, layerTables } from './network.ts';

/** Which positions' logits a call returns. */
export type WantedLogits = 'none' | 'last' | 'all';
const wantedNumbers: Readonly<Record<WantedLogits, number>> = { none: 0, last: 1, all: 2 };

/** The network's shape as the C++ kernels expect it; see Sizes in native/decode.cc. */
function sizesOf(network: DecoderNetwork, rows: number, prefix: number, backend: NativeBackend): number[] {
  const { layers, heads, gated, positions, head, bias } = network;
  const [vocabulary, C] = head.shape;
  const [first] = layers;
  const inner = first.down.shape[1] as number;
  const centered = bias !== undefined;
  return [
    rows,
    layers.length,
    C as number,
    heads,
    inner,
    vocabulary,
    positions,
    prefix,
    gated ? 1 : 0,
    centered ? 1 : 0,
    first.qGain === undefined ? 0 : 1,
    centered ? LAYER_NORM_EPS : RMS_NORM_EPS,
    QK_NORM_EPS,
    backend.precision === 'bf16' ? 1 : 0,
  ];
}

/** What rows have read together: the first positions of row i are those of row rowOf[i] of another cache. */
interface Prefix {
  readonly cache: Tensor;
  readonly length: number;
  readonly rowOf: Int32Array;
}

/** A network made ready for decoding, and the caches of some rows. Its tensors outlive tidy scopes. */
export class FusedDecoder {
  /** Positions read so far; may be set back to read others in their stead. */
  length = 0;
  readonly rows: number;
  private readonly network: DecoderNetwork;
  private readonly backend: NativeBackend;
  private readonly sizes: readonly number[];
  private readonly weights: Tensor;
  private readonly cache: Tensor;
  private readonly prefix: Prefix | undefined;
  /** Which table each layer's mask is, -1 for causal; and all tables, one after the other. */
  private readonly maskOf: Int32Array;
  private readonly tables: Uint8Array;

  /** @param from a decoder of the same network, whose packed weights are shared; row i goes on where its row rowOf[i] is */
  constructor(
    network: DecoderNetwork,
    rows: number,
    backend: NativeBackend,
    from?: { readonly decoder: FusedDecoder; readonly rowOf: Int32Array },
  ) {
    if (rows < 1) throw new RangeError(`decode: expected at least one row, got ${rows}`);
    this.network = network;
    this.rows = rows;
    this.backend = backend;
    if (from !== undefined) {
      const { decoder, rowOf } = from;
      if (decoder.prefix !== undefined) throw new Error('decode: rows have been selected before');
      this.length = decoder.length;
      this.prefix = { cache: tf.keep(tf.clone(decoder.cache)), length: decoder.length, rowOf };
    }
    this.sizes = sizesOf(network, rows, this.prefix?.length ?? 0, backend);
    const floats = new Float64Array(2);
    backend.callInOrder('decoderSizes', [floats], this.sizes);
    this.weights = from === undefined ? this.pack(floats[0]) : tf.keep(tf.clone(from.decoder.weights));
    this.cache = this.uninitialised(rows * floats[1]);
    const { masks, maskOf } = layerTables(network);
    this.maskOf = maskOf;
    this.tables = from?.decoder.tables ?? joinTables(masks, network.positions);
  }

  private uninitialised(floats: number): Tensor {
    return tf.keep(tf.engine().makeTensorFromTensorInfo(this.backend.output([floats])));
  }

  private pack(floats: number): Tensor {
    const { network, backend, sizes } = this;
    const weights = this.uninitialised(floats);
    network.layers.forEach((l, i) => {
      const { norm1, bias1 = null, qkv, qGain = null, kGain = null, output, norm2, bias2 = null, up, down } = l;
      const buffers = [norm1, bias1, qkv, qGain, kGain, output, norm2, bias2, up, down, weights];
      backend.callInOrder('decoderPackLayer', buffers, [...sizes, i]);
    });
    backend.callInOrder('decoderPackEnds', [network.norm, network.bias ?? null, network.head, weights], sizes);
    return weights;
  }

  /**
   * Reads the next n positions of every row.
   * @param x [rows, n, C] as vectors
   * @returns logits [rows, vocabulary], [rows, n, vocabulary] if all are wanted, undefined if none
   * @throws RangeError if that is more than the network's positions
   */
  read(x: Float32Array | TensorInfo, n: number, wanted: WantedLogits = 'last'): Tensor | undefined {
    const { network, backend, rows, length, tables, prefix } = this;
    if (length < (prefix?.length ?? 0)) throw new RangeError('decode: expected to go on after what rows share');
    if (length + n > network.positions) {
      throw new RangeError(`decode: expected at most ${network.positions} positions, got ${length + n}`);
    }
    const [vocabulary] = network.head.shape;
    const shape = wanted === 'all' ? [rows, n, vocabulary] : [rows, vocabulary];
    const logits = wanted === 'none' ? null : backend.output(shape);
    const { cos = null, sin = null } = network.rotary ?? {};
    const shared = [prefix?.cache ?? null, prefix?.rowOf ?? null];
    const buffers = [this.weights, this.cache, ...shared, x, this.maskOf, tables, cos, sin, logits];
    backend.callInOrder('decoderStep', buffers, [...this.sizes, length, n, wantedNumbers[wanted]]);
    this.length += n;
    return logits === null ? undefined : tf.engine().makeTensorFromTensorInfo(logits);
  }

  /**
   * A decoder whose row i has read what row rows[i] of this one has. That is kept once, however many rows share it; so
   * this can be done once only, and rows of one beginning are quickest side by side.
   * @param rows numbers from 0 to this.rows - 1, any of them more than once
   */
  select(rows: readonly number[]): FusedDecoder {
    return new FusedDecoder(this.network, rows.length, this.backend, { decoder: this, rowOf: Int32Array.from(rows) });
  }

  dispose(): void {
    this.weights.dispose();
    this.cache.dispose();
    this.prefix?.cache.dispose();
  }
}

/** [masks, positions, positions]. */
function joinTables(masks: readonly Mask[], positions: number): Uint8Array {
  const joined = new Uint8Array(masks.length * positions * positions);
  masks.forEach(({ table }, i) => {
    joined.set(table, i * positions * positions);
  });
  return joined;
}
