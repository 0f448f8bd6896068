/**
 * @file The model: a decoder-only transformer over one sequence of caption and image codes (Ramesh et al. 2021, "Zero-shot
 * text-to-image generation", sections 2.2 and B). From ids to logits and loss; the layers between are in layer.ts.
 *
 * Input positions are [start, caption 0 .. L-1, code 0 .. N-2], L + N in all; position p predicts the next one. The first
 * L outputs are caption ids, the last N image codes, and each kind has a head of its own: exact, because no position
 * ever has to choose between a word and a code, and cheaper. An image has N codes, each one of K. A caption shorter than L ends in pads, one learned id a
 * position; only its first pad is something to predict (where the caption ends).
 *
 * Codes come and go in raster order, as cells of the grid; in the sequence they follow one another by `config.order`. In another order than
 * raster the cell that is to be predicted is told: its row's and column's vectors are added to the code that is read before it, and queries turn by it
 * (nn/rotary.ts).
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../core/random.ts';
import { dropout } from '../../kernels/activation/activation.ts';
import { createKvCache, type KvCache } from '../../kernels/attention/attention.ts';
import { type AttentionMask, Mask } from '../../kernels/attention/mask.ts';
import type { DecoderNetwork } from '../../kernels/decode/network.ts';
import { embedding } from '../../kernels/embedding/embedding.ts';
import { linearCrossEntropy } from '../../kernels/headloss/headloss.ts';
import { layerMasks } from '../../nn/layer-masks.ts';
import { Linear, Norm } from '../../nn/layers.ts';
import { sequenceLength } from '../../nn/masks.ts';
import { Checkpoint, Parameters, type Source } from '../../nn/module.ts';
import { type CodeOrder, orderOf, reorder } from '../../nn/orders.ts';
import { type RotaryTables, rotaryTables } from '../../nn/rotary.ts';
import type { ModelConfig } from './config.ts';
import { Layer, type Noise, nextSite } from './layer.ts';

/** What the model must know of its two tokenizers. */
export interface Vocabulary {
  /** Caption ids without the pads, which follow them: position i's pad is `caption + i`. */
  readonly caption: number;
  /** K, the entries of the codebook. */
  readonly image: number;
  /** Codes along each side of the image. */
  readonly grid: number;
}

/** The number of the start token of plain pictures, before those of changed ones. */
const PLAIN = 0;

/** One batch as ids. */
export interface SequenceBatch {
  /** [B, L], padded. */
  readonly captions: Int32Array;
  /** [B, N], what is predicted. */
  readonly codes: Int32Array;
  /** How many codes of the order are read and predicted, from its first on; default N. */
  readonly places?: number;
  /** [B, N], what is read, where that is something else than `codes`. */
  readonly read?: Int32Array;
  /** [B], how pictures were changed: 0 not at all, i + 1 as the i-th of the config's variants says; absent: all are plain. */
  readonly variants?: Int32Array;
  /** [B], 1 where the caption has been left out (all pads), whose caption loss does not count. */
  readonly dropped?: Uint8Array;
  /**
   * Caption ids that the caption's loss is a mean over; default those of this batch. In a part of a larger batch: those of
   * the whole over the number of parts, so that the mean over the parts is that of the whole, however they are spread.
   */
  readonly captionIds?: number;
}

/** An id for each row of the last layer, -1 where there is nothing to predict, and how many there are. */
interface Targets {
  readonly ids: Int32Array;
  readonly count: number;
}

/** The tables that a code's vector is the sum of: by its id, and by rows that its place in the order has. */
export interface CodeTables {
  /** [K, C]. */
  readonly image: Tensor;
  /** [., C] each; both or neither. */
  readonly row?: Tensor;
  readonly column?: Tensor;
  /** The rows of a place. */
  readonly at: (place: number) => { readonly down: number; readonly across: number };
  /** Frees what is not the model's. */
  readonly dispose: () => void;
}

