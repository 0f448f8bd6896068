/**
 * @file Rows of a table by id on the GPU, and the sums of rows by id without atomics. The ids are sorted first, each
 * finding its place by counting the ids that belong before it: N^2 comparisons of N ids, a quarter of a millisecond of a
 * large GPU for 40,000 of them, and no memory but the order. Ids that are alike stay in their order, so that equal input
 * gives equal bits. Then every row of the table adds its own run of the sorted ids.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { read, write } from '../../device/webgpu/program.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { zeros } from '../elementwise/webgpu.ts';
import { packingOf } from '../wgsl/packing.ts';

/** Rows of a matrix; an id outside takes the nearest row. @returns [N, C] */
export function gatherRows(table: TensorInfo, ids: TensorInfo, backend: GpuBackend): TensorInfo {
  const [V, C] = table.shape;
  const N = tf.util.sizeFromShape(ids.shape);
  const rows = backend.output([N, C]);
  if (N * C * V === 0) return rows;
  const { width, element } = packingOf(C);
  const columns = C / width;
  backend.dispatch({
    name: 'gatherRows',
    bindings: [read('table', table, element), read('ids', ids), write('rows', rows, element)],
    uniforms: { V, columns, count: N * columns },
    groups: Math.ceil((N * columns) / 256),
    body: () => `
      let i = block * 256u + lane;
      if (i >= u.count) { return; }
      let n = i / u.columns;
      let id = u32(clamp(ids[n], 0, i32(u.V) - 1));
      rows[i] = table[id * u.columns + (i - n * u.columns)];`,
  });
  return rows;
}

/** Ids that a workgroup places, and ids that it compares them with at a time. */
const PLACED = 128;
const TILE = 4 * PLACED;

/** Positions of the ids in sorted order [N], ids that are alike in the order in which they come. */
function sortIds(ids: TensorInfo, V: number, backend: GpuBackend): TensorInfo {
  const N = tf.util.sizeFromShape(ids.shape);
  const order = backend.output([N], 'int32');
  const count = (before: string) => `less += select(vec4u(), vec4u(1u), ${before});`;
  backend.dispatch({
    name: 'sortIds',
    bindings: [read('ids', ids), write('order', order)],
    uniforms: { N, V },
    size: PLACED,
    groups: Math.ceil(N / PLACED),
    declarations: () => `
      var<workgroup> tile: array<vec4i, ${PLACED}>;
      // Ids outside the table are all alike; what lies beyond the last id comes after everything.
      fn id_of(i: u32) -> i32 { return select(0x7fffffff, clamp(ids[min(i, u.N - 1u)], -1, i32(u.V)), i < u.N); }`,
    body: () => `
      let n = block * ${PLACED}u + lane;
      let mine = id_of(min(n, u.N - 1u));
      var less = vec4u();
      for (var first = 0u; first < u.N; first += ${TILE}u) {
        workgroupBarrier();
        let at = first + 4u * lane;
        tile[lane] = vec4i(id_of(at), id_of(at + 1u), id_of(at + 2u), id_of(at + 3u));
        workgroupBarrier();
        if (first == block / 4u * ${TILE}u) { // the tile with mine in it
          for (var i = 0u; i < ${PLACED}u; i++) {
            let places = vec4u(first + 4u * i) + vec4u(0u, 1u, 2u, 3u);
            ${count('(tile[i] < vec4i(mine)) | ((tile[i] == vec4i(mine)) & (places < vec4u(n)))')}
          }
        } else {
          let bound = vec4i(select(mine, mine + 1, first < block * ${PLACED}u)); // of what is alike, the earlier ones
          for (var i = 0u; i < ${PLACED}u; i++) { ${count('tile[i] < bound')} }
        }
      }
      if (n < u.N) { order[less.x + less.y + less.z + less.w] = i32(n); }`,
  });
  return order;
}

/** Where each row's run begins in the order, and the last ends [V + 1]. */
function findRuns(ids: TensorInfo, order: TensorInfo, V: number, backend: GpuBackend): TensorInfo {
  const runs = backend.output([V + 1], 'int32');
  backend.dispatch({
    name: 'findRuns',
    bindings: [read('ids', ids), read('order', order), write('runs', runs)],
    uniforms: { N: order.shape[0], V },
    groups: Math.ceil((V + 1) / 256),
    body: () => `
      let v = block * 256u + lane;
      if (v > u.V) { return; }
      var low = 0u;
      var high = u.N;
      while (low < high) {
        let middle = (low + high) / 2u;
        if (ids[order[middle]] < i32(v)) { low = middle + 1u; } else { high = middle; }
      }
      runs[v] = i32(low);`,
  });
  return runs;
}

/** Packs of a row that a workgroup adds up, and shares of a run that it adds side by side. */
const PACKS = 32;
const SHARES = 8;
const UNROLLED = 4;

/** The sums of the rows [N, C] with each id, [V, C]; ids outside [0, V) are left out. */
export function sumRows(ids: TensorInfo, rows: TensorInfo, V: number, backend: GpuBackend): TensorInfo {
  const [N, C] = rows.shape;
  if (N * C * V === 0) return zeros(backend, [V, C]);
  const order = sortIds(ids, V, backend);
  const runs = findRuns(ids, order, V, backend);
  const sums = backend.output([V, C]);
  const { width, element } = packingOf(C);
  const columns = C / width;
  const pieces = Math.ceil(columns / PACKS);
  const groups = V * pieces;
  backend.dispatch({
    name: 'sumRows',
    bindings: [read('rows', rows, element), read('order', order), read('runs', runs), write('sums', sums, element)],
    uniforms: { groups, columns, pieces },
    size: PACKS * SHARES,
    groups,
    declarations: () => `var<workgroup> shares: array<${element}, ${PACKS * SHARES}>;`,
    body: () => `
      let v = min(block, u.groups - 1u) / u.pieces;
      let c = block % u.pieces * ${PACKS}u + lane % ${PACKS}u;
      let wanted = block < u.groups && c < u.columns;
      let end = u32(runs[v + 1u]);
      var sum = ${element}();
      if (wanted) {
        for (var first = u32(runs[v]) + lane / ${PACKS}u; first < end; first += ${SHARES * UNROLLED}u) {
          for (var j = 0u; j < ${UNROLLED}u; j++) {
            let i = first + j * ${SHARES}u;
            if (i < end) { sum += rows[u32(order[i]) * u.columns + c]; }
          }
        }
      }
      shares[lane] = sum;
      workgroupBarrier();
      if (lane < ${PACKS}u && wanted) {
        for (var share = 1u; share < ${SHARES}u; share++) { sum += shares[lane + share * ${PACKS}u]; }
        sums[v * u.columns + c] = sum;
      }`,
  });
  backend.disposeData(order.dataId);
  backend.disposeData(runs.dataId);
  return sums;
}
