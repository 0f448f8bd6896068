/**
 * @file Painting: one code after another from the model's distribution, with a cache of keys and values, classifier-free
 * guidance, temperature, top-k and top-p. An image's draws come from a stream of its own, so that image i of a seed is the
 * same whatever is painted beside it. Where the backend can draw where it reads (decoder.ts), codes come to the host in
 * blocks; elsewhere one by one.
 */

import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../core/errors.ts';
import { turnOfEventLoop } from '../../core/platform/platform.ts';
import { Random } from '../../core/random.ts';
import { checkDrawOptions, type Drawn, type DrawOptions, drawCodes } from '../../kernels/draw/draw.ts';
import { coarsePlaces, reorder } from '../../nn/orders.ts';
import type { Dalle } from './dalle.ts';
import { type CodeSampler, createDecoder, type Decoder, type SamplingPlan } from './decoder.ts';

export interface SamplingOptions extends DrawOptions {
  readonly seed?: number;
  /** Of interlaced codes: the temperature of the fine ones, all but the first sixteenth, over that of these. Default 1. */
  readonly fineTemperature?: number;
}

/** One image to paint. */
export interface ImageRequest {
  /** Place of its caption among the request's. */
  readonly caption: number;
  /** It draws from stream `number` of `seed`. */
  readonly seed: number;
  readonly number: number;
}

export interface GenerateRequest extends Omit<SamplingOptions, 'seed'> {
  /** One padded caption [L] each; a caption is read once, however many images it has. */
  readonly captions: readonly Int32Array[];
  readonly images: readonly ImageRequest[];
  /** Codes that are kept, [N] cell by cell, -1 where the model is to paint. */
  readonly given?: Int32Array;
  /** Codes painted between two yields. Default: one row of the grid. */
  readonly every?: number;
}

/** Images firstImage, firstImage + 1, ... of a seed for each of `captions` captions, caption by caption. */
export function imagesOfSeed(
  captions: number,
  options: { readonly seed?: number; readonly imagesPerCaption?: number; readonly firstImage?: number } = {},
): ImageRequest[] {
  const { seed = 0, imagesPerCaption = 1, firstImage = 0 } = options;
  return Array.from({ length: captions * imagesPerCaption }, (_, i) => ({
    caption: Math.floor(i / imagesPerCaption),
    seed,
    number: firstImage + (i % imagesPerCaption),
  }));
}

/** The images so far, in the order of the request's. */
export interface UnfinishedImages {
  /** [images, N] cell by cell; -1 where nothing has been painted yet. */
  readonly codes: Int32Array;
  /** [images, N] cell by cell, in nats: that of each code under the distribution it was drawn from; 0 where none was drawn. */
  readonly logProbabilities: Float64Array;
  /** Codes of each image that are there. */
  readonly painted: number;
}

/**
 * Paints images, yielding them as they grow; the last yield is the finished set.
 * @returns the log-probability in nats of each image's painted codes under the distribution they were drawn from
 * @throws UserError if a setting, a caption, an image or a given code is out of its range, or no code can be drawn
 */
export async function* generate(
  model: Dalle,
  request: GenerateRequest,
): AsyncGenerator<UnfinishedImages, Float64Array> {
  checkRequest(model, request);
  const { cells } = model.order;
  const given = request.given && reorder(request.given, cells); // as they follow one another
  const N = model.codes;
  const images = request.images.length;
  const every = request.every ?? model.vocabulary.grid;
  const randoms = request.images.map(({ seed, number }) => new Random(seed).fork('image', number));
  const codes = new Int32Array(images * N).fill(-1);
  const logProbabilities = new Float64Array(images * N);
  const known = knownPrefix(given, N);
  for (let place = 0; place < known; place++) {
    for (let i = 0; i < images; i++) codes[i * N + cells[place]] = (given as Int32Array)[place];
  }

  const forced = (place: number) => given?.[place] ?? -1;
  const { logits, decoder } = await start(model, request, given?.subarray(0, known) ?? new Int32Array(0));
  let sampler: CodeSampler | undefined;
  try {
    const plan = {
      images,
      optionsAt: optionsOf(model, request),
      forced,
      numbers: numbersOf(randoms, known, N, forced),
    };
    sampler = decoder.sampler?.(logits, plan) ?? samplerOnHost(decoder, logits, plan, N);
    for (let from = known; from < N; ) {
      const painted = Math.min(N, (Math.floor(from / every) + 1) * every);
      const block = await sampler.paint(from, painted);
      for (let i = 0; i < images; i++) {
        for (let place = from; place < painted; place++) {
          const at = (place - from) * images + i;
          codes[i * N + cells[place]] = block.codes[at];
          logProbabilities[i * N + cells[place]] = block.logProbability[at];
        }
      }
      from = painted;
      yield { codes: codes.slice(), logProbabilities: logProbabilities.slice(), painted };
    }
    return Float64Array.from({ length: images }, (_, i) => sumOf(logProbabilities.subarray(i * N, (i + 1) * N)));
  } finally {
    if (sampler === undefined) logits.dispose();
    sampler?.dispose();
    decoder.dispose();
  }
}

