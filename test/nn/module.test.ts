/** @file Parameters by name: PyTorch's names, streams of their own, loading that checks everything before it changes anything. */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { Conv2d, GroupNorm, Linear, Norm } from '../../src/nn/layers.ts';
import { Checkpoint, type NamedValues, Parameters } from '../../src/nn/module.ts';
import { expectAllclose, normal, onEveryBackend } from '../support.ts';

function twoLayers(seed: number, order: readonly ('a' | 'b')[] = ['a', 'b']): Parameters {
  const parameters = new Parameters(new Random(seed));
  for (const name of order) new Linear(parameters.scope(name), 3, 2);
  return parameters;
}

onEveryBackend('parameters', async () => {
  const parameters = twoLayers(1);
  expect(parameters.list().map(({ name }) => name)).toEqual(['a.weight', 'a.bias', 'b.weight', 'b.bias']);
  expect(parameters.list().map(({ decay }) => decay)).toEqual([true, false, true, false]);
  expect(parameters.count()).toBe(2 * (6 + 2));

  // Each draws from a stream named after it: the order of definition does not matter, the seed and the name do.
  const values = await parameters.values();
  const swapped = await twoLayers(1, ['b', 'a']).values();
  const other = await twoLayers(2).values();
  expect(swapped.get('a.weight')?.values).toEqual(values.get('a.weight')?.values);
  expect(other.get('a.weight')?.values).not.toEqual(values.get('a.weight')?.values);
  expect(values.get('b.weight')?.values).not.toEqual(values.get('a.weight')?.values);

  // What `values` gives is a copy: it can be written to disk while training goes on, and be loaded elsewhere.
  const copy = values.get('a.weight')?.values as Float32Array;
  const before = copy.slice();
  copy.fill(7);
  const [{ variable }] = parameters.list();
  expect(Array.from(await variable.data())).toEqual(Array.from(before));
  parameters.load(other, 'model.safetensors');
  expect((await parameters.values()).get('a.weight')?.values).toEqual(other.get('a.weight')?.values);

  const held = tf.memory().numTensors;
  parameters.dispose();
  expect(tf.memory().numTensors).toBe(held - 4);
});

describe('loading a checkpoint', () => {
  const good = async () => new Map(await twoLayers(5).values());
  const refusal = async (change: (values: Map<string, { shape: number[]; values: Float32Array }>) => void) => {
    const parameters = twoLayers(1);
    const before = await parameters.values();
    const values = await good();
    change(values);
    let message = '';
    try {
      parameters.load(values as NamedValues, 'run/model.safetensors');
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      message = error.message;
      expect(error.hint).toBeDefined();
    }
    expect(await parameters.values()).toEqual(before); // nothing was taken over
    return message;
  };

  test('takes all or nothing and names what does not fit', async () => {
    expect(await refusal(values => values.delete('b.bias'))).toBe('run/model.safetensors: parameter b.bias is missing');
    expect(await refusal(values => values.set('c', { shape: [1], values: new Float32Array(1) }))).toBe(
      'run/model.safetensors: parameter c is not part of this model',
    );
    expect(await refusal(values => values.set('b.weight', { shape: [3, 2], values: new Float32Array(6) }))).toBe(
      'run/model.safetensors: b.weight: expected shape [2, 3], got [3, 2]',
    );
  });

  test('needs no drawn values before', async () => {
    await tf.setBackend('cpu');
    const drawn = new Parameters(new Random(3));
    const blank = new Parameters(null);
    for (const parameters of [drawn, blank]) parameters.scope('a').normal('weight', [2, 3], 1);
    expect(Array.from((await blank.values()).get('a.weight')!.values)).toEqual(new Array(6).fill(0));
    blank.load(await drawn.values(), 'memory');
    expect(await blank.values()).toEqual(await drawn.values());
  });

  test('a network asks for no parameter that its checkpoint does not hold, and gets no memory for it', async () => {
    const stored = await twoLayers(1).values();
    const make = (inputs: number, layers: number, checkpoint = new Checkpoint(stored, 'run/ema.safetensors')) => {
      const parameters = new Parameters(checkpoint);
      for (const name of 'abcdef'.slice(0, layers)) parameters.scope(name).normal('weight', [2, inputs], 1);
      return parameters;
    };
    expect(() => make(1e12, 1)).toThrow(`run/ema.safetensors: a.weight: expected shape [2, 1000000000000], got [2, 3]`);
    expect(() => make(3, 6)).toThrow(/^run\/ema\.safetensors: /);
    // Others than those that are looked for may be anything.
    expect(make(5, 2, new Checkpoint(stored, 'f').only('generator.')).count()).toBe(2 * 2 * 5);
  });

  test('refuses the same name twice', () => {
    const parameters = twoLayers(1);
    expect(() => new Linear(parameters.scope('a'), 3, 2)).toThrow('parameter a.weight is defined twice');
  });
});

