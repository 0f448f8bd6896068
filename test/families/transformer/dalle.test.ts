/**
 * @file The whole model against a slow composition of tfjs's own operations (plain-dalle.ts): logits, losses, gradients and
 * one update of every parameter, for the default model and for the paper's choices, on every backend.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { presets } from '../../../src/config/presets.ts';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import { type ModelConfig, modelSchema } from '../../../src/families/transformer/config.ts';
import { Dalle, type SequenceBatch } from '../../../src/families/transformer/dalle.ts';
import { valueAndGradients } from '../../../src/kernels/autodiff.ts';
import { Optimizer } from '../../../src/training/optimizer.ts';
import { expectAllclose, onEveryBackend } from '../../support.ts';
import { type PlainResult, plainRun } from './plain-dalle.ts';
import { batchOf, configs, randomModel, randomWeights, vocabulary } from './tiny-model.ts';

const scalar = async (x: tf.Tensor) => (await x.data())[0];
const lossesOf = async (model: Dalle, batch: SequenceBatch, noise?: { random: Random }) => {
  const losses = tf.tidy(() => ({ ...model.loss(batch, noise) }));
  const result = {
    loss: await scalar(losses.loss),
    caption: await scalar(losses.caption),
    image: await scalar(losses.image),
  };
  tf.dispose([losses.loss, losses.caption, losses.image]);
  return result;
};

// Short, full (no pad at all), empty but counted, and left out.
const lengths = [3, 5, 0, 4];
const dropped = [0, 0, 0, 1];

const variants: readonly { readonly name: string; readonly config: ModelConfig }[] = [
  { name: 'the default choices', config: configs.modern },
  { name: 'coarse codes first', config: configs.interlaced },
  { name: 'coarse codes first, rotary positions alone', config: { ...configs.interlaced, positions: 'rope' } },
  { name: 'coarse codes first, learned positions alone', config: { ...configs.interlaced, positions: 'learned' } },
  { name: "the paper's choices", config: configs.dalle },
  { name: 'rotary positions alone, gelu', config: { ...configs.modern, positions: 'rope', mlp: 'gelu', mlpWidth: 24 } },
];

/** Largest magnitude. */
const peak = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => Math.max(a, Math.abs(b)), 0);

/** One Optimizer update in double precision, from moments m and v after `step` - 1 updates. */
function plainUpdate(
  w: ArrayLike<number>,
  g: ArrayLike<number>,
  m: ArrayLike<number>,
  v: ArrayLike<number>,
  {
    lr,
    beta1,
    beta2,
    decay,
    clipScale,
    step,
  }: Record<'lr' | 'beta1' | 'beta2' | 'decay' | 'clipScale' | 'step', number>,
): number[] {
  return Array.from(w, (value, i) => {
    const scaled = g[i] * clipScale;
    const mean = (beta1 * m[i] + (1 - beta1) * scaled) / (1 - beta1 ** step);
    const square = (beta2 * v[i] + (1 - beta2) * scaled * scaled) / (1 - beta2 ** step);
    return value - lr * (mean / (Math.sqrt(square) + 1e-8) + decay * value);
  });
}

