/**
 * @file Linear cross-entropy on the GPU (headloss.ts). Rows that count are gathered once; then some thousand of
 * them at a time become logits, and these losses and gradients in place, one workgroup a row, before they are multiplied
 * again. Gradients of logits lie between -1 and 1, so that they may be rounded to f16; the loss's scale is put on the
 * products.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { ShapeError } from '../../core/errors.ts';
import type { InputInfos } from '../../device/native/native.ts';
import { f32, read, update, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { zeros } from '../elementwise/webgpu.ts';
import { gatherRows } from '../embedding/webgpu.ts';
import { multiply } from '../gemm/gemm.ts';
import type { Attributes } from '../registry.ts';
import { maxPack, packingOf, sumPack } from '../wgsl/packing.ts';
import { maxWorkgroup, sumWorkgroup } from '../wgsl/reduce.ts';

/** Most logits at a time: 128 MiB, the least that every GPU binds at once. */
const MOST_LOGITS = 2 ** 25;
const SIZE = 256;

/**
 * The numbers of the rows that count, and how many these are. The targets nearly always come from the CPU and are still
 * there; otherwise every row is taken, those to ignore with a weight of 0. The list is longer than it need be, with zeros
 * at its end, so that there are eight lengths of it at most for each M: buffers are kept by size, and batches differ.
 * @throws ShapeError if a target is known to be V or more
 */
function rowsThatCount(targets: TensorInfo, V: number, backend: GpuBackend): { rows: Int32Array; n: number } {
  const known = backend.tensorMap.get(targets.dataId).values as Int32Array | null | undefined;
  const [M] = targets.shape;
  const rows = new Int32Array(M);
  if (known === null || known === undefined) return { rows: rows.map((_, row) => row), n: M };
  let n = 0;
  for (let row = 0; row < M; row++) {
    if (known[row] >= V) {
      throw new ShapeError(`linearCrossEntropy: expected targets below ${V}, got target ${known[row]}`);
    }
    if (known[row] >= 0) rows[n++] = row;
  }
  const step = Math.ceil(M / 8);
  return { rows: rows.subarray(0, Math.ceil(n / step) * step), n };
}

/** What all kernels of one call share. */
interface Problem {
  readonly hidden: TensorInfo;
  readonly weight: TensorInfo;
  readonly targets: TensorInfo;
  /** Row numbers of those that count [n or more]. */
  readonly rows: TensorInfo;
  /** Their hidden vectors [n or more, C]. */
  readonly x: TensorInfo;
  /** [n or more]. */
  readonly losses: TensorInfo;
  readonly zLoss: number;
  readonly scale: number;
}

/** Some of the rows that count. */
interface Chunk {
  readonly first: number;
  readonly count: number;
  /** [count or more, V]. */
  readonly logits: TensorInfo;
}

/**
 * @param gradients whether to make those, for an upstream gradient of 1
 * @param mostLogits at a time
 * @returns the loss, and the gradients [M, C] and [V, C] if asked for
 */
