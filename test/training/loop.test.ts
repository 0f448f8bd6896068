/**
 * @file The training loop: a run that is stopped and resumed ends bit for bit where one that never stopped does; parts add
 * up to the whole batch; what is not finite stops it; nothing grows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { activeNative } from '../../src/device/native/native.ts';
import type { ModelConfig } from '../../src/families/transformer/config.ts';
import { Dalle } from '../../src/families/transformer/dalle.ts';
import { type CaptionEncoder, DalleTask } from '../../src/families/transformer/task.ts';
import { Parameters } from '../../src/nn/module.ts';
import { train } from '../../src/training/loop.ts';
import type { Metrics } from '../../src/training/measured.ts';
import type { Losses } from '../../src/training/moves.ts';
import { isTrained, savedStep } from '../../src/training/saved-training.ts';
import type { LoopConfig, Task, Weights } from '../../src/training/task.ts';
import { configs, randomWeights, vocabulary } from '../families/transformer/tiny-model.ts';
import { expectAllclose, noKernels, onEveryBackend } from '../support.ts';

const folders: string[] = [];
const temporary = () => {
  const folder = mkdtempSync(join(tmpdir(), 'train-'));
  folders.push(folder);
  return folder;
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A clock that moves on a millisecond at every look. */
const clock = () => {
  let time = 0;
  return () => time++;
};

const loop: LoopConfig = {
  steps: 12,
  accumulate: 1,
  lr: 0.01,
  warmup: 0.2,
  finalLr: 0.1,
  beta1: 0.9,
  beta2: 0.95,
  weightDecay: 0.05,
  clip: 1,
  ema: 0.9,
  evalEvery: 4,
  sampleEvery: 100,
  saveEvery: 100,
  logEvery: 1,
  seed: 3,
};

/** Words are ids by their letters; a word is left out by dropout as merges would be. */
const encoder: CaptionEncoder = {
  encodeCaption(caption, { length, dropout = 0, random }) {
    const words = caption.split(' ').filter(() => dropout === 0 || random === undefined || random.uniform() >= dropout);
    const ids = Int32Array.from({ length }, (_, i) =>
      i < words.length ? words[i].charCodeAt(0) % vocabulary.caption : vocabulary.caption + i,
    );
    return { ids, cut: words.length > length };
  },
};

const captionWords = ['apple big cat', 'dog', 'egg fig', 'goat hen ibis jay', 'kite', 'lion moon', 'nut owl pig'];

function someCodes(items: number, crops: number, seed: number) {
  const N = vocabulary.grid ** 2;
  const random = new Random(seed);
  return {
    set: {
      ids: Array.from({ length: items }, (_, i) => `item ${i}`),
      crops,
      length: N,
      codes: Uint16Array.from({ length: items * crops * N }, () => random.integer(vocabulary.image)),
    },
    captions: Array.from({ length: items }, (_, i) => [captionWords[i % 7], captionWords[(i + 3) % 7]]),
  };
}

/** Small enough for many steps on the slowest backend. */
const small: ModelConfig = { ...configs.modern, layers: 1, width: 8, heads: 2, mlpWidth: 8 };

interface Setting {
  readonly config?: ModelConfig;
  readonly batchSize?: number;
  readonly accumulate?: number;
}

function task(setting: Setting = {}): DalleTask {
  const { config = small, batchSize = 4, accumulate = 1 } = setting;
  const model = new Dalle(config, vocabulary, new Random(2));
  return new DalleTask(
    model,
    encoder,
    { training: someCodes(7, 2, 1), heldOut: someCodes(3, 1, 2) },
    { batchSize, accumulate, bpeDropout: 0.3, seed: 5, imageSize: 24 },
  );
}

/** Everything that a run leaves in memory and tells its watcher, but for how fast it was. */
interface Outcome {
  readonly weights: Weights;
  readonly average: Weights;
  readonly records: readonly Metrics[];
  readonly best: readonly Metrics[];
}

