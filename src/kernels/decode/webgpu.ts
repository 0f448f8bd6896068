/**
 * @file A decoding step on the GPU: embedding, every layer, and the logits, from ids on the device to logits on the device
 * in five dispatches a layer (six where heads are split). Weights stay where the model has them; with f16 products they
 * are halved once, as are keys and values, because a step costs what reading them costs. What rows read before `select`
 * is kept once for all of them: [captions] instead of [images] times the caption's keys and values.
 *
 * The layer is written three times: as operations in src/families/transformer/layer.ts, which trains; in native/decode.cc;
 * and here, because a dispatch for each operation would cost more than its work on a single position. The test that holds
 * it to the model's own operations is test/families/transformer/gpudecoder.test.ts.
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { i32, read, write } from '../../device/webgpu/program.ts';
import { activeGpu, type GpuBackend } from '../../device/webgpu/webgpu.ts';
import { maskWords } from '../attention/mask.ts';
import { type DrawOptions, GpuDraws } from '../draw/draw.ts';
import { LAYER_NORM_EPS, RMS_NORM_EPS } from '../norm/norm.ts';
import { QK_NORM_EPS } from '../rope/rope.ts';
import { storedWords, vectorFormat } from '../wgsl/vector.ts';
import { type DecoderNetwork, layerTables } from './network.ts';
import { type AttentionShape, attendCached, chunksOf, MOST_VECTORS } from './webgpu-attention.ts';
import { joinCaches, placeKeyValues } from './webgpu-cache.ts';
import { keptTensor, prepareWeight, project, type Weight } from './webgpu-product.ts';

interface Caches {
  readonly k: readonly Tensor[];
  readonly v: readonly Tensor[];
}

/** What was read before the own caches begin, in caches that other rows may share. */
interface Beginning extends Caches {
  readonly length: number;
  readonly rowOf: Int32Array;
}

/** The network as the kernels read it; decoders of one network share it. */
interface Prepared {
  readonly layers: readonly Record<'qkv' | 'output' | 'up' | 'down', Weight>[];
  readonly head: Weight;
  readonly constants: Tensor | undefined;
  /** Bits of the masks' tables, and where each layer's begins; undefined where it sees all. */
  readonly bits: Int32Array;
  readonly maskAt: readonly (number | undefined)[];
  /** Everything that is not the model's. */
  readonly owned: readonly Tensor[];
}

/** What a step works in, made when the first one is taken. */
interface Workspace {
  readonly own: Caches;
  readonly tables: Tensor;
  readonly x: Tensor;
  readonly qkv: Tensor;
  readonly mixed: Tensor;
  readonly inner: Tensor;
  readonly partial: Tensor | undefined;
}

/** Codes to be read next, and the tables of their vectors. */
export interface CodeInput {
  /** int32; row i reads number i modulo their count. */
  readonly ids: TensorInfo;
  /** A code that every row reads in their stead. */
  readonly forced?: number;
  readonly image: TensorInfo;
  readonly row?: TensorInfo;
  readonly column?: TensorInfo;
  /** Place of the code in the grid. */
  readonly down: number;
  readonly across: number;
}

/** Dispatches that may wait for the GPU before the host waits for it. */
const MOST_WAITING = 2048;

/**
 * A decoder of so many rows on the active backend, or undefined where that is not WebGPU, or where heads have more channels
 * than a workgroup has lanes: those are left to the model's own operations.
 */
export function createGpuDecoder(network: () => DecoderNetwork, rows: number): GpuDecoder | undefined {
  const backend = activeGpu();
  if (backend === undefined) return undefined;
  const shape = network();
  return gpuDecoderLacks(shape) === undefined ? new GpuDecoder(shape, rows, backend) : undefined;
}

/** Why this network cannot be decoded by the kernels here, or undefined. */
function gpuDecoderLacks({ heads, layers }: DecoderNetwork): string | undefined {
  const D = (layers[0].qkv.shape[1] as number) / heads;
  const vectors = D / vectorFormat(D, false).lanes;
  return vectors > MOST_VECTORS ? `heads of ${D} channels, at most ${4 * MOST_VECTORS} fit a workgroup` : undefined;
}

