/**
 * @file What the kernels of attention on matrix units share: f16 operands in workgroup memory, f32 sums. A subgroup owns as
 * many rows as a matrix has; its own rows and its sums stay in registers, the others pass through workgroup memory, and so
 * do scores on their way from products to softmax and back, since what a lane holds of a matrix is not for us to know.
 */

import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { hasRow, rowAt, type Side, unroll } from './webgpu-problem.ts';

/** How the work is cut for a shape of matrices, a size of subgroups and D channels. */
export interface MatrixPlan {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly D: number;
  /** Size of a subgroup to ask for, where there are several. */
  readonly lanes: number | undefined;
  /** Subgroups that multiply; where subgroups turn out smaller than they may be, there are more and they look on. */
  readonly workers: number;
  /** Invocations. */
  readonly size: number;
  /** Rows of a tile that a group owns. */
  readonly own: number;
  /** Rows of a tile of the others. */
  readonly other: number;
  /** Neighbouring invocations that share a row of scores, and the words of four columns that each has of it. */
  readonly perRow: number;
  readonly words: number;
  /** Words from row to row of tiles of operands, scores and weights: off powers of two, at which rows share banks. */
  readonly tileStride: number;
  readonly scoreStride: number;
  readonly weightStride: number;
}

const MEMORY = 32 * 1024;

/**
 * The plan with the largest tile that fits, undefined where the matrix units cannot do it.
 * @param weightTiles tiles of weights that the kernel keeps
 */
export function matrixPlan(D: number, backend: GpuBackend, weightTiles: number): MatrixPlan | undefined {
  const { precision, matrixUnits, summary } = backend;
  if (precision !== 'f16' || matrixUnits === undefined || summary.subgroups === undefined) return undefined;
  const { M, N, K, lanes } = matrixUnits;
  const { min, max } = lanes === undefined ? summary.subgroups : { min: lanes, max: lanes };
  if (D > 128 || D % N !== 0 || D % K !== 0 || D % 8 !== 0 || ![8, 16, 32].includes(M)) return undefined;
  const workers = Math.min(M === 32 ? 2 : 4, Math.floor(256 / max));
  const own = M * workers;
  const size = Math.max(own, workers * max);
  const perRow = size / own;
  for (const other of [32, 16]) {
    const words = other / perRow / 4;
    const [tileStride, scoreStride, weightStride] = [D / 4 + 2, other / 4 + 1, other / 4 + 2];
    const bytes =
      8 * 2 * other * tileStride + own * (16 * scoreStride + 8 * weightTiles * weightStride + 4) + 8 * other;
    if (other % N !== 0 || other % K !== 0 || words < 1 || perRow > min || bytes > MEMORY) continue;
    return {
      ...{ M, N, K, D, lanes, workers, size, own, other, perRow, words },
      ...{ tileStride, scoreStride, weightStride },
    };
  }
  return undefined;
}

/** What a kernel of this plan needs beyond its own. */
export function matrixDispatch({ M, N, K, D, lanes, workers, size, other }: MatrixPlan) {
  return {
    variant: [M, N, K, D, workers, size, other].join('/'),
    size,
    enable: ['f16', 'subgroups', 'chromium_experimental_subgroup_matrix'],
    ...(lanes === undefined ? {} : { subgroupSize: lanes }),
  };
}

function leftType({ M, K }: MatrixPlan): string {
  return `subgroup_matrix_left<f16, ${K}, ${M}>`;
}

function resultType({ M, N }: MatrixPlan): string {
  return `subgroup_matrix_result<f32, ${N}, ${M}>`;
}

/** Workgroup memory: the others' two tiles one after the other, a tile of scores, and tiles of weights. */
export function matrixMemory(plan: MatrixPlan, weightTiles: readonly string[]): string {
  const { own, other, tileStride, scoreStride, weightStride } = plan;
  return `
    var<workgroup> tile: array<vec4<f16>, ${2 * other * tileStride}>;
    var<workgroup> scores: array<vec4f, ${own * scoreStride}>;
    ${weightTiles.map(name => `var<workgroup> ${name}: array<vec4<f16>, ${own * weightStride}>;`).join('\n')}
    // What is too large becomes the largest f16; NaN stays NaN.
    fn half(x: vec4f) -> vec4<f16> { return vec4<f16>(select(x, sign(x) * 65504.0, abs(x) > vec4f(65504.0))); }
    fn bits(word: u32, t: u32) -> vec4<bool> { return (vec4u(word >> (4u * t)) & vec4u(1u, 2u, 4u, 8u)) != vec4u(); }`;
}

/** Who an invocation is: a lane of a subgroup that multiplies, and one of those that look after a row of scores. */
export function enterMatrix({ workers, perRow, words, M, scoreStride, weightStride }: MatrixPlan): string {
  return `
    let worker = lane / subgroup_size;
    let working = worker < ${workers}u;
    let scores_at = worker * ${M * scoreStride}u;
    let weights_at = worker * ${M * weightStride}u;
    let own_row = lane / ${perRow}u;
    let part = lane % ${perRow}u;
    let my_scores = own_row * ${scoreStride}u + part * ${words}u;
    let my_weights = own_row * ${weightStride}u + part * ${words}u;`;
}

/** Stages rows of `source` from position `first` on, the first of them in row `slot` of the tile. */
export function stageMatrix(
  source: string,
  rows: { readonly first: string; readonly side: Side; readonly count: number; readonly slot?: number },
  { D, size, tileStride }: MatrixPlan,
): string {
  const { first, side, count, slot = 0 } = rows;
  return `
    for (var e = lane; e < ${(count * D) / 4}u; e += ${size}u) {
      let row = e / ${D / 4}u;
      let c = e % ${D / 4}u;
      let position = ${first} + row;
      var word = vec4f();
      if (${hasRow(side, 'position')}) { word = load_${source}(${rowAt(source, 'position')}, c); }
      tile[${slot * tileStride}u + row * ${tileStride}u + c] = half(word);
    }`;
}

