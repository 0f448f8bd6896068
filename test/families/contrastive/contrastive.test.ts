/**
 * @file Captions and images in one space: the loss against its formula in doubles, gradients against differences, equal
 * captions that are no wrong answers, and features that depend on nothing but their own caption or image.
 */
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { ShapeError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { selectBackend } from '../../../src/device/backends.ts';
import { textSchema } from '../../../src/families/contrastive/config.ts';
import { Contrastive, equalCaptions, imageStages, infoNce } from '../../../src/families/contrastive/contrastive.ts';
import { type CaptionEncoder, encodeCaptions, encodeImages } from '../../../src/families/contrastive/frozen.ts';
import { Images } from '../../../src/image/images.ts';
import { imagesToTensor } from '../../../src/image/pixels.ts';
import { valueAndGradients } from '../../../src/kernels/autodiff.ts';
import { expectNoLeak } from '../../kernels/gradients.ts';
import { expectAllclose, normal, onEveryBackend, useNative } from '../../support.ts';

const config = textSchema.parse({ length: 6, dim: 6, width: 8, layers: 2, heads: 2, imageWidth: 4 });
const sizes = { vocabulary: 11, imageSize: 8 };

/** A model none of whose parameters is zero: layers that start at zero would hide mistakes. */
function randomModel(seed = 1): Contrastive {
  const model = new Contrastive(config, sizes, new Random(seed));
  const values = new Map(
    model.parameters.list().map(({ name, variable }) => {
      const gain = name.endsWith('norm.weight') || /norm\d?\.weight$/.test(name);
      const draws = new Random(seed).fork(name).normals(variable.size, variable.rank > 1 ? 0.4 : 0.2);
      if (gain || name === 'logit_scale') for (let i = 0; i < draws.length; i++) draws[i] += 1;
      return [name, { shape: [...variable.shape], values: draws }];
    }),
  );
  model.parameters.load(values, 'test');
  return model;
}

function padded(rows: readonly (readonly number[])[], length: number): tf.Tensor2D {
  return tf.tensor2d(
    rows.flatMap(row => Array.from({ length }, (_, i) => row[i] ?? sizes.vocabulary + i)),
    [rows.length, length],
    'int32',
  );
}

const captions = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10], [], [1, 2, 3]];
const names = captions.map(ids => ids.join());

function someImages(count: number, seed: number): tf.Tensor {
  const { imageSize: S } = sizes;
  return tf.tensor(
    Float32Array.from({ length: count * S * S * 3 }, (_, i) => new Random(seed, i).uniform()),
    [count, S, S, 3],
  );
}

/** The definition in doubles: for each pair and either direction, -log of its share among itself and unequal pairs. */
function plainInfoNce(a: number[][], b: number[][], scale: number, captionsOf: readonly string[]): number {
  const dot = (x: number[], y: number[]) => x.reduce((sum, v, d) => sum + v * y[d], 0);
  let total = 0;
  a.forEach((_, i) => {
    const rivals = a.map((_, j) => j).filter(j => j === i || captionsOf[j] !== captionsOf[i]);
    const own = scale * dot(a[i], b[i]);
    const share = (logits: number[]) => -(own - Math.log(logits.reduce((sum, l) => sum + Math.exp(l), 0)));
    total += share(rivals.map(j => scale * dot(a[i], b[j])));
    total += share(rivals.map(j => scale * dot(a[j], b[i])));
  });
  return total / (2 * a.length);
}

onEveryBackend('InfoNCE is its formula, equal captions left out', async () => {
  const [a, b] = [normal([5, 4], 1, 0.5), normal([5, 4], 2, 0.5)];
  const scale = tf.scalar(7);
  for (const captionsOf of [names, ['a', 'b', 'c', 'd', 'e'], ['a', 'b', 'a', 'b', 'a']]) {
    const ignored = equalCaptions(captionsOf);
    const loss = infoNce(a, b, { scale, ignored });
    const expected = plainInfoNce((await a.array()) as number[][], (await b.array()) as number[][], 7, captionsOf);
    expectAllclose(await loss.data(), [expected], { relative: 1e-5 });
    tf.dispose([loss, ignored]);
  }
  tf.dispose([a, b, scale]);
});

