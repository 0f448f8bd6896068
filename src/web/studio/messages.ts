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
  /** How far that is, of how many steps. */
  readonly step: number;
  readonly steps: number;
  /** Images or tokens a second, by the last record; null where it has none. */
  readonly rate: number | null;
  readonly unit: 'tokens' | 'images';
  /** Whether a process holds its lock. */
  readonly live: boolean;
  /** Lowest held-out loss, as its state was saved last. */
  readonly best: number | null;
  /** When something was last written of it, as an ISO date. */
  readonly at: string;
  readonly hasSamples: boolean;
  /** Whether there are weights to paint with. */
  readonly canPaint: boolean;
  /** Why it cannot be shown, where it cannot: a line. */
  readonly problem?: string;
}

export interface DataCard {
  readonly id: string;
  readonly name: string;
}

export interface StudyCard {
  readonly id: string;
  readonly name: string;
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
