/**
 * @file The pretrained networks that npm ships: the package `nsfwjs` (MIT) brings Inception-v3 and MobileNetV2, trained on
 * ImageNet, then further to tell photographs from drawings and decent from indecent, with weights in 8 bits. What they
 * see before their last layers are features here. They are not the networks of published FID, and their name in results says
 * so. The package is imported only here, when it is needed.
 */
import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../core/errors.ts';
import { Images, type Picture } from '../image/images.ts';
import { imagesToTensor } from '../image/pixels.ts';
import type { FeatureExtractor } from './extractor.ts';
import { readLayersModel } from './layers-model.ts';
import { LayersNetwork } from './layers-network.ts';
import { resizeSmooth } from './smooth.ts';

const WHERE = 'features';

/** What is asked for by which name, and where the package has it. */
const networks = {
  inception: { module: 'inception_v3', entry: 'InceptionV3Model', title: 'nsfwjs-inception-v3' },
  mobilenet: { module: 'mobilenet_v2', entry: 'MobileNetV2Model', title: 'nsfwjs-mobilenet-v2' },
} as const;
export type NsfwjsNetwork = keyof typeof networks;

export const nsfwjsNetworks = Object.keys(networks) as readonly NsfwjsNetwork[];

export function isNsfwjsNetwork(name: string): name is NsfwjsNetwork {
  return Object.hasOwn(networks, name);
}

/** The mean over the last map of both. */
const OUTPUT = 'flatten_1';
/** Any change of how pictures are prepared makes other features: count it up. */
const VERSION = 1;
const BATCH = 4;

/** Gives a module of the package by its path within it. */
export type ImportModule = (path: string) => Promise<unknown>;

const importInstalled: ImportModule = path => {
  const module = `nsfwjs/${path}`;
  return import(/* @vite-ignore */ module);
};

interface Loaded {
  readonly name: string;
  readonly json: unknown;
  readonly bytes: Uint8Array;
}

/**
 * The name of a network's features in results: other weights have another.
 * @throws UserError if the package is not installed
 */
export async function nsfwjsName(network: NsfwjsNetwork, importModule?: ImportModule): Promise<string> {
  return (await load(network, importModule)).name;
}

/**
 * Opens one of the networks; a backend must have been selected.
 * @throws UserError if the package is not installed, or has the networks in another form
 */
export async function openNsfwjs(network: NsfwjsNetwork, importModule?: ImportModule): Promise<FeatureExtractor> {
  const { name, json, bytes } = await load(network, importModule);
  const where = `${WHERE}: ${networks[network].title}`;
  const model = readLayersModel(where, { json, bytes, output: OUTPUT });
  const layers = new LayersNetwork(where, model);
  try {
    const { height, width } = model;
    const [dimension] = tf.tidy(() => layers.apply(tf.zeros([1, height, width, 3])).shape.slice(1));
    return new NsfwjsFeatures({ name, height, width, dimension, layers });
  } catch (error) {
    layers.dispose();
    throw new UserError(where, `the network cannot be run (${(error as Error).message})`);
  }
}

class NsfwjsFeatures implements FeatureExtractor {
  readonly name: string;
  readonly dimension: number;
  private readonly height: number;
  private readonly width: number;
  private readonly layers: LayersNetwork;

  constructor(parts: { name: string; height: number; width: number; dimension: number; layers: LayersNetwork }) {
    this.name = parts.name;
    this.height = parts.height;
    this.width = parts.width;
    this.dimension = parts.dimension;
    this.layers = parts.layers;
  }

  async images(pictures: readonly Picture[]): Promise<Float64Array> {
    const rows = new Float64Array(pictures.length * this.dimension);
    const size = { width: this.width, height: this.height, kernel: 'linear' } as const;
    for (let first = 0; first < pictures.length; first += BATCH) {
      const some = pictures.slice(first, first + BATCH);
      const images = Images.of(await Promise.all(some.map(picture => resizeSmooth(picture, size))));
      const features = tf.tidy(() => this.layers.apply(imagesToTensor(images))); // [n, dimension]
      try {
        rows.set((await features.data()) as Float32Array, first * this.dimension);
      } finally {
        features.dispose();
      }
    }
    return rows;
  }

  dispose(): void {
    this.layers.dispose();
  }
}

async function load(network: NsfwjsNetwork, importModule: ImportModule = importInstalled): Promise<Loaded> {
  const { module, entry, title } = networks[network];
  const path = `models/${module}`;
  let found: unknown;
  try {
    found = await importModule(path);
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    throw new UserError(WHERE, `${network}: expected the optional package nsfwjs (${reason})`, 'npm install nsfwjs');
  }
  try {
    const { modelJson, weightBundles } = (found as Readonly<Record<string, Bundled>>)[entry];
    const json = inner(await modelJson());
    const shards = await Promise.all(
      weightBundles.map(async bundle => Buffer.from(String(inner(await bundle())), 'base64')),
    );
    const bytes = new Uint8Array(Buffer.concat(shards));
    const hash = createHash('sha256')
      .update(`${VERSION} ${JSON.stringify(json)}`)
      .update(bytes);
    return { name: `${title}@${hash.digest('hex').slice(0, 8)}`, json, bytes };
  } catch (error) {
    const what = `expected ${entry} in nsfwjs/${path} as nsfwjs 4 has it (${(error as Error).message})`;
    throw new UserError(WHERE, `${network}: ${what}`, 'npm install nsfwjs@4');
  }
}

/** A network as the package has it: functions that import what is large, as modules of CommonJS. */
interface Bundled {
  readonly modelJson: () => Promise<unknown>;
  readonly weightBundles: readonly (() => Promise<unknown>)[];
}

/** What a module of CommonJS exports. */
function inner(module: unknown): unknown {
  return (module as { readonly default: unknown }).default;
}
