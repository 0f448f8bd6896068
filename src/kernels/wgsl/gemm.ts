/**
 * @file Matrix products on the GPU, of operands that are described rather than given: `load` says how an element is found
 * (transposed, a patch of an image, through an activation's slope), `store` what becomes of a result. Tiles of both
 * operands are staged in workgroup memory; every invocation sums a small block of the result in registers.
 */
import type { Binding, Dispatch, Uniforms } from '../../backends/webgpu/program.ts';
import type { GpuBackend } from '../../backends/webgpu/webgpu.ts';

/** One side of a product: rows of the result for `a`, columns for `b`. */
export interface Operand {
  /**
   * WGSL statements that return an f32 for `row: u32` (of a: below M, of b: below N), `k: u32` (below K) and
   * `batch: u32`. Called with indices in bounds only.
   */
  readonly load: string;
  /** Which index moves through neighbouring memory. */
  readonly fast: 'k' | 'row';
}

export interface Product {
  /** Names the kernel in profiles. */
  readonly name: string;
  /** Whatever `load`, `store` and `functions` depend on beyond bindings and uniforms' names. */
  readonly variant?: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** Products of the same shape side by side. Default 1. */
  readonly batch?: number;
  readonly a: Operand;
  readonly b: Operand;
  /**
   * WGSL statements that put `value: f32` where it belongs, for `row`, `column`, `batch` and `part: u32`. Called once for
   * each result (and part), in bounds.
   */
  readonly store: string;
  /**
   * K in so many parts of about the same length, each of which is stored by itself, for results too few to fill a GPU.
   * Their sum is the caller's affair. Default 1.
   */
  readonly parts?: number;
  readonly bindings: readonly Binding[];
  /** Numbers for `load` and `store`, which see them as `u.name`; M, N and K are there anyway. */
  readonly uniforms?: Uniforms;
  /** WGSL functions and constants that they use. */
  readonly functions?: string;
}

/** Side of a tile of the result, and depth of what is staged at a time. */
const TILE = 64;
const DEPTH = 16;
const SIZE = 256;

/** Stages one operand's tile: [DEPTH][TILE] of it, zeros beyond its edges. */
function stage(name: 'a' | 'b', fast: 'k' | 'row', limit: string): string {
  const [k, row] = fast === 'k' ? [`e % ${DEPTH}u`, `e / ${DEPTH}u`] : [`e / ${TILE}u`, `e % ${TILE}u`];
  return `
    for (var e = lane; e < ${TILE * DEPTH}u; e += ${SIZE}u) {
      let k = ${k};
      let row = ${row};
      var value = 0.0;
      if (${name}_first + row < ${limit} && k_first + k < k_end) {
        value = load_${name}(${name}_first + row, k_first + k, batch);
      }
      tile_${name}[k * ${TILE}u + row] = value;
    }`;
}

/** Multiplies; the results are where `store` puts them. */
export function multiply(backend: GpuBackend, product: Product): void {
  const {
    name,
    variant = '',
    M,
    N,
    K,
    batch = 1,
    a,
    b,
    store,
    parts = 1,
    bindings,
    uniforms,
    functions = '',
  } = product;
  if (M * N * batch === 0) return;
  const program: Dispatch = {
    name,
    variant: `${variant}/${a.fast}${b.fast}`,
    bindings,
    uniforms: { ...uniforms, M, N, K, parts, part_length: Math.ceil(K / parts) },
    size: SIZE,
    groups: [Math.ceil(N / TILE), Math.ceil(M / TILE), batch * parts],
    declarations: () => `
      ${functions}
      fn load_a(row: u32, k: u32, batch: u32) -> f32 { ${a.load} }
      fn load_b(row: u32, k: u32, batch: u32) -> f32 { ${b.load} }
      fn put(row: u32, column: u32, batch: u32, part: u32, value: f32) { ${store} }
      var<workgroup> tile_a: array<f32, ${TILE * DEPTH}>;
      var<workgroup> tile_b: array<f32, ${TILE * DEPTH}>;`,
    body: () => `
      let batch = group.z / u.parts;
      let part = group.z % u.parts;
      let a_first = group.y * ${TILE}u;
      let b_first = group.x * ${TILE}u;
      let k_end = min(u.K, (part + 1u) * u.part_length);
      let down = lane / 16u;
      let across = lane % 16u;
      var sums: array<vec4f, 4>;
      for (var k_first = part * u.part_length; k_first < k_end; k_first += ${DEPTH}u) {
        workgroupBarrier();
        ${stage('a', a.fast, 'u.M')}
        ${stage('b', b.fast, 'u.N')}
        workgroupBarrier();
        for (var k = 0u; k < ${DEPTH}u; k++) {
          let i = k * ${TILE}u + down;
          let j = k * ${TILE}u + across;
          let right = vec4f(tile_b[j], tile_b[j + 16u], tile_b[j + 32u], tile_b[j + 48u]);
          for (var r = 0u; r < 4u; r++) { sums[r] += tile_a[i + 16u * r] * right; }
        }
      }
      for (var r = 0u; r < 4u; r++) {
        for (var c = 0u; c < 4u; c++) {
          let row = a_first + down + 16u * r;
          let column = b_first + across + 16u * c;
          if (row < u.M && column < u.N) { put(row, column, batch, part, sums[r][c]); }
        }
      }`,
  };
  backend.dispatch(program);
}
