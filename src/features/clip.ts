/**
 * @file A CLIP as ONNX: captions and pictures to rows of one space. Radford et al. 2021 (arXiv:2103.00020), figure 3.
 */

import { UserError } from '../core/errors.ts';
import type { Picture } from '../image/images.ts';
import {
  findSource,
  type HubTensor,
  type ImageProcessor,
  importTransformers,
  isNotFound,
  type LoadPart,
  modelFile,
  partLoader,
  preprocess,
  rows,
  type Source,
  type Transformers,
  type Wanted,
} from './hub.ts';
import type { HubOptions } from './hub-options.ts';

type Model = InstanceType<Transformers['CLIPModel']>;
type PreTrainedTokenizer = InstanceType<Transformers['PreTrainedTokenizer']>;

function wantedClip(where: string): Wanted {
  return {
    where,
    what: 'a CLIP',
    example: 'Xenova/clip-vit-base-patch32',
    files: ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'preprocessor_config.json'],
    models: [['text_model', 'vision_model'], ['model']],
  };
}

/**
 * Loads a CLIP from a local folder, never touching the network, or from the Hugging Face hub.
 * @param where opens every message
 * @param dirOrHubId a folder in the hub's layout (config.json, tokenizer.json, tokenizer_config.json,
 *   preprocessor_config.json, and onnx/text_model.onnx with onnx/vision_model.onnx, or onnx/model.onnx), or an id like
 *   `Xenova/clip-vit-base-patch32`
 * @throws UserError if the package is not installed, a file is missing or damaged, or the hub cannot be reached
 */
export async function loadClipTowers(where: string, dirOrHubId: string, options: HubOptions = {}): Promise<ClipTowers> {
  const { batchSize = 8 } = options;
  if (!(Number.isInteger(batchSize) && batchSize > 0)) {
    throw new RangeError(`loadClip: expected a whole batchSize of at least 1, got ${batchSize}`);
  }
  const wanted = wantedClip(where);
  const source = findSource(wanted, dirOrHubId, options);
  const transformers = await importTransformers(where);
  const { AutoConfig, AutoImageProcessor, AutoTokenizer } = transformers;
  const load = partLoader(wanted, source, () => transformers.env.remoteHost, options);
  const config = await load('config.json', (path, from) => AutoConfig.from_pretrained(path, from));
  if (config.model_type !== 'clip') {
    const found = JSON.stringify(config.model_type);
    throw new UserError(where, `expected a CLIP (model_type clip) in ${dirOrHubId}, got ${found}`);
  }
  const processor = await load('preprocessor_config.json', (path, from) =>
    AutoImageProcessor.from_pretrained(path, from),
  );
  const tokenizer = await load('tokenizer.json', (path, from) => AutoTokenizer.from_pretrained(path, from));
  const models = await loadModels(transformers, source, load);
  const positions = Math.min(tokenizer.model_max_length, textPositions(config));
  return new ClipTowers(
    { transformers, tokenizer, processor, ...models },
    { name: dirOrHubId, precision: source.precision, batchSize, positions },
  );
}

/** How many ids the text tower has positions for; exporters leave this out where it is 77, as in OpenAI's models. */
function textPositions(config: object): number {
  const { text_config: text } = config as { readonly text_config?: { readonly max_position_embeddings?: number } }; // untyped JSON
  return text?.max_position_embeddings ?? 77;
}

/** Either two towers or one model that wants both inputs at once. */
type Models = { readonly text: Model; readonly vision: Model } | { readonly joint: Model };

/** The towers where there are any: then the caption is embedded once, not once a batch. */
async function loadModels(
  { CLIPModel, CLIPTextModelWithProjection, CLIPVisionModelWithProjection }: Transformers,
  source: Source,
  load: LoadPart,
): Promise<Models> {
  const file = (name: string) => modelFile(source, name);
  const joint = source.models === undefined ? undefined : source.models === 1;
  if (joint !== true) {
    try {
      const text = await load(file('text_model'), (path, from) =>
        CLIPTextModelWithProjection.from_pretrained(path, from),
      );
      const vision = await load(file('vision_model'), (path, from) =>
        CLIPVisionModelWithProjection.from_pretrained(path, from),
      ).catch(async error => {
        await text.dispose();
        throw error;
      });
      return { text, vision };
    } catch (error) {
      if (joint === false || !(error instanceof UserError && isNotFound(error.cause))) throw error;
    }
  }
  return { joint: await load(file('model'), (path, from) => CLIPModel.from_pretrained(path, from)) };
}

