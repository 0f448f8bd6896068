/**
 * @file The transformer as an ONNX graph: one that reads a caption or a code and says what comes next, with keys and values
 * in a cache of a fixed size, so that reading the caption and every step after it are calls of the same graph.
 *
 *   ids [rows, n] int64        start token, caption ids, pads and codes, numbered in one table (`idOffsets`)
 *   positions [n] int64        where they stand in the sequence
 *   past.I.key, past.I.value   [rows, heads, length, head width] of layer I; zeros at first
 *   logits [rows, codes]       of the code after the last of them
 *   present.I.key ...          what goes in as the past of the next call
 *
 * Everything that can be told from a position (embedded position, row and column, the cell that is predicted next, angles) is a row
 * of a table. Dropout and the signs of changed pictures, which only training reads, are left out.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Dalle } from '../../families/transformer/dalle.ts';
import { Mask } from '../../kernels/attention/mask.ts';
import type { DecoderLayer, DecoderNetwork } from '../../kernels/decode/network.ts';
import { LAYER_NORM_EPS, RMS_NORM_EPS } from '../../kernels/norm/norm.ts';
import { QK_NORM_EPS } from '../../kernels/rope/rope.ts';
import type { NamedValues } from '../../nn/module.ts';
import { OnnxGraph, type Value } from './graph.ts';
import { gelu } from './operators.ts';

/** Where each kind of id begins in the one table of the graph. */
export interface IdOffsets {
  readonly start: number;
  /** Of caption ids: words, then a pad for each position. */
  readonly caption: number;
  readonly code: number;
}

export function idOffsets(model: Dalle): IdOffsets {
  return { start: 0, caption: 1, code: 1 + model.vocabulary.caption + model.config.captionLength };
}

/** Far below every score, and finite, so that no row is without a number. */
const UNSEEN = -1e9;

/** What all layers read. */
interface Shared {
  readonly graph: OnnxGraph;
  readonly network: DecoderNetwork;
  /** C, and channels of a head. */
  readonly width: number;
  readonly headWidth: number;
  /** [n], and [1, 1, n, 1]. */
  readonly positions: Value;
  readonly places: Value;
  /** cos and sin of queries and of keys, [n, headWidth / 2, 1]. */
  readonly angles?: { readonly query: readonly [Value, Value]; readonly key: readonly [Value, Value] };
  /** What each position may see, [n, length], by mask. */
  readonly seen: Map<DecoderLayer['mask'], Value>;
  /** Caches with what was read, by the names of their outputs. */
  readonly presents: Map<string, Value>;
}

/** The graph of a model, with its weights as they are now. */
export async function decoderGraph(model: Dalle): Promise<OnnxGraph> {
  const graph = new OnnxGraph('decoder');
  const network = model.network();
  const { width } = model.config;
  const ids = graph.input('ids', 'int64', ['rows', 'n']);
  const positions = graph.input('positions', 'int64', ['n']);
  const shared: Shared = {
    ...{ graph, network, width, positions },
    headWidth: width / network.heads,
    places: graph.op('Reshape', [positions, graph.ints([1, 1, -1, 1])]),
    angles: await anglesOf(graph, network, positions),
    seen: new Map(),
    presents: new Map(),
  };
  let hidden = await embedded(graph, model, { ids, positions }); // [rows, n, C]
  for (const [i, layer] of network.layers.entries()) hidden = await addLayer(shared, hidden, { layer, i });
  const last = graph.op('Gather', [hidden, graph.ints([-1], { scalar: true })], { axis: 1 }); // [rows, C]
  const normed = await norm(shared, last, { name: 'norm', gain: network.norm, bias: network.bias });
  const logits = graph.op('MatMul', [normed, await matrix(graph, 'image_head', network.head)]);
  graph.output('logits', logits, { type: 'float32', shape: ['rows', model.vocabulary.image] });
  for (const [name, cache] of shared.presents)
    graph.output(name, cache, { type: 'float32', shape: cacheShape(shared) });
  return graph;
}

/** The vectors of ids, with those of their positions. */
async function embedded(
  graph: OnnxGraph,
  model: Dalle,
  { ids, positions }: { readonly ids: Value; readonly positions: Value },
): Promise<Value> {
  const { width } = model.config;
  const values = await model.parameters.values();
  const tables = ['start', 'caption_embedding.weight', 'image_embedding.weight'].map(name => valuesOf(values, name));
  const table = joined(tables);
  const rows = graph.weight('embedding', [table.length / width, width], table);
  const x = graph.op('Gather', [rows, ids], { axis: 0 });
  const places = await positionTable(model, values);
  if (places === undefined) return x;
  const added = graph.weight('position_embedding', [model.length, width], places);
  return graph.op('Add', [x, graph.op('Gather', [added, positions], { axis: 0 })]);
}

