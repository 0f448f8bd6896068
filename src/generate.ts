/**
 * @file Painting: one code after another from the model's distribution, with a cache of keys and values, classifier-free
 * guidance (Ho and Salimans 2022), temperature, top-k and top-p (Holtzman et al. 2020). An image's draws come from a
 * stream of its own, so that image i of a seed is the same whatever is painted beside it.
 */
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Dalle } from './dalle.ts';
import { disposeKvCache, gatherKvCache, type KvCache } from './kernels/attention.ts';
import { Random } from './random.ts';

export interface SamplingOptions {
  /** Divides the logits; 0 takes the likeliest code. Default 1. */
  readonly temperature?: number;
  /** Keeps the k likeliest codes; 0 keeps all. Default 0. */
  readonly topK?: number;
  /** Keeps the likeliest codes that together have this probability. Default 1. */
  readonly topP?: number;
  /** Logits become uncaptioned + scale * (captioned - uncaptioned); 1 switches guidance off. Default 1. */
  readonly cfgScale?: number;
  readonly seed?: number;
}

export interface GenerateRequest extends SamplingOptions {
  /** One padded caption [L] each. */
  readonly captions: readonly Int32Array[];
  /** Images of each caption; they share one reading of it. Default 1. */
  readonly imagesPerCaption?: number;
  /** Number of the first image of each caption: image i + firstImage draws from stream i + firstImage. Default 0. */
  readonly firstImage?: number;
  /** Codes that are kept, [N], -1 where the model is to paint. */
  readonly given?: Int32Array;
  /** Codes painted between two yields. Default: one row of the grid. */
  readonly every?: number;
}

/** The images so far: caption by caption, image by image. */
export interface UnfinishedImages {
  /** [images, N]; -1 where nothing has been painted yet. */
  readonly codes: Int32Array;
  /** Codes of each image that are there. */
  readonly painted: number;
}

/**
 * Paints images, yielding them as they grow; the last yield is the finished set.
 * @returns the log-probability in nats of each image's painted codes under the distribution they were drawn from
 */
export async function* generate(
  model: Dalle,
  request: GenerateRequest,
): AsyncGenerator<UnfinishedImages, Float64Array> {
  const { captions, imagesPerCaption = 1, firstImage = 0, seed = 0, cfgScale = 1, given } = request;
  const N = model.codes;
  const images = captions.length * imagesPerCaption;
  const every = request.every ?? model.vocabulary.grid;
  const guided = cfgScale !== 1;
  const randoms = Array.from({ length: images }, (_, i) =>
    new Random(seed).fork('image', firstImage + (i % imagesPerCaption)),
  );
  const codes = new Int32Array(images * N).fill(-1);
  const logProbability = new Float64Array(images);
  const known = knownPrefix(given, N);
  if (given !== undefined) for (let i = 0; i < images; i++) codes.set(given.subarray(0, known), i * N);

  let { logits, caches } = await start(model, request, known);
  try {
    for (let position = known; position < N; position++) {
      await turnOfEventLoop(); // so that a signal, or a server's other work, is heard between two codes
      const values = (await logits.data()) as Float32Array;
      logits.dispose();
      const K = model.vocabulary.image;
      for (let i = 0; i < images; i++) {
        const forced = given === undefined ? -1 : given[position];
        if (forced >= 0) {
          codes[i * N + position] = forced;
          continue;
        }
        const row = values.subarray(i * K, (i + 1) * K);
        if (guided) guide(row, values.subarray((images + i) * K, (images + i + 1) * K), cfgScale);
        const drawn = drawCode(row, request, randoms[i]);
        codes[i * N + position] = drawn.code;
        logProbability[i] += drawn.logProbability;
      }
      const painted = position + 1;
      if (painted < N) {
        const next = nextInputs(codes, position, N, guided);
        logits = model.step(next, position, caches);
        next.dispose();
      }
      if (painted === N || painted % every === 0) yield { codes: codes.slice(), painted };
    }
    return logProbability;
  } finally {
    if (!logits.isDisposed) logits.dispose();
    for (const cache of caches) disposeKvCache(cache);
  }
}

/** How many codes are given from the start on without a gap; the last code is always left to the loop. */
function knownPrefix(given: Int32Array | undefined, N: number): number {
  if (given === undefined) return 0;
  let known = 0;
  while (known < N - 1 && given[known] >= 0) known++;
  return known;
}

/** Reads every caption once and gives each of its images, and its uncaptioned twin, a cache of its own. */
async function start(
  model: Dalle,
  request: GenerateRequest,
  known: number,
): Promise<{ logits: Tensor; caches: KvCache[] }> {
  const { captions, imagesPerCaption = 1, cfgScale = 1, given } = request;
  const guided = cfgScale !== 1;
  const read = guided ? [...captions, model.emptyCaption()] : captions;
  const L = model.config.captionLength;
  const ids = new Int32Array(read.length * L);
  read.forEach((caption, i) => {
    ids.set(caption, i * L);
  });
  const before = new Int32Array(read.length * known);
  if (given !== undefined) for (let i = 0; i < read.length; i++) before.set(given.subarray(0, known), i * known);
  const captionTensor = tf.tensor2d(ids, [read.length, L], 'int32');
  const codeTensor = tf.tensor2d(before, [read.length, known], 'int32');
  const shared = model.createCaches(read.length);
  const prefilled = model.prefill(captionTensor, codeTensor, shared);
  captionTensor.dispose();
  codeTensor.dispose();

  const rows = captions.flatMap((_, i) => new Array<number>(imagesPerCaption).fill(i));
  if (guided) rows.push(...new Array<number>(rows.length).fill(captions.length));
  if (rows.length === read.length && rows.every((row, i) => row === i)) return { logits: prefilled, caches: shared };
  const caches = shared.map(cache => gatherKvCache(cache, rows));
  for (const cache of shared) disposeKvCache(cache);
  const logits = tf.gather(prefilled, rows);
  prefilled.dispose();
  return { logits, caches };
}

/** The codes just painted, as the next input of every row: [images, 1], or twice that with guidance. */
function nextInputs(codes: Int32Array, position: number, N: number, guided: boolean): Tensor {
  const images = codes.length / N;
  const rows = guided ? 2 * images : images;
  const ids = Int32Array.from({ length: rows }, (_, row) => codes[(row % images) * N + position]);
  return tf.tensor2d(ids, [rows, 1], 'int32');
}

/** Overwrites the captioned logits with the guided ones. */
function guide(captioned: Float32Array, uncaptioned: Float32Array, scale: number): void {
  for (let k = 0; k < captioned.length; k++) {
    captioned[k] = uncaptioned[k] + scale * (captioned[k] - uncaptioned[k]);
  }
}

/**
 * Draws a code from softmax(logits / temperature), cut to the top k and then to the top p.
 * @param logits [codes], left as they are
 * @returns the code, and its log-probability in the distribution that was drawn from
 */
export function drawCode(
  logits: Float32Array,
  options: SamplingOptions,
  random: Random,
): { readonly code: number; readonly logProbability: number } {
  const { temperature = 1, topK = 0, topP = 1 } = options;
  const K = logits.length;
  let best = 0;
  for (let k = 1; k < K; k++) if (logits[k] > logits[best]) best = k;
  const u = random.uniform(); // drawn even where it is not needed, so that settings do not shift the stream
  if (temperature === 0) return { code: best, logProbability: 0 };

  const weights = new Float64Array(K);
  const max = logits[best];
  for (let k = 0; k < K; k++) weights[k] = Math.exp((logits[k] - max) / temperature);
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
