/** @file What a product is, and what a kernel that makes it brings along: the words that gemm.ts and its three kernels share. */
import type { Binding, Uniforms } from '../../device/webgpu/program.ts';

/** One side of a product: rows of the result for `a`, columns for `b`. */
export interface Operand {
  /**
   * WGSL statements that return an f32 for `row: u32` (of a: below M, of b: below N), `k: u32` (below K) and
   * `batch: u32`. Called with indices in bounds only.
   */
  readonly load: string;
  /** Which index moves through neighbouring memory. */
  readonly fast: 'k' | 'row';
  /**
   * 4 if `load` returns a vec4f: four neighbours along `fast`, whose extent is a multiple of 4, from the given index, which
   * is one too. A quarter of the loads. Default 1.
   */
  readonly width?: 1 | 4;
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
  /** 4 if `store` takes a vec4f: the results in columns `column` to `column + 3`; N must be a multiple of 4. Default 1. */
  readonly storeWidth?: 1 | 4;
  /**
   * WGSL statements that put `value: f32`, the sum of a's row `row` over the k of `part`, for `batch` too: the gradient of a
   * bias beside that of a weight. Only in products without `strips`.
   */
  readonly storeRowSum?: string;
  /**
   * K in so many parts of about the same length, each of which is stored by itself, for results too few to fill a GPU.
   * Their sum is the caller's affair (split-k.ts). Default 1.
   */
  readonly parts?: number;
  readonly bindings: readonly Binding[];
  /** Numbers for `load` and `store`, which see them as `u.name`; M, N and K are there anyway. */
  readonly uniforms?: Uniforms;
  /** WGSL functions and constants that they use. */
  readonly functions?: string;
  /** Keeps this product in fp32 where others go to the matrix units. */
  readonly precision?: 'fp32';
}

/** What one of the three kernels adds to the product. */
export interface Kernel {
  /** What its text depends on beyond the product. */
  readonly variant: string;
  readonly size: number;
  readonly groups: number;
  /** Parts of K start at its multiples. */
  readonly depth: number;
  readonly uniforms: Readonly<Record<string, number>>;
  readonly declarations: () => string;
  readonly body: () => string;
  readonly enable?: readonly string[];
  readonly subgroupSize?: number;
}
