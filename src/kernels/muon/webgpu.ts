/**
 * @file Muon on the GPU, in place. Matrices of one shape are orthogonalized side by side: every product of the iteration is
 * one dispatch over all of them, which fills a GPU that one small matrix would leave idle. Nothing is transposed in memory:
 * a matrix with more rows than columns is multiplied from the other side.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { f32, read, update, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { multiply } from '../gemm/gemm.ts';
import type { Operand } from '../gemm/product.ts';
import { sumWorkgroup } from '../wgsl/reduce.ts';

const SIZE = 256;
/** Elements of a block of the momentum's pass. */
const BLOCK = 2048;

export interface MuonMatrix {
  readonly value: TensorInfo;
  readonly gradient: TensorInfo;
  readonly momentum: TensorInfo;
  readonly ema?: TensorInfo;
  /** What the update leaves of a weight. */
  readonly keep: number;
}

export interface MuonRules {
  /** Of every matrix. */
  readonly shape: readonly [rows: number, columns: number];
  readonly plan: TensorInfo;
  readonly beta: number;
  readonly stepSize: number;
  readonly iterations: number;
  /** x becomes polynomial[0] x + polynomial[1] x³ + polynomial[2] x⁵. */
  readonly polynomial: readonly [number, number, number];
}

export function muonWebgpu(matrices: readonly MuonMatrix[], rules: MuonRules, backend: GpuBackend): void {
  const [rows, columns] = rules.shape;
  const count = rows * columns;
  if (count === 0) return;
  const blocks = Math.ceil(count / BLOCK);
  const batch = matrices.length;
  const side = Math.min(rows, columns);
  const [first, second] = [backend.output([batch, rows, columns]), backend.output([batch, rows, columns])];
  const [gram, polynomial] = [backend.output([batch, side, side]), backend.output([batch, side, side])];
  const [partials, inverse] = [backend.output([batch, blocks]), backend.output([batch])];
  matrices.forEach((matrix, at) => {
    followGradient(matrix, { ...rules, at, blocks, x: first, partials }, backend);
  });
  invertNorms({ partials, inverse, blocks, batch }, backend);
  normalize({ x: first, inverse, count, batch }, backend);
  let [x, next] = [first, second];
  for (let iteration = 0; iteration < rules.iterations; iteration++) {
    iterate({ x, next, gram, polynomial }, { ...rules, batch }, backend);
    [x, next] = [next, x];
  }
  matrices.forEach((matrix, at) => {
    apply(matrix, { ...rules, at, x }, backend);
  });
  for (const { dataId } of [first, second, gram, polynomial, partials, inverse]) backend.disposeData(dataId);
}

/** The momentum takes the gradient up; x gets Nesterov's direction, `partials` its sums of squares. */
function followGradient(
  { gradient, momentum }: MuonMatrix,
  options: Pick<MuonRules, 'shape' | 'plan' | 'beta'> & {
    readonly at: number;
    readonly blocks: number;
    readonly x: TensorInfo;
    readonly partials: TensorInfo;
  },
  backend: GpuBackend,
): void {
  const { shape, plan, beta, at, blocks, x, partials } = options;
  const count = shape[0] * shape[1];
  backend.dispatch({
    name: 'muonMomentum',
    bindings: [
      read('gradient', gradient),
      update('momentum', momentum),
      read('plan', plan),
      write('x', x),
      write('partials', partials),
    ],
    uniforms: { count, offset: at * count, first: at * blocks, blocks, beta: f32(beta) },
    size: SIZE,
    groups: blocks,
    declarations: () => sumWorkgroup(SIZE),
    body: () => `
      let go = plan[0] != 0.0;
      let end = min(u.count, (block + 1u) * ${BLOCK}u);
      var squares = 0.0;
      for (var i = block * ${BLOCK}u + lane; i < end; i += ${SIZE}u) {
        let g = select(0.0, gradient[i] * plan[1], go);
        let before = momentum[i];
        let now = select(before, u.beta * before + g, go);
        momentum[i] = now;
        let direction = g + u.beta * now;
        x[u.offset + i] = direction;
        squares += direction * direction;
      }
      let sum = sum_workgroup(squares, lane);
      if (lane == 0u && block < u.blocks) { partials[u.first + block] = sum; }`,
  });
}

/** One over each matrix's Frobenius norm. */
function invertNorms(
  tensors: {
    readonly partials: TensorInfo;
    readonly inverse: TensorInfo;
    readonly blocks: number;
    readonly batch: number;
  },
  backend: GpuBackend,
): void {
  const { partials, inverse, blocks, batch } = tensors;
  backend.dispatch({
    name: 'muonNorms',
    bindings: [read('partials', partials), write('inverse', inverse)],
    uniforms: { blocks, batch },
    size: SIZE,
    groups: batch,
    declarations: () => sumWorkgroup(SIZE),
    body: () => `
      let matrix = min(block, u.batch - 1u);
      var squares = 0.0;
      for (var i = lane; i < u.blocks; i += ${SIZE}u) { squares += partials[matrix * u.blocks + i]; }
      let sum = sum_workgroup(squares, lane);
      if (lane == 0u) { inverse[matrix] = 1.0 / (sqrt(sum) + 1e-7); }`,
  });
}

