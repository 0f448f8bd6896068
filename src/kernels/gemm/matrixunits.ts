/**
 * @file Whether a GPU's matrix units can be trusted with products: they are an experiment of Dawn's, and of some drivers.
 * Each shape that the adapter lists is compiled, run on ragged products and compared with the fp32 kernel; the first that
 * is right is used. Nothing is assumed from a name.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { MatrixShape } from '../../device/webgpu/adapter.ts';
import { read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { multiply } from './gemm.ts';
import type { Product } from './product.ts';
import { refuseUnits } from './units.ts';

export interface Probe {
  /** The shape that is used from now on. */
  readonly units?: MatrixShape;
  /** Why there is none. */
  readonly reason?: string;
}

/** Products to compare: ragged, of several steps along K, in small and large tiles, loaded singly and by four. */
const CASES = [
  { M: 67, N: 75, K: 41, batch: 1, width: 1 },
  { M: 132, N: 68, K: 100, batch: 1, width: 4 },
  { M: 132, N: 140, K: 36, batch: 32, width: 4 },
] as const;

/** Numbers between -1 and 1 that repeat after a while, the same on every machine. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Shapes in the order in which they are tried, each with every size of a subgroup that can be asked for. */
function candidates({ summary }: GpuBackend): MatrixShape[] {
  const { matrices, subgroups, features } = summary;
  if (subgroups === undefined || subgroups.min === subgroups.max || !features.has('subgroup-size-control')) {
    return [...matrices];
  }
  const sizes = [32, 16, 8, 64].filter(size => size >= subgroups.min && size <= subgroups.max);
  return matrices.flatMap(shape => sizes.map(lanes => ({ ...shape, lanes })));
}

type Case = (typeof CASES)[number];

type Multiply = (backend: GpuBackend, product: Product) => void;

/** a b for the case, one of them stored along k and the other across it, on the GPU. */
async function compute(backend: GpuBackend, one: Case, by: Multiply): Promise<Float32Array> {
  const { M, N, K, batch, width } = one;
  const [a, b] = operands(one).map(values => tf.tensor1d(values));
  const y = tf.engine().makeTensorFromTensorInfo(backend.output([batch * M * N]));
  const element = width === 4 ? 'vec4f' : undefined;
  const at = (index: string) => `[(${index})${width === 4 ? ' / 4u' : ''}]`;
  try {
    by(backend, {
      ...{ name: 'probe', M, N, K, batch, storeWidth: width },
      a: { load: `return a${at('(batch * u.M + row) * u.K + k')};`, fast: 'k', width },
      b: { load: `return b${at('(batch * u.K + k) * u.N + row')};`, fast: 'row', width },
      bindings: [read('a', a, element), read('b', b, element), write('y', y, element)],
      store: `y${at('(batch * u.M + row) * u.N + column')} = value;`,
    });
    return (await y.data()) as Float32Array;
  } finally {
    tf.dispose([a, b, y]);
  }
}

function operands({ M, N, K, batch }: Case): [Float32Array, Float32Array] {
  return [numbers(batch * M * K, 1), numbers(batch * K * N, 2)];
}

/** Where results lie further apart than the rounding of operands explains, 2^-10 sum |a b|; -1 if nowhere. */
function findWrong(one: Case, actual: Float32Array, expected: Float32Array): number {
  const { M, N, K } = one;
  const [a, b] = operands(one);
  return actual.findIndex((value, i) => {
    const [column, row, z] = [i % N, Math.floor(i / N) % M, Math.floor(i / (M * N))];
    let size = 0;
    for (let k = 0; k < K; k++) size += Math.abs(a[(z * M + row) * K + k] * b[(z * K + k) * N + column]);
    return !(Math.abs(value - expected[i]) <= 2 ** -10 * size);
  });
}

/** What is wrong with the units that the backend is set to, if anything. */
async function examine(backend: GpuBackend, reference: Multiply): Promise<string | undefined> {
  for (const one of CASES) {
    const exact: Multiply = (to, product) => reference(to, { ...product, precision: 'fp32' });
    const expected = await compute(backend, one, exact);
    const actual = await compute(backend, one, multiply);
    const wrong = findWrong(one, actual, expected);
    if (wrong >= 0) return `gave ${actual[wrong]} instead of ${expected[wrong]}`;
  }
  return undefined;
}

/** `body`, with whatever the GPU has against it as a line. */
async function withErrors(backend: GpuBackend, body: () => Promise<string | undefined>): Promise<string | undefined> {
  const { device } = backend;
  await backend.finish();
  const scopes = ['validation', 'internal', 'out-of-memory'] as const;
  for (const scope of scopes) device.pushErrorScope(scope);
  let found: string | undefined;
  try {
    found = await body();
  } catch (error) {
    found = error instanceof Error ? error.message : String(error);
  }
  for (const _ of scopes) {
    const error = await device.popErrorScope();
    if (error !== null) found = error.message.trim().split('\n')[0];
  }
  return found;
}

/**
 * Sets `backend.matrixUnits` to the first shape that computes what it should, or to undefined.
 * @param reference what to compare with; the fp32 kernel unless a test knows better
 */
export async function probeMatrixUnits(backend: GpuBackend, reference: Multiply = multiply): Promise<Probe> {
  const { summary, device, precision } = backend;
  backend.matrixUnits = undefined;
  const shapes = candidates(backend);
  const reasons: string[] = [];
  backend.precision = 'f16';
  try {
    for (const units of shapes) {
      const memory = device.limits.maxComputeWorkgroupStorageSize;
      const shape = `${units.M}x${units.N}x${units.K}${units.lanes === undefined ? '' : ` by ${units.lanes}`}`;
      let reason = refuseUnits({ units, lanes: summary.subgroups, memory });
      if (reason === undefined) {
        backend.matrixUnits = units;
        reason = await withErrors(backend, () => examine(backend, reference));
        if (reason === undefined) return { units };
        backend.matrixUnits = undefined;
      }
      reasons.push(`${shape}: ${reason}`);
    }
  } finally {
    backend.precision = precision;
  }
  if (reasons.length > 0) return { reason: reasons.join('; ') };
  const needed = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'];
  const absent = needed.filter(name => !summary.features.has(name));
  return { reason: absent.length > 0 ? `no ${absent.join(', no ')}` : 'no units for f16 with sums in f32' };
}