async function runTask(
  one: Task,
  config: LoopConfig,
  folder: string,
  stopAfter = Number.POSITIVE_INFINITY,
): Promise<Outcome & { readonly finished: boolean; readonly step: number }> {
  const controller = new AbortController();
  const records: Metrics[] = [];
  const best: Metrics[] = [];
  let saved: { weights: Weights; average: Weights } | undefined;
  const { finished, step } = await train(one, config, {
    folder,
    signal: controller.signal,
    now: clock(),
    watcher: {
      onStep: progress => {
        if (progress.step >= stopAfter) controller.abort();
      },
      onLog: record => {
        records.push(Object.fromEntries(Object.entries(record).filter(([name]) => !name.endsWith('PerSecond'))));
      },
      onBest: async (_, metrics) => {
        best.push(metrics);
      },
      onSave: async (weights, average) => {
        saved = { weights, average };
      },
    },
  });
  if (saved === undefined) throw new Error('nothing was saved');
  return { ...saved, records, best, finished, step };
}

describe('resuming', () => {
  // Dropout, left-out captions, BPE dropout, crops and accumulation: everything that draws.
  const config: ModelConfig = { ...small, dropout: 0.2, captionDrop: 0.3 };

  onEveryBackend('a run stopped and resumed twice equals one that never stopped, bit for bit', async () => {
    const accumulating = { ...loop, accumulate: 2 };
    const make = () => task({ config, accumulate: 2 });
    const straight = await runTask(make(), accumulating, temporary());
    expect(straight).toMatchObject({ finished: true, step: 12 });

    const folder = temporary();
    const first = await runTask(make(), accumulating, folder, 5);
    expect(first).toMatchObject({ finished: false, step: 5 });
    expect(await savedStep(folder)).toBe(5);
    const second = await runTask(make(), accumulating, folder, 8);
    expect(second).toMatchObject({ finished: false, step: 8 });
    const third = await runTask(make(), accumulating, folder);
    expect(third).toMatchObject({ finished: true, step: 12 });

    expect(third.weights).toEqual(straight.weights);
    expect(third.average).toEqual(straight.average);
    expect([...first.records, ...second.records, ...third.records]).toEqual(straight.records);
    expect([...first.best, ...second.best, ...third.best]).toEqual(straight.best);
    // Equal is not for want of difference.
    expect(first.weights).not.toEqual(straight.weights);
    expect(straight.average).not.toEqual(straight.weights);
  });

  onEveryBackend('a run that died between saves goes on from the last one to the same end', async () => {
    const saving = { ...loop, saveEvery: 4 };
    const straight = await runTask(task({ config }), saving, temporary());
    const folder = temporary();
    let steps = 0;
    const dying = task({ config });
    const killed = train(dying, saving, {
      folder,
      now: clock(),
      watcher: {
        onStep: () => {
          if (++steps === 7) throw new Error('power cut');
        },
      },
    });
    await expect(killed).rejects.toThrow('power cut');
    expect(await savedStep(folder)).toBe(4);
    const resumed = await runTask(task({ config }), saving, folder);
    expect(resumed.weights).toEqual(straight.weights);
    expect(resumed.average).toEqual(straight.average);
    expect(resumed.records).toEqual(straight.records.filter(({ step }) => step > 4));
  });

  test.for(['native', 'wasm'] as const)(
    'on %s with every thread busy and bf16 where it is the default, and on another number of threads',
    async (build, { skip }) => {
      skip(noKernels[build] !== undefined, noKernels[build]);
      await selectBackend(build, { precision: 'auto', threads: 3 });
      const words = { caption: 60, image: 300, grid: 8 };
      const wide: ModelConfig = { ...configs.dalle, width: 64, heads: 4, dropout: 0.1 };
      const make = () => {
        const N = words.grid ** 2;
        const draws = new Random(8);
        const codes = Uint16Array.from({ length: 9 * N }, () => draws.integer(words.image));
        const set = { ids: [...'abcdefghi'], crops: 1, length: N, codes };
        const data = { set, captions: set.ids.map((_, i) => [captionWords[i % 7]]) };
        return new DalleTask(
          new Dalle(wide, words),
          { encodeCaption: (_, { length }) => ({ ids: Int32Array.from({ length }, (_, i) => 60 + i), cut: false }) },
          { training: data, heldOut: data },
          { batchSize: 8, accumulate: 1, bpeDropout: 0, seed: 5, imageSize: 24 },
        );
      };
      const config = { ...loop, steps: 4, evalEvery: 100 };
      const straight = await runTask(make(), config, temporary());
      const folder = temporary();
      activeNative()?.setThreads(1);
      await runTask(make(), config, folder, 2);
      activeNative()?.setThreads(2);
      const resumed = await runTask(make(), config, folder);
      expect(resumed.weights).toEqual(straight.weights);
      expect(resumed.average).toEqual(straight.average);
    },
  );

  test('a finished run has nothing left to do; with more steps it goes on', async () => {
    await selectBackend('cpu');
    const folder = temporary();
    const short = { ...loop, steps: 2 };
    await runTask(task(), short, folder);
    const messages: string[] = [];
    const again = await train(task(), short, {
      folder,
      now: clock(),
      watcher: { onMessage: message => messages.push(message), onStep: () => messages.push('a step') },
    });
    expect(again).toMatchObject({ step: 2, finished: true });
    expect(messages).toEqual(['resumed at step 2']);
    const longer = await runTask(task(), { ...short, steps: 4 }, folder);
    expect(longer.records.map(({ step }) => step)).toEqual([3, 4, 4]); // and the evaluation of the last
  });

  test('Muon without a matrix to update is told', async () => {
    await selectBackend('cpu');
    const messages: string[] = [];
    await train(
      quadratic(),
      { ...loop, steps: 1, optimizer: 'muon' },
      {
        folder: temporary(),
        now: clock(),
        watcher: { onMessage: message => messages.push(message) },
      },
    );
    expect(messages).toEqual(['model: no matrix is marked as inner, so that AdamW updates all, not Muon']);
  });

  test('begin runs once in the life of a run; state of the task itself comes back', async () => {
    await selectBackend('cpu');
    const events: string[] = [];
    const counting = (): Task => {
      let counter = 0;
      return {
        ...quadratic(),
        begin: async () => {
          events.push('begin');
          counter = 100;
        },
        afterStep: async step => {
          events.push(`after ${step}: ${++counter}`);
        },
        save: () => ({
          arrays: new Map([['a', { dtype: 'I32', shape: [1], data: Int32Array.of(counter) }]]),
          values: { counter },
        }),
        restore: (arrays, values) => {
          counter = (values as { counter: number }).counter;
          expect(arrays.get('a')?.data).toEqual(Int32Array.of(counter));
        },
      };
    };
    const folder = temporary();
    await runTask(counting(), { ...loop, steps: 4 }, folder, 2);
    await runTask(counting(), { ...loop, steps: 4 }, folder);
    expect(events).toEqual(['begin', 'after 1: 101', 'after 2: 102', 'after 3: 103', 'after 4: 104']);
  });
});

