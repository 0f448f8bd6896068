/** @file What the studio says to its painting page, and what the page asks. Types only: both sides import them. */

/** Those of families, and the weights of a run: written out, since the page's compiler knows no node, which their files need. */
type SamplingSetting = 'temperature' | 'fineTemperature' | 'topK' | 'topP' | 'cfgScale' | 'steps';
type WeightKind = 'ema' | 'best' | 'last';

/** `GET /api/runs/:run/painting`: what a run paints with. */
export interface PaintingFacts {
  readonly id: string;
  readonly name: string;
  /** In words, and how it paints. */
  readonly title: string;
  readonly paints: string;
  readonly imageSize: number;
  /** Patches along each side, where pictures appear piece by piece and given ones can be completed. */
  readonly grid: number | null;
  readonly settings: readonly PaintingSetting[];
  /** Those that are there, and those that are taken where nobody asks for others. */
  readonly weights: readonly WeightKind[];
  readonly chosen: WeightKind;
  /** Why it does not paint yet. */
  readonly problem: string | null;
  /** How it makes way for trainings, in words. */
  readonly polite: string | null;
  /** Different captions that it was trained on; null where it does not know. */
  readonly captions: number | null;
  /** Data sets that nearest images can be looked for in. */
  readonly datasets: readonly { readonly id: string; readonly name: string }[];
}

/** One setting, whether or not the family follows it. */
export interface PaintingSetting {
  readonly name: SamplingSetting;
  /** The run's own value; null where the setting has no effect, which `why` explains. */
  readonly value: number | null;
  readonly why?: string;
}

/** `GET /api/runs/:run/captions?search=`: captions that a run knows, and words that it does not. */
export interface CaptionOffers {
  /** With every word of the search, also as the beginning of a longer word. */
  readonly captions: readonly { readonly caption: string; readonly images: number }[];
  readonly total: number;
  /** Whole words that no caption has. */
  readonly unseen: readonly { readonly word: string; readonly near: readonly string[] }[];
}

/** `POST /api/paint`. Settings that are left out are the run's. */
export interface PaintOrder extends Readonly<Partial<Record<SamplingSetting, number>>> {
  readonly run: string;
  readonly captions: readonly string[];
  readonly seed: number;
  /** Of each caption. */
  readonly numImages: number;
  readonly weights?: WeightKind;
  /** A picture from `POST /api/pictures`, and the patches that are kept of it, [grid * grid]. */
  readonly completion?: { readonly picture: string; readonly keep: readonly boolean[] };
}

/** Its answer. */
export interface PaintTicket {
  readonly job: string;
  /** The captions as they are painted: cleaned, each once. */
  readonly captions: readonly string[];
}

/** `GET /api/runs/:run/paintings`: what was asked for and is remembered, the oldest first. */
export interface Remembered {
  readonly paintings: readonly { readonly job: string; readonly order: PaintOrder }[];
}

/** Events of `GET /api/paint/:job/events`; what was told before is told again to who comes later. */
export interface PaintEvents {
  /** Jobs that come before it. */
  readonly queued: { readonly position: number };
  readonly started: { readonly polite: string | null };
  readonly progress: { readonly painted: number; readonly of: number };
  /** An unfinished picture. */
  readonly tiles: { readonly image: number; readonly png: string };
  readonly warning: { readonly line: string };
  readonly done: PaintDone;
  readonly failed: { readonly message: string; readonly hint?: string; readonly cancelled: boolean };
}

export interface PaintDone {
  readonly images: readonly DoneImage[];
  /** What paints the same in a terminal. */
  readonly command: string;
  /** Files that the command reads, to be saved from the page. */
  readonly needs: readonly string[];
  /** A line on words of the captions that the run does not know. */
  readonly unseen: string | null;
}

export interface DoneImage {
  readonly url: string;
  /** For a download. */
  readonly file: string;
  readonly caption: string;
  readonly seed: number;
  readonly index: number;
  /** [grid * grid] in nats, where codes were drawn; 0 where one was given. */
  readonly logProbabilities?: readonly number[];
  /** Ids of the caption that were read, where it has more. */
  readonly cut?: number;
}

/** `POST /api/pictures?run=`: a picture in the run's size, and what its patch tokenizer makes of it. */
export interface GivenPicture {
  readonly id: string;
  readonly url: string;
  readonly reconstruction: string;
}

/** `GET /api/paint/:job/images/:image/nearest?data=`. */
export interface NearestPicture {
  /** A data address. */
  readonly url: string;
  readonly caption: string;
  readonly distance: number;
  /** Training images that were looked through. */
  readonly of: number;
}
