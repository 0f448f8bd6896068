/**
 * @file Drawing codes from logits: classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598, section 3.2),
 * temperature, top-k (Fan et al. 2018, arXiv:1805.04833) and top-p (Holtzman et al. 2020, arXiv:1904.09751). C++:
 * native/draw.cc; WGSL: webgpu.ts.
 */
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, UserError } from '../../core/errors.ts';
import { nativeCall, reads, writes } from '../../device/native/calls.ts';
import type { GpuBackend } from '../../device/webgpu/webgpu.ts';
import { defineUnrecorded } from '../unrecorded.ts';
import { drawNumbers, drawOnGpu, drawScratch, readHistory } from './webgpu.ts';

/** `rows` of logits: those of the images, and with guidance as many of their uncaptioned twins after them. */
const drawCodesCall = nativeCall({
  kernel: 'drawCodes',
  buffers: {
    logits: reads('rows * K'),
    u: reads('images', 'float64'),
    codes: writes('images', 'int32'),
    logProbabilities: writes('images', 'float64'), // NaN where no logit is a number above minus infinity
  },
  /** `most` codes are kept, and of those the likeliest that have the share. A guidance of 1 needs no twins. */
  numbers: {
    images: 'size',
    rows: 'size',
    K: 'size',
    guidance: 'float',
    temperature: 'double',
    most: 'size',
    share: 'double',
  },
});

export interface DrawOptions {
  /** Divides the logits; 0 takes the likeliest code. Default 1. */
  readonly temperature?: number;
  /** Keeps the k likeliest codes; 0 keeps all. Default 0. */
  readonly topK?: number;
  /** Keeps the likeliest codes that together have this probability; 0 the likeliest alone. Default 1. */
  readonly topP?: number;
  /** Logits become uncaptioned + scale * (captioned - uncaptioned); 1 switches guidance off. Default 1. */
  readonly cfgScale?: number;
}

/**
 * Checks what a caller asks for.
 * @throws UserError naming the option that is out of its range
 */
export function checkDrawOptions(where: string, options: DrawOptions): void {
  const { temperature = 1, topK = 0, topP = 1, cfgScale = 1 } = options;
  const expect = (holds: boolean, what: string, got: unknown) => {
    if (!holds) throw new UserError(where, `expected ${what}, got ${got}`);
  };
  expect(temperature >= 0 && temperature < Infinity, 'temperature to be a number of at least 0', temperature);
  expect(Number.isInteger(topK) && topK >= 0, 'topK to be a whole number of at least 0', topK);
  expect(topP >= 0 && topP <= 1, 'topP to be a number from 0 to 1', topP);
  expect(Number.isFinite(cfgScale), 'cfgScale to be a number', cfgScale);
}

export interface Drawn {
  /** [images]. */
  readonly codes: Int32Array;
  /** [images], in nats, under the distribution that was drawn from. */
  readonly logProbability: Float64Array;
}

/**
 * Draws a code for each image. Codes whose logit is NaN or -Infinity are never drawn; of those with the logit Infinity, if
 * there are any, one is.
 * @param logits [images, codes]; with guidance [2 images, codes], the uncaptioned twins after the images
 * @param u [images], numbers in [0, 1) that decide the draws
 * @throws UserError if an option is out of its range, or an image has no code that can be drawn
 */
export async function drawCodes(logits: Tensor, u: Float64Array, options: DrawOptions = {}): Promise<Drawn> {
  checkDrawOptions('drawCodes', options);
  const { cfgScale = 1 } = options;
  const rows = cfgScale === 1 ? u.length : 2 * u.length;
  expectShape('drawCodes: logits', logits.shape, [rows, 'K']);
  return draw({ logits, u, options });
}

interface Draw {
  readonly logits: Tensor;
  readonly u: Float64Array;
  readonly options: DrawOptions;
}

const draw = defineUnrecorded<Draw, Promise<Drawn>>({
  name: 'DrawCodes',
  reference: async ({ logits, u, options }) => {
    const drawn = emptyDraws(u.length);
    const { cfgScale = 1 } = options;
    const K = logits.shape[1] as number;
    const values = (await logits.data()) as Float32Array;
    for (let i = 0; i < u.length; i++) {
      const row = values.slice(i * K, (i + 1) * K);
      const twin = u.length + i;
      if (cfgScale !== 1) guide(row, values.subarray(twin * K, (twin + 1) * K), cfgScale);
      const { code, logProbability } = drawCode(row, u[i], options);
      drawn.codes[i] = code;
      drawn.logProbability[i] = logProbability;
    }
    return expectCodes(drawn, u.length);
  },
  native: async ({ logits, u, options }, backend) => {
    const { temperature = 1, topK = 0, topP = 1, cfgScale = 1 } = options;
    const images = u.length;
    const [rows, K] = logits.shape as [number, number];
    const drawn = emptyDraws(images);
    const buffers = { logits, u, codes: drawn.codes, logProbabilities: drawn.logProbability };
    const most = topK > 0 ? Math.min(topK, K) : K;
    backend.call(drawCodesCall, buffers, { images, rows, K, guidance: cfgScale, temperature, most, share: topP });
    return expectCodes(drawn, images);
  },
  webgpu: async ({ logits, u, options }, backend) => {
    const onGpu = new GpuDraws(backend, { images: u.length, K: logits.shape[1] as number }, u, options);
    onGpu.begin(1);
    onGpu.draw(logits);
    const read = await onGpu.read();
    onGpu.dispose();
    return read;
  },
});

function emptyDraws(images: number): Drawn {
  return { codes: new Int32Array(images), logProbability: new Float64Array(images) };
}