/** Minimises |w - 3|^2; `loss` may spoil a step's loss. */
function quadratic(
  spoil: (step: number) => number = () => 0,
  validation: (evaluation: number) => number = () => 1,
): Task {
  const parameters = new Parameters(new Random(1));
  const w = parameters.normal('w', [4], 1);
  let evaluations = 0;
  return {
    parameters,
    unit: 'images',
    unitsPerStep: 2,
    batch: async step => () => {
      const loss = tf.add(tf.sum(tf.square(tf.sub(w, 3))), spoil(step)) as tf.Tensor;
      return { loss, metrics: { twice: tf.mul(loss, 2) } } satisfies Losses;
    },
    evaluate: async () => ({ loss: validation(evaluations++) }),
  };
}

describe('accumulation', () => {
  onEveryBackend('four parts of two equal one batch of eight', async () => {
    // Captions of every length, some left out: parts differ in how many ids they predict.
    const training = someCodes(7, 3, 1);
    const config: ModelConfig = { ...small, captionDrop: 0.4, dropout: 0 };
    const make = (accumulate: number) => {
      const one = new DalleTask(
        new Dalle(config, vocabulary),
        encoder,
        { training, heldOut: someCodes(3, 1, 2) },
        { batchSize: 8, accumulate, bpeDropout: 0.3, seed: 5, imageSize: 24 },
      );
      one.parameters.load(randomWeights(new Dalle(config, vocabulary), 4), 'test');
      return one;
    };
    const whole = await runTask(make(1), { ...loop, steps: 4 }, temporary());
    const parts = await runTask(make(4), { ...loop, steps: 4, accumulate: 4 }, temporary());
    for (const [i, record] of whole.records.entries()) {
      for (const name of Object.keys(record))
        expectAllclose([parts.records[i][name]], [record[name]], { relative: 1e-4 });
    }
    for (const [name, { values }] of parts.weights) {
      expectAllclose(values, whole.weights.get(name)?.values as Float32Array, { relative: 1e-3, absolute: 1e-3 });
    }
  });
});

