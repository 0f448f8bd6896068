/**
 * @file Training the towers of captions and images: which pairs a step sees, how images are cut anew for it, and how well
 * held-out images find their captions among others, and captions their images.
 */

import * as tf from '@tensorflow/tfjs-core';
import { counted } from '../../core/numbers.ts';
import { Random } from '../../core/random.ts';
import { hearSignal } from '../../core/stopping.ts';
import type { Images } from '../../image/images.ts';
import type { TensorData } from '../../io/safetensors.ts';
import type { Parameters } from '../../nn/module.ts';
import type { CaptionedImages, ImageStream } from '../../training/captioned.ts';
import type { Metrics } from '../../training/measured.ts';
import type { Losses } from '../../training/moves.ts';
import type { Task } from '../../training/task.ts';
import type { TextTrainConfig } from './config.ts';
import { type Contrastive, equalCaptions, infoNce } from './contrastive.ts';
import { type CaptionEncoder, encodeCaptions, encodeImages, trimIds } from './frozen.ts';

export interface ContrastiveTaskOptions {
  readonly config: TextTrainConfig;
  /** Chance that a merge of the caption tokenizer is skipped in training. */
  readonly bpeDropout: number;
  /** Images with one caption each. */
  readonly heldOut: CaptionedImages;
}

/** A `CaptionEncoder` that can leave merges out. */
export interface TrainingEncoder extends CaptionEncoder {
  encodeCaption(
    caption: string,
    options: { readonly length: number; readonly dropout?: number; readonly random?: Random },
  ): { readonly ids: Int32Array; readonly count: number; readonly cut: boolean };
}

/** Answers to choose from where retrieval is measured. */
const CANDIDATES = 100;

export class ContrastiveTask implements Task {
  readonly parameters: Parameters;
  readonly unit = 'images';
  readonly unitsPerStep: number;
  readonly imagesPerStep: number;
  /** Captions counted at their full length; batches of shorter ones cost less. */
  readonly flopsPerStep: number;
  /** Captions that were too long for their positions, by text. */
  readonly cut = new Set<string>();
  private readonly model: Contrastive;
  private readonly encoder: TrainingEncoder;
  private readonly stream: ImageStream;
  private readonly options: ContrastiveTaskOptions;

  constructor(model: Contrastive, encoder: TrainingEncoder, stream: ImageStream, options: ContrastiveTaskOptions) {
    const { batchSize, views } = options.config;
    this.model = model;
    this.encoder = encoder;
    this.stream = stream;
    this.options = options;
    this.parameters = model.parameters;
    this.unitsPerStep = batchSize;
    this.imagesPerStep = batchSize;
    this.flopsPerStep = batchSize * model.flopsPerPair(views > 0);
  }

  async batch(): Promise<(random: Random) => Losses> {
    const { model, encoder, options } = this;
    const { crop, views } = options.config;
    const { length } = model.config;
    const { images, captions } = await this.stream.next();
    return random => {
      const words = random.fork('merges');
      const padded = captions.map(caption => {
        const encoded = encoder.encodeCaption(caption, { length, dropout: options.bpeDropout, random: words });
        if (encoded.cut) this.cut.add(caption);
        return encoded;
      });
      const { ids, length: columns } = trimIds(padded);
      const crops = (label: string) => randomCrops(images, { amount: crop, random: random.fork(label) });
      return model.loss(
        {
          images: crops('crops'),
          ids: tf.tensor2d(ids, [captions.length, columns], 'int32'),
          ignored: equalCaptions(captions),
          ...(views > 0 ? { views: crops('views') } : {}),
        },
        views,
      );
    };
  }

  async afterStep(): Promise<void> {
    this.model.bound();
  }

  remarks(): string[] {
    const { length } = this.model.config;
    return this.cut.size === 0
      ? []
      : [
          `${counted(this.cut.size, 'caption')} ${this.cut.size === 1 ? 'was' : 'were'} longer than ${length} ids and cut`,
        ];
  }

  /** InfoNCE of held-out pairs in batches as in training, and the shares of first answers that are right. */
  async evaluate(signal?: AbortSignal): Promise<Metrics & { readonly loss: number }> {
    const { model, encoder } = this;
    const { images, captions } = this.options.heldOut;
    const imageRows = await encodeImages(model, images);
    await hearSignal(signal);
    const captionRows = await encodeCaptions(model, encoder, captions);
    await hearSignal(signal);
    const found = retrieval(imageRows, captionRows, { captions, candidates: CANDIDATES, random: new Random(0) });
    return { loss: await this.heldOutLoss(imageRows, captionRows), ...found };
  }

