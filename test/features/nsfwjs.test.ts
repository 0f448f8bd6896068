/** @file Pretrained layers models: a small one in nsfwjs's form gives what TensorFlow.js's own layers give, and what is missing is said. */
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { type ImportModule, nsfwjsName, openNsfwjs } from '../../src/features/nsfwjs.ts';
import { openFeatures } from '../../src/features/open.ts';
import type { Picture } from '../../src/image/images.ts';
import { bytesToUnit } from '../../src/image/pixels.ts';
import { expectAllclose, onEveryBackend } from '../support.ts';

const SIDE = 12;

const installed = await import(`nsfwjs/${'models/inception_v3'}`).then(
  () => true,
  () => false,
);

/** A layers model as the package has it: weights in 8 bits, cut into two shards, of any network that ends in `flatten_1`. */
function bundle(entry: string, layers: readonly object[], weights: Readonly<Record<string, readonly number[]>>) {
  const random = new Random(7);
  const bytes: number[] = [];
  const listed = Object.entries(weights).map(([name, shape]) => {
    for (let i = shape.reduce((a, b) => a * b, 1); i > 0; i--) bytes.push(random.integer(256));
    const range = name.endsWith('variance') ? { min: 0.3, scale: 0.004 } : { min: -0.6, scale: 0.005 };
    return { name, shape, dtype: 'float32', quantization: { ...range, dtype: 'uint8' } };
  });
  const json = {
    modelTopology: {
      keras_version: '2.2.4',
      backend: 'tensorflow',
      model_config: {
        class_name: 'Model',
        config: { name: 'm', layers, input_layers: [['input_1', 0, 0]], output_layers: [['dense_1', 0, 0]] },
      },
    },
    weightsManifest: [{ paths: ['a', 'b'], weights: listed }],
  };
  const shards = [bytes.slice(0, 10), bytes.slice(10)].map(part => Buffer.from(part).toString('base64'));
  const module = {
    [entry]: {
      modelJson: async () => ({ default: json }),
      weightBundles: shards.map(shard => async () => ({ default: shard })),
    },
  };
  const importModule: ImportModule = async () => module;
  return { json, listed, bytes: Uint8Array.from(bytes), importModule };
}

const layer = (name: string, class_name: string, inputs: readonly string[], config: object = {}) => ({
  name,
  class_name,
  config: { name, ...config },
  inbound_nodes: inputs.length === 0 ? [] : [inputs.map(input => [input, 0, 0, {}])],
});
const input = layer('input_1', 'InputLayer', [], { batch_input_shape: [null, SIDE, SIDE, 3], dtype: 'float32' });
const pair = (a: number, b = a) => [a, b];
const conv = (name: string, from: string, config: object) =>
  layer(name, 'Conv2D', [from], {
    strides: pair(1),
    padding: 'same',
    use_bias: false,
    activation: 'linear',
    ...config,
  });
const norm = (name: string, from: string, config: object = {}) =>
  layer(name, 'BatchNormalization', [from], { axis: 3, epsilon: 1e-3, center: true, scale: false, ...config });
const end = (from: string) => [
  layer('flatten_1', 'Flatten', [from]),
  layer('dense_1', 'Dense', ['flatten_1'], { units: 2, activation: 'softmax', use_bias: true }),
];

