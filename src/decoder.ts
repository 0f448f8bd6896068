/**
 * @file Reading a sequence position by position, with what has been read kept in caches: on the native backend one fused
 * call a step, elsewhere the model's own operations with a cache a layer.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { activeNative, type NativeBackend } from './backends/native.ts';
import type { Dalle } from './dalle.ts';
import { disposeKvCache, gatherKvCache, type KvCache } from './kernels/attention.ts';
import { FusedDecoder } from './kernels/decode.ts';

/** Rows of caption and codes, all read as far. Tensors it returns belong to the caller. */
export interface Decoder {
  readonly rows: number;
  /**
   * Reads the start token, the captions and the codes known so far; comes first.
   * @param captions [rows, L], padded; @param codes [rows, n], 0 <= n < N
   * @returns logits of code n, [rows, codes]
   */
  start(captions: Int32Array, codes: Int32Array): Tensor;
  /**
   * Reads each row's next codes.
   * @param codes [rows, n], n >= 1; @returns logits of the code after them, [rows, codes]
   */
  next(codes: Int32Array): Tensor;
  /** A decoder whose row i has read what row rows[i] of this one has; this one stays as it is. */
  select(rows: readonly number[]): Decoder;
  dispose(): void;
}

/** A decoder of `rows` rows, with the model's weights as they are now. */
export function createDecoder(model: Dalle, rows: number): Decoder {
  const backend = activeNative();
  return backend === undefined
    ? new PlainDecoder(model, model.createCaches(rows), 0)
    : NativeDecoder.create(model, rows, backend);
}

/** Rows side by side as a tensor [rows, n]. */
function table(values: Int32Array, rows: number): Tensor {
  return tf.tensor2d(values, [rows, values.length / rows], 'int32');
}

class PlainDecoder implements Decoder {
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

class NativeDecoder implements Decoder {
  private readonly model: Dalle;
  private readonly backend: NativeBackend;
  private readonly fused: FusedDecoder;

  private constructor(model: Dalle, backend: NativeBackend, fused: FusedDecoder) {
    this.model = model;
    this.backend = backend;
    this.fused = fused;
  }

  static create(model: Dalle, rows: number, backend: NativeBackend): NativeDecoder {
    return new NativeDecoder(model, backend, new FusedDecoder(model.network(), rows, backend));
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
    return new NativeDecoder(this.model, this.backend, this.fused.select(rows));
  }

  dispose(): void {
    this.fused.dispose();
  }

  /** As `Dalle.embed` does for codes, without an operation for each of its parts. */
  private embed(codes: Int32Array): Float32Array {
    const { image, row, column } = this.model.codeTables();
    const { grid } = this.model.vocabulary;
    const values = (t: Tensor | undefined) => t && (this.backend.values(t) as Float32Array);
    const [codeRows, rowRows, columnRows] = [values(image) as Float32Array, values(row), values(column)];
    const C = image.shape[1] as number;
    const n = codes.length / this.rows;
    const first = this.fused.length - 1 - this.model.config.captionLength;
    const x = new Float32Array(codes.length * C);
    codes.forEach((code, i) => {
      const position = first + (i % n);
      const to = i * C;
      const from = code * C;
      const down = Math.floor(position / grid) * C;
      const across = (position % grid) * C;
      for (let c = 0; c < C; c++) {
        const added =
          rowRows === undefined || columnRows === undefined ? 0 : rowRows[down + c] + columnRows[across + c];
        x[to + c] = codeRows[from + c] + added;
      }
    });
    return x;
  }
}
