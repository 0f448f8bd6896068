/**
 * @file Ranks pictures by how well a CLIP says they fit a caption, as DALL-E does with its samples (Ramesh et al. 2021,
 * section 2.6). The CLIP is any ONNX export that `@huggingface/transformers` runs; that package is an optional peer and is
 * imported only here. Knows nothing of what made the pictures. CLIP: Radford et al. 2021 (arXiv:2103.00020), figure 3.
 */

import { existsSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import sharp from 'sharp';
import { UserError } from './errors.ts';
import type { Picture } from './pictures.ts';

type Transformers = typeof import('@huggingface/transformers');
type Model = InstanceType<Transformers['CLIPModel']>;
type Tensor = InstanceType<Transformers['Tensor']>;
type ImageProcessor = InstanceType<Transformers['CLIPImageProcessor']>;
type PreTrainedTokenizer = InstanceType<Transformers['PreTrainedTokenizer']>;

/** Weights as stored in the ONNX files; a local folder holds one or more of them. */
export type ClipPrecision = 'fp32' | 'fp16' | 'q8';

export interface ClipOptions {
  /** Which weights; the default is fp32 from the hub, and the most exact there is in a local folder. */
  readonly precision?: ClipPrecision;
  /** Pictures in one run of the model, default 8. */
  readonly batchSize?: number;
  /** Where downloads are kept; the default is a folder inside the installed `@huggingface/transformers`. */
  readonly cacheDir?: string;
  /** Called while a file comes from the hub. @param total bytes, 0 if the server does not say */
  readonly onDownload?: (file: string, loaded: number, total: number) => void;
}

/** A loaded CLIP. */
export interface Clip {
  /** The folder or hub id it came from. */
  readonly name: string;
  /**
   * How well each picture fits one caption: cosine of the angle between image and text embeddings.
   * @param caption cut to the positions the model has, its end mark kept
   * @returns one score in [-1, 1] a picture, in their order; 0 where an embedding is the zero vector
   * @throws UserError if the model's files do not fit each other
   */
  score(caption: string, pictures: readonly Picture[]): Promise<Float64Array>;
  /** Frees the model; scores are no longer possible. */
  dispose(): Promise<void>;
}

const WHERE = 'rerank';
const EXAMPLE = 'Xenova/clip-vit-base-patch32';
const SUFFIXES = { fp32: '', fp16: '_fp16', q8: '_quantized' } as const satisfies Record<ClipPrecision, string>;
const PRECISIONS = ['fp32', 'fp16', 'q8'] as const satisfies readonly ClipPrecision[];

/**
 * Loads a CLIP from a local folder, never touching the network, or from the Hugging Face hub.
 * @param dirOrHubId a folder in the hub's layout (config.json, tokenizer.json, tokenizer_config.json,
 *   preprocessor_config.json, and onnx/text_model.onnx with onnx/vision_model.onnx, or onnx/model.onnx), or an id like
 *   `Xenova/clip-vit-base-patch32`
 * @throws UserError if the package is not installed, a file is missing or damaged, or the hub cannot be reached
 */
export async function loadClip(dirOrHubId: string, options: ClipOptions = {}): Promise<Clip> {
  const { batchSize = 8 } = options;
  if (!(Number.isInteger(batchSize) && batchSize > 0)) {
    throw new RangeError(`loadClip: expected a whole batchSize of at least 1, got ${batchSize}`);
  }
  const source = isFolder(dirOrHubId) ? readFolder(dirOrHubId, options) : hubSource(dirOrHubId, options);
  const transformers = await importTransformers();
  const { AutoConfig, AutoImageProcessor, AutoTokenizer } = transformers;
  const load = <T>(file: string, read: (path: string, from: LoadOptions) => Promise<T>): Promise<T> =>
    read(source.path, loadOptions(source, options)).catch(error => {
      throw explain(error, { source, file, host: transformers.env.remoteHost });
    });

  const config = await load('config.json', (path, from) => AutoConfig.from_pretrained(path, from));
  expectClip(dirOrHubId, config.model_type);
  const processor = await load('preprocessor_config.json', (path, from) =>
    AutoImageProcessor.from_pretrained(path, from),
  );
  const tokenizer = await load('tokenizer.json', (path, from) => AutoTokenizer.from_pretrained(path, from));
  const models = await loadModels(transformers, source, load);
  const positions = textPositions(config);
  return new OnnxClip(
    { transformers, tokenizer, processor, ...models },
    {
      name: dirOrHubId,
      batchSize,
      positions: Math.min(tokenizer.model_max_length, positions),
    },
  );
}

/** Indices of the scores, best first; equal scores keep their order, and NaN comes last. */
export function rank(scores: ArrayLike<number>): number[] {
  const key = (i: number): number => (Number.isNaN(scores[i]) ? Number.NEGATIVE_INFINITY : scores[i]);
  return Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return x === y ? a - b : x < y ? 1 : -1;
  });
}

