/**
 * @file The product of tiles on the matrix units, through WGSL's experimental subgroup matrices: operands are rounded to f16
 * on their way into workgroup memory, sums stay in f32 in the units' own layout and pass through workgroup memory to
 * `store`. For any shape [M, K] x [K, N] of units (16 x 16 x 16 on NVIDIA, 8 x 8 x 8 on Apple) and any size of subgroups: 256
 * invocations make 128 x 128 of the result (64 x 64 where that gives too few workgroups), each subgroup a block of it. On
 * NVIDIA that is eight blocks of 64 x 32 and 32 k's at a time: 6 loads for 8 multiplications, 64 registers of sums, 31 KiB
 * of workgroup memory, and every operand is read from global memory once for 128 rows or columns. Rows lie an odd number
 * of 16 bytes apart, so that the units read them without conflicts of banks.
 */
import type { Kernel, Product } from './product.ts';
import { locate, rowSums, stage, steps } from './staging.ts';

export interface Units {
  /** The shape, and the size of a subgroup that the kernel must ask for. */
  readonly units: { readonly M: number; readonly N: number; readonly K: number; readonly lanes?: number };
  /** Sizes that subgroups may have. */
  readonly lanes: { readonly min: number; readonly max: number } | undefined;
  /** Bytes of workgroup memory. */
  readonly memory: number;
}

/** Invocations of a workgroup. */
const SIZE = 256;
/** How deep a tile is, at least. */
const DEPTH = 32;
/** Vectors of four f16 between rows. */
const PADDING = 2;

const lines = (n: number, make: (i: number) => string) => Array.from({ length: n }, (_, i) => make(i)).join('\n');

interface Plan {
  /** Blocks of a tile, one for each subgroup. */
  readonly blocksDown: number;
  readonly blocksAcross: number;
  /** Units of a block. */
  readonly down: number;
  readonly across: number;
  readonly depth: number;
  /** Rows and columns of a tile. */
  readonly rows: number;
  readonly columns: number;
  /** Workgroup memory that it needs. */
  readonly bytes: number;
}

/** A tile of about `side` rows and columns. */
function plan({ units, lanes }: Units, side: 64 | 128): Plan {
  const { M, N, K } = units;
  // Subgroups may be smaller than planned for, and then some are idle, but not larger.
  const doublings = Math.floor(Math.log2(SIZE / (units.lanes ?? lanes?.max ?? SIZE)));
  const blocksDown = 2 ** Math.floor(doublings / 2);
  const blocksAcross = 2 ** Math.ceil(doublings / 2);
  const down = Math.max(1, Math.floor(side / blocksDown / M));
  const across = Math.max(1, Math.floor(side / blocksAcross / N));
  const depth = Math.ceil(DEPTH / K) * K;
  const [rows, columns] = [blocksDown * down * M, blocksAcross * across * N];
  const staged = (extent: number) => Math.max(extent * (depth + 4 * PADDING), depth * (extent + 4 * PADDING));
  const bytes = 2 * (staged(rows) + staged(columns)) + 4 * blocksDown * blocksAcross * M * (N + 4);
  return { blocksDown, blocksAcross, down, across, depth, rows, columns, bytes };
}

/** Why these units cannot be used, if so. */
export function refuseUnits(units: Units): string | undefined {
  const { M, N, K, lanes = units.lanes?.max ?? 0 } = units.units;
  if (lanes < 1 || lanes > SIZE) return `subgroups of ${lanes}`;
  if ([M, N, K].some(size => size % 4 !== 0)) return 'sizes that are no multiples of 4';
  const { bytes } = plan(units, 64);
  return bytes > units.memory ? `they need ${bytes} bytes of workgroup memory, there are ${units.memory}` : undefined;
}

