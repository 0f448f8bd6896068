/**
 * @file Attention in plain fp32: tiles of rows are staged in workgroup memory as words of four channels, and each of 64
 * invocations, 8 x 8 of them, makes a small block of scores, then a small block of the sums, in registers. A tile of the
 * others lies interleaved, so that neighbours read neighbouring banks while each owns a few adjacent columns of scores.
 */
import { hasRow, rowAt, type Side, unroll } from './webgpu-problem.ts';

/** Invocations: SIDE down the rows of the tile a group owns, SIDE across those of the others. */
export const SIDE = 8;
export const SIZE = SIDE * SIDE;

/** Scores of an invocation: `rows` of its own by `columns` of the others, 8 times as many in a tile. */
export interface Block {
  readonly rows: number;
  readonly columns: 1 | 2 | 4;
}

/** Where rows of D channels lie in workgroup memory: the same for all D up to the same multiple of 32. */
export interface RowLayout {
  /** Words that an invocation stages, or sums, of a row: across, across + 8, ... */
  readonly perLane: number;
  /** Words from row to row: odd, so that rows start in different banks. */
  readonly stride: number;
}

export function rowLayout(D: number): RowLayout {
  const perLane = Math.ceil(D / (4 * SIDE));
  return { perLane, stride: perLane * SIDE + 1 };
}

/** What a group may take of workgroup memory, in bytes. */
const MEMORY = 32 * 1024;

/** The first block, the largest, whose tiles fit. */
export function largestBlock(blocks: readonly Block[], bytes: (block: Block) => number): Block {
  return blocks.find(block => bytes(block) <= MEMORY) ?? blocks[blocks.length - 1];
}

/** WGSL's type of an invocation's scores in a row. */
export function scoresType({ columns }: Block): string {
  return columns === 1 ? 'f32' : `vec${columns}f`;
}

function component(block: Block, c: number): string {
  return block.columns === 1 ? '' : `.${'xyzw'[c]}`;
}

/** From row to row of a tile of weights, in blocks' columns. */
export const WEIGHTS_STRIDE = SIDE + 1;

/** Stages the rows of `source` that start at `first` in `tile`, zeros where there are none. */
export function stageRows(
  tile: string,
  source: string,
  rows: { readonly first: string; readonly side: Side; readonly count: number; readonly interleave?: number },
  { perLane, stride }: RowLayout,
): string {
  const { first, side, count, interleave = 1 } = rows;
  const row = interleave === 1 ? 'slot' : `${interleave}u * (slot % ${SIDE}u) + slot / ${SIDE}u`;
  return `
    for (var slot = down; slot < ${count}u; slot += ${SIDE}u) {
      let position = ${first} + ${row};
      for (var c = across; c < ${perLane * SIDE}u; c += ${SIDE}u) {
        var word = vec4f();
        if (${hasRow(side, 'position')}) { word = load_${source}(${rowAt(source, 'position')}, c); }
        ${tile}[slot * ${stride}u + c] = word;
      }
    }`;
}

/**
 * Products of the block's rows of tile `own` with its columns of tile `other`: declares `NAMErc` for row r and column c.
 */
export function scoreBlock(
  name: string,
  own: string,
  other: string,
  { rows, columns }: Block,
  layout: RowLayout,
): string {
  const { stride } = layout;
  return `
    ${unroll(rows, r => unroll(columns, c => `var ${name}${r}${c} = 0.0;`))}
    for (var d = 0u; d < u.words; d++) {
      ${unroll(columns, c => `let y${c} = ${other}[(${c * SIDE}u + across) * ${stride}u + d];`)}
      ${unroll(
        rows,
        r => `{
          let x = ${own}[(down + ${r * SIDE}u) * ${stride}u + d];
          ${unroll(columns, c => {
            const sum = `${name}${r}${c}`;
            return `${sum} = ${sum} + x.x * y${c}.x + x.y * y${c}.y + x.z * y${c}.z + x.w * y${c}.w;`;
          })}
        }`,
      )}
    }`;
}

/** Declares the sums of a block of output rows, `NAMEr_i` for row r and its word across + 8 i. */
export function declareSums(name: string, { rows }: Block, { perLane }: RowLayout): string {
  return unroll(rows, r => unroll(perLane, i => `var ${name}${r}_${i} = vec4f();`));
}

/** Adds tile `weights` times tile `other` to the sums. */
export function addWeighted(name: string, weights: string, other: string, block: Block, layout: RowLayout): string {
  const { rows, columns } = block;
  const { perLane, stride } = layout;
  return `
    for (var t = 0u; t < ${SIDE}u; t++) {
      ${unroll(rows, r => `let w${r} = ${weights}[(down + ${r * SIDE}u) * ${WEIGHTS_STRIDE}u + t];`)}
      ${unroll(columns, c =>
        unroll(
          perLane,
          i => `{
            let word = ${other}[(${c * SIDE}u + t) * ${stride}u + across + ${i * SIDE}u];
            ${unroll(rows, r => `${name}${r}_${i} += w${r}${component(block, c)} * word;`)}
          }`,
        ),
      )}
    }`;
}

/** Puts an invocation's scores, `NAMErc`, into tile `weights`. */
export function putWeights(name: string, weights: string, r: number, block: Block): string {
  const values = Array.from({ length: block.columns }, (_, c) => `${name}${r}${c}`).join(', ');
  const value = block.columns === 1 ? values : `${scoresType(block)}(${values})`;
  return `${weights}[(down + ${r * SIDE}u) * ${WEIGHTS_STRIDE}u + across] = ${value};`;
}
