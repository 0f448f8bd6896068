/**
 * @file How a tile of an operand gets into workgroup memory, for both kernels that multiply tiles. Every invocation fetches
 * a few vectors of four elements into registers, while the tile before is still being multiplied, and stashes them later.
 * A vector lies along `fast` where the operand is loaded by four, otherwise across it, so that neighbouring invocations
 * read neighbouring addresses either way, and workgroup memory is only ever written by whole vectors.
 */
import type { Operand } from './product.ts';

export interface Stage {
  /** Along which index a vector lies: [row][k / 4] of them if along k, [k][row / 4] if along rows. */
  readonly along: 'k' | 'row';
  /** Vectors from one row (along k) or one k (along rows) to the next. */
  readonly stride: number;
  /** Declares the workgroup memory, `tile_a` or `tile_b`. */
  readonly declare: string;
  /** Declares the registers. */
  readonly registers: string;
  /** Fetches from `k_at` on, below `k_end`; zeros beyond the edges. */
  readonly fetch: string;
  readonly stash: string;
}

export interface StageOptions {
  readonly name: 'a' | 'b';
  readonly operand: Operand;
  /** Rows of a tile and how deep it is along k; multiples of 4. */
  readonly extent: number;
  readonly depth: number;
  /** Invocations of the workgroup. */
  readonly size: number;
  /** Vectors left out between rows against conflicts of banks. */
  readonly padding: number;
  readonly element: 'f32' | 'f16';
  /**
   * Where a row lies, which decides which rows four neighbouring registers of an invocation stand for: `order` is rows as
   * they come; `quarters` is rows 0, 4, 8 ... first, then 1, 5, 9 ...; `spread` is for vectors along rows, and puts rows a
   * quarter of the tile apart into one.
   */
  readonly rows: 'order' | 'quarters' | 'spread';
}

/** The largest f16. NaN stays NaN, for `abs` of it is not more than anything. */
const narrow = (value: string) =>
  `vec4<f16>(select(${value}, sign(${value}) * 65504.0, abs(${value}) > vec4f(65504.0)))`;

export function stage({ name, operand, extent, depth, size, padding, element, rows }: StageOptions): Stage {
  const { fast, width = 1 } = operand;
  const across = fast === 'k' ? 'row' : 'k';
  const along = width === 4 ? fast : across;
  const stride = (along === 'k' ? depth : extent) / 4 + padding;
  const total = (extent * depth) / 4;
  const count = Math.ceil(total / size);
  const limit = name === 'a' ? 'u.M' : 'u.N';
  // Vectors in the order in which neighbouring invocations take them: along `fast`.
  const [vectors, lines] = along === 'k' ? [depth / 4, extent] : [extent / 4, depth];
  const [vector, line] = along === fast ? [`e % ${vectors}u`, `e / ${vectors}u`] : [`e / ${lines}u`, `e % ${lines}u`];

  /** Row of the tile that component c of a vector stands for. */
  const rowOf = (c: string) => (rows === 'spread' ? `vector + ${extent / 4}u * ${c}` : `4u * vector + ${c}`);
  const place = along === 'k' && rows === 'quarters' ? `((line % 4u) * ${extent / 4}u + line / 4u)` : 'line';
  const each = (make: (register: string, n: number) => string) =>
    Array.from({ length: count }, (_, n) => {
      const whole = (n + 1) * size <= total;
      const body = make(`next_${name}_${n}`, n);
      return `{ let e = lane + ${n * size}u; let vector = ${vector}; let line = ${line};
        ${whole ? body : `if (e < ${total}u) { ${body} }`} }`;
    }).join('\n');

  // Indices are clamped and the value is dropped, rather than branching, so that all loads are under way at once.
  const fetchWhole = (register: string) => {
    const [row, k] = along === 'k' ? ['line', '4u * vector'] : ['4u * vector', 'line'];
    const [lastRow, lastK] = along === 'k' ? ['1u', '4u'] : ['4u', '1u'];
    return `let row = ${name}_first + ${row}; let k = k_at + ${k};
      let value = load_${name}(min(row, ${limit} - ${lastRow}), min(k, k_end - ${lastK}), batch);
      ${register} = select(vec4f(), value, row < ${limit} && k < k_end);`;
  };
  const fetchSingly = (register: string) => {
    const row = (c: number) => `${name}_first + ${along === 'k' ? 'line' : rowOf(`${c}u`)}`;
    const k = (c: number) => `k_at + ${along === 'k' ? `4u * vector + ${c}u` : 'line'}`;
    return [0, 1, 2, 3]
      .map(
        c => `{ let row = ${row(c)}; let k = ${k(c)};
        let value = load_${name}(min(row, ${limit} - 1u), min(k, k_end - 1u), batch);
        ${register}[${c}] = select(0.0, value, row < ${limit} && k < k_end); }`,
      )
      .join('\n');
  };

  return {
    along,
    stride,
    declare: `var<workgroup> tile_${name}: array<${element === 'f32' ? 'vec4f' : 'vec4<f16>'}, ${lines * stride}>;`,
    registers: Array.from({ length: count }, (_, n) => `var next_${name}_${n}: vec4f;`).join(' '),
    fetch: each(register => (width === 4 ? fetchWhole(register) : fetchSingly(register))),
    stash: each(
      register => `tile_${name}[${place} * ${stride}u + vector] = ${element === 'f32' ? register : narrow(register)};`,
    ),
  };
}