/** Divides each matrix by its norm, so that no singular value is above 1. */
function normalize(
  tensors: { readonly x: TensorInfo; readonly inverse: TensorInfo; readonly count: number; readonly batch: number },
  backend: GpuBackend,
): void {
  const { x, inverse, count, batch } = tensors;
  backend.dispatch({
    name: 'muonNormalize',
    bindings: [update('x', x), read('inverse', inverse)],
    uniforms: { count, all: count * batch },
    size: SIZE,
    groups: Math.ceil((count * batch) / SIZE),
    body: () => `
      let i = block * ${SIZE}u + lane;
      if (i < u.all) { x[i] *= inverse[i / u.count]; }`,
  });
}

/** next = a x + b (x xᵀ) x + c (x xᵀ)² x, or with the factors on the right where x has more rows than columns. */
function iterate(
  tensors: {
    readonly x: TensorInfo;
    readonly next: TensorInfo;
    readonly gram: TensorInfo;
    readonly polynomial: TensorInfo;
  },
  { shape: [rows, columns], batch, polynomial: [a, b, c] }: MuonRules & { readonly batch: number },
  backend: GpuBackend,
): void {
  const { x, next, gram, polynomial } = tensors;
  const tall = rows > columns;
  const [m, n] = tall ? [columns, rows] : [rows, columns];
  const variant = tall ? 'tall' : 'wide';
  /** Rows of x as it is seen from its shorter side; its index along the longer one is `k`. */
  const shorter: Operand = tall
    ? { load: 'return x[(batch * u.K + k) * u.M + row];', fast: 'row' }
    : { load: 'return x[(batch * u.M + row) * u.K + k];', fast: 'k' };
  multiply(backend, {
    name: 'muonGram',
    variant,
    ...{ M: m, N: m, K: n, batch },
    a: shorter,
    b: shorter,
    bindings: [read('x', x), write('gram', gram)],
    store: 'gram[(batch * u.M + row) * u.N + column] = value;',
  });
  // gram is symmetric to the bit, and so is its square: either index may be the row.
  const symmetric = (name: string): Operand => ({ load: `return ${name}[(batch * u.K + row) * u.K + k];`, fast: 'k' });
  multiply(backend, {
    name: 'muonPolynomial',
    ...{ M: m, N: m, K: m, batch },
    a: symmetric('gram'),
    b: symmetric('gram'),
    bindings: [read('gram', gram), write('polynomial', polynomial)],
    uniforms: { b: f32(b), c: f32(c) },
    store: `
      let at = (batch * u.M + row) * u.N + column;
      polynomial[at] = u.b * gram[at] + u.c * value;`,
  });
  multiply(backend, {
    name: 'muonNext',
    variant,
    // [m, m] [m, n], or [n, m] [m, m]: rows and columns are those of x in memory.
    ...{ M: rows, N: columns, K: m, batch },
    a: tall ? { load: 'return x[(batch * u.M + row) * u.K + k];', fast: 'k' } : symmetric('polynomial'),
    b: tall ? symmetric('polynomial') : { load: 'return x[(batch * u.K + k) * u.N + row];', fast: 'row' },
    bindings: [read('x', x), read('polynomial', polynomial), write('next', next)],
    uniforms: { a: f32(a) },
    store: `
      let at = (batch * u.M + row) * u.N + column;
      next[at] = u.a * x[at] + value;`,
  });
}

/** Moves a matrix along its direction, and its average after it. */
function apply(
  { value, ema, keep }: MuonMatrix,
  options: Pick<MuonRules, 'shape' | 'plan' | 'stepSize'> & { readonly at: number; readonly x: TensorInfo },
  backend: GpuBackend,
): void {
  const { shape, plan, stepSize, at, x } = options;
  const count = shape[0] * shape[1];
  backend.dispatch({
    name: 'muonApply',
    bindings: [
      update('value', value),
      ...(ema === undefined ? [] : [update('ema', ema)]),
      read('x', x),
      read('plan', plan),
    ],
    uniforms: { count, offset: at * count, keep: f32(keep), step_size: f32(stepSize) },
    size: SIZE,
    groups: Math.ceil(count / SIZE),
    body: () => `
      let i = block * ${SIZE}u + lane;
      if (i >= u.count || plan[0] == 0.0) { return; }
      let now = value[i] * u.keep - u.step_size * x[u.offset + i];
      value[i] = now;
      ${ema === undefined ? '' : 'ema[i] = ema[i] * plan[4] + now * (1.0 - plan[4]);'}`,
  });
}
