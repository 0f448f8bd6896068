/**
 * @file Products of a few rows with a weight matrix, as a decoding step has them: y = f(norm(x) Wᵀ), one dispatch each.
 * Such a product costs what reading the matrix costs. Thirty-two lanes read a row of W side by side, each weight serves
 * all rows of a tile, and the norm before the product and the activation or residual after it ride along: what a norm
 * subtracts and scales is found by every workgroup for itself. A sum's order depends on K alone, so a row does not depend
 * on the rows beside it. Many rows are taken a tile at a time, with W coming from the cache of the GPU.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { f32, read, update, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { activate } from '../activation/webgpu.ts';
import { storedType, type VectorFormat, vectorFormat, vectorFunctions, vectorType } from '../wgsl/vector.ts';

/** A matrix [N, K] as products read it. */
export interface Weight {
  readonly tensor: TensorInfo;
  readonly N: number;
  readonly K: number;
  readonly format: VectorFormat;
}

/** What becomes of a product: stored, added to what is there, or through an activation; SwiGLU halves the columns. */
export type Ending = 'store' | 'add' | 'gelu' | 'swiglu';

export interface Projection {
  /** Names the kernel in profiles. */
  readonly name: string;
  /** [rows, K]. */
  readonly x: TensorInfo;
  readonly rows: number;
  /** RMS norm of x before the product, or layer norm if there is a bias. */
  readonly norm?: { readonly gain: TensorInfo; readonly bias?: TensorInfo; readonly eps: number };
  readonly weight: Weight;
  /** [rows, N], or [rows, N / 2] after SwiGLU. */
  readonly y: TensorInfo;
  readonly ending: Ending;
}

const SIZE = 256;
/** Lanes that share a row of W, and teams of them in a workgroup. */
const LANES = 32;
const TEAMS = SIZE / LANES;
/** Room of a team's partial sums in workgroup memory: one more than LANES, so that teams start in different banks. */
const STRIDE = LANES + 1;
/** Partial sums of every lane that are added up at a time. */
const ROUND = 8;

/** How a weight matrix is to be read; f16 is a copy, for which `keep` is given a tensor that the caller must free. */
export function prepareWeight(
  matrix: TensorInfo,
  half: boolean,
  backend: GpuBackend,
  keep: (copy: TensorInfo) => void,
): Weight {
  const [N, K] = matrix.shape;
  const format = vectorFormat(K, half);
  if (!format.half) return { tensor: matrix, N, K, format };
  const copy = backend.output([N, K / 2], 'int32');
  keep(copy);
  const vectors = (N * K) / 4;
  backend.dispatch({
    name: 'halveWeight',
    bindings: [read('x', matrix, vectorType(format)), write('y', copy, storedType(format))],
    uniforms: { vectors },
    size: SIZE,
    groups: Math.ceil(vectors / SIZE),
    declarations: () => vectorFunctions(format),
    body: () => `
      let i = block * ${SIZE}u + lane;
      if (i < u.vectors) { y[i] = narrow(x[i]); }`,
  });
  return { tensor: copy, N, K, format };
}

/** A workgroup's part of a product; none of it changes the order of a sum. */
interface Tile {
  /** Rows of x. */
  readonly tall: number;
  /** Rows of W that a team multiplies with them. */
  readonly wide: number;
  /** Steps along K whose numbers are loaded before the first of them is used. */
  readonly deep: number;
}

/**
 * Few rows: as many workgroups as there may be and many loads under way, to read W with. Many: more products for each
 * number that is loaded.
 */
function tileOf(rows: number, { N }: Weight, ending: Ending): Tile {
  const tall = rows === 1 ? 1 : rows === 2 ? 2 : rows <= 4 ? 4 : 8;
  const wide = rows > 16 ? 4 : N >= 2048 || ending === 'swiglu' ? 2 : 1;
  return { tall, wide, deep: rows <= 2 ? 4 : rows <= 16 ? 2 : 1 };
}

const each = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