/** DALL·E: caption ids and image codes to logits and loss. */
export class Dalle {
  readonly config: ModelConfig;
  readonly vocabulary: Vocabulary;
  readonly parameters: Parameters;
  /** How the codes follow one another. */
  readonly order: CodeOrder;
  private readonly start: Variable; // [C]
  /** [variants, C], in the start token's place where a picture was changed. */
  private readonly variantTable: Variable | undefined;
  private readonly captionTable: Variable; // [caption ids + L pads, C]
  private readonly imageTable: Variable; // [K, C]
  private readonly positions: { caption: Variable; row: Variable; column: Variable } | undefined;
  /** Of the cell that is to be predicted; of another order than raster. */
  private readonly targetCells: { row: Variable; column: Variable } | undefined;
  private readonly layers: readonly Layer[];
  private readonly masks: readonly AttentionMask[];
  private readonly norm: Norm;
  /** Only training reads it: copies for painting leave it out. */
  private readonly captionHead: Linear | undefined;
  private readonly imageHead: Linear;
  private readonly rotary: RotaryTables | undefined;

  /** @param source where the initial weights come from */
  constructor(config: ModelConfig, vocabulary: Vocabulary, source: Source = new Random(0)) {
    const parameters = new Parameters(source);
    const { width, captionLength } = config;
    const { grid } = vocabulary;
    const shape = { captionLength, grid };
    const embed = { decay: false };
    this.config = config;
    this.vocabulary = vocabulary;
    this.parameters = parameters;
    this.order = orderOf(config.order, grid);
    this.start = parameters.normal('start', [width], 0.02, embed);
    const variants = config.variants.length;
    if (variants > 0) this.variantTable = parameters.normal('variant_embedding.weight', [variants, width], 0.02, embed);
    this.captionTable = parameters.normal(
      'caption_embedding.weight',
      [vocabulary.caption + captionLength, width],
      0.02,
      embed,
    );
    this.imageTable = parameters.normal('image_embedding.weight', [vocabulary.image, width], 0.02, embed);
    if (config.positions !== 'rope') {
      const scope = parameters.scope('position_embedding');
      this.positions = {
        caption: scope.normal('caption.weight', [captionLength + 1, width], 0.02, embed),
        row: scope.normal('row.weight', [grid, width], 0.02, embed),
        column: scope.normal('column.weight', [grid, width], 0.02, embed),
      };
    }
    if (config.order !== 'raster') {
      const scope = parameters.scope('target_embedding');
      this.targetCells = {
        row: scope.normal('row.weight', [grid, width], 0.02, embed),
        column: scope.normal('column.weight', [grid, width], 0.02, embed),
      };
    }
    const indices = Array.from({ length: config.layers }, (_, i) => i);
    this.layers = indices.map(i => new Layer(parameters.scope(`layers.${i}`, { inner: true }), config));
    this.masks = layerMasks(config.attention, { ...shape, convKernel: config.convKernel }, config.layers);
    this.norm = new Norm(parameters.scope('norm'), width, config.norm);
    // Heads that start at zero predict every id alike: the first loss is ln(vocabulary), whatever the seed.
    const zero = { bias: false, deviation: 0 };
    if (!(source instanceof Checkpoint && source.omits('caption_head'))) {
      this.captionHead = new Linear(parameters.scope('caption_head'), width, vocabulary.caption + captionLength, zero);
    }
    this.imageHead = new Linear(parameters.scope('image_head'), width, vocabulary.image, zero);
    // Last: what is no parameter stays behind where a parameter cannot be made.
    if (config.positions !== 'learned') {
      const order = config.order === 'raster' ? undefined : this.order;
      this.rotary = rotaryTables(shape, { headDim: width / config.heads, order });
    }
  }

  /** Input positions: captionLength + grid * grid. */
  get length(): number {
    return sequenceLength({ captionLength: this.config.captionLength, grid: this.vocabulary.grid });
  }