describe('a training that is stopped', () => {
  const config = { ...loop, steps: 14, logEvery: 4, evalEvery: 6, sampleEvery: 6, saveEvery: 5, ema: 0.5 };

  /** Runs the task, stopped where `stops` says so; each start goes on where the one before it stopped. */
  async function trainWithStops(stops: readonly ((at: string, step: number) => boolean)[]) {
    await selectBackend('cpu');
    const folder = temporary();
    const records: object[] = [];
    const looks: string[] = [];
    let finished = false;
    for (const stopsAt of [...stops, () => false]) {
      expect(finished).toBe(false);
      const controller = new AbortController();
      const hear = (at: string, step: number) => {
        if (stopsAt(at, step)) controller.abort(new Error('asked to stop'));
      };
      const task = quadratic();
      let step = 0;
      const evaluating: Task = {
        ...task,
        evaluate: async signal => {
          hear('evaluation', step);
          signal?.throwIfAborted();
          return { loss: 10 - step };
        },
      };
      const result = await train(evaluating, config, {
        folder,
        now: () => 0,
        signal: controller.signal,
        watcher: {
          onStep: progress => {
            step = progress.step;
            hear('step', step);
          },
          onMessage: text => {
            step = Number(/^resumed at step (\d+)$/.exec(text)?.[1] ?? step);
          },
          onLog: record => records.push(record),
          onSample: async (at, signal) => {
            hear('samples', at);
            signal?.throwIfAborted();
            looks.push(`samples ${at}`);
          },
          onBest: async (_, { step: at }) => {
            looks.push(`best ${at}`);
          },
        },
      });
      finished = result.finished;
      tf.dispose(task.parameters.list().map(({ variable }) => variable));
    }
    expect(finished).toBe(true);
    return { records, looks };
  }

  test('has the looks that it owes when it goes on, and logs as one that never stopped', async () => {
    const straight = await trainWithStops([]);
    expect(straight.looks).toEqual(['best 6', 'samples 6', 'best 12', 'samples 12', 'best 14', 'samples 14']);
    const at = (place: string, when: number) => (which: string, step: number) => which === place && step === when;
    for (const stops of [
      [at('step', 3)],
      [at('step', 6)],
      [at('evaluation', 6)],
      [at('samples', 6)],
      [at('step', 2), at('step', 5), at('evaluation', 12), at('samples', 12)],
      [at('step', 14)],
      [at('evaluation', 14), at('samples', 14)],
    ]) {
      expect(await trainWithStops(stops), String(stops.length)).toEqual(straight);
    }
  });
});

describe('patience', () => {
  /** Better at the second validation, and never again. */
  const make = () =>
    quadratic(
      () => 0,
      evaluation => (evaluation < 2 ? -evaluation : 0),
    );
  const config = { ...loop, warmup: 0, steps: 50, evalEvery: 2, logEvery: 1, patience: 3 };

  test('ends a training so many validations after the best, as finished, with its samples', async () => {
    await selectBackend('cpu');
    const folder = temporary();
    const [sampled, said]: [number[], string[]] = [[], []];
    const result = await train(make(), config, {
      folder,
      now: clock(),
      watcher: { onSample: async step => void sampled.push(step), onMessage: message => void said.push(message) },
    });
    expect(result).toMatchObject({ step: 10, finished: true }); // the best was at step 4
    expect(sampled).toEqual([10]);
    expect(said).toEqual(['step 10: no better validation in 3; the training ends, the best is kept']);
    expect(await isTrained(folder, config)).toBe(true);
    // Who has more patience goes on.
    expect(await isTrained(folder, { ...config, patience: 5 })).toBe(false);
    expect(await isTrained(folder, { ...config, patience: 0 })).toBe(false);
  });

  test('is counted over a resume', async () => {
    await selectBackend('cpu');
    const folder = temporary();
    await runTask(make(), config, folder, 7);
    const rest = quadratic(
      () => 0,
      () => 0,
    );
    const result = await train(rest, config, { folder, now: clock() });
    expect(result).toMatchObject({ step: 10, finished: true });
  });
});