/** Runs a projection; y is written, or added to. */
export function project(backend: GpuBackend, projection: Projection): void {
  const { name, x, rows, norm, weight, y, ending } = projection;
  const { format, N, K } = weight;
  const kind = norm === undefined ? 'plain' : norm.bias === undefined ? 'rms' : 'layer';
  const tile = tileOf(rows, weight, ending);
  const { tall, wide } = tile;
  const gated = ending === 'swiglu';
  const units = gated ? wide / 2 : wide; // results of a team and row
  const outputs = gated ? N / 2 : N;
  const element = vectorType(format);
  backend.dispatch({
    name,
    variant: [kind, ending, tall, wide, tile.deep, format.lanes, format.half].join('/'),
    bindings: [
      read('x', x, element),
      read('weight', weight.tensor, storedType(format)),
      ending === 'add' ? update('y', y) : write('y', y),
      ...(norm === undefined ? [] : [read('gain', norm.gain, element)]),
      ...(norm?.bias === undefined ? [] : [read('bias', norm.bias, element)]),
    ],
    uniforms: { rows, outputs, length: K / format.lanes, channels: K, eps: f32(norm?.eps ?? 0) },
    size: SIZE,
    groups: [Math.ceil(outputs / (TEAMS * units)), Math.ceil(rows / tall)],
    declarations: () => `
      ${vectorFunctions(format)}
      ${activate(gated ? 'silu' : ending === 'gelu' ? 'gelu' : 'none')}
      var<workgroup> parts: array<f32, ${ROUND * TEAMS * STRIDE}>;
      var<workgroup> totals: array<f32, ${(tall + 1) * wide * TEAMS}>;
      var<workgroup> means: array<f32, ${TEAMS}>;
      var<workgroup> scales: array<f32, ${TEAMS}>;
      fn sum_parts(first: u32) -> f32 {
        var sum = 0.0;
        for (var i = 0u; i < ${LANES}u; i++) { sum += parts[first + i]; }
        return sum;
      }`,
    body: () => `
      let team = lane / ${LANES}u;
      let k_lane = lane % ${LANES}u;
      let row_first = group.y * ${tall}u;
      let unit_first = (group.x * ${TEAMS}u + team) * ${units}u;
      ${kind === 'plain' ? '' : findMoments(kind, tall)}
      ${multiplyTile(kind, tile, gated)}
      let r = lane / ${TEAMS * units}u;
      let t = (lane % ${TEAMS * units}u) / ${units}u;
      let c = lane % ${units}u;
      let row = row_first + r;
      let column = (group.x * ${TEAMS}u + t) * ${units}u + c;
      if (r < ${tall}u && row < u.rows && column < u.outputs) {
        let at = row * u.outputs + column;
        ${
          gated
            ? `y[at] = activate(${result(kind, tall, wide, '2u * c')}) * ${result(kind, tall, wide, '2u * c + 1u')};`
            : `y[at] ${ending === 'add' ? '+=' : '='} activate(${result(kind, tall, wide, 'c')});`
        }
      }`,
  });
}

type NormKind = 'plain' | 'rms' | 'layer';

/** Every row's scale, and its mean before a layer norm; a team a row. */
function findMoments(kind: NormKind, tall: number): string {
  const addUp = (term: string, store: string) => `
      part = 0.0;
      for (var k = k_lane; k < u.length; k += ${LANES}u) { part += ${term}; }
      parts[team * ${STRIDE}u + k_lane] = part;
      workgroupBarrier();
      if (lane < ${tall}u) { ${store} }
      workgroupBarrier();`;
  const mean = kind === 'layer' ? `means[team_row]` : '0.0';
  return `
      let team_row = min(team, ${tall - 1}u);
      let team_x = min(row_first + team_row, u.rows - 1u) * u.length;
      var part: f32;
      ${
        kind === 'layer'
          ? addUp('total(x[team_x + k])', `means[lane] = sum_parts(lane * ${STRIDE}u) / f32(u.channels);`)
          : ''
      }
      let team_mean = ${mean};
      ${addUp(
        'product(x[team_x + k] - team_mean, x[team_x + k] - team_mean)',
        `scales[lane] = inverseSqrt(sum_parts(lane * ${STRIDE}u) / f32(u.channels) + u.eps);`,
      )}`;
}

