/**
 * @file Features of networks that others trained, as ONNX from a folder or the hub: a CLIP, or anything that turns a
 * picture into a row or into a row a patch, such as DINOv2 or Inception. Pictures are resized as the network's own
 * settings say, with one antialiased filter; how small pictures are enlarged decides much of what such features see.
 */
import { UserError } from '../core/errors.ts';
import type { Picture } from '../image/images.ts';
import { loadClipTowers } from './clip.ts';
import type { FeatureExtractor } from './extractor.ts';
import {
  findSource,
  type HubTensor,
  importTransformers,
  modelFile,
  partLoader,
  preprocess,
  reason,
  rows,
  type Wanted,
} from './hub.ts';
import type { HubOptions } from './hub-options.ts';

const WHERE = 'features';

const wanted: Wanted = {
  where: WHERE,
  what: 'an image network',
  example: 'Xenova/clip-vit-base-patch32',
  files: ['config.json', 'preprocessor_config.json'],
  models: [['model'], ['vision_model']],
};

/**
 * @param dirOrHubId a folder in the hub's layout, never touching the network, or a hub id
 * @throws UserError if something is missing, damaged or cannot be reached
 */
export async function openOnnx(dirOrHubId: string, options: HubOptions = {}): Promise<FeatureExtractor> {
  const source = findSource(wanted, dirOrHubId, options);
  const transformers = await importTransformers(WHERE);
  const load = partLoader(wanted, source, () => transformers.env.remoteHost, options);
  const config = await load('config.json', (path, from) => transformers.AutoConfig.from_pretrained(path, from));
  if (config.model_type === 'clip') return clipFeatures(dirOrHubId, options);
  const processor = await load('preprocessor_config.json', (path, from) =>
    transformers.AutoImageProcessor.from_pretrained(path, from),
  );
  const model = await load(modelFile(source, 'model'), (path, from) =>
    transformers.AutoModel.from_pretrained(path, from),
  );
  const { batchSize = 8 } = options;
  const call = async (pictures: readonly Picture[]) => {
    const embedded: Float32Array[] = [];
    for (let first = 0; first < pictures.length; first += batchSize) {
      const pixels = await preprocess({ processor, transformers }, pictures.slice(first, first + batchSize));
      embedded.push(...rowsOf(dirOrHubId, await model(pixels)));
    }
    return embedded;
  };
  const name = `onnx:${dirOrHubId}${source.precision === 'fp32' ? '' : `:${source.precision}`}`;
  return fromRows(name, call, { dispose: async () => void (await model.dispose()) });
}

async function clipFeatures(dirOrHubId: string, options: HubOptions): Promise<FeatureExtractor> {
  const towers = await loadClipTowers(WHERE, dirOrHubId, options);
  const name = `clip:${dirOrHubId}${towers.precision === 'fp32' ? '' : `:${towers.precision}`}`;
  const text = async (captions: readonly string[]) => {
    const known = new Map<string, Float32Array>();
    for (const caption of new Set(captions)) known.set(caption, await towers.text(caption));
    return captions.map(caption => known.get(caption) as Float32Array); // each was just put in
  };
  return fromRows(name, pictures => towers.images(pictures), { text, dispose: () => towers.dispose() });
}

/** An extractor whose dimension is that of the first row it gives: settings of networks name it in many ways. */
async function fromRows(
  name: string,
  images: (pictures: readonly Picture[]) => Promise<Float32Array[]>,
  rest: {
    readonly text?: (captions: readonly string[]) => Promise<Float32Array[]>;
    readonly dispose: () => Promise<void>;
  },
): Promise<FeatureExtractor> {
  const explainFailure = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw new UserError(WHERE, `${name} cannot read pictures and captions (${reason(error)})`);
    }
  };
  const [first] = await explainFailure(() => images([{ width: 1, height: 1, data: new Uint8Array(3) }]));
  const { text, dispose } = rest;
  return {
    name,
    dimension: first.length,
    images: pictures => explainFailure(async () => joinRows(await images(pictures), first.length)),
    text: text && (captions => explainFailure(async () => joinRows(await text(captions), first.length))),
    dispose,
  };
}

function joinRows(list: readonly Float32Array[], width: number): Float64Array {
  const all = new Float64Array(list.length * width);
  list.forEach((row, i) => {
    all.set(row, i * width);
  });
  return all;
}

/** One row a picture of whatever the network gives: pooled, the first token's, or the mean over a map. */
function rowsOf(name: string, output: Readonly<Record<string, HubTensor | undefined>>): Float32Array[] {
  const { pooler_output: pooled, image_embeds: embeds, last_hidden_state: hidden } = output;
  const tensor = embeds ?? hidden ?? pooled ?? Object.values(output)[0];
  if (tensor === undefined) throw new Error(`${name} gives nothing`);
  const [count, ...shape] = tensor.dims;
  if (shape.length === 1) return rows(tensor);
  const data = Float32Array.from(tensor.to('float32').data as Float32Array); // `to` says only "some typed array"
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) => {
    const one = data.subarray(i * size, (i + 1) * size);
    if (shape.length === 2) return one.slice(0, shape[1]); // [T, C]: the class token comes first
    const [channels, area] = [shape[0], size / shape[0]]; // [C, H, W]
    return Float32Array.from({ length: channels }, (_, c) => {
      let sum = 0;
      for (let p = 0; p < area; p++) sum += one[c * area + p];
      return sum / area;
    });
  });
}
