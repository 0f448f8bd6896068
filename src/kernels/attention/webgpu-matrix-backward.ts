/**
 * @file The gradients of attention on matrix units: two kernels of one text, as in webgpu-backward.ts. Gradients are
 * operands in f16, which the scale of the loss must bring into its range; what is still too large is clamped.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import {
  addMatrixWeighted,
  declareMatrixSums,
  enterMatrix,
  loadOwn,
  type MatrixPlan,
  matrixDispatch,
  matrixMemory,
  multiplyScores,
  stageMatrix,
  storeMatrix,
} from './webgpu-matrix.ts';
import {
  eachTile,
  enterTile,
  gradientProgram,
  gradientRows,
  hasRow,
  type Problem,
  rowAt,
  type Side,
  unroll,
} from './webgpu-problem.ts';

/** dq by groups that own queries, or dk and dv by groups that own keys. */
export function backwardMatrix(
  plan: MatrixPlan,
  side: Side,
  inputs: InputInfos,
  gradients: readonly TensorInfo[],
  problem: Problem,
  backend: GpuBackend,
): void {
  const { own, other, words } = plan;
  const ofKeys = side === 'keys';
  const {
    own: [own0, own1],
    others: [other0, other1],
    otherSide,
    names,
  } = gradientRows[side];
  const others = { first: 'other_first', side: otherSide, count: other } as const;
  const weightTiles = ofKeys ? ['weights', 'slopes'] : ['slopes'];
  /** Of a word's pairs: the queries' logsumexp and delta. */
  const about = (name: 'least' | 'delta', t: number) => {
    if (!ofKeys) return name === 'least' ? 'about.x' : 'about.y';
    return `vec4f(${[0, 1, 2, 3].map(i => `${name}[my_columns + ${4 * t + i}u]`).join(', ')})`;
  };

  const tile = `
    workgroupBarrier();
    ${stageMatrix(other0, others, plan)}
    ${stageMatrix(other1, { ...others, slot: other }, plan)}
    ${
      ofKeys
        ? `
          if (lane < ${other}u) {
            let position = other_first + lane;
            var row = vec2f();
            if (${hasRow('queries', 'position')}) { row = summary[${rowAt('summary', 'position')}]; }
            least[lane] = row.x;
            delta[lane] = row.y;
          }`
        : ''
    }
    workgroupBarrier();
    if (working) { ${multiplyScores(own0, 0, plan)} }
    workgroupBarrier();
    let word = seen(own_first + own_row, other_first) >> my_columns;
    ${unroll(
      words,
      t => `
        let p${t} = select(vec4f(), exp2(scores[my_scores + ${t}u] * u.scale - ${about('least', t)}), bits(word, ${t}u));
        ${ofKeys ? `weights[my_weights + ${t}u] = vec4<f16>(p${t});` : ''}`,
    )}
    workgroupBarrier();
    if (working) { ${multiplyScores(own1, other, plan)} }
    workgroupBarrier();
    ${unroll(words, t => `slopes[my_weights + ${t}u] = half(p${t} * (scores[my_scores + ${t}u] - ${about('delta', t)}));`)}
    workgroupBarrier();
    if (working) {
      ${ofKeys ? addMatrixWeighted('dv', 'weights', other, plan) : ''}
      ${addMatrixWeighted(names[0], 'slopes', 0, plan)}
    }`;

  const { dispatch, functions } = gradientProgram(inputs, gradients, problem, { side, own });
  backend.dispatch({
    name: ofKeys ? 'attentionMatrixGradKeys' : 'attentionMatrixGradQueries',
    ...matrixDispatch(plan),
    ...dispatch,
    declarations: () => `
      ${matrixMemory(plan, weightTiles)}
      ${ofKeys ? `var<workgroup> least: array<f32, ${other}>; var<workgroup> delta: array<f32, ${other}>;` : ''}
      ${functions()}`,
    body: () => `
      ${enterTile(side, own)}
      ${enterMatrix(plan)}
      let my_columns = part * ${4 * words}u;
      ${loadOwn(own0, side, plan)}
      ${loadOwn(own1, side, plan)}
      ${
        ofKeys
          ? ''
          : `
            var about = vec2f();
            {
              let position = own_first + own_row;
              if (${hasRow('queries', 'position')}) { about = summary[${rowAt('summary', 'position')}]; }
            }`
      }
      ${names.map(name => declareMatrixSums(name, plan)).join('\n')}
      ${eachTile(side, { own, other }, tile)}
      ${names.map(name => storeMatrix(name, name, side, name === 'dv' ? '1.0' : 'u.root', plan)).join('\n')}`,
  });
}
