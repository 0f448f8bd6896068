/** @file What the studio and its page of trainings say to each other. Types only. */
import type { TrainingForm } from '../program.ts';

export type WorkKind = 'training' | 'report' | 'study' | 'study report';

/** A process that the page started. */
export interface WorkCard {
  readonly id: string;
  readonly kind: WorkKind;
  readonly title: string;
  /** Ids of the run that it trains, and of the study that it makes or reports. */
  readonly run: string | null;
  readonly study: string | null;
  /** Of a training, its data: the id of a data set, or a path. */
  readonly data: string | null;
  readonly state: 'running' | 'stopping' | 'done' | 'stopped' | 'failed';
  /** How it ended, in words. */
  readonly why: string | null;
  /** What it said last. */
  readonly lines: readonly string[];
  readonly command: string;
  readonly seconds: number;
  /** Whether there is a page to look at. */
  readonly hasPage: boolean;
}

/** `GET /api/trainings/form?preset=&family=`. */
export interface FormAnswer extends TrainingForm {
  /** The folder that new runs lie in. */
  readonly folder: string;
}

/** `POST /api/trainings`. */
export interface TrainingOrder {
  /** The id of a data set, or the path of one. */
  readonly data: { readonly id: string } | { readonly path: string };
  /** The run's name within the folder: a new one, or one that is gone on with. */
  readonly out: string;
  /** Flags as they were typed, by the path of their field. */
  readonly values: Readonly<Record<string, string>>;
}

/** Its answer. */
export interface WorkTicket {
  readonly work: WorkCard;
}