// Along its own gradient the loss changes by the gradient's length: of every parameter on its own where that is quick, of
// all of them at once elsewhere.
onEveryBackend("the model's gradient is that of differences", async backend => {
  const model = randomModel();
  const parameters = model.parameters.list();
  const batch = {
    images: someImages(3, 1),
    views: someImages(3, 2),
    ids: padded(captions.slice(2), 6),
    ignored: equalCaptions(names.slice(2)),
  };
  const forward = () => ({ loss: model.loss(batch, 0.5).loss });
  const variables = parameters.map(({ variable }) => variable as tf.Tensor);
  const { loss, gradients } = valueAndGradients(forward, variables);
  const values = await Promise.all(gradients.map(async g => (await g?.data())?.slice() ?? new Float32Array(0)));
  const homes = await Promise.all(variables.map(async v => (await v.data()).slice()));
  /** The loss after a step along the gradients of some parameters. */
  const at = async (step: number, some: readonly number[]) => {
    for (const i of some) {
      const moved = homes[i].map((v, k) => v + step * values[i][k]);
      tf.tidy(() => parameters[i].variable.assign(tf.tensor(moved, variables[i].shape)));
    }
    const result = tf.tidy(() => forward().loss);
    const [value] = await result.data();
    result.dispose();
    return value;
  };
  const all = parameters.map((_, i) => i);
  for (const some of backend === 'native' ? all.map(i => [i]) : [all]) {
    const where = some.length === 1 ? parameters[some[0]].name : 'all';
    const slope = Math.hypot(...some.map(i => Math.hypot(...values[i])));
    expect(slope, where).toBeGreaterThan(0);
    const step = 0.003 / slope;
    const difference = ((await at(step, some)) - (await at(-step, some))) / 0.006;
    await at(0, some);
    expect(Math.abs(difference - slope), `${where}: ${difference} for ${slope}`).toBeLessThan(0.002 + 0.02 * slope);
  }
  expect(values.every(({ length }) => length > 0)).toBe(true);
  tf.dispose([loss, ...gradients] as tf.Tensor[]);
  tf.dispose([batch.images, batch.views, batch.ids, batch.ignored]);
  model.dispose();
});

describe('equal captions', () => {
  test('neither attract nor repel the images of each other', async () => {
    await selectBackend('cpu');
    const [image, text] = [normal([3, 4], 3), normal([3, 4], 4)];
    const scale = tf.scalar(5);
    const of = async (captionsOf: readonly string[]) => {
      const ignored = equalCaptions(captionsOf);
      const { loss, gradients } = valueAndGradients(
        () => ({ loss: infoNce(image, text, { scale, ignored }) }),
        [image],
      );
      const [value] = await loss.data();
      return { value, gradient: [...(await (gradients[0] as tf.Tensor).data())] };
    };
    expect(await of(['red', 'red', 'red'])).toEqual({ value: 0, gradient: new Array(12).fill(0) });
    const { value, gradient } = await of(['red', 'red', 'blue']);
    expect(value).toBeGreaterThan(0.1);
    // What the second red caption says changes nothing for the first red image.
    text.dispose();
    const other = tf.tidy(() => {
      const rows = normal([3, 4], 4);
      return tf.concat([tf.slice(rows, [0, 0], [1, 4]), normal([1, 4], 9), tf.slice(rows, [2, 0], [1, 4])]);
    });
    const ignored = equalCaptions(['red', 'red', 'blue']);
    const { gradients } = valueAndGradients(() => ({ loss: infoNce(image, other, { scale, ignored }) }), [image]);
    const again = [...(await (gradients[0] as tf.Tensor).data())];
    expectAllclose(again.slice(0, 4), gradient.slice(0, 4));
    expect(again.slice(4, 8)).not.toEqual(gradient.slice(4, 8));
  });
});

/** Words are numbers. */
const encoder: CaptionEncoder = {
  encodeCaption(caption, { length }) {
    const words = caption === '' ? [] : caption.split(' ').map(Number);
    const ids = Int32Array.from({ length }, (_, i) => words[i] ?? sizes.vocabulary + i);
    return { ids, count: Math.min(length, words.length) };
  },
};

onEveryBackend('features depend on nothing but their own caption or image', async () => {
  const model = randomModel(2);
  await expectNoLeak(async () => {
    const alone = await encodeCaptions(model, encoder, ['1 2 3']);
    const among = await encodeCaptions(model, encoder, ['', '5 6 7 8 9 10', '1 2 3', '4'], { piece: 3 });
    expectAllclose(among.subarray(12, 18), alone, { absolute: 1e-5 });
    expectAllclose([Math.hypot(...alone)], [1], { absolute: 1e-5 });
    // An empty caption has features of its own, and they are a number each.
    expectAllclose([Math.hypot(...among.subarray(0, 6))], [1], { absolute: 1e-5 });
    // Other pads, and none at all.
    const rows = tf.tidy(() => [
      model.text(tf.tensor2d([1, 2, 3, 11, 11, 999], [1, 6], 'int32')),
      model.text(tf.tensor2d([1, 2, 3], [1, 3], 'int32')),
    ]);
    for (const row of rows) expectAllclose(await row.data(), alone, { absolute: 1e-5 });
    // But a word more, or another order, says something else.
    const others = await encodeCaptions(model, encoder, ['1 2 3 4', '3 2 1']);
    for (const at of [0, 6]) expect(Math.hypot(...alone.map((v, d) => v - others[at + d]))).toBeGreaterThan(0.05);
    tf.dispose(rows);

    const S = sizes.imageSize;
    const bytes = Uint8Array.from({ length: 5 * S * S * 3 }, (_, i) => new Random(6, i).integer(256));
    const five = new Images(bytes, { width: S, height: S });
    const all = await encodeImages(model, five, { piece: 2, scaled: true });
    const images = imagesToTensor(five.slice(3, 4));
    const fourth = model.image(images);
    expectAllclose(
      all.subarray(18, 24),
      (await fourth.data()).map(v => v * Math.sqrt(6)),
      { absolute: 1e-4 },
    );
    tf.dispose([images, fourth]);
  });
  model.dispose();
});