/**
 * Sums of the tile's products in `totals`, [(row, column of the team), team], before the scale. A layer norm's bias is one
 * row more: its product with W as it is.
 */
function multiplyTile(kind: NormKind, { tall, wide, deep }: Tile, gated: boolean): string {
  const layer = kind === 'layer';
  const names = Array.from({ length: (tall + (layer ? 1 : 0)) * wide }, (_, i) => `sum_${i}`);
  const rounds = Math.ceil(names.length / ROUND);
  const weightRow = (c: number) =>
    gated
      ? `min(unit_first + ${c >> 1}u, u.outputs - 1u)${c % 2 === 1 ? ' + u.outputs' : ''}`
      : `min(unit_first + ${c}u, u.outputs - 1u)`;
  // One step along K: everything it reads, under names that end in `d`, and what is done with it.
  const load = (k: string, d: string) => `
        ${kind === 'plain' ? '' : `let gain${d}_k = gain[${k}];`}
        ${layer ? `let bias${d}_k = bias[${k}];` : ''}
        ${each(wide, c => `let w${d}_${c}_k = widen(weight[w_${c} + ${k}]);`)}
        ${each(tall, r => `let x${d}_${r}_k = x[x_${r} + ${k}];`)}`;
  const use = (d: string) => `
        ${each(wide, c => `let v${d}_${c} = w${d}_${c}_k${kind === 'plain' ? '' : ` * gain${d}_k`};`)}
        ${each(
          tall,
          r => `let a${d}_${r} = x${d}_${r}_k${layer ? ` - mean_${r}` : ''};
          ${each(wide, c => `${names[r * wide + c]} += product(a${d}_${r}, v${d}_${c});`)}`,
        )}
        ${layer ? each(wide, c => `${names[tall * wide + c]} += product(bias${d}_k, w${d}_${c}_k);`) : ''}`;
  return `
      ${each(tall, r => `let x_${r} = min(row_first + ${r}u, u.rows - 1u) * u.length;`)}
      ${layer ? each(tall, r => `let mean_${r} = means[${r}];`) : ''}
      ${each(wide, c => `let w_${c} = (${weightRow(c)}) * u.length;`)}
      ${names.map(sum => `var ${sum} = 0.0;`).join(' ')}
      var k = k_lane;
      ${
        deep === 1
          ? ''
          : `for (; k + ${(deep - 1) * LANES}u < u.length; k += ${deep * LANES}u) {
        ${each(deep, d => load(`k + ${d * LANES}u`, `_${d}`))}
        ${each(deep, d => use(`_${d}`))}
      }`
      }
      for (; k < u.length; k += ${LANES}u) {
        ${load('k', '')}
        ${use('')}
      }
      ${each(rounds, round => {
        const some = names.slice(round * ROUND, (round + 1) * ROUND);
        return `
      ${some.map((sum, i) => `parts[(${i * TEAMS}u + team) * ${STRIDE}u + k_lane] = ${sum};`).join('\n')}
      workgroupBarrier();
      if (lane < ${some.length * TEAMS}u) { totals[${round * ROUND * TEAMS}u + lane] = sum_parts(lane * ${STRIDE}u); }
      workgroupBarrier();`;
      })}`;
}

/** The finished product of row `r` and a column of team `t`. */
function result(kind: NormKind, tall: number, wide: number, column: string): string {
  const sum = `totals[(r * ${wide}u + ${column}) * ${TEAMS}u + t]`;
  if (kind === 'plain') return sum;
  if (kind === 'rms') return `scales[r] * ${sum}`;
  return `(scales[r] * ${sum} + totals[(${tall * wide}u + ${column}) * ${TEAMS}u + t])`;
}

/** A tensor of undefined content that outlives tidy scopes. */
export function keptTensor(backend: GpuBackend, shape: number[], dtype: 'float32' | 'int32' = 'float32'): tf.Tensor {
  return tf.keep(tf.engine().makeTensorFromTensorInfo(backend.output(shape, dtype)));
}
