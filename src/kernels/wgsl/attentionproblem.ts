/**
 * @file What the attention kernels on the GPU share: sizes, who may attend to whom, and rows in and out. A workgroup owns a
 * tile of rows of one head (queries, or keys in the gradients of keys and values) and goes through tiles of the others.
 * Tiles start at multiples of their size in the sequence, so that tables of what a mask empties are made once for all.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../backends/native.ts';
import type { Binding, Uniforms } from '../../backends/webgpu/program.ts';
import { read } from '../../backends/webgpu/program.ts';
import type { GpuBackend } from '../../backends/webgpu/webgpu.ts';

/** A mask as a matrix of bytes [T, T], row = query position, not 0 = may attend; `key` names it. */
export interface TableMask {
  readonly key: string;
  readonly table: Uint8Array;
  readonly T: number;
}

export type MaskKind = 'none' | 'causal' | 'table';

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
  readonly kind: MaskKind;
  readonly packed: PackedTable | undefined;
}

/** Whose rows a workgroup owns; the others are keys if it owns queries, and the other way round. */
export type Side = 'queries' | 'keys';

/** Side of a square whose emptiness is known; tiles of the others are never larger. */
const CELL = 32;

/** Score of a pair that the mask hides, and the maximum before any score, far above it: both finite. */
export const HIDDEN = '-1e30';
export const FLOOR = '-1e20';

const packedTables = new WeakMap<GpuBackend, Map<string, PackedTable>>();

/** The table's bits, uploaded at its first use on a backend and kept there: it is small. */
function packedTable({ key, table, T }: TableMask, backend: GpuBackend): PackedTable {
  let known = packedTables.get(backend);
  if (known === undefined) {
    known = new Map();
    packedTables.set(backend, known);
  }
  let packed = known.get(key);
  if (packed === undefined) {
    const words = packTable(table, T);
    // Not a tensor of tfjs's books: it belongs to no scope.
    packed = { tensor: backend.makeTensorInfo([words.length], 'int32', words), T };
    known.set(key, packed);
  }
  return packed;
}

function packTable(table: Uint8Array, T: number): Int32Array {
  const { stride, mapAt, mapStride, length } = tableLayout(T);
  const words = new Int32Array(length);
  const put = (row: number, column: number) => {
    words[row + (column >> 5)] |= 1 << (column & 31);
  };
  for (let i = 0; i < T; i++) {
    for (let j = 0; j < T; j++) {
      if (table[i * T + j] === 0) continue;
      put(i * stride, j);
      put((T + j) * stride, i);
      put(mapAt + Math.floor(i / CELL) * mapStride, Math.floor(j / CELL));
    }
  }
  return words;
}

/** In words of 32 bits. */
function tableLayout(T: number): { stride: number; mapAt: number; mapStride: number; length: number } {
  const stride = Math.ceil(T / 32);
  const cells = Math.ceil(T / CELL);
  const mapStride = Math.ceil(cells / 32);
  const mapAt = 2 * T * stride;
  return { stride, mapAt, mapStride, length: mapAt + cells * mapStride };
}

export function problemOf({ q, k }: InputInfos, table: TableMask | undefined, mask: string, backend: GpuBackend) {
  const [B, H, Tq, D] = q.shape;
  const [, , Tk] = k.shape;
  const kind: MaskKind = table !== undefined ? 'table' : mask === 'causal' ? 'causal' : 'none';
  const packed = table === undefined ? undefined : packedTable(table, backend);
  return { B, H, Tq, Tk, D, kind, packed } satisfies Problem;
}

export function isEmpty({ B, H, Tq, D }: Problem): boolean {
  return B * H * Tq * D === 0;
}

/** Words of four channels in a row. */
export function wordsOf(D: number): number {
  return Math.ceil(D / 4);
}

/** The last one has less where D is no multiple of four, and rows then start anywhere: they are read one by one. */
function elementFor(D: number): string {
  return D % 4 === 0 ? 'vec4f' : 'f32';
}

/** Binds an array of rows of D channels, which `rowLoad` or `rowStore` make accessible. */
export function rowsOf(binding: Binding, D: number): Binding {
  return { ...binding, element: elementFor(D) };
}

/** The mask's binding, none if there is no table. */
export function maskBinding({ packed }: Problem): Binding[] {
  return packed === undefined ? [] : [read('mask', packed.tensor, 'u32')];
}

/** Declares `fn load_NAME(row: u32, c: u32) -> vec4f`, word c of a row, zeros past its end. */
export function rowLoad(name: string, D: number): string {
  if (D % 4 === 0) return `fn load_${name}(row: u32, c: u32) -> vec4f { return ${name}[row * ${D / 4}u + c]; }`;
  return `
    fn load_${name}(row: u32, c: u32) -> vec4f {
      var word = vec4f();
      for (var i = 0u; i < 4u; i++) {
        if (4u * c + i < ${D}u) { word[i] = ${name}[row * ${D}u + 4u * c + i]; }
      }
      return word;
    }`;
}

