/**
 * @file Networks in the format of TensorFlow.js's layers models, read from memory: the layers that image networks are made
 * of, and weights of which each may be stored in 8 or 16 bits. Knows neither files nor packages; layers-network.ts runs it.
 */
import { z } from 'zod';
import { UserError } from '../core/errors.ts';

const pair = z.tuple([z.number().int().positive(), z.number().int().positive()]);
const side = z.number().int().min(1).max(4096);
const padding = z.enum(['same', 'valid']);
const lastAxis = z.literal([3, -1]); // of [B, H, W, C]
const channelsLast = z.literal('channels_last').default('channels_last');

const convolution = {
  kernel_size: pair,
  strides: pair,
  padding,
  data_format: channelsLast,
  dilation_rate: z.tuple([z.literal(1), z.literal(1)]).default([1, 1]),
  activation: z.enum(['linear', 'relu']).default('linear'),
  use_bias: z.boolean(),
};
const pooling = z.object({ pool_size: pair, strides: pair, padding, data_format: channelsLast });
const margin = z.number().int().nonnegative();

/** What is known of each kind of layer; what else its settings say concerns training alone. */
const settings = {
  InputLayer: z.object({ batch_input_shape: z.tuple([z.null(), side, side, z.literal(3)]) }),
  Conv2D: z.object(convolution),
  DepthwiseConv2D: z.object({ ...convolution, depth_multiplier: z.literal(1).default(1) }),
  BatchNormalization: z.object({ axis: lastAxis, epsilon: z.number(), center: z.boolean(), scale: z.boolean() }),
  Activation: z.object({ activation: z.literal('relu') }),
  ReLU: z.object({
    max_value: z.number().nullable().default(null),
    negative_slope: z.literal(0).default(0),
    threshold: z.literal(0).default(0),
  }),
  ZeroPadding2D: z.object({ padding: z.tuple([z.tuple([margin, margin]), z.tuple([margin, margin])]) }),
  MaxPooling2D: pooling,
  AveragePooling2D: pooling,
  Concatenate: z.object({ axis: lastAxis }),
  Add: z.object({}),
  Flatten: z.object({}),
} as const;
type Settings = typeof settings;

type LayerOf<K extends keyof Settings> = {
  readonly kind: K;
  readonly name: string;
  /** Names of the layers that it reads. */
  readonly inputs: readonly string[];
  readonly settings: z.output<Settings[K]>;
};
/** A layer; `kind` tells which settings it has. */
export type Layer = { [K in keyof Settings]: LayerOf<K> }[keyof Settings];

export interface Weight {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** The part of a model that one of its layers is made by. */
export interface LayersModel {
  /** Of the pictures that it reads, in pixels. */
  readonly height: number;
  readonly width: number;
  /** Each after those that it reads; the last is the one that was asked for. */
  readonly layers: readonly Layer[];
  readonly weights: ReadonlyMap<string, Weight>;
}

const stored = z.object({
  modelTopology: z.object({
    model_config: z.object({
      config: z.object({
        layers: z.array(
          z.object({
            name: z.string(),
            class_name: z.string(),
            config: z.unknown(),
            inbound_nodes: z.array(z.array(z.tuple([z.string()], z.unknown()))).max(1), // more would be a shared layer
          }),
        ),
      }),
    }),
  }),
  weightsManifest: z.array(
    z.object({
      weights: z.array(
        z.object({
          name: z.string(),
          shape: z.array(z.number().int().nonnegative()),
          dtype: z.literal('float32'),
          quantization: z.object({ min: z.number(), scale: z.number(), dtype: z.enum(['uint8', 'uint16']) }).optional(),
        }),
      ),
    }),
  ),
});
type StoredLayer = z.output<typeof stored>['modelTopology']['model_config']['config']['layers'][number];
type StoredWeight = z.output<typeof stored>['weightsManifest'][number]['weights'][number];

/**
 * Reads the part of a model that gives one of its layers; what comes after is left out.
 * @param where opens every message
 * @param json the content of model.json
 * @param bytes of the weights, all shards in their order
 * @param output name of a layer
 * @throws UserError if it is no such model, or has layers that are not known here
 */
export function readLayersModel(
  where: string,
  { json, bytes, output }: { readonly json: unknown; readonly bytes: Uint8Array; readonly output: string },
): LayersModel {
  const { modelTopology, weightsManifest } = checked(where, stored, json);
  const all = new Map(modelTopology.model_config.config.layers.map(layer => [layer.name, layer]));
  const layers = layersTo(where, all, output);
  const input = layers.find(layer => layer.kind === 'InputLayer');
  if (input === undefined) throw new UserError(where, `no InputLayer before ${output} in the model`);
  const [, height, width] = input.settings.batch_input_shape;
  return {
    ...{ height, width, layers },
    weights: readWeights(
      where,
      weightsManifest.flatMap(({ weights }) => weights),
      bytes,
    ),
  };
}

function checked<T extends z.ZodType>(where: string, schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [{ path, message }] = result.error.issues;
  throw new UserError(where, `expected a layers model of TensorFlow.js (${path.join('.')}: ${message})`);
}

/** Every layer that `output` is made by, each after those that it reads. */
function layersTo(where: string, all: ReadonlyMap<string, StoredLayer>, output: string): Layer[] {
  const layers: Layer[] = [];
  const seen = new Set<string>();
  const visit = (name: string) => {
    if (seen.has(name)) return;
    seen.add(name);
    const found = all.get(name);
    if (found === undefined) throw new UserError(where, `no layer ${name} in the model`);
    const inputs = (found.inbound_nodes[0] ?? []).map(([input]) => input);
    inputs.forEach(visit);
    const { class_name: kind } = found;
    if (!Object.hasOwn(settings, kind)) {
      throw new UserError(where, `layer ${name}: expected ${Object.keys(settings).join(', ')}, got ${kind}`);
    }
    const known = checked(`${where}: layer ${name}`, settings[kind as keyof Settings], found.config);
    layers.push({ kind, name, inputs, settings: known } as Layer); // read by the schema of its kind
  };
  visit(output);
  return layers;
}

function readWeights(where: string, listed: readonly StoredWeight[], bytes: Uint8Array): Map<string, Weight> {
  const width = ({ quantization }: StoredWeight) =>
    ({ uint8: 1, uint16: 2, float32: 4 })[quantization?.dtype ?? 'float32'];
  const count = ({ shape }: StoredWeight) => shape.reduce((a, b) => a * b, 1);
  const expected = listed.reduce((sum, weight) => sum + count(weight) * width(weight), 0);
  if (bytes.length !== expected)
    throw new UserError(where, `expected ${expected} bytes of weights, got ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const weights = new Map<string, Weight>();
  let from = 0;
  for (const weight of listed) {
    const { name, shape, quantization } = weight;
    const step = width(weight);
    const { min, scale } = quantization ?? { min: 0, scale: 1 };
    const values = new Float32Array(count(weight));
    for (let i = 0; i < values.length; i++) {
      const at = from + i * step;
      const read = step === 1 ? bytes[at] : step === 2 ? view.getUint16(at, true) : view.getFloat32(at, true);
      values[i] = read * scale + min;
    }
    weights.set(name, { shape, values });
    from += values.length * step;
  }
  return weights;
}
