/**
 * @file The optimizer against Optimizer in double precision over twenty steps with everything on: clipping, decay, warm-up and
 * cosine, average. And what must not happen: an update by a gradient that is not finite, an average that stays behind.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { Parameters } from '../../src/nn/module.ts';
import { learningRate, Optimizer, type OptimizerConfig } from '../../src/training/optimizer.ts';
import { expectAllclose, onEveryBackend } from '../support.ts';

const config: OptimizerConfig = { beta1: 0.9, beta2: 0.95, weightDecay: 0.2, clip: 1, ema: 0.7 };
const shapes: readonly (readonly [string, number[]])[] = [
  ['matrix', [7, 5]], // decays
  ['gain', [9]], // does not
  ['filter', [2, 3, 3, 2]],
];

function someParameters(seed = 1): Parameters {
  const parameters = new Parameters(new Random(seed));
  for (const [name, shape] of shapes) parameters.normal(name, [...shape], 1);
  return parameters;
}

/** The gradients of a step, large at first and small later, so that clipping is on in some steps and off in others. */
function gradientValues(step: number): Float32Array[] {
  const scale = step < 8 ? 1 : 0.05;
  return shapes.map(([name, shape]) =>
    new Random(9).fork(name, step).normals(tf.util.sizeFromShape([...shape]), scale),
  );
}

const gradientsOf = (step: number) => gradientValues(step).map((values, i) => tf.tensor(values, [...shapes[i][1]]));

/** All values of the parameters and the optimizer. */
async function everything(parameters: Parameters, optimizer: Optimizer) {
  const weights = await parameters.values();
  return new Map(
    [...weights, ...(await optimizer.state())].map(([name, { values }]) => [name, Float32Array.from(values)]),
  );
}

onEveryBackend('twenty steps equal Optimizer in double precision', async () => {
  const parameters = someParameters();
  const optimizer = new Optimizer(parameters.list(), config);
  const schedule = { lr: 0.05, warmup: 0.2, finalLr: 0.1, steps: 20 };
  const weights = [...(await parameters.values()).values()].map(({ values }) => Float64Array.from(values));
  const [m, v] = [weights.map(w => new Float64Array(w.length)), weights.map(w => new Float64Array(w.length))];
  const average = weights.map(w => Float64Array.from(w));
  let clipped = 0;

  for (let step = 0; step < 20; step++) {
    const lr = learningRate(schedule, step);
    const norm = await optimizer.step(gradientsOf(step), lr);

    const g = gradientValues(step);
    const exact = Math.sqrt(g.reduce((sum, values) => sum + values.reduce((s, x) => s + x * x, 0), 0));
    expectAllclose([norm], [exact], { relative: 1e-5 });
    const scale = Math.min(1, config.clip / exact);
    if (scale < 1) clipped++;
    const t = step + 1;
    const emaDecay = Math.min(config.ema, (1 + t) / (10 + t));
    for (const [p, w] of weights.entries()) {
      const decay = shapes[p][1].length > 1 ? config.weightDecay : 0;
      for (let i = 0; i < w.length; i++) {
        const x = g[p][i] * scale;
        m[p][i] = 0.9 * m[p][i] + 0.1 * x;
        v[p][i] = 0.95 * v[p][i] + 0.05 * x * x;
        const direction = m[p][i] / (1 - 0.9 ** t) / (Math.sqrt(v[p][i] / (1 - 0.95 ** t)) + 1e-8);
        w[i] -= lr * (direction + decay * w[i]);
        average[p][i] = emaDecay * average[p][i] + (1 - emaDecay) * w[i];
      }
    }
  }

  expect(clipped).toBe(8);
  expect(optimizer.steps).toBe(20);
  const found = await parameters.values();
  const averaged = await optimizer.average();
  const state = await optimizer.state();
  shapes.forEach(([name], p) => {
    expectAllclose(found.get(name)?.values as Float32Array, weights[p], { relative: 1e-5, absolute: 5e-6 });
    expectAllclose(averaged.get(name)?.values as Float32Array, average[p], { relative: 1e-5, absolute: 5e-6 });
    expectAllclose(state.get(`m.${name}`)?.values as Float32Array, m[p], { relative: 1e-5, absolute: 1e-6 });
    expectAllclose(state.get(`v.${name}`)?.values as Float32Array, v[p], { relative: 1e-5, absolute: 1e-8 });
    expectAllclose(state.get(`ema.${name}`)?.values as Float32Array, average[p], { relative: 1e-5, absolute: 5e-6 });
  });
  optimizer.dispose();
  parameters.dispose();
});