/** A network made ready for decoding on the GPU, and the caches of some rows. Its tensors outlive tidy scopes. */
export class GpuDecoder {
  /** Positions read so far. */
  length = 0;
  readonly rows: number;
  private readonly network: DecoderNetwork;
  private readonly backend: GpuBackend;
  /** Dispatches that the host has waited for. */
  private waited: number;
  private readonly shape: AttentionShape;
  private readonly prepared: Prepared;
  private beginning: Beginning | undefined;
  private workspace: Workspace | undefined;

  constructor(
    network: DecoderNetwork,
    rows: number,
    backend: GpuBackend,
    from?: { readonly prepared: Prepared; readonly beginning: Beginning },
  ) {
    if (rows < 1) throw new RangeError(`decode: expected at least one row, got ${rows}`);
    const { heads: H, positions, layers, rotary } = network;
    const D = (layers[0].qkv.shape[1] as number) / H;
    this.rows = rows;
    this.network = network;
    this.backend = backend;
    this.waited = backend.dispatches;
    const half = backend.precision === 'f16';
    this.shape = {
      ...{ rows, H, D, positions },
      qkNorm: layers[0].qGain !== undefined,
      rotary: rotary !== undefined,
      shift: rotary?.shift ?? 0,
      eps: QK_NORM_EPS,
      format: vectorFormat(D, half),
    };
    this.prepared = from === undefined ? prepare(network, half, backend) : sharePrepared(from.prepared);
    this.beginning = from?.beginning;
    this.length = from?.beginning.length ?? 0;
  }

  /**
   * Begins with what the model's own attention has read.
   * @param caches of every layer, keys and values [rows, H, T, D]; they stay the caller's
   */
  begin(caches: readonly { readonly k: Tensor; readonly v: Tensor }[]): void {
    const length = caches[0].k.shape[2] as number;
    const { k, v } = this.makeCaches(length);
    caches.forEach((cache, i) => {
      placeKeyValues(this.backend, cache, { k: k[i], v: v[i] }, this.shape);
    });
    this.clear();
    this.beginning = { k, v, length, rowOf: Int32Array.from({ length: this.rows }, (_, i) => i) };
    this.length = length;
  }

  private makeCaches(positions: number): Caches {
    const { rows, H, D, format } = this.shape;
    const words = storedWords(format);
    const vectors = D / format.lanes;
    const dtype = format.half ? 'int32' : 'float32';
    const make = (shape: number[]) => this.network.layers.map(() => keptTensor(this.backend, shape, dtype));
    return { k: make([rows, H, vectors, positions * words]), v: make([rows, H, positions, vectors * words]) };
  }

  private open(): Workspace {
    const { backend, network, rows, prepared, shape, beginning } = this;
    const C = shape.H * shape.D;
    const { layers, positions } = network;
    const { rowOf, length } = beginning as Beginning; // `step` has looked
    const chunks = chunksOf(shape, positions);
    return {
      own: this.makeCaches(positions - length),
      tables: tf.keep(tf.tensor1d(joinWords(rowOf, prepared.bits), 'int32')),
      x: keptTensor(backend, [rows, C]),
      qkv: keptTensor(backend, [rows, 3 * C]),
      mixed: keptTensor(backend, [rows, C]),
      inner: keptTensor(backend, [rows, layers[0].down.shape[1] as number]),
      partial: chunks > 1 ? keptTensor(backend, [rows, shape.H, chunks, shape.D + 2]) : undefined,
    };
  }

