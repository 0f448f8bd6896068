/**
 * @file Training the transformer on captions and codes: which sequences a step sees, what is left out for guidance, and
 * the losses on held-out images. Which sequences those are depends only on the seed and the step's number.
 */

import * as tf from '@tensorflow/tfjs-core';
import { balancedWeights } from '../../../data/epochs.ts';
import { drawCaption } from '../../../data/wordings.ts';
import { counted } from '../../core/numbers.ts';
import { Random } from '../../core/random.ts';
import { hearSignal } from '../../core/stopping.ts';
import { spreadPlaces } from '../../image/images.ts';
import type { CodeSet } from '../../io/codes.ts';
import type { Parameters } from '../../nn/module.ts';
import { coarsePlaces } from '../../nn/orders.ts';
import { FEW_ITEMS, meanMargin } from '../../training/few.ts';
import type { Metrics } from '../../training/measured.ts';
import type { Losses } from '../../training/moves.ts';
import type { Task } from '../../training/task.ts';
import type { CaptionedCodes, Rehearsal } from '../family.ts';
import type { Dalle, SequenceBatch } from './dalle.ts';
import { measureNats } from './likelihood.ts';
import { joinCodes, RehearsedItems } from './rehearsal.ts';

/** What is needed of a caption tokenizer. */
export interface CaptionEncoder {
  encodeCaption(
    caption: string,
    options: { readonly length: number; readonly dropout?: number; readonly random?: Random },
  ): { readonly ids: Int32Array; readonly cut: boolean };
}

export interface DalleTaskOptions {
  readonly batchSize: number;
  readonly accumulate: number;
  readonly bpeDropout: number;
  /** See `drawCaption`; default 0. */
  readonly firstShare?: number;
  /** See `balancedWeights`; default 0. */
  readonly balance?: number;
  readonly seed: number;
  /** Pixels along a side, for bits per dimension. */
  readonly imageSize: number;
  /** Most held-out images that an evaluation looks at. */
  readonly evaluateAtMost?: number;
}

/** A sequence of a batch. */
interface Row {
  readonly item: number;
  /** Among those of the set: the plain ones, then those of every variant. */
  readonly crop: number;
  readonly ids: Int32Array;
}

/** The share of changed pictures, where there are some. */
const CHANGED = 0.5;

/** What coarse pictures weigh in the loss of a step that has some: as much as whole ones. */
const COARSE = 0.5;

/** A stream of pictures that are learnt in the same way, and of which every step has as many. */
interface Stream {
  /** Keeps its draws apart from those of others. */
  readonly name: string;
  readonly items: RehearsedItems;
  /** Sequences of a step. */
  readonly size: number;
  /** See `SequenceBatch.places`. */
  readonly places: number;
}

/** The sequences of a step and a stream. */
interface DrawnBatch {
  readonly rows: readonly Row[];
  /** 1 where the caption is left out. */
  readonly dropped: Uint8Array;
  /** Caption ids that are predicted. */
  readonly captionIds: number;
  /** [batch, N], the codes that are read, where some are replaced. */
  readonly read?: Int32Array;
}

export class DalleTask implements Task {
  readonly parameters: Parameters;
  readonly unit = 'tokens';
  readonly unitsPerStep: number;
  readonly imagesPerStep: number;
  readonly flopsPerStep: number;
  /** Captions that were too long for their positions, by text. */
  readonly cut = new Set<string>();
  private readonly model: Dalle;
  private readonly encoder: CaptionEncoder;
  private readonly training: CaptionedCodes;
  private readonly heldOut: CaptionedCodes;
  private readonly options: DalleTaskOptions;
  private readonly random: Random;
  private drawn: { readonly step: number; readonly batches: readonly DrawnBatch[] } | undefined;
  /** Whole pictures; then coarse ones, where the config asks for some. */
  private readonly streams: readonly Stream[];
  /** Items that are learnt, those that are rehearsed not counted. */
  private readonly learnt: number;