/** Sums of the rows of a's tile, in the workgroups of the first column of tiles; the last step is `finish`. */
export function rowSums(
  { along, stride }: Stage,
  { extent, depth, size, rows }: Pick<StageOptions, 'extent' | 'depth' | 'size' | 'rows'>,
): { readonly declare: string; readonly step: string; readonly finish: string } {
  const each = (body: (sum: string) => string) =>
    Array.from({ length: Math.ceil(extent / size) }, (_, n) => {
      const guard = (n + 1) * size <= extent ? 'b_first == 0u' : `b_first == 0u && lane + ${n * size}u < ${extent}u`;
      return `if (${guard}) { let row = lane + ${n * size}u; ${body(`row_sum_${n}`)} }`;
    }).join('\n');
  const place = rows === 'quarters' ? `((row % 4u) * ${extent / 4}u + row / 4u)` : 'row';
  return {
    declare: Array.from({ length: Math.ceil(extent / size) }, (_, n) => `var row_sum_${n} = 0.0;`).join(' '),
    step: each(sum =>
      along === 'k'
        ? `for (var q = 0u; q < ${depth / 4}u; q++) { ${sum} += dot(vec4f(tile_a[${place} * ${stride}u + q]), vec4f(1.0)); }`
        : `for (var k = 0u; k < ${depth}u; k++) { ${sum} += f32(tile_a[k * ${stride}u + row / 4u][row % 4u]); }`,
    ),
    finish: each(sum => `if (a_first + row < u.M) { put_row_sum(a_first + row, batch, part, ${sum}); }`),
  };
}

/** What both kernels begin with: which tile, which part of K. Tiles come first, so that those at work share operands. */
export const locate = (rows: number, columns: number) => `
  if (block >= u.blocks) { return; }
  let tile = block % u.tiles;
  let part = block / u.tiles % u.parts;
  let batch = block / u.tiles / u.parts;
  let a_first = tile / u.tiles_across * ${rows}u;
  let b_first = tile % u.tiles_across * ${columns}u;
  let k_first = part * u.part_length;
  let k_end = min(u.K, k_first + u.part_length);`;

/**
 * The walk along K: fetches the next tiles into registers, multiplies those in workgroup memory meanwhile, and stashes what
 * has arrived.
 */
export const steps = (parts: {
  readonly depth: number;
  readonly fetch: string;
  readonly stash: string;
  readonly multiply: string;
}) => `
  for (var k_at = k_first; ; k_at += ${parts.depth}u) {
    if (k_at < k_end) { ${parts.fetch} }
    if (k_at > k_first) { ${parts.multiply} }
    if (k_at >= k_end) { break; }
    workgroupBarrier();
    ${parts.stash}
    workgroupBarrier();
  }`;