for (const { name, config } of variants) {
  const batch = batchOf(lengths, config, { dropped });
  const reference = async (zLoss: number): Promise<PlainResult> => {
    await selectBackend('cpu');
    const probe = new Dalle(config, vocabulary);
    const weights = randomWeights(probe, 1);
    probe.dispose();
    return plainRun(weights, config, vocabulary, batch, zLoss);
  };
  const known = new Map<number, Promise<PlainResult>>();
  const expected = (zLoss: number) => {
    if (!known.has(zLoss)) known.set(zLoss, reference(zLoss));
    return known.get(zLoss) as Promise<PlainResult>;
  };

  describe(name, () => {
    onEveryBackend('losses and logits equal the plain model', async backend => {
      const plain = await expected(0);
      await selectBackend(backend as 'cpu', { precision: 'fp32' });
      const model = randomModel(config);
      const found = await lossesOf(model, batch);
      expectAllclose([found.loss, found.caption, found.image], [plain.loss, plain.caption, plain.image], {
        relative: 2e-6,
      });
      const captions = tf.tensor2d(batch.captions, [lengths.length, config.captionLength], 'int32');
      const codes = tf.tensor2d(batch.codes, [lengths.length, model.codes], 'int32');
      const logits = model.logits(captions, codes);
      expect(logits.shape).toEqual([lengths.length, 9, vocabulary.image]);
      expectAllclose(await logits.data(), plain.imageLogits, { relative: 1e-4, absolute: 2e-5 });
      tf.dispose([captions, codes, logits]);
      model.dispose();
    });

    onEveryBackend('one training step equals the plain model and a plain Optimizer', async backend => {
      const plain = await expected(config.zLoss);
      await selectBackend(backend as 'cpu', { precision: 'fp32' });
      const model = randomModel(config);
      const before = await model.parameters.values();
      const parameters = model.parameters.list();
      const { loss, gradients } = valueAndGradients(
        () => ({ loss: model.loss(batch, { random: new Random(1) }).loss }),
        parameters.map(({ variable }) => variable as tf.Tensor),
      );
      expectAllclose([await scalar(loss)], [plain.loss], { relative: 2e-6 });
      loss.dispose();
      for (const [i, { name: parameter }] of parameters.entries()) {
        const wanted = plain.gradients.get(parameter) as Float32Array;
        const got = gradients[i];
        if (got === null) throw new Error(`${parameter} has no gradient`);
        if (peak(wanted) === 0) throw new Error(`${parameter} has a zero gradient: the test would prove nothing`);
        expectAllclose(await got.data(), wanted, { relative: 1e-4, absolute: 1e-5 * peak(wanted) });
      }

      // The seventh update, from moments of the gradients' own size, so that no small gradient is blown up to a sign.
      const clip = 0.5;
      const decayed = 0.1;
      const [lr, beta1, beta2, step] = [0.03, 0.9, 0.95, 7];
      const optimizer = new Optimizer(parameters, { beta1, beta2, weightDecay: decayed, clip, ema: 0.8 });
      const state = await optimizer.state();
      for (const [key, { shape, values }] of state) {
        if (key.startsWith('ema.')) continue;
        const wanted = plain.gradients.get(key.slice(2)) as Float32Array;
        const draws = new Random(3).fork(key).normals(values.length, peak(wanted));
        state.set(key, {
          shape,
          values: key.startsWith('v.') ? draws.map(x => x * x + peak(wanted) ** 2) : draws,
        });
      }
      optimizer.load(state, { updates: step - 1 }, 'test');
      const norm = await optimizer.step(gradients, lr);
      const plainNorm = Math.sqrt(
        [...plain.gradients.values()].reduce((sum, g) => sum + g.reduce((s, x) => s + x * x, 0), 0),
      );
      expectAllclose([norm], [plainNorm], { relative: 1e-5 });
      expect(plainNorm).toBeGreaterThan(clip); // so that clipping is part of what is compared

      const after = await model.parameters.values();
      const average = await optimizer.average();
      for (const { name: parameter, decay } of parameters) {
        const w = before.get(parameter)?.values as Float32Array;
        const wanted = plainUpdate(
          w,
          plain.gradients.get(parameter) as Float32Array,
          state.get(`m.${parameter}`)?.values as Float32Array,
          state.get(`v.${parameter}`)?.values as Float32Array,
          { lr, beta1, beta2, decay: decay ? decayed : 0, clipScale: clip / plainNorm, step },
        );
        const moved = wanted.map((x, i) => x - w[i]);
        expect(peak(moved)).toBeGreaterThan(1e-4);
        expectAllclose(after.get(parameter)?.values as Float32Array, wanted, { relative: 1e-6, absolute: 1e-6 });
        const emaDecay = Math.min(0.8, (1 + step) / (10 + step));
        const averaged = wanted.map((x, i) => emaDecay * w[i] + (1 - emaDecay) * x);
        expectAllclose(average.get(parameter)?.values as Float32Array, averaged, { relative: 1e-6, absolute: 1e-6 });
      }
      optimizer.dispose();
      model.dispose();
    });
  });
}

