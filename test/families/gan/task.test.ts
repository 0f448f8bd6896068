/**
 * @file Both players' losses against formulas and differences, look-aheads against weights moved by hand, and games that
 * are stopped and resumed against games that never stopped.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test } from 'vitest';
import { UserError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import { registerAddon } from '../../../src/device/native/load.ts';
import { type GanConfig, type GanLoss, ganLosses } from '../../../src/families/gan/config.ts';
import { Gan, type GanKind } from '../../../src/families/gan/gan.ts';
import { GanTask } from '../../../src/families/gan/task.ts';
import { Images } from '../../../src/image/images.ts';
import { valueAndGradients } from '../../../src/kernels/autodiff.ts';
import { train } from '../../../src/training/loop.ts';
import type { Metrics } from '../../../src/training/measured.ts';
import type { LoopConfig, Weights } from '../../../src/training/task.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../../support.ts';
import { kinds, textDim, tinyConfig, tinyGan } from './tiny-gan.ts';

const missing = registerAddon();
const [B, S, SEED] = [4, 8, 11];

/** A batch that depends on how many there have been; `fixed` gives the first one always. */
function streamOf(fixed = false) {
  let next = 0;
  return {
    next: async () => {
      const random = new Random(6).fork('batch', fixed ? 0 : next++);
      const bytes = Uint8Array.from({ length: B * S * S * 3 }, () => random.integer(256));
      return { images: new Images(bytes, { width: S, height: S }), text: random.normals(B * textDim) };
    },
    state: () => next,
    restore: (state: unknown) => {
      next = state as number;
    },
  };
}

function taskOf(gan: Gan, fixed = true): GanTask {
  return new GanTask(gan, streamOf(fixed), { batchSize: B, steps: 6, seed: SEED });
}

/** A player's loss and metrics in the first step, as numbers. */
async function lossesAt(task: GanTask, name: 'D' | 'G'): Promise<Record<string, number>> {
  const [D, G] = task.players;
  const forward = await D.batch(0, 0);
  const other = name === 'G' ? await G.batch(0, 0) : undefined;
  if (name === 'G') G.before?.();
  const scalars = tf.tidy(() => {
    const fromD = forward(new Random(0), new Random(0));
    const { loss, metrics } = other?.(new Random(0), new Random(0)) ?? fromD;
    return { loss, ...metrics } as Record<string, tf.Tensor>;
  });
  if (name === 'G') G.after?.();
  const values: Record<string, number> = {};
  for (const [key, tensor] of Object.entries(scalars)) [values[key]] = await tensor.data();
  tf.dispose(scalars);
  return values;
}

const softplus = (x: number) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(0, x);
const formulas: Readonly<
  Record<GanLoss, { D: (a: number, b: number) => number; G: (b: number, a: number) => number }>
> = {
  minimax: { D: (a, b) => softplus(-a) + softplus(b), G: b => -softplus(b) },
  nonsaturating: { D: (a, b) => softplus(-a) + softplus(b), G: b => softplus(-b) },
  hinge: { D: (a, b) => Math.max(0, 1 - a) + Math.max(0, 1 + b), G: b => -b },
  relativistic: { D: (a, b) => softplus(b - a), G: (b, a) => softplus(a - b) },
};

const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;

/** Logits of real images and of the images that a player's noise makes, by the public methods. */
async function logits(gan: Gan, name: 'D' | 'G'): Promise<{ readonly real: number[]; readonly fake: number[] }> {
  const { images, text } = await streamOf().next();
  const z = new Random(SEED)
    .fork(`${name}/0`, 0)
    .fork('noise')
    .normals(B * gan.config.latent);
  const [a, b] = tf.tidy(() => {
    const c = tf.tensor(text, [B, textDim]);
    const real = tf.tensor(
      Float32Array.from(images.bytes, x => x / 127.5 - 1),
      [B, S, S, 3],
    );
    return [gan.discriminate(real, c), gan.discriminate(gan.generate(tf.tensor(z, [B, gan.config.latent]), c), c)];
  });
  return { real: Array.from(await a.data()), fake: Array.from(await b.data()) };
}

const plain: Partial<GanConfig> = { augment: [], mismatch: 0, captionDrop: 0 };
const everything: Partial<GanConfig> = {
  r1: 0.7,
  r2: 0.4,
  gammaEnd: 0.1,
  burnIn: 0.5,
  mismatch: 0.5,
  captionDrop: 0.3,
};