  /** N, the codes of an image: grid * grid. */
  get codes(): number {
    return this.vocabulary.grid ** 2;
  }

  /**
   * Multiply-adds times two of one training step's forward and backward pass, per sequence; attention counted causal.
   * @param places see `SequenceBatch.places`
   */
  flopsPerSequence(places = this.codes): number {
    const { width, layers, captionLength } = this.config;
    const T = captionLength + places;
    const blocks = this.parameters
      .list()
      .filter(({ name }) => name.startsWith('layers.') && !name.includes('norm'))
      .reduce((sum, { variable }) => sum + variable.size, 0);
    const heads = width * ((this.vocabulary.caption + captionLength) * captionLength + this.vocabulary.image * places);
    return 6 * (blocks * T + heads + layers * T * T * width);
  }

  /**
   * Mean losses of a batch, in nats: of the caption ids (those before and including the first pad) and of the codes, each
   * normalised by its own count, and their weighted sum with the z-loss, which is what training minimises.
   * @param noise where dropout draws from, and its rate if that is not the config's; absent for evaluation
   */
  loss(
    batch: SequenceBatch,
    noise?: { readonly random: Random; readonly dropout?: number },
  ): { loss: Tensor; caption: Tensor; image: Tensor } {
    const { captionLength: L, captionWeight, zLoss } = this.config;
    const rate = noise?.dropout ?? this.config.dropout;
    const { places: n = this.codes } = batch;
    const B = batch.codes.length / this.codes;
    const inputs = tf.tensor2d(this.ordered(batch.read ?? batch.codes, n - 1), [B, n - 1], 'int32');
    const captions = tf.tensor2d(batch.captions, [B, L], 'int32');
    const site = noise === undefined || rate === 0 ? undefined : { rate, seed: noise.random.uint32(), stream: 0 };
    const hidden = this.hidden(this.embed(captions, inputs, batch.variants), 0, undefined, site); // [B, L + n, C]
    const rows = tf.reshape(hidden, [B * (L + n), this.config.width]);
    const targets = this.targets(batch);
    const mean = (head: Linear, { ids, count }: Targets) =>
      linearCrossEntropy(rows, head.weight, tf.tensor1d(ids, 'int32'), {
        scale: 1 / (count > 0 ? count : 1),
        zLoss: noise === undefined ? 0 : zLoss,
      });
    if (this.captionHead === undefined)
      throw new Error('the weights are a copy for painting, without the head of captions');
    const caption = mean(this.captionHead, targets.caption);
    const image = mean(this.imageHead, targets.image);
    const loss = tf.add(tf.mul(caption, captionWeight), tf.mul(image, 1 - captionWeight));
    return { loss, caption, image };
  }

  /** How many ids of a padded caption are predicted: those up to its first pad, which is one of them. */
  predictedIds(caption: Int32Array): number {
    const pad = caption.findIndex(id => id >= this.vocabulary.caption);
    return pad === -1 ? caption.length : pad + 1;
  }

  /**
   * What each position is to predict, by head: -1 where the other head predicts, and for the caption's where nothing is
   * to be predicted, after the first pad and in left-out captions.
   */
  private targets(batch: SequenceBatch): { caption: Targets; image: Targets } {
    const { captions, codes, places: n = this.codes, dropped, captionIds } = batch;
    const { captionLength: L } = this.config;
    const B = codes.length / this.codes;
    const caption = new Int32Array(B * (L + n)).fill(-1);
    const image = new Int32Array(B * (L + n)).fill(-1);
    const ordered = this.ordered(codes, n);
    let count = 0;
    for (let b = 0; b < B; b++) {
      const first = b * (L + n);
      image.set(ordered.subarray(b * n, (b + 1) * n), first + L);
      if (dropped?.[b] === 1) continue;
      const ids = captions.subarray(b * L, (b + 1) * L);
      const predicted = this.predictedIds(ids);
      caption.set(ids.subarray(0, predicted), first);
      count += predicted;
    }
    return { caption: { ids: caption, count: captionIds ?? count }, image: { ids: image, count: B * n } };
  }

