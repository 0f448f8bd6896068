/** @file What the page of the trainer and its worker tell each other. Types alone. */
import type { ProgressEvent } from '../library/progress.ts';
import type { SheetKind } from '../runs/sheet-history.ts';
import type { Curves, RunDetail } from '../web/studio/messages.ts';

/** A file that was dropped, by its path in what was dropped. */
export interface DroppedFile {
  readonly path: string;
  readonly file: File;
}

/** Where to compute. */
export type TrainerBackend = 'auto' | 'wasm' | 'webgpu' | 'cpu';

/** Something that is not used, and why. */
export interface Unused {
  readonly id: string;
  readonly what: string;
}

/** What a page asks for. One thing is under way at a time; `pause` ends it at the next step, and all is saved. */
export type Ask =
  /** What is there. Answered by `there`. */
  | { readonly type: 'look' }
  /** Takes pictures in, in the place of those before; refused where a training of them has begun. Answered by `there`. */
  | { readonly type: 'take'; readonly name: string; readonly files: readonly DroppedFile[] }
  /** Plans a training of the pictures; settings are fields of a run's config. Answered by `planned`. */
  | { readonly type: 'plan'; readonly fields: Readonly<Record<string, unknown>>; readonly backend: TrainerBackend }
  /** Trains what was planned, or goes on with what is there. Answered by `ended`. */
  | { readonly type: 'train'; readonly backend: TrainerBackend }
  | { readonly type: 'pause' }
  /** The run as a ZIP file. Answered by `packed`, also while it is trained. */
  | { readonly type: 'pack' }
  /** Removes the run and its pictures. Answered by `there`. */
  | { readonly type: 'discard' };

/** What is there. */
export interface There {
  /** The pictures that were taken in. */
  readonly data?: { readonly name: string; readonly files: number; readonly bytes: number };
  /** A training that was begun. */
  readonly run?: Begun;
  /** Whether another page has it all, and this one none. */
  readonly isElsewhere?: boolean;
}

/** A training as the studio's pages show one. */
export interface Begun {
  readonly detail: RunDetail;
  readonly curves: Curves;
  /** Whether nothing is left to be done. */
  readonly isDone: boolean;
}

/** What was planned. */
export interface Planned {
  /** In words, one thing a line. */
  readonly lines: readonly string[];
  readonly minutes: number;
  readonly firstSamples: number;
  readonly training: number;
  readonly heldOut: number;
  /** What is left out although it should be data, and files that nothing came from. */
  readonly problems: readonly Unused[];
  readonly unused: readonly Unused[];
  readonly backend: string;
}

/** What the worker tells. */
export type Tell =
  | { readonly type: 'there'; readonly there: There }
  | { readonly type: 'taking'; readonly done: number; readonly total: number }
  | { readonly type: 'planned'; readonly plan: Planned }
  | { readonly type: 'progress'; readonly event: ProgressEvent }
  /** The training, whenever its log has grown. */
  | { readonly type: 'run'; readonly run: Begun }
  | { readonly type: 'sheet'; readonly kind: SheetKind; readonly png: Uint8Array }
  | { readonly type: 'ended'; readonly isDone: boolean }
  | { readonly type: 'packed'; readonly name: string; readonly zip: Blob }
  /** What was asked for cannot be had; in a line, with a hint where there is one. */
  | { readonly type: 'refused'; readonly asked: Ask['type']; readonly text: string; readonly hint?: string };
