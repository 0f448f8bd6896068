/**
 * @file Sums over the rows of a matrix, as gradients of biases and gains are, in two dispatches with one order: workgroups
 * take a strip of columns and a part of the rows each, so that neighbouring lanes read neighbouring columns and there is
 * work for a whole GPU; then the parts are added.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Binding, read, type Uniforms, write } from '../../backends/webgpu/program.ts';
import type { GpuBackend } from '../../backends/webgpu/webgpu.ts';

export const LANES = 256;
/** Columns of a strip at most: 256 bytes of each row. */
const STRIP = 64;
/** Workgroups that keep a large GPU busy: some for each of about 130 multiprocessors. */
export const ENOUGH_GROUPS = 528;
const MOST_PARTS = 256;
/** Rows that a lane adds at least. */
const FEWEST_ROWS = 8;

/** How the lanes of a workgroup lie over a strip: `across` columns, a power of two, and 256 / across rows at once. */
export interface Strips {
  readonly across: number;
  readonly strips: number;
  readonly rowsAtOnce: number;
}

/** @param most columns of a strip, a power of two */
export function stripsOf(columns: number, most = STRIP): Strips {
  const across = Math.min(most, 2 ** Math.ceil(Math.log2(columns)));
  return { across, strips: Math.ceil(columns / across), rowsAtOnce: LANES / across };
}

/** Parts of the rows for workgroups of their own. @param side how many such matrices lie side by side */
export function partsOf(rows: number, { strips, rowsAtOnce }: Strips, side = 1): number {
  const wanted = Math.ceil(ENOUGH_GROUPS / (strips * side));
  return Math.max(1, Math.min(wanted, Math.ceil(rows / (rowsAtOnce * FEWEST_ROWS)), MOST_PARTS));
}

/**
 * Declares `fn sum_down(value: f32, lane: u32, across: u32) -> f32`: the sum over all lanes that lie in the same column,
 * across a power of two; with `across` 1 over the whole workgroup, which must call it together.
 */
export function sumDown(type: 'f32' | 'vec2f'): string {
  return `
    var<workgroup> down_parts: array<${type}, ${LANES}>;
    fn sum_down(value: ${type}, lane: u32, across: u32) -> ${type} {
      workgroupBarrier();
      down_parts[lane] = value;
      workgroupBarrier();
      for (var half = ${LANES / 2}u; half >= across; half >>= 1u) {
        if (lane < half) { down_parts[lane] += down_parts[lane + half]; }
        workgroupBarrier();
      }
      return down_parts[lane & (across - 1u)];
    }`;
}

export interface ColumnTerms {
  /** Names the kernel in profiles. */
  readonly name: string;
  /** Whatever `term` and `functions` depend on beyond bindings and uniforms' names. */
  readonly variant?: string;
  readonly rows: number;
  readonly columns: number;
  /** WGSL statements that return the f32 of `row` and `column: u32`. They run once for each, so they may store it too. */
  readonly term: string;
  readonly bindings: readonly Binding[];
  /** Numbers for `term`, which sees `u.rows` and `u.columns` anyway. */
  readonly uniforms?: Uniforms;
  readonly functions?: string;
}

/** Sums of parts of the rows, [parts, columns]; the caller's to add (`sumParts`) and to dispose. */
export function partialColumnSums(backend: GpuBackend, terms: ColumnTerms): TensorInfo {
  const { name, variant, rows, columns, term, bindings, uniforms, functions = '' } = terms;
  const layout = stripsOf(columns);
  const { across, strips, rowsAtOnce } = layout;
  const parts = partsOf(rows, layout);
  const sums = backend.output([parts, columns]);
  backend.dispatch({
    name,
    variant,
    bindings: [...bindings, write('column_sums', sums)],
    uniforms: { ...uniforms, rows, columns, across, rows_at_once: rowsAtOnce, part_rows: Math.ceil(rows / parts) },
    size: LANES,
    groups: [strips, parts],
    declarations: () => `
      ${functions}
      fn term(row: u32, column: u32) -> f32 { ${term} }
      ${sumDown('f32')}`,
    body: () => `
      let column = group.x * u.across + (lane & (u.across - 1u));
      let end = min(u.rows, (group.y + 1u) * u.part_rows);
      var sum = 0.0;
      if (column < u.columns) {
        for (var row = group.y * u.part_rows + lane / u.across; row < end; row += u.rows_at_once) {
          sum += term(row, column);
        }
      }
      let total = sum_down(sum, lane, u.across);
      if (lane < u.across && column < u.columns) { column_sums[group.y * u.columns + column] = total; }`,
  });
  return sums;
}

/** Results of a workgroup of `sumParts`, and lanes that share one. */
const RESULTS = 64;
const SHARING = LANES / RESULTS;

/** Adds along the first axis: each pair's [parts, ...] into its [...]. At most two pairs, in one dispatch. */
export function sumParts(backend: GpuBackend, pairs: readonly (readonly [parts: TensorInfo, sum: TensorInfo])[]): void {
  const sizes = pairs.map(([{ shape }, sum]) => {
    const size = sum.shape.reduce((a, b) => a * b, 1);
    return { size, parts: shape.reduce((a, b) => a * b, 1) / size };
  });
  const groups = sizes.map(({ size }) => Math.ceil(size / RESULTS));
  const add = (i: number) => `
    if (result < u.size${i}) {
      for (var part = lane / ${RESULTS}u; part < u.parts${i}; part += ${SHARING}u) {
        sum += parts${i}[part * u.size${i} + result];
      }
    }`;
  const both = pairs.length > 1;
  backend.dispatch({
    name: 'sumParts',
    variant: `${pairs.length}`,
    bindings: pairs.flatMap(([parts, sum], i) => [read(`parts${i}`, parts), write(`sum${i}`, sum)]),
    uniforms: Object.fromEntries(
      sizes.flatMap(({ size, parts }, i) => [
        [`size${i}`, size],
        [`parts${i}`, parts],
        [`groups${i}`, groups[i]],
      ]),
    ),
    size: LANES,
    groups: groups.reduce((a, b) => a + b, 0),
    declarations: () => `var<workgroup> shares: array<f32, ${LANES}>;`,
    body: () => `
      let first = ${both ? 'block < u.groups0' : 'true'};
      let result = select(block - u.groups0, block, first) * ${RESULTS}u + lane % ${RESULTS}u;
      var sum = 0.0;
      if (first) { ${add(0)} } ${both ? `else { ${add(1)} }` : ''}
      shares[lane] = sum;
      workgroupBarrier();
      if (lane < ${RESULTS}u) {
        let total = (sum + shares[lane + ${RESULTS}u]) + (shares[lane + ${2 * RESULTS}u] + shares[lane + ${3 * RESULTS}u]);
        if (first) { if (result < u.size0) { sum0[result] = total; } }
        ${both ? 'else if (result < u.size1) { sum1[result] = total; }' : ''}
      }`,
  });
}

/** The sums over all rows, into `sums` [columns]. */
export function columnSums(backend: GpuBackend, terms: ColumnTerms, sums: TensorInfo): void {
  const parts = partialColumnSums(backend, terms);
  sumParts(backend, [[parts, sums]]);
  backend.disposeData(parts.dataId);
}