/** Declares `fn store_NAME(row: u32, c: u32, word: vec4f)`, likewise; words past the row's end are dropped. */
export function rowStore(name: string, D: number): string {
  const whole = `if (c < ${wordsOf(D)}u) { ${name}[row * ${D / 4}u + c] = word; }`;
  const parts = `
    for (var i = 0u; i < 4u; i++) {
      if (4u * c + i < ${D}u) { ${name}[row * ${D}u + 4u * c + i] = word[i]; }
    }`;
  return `fn store_${name}(row: u32, c: u32, word: vec4f) { ${D % 4 === 0 ? whole : parts} }`;
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
export function tiling(problem: Problem, side: Side, own: number): { uniforms: Uniforms; groups: number } {
  const { B, H, Tq, Tk, packed } = problem;
  const offset = Tk - Tq;
  const firstTile = side === 'queries' ? Math.floor(offset / own) : 0;
  const tiles = Math.ceil(Tk / own) - firstTile;
  const uniforms = { blocks: B * H * tiles, tiles, first_tile: firstTile, H, Tq, Tk, offset };
  const groups = B * H * tiles;
  if (packed === undefined) return { uniforms, groups };
  const { stride, mapAt, mapStride } = tableLayout(packed.T);
  const maskAt = side === 'queries' ? 0 : packed.T * stride;
  return {
    uniforms: { ...uniforms, mask_at: maskAt, mask_stride: stride, map_at: mapAt, map_stride: mapStride },
    groups,
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

/** Goes through the tiles of the others that the mask leaves something of; `body` sees `other_first`. */
export function eachTile(kind: MaskKind, side: Side, sizes: { own: number; other: number }, body: string): string {
  const { own, other } = sizes;
  const causal = kind === 'causal';
  const begin =
    side === 'queries' ? '0u' : `${causal ? 'max(u.offset, own_first)' : 'u.offset'} / ${other}u * ${other}u`;
  const end = side === 'queries' && causal ? `min(u.Tk, own_first + ${own}u)` : 'u.Tk';
  return `
    let others_end = ${end};
    for (var other_first = ${begin}; other_first < others_end; other_first += ${other}u) {
      ${kind === 'table' ? 'if (!tile_seen(own_first, other_first)) { continue; }' : ''}
      ${body}
    }`;
}

/**
 * Declares `fn seen(own: u32, first: u32) -> u32`: bit c tells whether the pair of `own` and `first` + c is one that the
 * mask and the ends of the sequence allow, for the bits of one aligned word of 32; and what `eachTile` needs.
 */
export function maskFunctions(kind: MaskKind, side: Side, own: number): string {
  const causal = kind === 'causal';
  const span =
    side === 'queries'
      ? `
      let end = ${causal ? 'min(own + 1u, u.Tk)' : 'u.Tk'};
      var word = below(end - min(end, first));`
      : `
      let begin = ${causal ? 'max(own, u.offset)' : 'u.offset'};
      var word = below(u.Tk - min(u.Tk, first)) & ~below(begin - min(begin, first));`;
  const [row, column] = side === 'queries' ? ['cell', 'other_cell'] : ['other_cell', 'cell'];
  const cells = Array.from(
    { length: Math.max(1, own / CELL) },
    (_, i) => `{
      let cell = own_first / ${CELL}u + ${i}u;
      if (cell * ${CELL}u < u.Tk) { any |= mask[u.map_at + ${row} * u.map_stride + ${column} / 32u] >> (${column} % 32u); }
    }`,
  );
  const table = `
    fn tile_seen(own_first: u32, other_first: u32) -> bool {
      let other_cell = other_first / ${CELL}u;
      var any = 0u;
      ${cells.join('\n')}
      return (any & 1u) != 0u;
    }`;
  return `
    fn below(n: u32) -> u32 { return select((1u << (n & 31u)) - 1u, 0xffffffffu, n >= 32u); }
    fn seen(own: u32, first: u32) -> u32 {
      ${span}
      ${
        kind === 'table'
          ? 'word &= mask[u.mask_at + min(own, u.Tk - 1u) * u.mask_stride + first / 32u] >> (first % 32u);'
          : ''
      }
      return word;
    }
    ${kind === 'table' ? table : ''}`;
}

/** Lines of text, one for each i below n. */
export function unroll(n: number, line: (i: number) => string): string {
  return Array.from({ length: n }, (_, i) => line(i)).join('\n');
}

/** A number as WGSL's f32. */
export function float(value: number): string {
  return `f32(${value})`;
}