  /** The first n codes of the order: [B, N], cell by cell, to [B, n]. */
  private ordered(codes: Int32Array, n: number): Int32Array {
    return reorder(codes, this.order.cells, n);
  }

  /**
   * The start token, a caption and the codes after it as vectors.
   * @param captions [B, L] int32; @param codes [B, n] int32, 0 <= n < N, the first n of the order
   * @param variants see `SequenceBatch.variants`; @returns [B, 1 + L + n, C]
   */
  embed(captions: Tensor, codes: Tensor, variants?: Int32Array): Tensor {
    const [B] = captions.shape;
    const start = this.startOf(variants ?? new Int32Array(B).fill(PLAIN)); // [B, 1, C]
    let text = tf.concat([start, embedding(this.captionTable, captions)], 1); // [B, 1 + L, C]
    if (this.positions !== undefined) text = tf.add(text, this.positions.caption);
    if (codes.shape[1] === 0) return text;
    return tf.concat([text, this.embedCodes(codes, 0)], 1);
  }

  /** @param variants [B]; @returns [B, 1, C] */
  private startOf(variants: Int32Array): Tensor {
    const { variantTable: changed } = this;
    const plain = tf.reshape(this.start, [1, this.config.width]);
    const table = changed === undefined ? plain : tf.concat([plain, changed], 0);
    // By look-up, because the gradient of tf.tile is an operation for every copy.
    return embedding(table, tf.tensor2d(variants, [variants.length, 1], 'int32'));
  }

  /** @param codes [B, n] int32, the codes from place `first` of the order on; @returns [B, n, C] */
  private embedCodes(codes: Tensor, first: number): Tensor {
    const x = embedding(this.imageTable, codes);
    const n = codes.shape[1] as number;
    const own = this.positions && this.embedCells(this.positions, first, n);
    // The last place predicts nothing, and is never read in training.
    const target = this.targetCells && this.embedCells(this.targetCells, first + 1, n);
    const place = own !== undefined && target !== undefined ? tf.add(own, target) : (own ?? target);
    return place === undefined ? x : tf.add(x, place);
  }

  /** Rows and columns of `n` cells from a place of the order on, [n, C]. */
  private embedCells(tables: { readonly row: Variable; readonly column: Variable }, first: number, n: number): Tensor {
    const { grid } = this.vocabulary;
    const { cells } = this.order;
    const cellOf = (i: number) => cells[Math.min(first + i, cells.length - 1)];
    const rows = tf.tensor1d(
      Int32Array.from({ length: n }, (_, i) => Math.floor(cellOf(i) / grid)),
      'int32',
    );
    const columns = tf.tensor1d(
      Int32Array.from({ length: n }, (_, i) => cellOf(i) % grid),
      'int32',
    );
    return tf.add(embedding(tables.row, rows), embedding(tables.column, columns));
  }

  /**
   * @param x [B, n, C], rows from position `offset` on; @param caches one a layer, extended in place
   * @returns the normalised last layer, [B, n, C]
   */
  private hidden(x: Tensor, offset: number, caches?: readonly KvCache[], noise?: Noise): Tensor {
    let h = noise === undefined ? x : dropout(x, nextSite(noise));
    this.layers.forEach((layer, i) => {
      const context = { offset, rotary: this.rotary, mask: this.masks[i], cache: caches?.[i], noise };
      h = tf.tidy(() => layer.apply(h, context)); // a layer's last values are freed before the next one's are made
    });
    return this.norm.apply(h);
  }

  /** The network from vectors to the logits of codes, for the fused decoder. */
  network(): DecoderNetwork {
    return {
      layers: this.layers.map((layer, i) => ({ ...layer.weights(), mask: this.masks[i] })),
      heads: this.config.heads,
      gated: this.config.mlp === 'swiglu',
      positions: this.length,
      norm: this.norm.weight,
      bias: this.norm.bias,
      head: this.imageHead.weight,
      rotary: this.rotary,
    };
  }