/** How many ids the text tower has positions for; exporters leave this out where it is 77, as in OpenAI's models. */
function textPositions(config: object): number {
  const { text_config: text } = config as { readonly text_config?: { readonly max_position_embeddings?: number } }; // untyped JSON
  return text?.max_position_embeddings ?? 77;
}

/** Where the files are: a folder whose files are known, or the hub, where only a request can tell. */
interface Source {
  readonly path: string;
  readonly local: boolean;
  /** Folder of the ONNX files within `path`. */
  readonly subfolder: string;
  readonly precision: ClipPrecision;
  /** Undefined: try the two towers, then the joint model. */
  readonly joint: boolean | undefined;
}

function isFolder(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isDirectory()) {
    throw new UserError(WHERE, `expected a folder or a hub id, got the file ${path}`);
  }
  return stat !== undefined;
}

function hubSource(id: string, { precision = 'fp32' }: ClipOptions): Source {
  if (isAbsolute(id) || !/^\w[\w.-]*\/\w[\w.-]*$/.test(id)) {
    throw new UserError(WHERE, `there is no folder ${id}`, `give the folder of a CLIP, or a hub id such as ${EXAMPLE}`);
  }
  return { path: id, local: false, subfolder: 'onnx', precision, joint: undefined };
}

/** Checks a folder before the slow import, so that what is missing is said at once and by its name. */
function readFolder(dir: string, { precision }: ClipOptions): Source {
  for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'preprocessor_config.json']) {
    if (!existsSync(join(dir, file))) {
      throw new UserError(WHERE, `no ${file} in ${dir}`, `a CLIP's folder has the files of ${EXAMPLE} on the hub`);
    }
    try {
      JSON.parse(readFileSync(join(dir, file), 'utf8'));
    } catch (error) {
      throw new UserError(WHERE, `${join(dir, file)}: expected JSON (${reason(error)})`);
    }
  }
  // `onnx/` is the layout of the hub; the exporter of Hugging Face Optimum leaves its files at the root.
  for (const subfolder of ['onnx', '']) {
    for (const candidate of precision === undefined ? PRECISIONS : [precision]) {
      const has = (name: string) => existsSync(join(dir, subfolder, `${name}${SUFFIXES[candidate]}.onnx`));
      const towers = has('text_model') && has('vision_model');
      if (towers || has('model')) {
        // An absolute path is never taken for a hub id, nor looked up in the library's own folder of models.
        return { path: resolve(dir), local: true, subfolder, precision: candidate, joint: !towers };
      }
    }
  }
  const end = `${SUFFIXES[precision ?? 'fp32']}.onnx`;
  throw new UserError(
    WHERE,
    `no ONNX model in ${dir} (looked for onnx/text_model${end} with onnx/vision_model${end}, and for onnx/model${end})`,
    `export one with \`optimum-cli export onnx --model openai/clip-vit-base-patch32 ${dir}\``,
  );
}

function expectClip(name: string, modelType: unknown): void {
  if (modelType === 'clip') return;
  throw new UserError(WHERE, `expected a CLIP (model_type clip) in ${name}, got ${JSON.stringify(modelType)}`);
}

