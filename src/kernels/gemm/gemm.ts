/**
 * @file Matrix products on the GPU, of operands that are described rather than given: `load` says how an element is found
 * (transposed, a patch of an image, through an activation's slope), `store` what becomes of a result. Three kernels make
 * them, chosen by shape: tiles in fp32 (tiles.ts), tiles on the matrix units (units.ts: operands rounded to f16,
 * sums in f32), and strips for few rows or few columns (strips.ts), which wait for memory and gain nothing by tiles.
 *
 * Bounds, for one result with sums of K terms a b: fp32 sums K terms one after another, so errs by at most K 2^-24 sum
 * |a b|, in practice its square root. With f16 operands 2^-10 sum |a b| is added (2^-11 an operand), and 2^-25 (|a| + |b|) a
 * term for what is below f16's normal range; beyond its range operands are clamped to 65,504. Sums have one fixed order.
 */
import type { Dispatch } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import type { Kernel, Product } from './product.ts';
import { stripsProgram } from './strips.ts';
import { tilesProgram } from './tiles.ts';
import { unitsProgram } from './units.ts';

/** Rows, or columns, up to which a product is made of strips. */
const FEW = 16;
/** As far as this if tiles would leave most of a GPU without work. */
const FEW_OF_FEW = 64;
/** Workgroups that give each of a large GPU's multiprocessors (132 on an H100) about half its fill. */
export const FILL = 128;

/** Tiles of the result times parts and batch. */
function workgroups({ M, N, batch = 1, parts = 1 }: Product, rows: number, columns: number): number {
  return Math.ceil(M / rows) * Math.ceil(N / columns) * batch * parts;
}

function isStrips(product: Product): boolean {
  const few = Math.min(product.M, product.N);
  if (product.storeRowSum !== undefined) return false;
  return few <= FEW || (few <= FEW_OF_FEW && workgroups(product, 64, 64) < FILL / 2);
}

/** The declarations of what the product brings along. */
function closures({ a, b, store, storeWidth = 1, storeRowSum, functions = '' }: Product): string {
  const type = (width: number) => (width === 4 ? 'vec4f' : 'f32');
  return `
    ${functions}
    fn load_a(row: u32, k: u32, batch: u32) -> ${type(a.width ?? 1)} { ${a.load} }
    fn load_b(row: u32, k: u32, batch: u32) -> ${type(b.width ?? 1)} { ${b.load} }
    fn put(row: u32, column: u32, batch: u32, part: u32, value: ${type(storeWidth)}) { ${store} }
    ${storeRowSum === undefined ? '' : `fn put_row_sum(row: u32, batch: u32, part: u32, value: f32) { ${storeRowSum} }`}`;
}

function choose(backend: GpuBackend, product: Product): Kernel {
  if (isStrips(product)) return stripsProgram(product);
  const { matrixUnits: units } = backend;
  if (units !== undefined && backend.precision === 'f16' && product.precision !== 'fp32') {
    const { summary, device } = backend;
    const program = { units, lanes: summary.subgroups, memory: device.limits.maxComputeWorkgroupStorageSize };
    return unitsProgram(product, program, workgroups(product, 128, 128) >= FILL);
  }
  return tilesProgram(product, workgroups(product, 128, 64) >= 2 * FILL);
}

/** Multiplies; the results are where `store` puts them. */
export function multiply(backend: GpuBackend, product: Product): void {
  const { name, variant = '', M, N, K, batch = 1, a, b, storeWidth = 1, parts = 1, bindings, uniforms } = product;
  if (M * N * batch === 0) return;
  const kernel = choose(backend, product);
  const part_length = Math.ceil(K / parts / kernel.depth) * kernel.depth;
  const shape = `${a.fast}${a.width ?? 1}${b.fast}${b.width ?? 1}${storeWidth}${product.storeRowSum ? 'r' : ''}`;
  const program: Dispatch = {
    name,
    variant: `${variant}/${shape}/${kernel.variant}`,
    bindings,
    uniforms: { ...uniforms, M, N, K, parts, part_length, ...kernel.uniforms },
    size: kernel.size,
    groups: kernel.groups,
    enable: kernel.enable,
    subgroupSize: kernel.subgroupSize,
    declarations: () => closures(product) + kernel.declarations(),
    body: kernel.body,
  };
  backend.dispatch(program);
}
