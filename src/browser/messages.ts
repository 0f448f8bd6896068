/** @file What a page and its worker say to each other. Arrays are handed over, not copied, where the sender needs them no more. */
import { UserError } from '../core/errors.ts';
import type { Picture } from '../image/images.ts';
import type { RunBytes } from '../io/runfiles.ts';

/** Engines that paint in a browser. */
export type EngineName = 'wasm' | 'webgpu';

export interface Sampling {
  readonly temperature: number;
  /** Of interlaced codes: the temperature of all but the coarse ones over that of these. */
  readonly fineTemperature: number;
  readonly topK: number;
  readonly topP: number;
  /** As `sampling.cfgScale` of the run's config. */
  readonly guidance: number;
}

/** What is known of a run once it is open. */
export interface OpenedRun {
  /** Pixels along each side of a picture. */
  readonly imageSize: number;
  /** Patches along each side of a picture. */
  readonly grid: number;
  /** Positions of a caption. */
  readonly captionLength: number;
  /** Number of different codes. */
  readonly codebookSize: number;
  /** Numbers that painting needs. */
  readonly parameters: number;
  /** How the run paints where nothing else is asked for. */
  readonly sampling: Sampling;
  /** On how many threads. */
  readonly threads: number;
  /** What computes, e.g. the name of a GPU. */
  readonly device: string;
}

export interface OpenAsk {
  readonly kind: 'open';
  readonly name: string;
  readonly bytes: RunBytes;
  /** Where tessera.wasm is; undefined for WebGPU. */
  readonly wasm?: string;
  /** Whether a GPU that is a program on the CPU will do. */
  readonly software?: boolean;
}

export interface PaintAsk extends Partial<Sampling> {
  readonly kind: 'paint';
  readonly caption: string;
  readonly seed: number;
  readonly count: number;
  readonly every?: number;
  /** Codes that stay, -1 where the model paints. */
  readonly given?: Int32Array;
}

export interface EncodeAsk {
  readonly kind: 'encode';
  readonly picture: Picture;
}

export interface DecodeAsk {
  readonly kind: 'decode';
  readonly codes: Int32Array;
}

/** What a page asks for. */
export type Ask = OpenAsk | PaintAsk | EncodeAsk | DecodeAsk;

/** The pixels of a square picture, four bytes each. */
export type Pixels = Uint8ClampedArray<ArrayBuffer>;

/** Pictures as far as they have been painted. */
export interface PaintedPart {
  /** [count, grid * grid], -1 where nothing has been painted. */
  readonly codes: Int32Array;
  readonly done: number;
  readonly total: number;
  readonly pictures: readonly Pixels[];
}

/** What is answered at the end. */
export interface Answers {
  readonly open: OpenedRun;
  readonly paint: undefined;
  readonly encode: Int32Array;
  readonly decode: Pixels;
}

/** An error on its way. */
export interface Trouble {
  readonly name: string;
  readonly message: string;
  readonly hint?: string;
  /** Whether the engine is of no use any more. */
  readonly lost: boolean;
}

export type ToWorker = { readonly id: number; readonly ask: Ask } | { readonly id: number; readonly abort: true };

export type ToPage =
  | { readonly id: number; readonly part: PaintedPart }
  | { readonly id: number; readonly answer: Answers[keyof Answers] }
  | { readonly id: number; readonly trouble: Trouble };

/** @param lost whether the engine is of no use any more */
export function troubleOf(error: unknown, lost: boolean): Trouble {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { name, message, hint: error instanceof UserError ? error.hint : undefined, lost };
}

/** The error that a worker has met, as one of the page. */
export function errorOf({ name, message, hint }: Trouble): Error {
  if (name !== 'UserError') return Object.assign(new Error(message), { name });
  const [where, ...what] = message.split(': ');
  return new UserError(where, what.join(': '), hint);
}