onEveryBackend('the losses of both players are those of their logits', async () => {
  for (const loss of ganLosses) {
    const gan = tinyGan('r3gan', { ...plain, loss });
    const task = taskOf(gan);
    const seen = await logits(gan, 'D');
    const D = await lossesAt(task, 'D');
    const expected = mean(seen.real.map((a, i) => formulas[loss].D(a, seen.fake[i])));
    expectAllclose([D.loss, D.real, D.fake], [expected, mean(seen.real), mean(seen.fake)], { absolute: 1e-5 });
    const right =
      loss === 'relativistic'
        ? mean(seen.real.map((a, i) => Number(a > seen.fake[i])))
        : (mean(seen.real.map(a => Number(a > 0))) + mean(seen.fake.map(b => Number(b < 0)))) / 2;
    expectAllclose([D.accuracy], [right]);
    const answered = await logits(gan, 'G');
    const G = await lossesAt(task, 'G');
    expectAllclose([G.loss], [mean(answered.fake.map((b, i) => formulas[loss].G(b, seen.real[i])))], {
      absolute: 1e-5,
    });
    task.dispose();
    gan.dispose();
  }
});

test.skipIf(missing !== undefined)(
  'gradients of both players are the differences of their losses, with everything on',
  async () => {
    await selectBackend('native', { precision: 'fp32' });
    const STEP = 5e-4;
    for (const [kind, loss] of [
      ['dcgan', 'nonsaturating'],
      ['r3gan', 'relativistic'],
    ] as const) {
      const gan = tinyGan(kind, { ...everything, loss });
      const task = taskOf(gan);
      for (const player of task.players) {
        const name = player.name as 'D' | 'G';
        const forward = await (async () => {
          const fromD = await task.players[0].batch(0, 0);
          if (name === 'D') return fromD;
          tf.tidy(() => tf.dispose(fromD(new Random(0), new Random(0)).loss));
          return player.batch(0, 0);
        })();
        const variables = player.parameters.map(({ variable }) => variable as tf.Tensor);
        const { gradients } = valueAndGradients(
          () => ({ loss: forward(new Random(0), new Random(0)).loss }),
          variables,
        );
        let compared = 0;
        for (const [i, { variable, name: parameter }] of player.parameters.entries()) {
          if (!/weight|basis/.test(parameter)) continue;
          const gradient = Array.from((await gradients[i]?.data()) ?? []);
          const at = gradient.reduce((best, g, j) => (Math.abs(g) > Math.abs(gradient[best]) ? j : best), 0);
          const kept = (await variable.data()).slice();
          const lossAt = async (step: number) => {
            variable.assign(
              tf.tensor(
                kept.map((w, j) => (j === at ? w + step : w)),
                variable.shape,
              ),
            );
            return (await lossesAt(task, name)).loss;
          };
          const [before, here, after] = [await lossAt(-STEP), await lossAt(0), await lossAt(STEP)];
          variable.assign(tf.tensor(kept, variable.shape));
          const sides = [(here - before) / STEP, (after - here) / STEP];
          // Penalties jump where a unit of leaky ReLU turns over.
          if (Math.abs(sides[0] - sides[1]) > 0.05 * Math.abs(gradient[at])) continue;
          compared++;
          expectAllclose([gradient[at]], [(sides[0] + sides[1]) / 2], { relative: 3e-2, absolute: 3e-3 });
        }
        expect(compared).toBeGreaterThanOrEqual(2);
      }
      task.dispose();
      gan.dispose();
    }
  },
);

test('penalties count in full at first and less after the burn-in', () => {
  const gan = tinyGan('r3gan', everything);
  const task = new GanTask(gan, streamOf(), { batchSize: B, steps: 40, seed: SEED });
  expect(task.gammas(0)).toEqual({ r1: 0.7, r2: 0.4 });
  expectAllclose(Object.values(task.gammas(10)), [0.7 * 0.55, 0.4 * 0.55]);
  expectAllclose(Object.values(task.gammas(20)), [0.07, 0.04]);
  expectAllclose(Object.values(task.gammas(39)), [0.07, 0.04]);
});

