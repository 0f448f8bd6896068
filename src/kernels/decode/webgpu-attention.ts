/**
 * @file Attention of one new position a row to what lies in the cache, and the making of its query, key and value from
 * their projection: QK-norm, rotation and the entry into the cache (webgpu-cache.ts) happen in the same dispatch. The
 * first positions of a row may be those of another row, kept once for all that share them.
 *
 * A workgroup takes a head of a row, 256 positions at a time; where there are few rows and many positions, every 256 have
 * a workgroup of their own and are joined by a second dispatch, in the same order and by the same arithmetic.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { f32, read, update, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { maskWords } from '../attention/mask.ts';
import { maxWorkgroup, sumWorkgroup } from '../wgsl/reduce.ts';
import { storedType, type VectorFormat, vectorFunctions, vectorType } from '../wgsl/vector.ts';
import type { KeyValues } from './webgpu-cache.ts';

export interface CachedAttention {
  /** [rows, 3C]: query, key and value of the new position. */
  readonly qkv: TensorInfo;
  /** [rows, C]. */
  readonly mixed: TensorInfo;
  /** [rows, H, chunks, D + 2], for `chunks` workgroups a head; undefined for one. */
  readonly partial?: TensorInfo;
  readonly shared: KeyValues;
  readonly own: KeyValues;
  /** Each row's row in the shared cache (int32 [rows]), then the bits of the masks' tables. */
  readonly tables: TensorInfo;
  /** Cosines and sines [positions + shift, D / 2], then gains of q and k [D] layer by layer; whichever there are. */
  readonly constants?: TensorInfo;
  readonly shape: AttentionShape;
  /** Number of the new position; those before `shared` are in the shared cache. */
  readonly position: number;
  readonly sharedLength: number;
  readonly capacity: number;
  /** Where the layer's mask begins among the tables; undefined sees all that is before. */
  readonly mask?: number;
  /** Where the gains begin among the constants. */
  readonly gains: number;
}

export interface AttentionShape {
  readonly rows: number;
  readonly H: number;
  readonly D: number;
  /** Most positions. */
  readonly positions: number;
  readonly qkNorm: boolean;
  readonly rotary: boolean;
  /** Rows of the tables between the angles of keys and of queries. */
  readonly shift: number;
  readonly eps: number;
  readonly format: VectorFormat;
}

const SIZE = 256;
/** Below this many workgroups a GPU is not filled. */
const ENOUGH_GROUPS = 128;
/** A score of what must not be seen; its weight is set to 0 besides. */
const HIDDEN = '-1e30';

/** Most channels of a head, in vectors: each has a lane of its own. */
export const MOST_VECTORS = SIZE;

/** Workgroups that share a head of a row when there are `count` positions. */
export function chunksOf({ rows, H }: AttentionShape, count: number): number {
  return rows * H >= ENOUGH_GROUPS ? 1 : Math.ceil(count / SIZE);
}

/**
 * One chunk's result joined to those before it: `most` is the largest score so far, `sum` the weights' sum and `mix` the
 * weighted values, both relative to it.
 */
const JOIN = `
      let larger = max(most, chunk_most);
      let keep = exp(most - larger);
      let take = exp(chunk_most - larger);
      mix = mix * keep + chunk_mix * take;
      sum = sum * keep + chunk_sum * take;
      most = larger;`;