async function importTransformers(): Promise<Transformers> {
  try {
    return await import('@huggingface/transformers');
  } catch (error) {
    throw new UserError(
      WHERE,
      `expected the optional package @huggingface/transformers (${reason(error)})`,
      'npm install @huggingface/transformers',
    );
  }
}

interface LoadOptions {
  readonly local_files_only: boolean;
  readonly subfolder: string;
  readonly dtype: ClipPrecision;
  readonly session_options: { readonly logSeverityLevel: 4 };
  readonly cache_dir?: string;
  readonly progress_callback?: (event: {
    readonly status: string;
    readonly file?: string;
    readonly loaded?: number;
    readonly total?: number;
  }) => void;
}

function loadOptions({ local, subfolder, precision }: Source, { cacheDir, onDownload }: ClipOptions): LoadOptions {
  return {
    local_files_only: local,
    subfolder,
    dtype: precision,
    session_options: { logSeverityLevel: 4 }, // the runtime would print its own account of an error that we report
    cache_dir: cacheDir,
    progress_callback:
      local || onDownload === undefined
        ? undefined
        : ({ status, file = '', loaded = 0, total = 0 }) => {
            if (status === 'progress') onDownload(file, loaded, total);
          },
  };
}

/** Either two towers or one model that wants both inputs at once. */
type Models = { readonly text: Model; readonly vision: Model } | { readonly joint: Model };

