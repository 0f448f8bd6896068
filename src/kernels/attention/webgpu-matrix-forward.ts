/**
 * @file Attention forward on matrix units. The output's sums stay in registers, where a row cannot be scaled, so they are
 * scaled by way of workgroup memory, and only when a maximum grows by more than SLACK: weights up to 2^SLACK are no worse
 * in f16 than weights up to 1, and after the first tiles this hardly ever happens.
 */
import type { InputInfos } from '../../device/native/native.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import {
  addMatrixWeighted,
  declareMatrixSums,
  enterMatrix,
  joinRow,
  loadOwn,
  type MatrixPlan,
  matrixDispatch,
  matrixMemory,
  multiplyScores,
  stageMatrix,
  storeMatrix,
  throughScores,
} from './webgpu-matrix.ts';
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

/** In units of log2. */
const SLACK = '8.0';

export function forwardMatrix(
  plan: MatrixPlan,
  inputs: InputInfos,
  outputs: ForwardOutputs,
  problem: Problem,
  backend: GpuBackend,
): void {
  const { own, other, words } = plan;
  const others = { first: 'other_first', side: 'keys', count: other } as const;

  const softmax = `
    let word = seen(own_first + own_row, other_first) >> (part * ${4 * words}u);
    ${unroll(words, t => `let x${t} = select(vec4f(${HIDDEN}), scores[my_scores + ${t}u] * u.scale, bits(word, ${t}u));`)}
    let tops = ${Array.from({ length: words }, (_, t) => `x${t}`).reduce((a, b) => `max(${a}, ${b})`)};
    var top = max(max(tops.x, tops.y), max(tops.z, tops.w));
    ${joinRow('top', (a, b) => `max(${a}, ${b})`, plan)}
    var shrink = 1.0;
    if (top > largest + ${SLACK}) {
      if (largest > ${FLOOR}) { atomicMax(&grown, round); }
      shrink = exp2(largest - top);
      largest = top;
      totals *= shrink;
    }
    ${unroll(
      words,
      t => `{
        let weight = exp2(x${t} - largest);
        totals += weight;
        weights[my_weights + ${t}u] = vec4<f16>(weight);
      }`,
    )}`;

  const rescale = throughScores(
    'o',
    plan,
    ({ store, load }) => `
      ${store}
      workgroupBarrier();
      for (var t = 0u; t < ${words}u; t++) { scores[my_scores + t] *= shrink; }
      workgroupBarrier();
      ${load}
      workgroupBarrier();`,
  );

  const tile = `
    round++;
    workgroupBarrier();
    ${stageMatrix('k', others, plan)}
    ${stageMatrix('v', { ...others, slot: other }, plan)}
    workgroupBarrier();
    if (working) { ${multiplyScores('q', 0, plan)} }
    workgroupBarrier();
    ${softmax}
    if (workgroupUniformLoad(&grown) == round) { ${rescale} }
    if (working) { ${addMatrixWeighted('o', 'weights', other, plan)} }`;

  const { dispatch, functions } = forwardProgram(inputs, outputs, problem, own);
  backend.dispatch({
    name: 'attentionMatrix',
    ...matrixDispatch(plan),
    ...dispatch,
    declarations: () => `
      ${matrixMemory(plan, ['weights'])}
      var<workgroup> inverse: array<f32, ${own}>;
      var<workgroup> grown: atomic<u32>; // the last round in which a maximum grew
      ${functions()}`,
    body: () => `
      ${enterTile('queries', own)}
      ${enterMatrix(plan)}
      if (lane == 0u) { atomicStore(&grown, 0u); }
      ${loadOwn('q', 'queries', plan)}
      var largest = f32(${FLOOR});
      var totals = vec4f();
      var round = 0u;
      ${declareMatrixSums('o', plan)}
      ${eachTile('queries', { own, other }, tile)}
      var total = totals.x + totals.y + totals.z + totals.w;
      ${joinRow('total', (a, b) => `${a} + ${b}`, plan)}
      if (part == 0u) {
        let position = own_first + own_row;
        if (${hasRow('queries', 'position')}) {
          logsumexp[${rowAt('logsumexp', 'position')}] = (largest + log2(total)) * ${float(Math.LN2)};
          inverse[own_row] = 1.0 / total;
        }
      }
      ${storeMatrix('o', 'y', 'queries', 'inverse[row]', plan)}`,
  });
}