  /**
   * Reads one more code of every row.
   * @param wanted whether the logits are
   * @returns logits of the code after it, [rows, vocabulary], the caller's
   * @throws RangeError if all positions have been read
   */
  step(input: CodeInput, wanted = true): Tensor | undefined {
    const { backend, network, rows, shape, prepared, beginning, length } = this;
    if (beginning === undefined) throw new Error('decode: expected a beginning before the first step');
    if (length >= network.positions) {
      throw new RangeError(`decode: expected at most ${network.positions} positions, got ${length + 1}`);
    }
    this.workspace ??= this.open();
    const { own, tables, x, qkv, mixed, inner, partial } = this.workspace;
    embed(backend, input, x);
    const eps = network.bias === undefined ? RMS_NORM_EPS : LAYER_NORM_EPS;
    const split = chunksOf(shape, length + 1) > 1;
    const rotated = shape.rotary ? (network.positions + shape.shift) * shape.D : 0;
    network.layers.forEach(({ norm1, bias1, norm2, bias2 }, i) => {
      const weights = prepared.layers[i];
      project(backend, {
        ...{ name: 'decodeQkv', x, rows, norm: { gain: norm1, bias: bias1, eps } },
        ...{ weight: weights.qkv, y: qkv, ending: 'store' },
      });
      attendCached(backend, {
        ...{ qkv, mixed, partial: split ? partial : undefined, shape, tables, constants: prepared.constants },
        shared: { k: beginning.k[i], v: beginning.v[i] },
        own: { k: own.k[i], v: own.v[i] },
        position: length,
        sharedLength: beginning.length,
        capacity: network.positions - beginning.length,
        mask: maskFrom(prepared.maskAt[i], rows),
        gains: rotated + 2 * i * shape.D,
      });
      project(backend, { name: 'decodeOutput', x: mixed, rows, weight: weights.output, y: x, ending: 'add' });
      project(backend, {
        ...{ name: 'decodeUp', x, rows, norm: { gain: norm2, bias: bias2, eps } },
        ...{ weight: weights.up, y: inner, ending: network.gated ? 'swiglu' : 'gelu' },
      });
      project(backend, { name: 'decodeDown', x: inner, rows, weight: weights.down, y: x, ending: 'add' });
    });
    this.length++;
    if (!wanted) return undefined;
    const logits = backend.output([rows, prepared.head.N]);
    project(backend, {
      ...{ name: 'decodeHead', x, rows, norm: { gain: network.norm, bias: network.bias, eps } },
      ...{ weight: prepared.head, y: logits, ending: 'store' },
    });
    return tf.engine().makeTensorFromTensorInfo(logits);
  }

  /**
   * A decoder whose row i has read what row rows[i] of this one has, which is kept once, however many rows share it.
   * @param rows numbers from 0 to this.rows - 1, any of them more than once
   */
  select(rows: readonly number[]): GpuDecoder {
    const { network, backend, prepared, beginning, length } = this;
    if (beginning === undefined) throw new Error('decode: expected a beginning before rows are selected');
    const joined = length === beginning.length ? this.shareBeginning() : this.joinCaches();
    const rowOf = Int32Array.from(rows, row => joined.rowOf[row]);
    return new GpuDecoder(network, rows.length, backend, { prepared, beginning: { ...joined, rowOf } });
  }

  private shareBeginning(): Beginning {
    const { k, v, length, rowOf } = this.beginning as Beginning; // `select` has looked
    return { k: k.map(shareTensor), v: v.map(shareTensor), length, rowOf };
  }

  /** Beginning and own positions in one cache, a row for each of these rows. */
  private joinCaches(): Beginning {
    const { backend, beginning, workspace, length, rows, network } = this;
    const { H, D, format } = this.shape;
    const { k, v, rowOf, length: before } = beginning as Beginning; // `select` has looked
    const { own, tables } = workspace as Workspace; // more has been read than the beginning
    const vectors = D / format.lanes;
    const words = storedWords(format);
    const joined = this.makeCaches(length);
    const size = { rows, before, length, capacity: network.positions - before };
    network.layers.forEach((_, i) => {
      const keys = { shared: k[i], own: own.k[i], rowOf: tables };
      joinCaches(backend, keys, joined.k[i], { ...size, lines: H * vectors, words });
      const values = { shared: v[i], own: own.v[i], rowOf: tables };
      joinCaches(backend, values, joined.v[i], { ...size, lines: H, words: vectors * words });
    });
    return { ...joined, length, rowOf: rowOf.map((_, row) => row) };
  }