  /** In batches of training's size, because what chance costs grows with it; a rest is left out. */
  private async heldOutLoss(imageRows: Float32Array, captionRows: Float32Array): Promise<number> {
    const { captions } = this.options.heldOut;
    const { dim } = this.model.config;
    // Neighbours in a data set may be alike.
    const order = new Random(0).fork('batches').permutation(captions.length);
    const size = Math.min(this.options.config.batchSize, captions.length);
    const batches = Math.floor(captions.length / size);
    let sum = 0;
    for (let b = 0; b < batches; b++) {
      const chosen = order.slice(b * size, (b + 1) * size);
      const loss = tf.tidy(() => {
        const rows = (from: Float32Array) => {
          const values = new Float32Array(size * dim);
          chosen.forEach((row, i) => {
            values.set(from.subarray(row * dim, (row + 1) * dim), i * dim);
          });
          return tf.tensor2d(values, [size, dim]);
        };
        const ignored = equalCaptions(Array.from(chosen, i => captions[i]));
        return infoNce(rows(imageRows), rows(captionRows), { scale: this.model.scale(), ignored });
      });
      sum += (await loss.data())[0];
      loss.dispose();
    }
    return sum / batches;
  }

  save(): { arrays: ReadonlyMap<string, TensorData>; values: unknown } {
    return { arrays: new Map(), values: this.stream.state() };
  }

  restore(_: unknown, values: unknown): void {
    this.stream.restore(values);
  }
}

/**
 * How often the right answer comes first among some: for each image the captions (its own and others drawn from the rest,
 * none equal to it), and for each caption the images. Answers that are as good as each other share the point.
 * @param images [n, dim]; @param texts [n, dim], row i belongs to image i
 * @param options.candidates answers to choose from, the right one included; fewer where there are fewer
 * @returns shares in [0, 1]; chance is one over `candidates`
 */
export function retrieval(
  images: Float32Array,
  texts: Float32Array,
  options: { readonly captions: readonly string[]; readonly candidates: number; readonly random: Random },
): { readonly captionTop1: number; readonly imageTop1: number; readonly candidates: number } {
  const { captions, candidates, random } = options;
  const n = captions.length;
  const dim = texts.length / n;
  const cosine = (i: number, j: number) => {
    let sum = 0;
    for (let d = 0; d < dim; d++) sum += images[i * dim + d] * texts[j * dim + d];
    return sum;
  };
  let [captionHits, imageHits, answers] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const others: number[] = [];
    for (const j of random.fork('others', i).permutation(n)) {
      if (others.length === candidates - 1) break;
      if (captions[j] !== captions[i]) others.push(j);
    }
    const own = cosine(i, i);
    captionHits += pointFor(
      own,
      others.map(j => cosine(i, j)),
    );
    imageHits += pointFor(
      own,
      others.map(j => cosine(j, i)),
    );
    answers += others.length + 1;
  }
  return { captionTop1: captionHits / n, imageTop1: imageHits / n, candidates: answers / n };
}

/** 1 if nothing else is as good, a share if others are just as good, 0 if one is better. */
function pointFor(own: number, others: readonly number[]): number {
  let ties = 0;
  for (const other of others) {
    if (other > own) return 0;
    if (other === own) ties++;
  }
  return 1 / (1 + ties);
}

/**
 * Cuts every image anew: a square up to `amount` smaller or larger than the image, shifted by up to half of that, drawn to
 * the image's size with bilinear interpolation; beyond the image its edge goes on. Colours stay, since captions name them.
 * @param images square
 * @param options.amount share of the side; 0 gives the images as they are
 * @returns [n, S, S, 3] in [0, 1]
 */
export function randomCrops(
  { bytes, count: n, width: size }: Images,
  options: { readonly amount: number; readonly random: Random },
): tf.Tensor {
  const { amount, random } = options;
  const one = size * size * 3;
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < n; i++) {
    const zoom = 1 + amount * (2 * random.uniform() - 1);
    const rows = lattice(size, zoom, amount * (random.uniform() - 0.5));
    const columns = lattice(size, zoom, amount * (random.uniform() - 0.5));
    let at = i * one;
    for (let y = 0; y < size; y++) {
      const top = i * one + rows.first[y] * size * 3;
      const bottom = i * one + rows.second[y] * size * 3;
      const down = rows.share[y];
      for (let x = 0; x < size; x++) {
        const [left, right, along] = [3 * columns.first[x], 3 * columns.second[x], columns.share[x]];
        for (let c = 0; c < 3; c++) {
          const above = bytes[top + left + c] * (1 - along) + bytes[top + right + c] * along;
          const below = bytes[bottom + left + c] * (1 - along) + bytes[bottom + right + c] * along;
          values[at++] = (above * (1 - down) + below * down) / 255;
        }
      }
    }
  }
  return tf.tensor(values, [n, size, size, 3]);
}

/** For every pixel of a line of the crop the two of the image it lies between, and its share of the second. */
function lattice(size: number, zoom: number, shift: number) {
  const [first, second] = [new Uint16Array(size), new Uint16Array(size)];
  const share = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    const middle = (i + 0.5 - size / 2) * zoom + size * (0.5 + shift) - 0.5;
    const clamped = Math.min(size - 1, Math.max(0, middle));
    first[i] = Math.floor(clamped);
    second[i] = Math.min(size - 1, first[i] + 1);
    share[i] = clamped - first[i];
  }
  return { first, second, share };
}
