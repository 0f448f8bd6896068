/** @file The quantizers against the formulas of their papers, naive searches and numerical integrals. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { patchTrainSchema } from '../../src/config/patch.ts';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { klToUniform } from '../../src/kernels/categorical/categorical.ts';
import { Parameters } from '../../src/nn/module.ts';
import {
  cosine,
  DvaeQuantizer,
  klWeightAt,
  logitLaplaceLoss,
  mapPixels,
  reconstructDvae,
  temperatureAt,
  unmapPixels,
} from '../../tokenizer/quantizers/dvae.ts';
import { FsqQuantizer } from '../../tokenizer/quantizers/fsq.ts';
import { kMeans } from '../../tokenizer/quantizers/kmeans.ts';
import type { TrainingMoment } from '../../tokenizer/quantizers/quantizer.ts';
import { VqQuantizer } from '../../tokenizer/quantizers/vq.ts';
import { expectAllclose, finiteDifferences, normal, noWebgpu } from '../support.ts';

beforeAll(async () => {
  await selectBackend('cpu');
});

const config = patchTrainSchema.parse({});
const moment = (progress = 0, seed = 1): TrainingMoment => ({ progress, random: new Random(seed), config });
const product = (numbers: readonly number[]) => numbers.reduce((a, b) => a * b, 1);

/** One channel as in the paper's appendix A.1: the level chosen, an integer around 0, before rounding. */
function boundOf(z: number, L: number): number {
  const half = ((L - 1) * (1 - 1e-3)) / 2;
  const offset = L % 2 === 1 ? 0 : 0.5;
  return Math.tanh(z + Math.tan(offset / half)) * half - offset;
}

/** Digits of a code, lowest first. */
function digitsOf(code: number, levels: readonly number[]): number[] {
  return levels.map((L, i) => Math.floor(code / product(levels.slice(0, i))) % L);
}

describe('fsq', () => {
  const everyLevels = [[8, 5, 5, 5], [7, 5, 5, 5, 5], [8, 8, 8, 6, 5], [2], [3, 2, 4]];

  test.each(everyLevels.map(levels => ({ levels })))(
    '$levels: codes and vectors are a bijection',
    async ({ levels }) => {
      const fsq = new FsqQuantizer(levels);
      const K = product(levels);
      expect(fsq.codebookSize).toBe(K);
      const all = Int32Array.from({ length: K }, (_, i) => i);
      const codes = tf.tensor(all, [1, 1, K], 'int32');
      const vectors = fsq.decode(codes);
      expect(vectors.shape).toEqual([1, 1, K, levels.length]);
      const wanted = [...all].flatMap(code =>
        digitsOf(code, levels).map((digit, i) => (digit - Math.floor(levels[i] / 2)) / Math.floor(levels[i] / 2)),
      );
      expectAllclose(await vectors.data(), wanted, { absolute: 1e-6 });
      // Inputs that the bound takes to the very levels (to the outermost ones as near as float32 goes).
      const inputs = [...all].flatMap(code =>
        digitsOf(code, levels).map((digit, i) => {
          const half = ((levels[i] - 1) * (1 - 1e-3)) / 2;
          const offset = levels[i] % 2 === 1 ? 0 : 0.5;
          const share = (digit - Math.floor(levels[i] / 2) + offset) / half;
          return Math.atanh(Math.max(-0.9999, Math.min(0.9999, share))) - Math.tan(offset / half);
        }),
      );
      const encoded = tf.tensor(inputs, [1, 1, K, levels.length]);
      expect(await fsq.encode(encoded).data()).toEqual(all);
    },
  );

  test('rounds as the paper does, and its code decodes to what the decoder saw in training', async () => {
    const levels = [8, 5, 4, 3];
    const fsq = new FsqQuantizer(levels);
    const z = normal([2, 3, 5, 4], 3, 2);
    const values = await z.data();
    const { vectors, losses } = fsq.quantize(z);
    const wanted = [...values].map((v, i) => Math.round(boundOf(v, levels[i % 4])) / Math.floor(levels[i % 4] / 2));
    expectAllclose(await vectors.data(), wanted, { absolute: 1e-6 });
    expectAllclose(await fsq.decode(fsq.encode(z)).data(), await vectors.data(), { absolute: 1e-6 });
    expect(losses).toEqual({});
  });

  test('gradients pass the rounding as if it were not there', async () => {
    const levels = [8, 5];
    const fsq = new FsqQuantizer(levels);
    const z = normal([1, 2, 3, 2], 4);
    const weights = normal([1, 2, 3, 2], 5);
    const { gradients } = valueAndGradients(() => ({ loss: tf.sum(tf.mul(fsq.quantize(z).vectors, weights)) }), [z]);
    const w = await weights.data();
    const wanted = [...(await z.data())].map((v, i) => {
      const L = levels[i % 2];
      const slope = (boundOf(v + 1e-5, L) - boundOf(v - 1e-5, L)) / 2e-5;
      return (w[i] * slope) / Math.floor(L / 2);
    });
    expectAllclose(await (gradients[0] as tf.Tensor).data(), wanted, { relative: 1e-4, absolute: 1e-6 });
  });
});

