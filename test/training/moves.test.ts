/**
 * @file Training as a game: players move in turn, each its own parameters by its own loss; look-ahead follows the whole
 * move and leaves nothing behind; a game stopped and resumed ends bit for bit where an unbroken one does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import type { TensorData } from '../../src/io/safetensors.ts';
import { Parameters } from '../../src/nn/module.ts';
import { train } from '../../src/training/loop.ts';
import type { Metrics } from '../../src/training/measured.ts';
import type { Player } from '../../src/training/moves.ts';
import { asTensors, namedValues } from '../../src/training/named-values.ts';
import { Lookahead, Optimizer } from '../../src/training/optimizer.ts';
import type { LoopConfig, Task, Weights } from '../../src/training/task.ts';
import { expectAllclose, onEveryBackend } from '../support.ts';

const folders: string[] = [];
const temporary = () => {
  const folder = mkdtempSync(join(tmpdir(), 'game-'));
  folders.push(folder);
  return folder;
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const loop: LoopConfig = {
  steps: 8,
  accumulate: 1,
  lr: 0.05,
  warmup: 0,
  finalLr: 1,
  beta1: 0.5,
  beta2: 0.9,
  weightDecay: 0,
  clip: 1e9,
  ema: 0.9,
  evalEvery: 100,
  sampleEvery: 100,
  saveEvery: 100,
  logEvery: 1,
  seed: 3,
};

/** min over u, max over v of u . v + noise . u, with v looking ahead of u where asked. */
function saddle(predict: boolean, seen?: string[]): Task {
  const parameters = new Parameters(new Random(5));
  const u = parameters.scope('u').normal('w', [3], 1);
  const v = parameters.scope('v').normal('w', [3], 1);
  const [uParameter, vParameter] = parameters.list();
  const ahead = new Lookahead([uParameter]);
  const show = (who: string) => seen?.push(`${who} ${[...u.dataSync(), ...v.dataSync()].join()}`);
  const players: Player[] = [
    {
      name: 'V',
      parameters: [vParameter],
      optimizer: { ema: 0 },
      lr: 2,
      before: () => predict && ahead.apply(),
      after: () => ahead.restore(),
      batch: async () => () => {
        show('V');
        const loss = tf.neg(tf.sum(tf.mul(u, v))) as tf.Tensor;
        return { loss, metrics: { size: tf.sum(tf.square(v)) } };
      },
    },
    {
      name: 'U',
      parameters: [uParameter],
      updated: () => ahead.moved(),
      batch: async () => random => {
        show('U');
        const noise = tf.tensor1d(random.normals(3, 0.1));
        return { loss: tf.sum(tf.mul(u, tf.add(v, noise))), metrics: {} };
      },
    },
  ];
  let displaced: Weights = new Map();
  return {
    parameters,
    players,
    unit: 'images',
    unitsPerStep: 4,
    imagesPerStep: 4,
    flopsPerStep: 100,
    evaluate: async () => ({ loss: 1, check_kid: 2 }),
    afterStep: async () => {
      displaced = await ahead.state();
    },
    save: () => ({ arrays: asTensors(displaced), values: null }),
    restore: (arrays: ReadonlyMap<string, TensorData>, _: unknown, where: string) =>
      ahead.load(namedValues(arrays, where), where),
  };
}

async function play(task: Task, folder: string, stopAfter = Number.POSITIVE_INFINITY, config = loop) {
  const stop = new AbortController();
  const records: Metrics[] = [];
  let saved: { weights: Weights; average: Weights } | undefined;
  let time = 0;
  await train(task, config, {
    folder,
    signal: stop.signal,
    now: () => time++,
    watcher: {
      onStep: ({ step }) => {
        if (step >= stopAfter) stop.abort();
      },
      onLog: record => records.push(record),
      onSave: async (weights, average) => {
        saved = { weights, average };
      },
    },
  });
  if (saved === undefined) throw new Error('nothing was saved');
  return { ...saved, records };
}

