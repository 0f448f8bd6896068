/**
 * @file What all families have in common once they are trained: captions in, pictures out. Commands that do not care how
 * a picture comes about (evaluation, comparison, the grids of training) hold a `Painter`.
 */
import type { RunConfig } from '../config/run.ts';
import type { Picture } from '../image/images.ts';
import type { CallOptions, Order } from './queue.ts';
import type { CodePainter } from './transformer/codepainter.ts';

/** How captions are painted. Settings that are left out, or that the family does not have, are the run's own. */
export interface PainterOptions extends CallOptions {
  /** From 0 to 2^32 - 1; default 0. */
  readonly seed?: number;
  /** Number of the first image of every caption: the seed's images of a caption are numbered. Default 0. */
  readonly firstImage?: number;
  /** Every image's number, [captions]. Default: from `firstImage` on, one more each time a caption comes again. */
  readonly numbers?: readonly number[];
}

/** A trained model of any family. */
export interface Painter {
  readonly run: string;
  readonly config: RunConfig;
  /** The registered name. */
  readonly family: string;
  readonly imageSize: number;
  /** The training step of its weights. */
  readonly step: number;
  /** Numbers that painting needs. */
  readonly parameters: number;
  /** Passes through the network that one image takes. */
  readonly passes: number;
  /** How it paints by default, in words. */
  readonly settings: string;
  /** How many ids of a caption are read, if it has more; undefined if all are. */
  cutAt(caption: string): number | undefined;
  /**
   * Paints one picture of each caption, in their order; '' is no caption. Image i of a seed is the same beside any others.
   * Calls may overlap: those that wait at the same time, with the same settings, are painted in one batch.
   * @throws UserError once the painter was disposed of; the signal's reason once that is aborted
   */
  paint(captions: readonly string[], options?: PainterOptions): Promise<Picture[]>;
  /**
   * The negative log-likelihood of pictures of the run's size given their captions, of families that have one: the mean, in
   * nats a code, of which an image has `passes`.
   */
  nats?(pictures: readonly Picture[], captions: readonly string[]): Promise<number>;
  /** The run as what paints code by code, with previews, completion and reconstruction; of families that have codes. */
  readonly codes?: CodePainter;
  /** Frees the model, after the batch that is under way. What waits is refused. */
  dispose(): void;
}

/** See `PainterOptions.numbers`. */
export function imageNumbers(
  captions: readonly string[],
  { numbers, firstImage = 0 }: Pick<PainterOptions, 'numbers' | 'firstImage'> = {},
): readonly number[] {
  if (numbers !== undefined) return numbers;
  const next = new Map<string, number>();
  return captions.map(caption => {
    const number = next.get(caption) ?? firstImage;
    next.set(caption, number + 1);
    return number;
  });
}

/** The pictures that a call of `paint` asks for. */
export function ordersOf(captions: readonly string[], options: PainterOptions = {}): Order[] {
  const { seed = 0 } = options;
  const numbers = imageNumbers(captions, options);
  return captions.map((caption, i) => ({ caption, seed, number: numbers[i] }));
}