/** Declares the group's own rows of `source` as left operands, `SOURCE_i`, and loads them by way of the tile. */
export function loadOwn(source: string, side: Side, plan: MatrixPlan): string {
  const { M, K, D, own, other, tileStride } = plan;
  const most = 2 * other; // rows of the tile
  const stages = Array.from({ length: Math.ceil(own / most) }, (_, s) => {
    const first = `own_first + ${s * most}u`;
    return `
      workgroupBarrier();
      ${stageMatrix(source, { first, side, count: Math.min(most, own) }, plan)}
      workgroupBarrier();
      if (working && worker / ${most / M}u == ${s}u) {
        let at = worker % ${most / M}u * ${M * tileStride}u;
        ${unroll(
          D / K,
          i =>
            `own_${source}_${i} = subgroupMatrixLoad<${leftType(plan)}, row_major>(&tile, at + ${(i * K) / 4}u, ${tileStride}u);`,
        )}
      }`;
  });
  return `
    ${unroll(D / K, i => `var own_${source}_${i}: ${leftType(plan)};`)}
    ${stages.join('\n')}`;
}

/** Scores of the own rows of `source` with the rows of the tile from `slot` on; only for subgroups that work. */
export function multiplyScores(source: string, slot: number, plan: MatrixPlan): string {
  const { N, K, D, other, tileStride, scoreStride } = plan;
  // A column-major load of rows of keys is their transpose.
  const right = (i: number) =>
    `subgroupMatrixLoad<subgroup_matrix_right<f16, ${N}, ${K}>, col_major>(&tile, at + ${(i * K) / 4}u, ${tileStride}u)`;
  return `
    for (var n = 0u; n < ${other / N}u; n++) {
      let at = ${slot * tileStride}u + n * ${N * tileStride}u;
      var sum = ${resultType(plan)}();
      ${unroll(D / K, i => `sum = subgroupMatrixMultiplyAccumulate(own_${source}_${i}, ${right(i)}, sum);`)}
      subgroupMatrixStore<row_major>(&scores, scores_at + n * ${N / 4}u, sum, ${scoreStride}u);
    }`;
}

/** Declares sums of D channels for the own rows, `NAME_n`. */
export function declareMatrixSums(name: string, plan: MatrixPlan): string {
  return unroll(plan.D / plan.N, n => `var ${name}_${n} = ${resultType(plan)}();`);
}

/** Adds the tile `weights` times the rows of the tile from `slot` on; only for subgroups that work. */
export function addMatrixWeighted(name: string, weights: string, slot: number, plan: MatrixPlan): string {
  const { N, K, D, other, tileStride, weightStride } = plan;
  const right = (n: number) =>
    `subgroupMatrixLoad<subgroup_matrix_right<f16, ${N}, ${K}>, row_major>(&tile, at + ${(n * N) / 4}u, ${tileStride}u)`;
  return `
    for (var j = 0u; j < ${other / K}u; j++) {
      let at = ${slot * tileStride}u + j * ${K * tileStride}u;
      let left = subgroupMatrixLoad<${leftType(plan)}, row_major>(&${weights}, weights_at + j * ${K / 4}u, ${weightStride}u);
      ${unroll(D / N, n => `${name}_${n} = subgroupMatrixMultiplyAccumulate(left, ${right(n)}, ${name}_${n});`)}
    }`;
}

/** Text for each stretch of channels that the tile of scores holds at a time, and the sums in it. */
export function throughScores(
  name: string,
  plan: MatrixPlan,
  text: (stretch: { readonly channel: number; readonly store: string; readonly load: string }) => string,
): string {
  const { N, D, other, scoreStride } = plan;
  return unroll(Math.ceil(D / other), s => {
    const sums = Array.from({ length: Math.min(other, D - s * other) / N }, (_, n) => ({
      sum: `${name}_${(s * other) / N + n}`,
      at: `scores_at + ${(n * N) / 4}u`,
    }));
    const store = sums.map(({ sum, at }) => `subgroupMatrixStore<row_major>(&scores, ${at}, ${sum}, ${scoreStride}u);`);
    const load = sums.map(
      ({ sum, at }) => `${sum} = subgroupMatrixLoad<${resultType(plan)}, row_major>(&scores, ${at}, ${scoreStride}u);`,
    );
    return text({
      channel: s * other,
      store: `if (working) { ${store.join('\n')} }`,
      load: `if (working) { ${load.join('\n')} }`,
    });
  });
}

/** Writes sums to the rows of an output; `factor` may depend on `row`, the row in the own tile. */
export function storeMatrix(name: string, output: string, side: Side, factor: string, plan: MatrixPlan): string {
  const { own, other, size, scoreStride } = plan;
  return throughScores(
    name,
    plan,
    ({ channel, store }) => `
      workgroupBarrier();
      ${store}
      workgroupBarrier();
      for (var e = lane; e < ${(own * other) / 4}u; e += ${size}u) {
        let row = e / ${other / 4}u;
        let c = e % ${other / 4}u;
        let position = own_first + row;
        if (${hasRow(side, 'position')}) {
          store_${output}(${rowAt(output, 'position')}, ${channel / 4}u + c, scores[row * ${scoreStride}u + c] * ${factor});
        }
      }`,
  );
}

/** A reduction over the invocations that share a row. */
export function joinRow(name: string, join: (a: string, b: string) => string, { perRow }: MatrixPlan): string {
  return unroll(Math.log2(perRow), i => `${name} = ${join(name, `subgroupShuffleXor(${name}, ${2 ** i}u)`)};`);
}
