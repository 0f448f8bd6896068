/** @file Matrix products in WGSL, in every way that operands can be described, against sums in double precision. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { selectBackend } from '../../src/device/backends.ts';
import { read, write } from '../../src/device/webgpu/program.ts';
import { activeGpu, type GpuBackend } from '../../src/device/webgpu/webgpu.ts';
import { multiply } from '../../src/kernels/gemm/gemm.ts';
import { probeMatrixUnits } from '../../src/kernels/gemm/matrixunits.ts';
import type { Operand, Product } from '../../src/kernels/gemm/product.ts';
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

const [k, row, k4, row4] = [
  { fast: 'k' },
  { fast: 'row' },
  { fast: 'k', width: 4 },
  { fast: 'row', width: 4 },
] as const;

const tiled: readonly Case[] = [
  { M: 65, N: 67, K: 33, a: k, b: row, rowSum: true },
  { M: 70, N: 66, K: 130, a: k, b: row, batch: 2, parts: 3, rowSum: true },
  { M: 66, N: 129, K: 18, a: row, b: k },
  { M: 68, N: 132, K: 36, a: row4, b: row4, storeWidth: 4, rowSum: true },
  { M: 21, N: 68, K: 52, a: k4, b: k4, storeWidth: 4, rowSum: true },
];

const large: readonly Case[] = [
  { M: 131, N: 131, K: 37, batch: 32, a: row, b: row, rowSum: true },
  { M: 132, N: 140, K: 36, batch: 32, a: k4, b: row4 },
];

/** Those that cost little to compile. */
const mixed: readonly Case[] = [
  { M: 66, N: 68, K: 35, a: k, b: k, storeWidth: 4 },
  { M: 65, N: 72, K: 44, a: k4, b: k4 },
  { M: 68, N: 72, K: 44, a: row4, b: k4, storeWidth: 4 },
];

const strips: readonly Case[] = [
  ...[1, 2, 3, 5, 8, 9, 13, 16, 17].map(M => ({ M, N: 70, K: 141 })),
  { M: 3, N: 41, K: 67, a: row, b: row },
  { M: 77, N: 5, K: 67, a: k, b: row },
  { M: 33, N: 70, K: 19, a: row, b: k },
  { M: 4, N: 44, K: 140, a: row4, b: k4, storeWidth: 4 },
  { M: 3, N: 44, K: 140, a: k4, b: k4, storeWidth: 4 },
  { M: 1, N: 140, K: 12, a: k, b: row4 },
  { M: 4, N: 36, K: 20, a: k4, b: row, storeWidth: 4 },
  { M: 76, N: 12, K: 20, a: k4, b: row4, storeWidth: 4 },
  { M: 76, N: 4, K: 20, a: row4, b: k, storeWidth: 4 },
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
  for (const [title, cases] of Object.entries({ tiles: tiled, 'large tiles': large, 'other tiles': mixed, strips })) {
    test.skipIf(noWebgpu !== undefined)(`in fp32, ${title}${missing}`, async () => {
      const backend = await open();
      for (const one of cases) await expectProduct(backend, one, 1e-6);
    });
  }

  /** A test with operands in f16; skipped, with the reason, where they cannot be. */
  function onUnits(title: string, body: (backend: GpuBackend) => Promise<void>): void {
    test.skipIf(noWebgpu !== undefined)(`on the matrix units, ${title}${missing}`, async context => {
      const backend = await open();
      const { units, reason } = await probeMatrixUnits(backend);
      if (units === undefined) return context.skip(reason);
      backend.precision = 'f16';
      try {
        await body(backend);
      } finally {
        backend.precision = 'fp32';
      }
    });
  }

  onUnits('loaded singly', async backend => {
    for (const one of tiled.slice(0, 3)) await expectProduct(backend, one, 2 ** -10);
  });

  onUnits('loaded by four', async backend => {
    for (const one of tiled.slice(3)) await expectProduct(backend, one, 2 ** -10);
  });

  onUnits('large tiles', async backend => {
    await expectProduct(backend, large[0], 2 ** -10);
  });

  onUnits('what f16 cannot hold is the largest that it can, unless fp32 is asked for', async backend => {
    const [beyond, one] = [tf.fill([20, 20], 1e6), tf.eye(20)];
    for (const precision of [undefined, 'fp32'] as const) {
      const [y, sums] = [backend.output([20, 20]), backend.output([20])];
      multiply(backend, {
        ...{ name: 'test', M: 20, N: 20, K: 20, precision },
        a: matrix('a', 'M', { fast: 'k' }),
        b: matrix('b', 'N', { fast: 'k' }),
        bindings: [read('a', beyond), read('b', one), write('y', y), write('sums', sums)],
        store: 'y[row * u.N + column] = value;',
        storeRowSum: 'sums[row] = value;', // else it would be made of strips
      });
      const values = await tf.engine().makeTensorFromTensorInfo(y).data();
      expect(new Set(values)).toEqual(new Set([precision === 'fp32' ? 1e6 : 65504]));
    }
  });
});