  /** The tables that a code's vector is the sum of. Made anew by each call; what uses them disposes of them. */
  codeTables(): CodeTables {
    const { imageTable: image, positions, targetCells, codes: N } = this;
    const { grid } = this.vocabulary;
    if (targetCells === undefined) {
      const at = (place: number) => ({ down: Math.floor(place / grid), across: place % grid });
      return { image, ...positions, at, dispose: () => {} };
    }
    const target = targetCells;
    const row = tf.keep(
      tf.tidy(() => {
        const next = this.embedCells(target, 1, N);
        return positions === undefined ? next : tf.add(this.embedCells(positions, 0, N), next);
      }),
    );
    const column = tf.keep(tf.zeros([1, this.config.width]));
    const at = (place: number) => ({ down: place, across: 0 });
    return { image, row, column, at, dispose: () => tf.dispose([row, column]) };
  }

  /** Empty caches for `rows` sequences, one a layer; dispose with `disposeKvCache`. */
  createCaches(rows: number): KvCache[] {
    const { heads, width } = this.config;
    return this.layers.map(() => createKvCache({ batch: rows, heads, length: this.length, headDim: width / heads }));
  }

  /**
   * Reads the start token, the captions and the codes known so far, and fills the caches.
   * @param captions [B, L] int32; @param codes [B, n] int32, 0 <= n < N, the first n of the order
   * @returns logits of code n of the order, [B, K]
   */
  prefill(captions: Tensor, codes: Tensor, caches: readonly KvCache[]): Tensor {
    return tf.tidy(() => this.lastLogits(this.hidden(this.embed(captions, codes), 0, caches)));
  }

  /**
   * Reads codes `first`, `first + 1`, ... of the order after what the caches hold.
   * @param codes [B, n] int32, n >= 1; @returns logits of code first + n, [B, K]
   */
  step(codes: Tensor, first: number, caches: readonly KvCache[]): Tensor {
    return tf.tidy(() => {
      const x = this.embedCodes(codes, first);
      return this.lastLogits(this.hidden(x, 1 + this.config.captionLength + first, caches));
    });
  }

  private lastLogits(hidden: Tensor): Tensor {
    const [B, n, C] = hidden.shape;
    const last = n === 1 ? hidden : tf.slice(hidden, [0, n - 1, 0], [B, 1, C]);
    return this.imageHead.apply(tf.reshape(last, [B, C])); // [B, K]
  }

  /**
   * Logits of every code without a cache, for tests and for scoring.
   * @param captions [B, L] int32; @param codes [B, N] int32, cell by cell; @returns [B, N, K], cell by cell
   */
  logits(captions: Tensor, codes: Tensor): Tensor {
    return tf.tidy(() => {
      const { captionLength: L, width, order } = this.config;
      const [B] = captions.shape;
      const N = this.codes;
      const isRaster = order === 'raster';
      const read = isRaster ? codes : tf.gather(codes, tf.tensor1d(this.order.cells, 'int32'), 1);
      const hidden = this.hidden(this.embed(captions, tf.slice(read, [0, 0], [B, N - 1])), 0);
      const logits = this.imageHead.apply(tf.slice(hidden, [0, L, 0], [B, N, width]));
      return isRaster ? logits : tf.gather(logits, tf.tensor1d(this.order.places, 'int32'), 1);
    });
  }

  /** The ids of no caption at all: pads only. */
  emptyCaption(): Int32Array {
    return Int32Array.from({ length: this.config.captionLength }, (_, i) => this.vocabulary.caption + i);
  }

  dispose(): void {
    this.parameters.dispose();
    for (const mask of this.masks) if (mask instanceof Mask) mask.dispose();
    this.rotary?.cos.dispose();
    this.rotary?.sin.dispose();
  }
}