describe('learningRate', () => {
  const schedule = { lr: 0.4, warmup: 0.1, finalLr: 0.25, steps: 100 };

  test('rises in a line to the peak and falls by a cosine to its share of it', () => {
    expect(learningRate(schedule, 0)).toBeCloseTo(0.04, 12);
    expect(learningRate(schedule, 4)).toBeCloseTo(0.2, 12);
    expect(learningRate(schedule, 9)).toBeCloseTo(0.4, 12);
    expect(learningRate(schedule, 10)).toBeCloseTo(0.4, 12);
    expect(learningRate(schedule, 55)).toBeCloseTo((0.4 + 0.1) / 2, 12);
    expect(learningRate(schedule, 100)).toBeCloseTo(0.1, 12);
    expect(learningRate(schedule, 1000)).toBeCloseTo(0.1, 12);
  });

  test('never rises after the warm-up, and is never 0 in a step that is taken', () => {
    for (let step = 1; step < 100; step++) {
      const [before, now] = [learningRate(schedule, step - 1), learningRate(schedule, step)];
      expect(step < 10 ? now > before : now <= before).toBe(true);
    }
    expect(learningRate({ ...schedule, finalLr: 0 }, 99)).toBeGreaterThan(0);
    expect(learningRate({ ...schedule, steps: 1 }, 0)).toBe(0.4);
    expect(learningRate({ ...schedule, warmup: 0 }, 0)).toBe(0.4);
    expect(learningRate({ ...schedule, warmup: 1 }, 99)).toBe(0.4);
  });
});

for (const [name, poison] of [
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['a square beyond fp32', 1e30],
] as const) {
  onEveryBackend(`a gradient with ${name} in one place leaves everything untouched`, async () => {
    const parameters = someParameters();
    const optimizer = new Optimizer(parameters.list(), config);
    await optimizer.step(gradientsOf(0), 0.1);
    const before = await everything(parameters, optimizer);
    const held = tf.memory().numTensors;
    const gradients = gradientValues(1);
    gradients[1][4] = poison;
    const norm = await optimizer.step(
      gradients.map((values, i) => tf.tensor(values, [...shapes[i][1]])),
      0.1,
    );
    if (Number.isFinite(norm)) {
      // A backend that adds in double precision can clip it instead: then it must be right.
      expect(norm / poison).toBeCloseTo(1, 5);
    } else {
      expect(await everything(parameters, optimizer)).toEqual(before);
      expect(optimizer.steps).toBe(1);
    }
    for (const values of (await everything(parameters, optimizer)).values()) {
      expect(values.every(Number.isFinite)).toBe(true);
    }
    expect(tf.memory().numTensors).toBe(held); // the gradients are disposed all the same
    optimizer.dispose();
    parameters.dispose();
  });
}

onEveryBackend('a gradient that is not finite leaves what Muon updates untouched too', async () => {
  const parameters = new Parameters(new Random(1));
  parameters.scope('blocks.0', { inner: true }).scope('deeper').normal('weight', [6, 5], 1);
  const optimizer = new Optimizer(parameters.list(), { ...config, optimizer: 'muon' });
  await optimizer.step([tf.tensor(new Random(2).normals(30, 1), [6, 5])], 0.1);
  const before = await everything(parameters, optimizer);
  expect([...before.keys()].some(name => name.startsWith('v.'))).toBe(false);
  const values = new Random(3).normals(30, 1);
  values[7] = Number.NaN;
  expect(await optimizer.step([tf.tensor(values, [6, 5])], 0.1)).toBeNaN();
  expect(await everything(parameters, optimizer)).toEqual(before);
  expect(optimizer.steps).toBe(1);
  optimizer.dispose();
  parameters.dispose();
});

onEveryBackend('Muon updates the inner matrices alone, whatever they are called', async () => {
  const parameters = new Parameters(new Random(1));
  const inside = parameters.scope('blocks.0', { inner: true });
  inside.normal('weight', [4, 3], 1);
  inside.ones('gain', [3]);
  inside.normal('table', [4, 3], 1, { inner: false });
  parameters.normal('layers.head', [4, 3], 1);
  const optimizer = new Optimizer(parameters.list(), { ...config, optimizer: 'muon' });
  const second = [...(await optimizer.state()).keys()].filter(name => name.startsWith('v.'));
  expect(second.sort()).toEqual(['v.blocks.0.gain', 'v.blocks.0.table', 'v.layers.head']);
  expect(optimizer.muonCount).toBe(1);
  optimizer.dispose();
  parameters.dispose();
});