describe('prediction', () => {
  /** Moves a player's weights as an update would; returns how to move them as far again, or back. */
  const shift = (gan: Gan, player: 'generator' | 'discriminator', factor: number) => {
    for (const { name, variable } of gan.parametersOf(player)) {
      const by = new Random(3).fork(name).normals(variable.size, 0.1 * factor);
      variable.assign(tf.add(variable as tf.Tensor, tf.tensor(by, variable.shape)));
    }
  };

  onEveryBackend(
    'D sees the images of a generator that has moved as far again, which then stands where it stood',
    async () => {
      const gan = tinyGan('r3gan', { ...plain, predict: 'G' });
      const task = taskOf(gan);
      const first = await lossesAt(task, 'D');
      expectAllclose([first.fake], [mean((await logits(gan, 'D')).fake)], { absolute: 1e-5 });
      shift(gan, 'generator', 1);
      task.players[1].updated?.();
      const seen = await lossesAt(task, 'D');
      const here = mean((await logits(gan, 'D')).fake);
      shift(gan, 'generator', 1);
      const ahead = mean((await logits(gan, 'D')).fake);
      expectAllclose([seen.fake], [ahead], { absolute: 1e-5 });
      expect(Math.abs(ahead - here)).toBeGreaterThan(1e-3);
      task.dispose();
    },
  );

  onEveryBackend('with both sides, G answers a discriminator that has moved as far again', async () => {
    const gan = tinyGan('r3gan', { ...plain, loss: 'relativistic', predict: 'both' });
    const task = taskOf(gan);
    shift(gan, 'discriminator', 1);
    task.players[0].updated?.();
    const G = await lossesAt(task, 'G');
    shift(gan, 'discriminator', 1);
    const [ahead, real] = [await logits(gan, 'G'), (await logits(gan, 'D')).real];
    expectAllclose([G.loss], [mean(ahead.fake.map((b, i) => softplus(real[i] - b)))], { absolute: 1e-5 });
    task.dispose();
  });
});

describe('painting', () => {
  onEveryBackend('an image depends on its own noise and caption alone', async () => {
    for (const kind of kinds) {
      const gan = tinyGan(kind);
      const [z, text] = [normal([3, 4], 1), normal([3, textDim], 2)];
      const together = await gan.generate(z, text).data();
      for (let i = 0; i < 3; i++) {
        const alone = gan.generate(tf.slice(z, [i, 0], [1, 4]), tf.slice(text, [i, 0], [1, textDim]));
        expect(alone.shape).toEqual([1, S, S, 3]);
        const size = S * S * 3;
        expectAllclose(await alone.data(), together.slice(i * size, (i + 1) * size), { relative: 1e-5 });
      }
      gan.dispose();
    }
  });

  test.skipIf(missing !== undefined)(
    'on the native backend an image has the same bits however many are painted with it',
    async () => {
      for (const precision of (await useNative()).precisions) {
        await selectBackend('native', { precision });
        for (const kind of kinds) {
          const size = 32;
          const gan = tinyGan(kind, { latent: 16, width: 16 }, size);
          const [z, text] = [normal([32, 16], 1), normal([32, textDim], 2)];
          const all = await gan.generate(z, text).data();
          for (const n of [1, 2, 7, 17]) {
            const some = await gan.generate(tf.slice(z, [0, 0], [n, 16]), tf.slice(text, [0, 0], [n, textDim])).data();
            expect([...some], `${kind} ${precision} ${n}`).toEqual([...all.slice(0, n * size * size * 3)]);
          }
          gan.dispose();
        }
      }
    },
  );

  test('sizes that cannot be halved down to 4 are refused', () => {
    const make = () => new Gan(tinyConfig(), { imageSize: 24, textDim }, new Random(1), 'dcgan');
    expect(make).toThrow(UserError);
    expect(make).toThrow(/expected an image size of 8, 16, .*, got 24/);
  });

  test('operations are counted from the shapes', () => {
    // 8 x 8 with 4 channels at the finest grid. Noise and caption 4 + 4, features 128.
    const dcgan = tinyGan('dcgan');
    const text = { generator: textDim * 4, discriminator: 128 * (textDim + 1) };
    expect(dcgan.flopsOf('generator')).toBe(2 * (8 * 16 * 4 + 16 * 16 * 4 * 3 + text.generator));
    expect(dcgan.flopsOf('discriminator')).toBe(2 * (16 * 16 * 3 * 4 + 16 * 4 * 128 + text.discriminator));
    const r3gan = tinyGan('r3gan');
    const blocks = 64 * (4 + 9 + 4) + 16 * (16 + 36 + 16); // widths 4 and 8, inner widths 1 and 2
    const shared = blocks + 16 * 4 * 8 + 64 * 4 * 3 + 16 * 8;
    expect(r3gan.flopsOf('generator')).toBe(2 * (8 * 8 + shared + text.generator));
    expect(r3gan.flopsOf('discriminator')).toBe(2 * (shared + 8 * 128 + text.discriminator));
    const [D, G] = [r3gan.flopsOf('discriminator'), r3gan.flopsOf('generator')];
    expect(r3gan.trainingFlops()).toBe(8 * D + 4 * G);
    expect(tinyGan('r3gan', { loss: 'relativistic', r1: 1, r2: 1 }).trainingFlops()).toBe(19 * D + 4 * G);
  });
});

