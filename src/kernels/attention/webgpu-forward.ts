/** @file Attention forward in plain fp32, with a running maximum and sum (webgpu-rows.ts has the products). */
import type { InputInfos } from '../../device/native/native.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import {
  eachTile,
  enterTile,
  FLOOR,
  type ForwardOutputs,
  float,
  forwardProgram,
  HIDDEN,
  hasRow,
  type Problem,
  rowAt,
  unroll,
} from './webgpu-problem.ts';
import {
  addWeighted,
  type Block,
  declareSums,
  largestBlock,
  putWeights,
  rowLayout,
  SIDE,
  SIZE,
  scoreBlock,
  scoresType,
  stageRows,
  WEIGHTS_STRIDE,
} from './webgpu-rows.ts';

const blocks: readonly Block[] = [
  { rows: 4, columns: 4 },
  { rows: 4, columns: 2 },
  { rows: 2, columns: 2 },
  { rows: 1, columns: 1 },
];

/** A group owns a tile of queries: keys, then the values of the same positions, pass through one tile. */
export function forwardRows(inputs: InputInfos, outputs: ForwardOutputs, problem: Problem, backend: GpuBackend): void {
  const { D } = problem;
  const layout = rowLayout(D);
  const block = largestBlock(
    blocks,
    ({ rows, columns }) =>
      16 * layout.stride * SIDE * (rows + columns) + 4 * SIDE * rows * WEIGHTS_STRIDE * (columns + 1),
  );
  const { rows, columns } = block;
  const [own, other] = [SIDE * rows, SIDE * columns];
  const others = { first: 'other_first', side: 'keys', count: other, interleave: columns } as const;
  const part = (r: number, t: string) => `parts[(down + ${r * SIDE}u) * ${WEIGHTS_STRIDE}u + ${t}]`;
  const each = <T>(f: (c: number) => T) => Array.from({ length: columns }, (_, c) => f(c));

  /** Scores in units of log2 become weights; earlier sums shrink where the maximum grew. */
  const weigh = (r: number) => `{
    var now = max_${r};
    for (var t = 0u; t < ${SIDE}u; t++) { now = max(now, ${part(r, 't')}); }
    let shrink = exp2(max_${r} - now);
    max_${r} = now;
    ${each(c => `s${r}${c} = exp2(s${r}${c} - now);`).join('\n')}
    total_${r} = total_${r} * shrink + ${each(c => `s${r}${c}`).join(' + ')};
    ${putWeights('s', 'weights', r, block)}
    ${unroll(layout.perLane, i => `o${r}_${i} *= shrink;`)}
  }`;

  const tile = `
    workgroupBarrier();
    ${stageRows('other', 'k', others, layout)}
    workgroupBarrier();
    ${scoreBlock('s', 'own', 'other', block, layout)}
    ${unroll(
      rows,
      r => `{
        let word = seen(own_first + down + ${r * SIDE}u, other_first) >> (${columns}u * across);
        ${each(c => `s${r}${c} = select(${HIDDEN}, s${r}${c} * u.scale, (word & ${1 << c}u) != 0u);`).join('\n')}
        ${part(r, 'across')} = ${each(c => `s${r}${c}`).reduce((a, b) => `max(${a}, ${b})`)};
      }`,
    )}
    workgroupBarrier();
    ${stageRows('other', 'v', others, layout)}
    ${unroll(rows, weigh)}
    workgroupBarrier();
    ${addWeighted('o', 'weights', 'other', block, layout)}`;

  const finish = (r: number) => `{
    let position = own_first + down + ${r * SIDE}u;
    if (${hasRow('queries', 'position')}) {
      var total = 0.0;
      for (var t = 0u; t < ${SIDE}u; t++) { total += ${part(r, 't')}; }
      if (across == 0u) { logsumexp[${rowAt('logsumexp', 'position')}] = (max_${r} + log2(total)) * ${float(Math.LN2)}; }
      let row = ${rowAt('y', 'position')};
      ${unroll(layout.perLane, i => `store_y(row, across + ${i * SIDE}u, o${r}_${i} / total);`)}
    }
  }`;

  const { dispatch, functions } = forwardProgram(inputs, outputs, problem, own);
  backend.dispatch({
    name: 'attention',
    variant: `${layout.perLane}`,
    size: SIZE,
    ...dispatch,
    declarations: () => `
      var<workgroup> own: array<vec4f, ${own * layout.stride}>;
      var<workgroup> other: array<vec4f, ${other * layout.stride}>;
      var<workgroup> weights: array<${scoresType(block)}, ${own * WEIGHTS_STRIDE}>;
      var<workgroup> parts: array<f32, ${own * WEIGHTS_STRIDE}>;
      ${functions()}`,
    body: () => `
      ${enterTile('queries', own)}
      let down = lane / ${SIDE}u;
      let across = lane % ${SIDE}u;
      ${stageRows('own', 'q', { first: 'own_first', side: 'queries', count: own }, layout)}
      ${unroll(rows, r => `var max_${r} = f32(${FLOOR}); var total_${r} = 0.0;`)}
      ${declareSums('o', block, layout)}
      ${eachTile('queries', { own, other }, tile)}
      ${unroll(rows, r => `${part(r, 'across')} = total_${r};`)}
      workgroupBarrier();
      ${unroll(rows, finish)}`,
  });
}
