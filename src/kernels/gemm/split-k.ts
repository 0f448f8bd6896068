/**
 * @file Products whose result is too small to fill a GPU, however long their sums: K is cut into parts that workgroups sum
 * side by side, and a second kernel adds the parts up in their order, so that equal input gives equal bits.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { FILL } from './gemm.ts';

/** A part is at least so long: shorter ones cost more to add up than they win. */
const SHORTEST = 256;

/** Into how many parts a product's K is best cut; 1 if its tiles fill a GPU, or K is short. */
export function chooseParts({ M, N, K, batch = 1 }: { M: number; N: number; K: number; batch?: number }): number {
  const tiles = Math.ceil(M / 128) * Math.ceil(N / 128) * batch;
  if (tiles >= FILL) return 1;
  return Math.max(1, Math.min(Math.ceil((2 * FILL) / tiles), Math.floor(K / SHORTEST)));
}

/**
 * Adds up parts that lie one after another, `stride` apart: the first elements of their sum fill the first output, the
 * following ones the next.
 */
export function sumParts(
  backend: GpuBackend,
  partials: TensorInfo,
  outputs: readonly TensorInfo[],
  { parts, stride }: { readonly parts: number; readonly stride: number },
): void {
  const ends: number[] = [];
  for (const { shape } of outputs) ends.push((ends.at(-1) ?? 0) + tf.util.sizeFromShape(shape));
  const size = ends.at(-1) ?? 0;
  if (size === 0) return;
  const names = outputs.map((_, i) => `y${i}`);
  backend.dispatch({
    name: 'sumParts',
    bindings: [read('partials', partials), ...outputs.map((output, i) => write(names[i], output))],
    uniforms: { parts, stride, size, ...Object.fromEntries(ends.map((end, i) => [`end${i}`, end])) },
    size: 256,
    groups: Math.ceil(size / 256),
    body: () => `
      let i = block * 256u + lane;
      if (i >= u.size) { return; }
      var sum = 0.0;
      for (var part = 0u; part < u.parts; part++) { sum += partials[part * u.stride + i]; }
      ${names.map((name, i) => `${i === 0 ? '' : 'else '}if (i < u.end${i}) { ${name}[i${i === 0 ? '' : ` - u.end${i - 1}`}] = sum; }`).join(' ')}`,
  });
}
