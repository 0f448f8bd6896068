/**
 * @file Vector quantization with codes on the unit sphere: the nearest of K learned directions, passed straight through.
 * The codebook starts from k-means over the encoder's first outputs, and codes that nothing has chosen for a while are
 * given the place of an encoded patch.
 * @see van den Oord et al. 2017, VQ-VAE (arXiv:1711.00937); Yu et al. 2021, ViT-VQGAN, section 3.2: few and normalised
 *   dimensions (arXiv:2110.04627)
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, UserError } from '../../src/core/errors.ts';
import type { Random } from '../../src/core/random.ts';
import { activeDevice } from '../../src/device/device.ts';
import { detached } from '../../src/kernels/detached.ts';
import { embedding } from '../../src/kernels/embedding/embedding.ts';
import type { Parameters } from '../../src/nn/module.ts';
import { kMeans } from './kmeans.ts';
import { plainPixels } from './pixels.ts';
import type { Quantized, Quantizer, QuantizerState, TrainingMoment } from './quantizer.ts';

/** Similarities held at once while searching. */
const CHUNK = 1 << 22;
/** Revival stops here: a code needs the rest of the training to settle, and averaged weights to follow it. */
const REVIVE_UNTIL = 0.8;
/** Steps between looks at what has been chosen where a look makes a GPU wait. */
const LOOK_EVERY = 20;

export class VqQuantizer implements Quantizer {
  readonly codebookSize: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly pixels = plainPixels;
  readonly codebook: Variable; // [K, D], not normalised
  /** Steps since each code was last chosen. */
  private idle: Float32Array;
  /** Codes of the steps that `idle` does not know yet. */
  private unseen: Tensor[] = [];

  constructor(codebookSize: number, codeDim: number, parameters: Parameters) {
    this.codebookSize = codebookSize;
    this.inputs = codeDim;
    this.outputs = codeDim;
    this.codebook = parameters.normal('codebook', [codebookSize, codeDim], 1 / Math.sqrt(codeDim), { decay: false });
    this.idle = new Float32Array(codebookSize);
  }

  quantize(encoded: Tensor, moment: TrainingMoment): Quantized {
    const z = normalize(encoded);
    const constant = detached(() => tf.clone(z));
    const codes = detached(() => this.nearest(z));
    const chosen = normalize(embedding(this.codebook, codes)); // [B, h, w, D]
    const passed = tf.add(
      z,
      detached(() => tf.sub(chosen, z)),
    );
    const chosenConstant = detached(() => tf.clone(chosen));
    return {
      vectors: this.scaled(passed),
      losses: {
        codebook: tf.mean(tf.squaredDifference(chosen, constant)),
        commitment: tf.mul(tf.mean(tf.squaredDifference(z, chosenConstant)), moment.config.commitment),
      },
      observed: [codes, constant],
    };
  }

  encode(encoded: Tensor): Tensor {
    return tf.tidy(() => this.nearest(normalize(encoded)));
  }

  decode(codes: Tensor): Tensor {
    return tf.tidy(() => this.scaled(normalize(embedding(this.codebook, codes))));
  }

  async initialize(encoded: Tensor, random: Random): Promise<void> {
    expectShape('vq: encoded', encoded.shape, ['B', 'h', 'w', this.inputs]);
    const D = this.inputs;
    const flat = tf.tidy(() => tf.reshape(normalize(encoded), [encoded.size / D, D]));
    const points = (await flat.data()) as Float32Array;
    flat.dispose();
    this.assign(kMeans(points, { clusters: this.codebookSize, dimension: D, random }));
    this.idle.fill(0);
  }

  async afterStep([codes, encoded]: readonly Tensor[], { progress, random, config }: TrainingMoment): Promise<void> {
    this.unseen.push(tf.keep(tf.clone(codes)));
    // By the number of the step, so that a resumed run looks when an unbroken one does.
    const every = activeDevice().readsWait ? Math.min(LOOK_EVERY, config.reviveAfter) : 1;
    if (Math.round(progress * config.steps) % every !== 0) return;
    await this.readObserved();
    if (progress > REVIVE_UNTIL || !this.idle.some(steps => steps >= config.reviveAfter)) return;
    const [values, points] = await Promise.all([this.codebook.data(), encoded.data()]);
    const D = this.inputs;
    // After a step that was skipped because it diverged there may be none; the codes then wait for the next step.
    const usable = finiteRows(points as Float32Array, D);
    if (usable.length === 0) return;
    const table = Float32Array.from(values);
    for (let k = 0; k < this.idle.length; k++) {
      if (this.idle[k] < config.reviveAfter) continue;
      const from = usable[random.integer(usable.length)] * D;
      table.set(points.subarray(from, from + D) as Float32Array, k * D);
      this.idle[k] = 0;
    }
    this.assign(table);
  }

  async readObserved(): Promise<void> {
    const steps = this.unseen.splice(0);
    if (steps.length === 0) return;
    const all = tf.tidy(() => tf.concat(steps.map(codes => tf.reshape(codes, [codes.size]))));
    const chosen = await all.data();
    let at = 0;
    for (const { size } of steps) {
      for (let k = 0; k < this.idle.length; k++) this.idle[k]++;
      for (const code of chosen.subarray(at, at + size)) this.idle[code] = 0;
      at += size;
    }
    tf.dispose([...steps, all]);
  }

  state(): QuantizerState {
    return { idle: this.idle.slice() };
  }

  loadState({ idle }: QuantizerState, where: string): void {
    if (idle?.length !== this.codebookSize) {
      throw new UserError(
        where,
        `expected the idle times of ${this.codebookSize} codes, got ${idle?.length ?? 'none'}`,
      );
    }
    tf.dispose(this.unseen.splice(0));
    this.idle = Float32Array.from(idle);
  }

  /** Unit vectors of D dimensions have small coordinates: brings them to unit variance for the decoder. */
  private scaled(vectors: Tensor): Tensor {
    return tf.mul(vectors, Math.sqrt(this.outputs));
  }

  private assign(values: Float32Array): void {
    const tensor = tf.tensor(values, this.codebook.shape);
    this.codebook.assign(tensor);
    tensor.dispose();
  }

  /** Codes of greatest cosine. @param z [..., D], normalised; @returns int32 [...] */
  private nearest(z: Tensor): Tensor {
    const D = this.inputs;
    const N = z.size / D;
    const rows = Math.max(1, Math.floor(CHUNK / this.codebookSize));
    return tf.tidy(() => {
      const flat = tf.reshape(z, [N, D]);
      const directions = normalize(this.codebook);
      const parts: tf.Tensor1D[] = [];
      for (let begin = 0; begin < N; begin += rows) {
        parts.push(
          tf.tidy(() => {
            const part = tf.slice(flat, [begin, 0], [Math.min(rows, N - begin), D]);
            return tf.argMax(tf.matMul(part, directions, false, true), 1) as tf.Tensor1D;
          }),
        );
      }
      return tf.reshape(parts.length === 1 ? parts[0] : tf.concat1d(parts), z.shape.slice(0, -1));
    });
  }
}

/** The rows of [n, D] values without NaN and infinity. */
function finiteRows(values: Float32Array, D: number): number[] {
  const rows: number[] = [];
  for (let from = 0; from < values.length; from += D) {
    if (values.subarray(from, from + D).every(Number.isFinite)) rows.push(from / D);
  }
  return rows;
}

/** Divides by the Euclidean norm over the last axis. */
function normalize(x: Tensor): Tensor {
  return tf.mul(x, tf.rsqrt(tf.add(tf.sum(tf.square(x), -1, true), 1e-12)));
}
