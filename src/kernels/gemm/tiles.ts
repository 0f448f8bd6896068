/**
 * @file The fp32 product of tiles: 256 invocations make 128 x 64 of the result (64 x 64 where that gives too few
 * workgroups), each 8 x 4 (4 x 4) of it in registers, from 16 k's of both operands at a time. Per four k's an invocation
 * reads 12 vectors of workgroup memory, without conflicts or as broadcasts, for 128 multiply-adds, so the multipliers are
 * the limit; 15 KiB of workgroup memory and under 100 registers leave room for two workgroups or more on a multiprocessor.
 */
import type { Kernel, Product } from './product.ts';
import { locate, rowSums, type Stage, stage, steps } from './staging.ts';

const SIZE = 256;
const DEPTH = 16;
const COLUMNS = 64;
/** Components of a vector. */
const C = [0, 1, 2, 3] as const;
const XYZW = 'xyzw';

/** Multiplies four k's, from vector q of the tiles. */
function multiplyFour(a: Stage, b: Stage, rows: number): string {
  const blocks = Array.from({ length: rows / 64 }, (_, i) => i);
  const lines: string[] = [];
  if (a.along === 'k') {
    for (const i of blocks)
      for (const c of C)
        lines.push(`let a_${i}_${c} = tile_a[(down + ${i * 16 + (c * rows) / 4}u) * ${a.stride}u + q];`);
  }
  if (b.along === 'k') {
    for (const c of C) lines.push(`let b_${c} = tile_b[(across + ${(c * COLUMNS) / 4}u) * ${b.stride}u + q];`);
  }
  for (const k of C) {
    lines.push('{');
    lines.push(
      b.along === 'k'
        ? `let right = vec4f(${C.map(c => `b_${c}.${XYZW[k]}`).join()});`
        : `let right = tile_b[(4u * q + ${k}u) * ${b.stride}u + across];`,
    );
    for (const i of blocks) {
      if (a.along === 'row') lines.push(`let left_${i} = tile_a[(4u * q + ${k}u) * ${a.stride}u + down + ${i * 16}u];`);
      for (const c of C) {
        lines.push(`sum_${i}_${c} += ${a.along === 'k' ? `a_${i}_${c}.${XYZW[k]}` : `left_${i}.${XYZW[c]}`} * right;`);
      }
    }
    lines.push('}');
  }
  return lines.join('\n');
}

export function tilesProgram(product: Product, large: boolean): Kernel {
  const { M, N, batch = 1, parts = 1, a, b, storeWidth = 1, storeRowSum } = product;
  const rows = large ? 128 : 64;
  const common = { depth: DEPTH, size: SIZE, padding: 1, element: 'f32' } as const;
  // Columns that an invocation has: four neighbours if they are stored or loaded together, else a quarter of a tile apart,
  // so that neighbouring invocations store neighbouring columns.
  const neighbours = storeWidth === 4 || (b.width === 4 && b.fast === 'row');
  const stages = () => ({
    left: stage({ ...common, name: 'a', operand: a, extent: rows, rows: 'quarters' }),
    right: stage({ ...common, name: 'b', operand: b, extent: COLUMNS, rows: neighbours ? 'quarters' : 'spread' }),
  });
  const tiles_across = Math.ceil(N / COLUMNS);
  const tiles = tiles_across * Math.ceil(M / rows);
  const blocks = tiles * batch * parts;
  const sums = Array.from({ length: rows / 16 }, (_, r) => `sum_${Math.floor(r / 4)}_${r % 4}`);
  const column = neighbours ? '4u * across + c' : `across + ${COLUMNS / 4}u * c`;
  // One place that stores, in loops, where `store` may be long: compilers unroll it if they think it worth while.
  const store = `
    for (var r = 0u; r < ${rows / 16}u; r++) {
      let row = a_first + 4u * (down + r / 4u * 16u) + r % 4u;
      var sum: vec4f;
      switch r { ${sums.map((sum, r) => `case ${r}u: { sum = ${sum}; }`).join(' ')} default: {} }
      ${
        storeWidth === 4
          ? `let column = b_first + 4u * across;
            if (row < u.M && column < u.N) { put(row, column, batch, part, sum); }`
          : `for (var c = 0u; c < 4u; c++) {
              let column = b_first + ${column};
              if (row < u.M && column < u.N) { put(row, column, batch, part, sum[c]); }
            }`
      }
    }`;
  return {
    variant: `tiles${rows}`,
    size: SIZE,
    depth: DEPTH,
    groups: blocks,
    uniforms: { tiles_across, tiles, blocks },
    declarations: () => {
      const { left, right } = stages();
      return `${left.declare}\n${right.declare}`;
    },
    body: () => {
      const { left, right } = stages();
      const ends = storeRowSum === undefined ? undefined : rowSums(left, { ...common, extent: rows, rows: 'quarters' });
      return `
      ${locate(rows, COLUMNS)}
      let down = lane / 16u;
      let across = lane % 16u;
      ${sums.map(sum => `var ${sum}: vec4f;`).join(' ')}
      ${left.registers} ${right.registers} ${ends?.declare ?? ''}
      ${steps({
        depth: DEPTH,
        fetch: left.fetch + right.fetch,
        stash: left.stash + right.stash,
        multiply: `${ends?.step ?? ''}
          for (var q = 0u; q < ${DEPTH / 4}u; q++) { ${multiplyFour(left, right, rows)} }`,
      })}
      ${store}
      ${ends?.finish ?? ''}`;
    },
  };
}
