/**
 * @file Networks from a folder or from the Hugging Face hub, by `@huggingface/transformers`: that package is an
 * optional peer and is imported only here, when it is needed. What is missing, damaged or out of reach is said in one
 * line. Also pictures as such networks want them.
 */

import { existsSync, statSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { UserError } from '../core/errors.ts';
import type { Picture } from '../image/images.ts';
import { readBytesSync } from '../io/bytes.ts';
import { DownloadedFiles } from './hub-hashes.ts';
import type { HubOptions, HubPrecision } from './hub-options.ts';
import { type ResizeKernel, resizeSmooth } from './smooth.ts';

export type Transformers = typeof import('@huggingface/transformers');
export type HubTensor = InstanceType<Transformers['Tensor']>;
export type ImageProcessor = InstanceType<Transformers['CLIPImageProcessor']>;

/** What a caller wants of a folder, and how it speaks of it. */
export interface Wanted {
  /** Opens every message, e.g. `rerank`. */
  readonly where: string;
  /** What it should be, with its article, e.g. `a CLIP`; and a hub id that has one. */
  readonly what: string;
  readonly example: string;
  /** JSON files that a folder must hold. */
  readonly files: readonly string[];
  /** ONNX files, any one list of which will do; the first list that is there is taken. */
  readonly models: readonly (readonly string[])[];
}

/** Where the files are: a folder whose files are known, or the hub, where only a request can tell. */
export interface Source {
  readonly path: string;
  readonly local: boolean;
  /** Of a hub id: a branch, a tag or a commit. */
  readonly revision: string;
  /** Folder of the ONNX files within `path`. */
  readonly subfolder: string;
  readonly precision: HubPrecision;
  /** Which list of `Wanted.models` a folder holds; undefined on the hub. */
  readonly models: number | undefined;
}

const SUFFIXES = { fp32: '', fp16: '_fp16', q8: '_quantized' } as const satisfies Record<HubPrecision, string>;
const PRECISIONS = ['fp32', 'fp16', 'q8'] as const satisfies readonly HubPrecision[];

/** Name of an ONNX file of a source, with its folder. */
export function modelFile({ subfolder, precision }: Source, name: string): string {
  return `${subfolder ? `${subfolder}/` : ''}${name}${SUFFIXES[precision]}.onnx`;
}

/**
 * Finds where the files are, without the network.
 * @throws UserError if it is neither a folder with the files nor a hub id
 */
export function findSource(wanted: Wanted, dirOrHubId: string, options: HubOptions): Source {
  return isFolder(wanted, dirOrHubId)
    ? readFolder(wanted, dirOrHubId, options)
    : hubSource(wanted, dirOrHubId, options);
}

/** Whether something is there under this name. @throws UserError if it is a file */
function isFolder({ where }: Wanted, path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat !== undefined && !stat.isDirectory()) {
    throw new UserError(where, `expected a folder or a hub id, got the file ${path}`);
  }
  return stat !== undefined;
}

/** Owner and name, and a branch, tag or commit after an @: nothing that climbs out of a folder or changes a request. */
const HUB_ID = /^(\w[\w.-]*\/\w[\w.-]*)(?:@(\w[\w.-]*))?$/;
const LONGEST_ID = 200;

function hubSource({ where, what, example }: Wanted, id: string, { precision = 'fp32' }: HubOptions): Source {
  const [, path, revision = 'main'] = HUB_ID.exec(id) ?? [];
  if (isAbsolute(id) || path === undefined || id.length > LONGEST_ID) {
    throw new UserError(
      where,
      `there is no folder ${id}`,
      `give the folder of ${what}, or a hub id such as ${example}, with a revision as ${example}@main`,
    );
  }
  return { path, local: false, revision, subfolder: 'onnx', precision, models: undefined };
}

/** Checks a folder before the slow import, so that what is missing is said at once and by its name. */
function readFolder({ where, what, example, files, models }: Wanted, dir: string, { precision }: HubOptions): Source {
  for (const file of files) {
    if (!existsSync(join(dir, file))) {
      throw new UserError(where, `no ${file} in ${dir}`, `${what}'s folder has the files of ${example} on the hub`);
    }
    try {
      JSON.parse(new TextDecoder().decode(readBytesSync(join(dir, file))));
    } catch (error) {
      throw new UserError(where, `${join(dir, file)}: expected JSON (${reason(error)})`);
    }
  }
  // `onnx/` is the layout of the hub; the exporter of Hugging Face Optimum leaves its files at the root.
  for (const subfolder of ['onnx', '']) {
    for (const candidate of precision === undefined ? PRECISIONS : [precision]) {
      const has = (name: string) => existsSync(join(dir, subfolder, `${name}${SUFFIXES[candidate]}.onnx`));
      const found = models.findIndex(names => names.every(has));
      if (found >= 0) {
        // An absolute path is never taken for a hub id, nor looked up in the library's own folder of models.
        return { path: resolve(dir), local: true, revision: '', subfolder, precision: candidate, models: found };
      }
    }
  }
  const end = `${SUFFIXES[precision ?? 'fp32']}.onnx`;
  const lists = models.map(names => names.map(name => `onnx/${name}${end}`).join(' with '));
  throw new UserError(
    where,
    `no ONNX model in ${dir} (looked for ${lists.join(', and for ')})`,
    `export one with \`optimum-cli export onnx --model ${example.replace('Xenova/clip', 'openai/clip')} ${dir}\``,
  );
}

