/** @file Matrix products in WGSL, in every way that operands can be described, against sums in double precision. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { selectBackend } from '../../src/backends/index.ts';
import { read, write } from '../../src/backends/webgpu/program.ts';
import { activeGpu, type GpuBackend } from '../../src/backends/webgpu/webgpu.ts';
import { multiply, type Operand, type Product } from '../../src/kernels/wgsl/gemm.ts';
import { probeMatrixUnits } from '../../src/kernels/wgsl/matrixunits.ts';
import { normal, noWebgpu } from '../support.ts';

interface Case {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly batch?: number;
  readonly parts?: number;
  readonly a?: Omit<Operand, 'load'>;
  readonly b?: Omit<Operand, 'load'>;
  readonly storeWidth?: 1 | 4;
  readonly rowSum?: boolean;
}

/** A description of a plain matrix: [batch, rows, K], or [batch, K, rows] where rows lie side by side. */
function matrix(name: string, rows: string, { fast, width = 1 }: Omit<Operand, 'load'>): Operand {
  const at = fast === 'k' ? `(batch * u.${rows} + row) * u.K + k` : `(batch * u.K + k) * u.${rows} + row`;
  return { fast, width, load: `return ${name}[${width === 4 ? `(${at}) / 4u` : at}];` };
}

/** Fails unless each result is within `relative` of sum |a b| of what it should be. */
async function expectProduct(backend: GpuBackend, given: Case, relative: number): Promise<void> {
  const { M, N, K, batch = 1, parts = 1, a = { fast: 'k' }, b = { fast: 'k' }, storeWidth = 1, rowSum = false } = given;
  const left = normal([batch * M * K], 1);
  const right = normal([batch * N * K], 2);
  const y = backend.output([parts, batch, M, N]);
  const sums = backend.output([parts, batch, M]);
  const element = (width?: 1 | 4) => (width === 4 ? 'vec4f' : undefined);
  const at = '((part * u.batch + batch) * u.M + row) * u.N + column';
  const product: Product = {
    name: 'test',
    ...{ M, N, K, batch, parts, storeWidth },
    a: matrix('a', 'M', a),
    b: matrix('b', 'N', b),
    bindings: [
      read('a', left, element(a.width)),
      read('b', right, element(b.width)),
      write('y', y, element(storeWidth)),
      ...(rowSum ? [write('sums', sums)] : []),
    ],
    uniforms: { batch },
    store: `y[${storeWidth === 4 ? `(${at}) / 4u` : at}] = value;`,
    storeRowSum: rowSum ? 'sums[(part * u.batch + batch) * u.M + row] = value;' : undefined,
  };
  multiply(backend, product);
  const tensors = [y, sums].map(info => tf.engine().makeTensorFromTensorInfo(info));
  const [as, bs, ys] = await Promise.all([left, right, tensors[0]].map(t => t.data()));
  for (let i = 0; i < batch * M * N; i++) {
    const [column, row, z] = [i % N, Math.floor(i / N) % M, Math.floor(i / N / M)];
    let [sum, size, actual] = [0, 0, 0];
    for (let k = 0; k < K; k++) {
      const term =
        as[a.fast === 'k' ? (z * M + row) * K + k : (z * K + k) * M + row] *
        bs[b.fast === 'k' ? (z * N + column) * K + k : (z * K + k) * N + column];
      sum += term;
      size += Math.abs(term);
    }
    for (let part = 0; part < parts; part++) actual += ys[part * batch * M * N + i];
    if (!(Math.abs(actual - sum) <= relative * size)) {
      throw new Error(`${JSON.stringify(given)}: [${z}, ${row}, ${column}]: expected ${sum}, got ${actual}`);
    }
  }
  if (rowSum) {
    const found = await tensors[1].data();
    for (let i = 0; i < batch * M; i++) {
      const [row, z] = [i % M, Math.floor(i / M)];
      let [sum, size, actual] = [0, 0, 0];
      for (let k = 0; k < K; k++) {
        const term = as[a.fast === 'k' ? (z * M + row) * K + k : (z * K + k) * M + row];
        sum += term;
        size += Math.abs(term);
      }
      for (let part = 0; part < parts; part++) actual += found[part * batch * M + i];
      if (!(Math.abs(actual - sum) <= relative * size)) {
        throw new Error(`${JSON.stringify(given)}: sum of row ${row}: expected ${sum}, got ${actual}`);
      }
    }
  }
  tf.dispose([left, right, ...tensors]);
}

const fasts = ['k', 'row'] as const;
/** All the ways to describe operands; by four only where the sizes allow it. */
const ways = fasts.flatMap(fa => fasts.map(fb => [fa, fb] as const));