describe('playing', () => {
  const folders: string[] = [];
  const temporary = () => {
    const folder = mkdtempSync(join(tmpdir(), 'gan-'));
    folders.push(folder);
    return folder;
  };
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  const loop: LoopConfig = {
    steps: 6,
    accumulate: 1,
    lr: 5e-3,
    warmup: 0,
    finalLr: 1,
    beta1: 0.5,
    beta2: 0.9,
    weightDecay: 0,
    clip: 1e9,
    ema: 0.8,
    evalEvery: 100,
    sampleEvery: 100,
    saveEvery: 100,
    logEvery: 1,
    seed: 3,
  };

  interface Outcome {
    readonly weights: Weights;
    readonly average: Weights;
    readonly records: readonly Metrics[];
  }

  async function run(kind: GanKind, config: Partial<GanConfig>, folder: string, stopAfter = 100): Promise<Outcome> {
    const gan = tinyGan(kind, config);
    const task = taskOf(gan, false);
    const controller = new AbortController();
    const records: Metrics[] = [];
    let saved: { weights: Weights; average: Weights } | undefined;
    await train(task, loop, {
      folder,
      signal: controller.signal,
      now: () => 0,
      watcher: {
        onStep: ({ step }) => {
          if (step >= stopAfter) controller.abort();
        },
        onLog: record => {
          records.push(record);
        },
        onSave: async (weights, average) => {
          saved = { weights, average };
        },
      },
    });
    task.dispose();
    gan.dispose();
    if (saved === undefined) throw new Error('nothing was saved');
    return { ...saved, records };
  }

  test
    .skipIf(missing !== undefined)
    .each(kinds.flatMap(kind => (['none', 'G', 'both'] as const).map(predict => ({ kind, predict }))))(
    `a game of $kind with prediction $predict that is stopped and resumed ends as one that never stopped${missing === undefined ? '' : ` (skipped: ${missing})`}`,
    async ({ kind, predict }) => {
      await selectBackend('native', { precision: 'auto' });
      const config = { ...everything, predict, loss: kind === 'dcgan' ? 'minimax' : 'relativistic' } as const;
      const straight = await run(kind, config, temporary());
      const folder = temporary();
      const first = await run(kind, config, folder, 3);
      const second = await run(kind, config, folder);
      expect(second.weights).toEqual(straight.weights);
      expect(second.average).toEqual(straight.average);
      const games = [...first.records, ...second.records].filter(record => 'D_loss' in record);
      expect(games).toEqual(straight.records.filter(record => 'D_loss' in record));
      expect(Object.keys(games[0])).toEqual(
        expect.arrayContaining([
          'D_loss',
          'D_real',
          'D_accuracy',
          'D_mismatch',
          'D_r1',
          'D_r2',
          'D_norm',
          'G_loss',
          'flops',
        ]),
      );
      expect(first.weights).not.toEqual(straight.weights);
    },
  );

  test.skipIf(missing !== undefined)('who predicts plays another game', async () => {
    await selectBackend('native', { precision: 'fp32' });
    const ends = await Promise.all(
      (['none', 'G', 'both'] as const).map(predict => run('r3gan', { ...everything, predict }, temporary(), 3)),
    );
    expect(ends[1].weights).not.toEqual(ends[0].weights);
    expect(ends[2].weights).not.toEqual(ends[1].weights);
  });

  test.skipIf(missing !== undefined)(
    'the averaged generator has averages of the running statistics, D none',
    async () => {
      await selectBackend('native', { precision: 'fp32' });
      const { weights, average } = await run('dcgan', everything, temporary());
      const name = 'generator.stages.0.norm.mean';
      const [now, averaged] = [weights.get(name)?.values, average.get(name)?.values];
      expect(now).not.toEqual(averaged);
      const initial = (await tinyGan('dcgan').parameters.values()).get(name)?.values;
      expect(averaged).not.toEqual(initial);
      expect(average.get('discriminator.out.weight')).toEqual(weights.get('discriminator.out.weight'));
    },
  );

  test.skipIf(missing !== undefined)('a game leaves nothing in memory from step to step', async () => {
    await selectBackend('native', { precision: 'fp32' });
    const gan = tinyGan('dcgan', { ...everything, predict: 'both' });
    const task = taskOf(gan, false);
    const counts: number[] = [];
    await train(task, loop, {
      folder: temporary(),
      now: () => 0,
      watcher: { onStep: () => counts.push(tf.memory().numTensors) },
    });
    expect(counts[5]).toBe(counts[2]);
  });
});