/** @throws UserError if an image had no code to draw, which its log-probability says */
function expectCodes(drawn: Drawn, images: number): Drawn {
  const at = drawn.logProbability.findIndex(Number.isNaN);
  if (at < 0) return drawn;
  throw new UserError(
    'draw',
    `expected a logit above -Infinity for image ${at % images}, got none`,
    'the weights, or the numbers that they lead to, are not finite: paint with other weights',
  );
}

/** Draws on the GPU, whose codes stay there until some steps' are read at once. */
export class GpuDraws {
  /** int32 [images], the codes drawn last. */
  readonly ids: Tensor;
  private readonly backend: GpuBackend;
  private readonly images: number;
  private readonly K: number;
  private readonly options: DrawOptions;
  private readonly scratch: Tensor;
  private readonly numbers: Tensor;
  private history: Tensor | undefined;
  private at = 0;
  private place = 0;

  /** @param u [draws, images], numbers in [0, 1) that decide the draws to come */
  constructor(
    backend: GpuBackend,
    { images, K }: { readonly images: number; readonly K: number },
    u: Float64Array,
    options: DrawOptions,
  ) {
    checkDrawOptions('drawCodes', options);
    const keep = (info: TensorInfo) => tf.keep(tf.engine().makeTensorFromTensorInfo(info));
    this.backend = backend;
    this.images = images;
    this.K = K;
    this.options = options;
    this.ids = keep(backend.output([images], 'int32'));
    this.scratch = keep(drawScratch(backend, images, K));
    this.numbers = tf.keep(tf.tensor(drawNumbers(u), [u.length / images, images]));
  }

  /** Makes room for the codes of `steps` draws, after which they are read. */
  begin(steps: number): void {
    this.history?.dispose();
    this.history = tf.keep(tf.engine().makeTensorFromTensorInfo(this.backend.output([steps, 2, this.images], 'int32')));
    this.place = 0;
  }

  /** @param logits as for `drawCodes`; @param temperature of this draw */
  draw(logits: TensorInfo, temperature = this.options.temperature ?? 1): void {
    const { backend, images, K, ids, scratch } = this;
    const { topK = 0, topP = 1, cfgScale = 1 } = this.options;
    drawOnGpu(backend, {
      ...{ logits, images, K, ids, scratch, temperature, topP, cfgScale },
      most: topK > 0 ? Math.min(topK, K) : K,
      numbers: this.numbers,
      at: this.at++,
      history: this.history as Tensor, // begun before the first draw
      place: this.place++,
    });
  }

  /**
   * What has been drawn since `begin`, [steps, images].
   * @throws UserError as `drawCodes` does
   */
  async read(): Promise<Drawn> {
    const { history, images } = this;
    return expectCodes(readHistory((await (history as Tensor).data()) as Int32Array, images), images);
  }

  dispose(): void {
    this.ids.dispose();
    this.scratch.dispose();
    this.numbers.dispose();
    this.history?.dispose();
  }
}

/** Overwrites the captioned logits with the guided ones. */
function guide(captioned: Float32Array, uncaptioned: Float32Array, scale: number): void {
  for (let k = 0; k < captioned.length; k++) {
    captioned[k] = uncaptioned[k] + scale * (captioned[k] - uncaptioned[k]);
  }
}

/**
 * The reference: draws a code from softmax(logits / temperature), cut to the top k and then to the top p.
 * @param logits [codes], left as they are; @param u a number in [0, 1)
 * @returns the code, and its log-probability in the distribution that was drawn from: NaN where there is no code to draw
 */
export function drawCode(
  logits: Float32Array,
  u: number,
  options: DrawOptions = {},
): { readonly code: number; readonly logProbability: number } {
  const { temperature = 1, topK = 0, topP = 1 } = options;
  const K = logits.length;
  let max = -Infinity;
  let best = 0;
  for (let k = 0; k < K; k++) if (logits[k] > max) [max, best] = [logits[k], k];
  if (max === -Infinity) return { code: 0, logProbability: Number.NaN };
  if (temperature === 0) return { code: best, logProbability: 0 };

  const weights = new Float64Array(K); // 0 where the logit is NaN
  for (let k = 0; k < K; k++) {
    if (logits[k] === max) weights[k] = 1;
    else if (logits[k] < max) weights[k] = Math.exp((logits[k] - max) / temperature);
  }
  if ((topK > 0 && topK < K) || topP < 1) truncate(weights, topK, topP);
  let total = 0;
  for (let k = 0; k < K; k++) total += weights[k];
  let left = u * total;
  let code = best;
  for (let k = 0; k < K; k++) {
    if (weights[k] === 0) continue;
    code = k; // the last one that can be drawn, should rounding leave something over
    left -= weights[k];
    if (left < 0) break;
  }
  return { code, logProbability: Math.log(weights[code] / total) };
}

/** Sets to zero what top-k and top-p leave out; ties at the edge go to the smaller code. */
function truncate(weights: Float64Array, topK: number, topP: number): void {
  const order = Uint32Array.from(weights.keys()).sort((a, b) => weights[b] - weights[a] || a - b);
  let kept = topK > 0 ? Math.min(topK, order.length) : order.length;
  if (topP < 1) {
    let total = 0;
    for (let i = 0; i < kept; i++) total += weights[order[i]];
    let sum = 0;
    for (let i = 0; i < kept; i++) {
      sum += weights[order[i]];
      if (sum >= topP * total) kept = i + 1;
    }
  }
  for (let i = kept; i < order.length; i++) weights[order[i]] = 0;
}
