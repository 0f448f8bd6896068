/**
 * @file How workgroups share a matrix whose columns are summed, as the moments and gradients of group norm are: each takes
 * a strip of columns and a part of the rows, so that neighbouring lanes read neighbouring columns and there is work for a
 * whole GPU. A lane keeps its column.
 */

export const LANES = 256;
/** Columns of a strip at most: 256 bytes of each row. */
const STRIP = 64;
/** Workgroups that keep a large GPU busy: some for each of about 130 multiprocessors. */
const ENOUGH_GROUPS = 528;
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
