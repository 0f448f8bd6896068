/** @file What the studio and a painting child say to each other. Types only; pictures go as they are, PNGs as bytes. */
import type { Split } from '../../../../data/dataset.ts';
import type { SamplingSetting } from '../../../families/family.ts';
import type { Completion } from '../../../families/queue.ts';
import type { Picture } from '../../../image/images.ts';
import type { WeightKind } from '../../../io/runfiles.ts';

/** Which model a child has, and how it computes. */
export interface OpenRequest {
  readonly kind: 'open';
  readonly run: string;
  readonly weights: WeightKind;
  /** Default: as many as the processor has cores. */
  readonly threads?: number;
  /** Whether a GPU is left to others. */
  readonly sparesGpu: boolean;
}

/** Captions, and how they are painted. */
export interface PaintRequest {
  readonly kind: 'paint';
  /** The run as the files name it. */
  readonly named: string;
  readonly captions: readonly string[];
  readonly seed: number;
  /** Of each caption. */
  readonly numImages: number;
  readonly settings: Readonly<Partial<Record<SamplingSetting, number>>>;
  readonly completion?: Completion;
  /** The completion as the files name it. */
  readonly files?: { readonly image: string; readonly keepRows?: number; readonly mask?: string };
}

/** A picture of the run's size through its patch tokenizer. */
export interface ReconstructRequest {
  readonly kind: 'reconstruct';
  readonly picture: Picture;
}

/** The image of a data set that is nearest to a picture. */
export interface NearestRequest {
  readonly kind: 'nearest';
  readonly data: string;
  readonly split: readonly Split[];
  readonly picture: Picture;
}

export type Work = OpenRequest | PaintRequest | ReconstructRequest | NearestRequest;

/** What the work of a kind comes to. */
export interface Results {
  readonly open: {
    readonly backend: string;
    readonly grid?: number;
    readonly imageSize: number;
    readonly step: number;
  };
  readonly paint: { readonly images: readonly PaintedImage[] };
  readonly reconstruct: { readonly png: Uint8Array };
  readonly nearest: {
    readonly png: Uint8Array;
    readonly caption: string;
    readonly distance: number;
    readonly of: number;
  };
}

export interface PaintedImage {
  readonly caption: string;
  readonly index: number;
  /** With all that it says of itself. */
  readonly png: Uint8Array;
  /** [grid * grid] in nats, where codes were drawn; 0 where one was given. */
  readonly logProbabilities?: Float64Array;
  /** Ids of the caption that were read, where it has more. */
  readonly cut?: number;
}

export type ToPainter =
  | { readonly id: number; readonly work: Work }
  /** Stops that work. */
  | { readonly id: number; readonly work: null };

/** What is told of work that is under way. */
export type News =
  /** Pictures, counted by their shares, of `of`. */
  | { readonly kind: 'progress'; readonly painted: number; readonly of: number; readonly stage?: string }
  | { readonly kind: 'tiles'; readonly image: number; readonly png: Uint8Array }
  | { readonly kind: 'warning'; readonly line: string };

export type FromPainter =
  | { readonly id: number; readonly news: News }
  | { readonly id: number; readonly result: Results[keyof Results] }
  | { readonly id: number; readonly failure: Failure };

/** `isMistake`: not of the user. */
export interface Failure {
  readonly message: string;
  readonly hint?: string;
  readonly isMistake: boolean;
}
