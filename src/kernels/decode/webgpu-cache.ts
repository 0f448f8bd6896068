/**
 * @file The decoder's cache on the GPU: keys lie so that neighbouring lanes read neighbouring positions, values so that they
 * read neighbouring channels. What the model's own attention has read is brought into that order, and what rows share is
 * copied together with their own where a row is to be shared again.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { storedType, type VectorFormat, vectorFunctions, vectorType } from '../wgsl/vector.ts';

/** Keys [rows, H, D / lanes, positions] and values [rows, H, positions, D / lanes] as vectors. */
export interface KeyValues {
  readonly k: TensorInfo;
  readonly v: TensorInfo;
}

const SIZE = 256;

/** Copies keys and values [rows, H, T, D] as the model's own attention has them into the order of the cache. */
export function placeKeyValues(
  backend: GpuBackend,
  from: KeyValues,
  to: KeyValues,
  { format, D }: { readonly format: VectorFormat; readonly D: number },
): void {
  const [rows, H, T] = from.k.shape;
  const vectors = D / format.lanes;
  backend.dispatch({
    name: 'placeKeyValues',
    bindings: [
      read('k', from.k, vectorType(format)),
      read('v', from.v, vectorType(format)),
      write('placed_k', to.k, storedType(format)),
      write('placed_v', to.v, storedType(format)),
    ],
    uniforms: { count: rows * H * T * vectors, T, vectors },
    size: SIZE,
    groups: Math.ceil((rows * H * T * vectors) / SIZE),
    declarations: () => vectorFunctions(format),
    body: () => `
      let i = block * ${SIZE}u + lane;
      if (i < u.count) {
        let t = i % u.T;
        let d = (i / u.T) % u.vectors;
        let head = i / (u.T * u.vectors);
        placed_k[i] = narrow(k[(head * u.T + t) * u.vectors + d]);
        placed_v[i] = narrow(v[i]);
      }`,
  });
}

/** Lines of a cache that grow with the positions: [rows, lines, positions * words]. */
export interface CacheLines {
  readonly rows: number;
  readonly lines: number;
  readonly words: number;
  /** Positions in the shared cache, in both together, and most of the own one. */
  readonly before: number;
  readonly length: number;
  readonly capacity: number;
}

/**
 * Copies what a row shares and what it has of its own into one cache. Word by word: tfjs's own kernels take int32 through
 * f32, which pairs of halves do not survive.
 * @param rowOf int32 [rows], each row's row in the shared cache
 */
export function joinCaches(
  backend: GpuBackend,
  { shared, own, rowOf }: { readonly shared: TensorInfo; readonly own: TensorInfo; readonly rowOf: TensorInfo },
  joined: TensorInfo,
  { rows, lines, words, before, length, capacity }: CacheLines,
): void {
  const count = rows * lines * length * words;
  backend.dispatch({
    name: 'joinCaches',
    bindings: [
      read('shared_lines', shared, 'u32'),
      read('own_lines', own, 'u32'),
      read('rows', rowOf),
      write('joined', joined, 'u32'),
    ],
    uniforms: { count, lines, before: before * words, length: length * words, capacity: capacity * words },
    size: SIZE,
    groups: Math.ceil(count / SIZE),
    body: () => `
      let i = block * ${SIZE}u + lane;
      if (i < u.count) {
        let j = i % u.length;
        let line = i / u.length;
        if (j < u.before) {
          let row = u32(rows[line / u.lines]);
          joined[i] = shared_lines[(row * u.lines + line % u.lines) * u.before + j];
        } else {
          joined[i] = own_lines[line * u.capacity + j - u.before];
        }
      }`,
  });
}
