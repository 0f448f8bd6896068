/**
 * @file Rotary tables against what they are for (Su et al. 2021): scores depend on differences of coordinates alone,
 * one-dimensional in the caption and two-dimensional in the image.
 */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { orderOf } from '../../src/nn/orders.ts';
import { rotaryTables } from '../../src/nn/rotary.ts';
import { expectAllclose } from '../support.ts';

const shape = { captionLength: 5, grid: 4 };
const text = shape.captionLength + 1;
const headDim = 16;
const length = shape.captionLength + shape.grid ** 2;

let cos: Float32Array;
let sin: Float32Array;
const q = new Random(1).normals(headDim);
const k = new Random(2).normals(headDim);

/** x turned to a position: neighbouring channels are the parts of a complex number times e^(i angle). */
function rotate(x: Float32Array, position: number): number[] {
  const turned: number[] = [];
  for (let i = 0; i < headDim / 2; i++) {
    const [c, s] = [cos[(position * headDim) / 2 + i], sin[(position * headDim) / 2 + i]];
    turned.push(x[2 * i] * c - x[2 * i + 1] * s, x[2 * i] * s + x[2 * i + 1] * c);
  }
  return turned;
}

function score(query: number, key: number): number {
  const [a, b] = [rotate(q, query), rotate(k, key)];
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

const at = (row: number, column: number) => text + row * shape.grid + column;

beforeAll(async () => {
  await selectBackend('cpu');
  const tables = rotaryTables(shape, { headDim });
  expect(tables.cos.shape).toEqual([length, headDim / 2]);
  expect(tables.sin.shape).toEqual([length, headDim / 2]);
  cos = (await tables.cos.data()) as Float32Array;
  sin = (await tables.sin.data()) as Float32Array;
  tf.dispose([tables.cos, tables.sin]);
});

describe('scores under rotary positions', () => {
  test('of two caption positions depend on their distance alone', () => {
    for (let distance = 0; distance < text; distance++) {
      const first = score(distance, 0);
      for (let key = 1; key + distance < text; key++) expectAllclose([score(key + distance, key)], [first]);
    }
    expect(Math.abs(score(1, 0) - score(2, 0))).toBeGreaterThan(1e-2);
  });

  test('of two codes depend on their distances in rows and in columns alone', () => {
    const byDistance = new Map<string, number>();
    let compared = 0;
    for (let query = text; query < length; query++) {
      for (let key = text; key < length; key++) {
        const [a, b] = [query - text, key - text];
        const rows = Math.floor(a / shape.grid) - Math.floor(b / shape.grid);
        const columns = (a % shape.grid) - (b % shape.grid);
        const name = `${rows},${columns}`;
        const known = byDistance.get(name);
        if (known === undefined) byDistance.set(name, score(query, key));
        else {
          expectAllclose([score(query, key)], [known], { relative: 1e-5, absolute: 1e-5 });
          compared++;
        }
      }
    }
    expect(compared).toBeGreaterThan(100);
    const scores = [...byDistance.values()];
    for (const [i, a] of scores.entries()) {
      for (const b of scores.slice(i + 1)) expect(Math.abs(a - b)).toBeGreaterThan(1e-6); // each has one of its own
    }
  });

  test('a row further down and a column further right are different things', () => {
    expect(Math.abs(score(at(1, 0), at(0, 0)) - score(at(0, 1), at(0, 0)))).toBeGreaterThan(1e-2);
    expect(Math.abs(score(at(1, 0), at(0, 0)) - score(at(0, 0), at(1, 0)))).toBeGreaterThan(1e-2);
  });

  test('of a code and a caption position follow the coordinates (text + row, text + column) against (p, p)', () => {
    // One step down and right in the image is one step on in the caption.
    for (let p = 0; p + 1 < text; p++) {
      expectAllclose([score(at(2, 2), p + 1)], [score(at(1, 1), p)], { relative: 1e-5, absolute: 1e-5 });
    }
    expectAllclose([score(at(0, 0), text - 1)], [score(1, 0)], { relative: 1e-5, absolute: 1e-5 }); // one line with it
  });
});

test('angles are coordinate / base^(i / quarter), rows in the first half of the pairs, columns in the second', () => {
  const quarter = headDim / 4;
  const expected: number[] = [];
  for (let position = 0; position < length; position++) {
    const code = position - text;
    const row = code < 0 ? position : text + Math.floor(code / shape.grid);
    const column = code < 0 ? position : text + (code % shape.grid);
    for (const coordinate of [row, column]) {
      for (let i = 0; i < quarter; i++) expected.push(coordinate / 10000 ** (i / quarter));
    }
  }
  expectAllclose(cos, expected.map(Math.cos), { relative: 0, absolute: 1e-6 });
  expectAllclose(sin, expected.map(Math.sin), { relative: 0, absolute: 1e-6 });
});

test('in another order than raster, keys turn by the cell that was read and queries by the one that is to be predicted', async () => {
  const order = orderOf('interlaced', shape.grid);
  const raster = rotaryTables(shape, { headDim });
  const tables = rotaryTables(shape, { headDim, order });
  expect([tables.shift, raster.shift]).toEqual([length, 0]);
  for (const name of ['cos', 'sin'] as const) {
    const [all, plain] = [await tables[name].data(), await raster[name].data()];
    const rows = (values: ArrayLike<number>, row: number) =>
      Array.from({ length: headDim / 2 }, (_, i) => values[(row * headDim) / 2 + i]);
    // The last cell, which is read by nobody, has no row in raster order: its angles are those of a larger grid's.
    for (let position = 0; position < length; position++) {
      const place = position - text;
      if (place < 0) expect(rows(all, position)).toEqual(rows(plain, position));
      else if (order.cells[place] < shape.grid ** 2 - 1) {
        expect(rows(all, position)).toEqual(rows(plain, text + order.cells[place]));
      }
      const next = place + 1;
      const query = rows(all, length + position);
      if (next < 0) expect(query).toEqual(rows(plain, position));
      else if (order.cells[next] < shape.grid ** 2 - 1) expect(query).toEqual(rows(plain, text + order.cells[next]));
    }
  }
  tf.dispose([tables.cos, tables.sin, raster.cos, raster.sin]);
});
