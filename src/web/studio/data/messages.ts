/** @file What the studio and its page of data say to each other. Types only. */
import type { Split } from '../../../../data/dataset.ts';

/** Something that was skipped, and why. */
export interface DataProblem {
  readonly id: string;
  readonly what: string;
}

/** `GET /api/data/:data`. */
export interface DataFacts {
  readonly id: string;
  readonly name: string;
  readonly format: string;
  readonly images: number;
  /** Of the split by names alone, as a new run would have it. */
  readonly sides: Readonly<Record<Split, number>>;
  readonly published: string | null;
  readonly notices: readonly string[];
  /** What cannot be used, as far as names and headers tell, and other files that lie there. */
  readonly problems: readonly DataProblem[];
  readonly unused: readonly DataProblem[];
  /** Runs whose captions and sides can be shown; `knows`: it remembers data of this name. */
  readonly runs: readonly {
    readonly id: string;
    readonly name: string;
    readonly knows: boolean;
    readonly copies: boolean;
  }[];
}

/** `GET /api/data/:data/items?page=&search=&side=&run=&only=`. */
export interface DataPage {
  readonly total: number;
  readonly page: number;
  readonly pages: number;
  readonly items: readonly DataItem[];
}

export interface DataItem {
  /** Its place, by which its picture is asked for. */
  readonly index: number;
  readonly id: string;
  readonly captions: readonly string[];
  /** The side that it falls on; null: a run that was asked for does not know it. */
  readonly side: Split | null;
}

/** `GET /api/data/:data/items/:index?run=`. */
export interface DataDetail extends DataItem {
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  readonly encoding: string;
  /** By the tokenizer of the run: null without one. */
  readonly pieces: readonly CaptionPieces[] | null;
  /** Of the run: pixels of a side, and patches of a side where it has a patch tokenizer. */
  readonly imageSize: number | null;
  readonly grid: number | null;
}

/** A caption as a run reads it. */
export interface CaptionPieces {
  readonly pieces: readonly { readonly id: number; readonly text: string }[];
  /** How many are read; the rest is cut. */
  readonly read: number;
}

/** `GET` and `POST /api/data/:data/inspection`. */
export type InspectionAnswer =
  | { readonly state: 'none' }
  | { readonly state: 'under way'; readonly done: number; readonly total: number }
  | { readonly state: 'failed'; readonly message: string }
  | {
      readonly state: 'done';
      /** As `data inspect` prints it. */
      readonly lines: readonly string[];
      readonly problems: readonly DataProblem[];
      /** Groups that look alike, the largest first: places of items. */
      readonly twins: readonly (readonly { readonly index: number; readonly id: string }[])[];
      /** Groups in all; not all of many are told. */
      readonly groups: number;
    };