/** Unit vectors from rows. */
function unitRows(values: Float32Array, D: number): Float32Array {
  const result = values.slice();
  for (let i = 0; i < values.length; i += D) {
    const norm = Math.hypot(...values.subarray(i, i + D));
    for (let d = 0; d < D; d++) result[i + d] /= norm;
  }
  return result;
}

/** Mean of 1 - cosine to the closest centre. */
function distortion(points: Float32Array, centres: Float32Array, D: number): number {
  let sum = 0;
  for (let i = 0; i < points.length; i += D) {
    let best = -Infinity;
    for (let k = 0; k < centres.length; k += D) {
      let dot = 0;
      for (let d = 0; d < D; d++) dot += points[i + d] * centres[k + d];
      best = Math.max(best, dot);
    }
    sum += 1 - best;
  }
  return sum / (points.length / D);
}

describe('vq', () => {
  const makeVq = (K: number, D = 8, seed = 7) => new VqQuantizer(K, D, new Parameters(new Random(seed)));

  test('takes the code of the greatest cosine, over several chunks', async () => {
    const [K, D, N] = [4096, 8, 1500];
    const vq = makeVq(K, D);
    const z = normal([1, 1, N, D], 8);
    const found = await vq.encode(z).data();
    const codebook = unitRows((await vq.codebook.data()) as Float32Array, D);
    const points = unitRows((await z.data()) as Float32Array, D);
    const dot = (n: number, k: number) =>
      Array.from({ length: D }, (_, d) => points[n * D + d] * codebook[k * D + d]).reduce((a, b) => a + b, 0);
    for (let n = 0; n < N; n += 7) {
      let best = -Infinity;
      for (let k = 0; k < K; k++) best = Math.max(best, dot(n, k));
      expect(dot(n, found[n])).toBeGreaterThan(best - 1e-6);
    }
  });

  test('decoding a code gives the vector that the decoder was trained on', async () => {
    const vq = makeVq(32);
    const z = normal([2, 3, 3, 8], 9);
    const { vectors, observed } = vq.quantize(z, moment());
    expect(await observed[0].data()).toEqual(await vq.encode(z).data());
    expectAllclose(await vectors.data(), await vq.decode(observed[0]).data(), { absolute: 1e-5 });
    expectAllclose([tf.mean(tf.square(vectors)).dataSync()[0]], [1], { relative: 1e-5 });
  });

  test('the encoder learns through the code as if it were its own output, the codebook by its own loss', async () => {
    const vq = makeVq(6, 3);
    const z = normal([1, 2, 4, 3], 10);
    const weights = normal([1, 2, 4, 3], 11);
    const unit = (x: tf.Tensor) => tf.div(x, tf.sqrt(tf.sum(tf.square(x), -1, true)));
    const straight = valueAndGradients(
      () => ({ loss: tf.sum(tf.mul(vq.quantize(z, moment()).vectors, weights)) }),
      [z, vq.codebook],
    );
    const numeric = await finiteDifferences(x => tf.sum(tf.mul(tf.mul(unit(x), Math.sqrt(3)), weights)), z, {
      samples: 24,
    });
    const dz = await (straight.gradients[0] as tf.Tensor).data();
    expectAllclose(
      numeric.indices.map(i => dz[i]),
      numeric.derivatives,
      { relative: 1e-2, absolute: 2e-3 },
    );
    expect(straight.gradients[1]).toBeNull();

    const codes = vq.encode(z);
    const own = valueAndGradients(() => ({ loss: vq.quantize(z, moment()).losses.codebook }), [z, vq.codebook]);
    expect(own.gradients[0]).toBeNull();
    const rows = (book: tf.Tensor) => unit(tf.gather(book, codes as tf.Tensor3D));
    const byHand = await finiteDifferences(book => tf.mean(tf.squaredDifference(rows(book), unit(z))), vq.codebook, {
      samples: 18,
    });
    const dBook = await (own.gradients[1] as tf.Tensor).data();
    expectAllclose(
      byHand.indices.map(i => dBook[i]),
      byHand.derivatives,
      { relative: 2e-2, absolute: 1e-3 },
    );

    const commitment = valueAndGradients(
      () => ({ loss: vq.quantize(z, moment()).losses.commitment }),
      [z, vq.codebook],
    );
    expect(commitment.gradients[1]).toBeNull();
    expectAllclose([(await commitment.loss.data())[0]], [config.commitment * (await own.loss.data())[0]]);
  });

  test('k-means finds separate clusters, and lowers the distortion of a cloud', () => {
    const [K, D] = [16, 8];
    const random = new Random(12);
    const directions = unitRows(random.normals(K * D), D);
    const clustered = new Float32Array(K * 40 * D);
    for (let i = 0; i < clustered.length; i++) {
      clustered[i] = directions[(Math.floor(i / D) % K) * D + (i % D)] + 0.02 * random.normal();
    }
    const cloud = unitRows(random.normals(2000 * D), D);
    const start = cloud.slice(0, 64 * D);
    const centres = kMeans(cloud, { clusters: 64, dimension: D, random: new Random(1), iterations: 10 });
    expect(distortion(cloud, centres, D)).toBeLessThan(0.9 * distortion(cloud, start, D));
    const few = kMeans(unitRows(clustered, D), { clusters: 64, dimension: D, random: new Random(2) });
    expect(distortion(unitRows(clustered, D), few, D)).toBeLessThan(0.01);
    const norms = Array.from({ length: 64 }, (_, k) => Math.hypot(...few.subarray(k * D, k * D + D)));
    expectAllclose(norms, new Array(64).fill(1), { absolute: 1e-5 });
  });

  test('starting the codebook brings it nearer to what the encoder puts out; fewer points than codes will do', async () => {
    const vq = makeVq(64);
    const z = tf.add(normal([4, 8, 8, 8], 13, 0.3), 1) as tf.Tensor;
    const loss = async () => (await vq.quantize(z, moment()).losses.codebook.data())[0];
    const before = await loss();
    await vq.initialize(z, new Random(3));
    expect(await loss()).toBeLessThan(0.5 * before);
    await vq.initialize(normal([1, 2, 2, 8], 14), new Random(4));
    expect(new Set(await tf.sum(vq.codebook, 1).data()).size).toBe(64);
  });

  test('revival replaces exactly the codes that were idle for long, with encoded patches', async () => {
    const vq = makeVq(20);
    const observedCodes = [1, 3, 3, 7, 19];
    const codes = tf.tensor(observedCodes, [1, 1, 5], 'int32');
    const encoded = tf.tensor(unitRows(new Random(15).normals(5 * 8), 8), [1, 1, 5, 8]);
    const short = { ...moment(0.1), config: { ...config, reviveAfter: 3 } };
    const before = (await vq.codebook.data()).slice();
    await vq.afterStep([codes, encoded], short);
    await vq.afterStep([codes, encoded], short);
    expect(await vq.codebook.data()).toEqual(before);
    await vq.afterStep([codes, encoded], short);
    const after = await vq.codebook.data();
    const points = await encoded.data();
    const rows = Array.from({ length: 5 }, (_, n) => points.slice(n * 8, n * 8 + 8).join());
    for (let k = 0; k < 20; k++) {
      const row = after.slice(k * 8, k * 8 + 8);
      if (observedCodes.includes(k)) expect(row).toEqual(before.slice(k * 8, k * 8 + 8));
      else expect(rows).toContain(row.join());
    }
    expect([...vq.state().idle]).toEqual(new Array(20).fill(0));
    // Near the end of the training the codebook is left to settle.
    for (let i = 0; i < 5; i++) await vq.afterStep([codes, encoded], { ...short, progress: 0.9 });
    expect(await vq.codebook.data()).toEqual(after);
  });

  test('revival passes over encoded patches that are not finite, and waits where there is no other', async () => {
    const vq = makeVq(12);
    const before = (await vq.codebook.data()).slice();
    const codes = tf.tensor([0, 0, 0], [1, 1, 3], 'int32');
    const at = { ...moment(0.1), config: { ...config, reviveAfter: 1 } };
    await vq.afterStep([codes, tf.fill([1, 1, 3, 8], Number.NaN)], at);
    expect(await vq.codebook.data()).toEqual(before);
    const rows = tf.tensor([Number.NaN, ...new Array(15).fill(1), ...new Array(8).fill(0.25)], [1, 1, 3, 8]);
    const infinite = tf.tensor(
      [0, ...new Array(7).fill(0), Number.POSITIVE_INFINITY, ...new Array(15).fill(0)],
      rows.shape,
    );
    await vq.afterStep([codes, tf.add(rows, infinite)], at);
    const after = await vq.codebook.data();
    expect(after.slice(0, 8)).toEqual(before.slice(0, 8));
    expect(after.slice(8)).toEqual(new Float32Array(11 * 8).fill(0.25));
  });

  test.skipIf(noWebgpu !== undefined)(
    'on webgpu it looks at the codes of many steps together, and knows as much',
    async () => {
      onTestFinished(async () => {
        await selectBackend('cpu');
      });
      await selectBackend('webgpu');
      const vq = makeVq(6);
      const encoded = tf.tensor(unitRows(new Random(15).normals(2 * 8), 8), [1, 1, 2, 8]);
      const before = (await vq.codebook.data()).slice();
      const held = tf.memory().numTensors;
      const short = { ...config, steps: 100, reviveAfter: 4 };
      const at = (step: number) => ({ progress: step / 100, random: new Random(3), config: short });
      for (let step = 1; step <= 7; step++) {
        const codes = tf.tensor(step < 4 ? [0, 1] : [2, 3], [1, 1, 2], 'int32');
        await vq.afterStep([codes, encoded], at(step));
        codes.dispose();
        // The look after the fourth step finds 4 and 5 idle; what has been idle since is for the next.
        const now = await vq.codebook.data();
        if (step < 4) expect(now).toEqual(before);
        else expect(now.slice(0, 32)).toEqual(before.slice(0, 32));
        if (step === 4) expect(now.slice(32)).not.toEqual(before.slice(32));
      }
      expect([...vq.state().idle]).toEqual([1, 1, 0, 0, 0, 0]);
      await vq.readObserved();
      expect([...vq.state().idle]).toEqual([4, 4, 0, 0, 3, 3]);
      expect(tf.memory().numTensors).toBe(held);
    },
  );

  test('a loaded state goes on as the saved one', async () => {
    const [a, b] = [makeVq(12), makeVq(12)];
    const codes = tf.tensor([0, 5], [1, 1, 2], 'int32');
    const encoded = normal([1, 1, 2, 8], 16);
    const at = (step: number) => ({ ...moment(0, step), config: { ...config, reviveAfter: 4 } });
    for (let step = 0; step < 3; step++) await a.afterStep([codes, encoded], at(step));
    b.loadState(a.state(), 'patch.safetensors');
    for (let step = 3; step < 6; step++) {
      await a.afterStep([codes, encoded], at(step));
      await b.afterStep([codes, encoded], at(step));
    }
    expect(await b.codebook.data()).toEqual(await a.codebook.data());
    expect(b.state()).toEqual(a.state());
    expect(() => makeVq(13).loadState(a.state(), 'patch.safetensors')).toThrow(
      'patch.safetensors: expected the idle times of 13 codes, got 12',
    );
  });
});