describe('the towers', () => {
  test('fit every size that images may have', () => {
    expect(imageStages(64, 32)).toEqual({
      patch: 4,
      stages: [
        { grid: 16, channels: 32 },
        { grid: 8, channels: 64 },
        { grid: 4, channels: 128 },
      ],
    });
    expect(imageStages(8, 3)).toEqual({
      patch: 1,
      stages: [
        { grid: 8, channels: 3 },
        { grid: 4, channels: 6 },
      ],
    });
    for (let size = 8; size <= 512; size += 8) {
      const { patch, stages } = imageStages(size, 1);
      expect(stages[0].grid * patch).toBe(size);
      expect(stages[0].grid <= 16 || stages[0].grid % 2 === 1).toBe(true);
    }
  });

  test('refuse captions and images of another size', async () => {
    await selectBackend('cpu');
    const model = randomModel();
    expect(() => model.text(tf.zeros([2, 7], 'int32'))).toThrow(ShapeError);
    expect(() => model.image(tf.zeros([2, 16, 16, 3]))).toThrow('contrastive: images: expected [B, 8, 8, 3]');
    model.dispose();
  });

  test('never scale logits by more than a hundred', async () => {
    await selectBackend('cpu');
    const model = randomModel();
    const logScale = model.parameters.list().find(({ name }) => name === 'logit_scale')?.variable as tf.Variable;
    for (const [before, after] of [
      [6, Math.log(100)],
      [3, 3],
    ]) {
      logScale.assign(tf.scalar(before));
      model.bound();
      expectAllclose(await logScale.data(), [after]);
    }
    model.dispose();
  });

  test('count their operations as their layers have them', async () => {
    await selectBackend('cpu');
    const model = randomModel();
    // Each weight of a layer is used once at every position; embeddings, gains and biases multiply nothing.
    const weights = (pattern: RegExp) =>
      model.parameters
        .list()
        .filter(({ name, variable }) => pattern.test(name) && variable.rank > 1)
        .reduce((sum, { variable }) => sum + variable.size, 0);
    const text = 7 * weights(/^text\.layers/) + 2 * 7 * 7 * 8 + weights(/^text\.head/);
    const first = 64 * weights(/^image\.input/);
    const image =
      first +
      64 * weights(/^image\.stages\.0\.blocks/) +
      16 * weights(/^image\.stages\.(0\.down|1\.blocks)/) +
      weights(/^image\.head/);
    expect(model.flopsPerPair()).toBe(6 * text + 6 * image - 2 * first);
    expect(model.flopsPerPair(true) - model.flopsPerPair()).toBe(6 * image - 2 * first);
    model.dispose();
  });
});

test.for(['fp32', 'bf16'] as const)(
  'a caption has the same bits beside any others, %s on native',
  async (precision, { skip }) => {
    const backend = await useNative();
    if (precision === 'bf16' && !backend.supportsBf16) skip('this processor has no bf16');
    backend.precision = precision;
    const model = randomModel();
    const ids = (text: string) => Int32Array.from(text, letter => letter.charCodeAt(0) % sizes.vocabulary);
    const encoder: CaptionEncoder = {
      encodeCaption: (text, { length }) => {
        const found = ids(text).subarray(0, length);
        return { ids: Int32Array.from({ length }, (_, i) => found[i] ?? sizes.vocabulary + i), count: found.length };
      },
    };
    const texts = ['a', 'abcdef', '', 'xyz', ...Array.from({ length: 30 }, (_, i) => `b${i}`)];
    const whole = await encodeCaptions(model, encoder, texts);
    for (const [i, text] of texts.entries()) {
      const alone = await encodeCaptions(model, encoder, [text]);
      expect(alone, `'${text}'`).toEqual(whole.slice(i * config.dim, (i + 1) * config.dim));
    }
    model.dispose();
    backend.precision = 'fp32';
  },
);
