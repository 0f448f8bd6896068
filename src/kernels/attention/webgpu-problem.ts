/**
 * @file What the attention kernels on the GPU share: sizes, who may attend to whom, and rows in and out. A workgroup owns a
 * tile of rows of one head (queries, or keys in the gradients of keys and values) and goes through tiles of the others.
 * Tiles start at multiples of their size in the sequence, so that tables of what a mask empties are made once for all.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import type { Binding, Uniforms } from '../../device/webgpu/program.ts';
import { f32, read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { type AttentionMask, Mask, maskWords } from './mask.ts';

/** A table on the GPU, as bits: [query, key], then [key, query], then which squares of CELL x CELL have any bit. */
interface PackedTable {
  readonly tensor: TensorInfo;
  readonly T: number;
}

export interface Problem {
  readonly B: number;
  readonly H: number;
  readonly Tq: number;
  readonly Tk: number;
  readonly D: number;
  readonly causal: boolean;
  /** Empty if the mask is no table. */
  readonly packed: PackedTable;
}

/** Whose rows a workgroup owns; the others are keys if it owns queries, and the other way round. */
export type Side = 'queries' | 'keys';

/** Side of a square whose emptiness is known; tiles of the others are never larger. */
const CELL = 32;

/** Score of a pair that the mask hides, and the maximum before any score, far above it: both finite. */
export const HIDDEN = '-1e30';
export const FLOOR = '-1e20';

/** What kernels bind where the mask is no table. */
const noTables = new WeakMap<GpuBackend, PackedTable>();

/** The mask's bits on the GPU. It is not a tensor of tfjs's books: it belongs to no scope, but to the mask. */
function packedTable(mask: Mask, backend: GpuBackend): PackedTable {
  const tensor = mask.onDevice(backend, () => {
    const words = packTable(mask);
    const made = backend.makeTensorInfo([words.length], 'int32', words);
    return { tensor: made, free: () => backend.disposeData(made.dataId) };
  });
  return { tensor, T: mask.positions };
}

function noTable(backend: GpuBackend): PackedTable {
  let packed = noTables.get(backend);
  if (packed === undefined) {
    packed = { tensor: backend.makeTensorInfo([1], 'int32', new Int32Array(1)), T: 0 };
    noTables.set(backend, packed);
  }
  return packed;
}

function packTable(mask: Mask): Int32Array {
  const T = mask.positions;
  const { stride, mapAt, mapStride, length } = tableLayout(T);
  const words = new Int32Array(length);
  words.set(mask.bits);
  const put = (row: number, column: number) => {
    words[row + (column >> 5)] |= 1 << (column & 31);
  };
  for (let i = 0; i < T; i++) {
    for (let j = 0; j < T; j++) {
      if (!mask.sees(i, j)) continue;
      put((T + j) * stride, i);
      put(mapAt + Math.floor(i / CELL) * mapStride, Math.floor(j / CELL));
    }
  }
  return words;
}

/** In words of 32 bits. */
function tableLayout(T: number): { stride: number; mapAt: number; mapStride: number; length: number } {
  const stride = maskWords(T);
  const cells = Math.ceil(T / CELL);
  const mapStride = Math.ceil(cells / 32);
  const mapAt = 2 * T * stride;
  return { stride, mapAt, mapStride, length: mapAt + cells * mapStride };
}

export function problemOf({ q, k }: InputInfos, mask: AttentionMask, backend: GpuBackend): Problem {
  const [B, H, Tq, D] = q.shape;
  const [, , Tk] = k.shape;
  const packed = mask instanceof Mask ? packedTable(mask, backend) : noTable(backend);
  return { B, H, Tq, Tk, D, causal: mask === 'causal', packed };
}

export function isEmpty({ B, H, Tq, D }: Problem): boolean {
  return B * H * Tq * D === 0;
}

/** Whether rows are whole words of four channels. Else they start anywhere, and are read and written one by one. */
function isWhole(D: number): boolean {
  return D % 4 === 0;
}

/** Binds an array of rows of D channels, which `rowLoad` or `rowStore` make accessible. */
export function rowsOf(binding: Binding, D: number): Binding {
  return { ...binding, element: isWhole(D) ? 'vec4f' : 'f32' };
}

/** Declares `fn load_NAME(row: u32, c: u32) -> vec4f`, word c of a row, zeros past its end. */
export function rowLoad(name: string, D: number): string {
  const words = isWhole(D)
    ? `if (c < u.words) { word = ${name}[row * u.words + c]; }`
    : `
      for (var i = 0u; i < 4u; i++) {
        if (4u * c + i < u.D) { word[i] = ${name}[row * u.D + 4u * c + i]; }
      }`;
  return `
    fn load_${name}(row: u32, c: u32) -> vec4f {
      var word = vec4f();
      ${words}
      return word;
    }`;
}