/** Every layer of Inception-v3, and odd sizes. */
const inception = () =>
  bundle(
    'InceptionV3Model',
    [
      input,
      conv('c1', 'input_1', { filters: 5, kernel_size: pair(3), strides: pair(2), padding: 'valid' }), // 5 x 5
      norm('n1', 'c1'),
      layer('r1', 'Activation', ['n1'], { activation: 'relu' }),
      conv('c2', 'r1', { filters: 4, kernel_size: pair(1, 7) }),
      norm('n2', 'c2', { scale: true }),
      layer('r2', 'Activation', ['n2'], { activation: 'relu' }),
      conv('c3', 'r1', { filters: 4, kernel_size: pair(3, 1), use_bias: true, activation: 'relu' }),
      layer('p1', 'AveragePooling2D', ['r1'], { pool_size: pair(3), strides: pair(1), padding: 'same' }),
      layer('m1', 'Concatenate', ['r2', 'c3', 'p1'], { axis: 3 }),
      conv('c4', 'm1', { filters: 3, kernel_size: pair(5), padding: 'same', strides: pair(2) }), // 3 x 3, normed by two
      norm('n4', 'c4'),
      layer('p2', 'MaxPooling2D', ['m1'], { pool_size: pair(3), strides: pair(2), padding: 'valid' }), // 2 x 2
      conv('c5', 'n4', { filters: 3, kernel_size: pair(2), padding: 'valid' }), // 2 x 2
      layer('m2', 'Concatenate', ['p2', 'c5'], { axis: 3 }),
      layer('p3', 'AveragePooling2D', ['m2'], { pool_size: pair(2), strides: pair(2), padding: 'valid' }),
      ...end('p3'),
    ],
    {
      'c1/kernel': [3, 3, 3, 5],
      ...{ 'n1/beta': [5], 'n1/moving_mean': [5], 'n1/moving_variance': [5] },
      'c2/kernel': [1, 7, 5, 4],
      ...{ 'n2/gamma': [4], 'n2/beta': [4], 'n2/moving_mean': [4], 'n2/moving_variance': [4] },
      ...{ 'c3/kernel': [3, 1, 5, 4], 'c3/bias': [4] },
      'c4/kernel': [5, 5, 13, 3],
      ...{ 'n4/beta': [3], 'n4/moving_mean': [3], 'n4/moving_variance': [3] },
      'c5/kernel': [2, 2, 3, 3],
      ...{ 'dense_1/kernel': [16, 2], 'dense_1/bias': [2] },
    },
  );

/** What MobileNetV2 has besides: margins, kernels for each channel, relus that end at 6, sums; and windows at an even side. */
const mobilenet = () =>
  bundle(
    'MobileNetV2Model',
    [
      input,
      layer('z1', 'ZeroPadding2D', ['input_1'], { padding: [pair(0, 1), pair(0, 1)] }),
      conv('c1', 'z1', { filters: 6, kernel_size: pair(3), strides: pair(2), padding: 'valid' }), // 6 x 6
      norm('n1', 'c1', { axis: -1, scale: true }),
      layer('r1', 'ReLU', ['n1'], { max_value: 0.5, negative_slope: 0, threshold: 0 }),
      layer('d1', 'DepthwiseConv2D', ['r1'], {
        ...{ kernel_size: pair(3), strides: pair(1), padding: 'same', use_bias: false, depth_multiplier: 1 },
      }),
      norm('n2', 'd1', { scale: true }),
      layer('s1', 'Add', ['r1', 'n2']),
      conv('c2', 's1', { filters: 4, kernel_size: pair(3), strides: pair(2) }), // 3 x 3, first window at the first pixel
      layer('p1', 'MaxPooling2D', ['c2'], { pool_size: pair(2), strides: pair(2), padding: 'same' }), // 2 x 2
      layer('p2', 'AveragePooling2D', ['p1'], { pool_size: pair(2), strides: pair(2), padding: 'valid' }),
      ...end('p2'),
    ],
    {
      'c1/kernel': [3, 3, 3, 6],
      ...{ 'n1/gamma': [6], 'n1/beta': [6], 'n1/moving_mean': [6], 'n1/moving_variance': [6] },
      'd1/depthwise_kernel': [3, 3, 6, 1],
      ...{ 'n2/gamma': [6], 'n2/beta': [6], 'n2/moving_mean': [6], 'n2/moving_variance': [6] },
      'c2/kernel': [3, 3, 6, 4],
      ...{ 'dense_1/kernel': [4, 2], 'dense_1/bias': [2] },
    },
  );

function noise(seed: number, side = SIDE): Picture {
  const random = new Random(seed);
  return { width: side, height: side, data: Uint8Array.from({ length: side * side * 3 }, () => random.integer(256)) };
}

/** By TensorFlow.js's own reading and layers. */
async function byLayers({ json, listed, bytes }: ReturnType<typeof bundle>, pictures: readonly Picture[]) {
  const specs = listed as unknown as tf.io.WeightsManifestEntry[]; // types of a literal are wider
  const load = async () => ({ modelTopology: json.modelTopology, weightSpecs: specs, weightData: bytes.buffer });
  const whole = await tfl.loadLayersModel({ load });
  const model = tfl.model({ inputs: whole.inputs, outputs: whole.getLayer('flatten_1').output });
  const pixels = pictures.flatMap(({ data }) => [...bytesToUnit(data)]);
  const result = model.predict(tf.tensor(pixels, [pictures.length, SIDE, SIDE, 3])) as tf.Tensor;
  return { rows: await result.data(), dimension: result.shape[1] as number };
}