/** The towers where there are any: then the caption is embedded once, not once a batch. */
async function loadModels(
  { CLIPModel, CLIPTextModelWithProjection, CLIPVisionModelWithProjection }: Transformers,
  { joint, precision, subfolder }: Source,
  load: <T>(file: string, read: (path: string, from: LoadOptions) => Promise<T>) => Promise<T>,
): Promise<Models> {
  const file = (name: string) => `${subfolder ? `${subfolder}/` : ''}${name}${SUFFIXES[precision]}.onnx`;
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

/** A failure to load, as one line that says what to do. The original error stays as its cause. */
function explain(error: unknown, at: { source: Source; file: string; host: string }): UserError {
  const { source, file, host } = at;
  const folder = `give a folder that holds the files of a CLIP, such as those of ${EXAMPLE}`;
  const again = 'it may be cut short: export or download it again';
  const why = `(${reason(error)})`;
  const wrapped = source.local
    ? new UserError(WHERE, `cannot load ${join(source.path, file)} ${why}`, again)
    : isNotFound(error)
      ? new UserError(WHERE, `${host} gives no ${file} of ${source.path} ${why}`, folder)
      : isNetwork(error)
        ? new UserError(WHERE, `cannot reach ${host} for ${file} of ${source.path} ${why}`, folder)
        : new UserError(WHERE, `cannot load ${file} of ${source.path} ${why}`, again);
  wrapped.cause = error;
  return wrapped;
}

/** The library exports no class for this; it is thrown for the statuses 401, 403 and 404. */
function isNotFound(error: unknown): boolean {
  return error instanceof Error && error.name === 'ModelFileNotFoundError';
}

/** `fetch` throws a TypeError that keeps the reason (no such host, connection refused, cut off) as its cause. */
function isNetwork(error: unknown): error is TypeError & { readonly cause: Error } {
  return error instanceof TypeError && error.cause instanceof Error;
}

/** What went wrong, in one line. */
function reason(error: unknown): string {
  const inner = isNetwork(error) ? error.cause : error;
  const message = inner instanceof Error ? inner.message || String(Object(inner).code) : String(inner);
  return message.replaceAll(/\s+/g, ' ').trim().slice(0, 300);
}

type Parts = Models & {
  readonly transformers: Transformers;
  readonly tokenizer: PreTrainedTokenizer;
  readonly processor: ImageProcessor;
};

class OnnxClip implements Clip {
  readonly name: string;
  private readonly batchSize: number;
  private readonly positions: number;
  private parts: Parts | undefined;

  constructor(parts: Parts, settings: { name: string; batchSize: number; positions: number }) {
    this.parts = parts;
    this.name = settings.name;
    this.batchSize = settings.batchSize;
    this.positions = settings.positions;
  }

  async score(caption: string, pictures: readonly Picture[]): Promise<Float64Array> {
    const { parts } = this;
    if (parts === undefined) throw new Error(`Clip.score: ${this.name} was disposed of`);
    const scores = new Float64Array(pictures.length);
    try {
      const tokens = tokenize(parts, caption, this.positions);
      let text = 'text' in parts && pictures.length > 0 ? rows((await parts.text(tokens)).text_embeds)[0] : undefined;
      for (let start = 0; start < pictures.length; start += this.batchSize) {
        const pixels = await preprocess(parts, pictures.slice(start, start + this.batchSize));
        const output = await ('joint' in parts ? parts.joint({ ...tokens, ...pixels }) : parts.vision(pixels));
        text ??= rows(output.text_embeds)[0];
        for (const [i, image] of rows(output.image_embeds).entries()) scores[start + i] = cosine(image, text);
      }
    } catch (error) {
      throw new UserError(WHERE, `${this.name} cannot score pictures (${reason(error)})`);
    }
    return scores;
  }

  async dispose(): Promise<void> {
    const { parts } = this;
    this.parts = undefined;
    if (parts === undefined) return;
    await Promise.all(('joint' in parts ? [parts.joint] : [parts.text, parts.vision]).map(model => model.dispose()));
  }
}

/** @returns input_ids and attention_mask, int64 [1, T], T <= positions */
function tokenize({ tokenizer, transformers }: Parts, caption: string, positions: number): Record<string, Tensor> {
  const ids: number[] = tokenizer.encode(caption);
  const end = tokenizer.eos_token_id;
  // CLIP reads the caption at its end mark, and the library's own truncation would cut that off.
  if (ids.length > positions) ids.splice(positions - 1, ids.length, end ?? ids[ids.length - 1]);
  const int64 = (values: readonly bigint[]) => new transformers.Tensor('int64', [...values], [1, values.length]);
  return { input_ids: int64(ids.map(BigInt)), attention_mask: int64(ids.map(() => 1n)) };
}

/** Kernels of sharp for PIL's numbers of resampling, as preprocessor_config.json has them. */
const KERNELS: Readonly<Record<number, 'nearest' | 'lanczos3' | 'linear' | 'cubic'>> = {
  0: 'nearest',
  1: 'lanczos3',
  2: 'linear',
  3: 'cubic',
};

/**
 * Pixels as the model wants them. The resizing is done here, because the library's (an affine transform) draws a dark
 * frame round an enlarged picture and does not smooth a reduced one; after it the library finds nothing left to resize.
 * @returns pixel_values, float32 [B, 3, S, S]
 */
async function preprocess(
  { processor, transformers }: Parts,
  pictures: readonly Picture[],
): Promise<Record<string, Tensor>> {
  const images = await Promise.all(
    pictures.map(async ({ width, height, data }) => {
      const image = new transformers.RawImage(data, width, height, 3);
      if (!processor.do_resize) return image;
      const [toWidth, toHeight] = processor.get_resize_output_image_size(image, processor.size);
      if (toWidth === width && toHeight === height) return image;
      const resized = await sharp(data, { raw: { width, height, channels: 3 } })
        .resize({ width: toWidth, height: toHeight, fit: 'fill', kernel: KERNELS[processor.resample] ?? 'cubic' })
        .raw()
        .toBuffer();
      return new transformers.RawImage(new Uint8Array(resized), toWidth, toHeight, 3);
    }),
  );
  const { pixel_values } = await processor(images);
  return { pixel_values };
}

/** The rows of a [B, D] tensor. */
function rows(tensor: Tensor): Float32Array[] {
  const [count, width] = tensor.dims;
  const data = Float32Array.from(tensor.to('float32').data as Float32Array); // `to` says only "some typed array"
  return Array.from({ length: count }, (_, i) => data.subarray(i * width, (i + 1) * width));
}

function cosine(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new Error(`image embeddings have ${a.length} numbers, text embeddings ${b.length}`);
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return aa > 0 && bb > 0 ? dot / Math.sqrt(aa * bb) : 0;
}