export function headLossWebgpu(
  { hidden, weight, targets }: InputInfos,
  attributes: Attributes,
  backend: GpuBackend,
  { gradients, mostLogits = MOST_LOGITS }: { readonly gradients: boolean; readonly mostLogits?: number },
): TensorInfo[] {
  const { scale, zLoss } = attributes as Record<string, number>;
  const [M, C] = hidden.shape;
  const [V] = weight.shape;
  const { rows: counting, n } = rowsThatCount(targets, V, backend);
  if (n * C * V === 0) return [[], ...(gradients ? [hidden.shape, weight.shape] : [])].map(s => zeros(backend, s));
  const room = counting.length;
  const rows = backend.makeTensorInfo([room], 'int32', counting);
  const x = n === M ? hidden : gatherRows(hidden, rows, backend);
  const losses = backend.output([room]);
  const problem = { hidden, weight, targets, rows, x, losses, zLoss, scale };
  const most = Math.min(room, Math.max(64, Math.floor(mostLogits / V / 64) * 64));
  const logits = backend.output([most, V]);
  const dHidden = gradients ? backend.output(hidden.shape) : undefined;
  const dWeight = gradients ? backend.output(weight.shape) : undefined;
  if (dHidden !== undefined && n < M) clearIgnored(dHidden, targets, backend);
  for (let first = 0; first < n; first += most) {
    const chunk = { first, count: Math.min(most, n - first), logits };
    makeLogits(problem, chunk, backend);
    makeLosses(problem, chunk, backend, gradients);
    if (dHidden !== undefined) multiplyByWeight(problem, chunk, dHidden, backend);
    if (dWeight !== undefined) multiplyByHidden(problem, chunk, dWeight, backend);
  }
  const loss = sumLosses(losses, n, scale, backend);
  for (const used of [rows, losses, logits, ...(x === hidden ? [] : [x])]) backend.disposeData(used.dataId);
  return [loss, dHidden, dWeight].filter(output => output !== undefined);
}

/** Zeros in the rows to ignore. */
function clearIgnored(dHidden: TensorInfo, targets: TensorInfo, backend: GpuBackend): void {
  const [M, C] = dHidden.shape;
  const { width, element } = packingOf(C);
  const columns = C / width;
  backend.dispatch({
    name: 'headClearIgnored',
    bindings: [read('targets', targets), write('d_hidden', dHidden, element)],
    uniforms: { columns, count: M * columns },
    groups: Math.ceil((M * columns) / SIZE),
    body: () => `
      let i = block * ${SIZE}u + lane;
      if (i >= u.count) { return; }
      if (targets[i / u.columns] < 0) { d_hidden[i] = ${element}(); }`,
  });
}

function makeLogits({ x, weight }: Problem, { first, count, logits }: Chunk, backend: GpuBackend): void {
  const [V, C] = weight.shape;
  multiply(backend, {
    name: 'headLogits',
    ...{ M: count, N: V, K: C },
    a: { load: 'return x[(u.first + row) * u.K + k];', fast: 'k' },
    b: { load: 'return weight[row * u.K + k];', fast: 'k' },
    bindings: [read('x', x), read('weight', weight), write('logits', logits)],
    uniforms: { first },
    store: 'logits[row * u.N + column] = value;',
  });
}

/**
 * The losses of rows of logits: logsumexp - chosen + zLoss logsumexp^2, 0 for a row to ignore. One pass finds the largest
 * logit and the sum of exponentials beside it; for gradients, a second makes the logits theirs.
 */