onEveryBackend('a parameter without a gradient stays as it is', async () => {
  const parameters = someParameters();
  const optimizer = new Optimizer(parameters.list(), config);
  const before = await everything(parameters, optimizer);
  const [first, , third] = gradientsOf(0);
  await optimizer.step([first, null, third], 0.1);
  const after = await everything(parameters, optimizer);
  for (const [name, values] of after) {
    const unchanged = name.endsWith('gain');
    expect(`${name} ${Buffer.from(values.buffer).equals(Buffer.from(before.get(name)?.buffer as ArrayBuffer))}`).toBe(
      `${name} ${unchanged}`,
    );
  }
  optimizer.dispose();
  parameters.dispose();
});

onEveryBackend('the average takes the place of the weights for a while, and nothing of it stays', async () => {
  const parameters = someParameters();
  const optimizer = new Optimizer(parameters.list(), config);
  for (let step = 0; step < 3; step++) await optimizer.step(gradientsOf(step), 0.1);
  const before = await everything(parameters, optimizer);
  const average = await optimizer.average();
  const held = tf.memory().numTensors;
  const result = await optimizer.withAverage(async () => {
    const inside = await parameters.values();
    expect(inside).toEqual(average);
    expect(inside.get('matrix')?.values).not.toEqual(before.get('matrix'));
    return 42;
  });
  expect(result).toBe(42);
  expect(await everything(parameters, optimizer)).toEqual(before);
  await expect(
    optimizer.withAverage(async () => {
      throw new Error('interrupted');
    }),
  ).rejects.toThrow('interrupted');
  expect(await everything(parameters, optimizer)).toEqual(before);
  expect(tf.memory().numTensors).toBe(held);

  // An update after it moves the weights and the average as one without it would have: they share no memory.
  const twin = someParameters();
  const undisturbed = new Optimizer(twin.list(), config);
  for (let step = 0; step < 3; step++) await undisturbed.step(gradientsOf(step), 0.1);
  await optimizer.step(gradientsOf(3), 0.1);
  await undisturbed.step(gradientsOf(3), 0.1);
  expect(await everything(parameters, optimizer)).toEqual(await everything(twin, undisturbed));
  for (const disposable of [optimizer, undisturbed, parameters, twin]) disposable.dispose();
});

onEveryBackend('what it hands out are copies that later updates leave alone', async () => {
  const parameters = someParameters();
  const optimizer = new Optimizer(parameters.list(), config);
  const copies = [await parameters.values(), await optimizer.average(), await optimizer.state()];
  const before = copies.map(map => [...map.values()].map(({ values }) => Float32Array.from(values)));
  await optimizer.step(gradientsOf(0), 0.1);
  expect(copies.map(map => [...map.values()].map(({ values }) => values))).toEqual(before);
  optimizer.dispose();
  parameters.dispose();
});

onEveryBackend('goes on from its saved state bit for bit', async () => {
  const [straight, resumed] = [someParameters(), someParameters(2)];
  const whole = new Optimizer(straight.list(), config);
  for (let step = 0; step < 4; step++) await whole.step(gradientsOf(step), 0.1);
  const [weights, state] = [await straight.values(), await whole.state()];
  for (let step = 4; step < 9; step++) await whole.step(gradientsOf(step), 0.1);

  const second = new Optimizer(resumed.list(), config);
  resumed.load(weights, 'test');
  second.load(state, { updates: 4 }, 'test');
  for (let step = 4; step < 9; step++) await second.step(gradientsOf(step), 0.1);
  expect(await everything(resumed, second)).toEqual(await everything(straight, whole));
  expect(second.steps).toBe(9);

  state.delete('v.gain');
  expect(() => second.load(state, { updates: 4 }, 'state/optimizer.safetensors')).toThrow(UserError);
  expect(() => second.load(state, { updates: 4 }, 'state/optimizer.safetensors')).toThrow(
    'state/optimizer.safetensors: v.gain is missing',
  );
  for (const disposable of [whole, second, straight, resumed]) disposable.dispose();
});

onEveryBackend('without an average it keeps none, and offers the weights instead', async () => {
  const parameters = someParameters();
  const optimizer = new Optimizer(parameters.list(), { ...config, ema: 0 });
  await optimizer.step(gradientsOf(0), 0.1);
  expect(await optimizer.average()).toEqual(await parameters.values());
  expect([...(await optimizer.state()).keys()].some(name => name.startsWith('ema.'))).toBe(false);
  const inside = await optimizer.withAverage(() => parameters.values());
  expect(inside).toEqual(await parameters.values());
  optimizer.dispose();
  parameters.dispose();
});

onEveryBackend('leaves no tensors behind', async () => {
  const before = tf.memory().numTensors;
  const parameters = someParameters();
  const optimizer = new Optimizer(parameters.list(), config);
  await optimizer.step(gradientsOf(0), 0.1);
  optimizer.dispose();
  parameters.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