test('what was trained before is looked at before the first step', async () => {
  await selectBackend('cpu');
  const [records, sampled, best]: [Metrics[], number[], number[]] = [[], [], []];
  await train(
    quadratic(),
    { ...loop, steps: 2, evalEvery: 2, sampleEvery: 2 },
    {
      folder: temporary(),
      now: clock(),
      startsTrained: true,
      watcher: {
        onLog: record => void records.push(record),
        onSample: async step => void sampled.push(step),
        onBest: async (_, { step }) => void best.push(step),
      },
    },
  );
  expect(records.filter(record => 'val_loss' in record).map(({ step }) => step)).toEqual([0, 2]);
  expect(sampled).toEqual([0, 2]);
  expect(best[0]).toBe(0);
});

describe('a plateau', () => {
  test('halves the learning rate, five times at most, and a resumed run goes on where it was', async () => {
    await selectBackend('cpu');
    // Better at the second validation, and never again.
    const make = () =>
      quadratic(
        () => 0,
        evaluation => (evaluation < 2 ? -evaluation : 0),
      );
    const config = { ...loop, warmup: 0, finalLr: 1, steps: 20, evalEvery: 1, logEvery: 1, plateau: 2 };
    const rates = (records: readonly Metrics[]) => records.flatMap(({ lr }) => lr ?? []).map(lr => loop.lr / lr);
    const straight = await runTask(make(), config, temporary());
    const halved = [1, 1, 1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 32, 32, 32, 32, 32, 32, 32, 32];
    expect(rates(straight.records)).toEqual(halved);
    const folder = temporary();
    await runTask(make(), config, folder, 5);
    const rest = await runTask(
      quadratic(
        () => 0,
        () => 0,
      ),
      config,
      folder,
    );
    expect(rates(rest.records)).toEqual(halved.slice(5));
  });
});

describe('losses that are not finite', () => {
  test('a skipped step leaves weights, moments and average as they were, and the run goes on', async () => {
    await selectBackend('cpu');
    const [good, spoilt] = [temporary(), temporary()];
    const messages: string[] = [];
    const clean = await runTask(quadratic(), { ...loop, steps: 2, warmup: 0, finalLr: 1 }, good);
    const one = quadratic(step => (step === 1 ? Number.NaN : 0));
    let after: Weights | undefined;
    const records: Metrics[] = [];
    const copies: Weights[] = [];
    one.afterStep = async () => {
      copies.push(await one.parameters.values());
    };
    await train(
      one,
      { ...loop, steps: 3, warmup: 0, finalLr: 1 },
      {
        folder: spoilt,
        now: clock(),
        watcher: {
          onMessage: message => messages.push(message),
          onLog: record => records.push(record),
          onSave: async weights => {
            after = weights;
          },
        },
      },
    );
    expect(copies[1]).toEqual(copies[0]);
    expect(copies[2]).not.toEqual(copies[0]);
    // Two updates of a constant learning rate, with a skipped one between them, are two updates.
    expect(after).toEqual(clean.weights);
    expect(messages).toEqual(['step 2: the loss or its gradient is not finite; step skipped (1 in a row)']);
    expect(Number.isFinite(records[0].loss)).toBe(true);
  });

  test('ten in a row stop the run with a hint, nine do not', async () => {
    await selectBackend('cpu');
    const nine = quadratic(step => (step >= 2 && step < 11 ? Number.POSITIVE_INFINITY : 0));
    expect((await runTask(nine, { ...loop, steps: 13 }, temporary())).finished).toBe(true);

    const folder = temporary();
    const ten = quadratic(step => (step >= 2 ? Number.NaN : 0));
    const stopped = train(ten, { ...loop, steps: 40, saveEvery: 1 }, { folder, now: clock() });
    const error = await stopped.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toBe(
      'train: 10 steps in a row had a loss or gradient that is not finite, the last at step 12',
    );
    expect((error as UserError).hint).toContain('--lr');
    expect(await savedStep(folder)).toBe(11);
    for (const { values } of (await ten.parameters.values()).values()) expect(values.every(Number.isFinite)).toBe(true);
  });

  test('a gradient that is not finite under a finite loss is skipped too', async () => {
    await selectBackend('cpu');
    const parameters = new Parameters(new Random(1));
    const w = parameters.zeros('w', [2]);
    const messages: string[] = [];
    const one: Task = {
      parameters,
      unit: 'images',
      unitsPerStep: 1,
      batch: async () => () => ({ loss: tf.sum(tf.sqrt(w)), metrics: {} }), // the slope of a root at 0
      evaluate: async () => ({ loss: 1 }),
    };
    await train(
      one,
      { ...loop, steps: 1 },
      {
        folder: temporary(),
        now: clock(),
        watcher: { onMessage: message => messages.push(message) },
      },
    );
    expect(messages.length).toBe(1);
    expect([...(await w.data())]).toEqual([0, 0]);
  });
});

