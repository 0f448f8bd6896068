/**
 * @file Training the patch tokenizer on images alone: what a step sees, and how well held-out images come back from
 * their codes.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import { measureQuality, type TokenizerQuality } from '../../../tokenizer/quality.ts';
import type { PatchTrainConfig } from '../../config/patch.ts';
import type { Random } from '../../core/random.ts';
import { hearSignal } from '../../core/stopping.ts';
import { Images, type Picture } from '../../image/images.ts';
import { imagesToTensor } from '../../image/pixels.ts';
import type { TensorData } from '../../io/safetensors.ts';
import type { Parameters } from '../../nn/module.ts';
import type { ImageStream } from '../../training/captioned.ts';
import type { Metrics } from '../../training/measured.ts';
import type { Losses, Player } from '../../training/moves.ts';
import { namedValues } from '../../training/named-values.ts';
import type { Task } from '../../training/task.ts';

/** What is trained of a tokenizer that was trained before: without the encoder and the quantizer, codes stay what they are. */
export type Tuned = 'decoder' | 'all';

export interface PatchTaskOptions {
  readonly config: PatchTrainConfig;
  readonly heldOut: Images;
  /** Where the tokenizer was trained before: no codebook is begun, and schedules are at their ends. */
  readonly tuned?: Tuned;
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
  /** Where not all is trained: who is. */
  readonly players?: readonly Player[];
  private observed: readonly Tensor[] = [];
  private counts: readonly number[] = [];

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
    if (options.tuned === 'decoder') {
      const parameters = tokenizer.parameters.list().filter(({ name }) => name.startsWith('decoder.'));
      this.players = [{ name: '', parameters, batch: step => this.batch(step) }];
    }
  }

  /** Where training stands, for what changes over its course. */
  private progressAt(step: number): number {
    return this.options.tuned === undefined ? step / this.steps : 1;
  }

  setSteps(steps: number): void {
    this.steps = steps;
  }

  async batch(step: number): Promise<(random: Random) => Losses> {
    const { config } = this.options;
    const { images } = await this.stream.next();
    return random => {
      const { loss, metrics, observed } = this.tokenizer.loss(imagesToTensor(images), {
        progress: this.progressAt(step),
        random,
        config,
      });
      this.observed = observed.map(t => tf.keep(t));
      return { loss, metrics };
    };
  }

  async begin(random: Random): Promise<void> {
    if (this.options.tuned !== undefined) return;
    if (this.tokenizer.quantizer.initialize === undefined) return; // nothing to start: decode nothing
    const batches: Picture[] = [];
    const wanted = Math.ceil(START_IMAGES / this.options.config.batchSize);
    for (let i = 0; i < wanted; i++) batches.push(...(await this.stream.next()).images.pictures());
    const images = imagesToTensor(Images.of(batches));
    await this.tokenizer.beforeTraining(images, random);
    images.dispose();
  }

  async afterStep(step: number, random: Random): Promise<void> {
    const { config, tuned } = this.options;
    // What follows the encoder's outputs, such as a codebook, would change the codes.
    if (tuned !== 'decoder') {
      await this.tokenizer.afterStep(this.observed, { progress: this.progressAt(step), random, config });
    }
    for (const tensor of this.observed) tensor.dispose();
    this.observed = [];
  }

  /** How often each code occurred when it was last evaluated: [V]; empty before. */
  get codeCounts(): readonly number[] {
    return this.counts;
  }

  async evaluate(signal?: AbortSignal): Promise<Metrics & { readonly loss: number }> {
    const measured = await measureTokenizer(this.tokenizer, this.options.heldOut, signal);
    const { psnr, usage, perplexity, counts } = measured;
    this.counts = counts;
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

/** How well images come back from their codes. @throws the signal's reason if it is aborted */
export async function measureTokenizer(
  tokenizer: PatchTokenizer,
  images: Images,
  signal?: AbortSignal,
): Promise<TokenizerQuality> {
  const batches = async function* () {
    for (let from = 0; from < images.count; from += PIECE) {
      await hearSignal(signal);
      const batch = imagesToTensor(images.slice(from, from + PIECE));
      yield batch;
      batch.dispose();
    }
  };
  return measureQuality(tokenizer, batches());
}