onEveryBackend('layers compute what they say', async () => {
  const parameters = new Parameters(new Random(3));
  const linear = new Linear(parameters.scope('linear'), 4, 3);
  const zero = new Linear(parameters.scope('zero'), 4, 3, { deviation: 0, bias: false });
  const conv = new Conv2d(parameters.scope('conv'), 4, 2, { stride: 2 });
  const rms = new Norm(parameters.scope('rms'), 4, 'rms');
  const layer = new Norm(parameters.scope('layer'), 4, 'layer');
  const group = new GroupNorm(parameters.scope('group'), 4, 2);
  linear.bias?.assign(tf.tensor1d([1, 2, 3]));

  const x = normal([2, 5, 6, 4], 4);
  const data = await x.data();
  const weight = await linear.weight.data();
  const y = linear.apply(x, { residual: tf.ones([2, 5, 6, 3]) });
  expect(y.shape).toEqual([2, 5, 6, 3]);
  const rows = data.length / 4;
  const expected = Array.from({ length: rows * 3 }, (_, i) => {
    let sum = 1 + [1, 2, 3][i % 3];
    for (let c = 0; c < 4; c++) sum += data[Math.floor(i / 3) * 4 + c] * weight[(i % 3) * 4 + c];
    return sum;
  });
  expectAllclose(await y.data(), expected, { relative: 1e-5, absolute: 1e-5 });
  expect(Array.from(await zero.apply(x).data()).every(value => value === 0)).toBe(true);

  expect(conv.apply(x).shape).toEqual([2, 3, 3, 2]);
  const oihw = await conv.weight.data(); // [2, 3, 3, 4]
  const filter = tf.transpose(tf.tensor(Float32Array.from(oihw), [2, 3, 3, 4]), [1, 2, 3, 0]) as tf.Tensor4D;
  const margins: [number, number][] = [0, 1, 1, 0].map(margin => [margin, margin]);
  const padded = tf.pad(x, margins) as tf.Tensor4D;
  const reference = tf.conv2d(padded, filter, 2, 'valid');
  const actual = await conv.apply(x).data();
  expect(reference.shape).toEqual([2, 3, 3, 2]);
  expectAllclose(actual, await reference.data(), { relative: 1e-4, absolute: 1e-5 });

  for (const [made, centred] of [
    [await rms.apply(x).data(), 0],
    [await layer.apply(x).data(), 1],
  ] as const) {
    const wanted: number[] = [];
    for (let row = 0; row < rows; row++) {
      const values = Array.from(data.slice(row * 4, row * 4 + 4));
      const mean = centred * (values.reduce((a, b) => a + b) / 4);
      const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4;
      for (const value of values) wanted.push((value - mean) / Math.sqrt(square));
    }
    expectAllclose(made, wanted, { relative: 1e-3, absolute: 1e-3 });
  }
  const grouped = await group.apply(x).data();
  const ofGroup = (values: ArrayLike<number>, image: number, g: number) =>
    Array.from({ length: 5 * 6 * 2 }, (_, i) => values[image * 120 + Math.floor(i / 2) * 4 + 2 * g + (i % 2)]);
  for (const g of [0, 1]) {
    const values = ofGroup(grouped, 1, g);
    const mean = values.reduce((a, b) => a + b) / values.length;
    expectAllclose([mean, values.reduce((sum, v) => sum + v * v, 0) / values.length], [0, 1], { absolute: 1e-3 });
  }
});
