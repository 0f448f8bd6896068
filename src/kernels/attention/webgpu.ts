/** @file Attention and its gradients on the GPU: which kernels run, by what is asked for and what the GPU has. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import type { AttentionMask } from './mask.ts';
import { backwardRows, summariseRows } from './webgpu-backward.ts';
import { decodeOne } from './webgpu-decode.ts';
import { forwardRows } from './webgpu-forward.ts';
import { matrixPlan } from './webgpu-matrix.ts';
import { backwardMatrix } from './webgpu-matrix-backward.ts';
import { forwardMatrix } from './webgpu-matrix-forward.ts';
import { isEmpty, problemOf } from './webgpu-problem.ts';

/** @returns y [B, Tq, H * D] and logsumexp [B, H, Tq] */
export function attentionWebgpu(inputs: InputInfos, mask: AttentionMask, backend: GpuBackend): TensorInfo[] {
  const problem = problemOf(inputs, mask, backend);
  const { B, H, Tq, D } = problem;
  const outputs = { y: backend.output([B, Tq, H * D]), logsumexp: backend.output([B, H, Tq]) };
  const plan = matrixPlan(D, backend, 1);
  if (isEmpty(problem)) return [outputs.y, outputs.logsumexp];
  if (Tq === 1) decodeOne(inputs, outputs, problem, backend);
  else if (plan !== undefined) forwardMatrix(plan, inputs, outputs, problem, backend);
  else forwardRows(inputs, outputs, problem, backend);
  return [outputs.y, outputs.logsumexp];
}

/** @returns dq, dk, dv */
export function attentionGradWebgpu(inputs: InputInfos, mask: AttentionMask, backend: GpuBackend): TensorInfo[] {
  const problem = problemOf(inputs, mask, backend);
  const [dq, dk, dv] = [inputs.q, inputs.k, inputs.v].map(({ shape }) => backend.output(shape));
  if (isEmpty(problem)) return [dq, dk, dv];
  const summary = summariseRows(inputs, problem, backend);
  const given = { ...inputs, summary };
  for (const [side, gradients] of [
    ['keys', [dk, dv]],
    ['queries', [dq]],
  ] as const) {
    const plan = matrixPlan(problem.D, backend, gradients.length);
    if (plan !== undefined) backwardMatrix(plan, side, given, gradients, problem, backend);
    else backwardRows(side, given, gradients, problem, backend);
  }
  backend.disposeData(summary.dataId);
  return [dq, dk, dv];
}