/** What is added at each position, [length, C]; undefined if nothing is. */
async function positionTable(model: Dalle, values: NamedValues): Promise<Float32Array | undefined> {
  const { width: C, captionLength } = model.config;
  const { row, column, at, dispose } = model.codeTables();
  try {
    if (row === undefined || column === undefined) return undefined;
    const [rows, columns] = [await row.data(), await column.data()];
    const table = new Float32Array(model.length * C);
    if (model.config.positions !== 'rope') table.set(valuesOf(values, 'position_embedding.caption.weight'));
    const first = captionLength + 1;
    for (let position = first; position < model.length; position++) {
      const { down, across } = at(position - first);
      for (let c = 0; c < C; c++) table[position * C + c] = rows[down * C + c] + columns[across * C + c];
    }
    return table;
  } finally {
    dispose();
  }
}

/** Looks the angles of the positions up; undefined without rotary positions. */
async function anglesOf(
  graph: OnnxGraph,
  { rotary, positions: length }: DecoderNetwork,
  positions: Value,
): Promise<Shared['angles']> {
  if (rotary === undefined) return undefined;
  const { cos, sin, shift = 0 } = rotary;
  const lookUp = async (name: string, table: Tensor, from: number): Promise<Value> => {
    const half = table.shape[1] as number;
    const values = (await table.data()).slice(from * half, (from + length) * half) as Float32Array;
    const rows = graph.weight(name, [length, half], values);
    return graph.op('Unsqueeze', [graph.op('Gather', [rows, positions], { axis: 0 }), graph.ints([-1])]);
  };
  const key = [await lookUp('cos', cos, 0), await lookUp('sin', sin, 0)] as const;
  if (shift === 0) return { key, query: key };
  return { key, query: [await lookUp('query_cos', cos, shift), await lookUp('query_sin', sin, shift)] };
}

/** A layer after another; see families/transformer/layer.ts. */
async function addLayer(
  shared: Shared,
  x: Value,
  { layer, i }: { readonly layer: DecoderLayer; readonly i: number },
): Promise<Value> {
  const { graph, network } = shared;
  const name = `layers.${i}`;
  const linear = async (input: Value, own: string, weight: Tensor) =>
    graph.op('MatMul', [input, await matrix(graph, `${name}.${own}`, weight)]);
  const first = await norm(shared, x, { name: `${name}.norm1`, gain: layer.norm1, bias: layer.bias1 });
  const mixed = await attention(shared, await linear(first, 'attention.qkv', layer.qkv), { layer, i });
  const y = graph.op('Add', [x, await linear(mixed, 'attention.output', layer.output)]);
  const second = await norm(shared, y, { name: `${name}.norm2`, gain: layer.norm2, bias: layer.bias2 });
  const up = await linear(second, 'mlp.up', layer.up);
  const inner = network.gated ? gated(graph, up) : gelu(graph, up);
  return graph.op('Add', [y, await linear(inner, 'mlp.down', layer.down)]);
}

/** silu(a) b of the halves a and b of the last axis. */
function gated(graph: OnnxGraph, x: Value): Value {
  const [a, b] = graph.ops('Split', [x], { results: 2, attributes: { axis: -1 } });
  return graph.op('Mul', [graph.op('Mul', [a, graph.op('Sigmoid', [a])]), b]);
}

/** @param qkv [rows, n, 3C]; @returns [rows, n, C] */
async function attention(
  shared: Shared,
  qkv: Value,
  { layer, i }: { readonly layer: DecoderLayer; readonly i: number },
): Promise<Value> {
  const { graph, network, width, headWidth: D, angles } = shared;
  const { heads: H } = network;
  const split = graph.op('Reshape', [qkv, graph.ints([0, 0, 3 * H, D])]);
  const parts = graph.ops('Split', [graph.op('Transpose', [split], { perm: [0, 2, 1, 3] })], {
    results: 3,
    attributes: { axis: 1 },
  }); // each [rows, H, n, D]
  const turned = async (x: Value, gain: Tensor | undefined, name: string, by?: readonly [Value, Value]) => {
    const own = `layers.${i}.attention.${name}`;
    const normed = gain === undefined ? x : await rms(graph, x, { name: own, gain, eps: QK_NORM_EPS });
    return by === undefined ? normed : rotated(graph, normed, { by, D });
  };
  const q = await turned(parts[0], layer.qGain, 'q_norm', angles?.query);
  const k = await turned(parts[1], layer.kGain, 'k_norm', angles?.key);
  const keys = cached(shared, k, `${i}.key`); // [rows, H, length, D]
  const values = cached(shared, parts[2], `${i}.value`);
  const products = graph.op('MatMul', [q, graph.op('Transpose', [keys], { perm: [0, 1, 3, 2] })]);
  const scores = graph.op('Mul', [products, graph.float(1 / Math.sqrt(D))]);
  const visible = graph.op('Where', [seenBy(shared, layer.mask), scores, graph.float(UNSEEN)]);
  const mixed = graph.op('MatMul', [graph.op('Softmax', [visible], { axis: -1 }), values]); // [rows, H, n, D]
  return graph.op('Reshape', [graph.op('Transpose', [mixed], { perm: [0, 2, 1, 3] }), graph.ints([0, 0, width])]);
}