const valuesOf = (weights: Weights) => [...weights].map(([name, { values }]) => [name, [...values]]);

describe('players', () => {
  test('move in turn: the second sees what the first has become, and each moves only its own', async () => {
    await selectBackend('cpu');
    const seen: string[] = [];
    await play(saddle(false, seen), temporary(), 1);
    const [first, second] = seen.map(line => line.split(' ')[1].split(',').map(Number));
    expect(second.slice(0, 3)).toEqual(first.slice(0, 3)); // u has not moved yet
    second.slice(3).forEach((value, i) => {
      expect(value).not.toBe(first[3 + i]);
    });
    // Adam's first move is its learning rate, here twice the loop's.
    second.slice(3).forEach((value, i) => {
      expect(Math.abs(value - first[3 + i])).toBeCloseTo(2 * loop.lr, 5);
    });
  });

  test('are logged by their names, with what the training has cost', async () => {
    await selectBackend('cpu');
    const { records, weights, average } = await play(saddle(false), temporary(), 2);
    expect(Object.keys(records[1]).sort()).toEqual([
      'U_loss',
      'U_norm',
      'V_loss',
      'V_norm',
      'V_size',
      'flops',
      'images',
      'imagesPerSecond',
      'lr',
      'seconds',
      'step',
    ]);
    expect(records[1]).toMatchObject({ step: 2, images: 8, flops: 200 });
    expect([...average.keys()]).toEqual(['v.w', 'u.w']); // in the order of the players
    expect(average.get('v.w')).toEqual(weights.get('v.w')); // V keeps no average
    expect(average.get('u.w')).not.toEqual(weights.get('u.w'));
  });

  test('a check keeps its name among the validations', async () => {
    await selectBackend('cpu');
    const { records } = await play(saddle(false), temporary(), Number.POSITIVE_INFINITY, { ...loop, steps: 1 });
    expect(records.at(-1)).toEqual({ step: 1, val_loss: 1, check_kid: 2 });
  });

  for (const predict of [false, true]) {
    onEveryBackend(
      `stopped and resumed end where unbroken ones do, ${predict ? 'with' : 'without'} prediction`,
      async () => {
        const straight = await play(saddle(predict), temporary());
        const folder = temporary();
        await play(saddle(predict), folder, 3);
        const resumed = await play(saddle(predict), folder);
        expect(valuesOf(resumed.weights)).toEqual(valuesOf(straight.weights));
        expect(valuesOf(resumed.average)).toEqual(valuesOf(straight.average));
      },
    );
  }

  test('prediction changes the game', async () => {
    await selectBackend('cpu');
    const plain = await play(saddle(false), temporary());
    const predicted = await play(saddle(true), temporary());
    expect(valuesOf(predicted.weights)).not.toEqual(valuesOf(plain.weights));
  });
});

onEveryBackend('look-ahead repeats the whole move of the optimizer, and puts everything back', async () => {
  const before = tf.memory().numTensors;
  const parameters = new Parameters(new Random(2));
  const w = parameters.normal('w', [5], 1);
  const optimizer = new Optimizer(parameters.list(), loop);
  const ahead = new Lookahead(parameters.list());
  const now = async () => Float32Array.from(await w.data());

  const start = await now();
  ahead.apply();
  expect(await now()).toEqual(start); // nothing to repeat yet
  ahead.restore();
  let last = start;
  for (let step = 0; step < 3; step++) {
    await optimizer.step([tf.tensor1d(new Random(step).normals(5, 1))], 0.1);
    ahead.moved();
    const here = await now();
    ahead.apply();
    expectAllclose(
      await now(),
      Array.from(here, (value, i) => 2 * value - last[i]),
      { absolute: 1e-6 },
    );
    ahead.restore();
    expect(await now()).toEqual(here);
    last = here;
  }
  ahead.dispose();
  optimizer.dispose();
  parameters.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
