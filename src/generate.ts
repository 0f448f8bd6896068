/**
 * @file Painting: one code after another from the model's distribution, with a cache of keys and values, classifier-free
 * guidance, temperature, top-k and top-p. An image's draws come from a stream of its own, so that image i of a seed is the
 * same whatever is painted beside it.
 */
import { setImmediate as turnOfEventLoop } from 'node:timers/promises';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Dalle } from './dalle.ts';
import { createDecoder, type Decoder } from './decoder.ts';
import { type DrawOptions, drawCodes } from './kernels/draw.ts';
import { Random } from './random.ts';

export interface SamplingOptions extends DrawOptions {
  readonly seed?: number;
}

export interface GenerateRequest extends SamplingOptions {
  /** One padded caption [L] each. */
  readonly captions: readonly Int32Array[];
  /** Images of each caption; they share one reading of it. Default 1. */
  readonly imagesPerCaption?: number;
  /** Number of the first image of each caption: image i + firstImage draws from stream i + firstImage. Default 0. */
  readonly firstImage?: number | readonly number[];
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
  const numberOf = (i: number) => {
    const first = typeof firstImage === 'number' ? firstImage : firstImage[Math.floor(i / imagesPerCaption)];
    return first + (i % imagesPerCaption);
  };
  const randoms = Array.from({ length: images }, (_, i) => new Random(seed).fork('image', numberOf(i)));
  const codes = new Int32Array(images * N).fill(-1);
  const logProbability = new Float64Array(images);
  const known = knownPrefix(given, N);
  if (given !== undefined) for (let i = 0; i < images; i++) codes.set(given.subarray(0, known), i * N);

  let { logits, decoder } = start(model, request, known);
  try {
    for (let position = known; position < N; position++) {
      await turnOfEventLoop(); // so that a signal, or a server's other work, is heard between two codes
      const forced = given === undefined ? -1 : given[position];
      if (forced >= 0) {
        for (let i = 0; i < images; i++) codes[i * N + position] = forced;
      } else {
        // A number for every image, needed or not, so that settings do not shift its stream.
        const u = Float64Array.from(randoms, random => random.uniform());
        const drawn = await drawCodes(logits, u, request);
        for (let i = 0; i < images; i++) {
          codes[i * N + position] = drawn.codes[i];
          logProbability[i] += drawn.logProbability[i];
        }
      }
      logits.dispose();
      const painted = position + 1;
      if (painted < N) logits = decoder.next(nextInputs(codes, position, N, guided));
      if (painted === N || painted % every === 0) yield { codes: codes.slice(), painted };
    }
    return logProbability;
  } finally {
    if (!logits.isDisposed) logits.dispose();
    decoder.dispose();
  }
}

/** How many codes are given from the start on without a gap; the last code is always left to the loop. */
function knownPrefix(given: Int32Array | undefined, N: number): number {
  if (given === undefined) return 0;
  let known = 0;
  while (known < N - 1 && given[known] >= 0) known++;
  return known;
}

/** Reads every caption once and gives each of its images, and its uncaptioned twin, a row of its own. */
function start(model: Dalle, request: GenerateRequest, known: number): { logits: Tensor; decoder: Decoder } {
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
  const shared = createDecoder(model, read.length);
  const logits = shared.start(ids, before);

  const rows = captions.flatMap((_, i) => new Array<number>(imagesPerCaption).fill(i));
  if (guided) rows.push(...new Array<number>(rows.length).fill(captions.length));
  const decoder = shared.select(rows);
  shared.dispose();
  const selected = tf.gather(logits, rows);
  logits.dispose();
  return { logits: selected, decoder };
}

/** The codes just painted, as the next input of every row: [images], or twice that with guidance. */
function nextInputs(codes: Int32Array, position: number, N: number, guided: boolean): Int32Array {
  const images = codes.length / N;
  return Int32Array.from({ length: guided ? 2 * images : images }, (_, row) => codes[(row % images) * N + position]);
}