/** Declares `fn store_NAME(row: u32, c: u32, word: vec4f)`, likewise; words past the row's end are dropped. */
function rowStore(name: string, D: number): string {
  const words = isWhole(D)
    ? `if (c < u.words) { ${name}[row * u.words + c] = word; }`
    : `
      for (var i = 0u; i < 4u; i++) {
        if (4u * c + i < u.D) { ${name}[row * u.D + 4u * c + i] = word[i]; }
      }`;
  return `fn store_${name}(row: u32, c: u32, word: vec4f) { ${words} }`;
}

/** Where the row of a position is: y and dy are [B, Tq, H, D], everything else of queries or keys is [B, H, T, ...]. */
export function rowAt(name: string, position: string): string {
  if (name === 'y' || name === 'dy') return `(b * u.Tq + ${position} - u.offset) * u.H + h`;
  if (['k', 'v', 'dk', 'dv'].includes(name)) return `bh * u.Tk + ${position}`;
  return `bh * u.Tq + ${position} - u.offset`;
}

/** Whether a position has such a row. */
export function hasRow(side: Side, position: string): string {
  return side === 'keys' ? `${position} < u.Tk` : `${position} >= u.offset && ${position} < u.Tk`;
}

/** Workgroups and numbers for a kernel whose groups own tiles of `own` rows. */
function tiling(problem: Problem, side: Side, own: number): { uniforms: Uniforms; groups: number } {
  const { B, H, Tq, Tk, D, causal, packed } = problem;
  const offset = Tk - Tq;
  const firstTile = side === 'queries' ? Math.floor(offset / own) : 0;
  const tiles = Math.ceil(Tk / own) - firstTile;
  const groups = B * H * tiles;
  const { stride, mapAt, mapStride } = tableLayout(packed.T);
  return {
    groups,
    uniforms: {
      ...{ blocks: groups, tiles, first_tile: firstTile, H, Tq, Tk, D, offset },
      words: Math.ceil(D / 4),
      causal: causal ? 1 : 0,
      /** 1 / sqrt(D), and the same for scores in units of log2. */
      root: f32(1 / Math.sqrt(D)),
      scale: f32(Math.LOG2E / Math.sqrt(D)),
      table: packed.T > 0 ? 1 : 0,
      mask_at: side === 'queries' ? 0 : packed.T * stride,
      mask_stride: stride,
      map_at: mapAt,
      map_stride: mapStride,
    },
  };
}

/**
 * The first lines of main: b, h, and where the group's tile starts. The longest tiles of a causal mask come first, so that
 * none is left over at the end, and groups beside each other share a head, whose rows the caches then hold.
 */
export function enterTile(side: Side, own: number): string {
  const tile = side === 'queries' ? 'u.tiles - 1u - block % u.tiles' : 'block % u.tiles';
  return `
    if (block >= u.blocks) { return; }
    let bh = block / u.tiles;
    let b = bh / u.H;
    let h = bh % u.H;
    let own_first = (u.first_tile + ${tile}) * ${own}u;`;
}

/** Which rows a kernel reads and writes by name (q, dy, dk, ...), and what else it binds. */
interface TileArrays {
  readonly reads: Readonly<Record<string, TensorInfo>>;
  readonly writes: Readonly<Record<string, TensorInfo>>;
  readonly others: readonly Binding[];
}

/** What all kernels here begin with. */
export interface TileProgram {
  readonly dispatch: {
    readonly bindings: readonly Binding[];
    readonly uniforms: Uniforms;
    readonly groups: number;
  };
  /** Declares `load_NAME`, `store_NAME`, `seen` and what `eachTile` needs. */
  readonly functions: () => string;
}

/** y [B, Tq, H * D] and logsumexp [B, H, Tq]. */
export interface ForwardOutputs {
  readonly y: TensorInfo;
  readonly logsumexp: TensorInfo;
}

/** The beginning of a forward kernel whose groups own tiles of `own` queries. */
export function forwardProgram(
  { q, k, v }: InputInfos,
  { y, logsumexp }: ForwardOutputs,
  problem: Problem,
  own: number,
): TileProgram {
  const arrays = { reads: { q, k, v }, writes: { y }, others: [write('logsumexp', logsumexp)] };
  return tileProgram(problem, { side: 'queries', own }, arrays);
}

/** A kernel of gradients: groups that own queries make dq, groups that own keys dk and dv. */
export interface GradientRows {
  readonly own: readonly [string, string];
  readonly others: readonly [string, string];
  readonly otherSide: Side;
  readonly names: readonly string[];
}

