/**
 * @file Decoding in one native call a step: every layer of the transformer, its cache of keys and values written in place,
 * the logits at the end. Weights are packed once for the micro-kernel, and they and the cache are bf16 where products are.
 * Only the native backend has it; WebGPU has a decoder of its own (webgpu.ts), and elsewhere a step is composed of the
 * model's operations (src/families/transformer/decoder.ts). C++: native/decode.cc.
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import {
  ANY_LENGTH,
  type BufferSpec,
  type ChoiceSpec,
  type GivenBuffers,
  type GivenNumbers,
  type KernelWork,
  type NamedCall,
  nativeCall,
  oneOf,
  optional,
  precisionNumber,
  reads,
  writes,
} from '../../device/native/calls.ts';
import { activeNative, type NativeBackend } from '../../device/native/native.ts';
import type { Mask } from '../attention/mask.ts';
import { LAYER_NORM_EPS, RMS_NORM_EPS } from '../norm/norm.ts';
import { QK_NORM_EPS } from '../rope/rope.ts';
import { type DecoderNetwork, layerTables } from './network.ts';

/** Which positions' logits a call returns. */
const wantedLogits = ['none', 'last', 'all'] as const;
export type WantedLogits = (typeof wantedLogits)[number];

/** The network's shape. `prefix` of the positions are in a cache that rows share. */
const networkNumbers = {
  rows: 'size',
  layers: 'size',
  C: 'size',
  H: 'size',
  inner: 'size',
  vocabulary: 'size',
  positions: 'size',
  prefix: 'size',
  gated: 'flag',
  centered: 'flag',
  qkNorm: 'flag',
  normEps: 'float',
  qkEps: 'float',
  precision: precisionNumber,
} as const;

/** Floats of the packed weights, and of one row of the cache. */
const decoderSizesCall = nativeCall({
  kernel: 'decoderSizes',
  buffers: { floats: writes('2', 'float64') },
  numbers: networkNumbers,
});

const decoderPackLayerCall = nativeCall({
  kernel: 'decoderPackLayer',
  buffers: {
    norm1: reads('C'),
    bias1: optional(reads('C')),
    qkv: reads('3 * C * C'),
    qGain: optional(reads('C / H')),
    kGain: optional(reads('C / H')),
    output: reads('C * C'),
    norm2: reads('C'),
    bias2: optional(reads('C')),
    up: reads('(1 + gated) * inner * C'),
    down: reads('C * inner'),
    weights: writes(ANY_LENGTH),
  },
  numbers: { ...networkNumbers, layer: 'size' },
});

const decoderPackEndsCall = nativeCall({
  kernel: 'decoderPackEnds',
  buffers: { norm: reads('C'), bias: optional(reads('C')), head: reads('vocabulary * C'), weights: writes(ANY_LENGTH) },
  numbers: networkNumbers,
});

/** Reads n positions of every row after `start` others. Layer i sees by table maskOf[i], or causally where that is -1. */
const decoderStepCall = nativeCall({
  kernel: 'decoderStep',
  buffers: {
    weights: reads(ANY_LENGTH),
    cache: writes(ANY_LENGTH),
    sharedCache: optional(reads(ANY_LENGTH)),
    sharedRow: optional(reads('rows', 'int32')),
    x: reads('rows * n * C'),
    maskOf: reads('layers', 'int32'),
    tables: reads(ANY_LENGTH, 'uint8'), // [tables, positions, positions]
    cos: optional(reads('(positions + shift) * C / H / 2')),
    sin: optional(reads('(positions + shift) * C / H / 2')),
    logits: optional(writes('rows * vocabulary * max(1, (wanted - 1) * n)')), // of the last position or of all n
  },
  numbers: { ...networkNumbers, shift: 'size', start: 'size', n: 'size', wanted: oneOf('Wanted', wantedLogits) },
  work: decoderStepWork,
});

/** Every layer's products, attention, and the head; packed weights, keys and values read, and what goes in and out. */
function decoderStepWork({ buffers, numbers }: DecoderStep): KernelWork {
  const { rows, layers, C, inner, vocabulary, prefix, gated, precision, start, n, wanted } = numbers;
  const matrices = layers * (4 * C * C + (gated ? 3 : 2) * C * inner);
  const pairs = n * start + (n * (n + 1)) / 2;
  const heads = wanted === 'none' ? 0 : wanted === 'last' ? 1 : n;
  const { weights, sharedCache, sharedRow, x, logits } = buffers;
  const sharedRows = sharedCache === null ? 0 : new Set(sharedRow as Int32Array).size; // as its kernel reads it
  const positions = rows * (start + n - prefix) + sharedRows * prefix;
  const cache = 2 * layers * C * positions * (precision === 'bf16' ? 2 : 4);
  const others = [weights, x, logits].reduce((sum, buffer) => sum + (buffer?.byteLength ?? 0), 0);
  return {
    shape: `${rows}x${n}`,
    flops: 2 * rows * (n * matrices + 2 * layers * C * pairs + heads * C * vocabulary),
    bytes: cache + others,
  };
}

type DecoderStep = NamedCall<
  Readonly<Record<'weights' | 'sharedCache' | 'sharedRow' | 'x' | 'logits', BufferSpec>>,
  typeof networkNumbers & {
    readonly shift: 'size';
    readonly start: 'size';
    readonly n: 'size';
    readonly wanted: ChoiceSpec<WantedLogits>;
  }