describe('the loss', () => {
  onEveryBackend('is 1/8 caption and 7/8 image, each a mean over its own tokens', async () => {
    const config = configs.dalle;
    expect(config.captionWeight).toBe(1 / 8);
    const model = randomModel(config);
    const found = await lossesOf(model, batchOf([3, 5, 1], config));
    expectAllclose([found.loss], [found.caption / 8 + (7 * found.image) / 8], { relative: 1e-6 });

    // A mean over tokens: over a batch of two captions with 2 and 6 - 1 targets it weighs them so.
    const one = await lossesOf(model, batchOf([1], config, { seed: 8 }));
    const other = await lossesOf(model, batchOf([5], config, { seed: 9 }));
    const [a, b] = [batchOf([1], config, { seed: 8 }), batchOf([5], config, { seed: 9 })];
    const both = await lossesOf(model, {
      captions: Int32Array.from([...a.captions, ...b.captions]),
      codes: Int32Array.from([...a.codes, ...b.codes]),
    });
    expectAllclose([both.caption], [(2 * one.caption + 5 * other.caption) / 7], { relative: 1e-5 });
    expectAllclose([both.image], [(one.image + other.image) / 2], { relative: 1e-5 });
    model.dispose();
  });

  onEveryBackend('starts at ln(vocabulary) for both kinds, whatever the seed', async () => {
    for (const [config, seed] of [
      [configs.modern, 1],
      [configs.dalle, 2],
    ] as const) {
      const model = new Dalle(config, vocabulary, new Random(seed));
      const { caption, image } = await lossesOf(model, batchOf([3, 5], config));
      expectAllclose([caption, image], [Math.log(11 + 5), Math.log(13)], { relative: 3e-7 });
      model.dispose();
    }
  });

  onEveryBackend('counts caption targets up to the first pad, and none of left-out captions', async () => {
    const config = configs.modern;
    const model = randomModel(config);
    const batch = batchOf([2, 4], config);
    const L = config.captionLength;
    const whole = await lossesOf(model, batch);
    // Positions after the first pad predict nothing: with the causal mask, changing the last pad's target changes no term.
    const changed = Int32Array.from(batch.captions);
    changed[L - 1] = vocabulary.caption; // caption 0 has 2 ids: its first pad is at 2, this is at 4
    const later = await lossesOf(model, { ...batch, captions: changed });
    expectAllclose([later.caption], [whole.caption], { relative: 1e-7 });
    changed.set(batch.captions);
    changed[2] = vocabulary.caption + 3; // the first pad itself is a target
    const first = await lossesOf(model, { ...batch, captions: changed });
    expect(Math.abs(first.caption - whole.caption)).toBeGreaterThan(1e-3);

    const alone = await lossesOf(model, {
      captions: batch.captions.slice(0, L),
      codes: batch.codes.slice(0, model.codes),
    });
    const withDropped = {
      captions: Int32Array.from([...batch.captions.slice(0, L), ...model.emptyCaption()]),
      codes: batch.codes,
      dropped: Uint8Array.from([0, 1]),
    };
    expectAllclose([(await lossesOf(model, withDropped)).caption], [alone.caption], { relative: 1e-6 });
    const none = await lossesOf(model, { ...withDropped, dropped: Uint8Array.from([1, 1]) });
    expect(none.caption).toBe(0);
    expect(none.image).toBeGreaterThan(0);
    model.dispose();
  });

  onEveryBackend('has z-loss in training only', async () => {
    const model = randomModel({ ...configs.modern, zLoss: 0.1 });
    const without = randomModel({ ...configs.modern, zLoss: 0 });
    const batch = batchOf([2, 4], configs.modern);
    const noise = () => ({ random: new Random(1) });
    expect((await lossesOf(model, batch)).loss).toBe((await lossesOf(without, batch)).loss);
    expect((await lossesOf(without, batch, noise())).loss).toBe((await lossesOf(without, batch)).loss);
    expect((await lossesOf(model, batch, noise())).loss).toBeGreaterThan((await lossesOf(model, batch)).loss + 0.01);
    model.dispose();
    without.dispose();
  });

  onEveryBackend('has dropout in training only, drawn from the given stream alone', async () => {
    const model = randomModel({ ...configs.modern, dropout: 0.3 });
    const batch = batchOf([2, 4], configs.modern);
    const at = async (seed: number) => (await lossesOf(model, batch, { random: new Random(seed) })).image;
    expect(await at(1)).toBe(await at(1));
    expect(await at(1)).not.toBe(await at(2));
    expect(await at(1)).not.toBe((await lossesOf(model, batch)).image);
    model.dispose();
  });
});