/** @throws never where `refuseUnits` has nothing to say */
export function unitsProgram(product: Product, given: Units, large: boolean): Kernel {
  const { M, N, batch = 1, parts = 1, a, b, storeWidth = 1, storeRowSum } = product;
  const { units } = given;
  const wide = plan(given, 128);
  const { blocksDown, blocksAcross, down, across, depth, rows, columns } =
    large && wide.bytes <= given.memory ? wide : plan(given, 64);
  const blocksOfTile = blocksDown * blocksAcross;
  const common = { depth, size: SIZE, padding: PADDING, element: 'f16', rows: 'order' } as const;
  const left = stage({ ...common, name: 'a', operand: a, extent: rows });
  const right = stage({ ...common, name: 'b', operand: b, extent: columns });
  const tiles_across = Math.ceil(N / columns);
  const tiles = tiles_across * Math.ceil(M / rows);
  const blocks = tiles * batch * parts;
  // Where subgroups may be smaller than planned for, more of them than blocks are there.
  const whole = units.lanes !== undefined || given.lanes?.min === given.lanes?.max;
  const inBlocks = (body: string) => (whole ? `{ ${body} }` : `if (subgroup < ${blocksOfTile}u) { ${body} }`);
  const scratch = units.N + 4;
  const stored =
    storeWidth === 4 ? 'vec4f(scratch[at], scratch[at + 1u], scratch[at + 2u], scratch[at + 3u])' : 'scratch[at]';
  const keep = (n: number) =>
    `subgroupMatrixStore<row_major>(&scratch, subgroup * ${units.M * scratch}u, sum_${Math.floor(n / across)}_${n % across}, ${scratch}u);`;

  /** A matrix of an operand: rows from `at` on, k's of step q. */
  const load = (side: 'a' | 'b', at: string) => {
    const { along, stride } = side === 'a' ? left : right;
    const type =
      side === 'a'
        ? `subgroup_matrix_left<f16, ${units.K}, ${units.M}>`
        : `subgroup_matrix_right<f16, ${units.N}, ${units.K}>`;
    const order = (along === 'k') === (side === 'a') ? 'row_major' : 'col_major';
    const offset =
      along === 'k' ? `(${at}) * ${stride}u + q * ${units.K / 4}u` : `(${at}) / 4u + q * ${units.K * stride}u`;
    return `subgroupMatrixLoad<${type}, ${order}>(&tile_${side}, ${offset}, ${stride}u)`;
  };
  const multiply = `for (var q = 0u; q < ${depth / units.K}u; q++) {
    ${lines(across, j => `let right_${j} = ${load('b', `block_column + ${j * units.N}u`)};`)}
    ${lines(
      down,
      i => `{ let left = ${load('a', `block_row + ${i * units.M}u`)};
      ${lines(across, j => `sum_${i}_${j} = subgroupMatrixMultiplyAccumulate(left, right_${j}, sum_${i}_${j});`)} }`,
    )}
  }`;
  const sums = lines(down * across, n => `case ${n}u: { ${keep(n)} }`);
  /** One unit of every block at a time, by the whole workgroup. */
  const store = `
    for (var unit = 0u; unit < ${down * across}u; unit++) {
      workgroupBarrier();
      ${inBlocks(`switch unit { ${sums} default: {} }`)}
      workgroupBarrier();
      for (var e = lane; e < ${(blocksOfTile * units.M * units.N) / storeWidth}u; e += ${SIZE}u) {
        let column_in = e % ${units.N / storeWidth}u * ${storeWidth}u;
        let line = e / ${units.N / storeWidth}u;
        let owner = line / ${units.M}u;
        let row = a_first + line % ${units.M}u + (owner / ${blocksAcross}u * ${down}u + unit / ${across}u) * ${units.M}u;
        let column = b_first + column_in + (owner % ${blocksAcross}u * ${across}u + unit % ${across}u) * ${units.N}u;
        let at = line * ${scratch}u + column_in;
        if (row < u.M && column < u.N) { put(row, column, batch, part, ${stored}); }
      }
    }`;
  return {
    variant: `units${rows}x${columns}/${units.M}x${units.N}x${units.K}/${blocksOfTile}${whole}`,
    size: SIZE,
    depth,
    groups: blocks,
    uniforms: { tiles_across, tiles, blocks },
    enable: ['f16', 'subgroups', 'chromium_experimental_subgroup_matrix'],
    subgroupSize: units.lanes,
    declarations: () => `${left.declare}\n${right.declare}
      var<workgroup> scratch: array<f32, ${blocksOfTile * units.M * scratch}>;`,
    body: () => {
      const ends = storeRowSum === undefined ? undefined : rowSums(left, { ...common, extent: rows });
      return `
      ${locate(rows, columns)}
      let subgroup = lane / subgroup_size;
      let block_row = subgroup / ${blocksAcross}u * ${down * units.M}u;
      let block_column = subgroup % ${blocksAcross}u * ${across * units.N}u;
      ${lines(down, i => lines(across, j => `var sum_${i}_${j}: subgroup_matrix_result<f32, ${units.N}, ${units.M}>;`))}
      ${left.registers} ${right.registers} ${ends?.declare ?? ''}
      ${steps({
        depth,
        fetch: left.fetch + right.fetch,
        stash: left.stash + right.stash,
        multiply: `${ends?.step ?? ''} ${inBlocks(multiply)}`,
      })}
      ${store}
      ${ends?.finish ?? ''}`;
    },
  };
}
