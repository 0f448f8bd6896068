/**
 * @file The gradients of attention in plain fp32 (webgpu-rows.ts has the products): weights are made again from the
 * saved logsumexp, dS = P * (dP - delta), where delta is the sum of dy * y over a row. Two kernels of one text: groups that
 * own queries sum dq over the keys, groups that own keys sum dk and dv over the queries; nothing is added by two groups.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import {
  eachTile,
  enterTile,
  float,
  gradientProgram,
  gradientRows,
  hasRow,
  type Problem,
  rowAt,
  rowLoad,
  rowsOf,
  type Side,
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
  { rows: 2, columns: 1 },
  { rows: 1, columns: 1 },
];

/** Invocations that sum a row of dy * y. */
const DELTA_LANES = 8;
const DELTA_SIZE = 256;

/** What the gradients need to know of each query: its logsumexp in units of log2, and delta; [B, H, Tq, 2]. */
export function summariseRows(
  { y, logsumexp, dy }: InputInfos,
  { B, H, Tq, D }: Problem,
  backend: GpuBackend,
): TensorInfo {
  const rows = B * H * Tq;
  const summary = backend.output([B, H, Tq, 2]);
  backend.dispatch({
    name: 'attentionDelta',
    bindings: [
      rowsOf(read('y', y), D),
      rowsOf(read('dy', dy), D),
      read('logsumexp', logsumexp),
      write('summary', summary, 'vec2f'),
    ],
    uniforms: { rows, H, Tq, D, words: Math.ceil(D / 4) },
    size: DELTA_SIZE,
    groups: Math.ceil(rows / (DELTA_SIZE / DELTA_LANES)),
    declarations: () => `
      var<workgroup> parts: array<f32, ${DELTA_SIZE}>;
      ${rowLoad('y', D)}
      ${rowLoad('dy', D)}`,
    body: () => `
      let row = block * ${DELTA_SIZE / DELTA_LANES}u + lane / ${DELTA_LANES}u; // of y, [B, Tq, H]
      var sum = 0.0;
      if (row < u.rows) {
        for (var c = lane % ${DELTA_LANES}u; c < u.words; c += ${DELTA_LANES}u) {
          sum += dot(load_y(row, c), load_dy(row, c));
        }
      }
      parts[lane] = sum;
      workgroupBarrier();
      if (lane % ${DELTA_LANES}u == 0u && row < u.rows) {
        for (var i = 1u; i < ${DELTA_LANES}u; i++) { sum += parts[lane + i]; }
        let h = row % u.H;
        let i = row / u.H % u.Tq;
        let b = row / u.H / u.Tq;
        let at = (b * u.H + h) * u.Tq + i;
        summary[at] = vec2f(logsumexp[at] * ${float(Math.LOG2E)}, sum);
      }`,
  });
  return summary;
}

/** dq by groups that own queries, or dk and dv by groups that own keys. */
export function backwardRows(
  side: Side,
  inputs: InputInfos,
  gradients: readonly TensorInfo[],
  problem: Problem,
  backend: GpuBackend,
): void {
  const { D } = problem;
  const ofKeys = side === 'keys';
  const layout = rowLayout(D);
  const block = largestBlock(
    blocks,
    ({ rows, columns }) =>
      16 * layout.stride * SIDE * (rows + columns) * 2 + 4 * SIDE * rows * WEIGHTS_STRIDE * columns * (ofKeys ? 2 : 1),
  );
  const { rows, columns } = block;
  const [own, other] = [SIDE * rows, SIDE * columns];
  const { own: owned, others, otherSide, names } = gradientRows[side];
  const ownRows = { first: 'own_first', side, count: own } as const;
  const otherRows = { first: 'other_first', side: otherSide, count: other, interleave: columns } as const;
  const summaryOf = (position: string) => `
    if (${hasRow('queries', position)}) { row = summary[${rowAt('summary', position)}]; }`;

  /** Scores and their gradients become weights and slopes. */
  const differentiate = (r: number) => `{
    let word = seen(own_first + down + ${r * SIDE}u, other_first) >> (${columns}u * across);
    ${unroll(columns, c => {
      const about = ofKeys ? `about${c}` : `about${r}`;
      return `
        s${r}${c} = select(0.0, exp2(s${r}${c} * u.scale - ${about}.x), (word & ${1 << c}u) != 0u);
        g${r}${c} = s${r}${c} * (g${r}${c} - ${about}.y);`;
    })}
    ${ofKeys ? putWeights('s', 'weights', r, block) : ''}
    ${putWeights('g', 'slopes', r, block)}
  }`;

  const tile = `
    workgroupBarrier();
    ${stageRows('other0', others[0], otherRows, layout)}
    ${stageRows('other1', others[1], otherRows, layout)}
    workgroupBarrier();
    ${scoreBlock('s', 'own0', 'other0', block, layout)}
    ${scoreBlock('g', 'own1', 'other1', block, layout)}
    ${
      ofKeys
        ? unroll(
            columns,
            c => `var about${c} = vec2f();
              {
                let position = other_first + ${columns}u * across + ${c}u;
                var row = vec2f();
                ${summaryOf('position')}
                about${c} = row;
              }`,
          )
        : ''
    }
    ${unroll(rows, differentiate)}
    workgroupBarrier();
    ${ofKeys ? addWeighted('dv', 'weights', 'other1', block, layout) : ''}
    ${addWeighted(names[0], 'slopes', 'other0', block, layout)}`;

  const store = (name: string, r: number) => {
    const factor = name === 'dv' ? '' : ' * u.root';
    return unroll(layout.perLane, i => `store_${name}(row, across + ${i * SIDE}u, ${name}${r}_${i}${factor});`);
  };

  const { dispatch, functions } = gradientProgram(inputs, gradients, problem, { side, own });
  backend.dispatch({
    name: ofKeys ? 'attentionGradKeys' : 'attentionGradQueries',
    variant: `${layout.perLane}`,
    size: SIZE,
    ...dispatch,
    declarations: () => `
      ${['own0', 'own1'].map(name => `var<workgroup> ${name}: array<vec4f, ${own * layout.stride}>;`).join('\n')}
      ${['other0', 'other1'].map(name => `var<workgroup> ${name}: array<vec4f, ${other * layout.stride}>;`).join('\n')}
      ${(ofKeys ? ['weights', 'slopes'] : ['slopes'])
        .map(name => `var<workgroup> ${name}: array<${scoresType(block)}, ${own * WEIGHTS_STRIDE}>;`)
        .join('\n')}
      ${functions()}`,
    body: () => `
      ${enterTile(side, own)}
      let down = lane / ${SIDE}u;
      let across = lane % ${SIDE}u;
      ${stageRows('own0', owned[0], ownRows, layout)}
      ${stageRows('own1', owned[1], ownRows, layout)}
      ${
        ofKeys
          ? ''
          : unroll(
              rows,
              r => `var about${r} = vec2f();
                {
                  let position = own_first + down + ${r * SIDE}u;
                  var row = vec2f();
                  ${summaryOf('position')}
                  about${r} = row;
                }`,
            )
      }
      ${names.map(name => declareSums(name, block, layout)).join('\n')}
      ${eachTile(side, { own, other }, tile)}
      ${unroll(
        rows,
        r => `{
          let position = own_first + down + ${r * SIDE}u;
          if (${hasRow(side, 'position')}) {
            let row = ${rowAt(names[0], 'position')};
            ${names.map(name => store(name, r)).join('\n')}
          }
        }`,
      )}`,
  });
}