  /** Frees what has been read. */
  private clear(): void {
    if (this.beginning !== undefined) tf.dispose([[...this.beginning.k], [...this.beginning.v]]);
    if (this.workspace !== undefined) {
      const { own, partial, ...rest } = this.workspace;
      tf.dispose([[...own.k], [...own.v], rest, partial === undefined ? [] : [partial]]);
    }
    this.beginning = undefined;
    this.workspace = undefined;
  }

  /** Draws codes where they are read. @param u [draws, images], numbers in [0, 1) that decide the draws to come */
  createDraws(size: { readonly images: number; readonly K: number }, u: Float64Array, options: DrawOptions): GpuDraws {
    return new GpuDraws(this.backend, size, u, options);
  }

  /** Waits for the GPU where the host has run too far ahead of it. */
  async keepPace(): Promise<void> {
    const { backend } = this;
    if (backend.dispatches - this.waited <= MOST_WAITING) return;
    await backend.finish();
    this.waited = backend.dispatches;
  }

  dispose(): void {
    this.clear();
    for (const tensor of this.prepared.owned) tensor.dispose();
  }
}

function joinWords(first: Int32Array, second: Int32Array): Int32Array {
  const joined = new Int32Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

/** In a decoder's tables the masks come after its rows. */
function maskFrom(first: number | undefined, rows: number): number | undefined {
  return first === undefined ? undefined : rows + first;
}

function shareTensor(tensor: Tensor): Tensor {
  return tf.keep(tf.clone(tensor));
}

function sharePrepared(prepared: Prepared): Prepared {
  return { ...prepared, owned: prepared.owned.map(shareTensor) };
}

function prepare(network: DecoderNetwork, half: boolean, backend: GpuBackend): Prepared {
  const owned: Tensor[] = [];
  const weigh = (matrix: Tensor) =>
    prepareWeight(matrix, half, backend, copy => {
      owned.push(tf.keep(tf.engine().makeTensorFromTensorInfo(copy)));
    });
  const { layers, head, rotary, positions } = network;
  const parts: Tensor[] = rotary === undefined ? [] : [rotary.cos, rotary.sin];
  for (const { qGain, kGain } of layers) if (qGain !== undefined && kGain !== undefined) parts.push(qGain, kGain);
  const constants =
    parts.length === 0 ? undefined : tf.keep(tf.tidy(() => tf.concat(parts.map(part => tf.reshape(part, [-1])))));
  if (constants !== undefined) owned.push(constants);

  const words = positions * maskWords(positions);
  const { masks, maskOf } = layerTables(network);
  const bits = new Int32Array(masks.length * words);
  masks.forEach((mask, i) => {
    bits.set(mask.bits, i * words);
  });
  return {
    layers: layers.map(({ qkv, output, up, down }) => ({
      ...{ qkv: weigh(qkv), output: weigh(output), up: weigh(up), down: weigh(down) },
    })),
    head: weigh(head),
    ...{ constants, bits, maskAt: Array.from(maskOf, i => (i < 0 ? undefined : i * words)), owned },
  };
}

/** x [rows, C]: a code's vector, and those of its place where the model has them. */
function embed(backend: GpuBackend, input: CodeInput, x: TensorInfo): void {
  const { ids, forced = -1, image, row, column, down, across } = input;
  const [rows, C] = x.shape;
  const placed = row !== undefined && column !== undefined;
  backend.dispatch({
    name: 'decodeEmbed',
    variant: `${placed}`,
    bindings: [
      read('ids', ids),
      read('image', image),
      write('x', x),
      ...(placed ? [read('row_table', row), read('column_table', column)] : []),
    ],
    uniforms: { count: rows * C, C, images: ids.shape[0], forced: i32(forced), down: down * C, across: across * C },
    size: 256,
    groups: Math.ceil((rows * C) / 256),
    body: () => `
      let i = block * 256u + lane;
      if (i < u.count) {
        let c = i % u.C;
        let id = select(u.forced, ids[(i / u.C) % u.images], u.forced < 0);
        x[i] = image[u32(id) * u.C + c]${placed ? ' + (row_table[u.down + c] + column_table[u.across + c])' : ''};
      }`,
  });
}