describe('what the watcher is told', () => {
  test('the best is offered when validation improves, and only then, with the averaged weights', async () => {
    await selectBackend('cpu');
    const losses = [5, 6, 4, 4, Number.NaN, 3];
    const one = quadratic(undefined, i => losses[i]);
    const offered: number[] = [];
    let last: Weights | undefined;
    let saved: Weights | undefined;
    const { best } = await train(
      one,
      { ...loop, steps: 6, evalEvery: 1 },
      {
        folder: temporary(),
        now: clock(),
        watcher: {
          onBest: async (weights, metrics) => {
            offered.push(metrics.step);
            last = weights;
          },
          onSave: async (_, average) => {
            saved = average;
          },
        },
      },
    );
    expect(offered).toEqual([1, 3, 6]);
    expect(best).toBe(3);
    expect(last).toEqual(saved);
  });

  test('without held-out data nothing is evaluated, logged as validation or called the best', async () => {
    await selectBackend('cpu');
    const [records, offered, seen]: [Metrics[], number[], number[]] = [[], [], []];
    const one = quadratic(undefined, () => {
      throw new Error('evaluated');
    });
    const result = await train(
      one,
      { ...loop, steps: 4, evalEvery: 1, sampleEvery: 2, plateau: 1 },
      {
        folder: temporary(),
        now: clock(),
        validates: false,
        watcher: {
          onLog: record => records.push(record),
          onSample: async step => void seen.push(step),
          onBest: async (_, { step }) => void offered.push(step),
        },
      },
    );
    expect(result).toMatchObject({ step: 4, finished: true, best: Number.POSITIVE_INFINITY });
    expect(records.flatMap(record => Object.keys(record)).filter(name => name.startsWith('val_'))).toEqual([]);
    expect([offered, seen]).toEqual([[], [2, 4]]);
  });

  test('evaluation and samples see the averaged weights, the next step the weights themselves', async () => {
    await selectBackend('cpu');
    const one = quadratic();
    const seen: Record<string, Float32Array> = {};
    const look = async () => Float32Array.from((await one.parameters.values()).get('w')?.values as Float32Array);
    const evaluate = one.evaluate;
    one.evaluate = async () => {
      seen.evaluate = await look();
      return evaluate();
    };
    let weights: Weights | undefined;
    let average: Weights | undefined;
    await train(
      one,
      { ...loop, steps: 3, evalEvery: 3, sampleEvery: 3 },
      {
        folder: temporary(),
        now: clock(),
        watcher: {
          onSample: async () => {
            seen.sample = await look();
          },
          onSave: async (...given) => {
            [weights, average] = given;
          },
        },
      },
    );
    expect(seen.evaluate).toEqual(average?.get('w')?.values);
    expect(seen.sample).toEqual(average?.get('w')?.values);
    expect(seen.sample).not.toEqual(weights?.get('w')?.values);
  });

  test('a record has the means since the last, the norm, the learning rate and the rate', async () => {
    await selectBackend('cpu');
    const records: Metrics[] = [];
    const losses: number[] = [];
    await train(
      quadratic(),
      { ...loop, steps: 6, logEvery: 3, evalEvery: 100, accumulate: 2 },
      {
        folder: temporary(),
        now: clock(),
        watcher: { onLog: record => records.push(record), onStep: ({ loss }) => losses.push(loss) },
      },
    );
    const [first, second] = records;
    expect(records.map(({ step }) => step)).toEqual([3, 6, 6]);
    expectAllclose([first.twice, second.twice], [2 * first.loss, 2 * second.loss], { relative: 1e-5 });
    expectAllclose([first.loss, second.loss], [losses[2], losses[5]], { relative: 1e-6 });
    expect(second.loss).toBeLessThan(first.loss);
    expect(Object.keys(first).sort()).toEqual(['imagesPerSecond', 'loss', 'lr', 'norm', 'seconds', 'step', 'twice']);
    expect(Object.keys(records[2])).toEqual(['step', 'val_loss']);
  });
});

