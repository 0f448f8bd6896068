/** @file What the studio's server and its pages say to each other, as JSON. Types alone: both sides import it. */

/** A run, as a card shows it. */
export interface RunCard {
  readonly id: string;
  /** Its path within the studio's folder. */
  readonly name: string;
  readonly family: string;
  /** What the family is called in sentences. */
  readonly title: string;
  /** What was trained last; null before the first record. */
  readonly stage: string | null;
  /** What that is called. */
  readonly stageTitle: string;
  /** How far that is, of how many steps. */
  readonly step: number;
  readonly steps: number;
  /** Images or tokens a second, by the last record; null where it has none. */
  readonly rate: number | null;
  readonly unit: 'tokens' | 'images';
  /** Whether a process holds its lock. */
  readonly live: boolean;
  /** The lowest that it was judged by, as its state was saved last. */
  readonly best: number | null;
  /** What that is. */
  readonly judgedBy: 'held-out loss' | 'KID of samples';
  /** When something was last written of it, as an ISO date. */
  readonly at: string;
  readonly hasSamples: boolean;
  /** Whether there are weights to paint with. */
  readonly canPaint: boolean;
  /** Whether it came with the program. */
  readonly isShipped?: boolean;
  /** Why it cannot be shown, where it cannot: a line. */
  readonly problem?: string;
}

/** A setting of a run. */
export interface Setting {
  /** E.g. `train.lr`. */
  readonly name: string;
  readonly value: unknown;
  readonly description: string;
  /** Whether it is another value than where nothing is said. */
  readonly isChosen: boolean;
}

/** What became of a training by the rules that were fixed before it. */
export interface Judgement {
  readonly kind: 'stable' | 'collapsed' | 'diverged' | 'unchecked';
  /** In a sentence or two: the rule that was broken, or what it rests on. */
  readonly words: string;
  /** From which step on. */
  readonly step: number | null;
}

/** What a run paints with. */
export interface PaintSettings {
  /** Settings that its family follows, and their values where nobody sets them. */
  readonly sampling: Readonly<
    Partial<Record<'temperature' | 'fineTemperature' | 'topK' | 'topP' | 'cfgScale' | 'steps', number>>
  >;
  /** Why there is no guidance, where there is none. */
  readonly noGuidance?: string;
  /** Weights that are there, and those that are taken unless others are asked for. */
  readonly weights: readonly ('ema' | 'best' | 'last')[];
  readonly chosen: 'ema' | 'best' | 'last';
  readonly imageSize: number;
  /** Codes along a side of the image; null where it is not painted in codes. */
  readonly grid: number | null;
  /** Whether pictures appear piece by piece, and given ones can be completed. */
  readonly piecewise: boolean;
}

/** Who trains a run now. */
export interface Trainer {
  readonly pid: number;
  readonly host: string;
}

/** What of a run changes while it is trained. */
export interface RunState {
  readonly card: RunCard;
  readonly judgement: Judgement | null;
  readonly trainer: Trainer | null;
  /** Seconds of the stage that are left, at its pace; null where that is not known, or nobody trains it. */
  readonly left: number | null;
  /** Seconds that the stages after it were planned to take; null where that is not known. */
  readonly after: number | null;
}

export interface RunDetail extends RunState {
  readonly path: string;
  readonly settings: readonly Setting[];
  /** Goes on with the training; what the run does not remember is to be put in. */
  readonly command: string;
  /** Its stages in their order, and seconds that each was planned to take, as far as there is a plan. */
  readonly stages: readonly { readonly name: string; readonly title: string; readonly seconds: number | null }[];
  /** What it computes on; null where that was not kept. */
  readonly engine: { readonly backend: string; readonly precision: string } | null;
  readonly notes: readonly string[];
  /** Null where there are no weights yet. */
  readonly paint: PaintSettings | null;
  /** Axes of its charts: what is minimised. */
  readonly loss: string;
}

/** A step, and what was measured at it; null: not finite. */
export type Measurement = readonly [step: number, value: number | null];

/** The log of one stage as curves. */
export interface StageCurves {
  readonly name: string;
  readonly title: string;
  /** Steps that it is to have. */
  readonly total: number;
  /** Steps that it has. */
  readonly step: number;
  /** What it has cost so far; null where that was not logged. */
  readonly seconds: number | null;
  readonly images: number | null;
  readonly flops: number | null;
  /** By the names of the log. */
  readonly curves: Readonly<Record<string, readonly Measurement[]>>;
  /** Of curves that have more points than were asked for: means of stretches of them, for what is smoothed. */
  readonly means: Readonly<Record<string, readonly Measurement[]>>;
  /** The name of the held-out loss that it is judged by, where there is one. */
  readonly judged: string | null;
  /** Where that is lowest. */
  readonly bestAt: Measurement | null;
  /** Where it turned for good: what is learnt from there on is learnt by heart. */
  readonly turnedAt: Measurement | null;
}

export interface Curves {
  /** Of the log that places are in; another one is of a log that was begun anew. */
  readonly epoch: number;
  /** Where it ends. */
  readonly end: number;
  readonly stages: readonly StageCurves[];
}

/** Steps of which there are pictures. */
export interface Sheets {
  readonly samples: readonly number[];
  readonly reconstructions: readonly number[];
  /** When the newest of each was written, in milliseconds; 0 where there is none. */
  readonly newest: { readonly samples: number; readonly reconstructions: number; readonly usage: number };
}

/** How the codes were used in held-out images, at a step. */
export interface Usage {
  readonly step: number;
  /** Codes that there are, and those that occurred. */
  readonly codes: number;
  readonly used: number;
  /** Shares of codes that the most frequent ones have, from the first on: of every stretch of the codes its mean. */
  readonly shares: readonly number[];
}

/** Events of `/api/events`. */
export interface LiveEvents {
  readonly run: RunState & { readonly id: string };
  /** Points that are new. */
  readonly curves: Curves & { readonly id: string };
  readonly sheets: Sheets & { readonly id: string };
  /** A run that can no longer be read, and why. */
  readonly gone: { readonly id: string; readonly error: string };
}

export interface DataCard {
  readonly id: string;
  readonly name: string;
  /** As a command would name it. */
  readonly path: string;
}

export interface StudyCard {
  readonly id: string;
  readonly name: string;
  /** As a command would name it. */
  readonly path: string;
}

export interface Home {
  readonly folder: string;
  readonly version: string;
  readonly runs: readonly RunCard[];
  readonly datasets: readonly DataCard[];
  readonly studies: readonly StudyCard[];
  /** What lies there and is not shown, a line each. */
  readonly left: readonly string[];
}