function makeLosses(problem: Problem, { first, count, logits }: Chunk, backend: GpuBackend, gradients: boolean): void {
  const { targets, rows, losses, zLoss } = problem;
  const V = logits.shape[1];
  const packing = packingOf(V);
  const { width, element } = packing;
  const lossOf = (chosen: string) => `log_sum - ${chosen} + u.z_loss * log_sum * log_sum`;
  const numberOf = (pack: string) => (width === 1 ? pack : `${pack}[u32(chosen) % ${width}u]`);
  const makeGradients = `
      let weight = select(0.0, 1.0 + 2.0 * u.z_loss * log_sum, chosen >= 0);
      if (live) {
        for (var c = lane; c < u.columns; c += ${SIZE}u) {
          let value = logits[at + c];
          var d = exp(value - log_sum) * weight;
          if (chosen >= 0 && c == u32(chosen) / ${width}u) {
            losses[u.first + row] = ${lossOf(numberOf('value'))};
            ${numberOf('d')} -= 1.0;
          }
          logits[at + c] = d;
        }
        if (chosen < 0 && lane == 0u) { losses[u.first + row] = 0.0; }
      }`;
  const makeLoss = `
      if (live && lane == 0u) {
        let value = logits[at + u32(max(chosen, 0)) / ${width}u];
        losses[u.first + row] = select(0.0, ${lossOf(numberOf('value'))}, chosen >= 0);
      }`;
  backend.dispatch({
    name: gradients ? 'headLossGradients' : 'headLoss',
    bindings: [
      gradients ? update('logits', logits, element) : read('logits', logits, element),
      read('targets', targets),
      read('rows', rows),
      write('losses', losses),
    ],
    uniforms: { first, count, columns: V / width, z_loss: f32(zLoss) },
    size: SIZE,
    groups: count,
    declarations: () => `${sumWorkgroup(SIZE)} ${maxWorkgroup(SIZE)}`,
    body: () => `
      let live = block < u.count; // those past the end take the last row without writing: barriers want all of a group
      let row = min(block, u.count - 1u);
      let at = row * u.columns;
      let chosen = targets[rows[u.first + row]];
      var largest = -1e30;
      var sum = 0.0;
      for (var c = lane; c < u.columns; c += ${SIZE}u) {
        let value = logits[at + c];
        let larger = max(largest, ${maxPack(packing, 'value')});
        sum = sum * exp(largest - larger) + ${sumPack(packing, 'exp(value - larger)')};
        largest = larger;
      }
      let most = max_workgroup(largest, lane);
      let log_sum = most + log(sum_workgroup(sum * exp(largest - most), lane));
      ${gradients ? makeGradients : makeLoss}`,
  });
}

function multiplyByWeight(problem: Problem, chunk: Chunk, dHidden: TensorInfo, backend: GpuBackend): void {
  const { weight, rows, scale } = problem;
  const { first, count, logits } = chunk;
  const [V, C] = weight.shape;
  multiply(backend, {
    name: 'headInputGradient',
    ...{ M: count, N: C, K: V },
    a: { load: 'return logits[row * u.K + k];', fast: 'k' },
    b: { load: 'return weight[k * u.N + row];', fast: 'row' },
    bindings: [read('logits', logits), read('weight', weight), read('rows', rows), write('d_hidden', dHidden)],
    uniforms: { first, scale: f32(scale) },
    store: 'd_hidden[u32(rows[u.first + row]) * u.N + column] = value * u.scale;',
  });
}

function multiplyByHidden(problem: Problem, chunk: Chunk, dWeight: TensorInfo, backend: GpuBackend): void {
  const { weight, x, scale } = problem;
  const { first, count, logits } = chunk;
  const [V, C] = weight.shape;
  multiply(backend, {
    name: 'headWeightGradient',
    variant: first === 0 ? 'first' : 'further',
    ...{ M: V, N: C, K: count },
    a: { load: 'return logits[k * u.M + row];', fast: 'row' },
    b: { load: 'return x[(u.first + k) * u.N + row];', fast: 'row' },
    bindings: [
      read('logits', logits),
      read('x', x),
      first === 0 ? write('d_weight', dWeight) : update('d_weight', dWeight),
    ],
    uniforms: { first, scale: f32(scale) },
    store: `d_weight[row * u.N + column] ${first === 0 ? '' : '+'}= value * u.scale;`,
  });
}

/** scale times the sum of the first `count`, in one order. */
function sumLosses(losses: TensorInfo, count: number, scale: number, backend: GpuBackend): TensorInfo {
  const loss = backend.output([]);
  backend.dispatch({
    name: 'headSumLosses',
    bindings: [read('losses', losses), write('loss', loss)],
    uniforms: { count, scale: f32(scale) },
    size: SIZE,
    groups: 1,
    declarations: () => sumWorkgroup(SIZE),
    body: () => `
      var sum = 0.0;
      for (var i = lane; i < u.count; i += ${SIZE}u) { sum += losses[i]; }
      let total = sum_workgroup(sum, lane);
      if (lane == 0u) { loss[0] = total * u.scale; }`,
  });
  return loss;
}