onEveryBackend('fifty steps leave no tensors and no more memory in use', async () => {
  const before = tf.memory().numTensors;
  const config: ModelConfig = { ...configs.dalle, layers: 2, width: 8, mlpWidth: 8, dropout: 0.1, captionDrop: 0.1 };
  const one = task({ config, batchSize: 2 });
  const counts: number[] = [];
  const bytes: number[] = [];
  await train(
    one,
    { ...loop, steps: 50, evalEvery: 10, saveEvery: 25 },
    {
      folder: temporary(),
      now: clock(),
      watcher: {
        onStep: () => {
          counts.push(tf.memory().numTensors);
          bytes.push(activeNative()?.memoryPool.statistics().used ?? 0);
        },
      },
    },
  );
  expect(new Set(counts.slice(1)).size).toBe(1);
  expect(new Set(bytes.slice(1)).size).toBe(1);
  one.parameters.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

describe('the task of the transformer', () => {
  test('an epoch sees every item once, in another order than the next, whatever the batch', async () => {
    await selectBackend('cpu');
    const seen: number[] = [];
    const set = someCodes(7, 1, 1).set;
    // Item i has code i everywhere.
    const codes = Uint16Array.from({ length: 7 * 9 }, (_, i) => Math.floor(i / 9));
    const model = new Dalle(small, vocabulary);
    const watching = Object.create(model, {
      loss: {
        value: (batch: { codes: Int32Array }) => {
          for (let i = 0; i < batch.codes.length; i += 9) seen.push(batch.codes[i]);
          return { loss: tf.scalar(0), caption: tf.scalar(0), image: tf.scalar(0) };
        },
      },
    }) as Dalle;
    const one = new DalleTask(
      watching,
      encoder,
      {
        training: { set: { ...set, codes }, captions: captionWords.map(words => [words]) },
        heldOut: someCodes(1, 1, 1),
      },
      { batchSize: 4, accumulate: 2, bpeDropout: 0, seed: 1, imageSize: 24 },
    );
    for (let step = 0; step < 7; step++) {
      for (let part = 0; part < 2; part++) {
        const forward = await one.batch(step, part);
        tf.dispose(Object.values(forward(new Random(1))) as tf.Tensor[]);
      }
    }
    expect(seen.length).toBe(28);
    const epochs = [0, 7, 14, 21].map(from => seen.slice(from, from + 7));
    for (const epoch of epochs) expect([...epoch].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(new Set(epochs.map(String)).size).toBe(4);
    model.dispose();
  });

  onEveryBackend('validation is a mean over items whatever the batch, in nats and bits a dimension', async () => {
    const results: Metrics[] = [];
    for (const batchSize of [1, 2, 5]) {
      const one = task({ batchSize });
      one.parameters.load(randomWeights(new Dalle(small, vocabulary), 4), 'test');
      results.push(await one.evaluate());
    }
    for (const result of results) {
      expectAllclose([result.image], [results[0].image], { relative: 1e-5 });
      expectAllclose([result.perplexity], [Math.exp(result.image)], { relative: 1e-9 });
      expectAllclose([result.bits_per_dim], [(result.image * 9) / Math.log(2) / (24 * 24 * 3)], { relative: 1e-9 });
      expect(result.loss).toBe(result.image);
    }
  });
});