function sumOf(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

/** @throws UserError naming what does not fit the model */
function checkRequest({ config, vocabulary, codes: N }: Dalle, request: GenerateRequest): void {
  const { captions, images, given, every = 1, fineTemperature = 1 } = request;
  checkDrawOptions('generate', request);
  const expect = (holds: boolean, what: string) => {
    if (!holds) throw new UserError('generate', `expected ${what}`);
  };
  const isTemperature = fineTemperature >= 0 && fineTemperature < Infinity;
  expect(isTemperature, `fineTemperature to be a number of at least 0, got ${fineTemperature}`);
  const isIndex = (i: number, end: number) => Number.isInteger(i) && i >= 0 && i < end;
  const L = config.captionLength;
  const ids = vocabulary.caption + L; // words, then a pad for each position
  captions.forEach((caption, i) => {
    expect(caption.length === L, `${L} ids of caption ${i}, got ${caption.length}`);
    const wrong = caption.find(id => !isIndex(id, ids));
    expect(wrong === undefined, `ids of caption ${i} from 0 to ${ids - 1}, got ${wrong}`);
  });
  expect(images.length > 0, 'at least one image, got none');
  images.forEach(({ caption, seed, number }, i) => {
    expect(isIndex(caption, captions.length), `a caption of image ${i} below ${captions.length}, got ${caption}`);
    expect(isIndex(seed, 2 ** 32), `a seed of image ${i} from 0 to ${2 ** 32 - 1}, got ${seed}`);
    expect(isIndex(number, Number.MAX_SAFE_INTEGER), `a number of image ${i} of at least 0, got ${number}`);
  });
  expect(Number.isInteger(every) && every >= 1, `every to be a whole number of at least 1, got ${every}`);
  if (given === undefined) return;
  expect(given.length === N, `${N} given codes, got ${given.length}`);
  const wrong = given.find(code => code !== -1 && !isIndex(code, vocabulary.image));
  expect(wrong === undefined, `given codes from 0 to ${vocabulary.image - 1}, or -1, got ${wrong}`);
}

/**
 * The numbers that decide the draws, [draws, images]: one of every image's stream for each place that is painted, needed
 * or not, so that settings do not shift its stream.
 */
function numbersOf(
  randoms: readonly Random[],
  known: number,
  N: number,
  forced: (place: number) => number,
): Float64Array {
  let draws = 0;
  for (let place = known; place < N; place++) if (forced(place) < 0) draws++;
  const numbers = new Float64Array(draws * randoms.length);
  randoms.forEach((random, i) => {
    for (let draw = 0; draw < draws; draw++) numbers[draw * randoms.length + i] = random.uniform();
  });
  return numbers;
}

/** How the code of a place of the order is drawn. */
function optionsOf({ config, vocabulary }: Dalle, request: GenerateRequest): SamplingPlan['optionsAt'] {
  const { temperature = 1, fineTemperature = 1 } = request;
  if (fineTemperature === 1 || config.order !== 'interlaced') return () => request;
  const fine = { ...request, temperature: temperature * fineTemperature };
  const coarse = coarsePlaces(vocabulary.grid);
  return place => (place < coarse ? request : fine);
}

/** Draws on the host: each code's logits come here, and the code goes back. */
function samplerOnHost(decoder: Decoder, first: Tensor, plan: SamplingPlan, N: number): CodeSampler {
  const { images, optionsAt, forced, numbers } = plan;
  let logits = first;
  let draws = 0;
  const paint = async (from: number, to: number): Promise<Drawn> => {
    const codes = new Int32Array((to - from) * images);
    const logProbability = new Float64Array((to - from) * images);
    for (let place = from; place < to; place++) {
      await turnOfEventLoop(); // so that a signal, or a server's other work, is heard between two codes
      const now = codes.subarray((place - from) * images, (place - from + 1) * images);
      const code = forced(place);
      if (code >= 0) {
        now.fill(code);
      } else {
        const drawn = await drawCodes(logits, numbers.subarray(draws * images, (draws + 1) * images), optionsAt(place));
        now.set(drawn.codes);
        logProbability.set(drawn.logProbability, (place - from) * images);
        draws++;
      }
      logits.dispose();
      // With guidance every image's twin reads the same code.
      if (place + 1 < N)
        logits = decoder.next(Int32Array.from({ length: decoder.rows }, (_, row) => now[row % images]));
    }
    return { codes, logProbability };
  };
  const dispose = () => {
    if (!logits.isDisposed) logits.dispose();
  };
  return { paint, dispose };
}

/** How many codes are given from the start on without a gap; the last code is always left to the loop. */
function knownPrefix(given: Int32Array | undefined, N: number): number {
  if (given === undefined) return 0;
  let known = 0;
  while (known < N - 1 && given[known] >= 0) known++;
  return known;
}

/**
 * Reads every caption once and gives each of its images, and its uncaptioned twin, a row of its own. The event loop turns
 * before the reading, which is the longest single step, and after it.
 * @param known the codes that every image begins with, as they follow one another
 */
async function start(
  model: Dalle,
  request: GenerateRequest,
  known: Int32Array,
): Promise<{ readonly logits: Tensor; readonly decoder: Decoder }> {
  const { captions, cfgScale = 1 } = request;
  const guided = cfgScale !== 1;
  const read = guided ? [...captions, model.emptyCaption()] : captions;
  const L = model.config.captionLength;
  const ids = new Int32Array(read.length * L);
  read.forEach((caption, i) => {
    ids.set(caption, i * L);
  });
  const before = new Int32Array(read.length * known.length);
  for (let i = 0; i < read.length; i++) before.set(known, i * known.length);
  await turnOfEventLoop();
  const shared = createDecoder(model, read.length);
  const logits = shared.start(ids, before);
  await turnOfEventLoop();

  const rows = request.images.map(({ caption }) => caption);
  if (guided) rows.push(...new Array<number>(rows.length).fill(captions.length));
  const decoder = shared.select(rows);
  shared.dispose();
  const selected = tf.gather(logits, rows);
  logits.dispose();
  return { logits: selected, decoder };
}