type Parts = Models & {
  readonly transformers: Transformers;
  readonly tokenizer: PreTrainedTokenizer;
  readonly processor: ImageProcessor;
};

/** A loaded CLIP. */
export class ClipTowers {
  /** The folder or hub id it came from. */
  readonly name: string;
  readonly precision: string;
  private readonly batchSize: number;
  private readonly positions: number;
  private parts: Parts | undefined;

  constructor(parts: Parts, settings: { name: string; precision: string; batchSize: number; positions: number }) {
    this.parts = parts;
    this.name = settings.name;
    this.precision = settings.precision;
    this.batchSize = settings.batchSize;
    this.positions = settings.positions;
  }

  /**
   * One caption and pictures, as they come out of the towers: not of unit length.
   * @param caption cut to the positions the model has, its end mark kept
   * @returns a row a picture, in their order, and the caption's, which is undefined without pictures
   */
  async embed(
    caption: string,
    pictures: readonly Picture[],
  ): Promise<{ readonly text: Float32Array | undefined; readonly images: Float32Array[] }> {
    const parts = this.opened();
    const tokens = tokenize(parts, caption, this.positions);
    let text = 'text' in parts && pictures.length > 0 ? rows((await parts.text(tokens)).text_embeds)[0] : undefined;
    const images: Float32Array[] = [];
    for (let start = 0; start < pictures.length; start += this.batchSize) {
      const pixels = await preprocess(parts, pictures.slice(start, start + this.batchSize));
      const output = await ('joint' in parts ? parts.joint({ ...tokens, ...pixels }) : parts.vision(pixels));
      text ??= rows(output.text_embeds)[0];
      images.push(...rows(output.image_embeds));
    }
    return { text, images };
  }

  /** @returns a row a picture */
  async images(pictures: readonly Picture[]): Promise<Float32Array[]> {
    const parts = this.opened();
    if ('joint' in parts) return (await this.embed('', pictures)).images;
    const embedded: Float32Array[] = [];
    for (let start = 0; start < pictures.length; start += this.batchSize) {
      const pixels = await preprocess(parts, pictures.slice(start, start + this.batchSize));
      embedded.push(...rows((await parts.vision(pixels)).image_embeds));
    }
    return embedded;
  }

  /** @returns the caption's row */
  async text(caption: string): Promise<Float32Array> {
    const parts = this.opened();
    if ('text' in parts) return rows((await parts.text(tokenize(parts, caption, this.positions))).text_embeds)[0];
    const { text } = await this.embed(caption, [GREY]);
    return text as Float32Array; // there was a picture
  }

  private opened(): Parts {
    if (this.parts === undefined) throw new Error(`Clip: ${this.name} was disposed of`);
    return this.parts;
  }

  async dispose(): Promise<void> {
    const { parts } = this;
    this.parts = undefined;
    if (parts === undefined) return;
    await Promise.all(('joint' in parts ? [parts.joint] : [parts.text, parts.vision]).map(model => model.dispose()));
  }
}

/** A joint model reads no caption without a picture. */
const GREY: Picture = { width: 1, height: 1, data: new Uint8Array([128, 128, 128]) };

/** @returns input_ids and attention_mask, int64 [1, T], T <= positions */
function tokenize({ tokenizer, transformers }: Parts, caption: string, positions: number): Record<string, HubTensor> {
  const ids: number[] = tokenizer.encode(caption);
  const end = tokenizer.eos_token_id;
  // CLIP reads the caption at its end mark, and the library's own truncation would cut that off.
  if (ids.length > positions) ids.splice(positions - 1, ids.length, end ?? ids[ids.length - 1]);
  const int64 = (values: readonly bigint[]) => new transformers.Tensor('int64', [...values], [1, values.length]);
  return { input_ids: int64(ids.map(BigInt)), attention_mask: int64(ids.map(() => 1n)) };
}
