/**
 * @file Training the patch tokenizer on images alone: what a step sees, and how well held-out images come back from
 * their codes.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { PatchTokenizer } from '../../../tokenizer/patch.ts';
import { measureQuality } from '../../../tokenizer/quality.ts';
import type { PatchTrainConfig } from '../../config/patch.ts';
import type { RunConfig } from '../../config/run.ts';
import type { Random } from '../../core/random.ts';
import { hearSignal } from '../../core/stopping.ts';
import { Images, type Picture } from '../../image/images.ts';
import { imagesToTensor } from '../../image/pixels.ts';
import { readSafetensors, writeSafetensors } from '../../io/files.ts';
import type { TensorData } from '../../io/safetensors.ts';
import { Checkpoint, type Parameters } from '../../nn/module.ts';
import type { ImageStream } from '../../training/captioned.ts';
import type { Metrics } from '../../training/measured.ts';
import type { Losses } from '../../training/moves.ts';
import { namedValues } from '../../training/named-values.ts';
import type { Task } from '../../training/task.ts';

export interface PatchTaskOptions {
  readonly config: PatchTrainConfig;
  readonly heldOut: Images;
}

/** Images that a codebook starts from. */
const START_IMAGES = 256;
/** Held-out images that are measured at once. */
const PIECE = 64;

export class PatchTask implements Task {
  readonly parameters: Parameters;
  readonly unit = 'images';
  readonly unitsPerStep: number;
  readonly imagesPerStep: number;
  readonly flopsPerStep: number;
  private readonly tokenizer: PatchTokenizer;
  private readonly stream: ImageStream;
  private readonly options: PatchTaskOptions;
  private steps: number;
  private observed: readonly Tensor[] = [];

  constructor(tokenizer: PatchTokenizer, stream: ImageStream, options: PatchTaskOptions) {
    this.tokenizer = tokenizer;
    this.parameters = tokenizer.parameters;
    this.stream = stream;
    this.options = options;
    const { batchSize, steps } = options.config;
    this.steps = steps;
    this.unitsPerStep = batchSize;
    this.imagesPerStep = batchSize;
    this.flopsPerStep = batchSize * tokenizer.flopsPerImage();
  }

  setSteps(steps: number): void {
    this.steps = steps;
  }

  async batch(step: number): Promise<(random: Random) => Losses> {
    const { config } = this.options;
    const { images } = await this.stream.next();
    return random => {
      const { loss, metrics, observed } = this.tokenizer.loss(imagesToTensor(images), {
        progress: step / this.steps,
        random,
        config,
      });
      this.observed = observed.map(t => tf.keep(t));
      return { loss, metrics };
    };
  }

  async begin(random: Random): Promise<void> {
    if (this.tokenizer.quantizer.initialize === undefined) return; // nothing to start: decode nothing
    const batches: Picture[] = [];
    const wanted = Math.ceil(START_IMAGES / this.options.config.batchSize);
    for (let i = 0; i < wanted; i++) batches.push(...(await this.stream.next()).images.pictures());
    const images = imagesToTensor(Images.of(batches));
    await this.tokenizer.beforeTraining(images, random);
    images.dispose();
  }

  async afterStep(step: number, random: Random): Promise<void> {
    const { config } = this.options;
    await this.tokenizer.afterStep(this.observed, { progress: step / this.steps, random, config });
    for (const tensor of this.observed) tensor.dispose();
    this.observed = [];
  }

  async evaluate(signal?: AbortSignal): Promise<Metrics & { readonly loss: number }> {
    const { heldOut } = this.options;
    const batches = async function* () {
      for (let from = 0; from < heldOut.count; from += PIECE) {
        await hearSignal(signal);
        const images = imagesToTensor(heldOut.slice(from, from + PIECE));
        yield images;
        images.dispose();
      }
    };
    const { psnr, usage, perplexity } = await measureQuality(this.tokenizer, batches());
    return { loss: -psnr, psnr, usage, perplexity };
  }

  async save(): Promise<{ arrays: ReadonlyMap<string, TensorData>; values: unknown }> {
    await this.tokenizer.readObserved();
    const state = Object.entries(this.tokenizer.state());
    const arrays = new Map<string, TensorData>(
      state.map(([name, data]) => [name, { dtype: 'F32', shape: [data.length], data }]),
    );
    return { arrays, values: this.stream.state() };
  }

  restore(arrays: ReadonlyMap<string, TensorData>, values: unknown, where: string): void {
    const state = [...namedValues(arrays, where)].map(([name, stored]) => [name, stored.values] as const);
    this.tokenizer.loadState(Object.fromEntries(state), where);
    this.stream.restore(values);
  }
}

const STATE = 'state.';

/** Writes a patch tokenizer: its weights by name, and what its quantizer remembers under `state.`. */
export async function savePatchTokenizer(
  path: string,
  weights: Map<string, TensorData>,
  tokenizer: PatchTokenizer,
): Promise<void> {
  const tensors = new Map(weights);
  await tokenizer.readObserved();
  for (const [name, data] of Object.entries(tokenizer.state())) {
    tensors.set(STATE + name, { dtype: 'F32', shape: [data.length], data });
  }
  await writeSafetensors(path, tensors, { format: 'tessera patch tokenizer' });
}

/** Reads what `savePatchTokenizer` wrote. @throws UserError if the file does not fit the config */
export async function loadPatchTokenizer(
  config: Pick<RunConfig, 'patch' | 'images'>,
  path: string,
): Promise<PatchTokenizer> {
  const stored = [...namedValues((await readSafetensors(path)).tensors, path)];
  const isState = ([name]: (typeof stored)[number]) => name.startsWith(STATE);
  const values = new Map(stored.filter(entry => !isState(entry)));
  const state = stored
    .filter(isState)
    .map(([name, { values: numbers }]) => [name.slice(STATE.length), numbers] as const);
  const tokenizer = new PatchTokenizer(config.patch, config.images.imageSize, new Checkpoint(values, path));
  try {
    tokenizer.parameters.load(values, path);
    tokenizer.loadState(Object.fromEntries(state), path);
    return tokenizer;
  } catch (error) {
    tokenizer.dispose();
    throw error;
  }
}