export const gradientRows: Readonly<Record<Side, GradientRows>> = {
  keys: { own: ['k', 'v'], others: ['q', 'dy'], otherSide: 'queries', names: ['dk', 'dv'] },
  queries: { own: ['q', 'dy'], others: ['k', 'v'], otherSide: 'keys', names: ['dq'] },
};

/** The beginning of one whose groups own tiles of `own` rows. @param gradients in the order of their names */
export function gradientProgram(
  { q, k, v, dy, summary }: InputInfos,
  gradients: readonly TensorInfo[],
  problem: Problem,
  { side, own }: { readonly side: Side; readonly own: number },
): TileProgram {
  const writes = Object.fromEntries(gradientRows[side].names.map((name, i) => [name, gradients[i]]));
  const arrays = { reads: { q, k, v, dy }, writes, others: [read('summary', summary, 'vec2f')] };
  return tileProgram(problem, { side, own }, arrays);
}

/** The beginning of a kernel whose groups own tiles of `own` rows of one side. */
function tileProgram(
  problem: Problem,
  { side, own }: { readonly side: Side; readonly own: number },
  { reads, writes, others }: TileArrays,
): TileProgram {
  const { D, packed } = problem;
  const bindings = [
    ...Object.entries(reads).map(([name, rows]) => rowsOf(read(name, rows), D)),
    ...Object.entries(writes).map(([name, rows]) => rowsOf(write(name, rows), D)),
    ...others,
    read('mask', packed.tensor, 'u32'),
  ];
  const functions = () => `
    ${Object.keys(reads)
      .map(name => rowLoad(name, D))
      .join('\n')}
    ${Object.keys(writes)
      .map(name => rowStore(name, D))
      .join('\n')}
    ${maskFunctions(side, own)}`;
  return { dispatch: { bindings, ...tiling(problem, side, own) }, functions };
}

/** Goes through the tiles of the others that the mask leaves something of; `body` sees `other_first`. */
export function eachTile(side: Side, sizes: { own: number; other: number }, body: string): string {
  const { own, other } = sizes;
  const [begin, end] =
    side === 'queries'
      ? ['0u', `select(u.Tk, min(u.Tk, own_first + ${own}u), u.causal != 0u)`]
      : [`select(u.offset, max(u.offset, own_first), u.causal != 0u) / ${other}u * ${other}u`, 'u.Tk'];
  return `
    let others_end = ${end};
    for (var other_first = ${begin}; other_first < others_end; other_first += ${other}u) {
      if (!tile_seen(own_first, other_first)) { continue; }
      ${body}
    }`;
}

/**
 * Declares `fn seen(own: u32, first: u32) -> u32`: bit c tells whether the pair of `own` and `first` + c is one that the
 * mask and the ends of the sequence allow, for the bits of one aligned word of 32; and what `eachTile` needs. The kind of
 * mask is a number and not in the text: it costs next to nothing, and one kernel compiles instead of three.
 */
function maskFunctions(side: Side, own: number): string {
  const span =
    side === 'queries'
      ? `
      let end = select(u.Tk, min(own + 1u, u.Tk), u.causal != 0u);
      var word = below(end - min(end, first));`
      : `
      let begin = select(u.offset, max(own, u.offset), u.causal != 0u);
      var word = below(u.Tk - min(u.Tk, first)) & ~below(begin - min(begin, first));
      word = select(0u, word, own < u.Tk);`;
  const [row, column] = side === 'queries' ? ['cell', 'other_cell'] : ['other_cell', 'cell'];
  return `
    fn below(n: u32) -> u32 { return select((1u << (n & 31u)) - 1u, 0xffffffffu, n >= 32u); }
    fn seen(own: u32, first: u32) -> u32 {
      ${span}
      if (u.table != 0u) {
        word &= mask[u.mask_at + min(own, u.Tk - 1u) * u.mask_stride + first / 32u] >> (first % 32u);
      }
      return word;
    }
    fn tile_seen(own_first: u32, other_first: u32) -> bool {
      if (u.table == 0u) { return true; }
      let other_cell = other_first / ${CELL}u;
      var any = 0u;
      for (var at = own_first; at < min(own_first + ${own}u, u.Tk); at += ${CELL}u) {
        let cell = at / ${CELL}u;
        any |= mask[u.map_at + ${row} * u.map_stride + ${column} / 32u] >> (${column} % 32u);
      }
      return (any & 1u) != 0u;
    }`;
}

/** Lines of text, one for each i below n. */
export function unroll(n: number, line: (i: number) => string): string {
  return Array.from({ length: n }, (_, i) => line(i)).join('\n');
}

/** A number as WGSL's f32. */
export function float(value: number): string {
  return `f32(${value})`;
}