describe('the sequence', () => {
  onEveryBackend('a code depends on its caption and the codes before it, and on nothing after', async () => {
    for (const config of [configs.modern, configs.dalle]) {
      const model = randomModel(config);
      const batch = batchOf([4], config);
      const logitsOf = async (captions: Int32Array, codes: Int32Array) => {
        const inputs = [
          tf.tensor2d(captions, [1, config.captionLength], 'int32'),
          tf.tensor2d(codes, [1, model.codes], 'int32'),
        ];
        const logits = model.logits(inputs[0], inputs[1]);
        const values = Float32Array.from(await logits.data());
        tf.dispose([inputs, logits]);
        return values;
      };
      const K = vocabulary.image;
      const base = await logitsOf(batch.captions, batch.codes);
      const differs = (other: Float32Array, code: number) =>
        peak(base.slice(code * K, code * K + K).map((x, i) => x - other[code * K + i])) > 1e-4;
      for (const changed of [0, 4, 8]) {
        const codes = Int32Array.from(batch.codes);
        codes[changed] = (codes[changed] + 1) % K;
        const other = await logitsOf(batch.captions, codes);
        for (let code = 0; code < model.codes; code++) {
          if (code <= changed) expect(`${code} ${differs(other, code)}`).toBe(`${code} false`);
          if (code === changed + 1) expect(differs(other, code)).toBe(true);
        }
      }
      const captions = Int32Array.from(batch.captions);
      captions[1] = (captions[1] + 1) % vocabulary.caption;
      const other = await logitsOf(captions, batch.codes);
      for (let code = 0; code < model.codes; code++) expect(differs(other, code)).toBe(true);
      model.dispose();
    }
  });

  test('the start of training and the names of the parameters', async () => {
    await selectBackend('cpu');
    const model = new Dalle(configs.modern, vocabulary);
    expect(model.length).toBe(5 + 9);
    expect(model.codes).toBe(9);
    expect([...model.emptyCaption()]).toEqual([11, 12, 13, 14, 15]);
    const names = model.parameters.list().map(({ name }) => name);
    expect(names).toContain('layers.0.attention.qkv.weight');
    expect(names).toContain('layers.2.mlp.down.weight');
    expect(names).toContain('image_head.weight');
    expect(new Set(names).size).toBe(names.length);
    const decayed = model.parameters.list().filter(({ decay }) => decay);
    expect(decayed.every(({ name }) => name.startsWith('layers.') || name.endsWith('_head.weight'))).toBe(true);
    expect(decayed.some(({ name }) => name.includes('norm'))).toBe(false);
    // The residual branches start small: 1 / sqrt(2 layers) of a plain layer's deviation (Radford et al. 2019).
    const output = (await model.parameters.values()).get('layers.1.attention.output.weight')?.values as Float32Array;
    const deviation = Math.sqrt(output.reduce((sum, x) => sum + x * x, 0) / output.length);
    expectAllclose([deviation], [1 / Math.sqrt(2 * 3 * 16)], { relative: 0.2 });
    model.dispose();
  });

  test('the number of floating-point operations of a step is that of its matrix products', async () => {
    await selectBackend('cpu');
    const config = modelSchema.parse({ ...configs.modern, width: 32, layers: 2, mlpWidth: 96 });
    const model = new Dalle(config, vocabulary);
    const T = model.length;
    const layer = 32 * 96 + 32 * 32 + 32 * 192 + 96 * 32; // qkv, output, up (two gates), down
    const heads = 5 * 32 * (11 + 5) + 9 * 32 * 13;
    const attention = 2 * (T * T * 32); // scores and mixture, half of each causal
    const forward = 2 * (2 * layer * T + heads) + 2 * attention;
    expect(model.flopsPerSequence()).toBe(3 * forward); // the backward pass is twice the forward
    model.dispose();
  });

  test('the narrowest model there can be has feed-forward layers', async () => {
    await selectBackend('cpu');
    const model = new Dalle(modelSchema.parse({ width: 4, heads: 1, layers: 1, captionLength: 2 }), vocabulary);
    for (const { variable } of model.parameters.list()) expect(variable.size).toBeGreaterThan(0);
    model.dispose();
  });

  test('the paper preset has its choices', () => {
    expect(presets.dalle.model).toMatchObject({ attention: 'dalle', positions: 'learned', zLoss: 0 });
    expect(configs.dalle.attention).toBe('dalle');
  });

  onEveryBackend('leaves no tensors behind', async () => {
    const batch = batchOf([2, 4], configs.dalle);
    const before = tf.memory().numTensors;
    const model = new Dalle(configs.dalle, vocabulary);
    const rotary = new Dalle(configs.modern, vocabulary);
    await lossesOf(model, batch, { random: new Random(1) });
    await lossesOf(rotary, batch);
    model.dispose();
    rotary.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
