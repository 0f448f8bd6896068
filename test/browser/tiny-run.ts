/** @file A run of a few thousand random numbers, as files: what it paints means nothing, but is the same everywhere. */

import { type PatchConfig, patchSchema } from '../../src/config/patch.ts';
import { codebookSizeOf } from '../../src/config/patch-sizes.ts';
import { samplingSchema } from '../../src/config/run.ts';
import { sha256 } from '../../src/core/platform/platform.ts';
import { Random } from '../../src/core/random.ts';
import { type ModelConfig, modelSchema } from '../../src/families/transformer/config.ts';
import { Dalle } from '../../src/families/transformer/dalle.ts';
import { patchTensors } from '../../src/families/transformer/patch-weights.ts';
import type { RunBytes } from '../../src/io/runfiles.ts';
import { encodeSafetensors } from '../../src/io/safetensors.ts';
import type { Parameters } from '../../src/nn/module.ts';
import { asTensors } from '../../src/training/named-values.ts';
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import { PatchTokenizer } from '../../tokenizer/patch.ts';

const images = { imageSize: 32 };
const patchSettings = {
  grid: 4,
  levels: [4, 4, 3],
  width: 16,
  maxWidth: 16,
  stem: 4,
  blocks: 1,
  codeBlocks: 1,
};
const modelSettings = { captionLength: 8, width: 32, layers: 2, heads: 2 };

/** What differs from the run that is made where nothing is asked for. */
export interface TinyOptions {
  readonly patch?: Partial<PatchConfig>;
  readonly model?: Partial<ModelConfig>;
}
const sampling = samplingSchema.parse({ cfgScale: 2 });

async function weightsOf(parameters: Parameters): Promise<ReturnType<typeof asTensors>> {
  const values = parameters
    .list()
    .map(
      async ({ name, variable }) =>
        [name, { shape: variable.shape, values: (await variable.data()) as Float32Array }] as const,
    );
  return asTensors(new Map(await Promise.all(values)));
}

/** The files of the run, by their names. The active backend makes them. */
export async function tinyRun(options: TinyOptions = {}): Promise<Map<string, Uint8Array>> {
  const patchConfig = patchSchema.parse({ ...patchSettings, ...options.patch });
  const modelConfig = modelSchema.parse({ ...modelSettings, ...options.model });
  const captions = BpeTokenizer.train(['a red apple', 'a blue sea', 'green leaves'], { vocabSize: 300 });
  const patch = new PatchTokenizer(patchConfig, images.imageSize, new Random(1));
  const vocabulary = { caption: captions.vocabSize, image: codebookSizeOf(patchConfig), grid: patchConfig.grid };
  const model = new Dalle(modelConfig, vocabulary, new Random(2));
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const whole = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
  const tokenizer = json(captions);
  const patchFile = whole(encodeSafetensors(await patchTensors(await weightsOf(patch.parameters), patch)));
  const companions = { caption_tokenizer: sha256(tokenizer), patch_tokenizer: sha256(patchFile) };
  const weights = whole(encodeSafetensors(await weightsOf(model.parameters), companions));
  patch.dispose();
  model.dispose();
  return new Map([
    ['config.json', json({ family: 'transformer', images, patch: patchConfig, model: modelConfig, sampling })],
    ['tokenizer.json', tokenizer],
    ['patch.safetensors', patchFile],
    ['ema.safetensors', weights],
  ]);
}

/** The bytes of such files, as a painter takes them. */
export function bytesOf(run: ReadonlyMap<string, Uint8Array>): RunBytes {
  const file = (name: string) => run.get(name) as Uint8Array; // they are all there
  return {
    config: file('config.json'),
    captions: file('tokenizer.json'),
    patch: file('patch.safetensors'),
    weights: file('ema.safetensors'),
    weightsFile: 'ema.safetensors',
  };
}