const tiled: readonly Case[] = [
  ...ways.map(([fa, fb]) => ({ M: 65, N: 67, K: 33, a: { fast: fa }, b: { fast: fb }, rowSum: true })),
  ...ways.flatMap(([fa, fb]) =>
    ([1, 4] as const).map(storeWidth => ({
      ...{ M: 68, N: 132, K: 36, storeWidth, rowSum: true },
      a: { fast: fa, width: 4 as const },
      b: { fast: fb, width: 4 as const },
    })),
  ),
  ...fasts.map(fast => ({ M: 21, N: 68, K: 50, rowSum: true, a: { fast }, b: { fast }, storeWidth: 4 as const })),
  { M: 70, N: 66, K: 130, batch: 2, parts: 3, rowSum: true },
  // Enough tiles for large ones.
  { M: 131, N: 73, K: 35, batch: 64 },
  { M: 132, N: 76, K: 36, batch: 64, storeWidth: 4, a: { fast: 'row', width: 4 }, b: { fast: 'row', width: 4 } },
  { M: 132, N: 76, K: 36, batch: 64, a: { fast: 'k', width: 4 }, b: { fast: 'k', width: 4 }, rowSum: true },
];

const strips: readonly Case[] = [
  ...Array.from({ length: 17 }, (_, i) => ({ M: i + 1, N: 70, K: 141 })),
  ...ways.flatMap(([fa, fb]) => [
    { M: 3, N: 41, K: 67, a: { fast: fa }, b: { fast: fb } },
    { M: 77, N: 5, K: 67, a: { fast: fa }, b: { fast: fb } },
    { M: 33, N: 70, K: 19, a: { fast: fa }, b: { fast: fb } },
    ...([1, 4] as const).flatMap(storeWidth => [
      { M: 4, N: 44, K: 140, a: { fast: fa, width: 4 as const }, b: { fast: fb, width: 4 as const }, storeWidth },
      { M: 76, N: 12, K: 140, a: { fast: fa, width: 4 as const }, b: { fast: fb, width: 4 as const }, storeWidth },
      { M: 20, N: 60, K: 20, a: { fast: fa, width: 4 as const }, b: { fast: fb }, storeWidth },
      { M: 8, N: 36, K: 20, a: { fast: fa }, b: { fast: fb, width: 4 as const }, storeWidth },
    ]),
  ]),
  { M: 2, N: 9, K: 50, batch: 3, parts: 4 },
  { M: 1, N: 1, K: 1 },
];

/** The backend, or the reason that there is none. */
async function open(): Promise<GpuBackend> {
  await selectBackend('webgpu');
  return activeGpu() as GpuBackend;
}

const missing = noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`;

describe('products on webgpu', () => {
  test.skipIf(noWebgpu !== undefined)(`in tiles of fp32${missing}`, async () => {
    const backend = await open();
    for (const one of tiled) await expectProduct(backend, one, 1e-6);
  });

  test.skipIf(noWebgpu !== undefined)(`in strips${missing}`, async () => {
    const backend = await open();
    for (const one of strips) await expectProduct(backend, one, 1e-6);
  });

  test.skipIf(noWebgpu !== undefined)(`on the matrix units${missing}`, async context => {
    const backend = await open();
    const { units, reason } = await probeMatrixUnits(backend);
    if (units === undefined) return context.skip(reason);
    backend.precision = 'f16';
    try {
      for (const one of tiled) await expectProduct(backend, one, 2 ** -10);
      await expectProduct(backend, { M: 131, N: 140, K: 50, batch: 32, rowSum: true }, 2 ** -10);
      // What f16 cannot hold becomes the largest that it can; the exact product is refused it.
      const large = tf.fill([20, 20], 1e6);
      const one = tf.eye(20);
      for (const precision of [undefined, 'fp32'] as const) {
        const y = backend.output([20, 20]);
        multiply(backend, {
          ...{ name: 'test', M: 20, N: 20, K: 20, precision },
          a: matrix('a', 'M', { fast: 'k' }),
          b: matrix('b', 'N', { fast: 'k' }),
          bindings: [read('a', large), read('b', one), write('y', y), write('sums', backend.output([1]))],
          store: 'y[row * u.N + column] = value;',
          storeRowSum: 'if (row == u.M) { sums[0] = value; }',
        });
        const values = await tf.engine().makeTensorFromTensorInfo(y).data();
        expect([...values].every(value => value === (precision === 'fp32' ? 1e6 : 65504))).toBe(true);
      }
    } finally {
      backend.precision = 'fp32';
    }
  });
});