/** Attends, and enters the new position into the own cache. */
export function attendCached(backend: GpuBackend, attention: CachedAttention): void {
  const { qkv, mixed, partial, shared, own, tables, constants, shape, position, sharedLength, capacity } = attention;
  const { rows, H, D, positions, qkNorm, rotary, shift, format } = shape;
  const { mask, gains } = attention;
  const element = vectorType(format);
  const stored = storedType(format);
  const split = partial !== undefined;
  const chunks = split ? chunksOf(shape, position + 1) : 1;
  const prepared = constants !== undefined && (qkNorm || rotary);
  backend.dispatch({
    name: 'attendCached',
    variant: [D, format.lanes, format.half, qkNorm, rotary, mask !== undefined, split].join('/'),
    bindings: [
      read('qkv', qkv),
      read('shared_k', shared.k, stored),
      read('shared_v', shared.v, stored),
      update('own_k', own.k, stored),
      update('own_v', own.v, stored),
      read('tables', tables),
      write('out', partial ?? mixed, split ? 'f32' : element),
      ...(prepared ? [read('constants', constants)] : []),
    ],
    uniforms: {
      rows,
      H,
      position,
      shared_length: sharedLength,
      capacity,
      mask: (mask ?? 0) + position * maskWords(positions),
      shift,
      sines: ((positions + shift) * D) / 2,
      gains,
      chunks,
      eps: f32(shape.eps),
    },
    size: SIZE,
    groups: [H, rows, chunks],
    declarations: () => `
      ${vectorFunctions(format)}
      ${maxWorkgroup(SIZE)}
      ${qkNorm ? sumWorkgroup(SIZE) : ''}
      const VECTORS = ${D / format.lanes}u;
      const SLOTS = ${Math.floor((SIZE * format.lanes) / D)}u;
      var<workgroup> fresh: array<f32, ${2 * D}>;
      var<workgroup> query: array<V, VECTORS>;
      var<workgroup> weights: array<f32, ${SIZE}>;
      var<workgroup> mixes: array<V, ${SIZE}>;
      var<workgroup> sums: array<f32, ${SIZE}>;`,
    body: () => `
      let head = group.x;
      let row = group.y;
      let shared_head = u32(tables[row]) * u.H + head;
      let own_head = row * u.H + head;
      ${makeQueryKeyValue(shape)}
      let vector = lane % VECTORS;
      let slot = lane / VECTORS;
      let count = u.position + 1u;
      var most = ${HIDDEN};
      var sum = 0.0;
      var mix = V();
      ${split ? `let start = group.z * ${SIZE}u;` : `for (var start = 0u; start < count; start += ${SIZE}u) {`}
      let j = start + lane;
      var score = ${HIDDEN};
      var seen = j < count;
      ${
        mask === undefined
          ? ''
          : 'if (seen) { seen = ((bitcast<u32>(tables[u.mask + (j >> 5u)]) >> (j & 31u)) & 1u) == 1u; }'
      }
      if (seen) {
        score = 0.0;
        if (j < u.shared_length) {
          let first = shared_head * VECTORS * u.shared_length + j;
          for (var d = 0u; d < VECTORS; d++) {
            score += product(query[d], widen(shared_k[first + d * u.shared_length]));
          }
        } else {
          let first = own_head * VECTORS * u.capacity + j - u.shared_length;
          for (var d = 0u; d < VECTORS; d++) { score += product(query[d], widen(own_k[first + d * u.capacity])); }
        }
      }
      let chunk_most = max_workgroup(score, lane);
      weights[lane] = select(0.0, exp(score - chunk_most), seen);
      workgroupBarrier();
      var part = V();
      var part_sum = 0.0;
      if (slot < SLOTS) {
        var i = slot;
        let last = min(${SIZE}u, count - start);
        let last_shared = min(last, max(u.shared_length, start) - start);
        ${mixValues('last_shared', p => `shared_v[(shared_head * u.shared_length + ${p}) * VECTORS + vector]`, mask !== undefined)}
        ${mixValues('last', p => `own_v[(own_head * u.capacity + ${p} - u.shared_length) * VECTORS + vector]`, mask !== undefined)}
      }
      mixes[lane] = part;
      sums[lane] = part_sum;
      workgroupBarrier();
      if (lane < VECTORS) {
        var chunk_mix = V();
        var chunk_sum = 0.0;
        for (var s = 0u; s < SLOTS; s++) {
          chunk_mix += mixes[s * VECTORS + lane];
          chunk_sum += sums[s * VECTORS + lane];
        }
        ${split ? 'most = chunk_most; sum = chunk_sum; mix = chunk_mix;' : JOIN}
      }
      ${split ? '' : 'workgroupBarrier(); }'}
      if (lane < VECTORS) {
        ${
          split
            ? `let at = (own_head * u.chunks + group.z) * ${D + 2}u;
               ${Array.from({ length: format.lanes }, (_, i) => `out[at + lane * ${format.lanes}u + ${i}u] = ${lanePart('mix', format, i)};`).join('\n')}
               if (lane == 0u) { out[at + ${D}u] = most; out[at + ${D + 1}u] = sum; }`
            : 'out[own_head * VECTORS + lane] = mix / sum;'
        }
      }`,
  });
  if (split) joinChunks(backend, partial, mixed, shape, chunks);
}

/** Adds the weighted values up to position `last` of the chunk, of which `value` says where one lies. */
function mixValues(last: string, value: (position: string) => string, masked: boolean): string {
  // What a mask hides is not read. Where all is seen, several reads are under way before the first is used.
  if (masked) {
    return `for (; i < ${last}; i += SLOTS) {
          let weight = weights[i];
          if (weight != 0.0) {
            part_sum += weight;
            part += weight * widen(${value('start + i')});
          }
        }`;
  }
  const ahead = [0, 1, 2, 3];
  return `for (; i + 3u * SLOTS < ${last}; i += 4u * SLOTS) {
          ${ahead.map(n => `let v_${n} = ${value(`start + i + ${n}u * SLOTS`)};`).join('\n')}
          ${ahead.map(n => `let w_${n} = weights[i + ${n}u * SLOTS];`).join('\n')}
          ${ahead.map(n => `part_sum += w_${n}; part += w_${n} * widen(v_${n});`).join('\n')}
        }
        for (; i < ${last}; i += SLOTS) {
          part_sum += weights[i];
          part += weights[i] * widen(${value('start + i')});
        }`;
}

function lanePart(vector: string, { lanes }: VectorFormat, i: number): string {
  return lanes === 1 ? vector : `${vector}[${i}]`;
}

/** Query, key and value of the new position; key and value go into the cache, from where the scores read them again. */
function makeQueryKeyValue({ D, qkNorm, rotary, format }: AttentionShape): string {
  const { lanes } = format;
  const gather = (first: string) =>
    lanes === 1 ? `fresh[${first}]` : `vec4f(${[0, 1, 2, 3].map(i => `fresh[${first} + ${i}u]`).join(', ')})`;
  return `
      let q_first = row * 3u * u.H * ${D}u + head * ${D}u;
      let k_first = q_first + u.H * ${D}u;
      for (var d = lane; d < ${D}u; d += ${SIZE}u) {
        fresh[d] = qkv[q_first + d];
        fresh[${D}u + d] = qkv[k_first + d];
      }
      ${
        qkNorm
          ? `var q_squares = 0.0;
      var k_squares = 0.0;
      for (var d = lane; d < ${D}u; d += ${SIZE}u) {
        q_squares += fresh[d] * fresh[d];
        k_squares += fresh[${D}u + d] * fresh[${D}u + d];
      }
      let q_scale = inverseSqrt(sum_workgroup(q_squares, lane) / ${D}.0 + u.eps);
      let k_scale = inverseSqrt(sum_workgroup(k_squares, lane) / ${D}.0 + u.eps);
      for (var d = lane; d < ${D}u; d += ${SIZE}u) {
        fresh[d] = fresh[d] * q_scale * constants[u.gains + d];
        fresh[${D}u + d] = fresh[${D}u + d] * k_scale * constants[u.gains + ${D}u + d];
      }`
          : ''
      }
      workgroupBarrier();
      ${
        rotary
          ? `for (var pair = lane; pair < ${D}u; pair += ${SIZE}u) { // those of q, then those of k
        let angle = (u.position + select(0u, u.shift, pair < ${D / 2}u)) * ${D / 2}u + pair % ${D / 2}u;
        let cosine = constants[angle];
        let sine = constants[u.sines + angle];
        let even = fresh[2u * pair];
        let odd = fresh[2u * pair + 1u];
        fresh[2u * pair] = even * cosine - odd * sine;
        fresh[2u * pair + 1u] = even * sine + odd * cosine;
      }
      workgroupBarrier();`
          : ''
      }
      if (lane < VECTORS) {
        query[lane] = ${gather(`lane * ${lanes}u`)} * ${1 / Math.sqrt(D)};
        let value_first = k_first + u.H * ${D}u + lane * ${lanes}u;
        let value = ${lanes === 1 ? 'qkv[value_first]' : `vec4f(${[0, 1, 2, 3].map(i => `qkv[value_first + ${i}u]`).join(', ')})`};
        let slot_own = u.position - u.shared_length;
        if (group.z == u.chunks - 1u) {
          own_k[(own_head * VECTORS + lane) * u.capacity + slot_own] = narrow(${gather(`${D}u + lane * ${lanes}u`)});
          own_v[(own_head * u.capacity + slot_own) * VECTORS + lane] = narrow(value);
        }
      }
      storageBarrier();
      workgroupBarrier();`;
}

function joinChunks(
  backend: GpuBackend,
  partial: TensorInfo,
  mixed: TensorInfo,
  { rows, H, D }: AttentionShape,
  chunks: number,
): void {
  backend.dispatch({
    name: 'joinChunks',
    bindings: [read('pieces', partial), write('mixed', mixed)],
    uniforms: { count: rows * H * D, D, chunks },
    size: SIZE,
    groups: Math.ceil((rows * H * D) / SIZE),
    body: () => `
      let i = block * ${SIZE}u + lane;
      if (i < u.count) {
        let d = i % u.D;
        var most = ${HIDDEN};
        var sum = 0.0;
        var mix = 0.0;
        for (var chunk = 0u; chunk < u.chunks; chunk++) {
          let at = ((i / u.D) * u.chunks + chunk) * (u.D + 2u);
          let chunk_mix = pieces[at + d];
          let chunk_most = pieces[at + u.D];
          let chunk_sum = pieces[at + u.D + 1u];
          ${JOIN}
        }
        mixed[i] = mix / sum;
      }`,
  });
}
