/**
 * @file What all families have in common once they are trained: captions in, pictures out. Commands that do not care how
 * a picture comes about (evaluation, comparison, the sheets of training) hold a `Painter`.
 */
import type { PatchTokenizer } from '../../tokenizer/patch.ts';
import type { RunConfig } from '../config/run.ts';
import type { Picture } from '../image/images.ts';
import type { CallOptions } from './queue.ts';

/** How captions are painted. Settings that are left out are the run's own; one that its family does not follow is refused. */
export interface PainterOptions extends CallOptions {
  /** From 0 to 2^32 - 1; default 0. */
  readonly seed?: number;
  /** Number of the first image of every caption: the seed's images of a caption are numbered. Default 0. */
  readonly firstImage?: number;
  /** Every image's number, [captions]. Default: from `firstImage` on, one more each time a caption comes again. */
  readonly numbers?: readonly number[];
}

/** A picture that an interpolation passes: the one that `paint` paints. */
export interface Keyframe {
  /** '' is none, and then all keyframes have none. */
  readonly caption: string;
  /** From 0 to 2^32 - 1; default 0. */
  readonly seed?: number;
  /** Which of the seed's images of the caption; default 0. */
  readonly number?: number;
}

/** What lies between keyframes. */
export interface InterpolateOptions extends Omit<CallOptions, 'completion' | 'onUnfinished' | 'onLogProbabilities'> {
  /** Pictures in all, the keyframes among them. */
  readonly frames: number;
  /** Whether the way goes on from the last keyframe to the first, which does not come a second time. Default false. */
  readonly loop?: boolean;
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
  /** Patches along each side of a picture, where given pictures can be completed patch by patch (`completion`). */
  readonly grid?: number;
  /** How many ids of a caption are read, if it has more; undefined if all are. */
  cutAt(caption: string): number | undefined;
  /**
   * Paints one picture of each caption, in their order; '' is no caption. Image i of a seed is the same beside any others.
   * Calls may overlap: those that wait at the same time, with the same settings, are painted in one batch.
   * @throws UserError naming the first argument that does not fit, or a setting that the family does not follow; once the
   *   painter was disposed of; the signal's reason once that is aborted
   */
  paint(captions: readonly string[], options?: PainterOptions): Promise<Picture[]>;
  /**
   * Paints the way from picture to picture, of a model that paints out of noise: the noise, and the features of the captions, move
   * along the arc between those of the keyframes. Every keyframe is one of the frames, with the bits that `paint` gives it.
   * @throws UserError as `paint`
   */
  interpolate?(keyframes: readonly Keyframe[], options: InterpolateOptions): Promise<Picture[]>;
  /** The tokenizer of a model that paints codes. */
  readonly tokenizer?: PatchTokenizer;
  /** The likelihood of pictures given their captions, of a model that has one. */
  readonly likelihood?: Likelihood;
  /** Frees the model, after the batch that is under way. What waits is refused. */
  dispose(): void;
}

/** Measures how likely pictures are to a model. */
export interface Likelihood {
  /** Codes of a picture. */
  readonly codes: number;
  /** Mean nats a code over all of the pictures, given the caption of each; few enough for one pass. */
  measureNats(pictures: readonly Picture[], captions: readonly string[]): Promise<number>;
}
