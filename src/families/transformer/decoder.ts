/**
 * @file Reading a sequence position by position, with what has been read kept in caches: on the native backend one fused
 * call a step, on WebGPU a few dispatches a layer, elsewhere the model's own operations with a cache a layer. On WebGPU
 * codes can also be drawn where they are read, so that the host waits once for many of them.
 */

import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { turnOfEventLoop } from '../../core/platform/platform.ts';
import { disposeKvCache, gatherKvCache, type KvCache } from '../../kernels/attention/attention.ts';
import { createFusedDecoder, type FusedDecoder } from '../../kernels/decode/decode.ts';
import { createGpuDecoder, type GpuDecoder } from '../../kernels/decode/webgpu.ts';
import type { Drawn, DrawOptions } from '../../kernels/draw/draw.ts';
import type { CodeTables, Dalle } from './dalle.ts';

/** Rows of caption and codes, all read as far. Tensors it returns belong to the caller. */
export interface Decoder {
  readonly rows: number;
  /**
   * Reads each row's next codes.
   * @param codes [rows, n], n >= 1; @returns logits of the code after them, [rows, codes]
   */
  next(codes: Int32Array): Tensor;
  /**
   * Draws codes and reads them on without the host; only where the backend can.
   * @param logits of the next code, taken over
   */
  sampler?(logits: Tensor, plan: SamplingPlan): CodeSampler;
  dispose(): void;
}

/** A decoder from the beginning of the sequence. */
export interface FirstDecoder extends Decoder {
  /**
   * Reads the start token, the captions and the codes known so far; comes first.
   * @param captions [rows, L], padded; @param codes [rows, n], 0 <= n < N, the first n of the model's order
   * @returns logits of code n, [rows, codes]
   */
  start(captions: Int32Array, codes: Int32Array): Tensor;
  /**
   * A decoder whose row i has read what row rows[i] of this one has; this one stays as it is. Of what comes nothing can be
   * selected again: the native decoder keeps one beginning only.
   */
  select(rows: readonly number[]): Decoder;
}

/** What is to be painted, by places of the model's order: the rows are images and, with guidance, their uncaptioned twins after them. */
export interface SamplingPlan {
  readonly images: number;
  /** How the code of a place is drawn; guidance is the same for all. */
  readonly optionsAt: (place: number) => DrawOptions;
  /** The code that every image has at a place; negative where one is to be drawn. */
  readonly forced: (place: number) => number;
  /** Numbers in [0, 1) that decide the draws, [draws, images], a row for each place that is not forced. */
  readonly numbers: Float64Array;
}

/** Paints codes of all images, in order. */
export interface CodeSampler {
  /**
   * Paints the codes from .. to - 1.
   * @returns codes and their log-probabilities, [to - from, images]; forced ones have 0
   */
  paint(from: number, to: number): Promise<Drawn>;
  dispose(): void;
}

/** A decoder of `rows` rows, with the model's weights as they are now. */
export function createDecoder(model: Dalle, rows: number): FirstDecoder {
  const fused = createFusedDecoder(() => model.network(), rows);
  if (fused !== undefined) return new NativeDecoder(model, fused);
  const gpu = createGpuDecoder(() => model.network(), rows);
  if (gpu !== undefined) return new DeviceDecoder(model, gpu);
  return new PlainDecoder(model, model.createCaches(rows), 0);
}

/** Rows side by side as a tensor [rows, n]. */
function table(values: Int32Array, rows: number): Tensor {
  return tf.tensor2d(values, [rows, values.length / rows], 'int32');
}

class PlainDecoder implements FirstDecoder {
  readonly rows: number;
  private readonly model: Dalle;
  private readonly caches: readonly KvCache[];
  /** Codes read. */
  private codes: number;

  constructor(model: Dalle, caches: readonly KvCache[], codes: number) {
    this.model = model;
    this.caches = caches;
    this.codes = codes;
    this.rows = caches[0].k.shape[0] as number;
  }

  start(captions: Int32Array, codes: Int32Array): Tensor {
    this.codes = codes.length / this.rows;
    return tf.tidy(() => this.model.prefill(table(captions, this.rows), table(codes, this.rows), this.caches));
  }

  next(codes: Int32Array): Tensor {
    const first = this.codes;
    this.codes += codes.length / this.rows;
    return tf.tidy(() => this.model.step(table(codes, this.rows), first, this.caches));
  }

  select(rows: readonly number[]): Decoder {
    const caches = this.caches.map(cache => gatherKvCache(cache, rows));
    return new PlainDecoder(this.model, caches, this.codes);
  }

  dispose(): void {
    for (const cache of this.caches) disposeKvCache(cache);
  }
}

class NativeDecoder implements FirstDecoder {
  private readonly model: Dalle;
  private readonly fused: FusedDecoder;
  private readonly tables: CodeTables;

  constructor(model: Dalle, fused: FusedDecoder) {
    this.model = model;
    this.fused = fused;
    this.tables = model.codeTables();
  }

  get rows(): number {
    return this.fused.rows;
  }

  start(captions: Int32Array, codes: Int32Array): Tensor {
    const { rows } = this;
    return tf.tidy(() => {
      const x = this.model.embed(table(captions, rows), table(codes, rows)); // [rows, n, C]
      return this.fused.read(x, x.shape[1] as number) as Tensor;
    });
  }