describe('dvae', () => {
  const makeDvae = (K: number, patchSize = 8) => new DvaeQuantizer(K, patchSize, new Parameters(new Random(7)));

  test.each([
    { mu: 0.3, logB: -1 },
    { mu: -2, logB: 0.4 },
    { mu: 0, logB: -2.5 },
  ])('the logit-Laplace density of mu $mu, ln b $logB integrates to 1', async ({ mu, logB }) => {
    // x = sigmoid(u), dx = x (1 - x) du: the integrand is smooth in u but for the kink at mu.
    const n = 40001;
    const [low, high] = [mu - 12, mu + 12];
    const u = Array.from({ length: n }, (_, i) => low + ((high - low) * i) / (n - 1));
    const x = u.map(v => 1 / (1 + Math.exp(-v)));
    const output = tf.tensor(
      x.flatMap(() => [mu, logB]),
      [n, 2],
    );
    const loss = await logitLaplaceLoss(tf.tensor(x, [n, 1]), output).data();
    const integral = x.reduce((sum, v, i) => sum + Math.exp(-loss[i]) * v * (1 - v), 0) * ((high - low) / (n - 1));
    // The tails left out: exp(-12 / b).
    expect(integral).toBeGreaterThan(0.995 - Math.exp(-12 / Math.exp(logB)));
    expect(integral).toBeLessThan(1.005);
  });

  test('the loss is the closed form, channel by channel, with the gradient that belongs to it', async () => {
    const x = tf.tensor([0.1, 0.5, 0.9, 0.3, 0.7, 0.2], [2, 3]);
    const output = normal([2, 6], 17);
    const [xs, o] = [await x.data(), await output.data()];
    const wanted = [...xs].map((v, i) => {
      const [row, channel] = [Math.floor(i / 3), i % 3];
      const [mu, logB] = [o[row * 6 + channel], o[row * 6 + 3 + channel]];
      return Math.log(2 * Math.exp(logB) * v * (1 - v)) + Math.abs(Math.log(v / (1 - v)) - mu) / Math.exp(logB);
    });
    expectAllclose(await logitLaplaceLoss(x, output).data(), wanted, { relative: 1e-4, absolute: 1e-5 });
    const { gradients } = valueAndGradients(() => ({ loss: tf.sum(logitLaplaceLoss(x, output)) }), [output]);
    const numeric = await finiteDifferences(y => tf.sum(logitLaplaceLoss(x, y)), output, { step: 1e-3 });
    const analytic = await (gradients[0] as tf.Tensor).data();
    expectAllclose(
      numeric.indices.map(i => analytic[i]),
      numeric.derivatives,
      { relative: 2e-2, absolute: 2e-2 },
    );
  });

  test('KL to uniform: 0 for equal logits, ln K for a sure code, the sum in between', async () => {
    const K = 50;
    const sure = Array.from({ length: K }, (_, k) => (k === 3 ? 200 : 0));
    const some = [...new Random(18).normals(K)];
    const q = some.map(v => Math.exp(v));
    const total = q.reduce((a, b) => a + b);
    const wanted = q.reduce((sum, v) => sum + (v / total) * Math.log((v / total) * K), 0);
    const kl = await klToUniform(tf.tensor([new Array(K).fill(1.5), sure, some])).data();
    expectAllclose(kl, [0, Math.log(K), wanted], { absolute: 1e-5 });
  });

  test('the mean over positions over 192 is the whole sum over 256 x 256 x 3', async () => {
    const K = 5;
    const dvae = makeDvae(K, 8);
    const logits = normal([1, 32, 32, K], 19);
    const late = moment(1);
    const { losses } = dvae.quantize(logits, late);
    const sum = (await tf.sum(klToUniform(tf.reshape(logits, [1024, K]))).data())[0];
    expectAllclose(await losses.kl.data(), [(6.6 * sum) / (256 * 256 * 3)], { relative: 1e-4 });
  });

  test('schedules are half cosines from end to end', () => {
    expect(cosine(1, 1 / 16, 0.5, 0)).toBe(1);
    expect(cosine(1, 1 / 16, 0.5, 0.25)).toBeCloseTo((1 + 1 / 16) / 2, 12);
    expect(cosine(1, 1 / 16, 0.5, 0.5)).toBeCloseTo(1 / 16, 12);
    expect(cosine(1, 1 / 16, 0.5, 0.9)).toBeCloseTo(1 / 16, 12);
    // The paper's: 3,000,000 updates, tau over 150,000, beta over 5,000.
    expect(temperatureAt(config, 75_000 / 3e6)).toBeCloseTo((1 + 1 / 16) / 2, 12);
    expect(temperatureAt(config, 150_000 / 3e6)).toBeCloseTo(1 / 16, 12);
    expect(klWeightAt(config, 0)).toBe(0);
    expect(klWeightAt(config, 1)).toBeCloseTo(6.6, 12);
    expect(klWeightAt(config, 5_100 / 3e6)).toBeCloseTo(6.6, 12);
  });

  test('Gumbel noise picks codes as often as their probabilities say', async () => {
    const [K, N] = [4, 6000];
    const dvae = makeDvae(K);
    const p = [0.1, 0.2, 0.3, 0.4];
    const logits = tf.tile(tf.tensor(p.map(Math.log), [1, 1, 1, K]), [1, 1, N, 1]);
    const cold = { ...moment(1, 20), config: { ...config, temperature: 1e-3 } };
    const { vectors } = dvae.quantize(logits, cold);
    // At temperature 0 each vector is the codebook's row of one code.
    const near = tf.matMul(
      tf.reshape(vectors, [N, 128]) as tf.Tensor2D,
      dvae.codebook as unknown as tf.Tensor2D,
      false,
      true,
    );
    const counts = new Array(K).fill(0);
    for (const k of await tf.argMax(near, 1).data()) counts[k]++;
    // Four standard deviations.
    for (let k = 0; k < K; k++)
      expect(Math.abs(counts[k] / N - p[k])).toBeLessThan(4 * Math.sqrt((p[k] * (1 - p[k])) / N));
  });

  test('hard codes are the largest logits, without noise, and decode to rows of the codebook', async () => {
    const dvae = makeDvae(9);
    const logits = normal([2, 2, 2, 9], 21);
    const codes = await dvae.encode(logits).data();
    const values = await logits.data();
    const rows = await dvae.decode(dvae.encode(logits)).data();
    const codebook = await dvae.codebook.data();
    codes.forEach((code, n) => {
      expect(values[n * 9 + code]).toBe(Math.max(...values.slice(n * 9, n * 9 + 9)));
      expect(rows.slice(n * 128, n * 128 + 128)).toEqual(codebook.slice(code * 128, code * 128 + 128));
    });
  });

  test('pixels are mapped to [0.1, 0.9] and back; a reconstruction is the unmapped sigmoid of mu', async () => {
    const x = tf.tensor([0, 0.25, 1]);
    expectAllclose(await mapPixels(x).data(), [0.1, 0.3, 0.9]);
    expectAllclose(await unmapPixels(mapPixels(x)).data(), [0, 0.25, 1], { absolute: 1e-6 });
    const output = tf.tensor([Math.log(0.3 / 0.7), -9, 9, 5, 5, 5], [1, 6]);
    expectAllclose(await reconstructDvae(output).data(), [0.25, 0, 1], { absolute: 1e-5 });
  });
});