const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

describe.each([
  ['inception', inception, 'nsfwjs-inception-v3'],
  ['mobilenet', mobilenet, 'nsfwjs-mobilenet-v2'],
] as const)('%s', (network, make, title) => {
  onEveryBackend('sees what the layers of TensorFlow.js see', async backend => {
    const model = make();
    const pictures = [1, 2, 3, 4, 5].map(seed => noise(seed));
    await selectBackend('cpu');
    const expected = await byLayers(model, pictures);
    expect(Math.max(...expected.rows)).toBeGreaterThan(0.1);
    await selectBackend(backend as 'cpu', { precision: 'fp32' });
    const before = tf.memory().numTensors;
    const features = await openNsfwjs(network, model.importModule);
    expect(features.name).toMatch(new RegExp(`^${title}@[0-9a-f]{8}$`));
    expect(features.dimension).toBe(expected.dimension);
    expectAllclose(await features.images(pictures), expected.rows, { absolute: 1e-4, relative: 1e-4 });
    expect(await features.images([])).toEqual(new Float64Array(0));
    await features.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('a picture of another size is scaled, one of one colour to the same colour', async () => {
  await selectBackend('cpu');
  const { importModule } = inception();
  const features = await openNsfwjs('inception', importModule);
  const grey = (side: number): Picture => ({
    width: side,
    height: side,
    data: new Uint8Array(side * side * 3).fill(90),
  });
  expectAllclose(await features.images([grey(5)]), await features.images([grey(SIDE)]), { absolute: 1e-9 });
  await features.dispose();
});

test('other weights have another name, the same ones the same', async () => {
  const { importModule, json } = inception();
  const name = await nsfwjsName('inception', importModule);
  expect(await nsfwjsName('inception', inception().importModule)).toBe(name);
  json.weightsManifest[0].weights[0].quantization.min += 1;
  expect(await nsfwjsName('inception', importModule)).not.toBe(name);
});

describe('refuses in one line', () => {
  test.skipIf(installed)(
    `a package that is not there${installed ? ' (skipped: nsfwjs is installed here)' : ''}`,
    async () => {
      const error = await failure(openFeatures('inception', { readCaptions: async () => Promise.reject(new Error()) }));
      expect(error).toBeInstanceOf(UserError);
      expect((error as UserError).message).toMatch(
        /^features: inception: expected the optional package nsfwjs \([^\n]+\)$/,
      );
      expect((error as UserError).hint).toBe('npm install nsfwjs');
    },
  );

  test.each([
    ['a module of another form', async () => ({}), /expected InceptionV3Model in nsfwjs\/models\/inception_v3/],
    ['weights that do not fit', short(inception()), /expected \d+ bytes of weights, got 10$/],
    ['a layer that is not known', other('LSTM'), /layer p3: expected InputLayer, .*, got LSTM$/],
    [
      'a norm after no convolution',
      other('BatchNormalization'),
      /layer p3: expected a batch normalisation right after/,
    ],
  ] as const)('%s', async (_, importModule, message) => {
    await selectBackend('cpu');
    const error = await failure(openNsfwjs('inception', importModule));
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(message);
  });

  function short({ importModule }: ReturnType<typeof bundle>): ImportModule {
    return async path => {
      const { InceptionV3Model: model } = (await importModule(path)) as {
        InceptionV3Model: { weightBundles: unknown[] };
      };
      return { InceptionV3Model: { ...model, weightBundles: model.weightBundles.slice(0, 1) } };
    };
  }

  function other(kind: string): ImportModule {
    const { json, importModule } = inception();
    const found = json.modelTopology.model_config.config.layers.find(({ name }: { name?: string }) => name === 'p3');
    Object.assign(found as object, { class_name: kind, config: norm('p3', 'm2').config });
    return importModule;
  }
});

test.skipIf(!installed)(`the real networks${installed ? '' : ' (skipped: nsfwjs is not installed)'}`, async () => {
  await selectBackend('cpu');
  expect(await nsfwjsName('inception')).toMatch(/^nsfwjs-inception-v3@/);
});