  constructor(
    model: Dalle,
    encoder: CaptionEncoder,
    data: { readonly training: CaptionedCodes; readonly heldOut: CaptionedCodes; readonly rehearsal?: Rehearsal },
    options: DalleTaskOptions,
  ) {
    this.model = model;
    this.parameters = model.parameters;
    this.encoder = encoder;
    const { rehearsal } = data;
    this.training = rehearsal === undefined ? data.training : joinCodes(data.training, rehearsal.codes);
    this.heldOut = data.heldOut;
    this.options = options;
    this.random = new Random(options.seed).fork('data');
    const { batchSize, balance = 0 } = options;
    const weights = balancedWeights(data.training.captions, balance);
    this.learnt = weights.length;
    const { captionLength, coarse } = model.config;
    const streamOf = (name: string, size: number, places: number, random: Random): Stream => {
      const items = new RehearsedItems(weights, random, { batchSize: size, rehearsal });
      return { name, items, size, places };
    };
    const places = coarsePlaces(model.vocabulary.grid);
    const whole = streamOf('', batchSize, model.codes, this.random);
    this.streams =
      coarse === 0 ? [whole] : [whole, streamOf('coarse/', coarse * batchSize, places, this.random.fork('coarse'))];
    const sum = (of: (stream: Stream) => number) => this.streams.reduce((all, stream) => all + of(stream), 0);
    this.unitsPerStep = sum(stream => stream.size * (captionLength + stream.places));
    this.imagesPerStep = batchSize;
    this.flopsPerStep = sum(stream => stream.size * model.flopsPerSequence(stream.places));
  }

  async batch(step: number, part: number): Promise<(random: Random) => Losses> {
    if (this.drawn?.step !== step)
      this.drawn = { step, batches: this.streams.map(stream => this.drawBatch(step, stream)) };
    const { batches } = this.drawn;
    const parts = this.streams.map((stream, i) => this.partOf(stream, batches[i], part));
    const { dropout: rate, dropoutAfter } = this.model.config;
    const dropout = step * this.streams[0].items.own >= dropoutAfter * this.learnt ? rate : 0;
    return (random): Losses => {
      const [whole, coarse] = parts.map(batch => this.model.loss(batch, { random, dropout }));
      const { loss, caption, image } = whole;
      if (coarse === undefined) return { loss, metrics: { caption, image } };
      const both = tf.add(tf.mul(loss, 1 - COARSE), tf.mul(coarse.loss, COARSE));
      return { loss: both, metrics: { caption, image, coarse: coarse.image } };
    };
  }

  /** One part of the sequences of a step and a stream. */
  private partOf({ size, places }: Stream, { rows, dropped, captionIds, read }: DrawnBatch, part: number) {
    const { accumulate } = this.options;
    const [from, to] = [part, part + 1].map(at => (at * size) / accumulate);
    const N = this.training.set.length;
    return {
      ...this.collate(this.training.set, rows.slice(from, to), dropped.subarray(from, to)),
      places,
      captionIds: captionIds / accumulate,
      ...(read === undefined ? {} : { read: read.subarray(from * N, to * N) }),
    };
  }

  /** The sequences of a step, the same however many parts it is computed in. */
  private drawBatch(step: number, { name, items, size }: Stream): DrawnBatch {
    const { bpeDropout, firstShare } = this.options;
    const { captionDrop, variants } = this.model.config;
    const draw = this.random.fork(`${name}batch/0`, step);
    const { captions } = this.training;
    const dropped = new Uint8Array(size);
    const rows: Row[] = [];
    let captionIds = 0;
    for (let i = 0; i < size; i++) {
      const item = items.at(step, i);
      const kind = variants.length > 0 && draw.uniform() < CHANGED ? 1 + draw.integer(variants.length) : 0;
      const crop = kind * this.crops + draw.integer(this.crops);
      const caption = drawCaption(captions[item], draw, firstShare);
      dropped[i] = draw.uniform() < captionDrop ? 1 : 0;
      const ids = dropped[i] === 1 ? this.model.emptyCaption() : this.encode(caption, bpeDropout, draw);
      if (dropped[i] === 0) captionIds += this.model.predictedIds(ids);
      rows.push({ item, crop, ids });
    }
    return { rows, dropped, captionIds, ...this.corrupt(this.random.fork(`${name}noise`, step), rows) };
  }