/** Neighbouring channels as pairs, turned by their positions' angles. */
function rotated(graph: OnnxGraph, x: Value, { by: [cos, sin], D }: { by: readonly [Value, Value]; D: number }): Value {
  const pairs = graph.op('Reshape', [x, graph.ints([0, 0, 0, D / 2, 2])]);
  const [even, odd] = graph.ops('Split', [pairs], { results: 2, attributes: { axis: -1 } });
  const times = (a: Value, b: Value) => graph.op('Mul', [a, b]);
  const first = graph.op('Sub', [times(even, cos), times(odd, sin)]);
  const second = graph.op('Add', [times(even, sin), times(odd, cos)]);
  return graph.op('Reshape', [graph.op('Concat', [first, second], { axis: -1 }), graph.ints([0, 0, 0, D])]);
}

/** Puts what was read to its positions in the cache. @param x [rows, H, n, D]; @returns [rows, H, length, D] */
function cached(shared: Shared, x: Value, name: string): Value {
  const { graph, places, presents } = shared;
  const past = graph.input(`past.${name}`, 'float32', cacheShape(shared));
  const indices = graph.op('Expand', [places, graph.op('Shape', [x])]);
  const present = graph.op('ScatterElements', [past, indices, x], { axis: 2 });
  presents.set(`present.${name}`, present);
  return present;
}

function cacheShape({ network, headWidth }: Shared): readonly (number | string)[] {
  return ['rows', network.heads, network.positions, headWidth];
}

/** Which positions of the cache the ones that are read may see, [n, length] bool. */
function seenBy({ graph, network, positions, seen }: Shared, mask: DecoderLayer['mask']): Value {
  const known = seen.get(mask);
  if (known !== undefined) return known;
  const length = network.positions;
  let value: Value;
  if (mask instanceof Mask) {
    const table = Uint8Array.from(mask.table, entry => (entry === 0 ? 0 : 1));
    value = graph.op('Gather', [graph.weight(`mask ${seen.size}`, [length, length], table), positions], { axis: 0 });
  } else {
    const all = graph.weight(
      'all positions',
      [length],
      BigInt64Array.from({ length }, (_, i) => BigInt(i)),
    );
    value = graph.op('LessOrEqual', [all, graph.op('Unsqueeze', [positions, graph.ints([-1])])]);
  }
  seen.set(mask, value);
  return value;
}

interface NormWeights {
  readonly name: string;
  readonly gain: Tensor;
  /** Of a layer norm; a norm without one is an RMS norm. */
  readonly bias?: Tensor;
}

async function norm({ graph }: Shared, x: Value, { name, gain, bias }: NormWeights): Promise<Value> {
  if (bias === undefined) return rms(graph, x, { name, gain, eps: RMS_NORM_EPS });
  const weights = [await vector(graph, name, gain), await vector(graph, `${name}.bias`, bias)];
  return graph.op('LayerNormalization', [x, ...weights], { axis: -1, epsilon: { float: LAYER_NORM_EPS } });
}

async function rms(
  graph: OnnxGraph,
  x: Value,
  { name, gain, eps }: { readonly name: string; readonly gain: Tensor; readonly eps: number },
): Promise<Value> {
  const squares = graph.op('ReduceMean', [graph.op('Mul', [x, x])], { axes: [-1], keepdims: 1 });
  const root = graph.op('Sqrt', [graph.op('Add', [squares, graph.float(eps)])]);
  return graph.op('Mul', [graph.op('Div', [x, root]), await vector(graph, name, gain)]);
}

async function vector(graph: OnnxGraph, name: string, tensor: Tensor): Promise<Value> {
  return graph.weight(name, tensor.shape, (await tensor.data()).slice() as Float32Array);
}

/** A weight [outputs, inputs] as what rows are multiplied by, [inputs, outputs]. */
async function matrix(graph: OnnxGraph, name: string, weight: Tensor): Promise<Value> {
  const [outputs, inputs] = weight.shape as [number, number];
  const values = await weight.data();
  const turned = new Float32Array(values.length);
  for (let o = 0; o < outputs; o++) for (let i = 0; i < inputs; i++) turned[i * outputs + o] = values[o * inputs + i];
  return graph.weight(name, [inputs, outputs], turned);
}

function valuesOf(values: NamedValues, name: string): Float32Array {
  const found = values.get(name);
  if (found === undefined) throw new Error(`the model has no parameter ${name}`);
  return found.values;
}

function joined(tables: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(tables.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const table of tables) {
    all.set(table, at);
    at += table.length;
  }
  return all;
}