  next(codes: Int32Array): Tensor {
    return this.fused.read(this.embed(codes), codes.length / this.rows) as Tensor;
  }

  select(rows: readonly number[]): Decoder {
    return new NativeDecoder(this.model, this.fused.select(rows));
  }

  dispose(): void {
    this.fused.dispose();
    this.tables.dispose();
  }

  /** As `Dalle.embed` does for codes, without an operation for each of its parts. */
  private embed(codes: Int32Array): Float32Array {
    const { image, row, column, at } = this.tables;
    const values = (t: Tensor | undefined) => t && this.fused.valuesOf(t);
    const [codeRows, rowRows, columnRows] = [this.fused.valuesOf(image), values(row), values(column)];
    const C = image.shape[1] as number;
    const n = codes.length / this.rows;
    const first = this.fused.length - 1 - this.model.config.captionLength;
    const x = new Float32Array(codes.length * C);
    codes.forEach((code, i) => {
      const place = at(first + (i % n));
      const to = i * C;
      const from = code * C;
      const down = place.down * C;
      const across = place.across * C;
      for (let c = 0; c < C; c++) {
        const added =
          rowRows === undefined || columnRows === undefined ? 0 : rowRows[down + c] + columnRows[across + c];
        x[to + c] = codeRows[from + c] + added;
      }
    });
    return x;
  }
}

/** Code i of every row, of rows side by side. */
function column(codes: Int32Array, rows: number, i: number): Tensor {
  const n = codes.length / rows;
  return tf.tensor1d(
    Int32Array.from({ length: rows }, (_, row) => codes[row * n + i]),
    'int32',
  );
}

class DeviceDecoder implements FirstDecoder {
  private readonly model: Dalle;
  private readonly gpu: GpuDecoder;
  private readonly tables: CodeTables;

  constructor(model: Dalle, gpu: GpuDecoder) {
    this.model = model;
    this.gpu = gpu;
    this.tables = model.codeTables();
  }

  get rows(): number {
    return this.gpu.rows;
  }

  start(captions: Int32Array, codes: Int32Array): Tensor {
    const { model, gpu, rows } = this;
    const caches = model.createCaches(rows);
    const logits = tf.tidy(() => model.prefill(table(captions, rows), table(codes, rows), caches));
    gpu.begin(caches);
    for (const cache of caches) disposeKvCache(cache);
    return logits;
  }

  next(codes: Int32Array): Tensor {
    const { rows } = this;
    const n = codes.length / rows;
    if (n < 1) throw new RangeError('decode: expected at least one code of each row, got none');
    return tf.tidy(() => {
      for (let i = 0; i < n - 1; i++) this.read(column(codes, rows, i), { wanted: false });
      return this.read(column(codes, rows, n - 1), { wanted: true }) as Tensor; // as they are wanted
    });
  }

  /** @param ids int32, row i reads number i modulo their count; @param forced what all rows read in their stead */
  private read(ids: Tensor, { forced, wanted }: { forced?: number; wanted: boolean }): Tensor | undefined {
    const place = this.gpu.length - 1 - this.model.config.captionLength;
    const { image, row, column, at } = this.tables;
    return this.gpu.step({ ids, forced, image, row, column, ...at(place) }, wanted);
  }

  select(rows: readonly number[]): Decoder {
    return new DeviceDecoder(this.model, this.gpu.select(rows));
  }

  sampler(first: Tensor, plan: SamplingPlan): CodeSampler {
    const { gpu, model } = this;
    const { images, forced } = plan;
    const draws = gpu.createDraws({ images, K: model.vocabulary.image }, plan.numbers, plan.optionsAt(0));
    let logits: Tensor | undefined = first;
    const paint = async (from: number, to: number): Promise<Drawn> => {
      const kept = Array.from({ length: to - from }, (_, i) => forced(from + i));
      const drawn = kept.filter(code => code < 0).length;
      if (drawn > 0) draws.begin(drawn);
      for (let place = from; place < to; place++) {
        await turnOfEventLoop();
        await gpu.keepPace();
        const code = forced(place);
        if (code < 0) draws.draw(logits as Tensor, plan.optionsAt(place).temperature); // there are logits for every place that is not forced
        logits?.dispose();
        logits = undefined;
        if (place + 1 < model.codes) {
          logits = this.read(draws.ids, { forced: code < 0 ? undefined : code, wanted: forced(place + 1) < 0 });
        }
      }
      return merge(kept, drawn > 0 ? await draws.read() : undefined, images);
    };
    const dispose = () => {
      logits?.dispose();
      draws.dispose();
    };
    return { paint, dispose };
  }

  dispose(): void {
    this.gpu.dispose();
    this.tables.dispose();
  }
}

/** Drawn codes and forced ones in their order, [places, images]. */
function merge(forced: readonly number[], drawn: Drawn | undefined, images: number): Drawn {
  const codes = new Int32Array(forced.length * images);
  const logProbability = new Float64Array(forced.length * images);
  let from = 0;
  forced.forEach((code, i) => {
    const to = i * images;
    if (code >= 0 || drawn === undefined) {
      codes.fill(code, to, to + images);
      return;
    }
    codes.set(drawn.codes.subarray(from, from + images), to);
    logProbability.set(drawn.logProbability.subarray(from, from + images), to);
    from += images;
  });
  return { codes, logProbability };
}