  /**
   * The codes that a step reads, a share of them replaced by codes drawn alike from all: what is left of the past is never
   * quite one that the model has seen, so that it cannot go by knowing whole pictures. What is predicted stays.
   */
  private corrupt(random: Random, rows: readonly Row[]): Pick<DrawnBatch, 'read'> {
    const { codeNoise } = this.model.config;
    if (codeNoise === 0) return {};
    const { codes } = this.collate(this.training.set, rows);
    const { image: K } = this.model.vocabulary;
    return { read: codes.map(code => (random.uniform() < codeNoise ? random.integer(K) : code)) };
  }

  /** Crops of each kind of picture, plain or of one variant. */
  private get crops(): number {
    return this.training.set.crops / (1 + this.model.config.variants.length);
  }

  private encode(caption: string, dropout: number, random?: Random): Int32Array {
    const length = this.model.config.captionLength;
    const { ids, cut } = this.encoder.encodeCaption(caption, { length, dropout, random });
    if (cut) this.cut.add(caption);
    return ids;
  }

  private collate(set: CodeSet, rows: readonly Row[], dropped?: Uint8Array): SequenceBatch {
    const L = this.model.config.captionLength;
    const N = set.length;
    const captions = new Int32Array(rows.length * L);
    const varied = set === this.training.set && this.model.config.variants.length > 0;
    const codes = new Int32Array(rows.length * N);
    rows.forEach(({ item, crop, ids }, i) => {
      captions.set(ids, i * L);
      const from = (item * set.crops + crop) * N;
      codes.set(set.codes.subarray(from, from + N), i * N);
    });
    const variants = varied ? Int32Array.from(rows, ({ crop }) => Math.floor(crop / this.crops)) : undefined;
    return { captions, codes, dropped, ...(variants && { variants }) };
  }

  remarks(): string[] {
    const { captionLength } = this.model.config;
    return this.cut.size === 0
      ? []
      : [
          `${counted(this.cut.size, 'caption')} ${this.cut.size === 1 ? 'was' : 'were'} longer than ${captionLength} ids and cut`,
        ];
  }

  /**
   * Mean nats per caption id and per code over held-out items, their first caption and middle crop. `loss` is that of
   * the codes. `bits_per_dim` spreads the codes' bits over the pixels' three channels; what the patch tokenizer loses
   * is not in it.
   */
  async evaluate(signal?: AbortSignal): Promise<Metrics & { readonly loss: number }> {
    const { set, captions } = this.heldOut;
    const { batchSize, accumulate, imageSize, evaluateAtMost = 512 } = this.options;
    const places = spreadPlaces(set.ids.length, evaluateAtMost); // data often lies sorted
    const count = places.length;
    const size = Math.max(1, batchSize / accumulate);
    // Nothing held out is no measurement, and never the best.
    let caption = count === 0 ? Number.NaN : 0;
    let image = caption;
    for (let first = 0; first < count; first += size) {
      await hearSignal(signal);
      const items = places.slice(first, first + size);
      const batch = this.collate(
        set,
        items.map(item => ({ item, crop: 0, ids: this.encode(captions[item][0], 0) })),
      );
      const nats = await measureNats(this.model, batch);
      caption += (nats.caption * items.length) / count;
      image += (nats.image * items.length) / count;
    }
    const few = count > 0 && count < FEW_ITEMS ? await this.spread(places, signal) : {};
    const bits = (image * set.length) / Math.LN2;
    return {
      loss: image,
      caption,
      image,
      bits_per_dim: bits / (imageSize * imageSize * 3),
      perplexity: Math.exp(image),
      ...few,
    };
  }

  /** How sure the mean over few held-out items is, from the loss of each. */
  private async spread(places: readonly number[], signal?: AbortSignal): Promise<Metrics> {
    const { set, captions } = this.heldOut;
    const each: number[] = [];
    for (const item of places) {
      await hearSignal(signal);
      const batch = this.collate(set, [{ item, crop: 0, ids: this.encode(captions[item][0], 0) }]);
      each.push((await measureNats(this.model, batch)).image);
    }
    return { items: each.length, ...(each.length > 1 && { margin: meanMargin(each) }) };
  }
}