>;

type StepBuffers = GivenBuffers<typeof decoderStepCall.buffers>;
type StepNumbers = GivenNumbers<typeof decoderStepCall.numbers>;

/** The network's shape as the C++ kernels are told. */
function sizesOf(
  network: DecoderNetwork,
  rows: number,
  prefix: number,
  { precision }: NativeBackend,
): GivenNumbers<typeof networkNumbers> {
  const { layers, heads, gated, positions, head, bias } = network;
  const [vocabulary, C] = head.shape;
  const [first] = layers;
  const inner = first.down.shape[1] as number;
  const centered = bias !== undefined;
  return {
    rows,
    layers: layers.length,
    C: C as number,
    H: heads,
    inner,
    vocabulary,
    positions,
    prefix,
    gated,
    centered,
    qkNorm: first.qGain !== undefined,
    normEps: centered ? LAYER_NORM_EPS : RMS_NORM_EPS,
    qkEps: QK_NORM_EPS,
    precision,
  };
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
  private readonly sizes: GivenNumbers<typeof networkNumbers>;
  /** What a step's call is given: one object for all steps, since a step is as short as making it. */
  private readonly stepBuffers: { -readonly [Name in keyof StepBuffers]: StepBuffers[Name] };
  private readonly stepNumbers: { -readonly [Name in keyof StepNumbers]: StepNumbers[Name] };
  private readonly weights: Tensor;
  private readonly cache: Tensor;
  private readonly prefix: Prefix | undefined;
  /** The tables of all masks, one after the other. */
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
    backend.call(decoderSizesCall, { floats }, this.sizes);
    this.weights = from === undefined ? this.pack(floats[0]) : tf.keep(tf.clone(from.decoder.weights));
    this.cache = this.uninitialised(rows * floats[1]);
    const { masks, maskOf } = layerTables(network);
    this.tables = from?.decoder.tables ?? backend.resident(joinTables(masks, network.positions));
    const { weights, cache, tables, prefix } = this;
    const { cos, sin, shift = 0 } = network.rotary ?? {};
    const shared = { sharedCache: prefix?.cache, sharedRow: prefix?.rowOf };
    this.stepBuffers = { weights, cache, ...shared, x: cache, maskOf, tables, cos, sin, logits: null };
    this.stepNumbers = { ...this.sizes, shift, start: 0, n: 1, wanted: 'last' };
  }

  private uninitialised(floats: number): Tensor {
    return tf.keep(tf.engine().makeTensorFromTensorInfo(this.backend.output([floats])));
  }

  private pack(floats: number): Tensor {
    const { network, backend, sizes } = this;
    const weights = this.uninitialised(floats);
    network.layers.forEach((l, layer) => {
      const { norm1, bias1, qkv, qGain, kGain, output, norm2, bias2, up, down } = l;
      const buffers = { norm1, bias1, qkv, qGain, kGain, output, norm2, bias2, up, down, weights };
      backend.call(decoderPackLayerCall, buffers, { ...sizes, layer });
    });
    const { norm, bias, head } = network;
    backend.call(decoderPackEndsCall, { norm, bias, head, weights }, sizes);
    return weights;
  }

  /**
   * Reads the next n positions of every row.
   * @param x [rows, n, C] as vectors
   * @returns logits [rows, vocabulary], [rows, n, vocabulary] if all are wanted, undefined if none
   * @throws RangeError if that is more than the network's positions
   */
  read(x: Float32Array | TensorInfo, n: number, wanted: WantedLogits = 'last'): Tensor | undefined {
    const { network, backend, rows, length, prefix, stepBuffers, stepNumbers } = this;
    if (length < (prefix?.length ?? 0)) throw new RangeError('decode: expected to go on after what rows share');
    if (length + n > network.positions) {
      throw new RangeError(`decode: expected at most ${network.positions} positions, got ${length + n}`);
    }
    const [vocabulary] = network.head.shape;
    const shape = wanted === 'all' ? [rows, n, vocabulary] : [rows, vocabulary];
    const logits = wanted === 'none' ? null : backend.output(shape);
    stepBuffers.x = x;
    stepBuffers.logits = logits;
    stepNumbers.start = length;
    stepNumbers.n = n;
    stepNumbers.wanted = wanted;
    backend.call(decoderStepCall, stepBuffers, stepNumbers);
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

  /** A tensor's values as they lie in memory: not a copy. */
  valuesOf(tensor: TensorInfo): Float32Array {
    return this.backend.values(tensor) as Float32Array;
  }

  dispose(): void {
    this.weights.dispose();
    this.cache.dispose();
    this.prefix?.cache.dispose();
  }
}

/** A decoder of so many rows on the active backend, or undefined where that is not the native one. */
export function createFusedDecoder(network: () => DecoderNetwork, rows: number): FusedDecoder | undefined {
  const backend = activeNative();
  return backend && new FusedDecoder(network(), rows, backend);
}

/** [masks, positions, positions]. */
function joinTables(masks: readonly Mask[], positions: number): Uint8Array {
  const joined = new Uint8Array(masks.length * positions * positions);
  masks.forEach(({ table }, i) => {
    joined.set(table, i * positions * positions);
  });
  return joined;
}