/** @throws UserError saying how to install it */
export async function importTransformers(where: string): Promise<Transformers> {
  try {
    return await import('@huggingface/transformers');
  } catch (error) {
    throw new UserError(
      where,
      `expected the optional package @huggingface/transformers (${reason(error)})`,
      'npm install @huggingface/transformers',
    );
  }
}

export interface LoadOptions {
  readonly local_files_only: boolean;
  readonly revision: string;
  readonly subfolder: string;
  readonly dtype: HubPrecision;
  readonly session_options: { readonly logSeverityLevel: 4 };
  readonly cache_dir?: string;
  readonly progress_callback?: (event: {
    readonly status: string;
    readonly file?: string;
    readonly loaded?: number;
    readonly total?: number;
  }) => void;
}

/** Reads one file of a source, or says in one line why it cannot. */
export type LoadPart = <T>(file: string, read: (path: string, from: LoadOptions) => Promise<T>) => Promise<T>;

export function partLoader(wanted: Wanted, source: Source, host: () => string, options: HubOptions): LoadPart {
  const load: LoadPart = (file, read) =>
    read(source.path, loadOptions(source, options)).catch(error => {
      throw explain(wanted, error, { source, file, host: host() });
    });
  const { cacheDir, onModel } = options;
  if (source.local || cacheDir === undefined) return load;
  const { path: id, revision } = source;
  const folder = join(cacheDir, id, ...(revision === 'main' ? [] : [revision])); // as the package has it
  const files = new DownloadedFiles(folder, wanted.where);
  onModel?.({ id, revision, folder });
  return async (file, read) => {
    await files.check(file);
    const part = load(file, read);
    await part;
    await files.keep();
    return part;
  };
}

function loadOptions(
  { local, revision, subfolder, precision }: Source,
  { cacheDir, onDownload }: HubOptions,
): LoadOptions {
  return {
    local_files_only: local,
    revision,
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

/** A failure to load, as one line that says what to do. The original error stays as its cause. */
function explain(wanted: Wanted, error: unknown, at: { source: Source; file: string; host: string }): UserError {
  const { where, what, example } = wanted;
  const { source, file, host } = at;
  const folder = `give a folder that holds the files of ${what}, such as those of ${example}`;
  const again = 'it may be cut short: export or download it again';
  const why = `(${reason(error)})`;
  const wrapped = source.local
    ? new UserError(where, `cannot load ${join(source.path, file)} ${why}`, again)
    : isNotFound(error)
      ? new UserError(where, `${host} gives no ${file} of ${source.path} ${why}`, folder)
      : isNetwork(error)
        ? new UserError(where, `cannot reach ${host} for ${file} of ${source.path} ${why}`, folder)
        : new UserError(where, `cannot load ${file} of ${source.path} ${why}`, again);
  wrapped.cause = error;
  return wrapped;
}

/** The library exports no class for this; it is thrown for the statuses 401, 403 and 404. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && error.name === 'ModelFileNotFoundError';
}

/** `fetch` throws a TypeError that keeps the reason (no such host, connection refused, cut off) as its cause. */
function isNetwork(error: unknown): error is TypeError & { readonly cause: Error } {
  return error instanceof TypeError && error.cause instanceof Error;
}

/** What went wrong, in one line. */
export function reason(error: unknown): string {
  const inner = isNetwork(error) ? error.cause : error;
  const message = inner instanceof Error ? inner.message || String(Object(inner).code) : String(inner);
  return message.replaceAll(/\s+/g, ' ').trim().slice(0, 300);
}

/** Kernels of sharp for PIL's numbers of resampling, as preprocessor_config.json has them. */
const KERNELS: Readonly<Record<number, ResizeKernel>> = {
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
export async function preprocess(
  { processor, transformers }: { readonly processor: ImageProcessor; readonly transformers: Transformers },
  pictures: readonly Picture[],
): Promise<Record<string, HubTensor>> {
  const images = await Promise.all(
    pictures.map(async ({ width, height, data }) => {
      const image = new transformers.RawImage(data, width, height, 3);
      if (!processor.do_resize) return image;
      const [toWidth, toHeight] = processor.get_resize_output_image_size(image, processor.size);
      if (toWidth === width && toHeight === height) return image;
      const size = { width: toWidth, height: toHeight, kernel: KERNELS[processor.resample] ?? 'cubic' };
      const resized = await resizeSmooth({ width, height, data }, size);
      return new transformers.RawImage(resized.data, toWidth, toHeight, 3);
    }),
  );
  const { pixel_values } = await processor(images);
  return { pixel_values };
}

/** The rows of a [B, D] tensor. */
export function rows(tensor: HubTensor): Float32Array[] {
  const [count, width] = tensor.dims;
  const data = Float32Array.from(tensor.to('float32').data as Float32Array); // `to` says only "some typed array"
  return Array.from({ length: count }, (_, i) => data.subarray(i * width, (i + 1) * width));
}
