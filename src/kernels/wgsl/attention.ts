/** @file Attention and its gradients on the GPU: which kernels run, by what is asked for and what the GPU has. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../backends/native.ts';
import type { GpuBackend } from '../../backends/webgpu/webgpu.ts';
import { backwardRows, summariseRows } from './attentionbackward.ts';
import { decodeOne } from './attentiondecode.ts';
import { forwardRows } from './attentionforward.ts';
import { isEmpty, problemOf, type TableMask } from './attentionproblem.ts';

/** @param table the mask's, if it is one; @returns y [B, Tq, H * D] and logsumexp [B, H, Tq] */
export function attentionWebgpu(
  inputs: InputInfos,
  mask: string,
  table: TableMask | undefined,
  backend: GpuBackend,
): TensorInfo[] {
  const problem = problemOf(inputs, table, mask, backend);
  const { B, H, Tq, D } = problem;
  const outputs = { y: backend.output([B, Tq, H * D]), logsumexp: backend.output([B, H, Tq]) };
  if (!isEmpty(problem)) (Tq === 1 ? decodeOne : forwardRows)(inputs, outputs, problem, backend);
  return [outputs.y, outputs.logsumexp];
}

/** @returns dq, dk, dv */
export function attentionGradWebgpu(
  inputs: InputInfos,
  mask: string,
  table: TableMask | undefined,
  backend: GpuBackend,
): TensorInfo[] {
  const problem = problemOf(inputs, table, mask, backend);
  const [dq, dk, dv] = [inputs.q, inputs.k, inputs.v].map(({ shape }) => backend.output(shape));
  if (isEmpty(problem)) return [dq, dk, dv];
  const summary = summariseRows(inputs, problem, backend);
  const given = { ...inputs, summary };
  backwardRows('keys', given, [dk, dv], problem, backend);
  backwardRows('queries', given, [dq], problem, backend);
  backend.disposeData(summary.dataId);
  return [dq, dk, dv];
}
