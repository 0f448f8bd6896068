/**
 * @file What a comparison says, as plain data: everything that the page shows and the JSON holds, and nothing else.
 * null always means that something was not measured; the page then says so, and never shows 0 in its place.
 */
import { familyOf } from '../families/families.ts';

/** A comparison of runs. */
export interface Report {
  readonly format: 'tessera-comparison-1';
  /** When it was made, ISO 8601. */
  readonly made: string;
  /** The command that makes it again. */
  readonly command: string;
  /** What sampling ran on; null if nothing was painted. */
  readonly backend: string | null;
  readonly data: string | null;
  readonly imageSize: number;
  readonly seed: number;
  readonly runs: readonly RunReport[];
  readonly grid: SampleSheet | null;
  readonly findings: readonly Finding[];
  /** What people said of the runs: the study's folder, and its results as `tessera study report --json` gives them. */
  readonly people?: { readonly study: string; readonly results: object };
}

/** A sentence or more of the conclusion, made from the numbers. */
export interface Finding {
  readonly topic: 'budget' | 'quality' | 'ceiling' | 'stability' | 'overfitting' | 'memorisation' | 'cost';
  readonly text: string;
}

export interface RunReport {
  /** Its folder. */
  readonly run: string;
  /** Short and unique in the report. */
  readonly name: string;
  readonly family: string;
  /** Runs of one group differ in their seed alone. */
  readonly group: string;
  readonly seed: number;
  readonly learningRate: number;
  readonly weights: string;
  /** Steps of the last stage: made, and asked for. */
  readonly step: number;
  readonly steps: number;
  /** Regularisers and other help that is switched on, in words. */
  readonly aids: readonly string[];
  /** Numbers that sampling needs, and those that only training needed. */
  readonly parameters: number | null;
  readonly trainingOnly: number | null;
  /** In the order they were trained. */
  readonly stages: readonly Stage[];
  readonly checks: readonly SampleCheck[];
  readonly verdict: Verdict;
  /** How well a loss tells the quality of the samples. */
  readonly progress: readonly LossCorrelation[];
  readonly metrics: readonly Measured[];
  readonly sampling: Sampling | null;
  readonly nearest: NearestTraining | null;
}

/** Training of one network: the patch tokenizer, the text encoder, or what paints. */
export interface Stage {
  readonly stage: string;
  readonly steps: number;
  readonly seconds: number | null;
  readonly images: number | null;
  readonly flops: number | null;
  /** Losses by name, e.g. `loss`, or `D_loss` and `G_loss`, and of held-out data `val_loss`. */
  readonly curves: Readonly<Record<string, readonly Point[]>>;
}

/** What the training had cost when something was measured; of this stage alone. */
export interface TrainingCost {
  readonly step: number;
  readonly seconds: number | null;
  readonly images: number | null;
  readonly flops: number | null;
}

export interface Point extends TrainingCost {
  /** null: not finite. */
  readonly value: number | null;
}

/** Samples looked at in training. Costs are those of the whole run, earlier stages included. */
export interface SampleCheck extends TrainingCost {
  readonly kid: number | null;
  /** Over that between real images, about 1 at best; so is the spread, the mean distance between two images. */
  readonly coverage: number | null;
  readonly spread: number | null;
}

/** What became of a training by the rules that were fixed before it. */
export interface Verdict {
  readonly kind: 'stable' | 'collapsed' | 'diverged' | 'unchecked';
  /** The rule that was broken, in words. */
  readonly rule: string | null;
  readonly step: number | null;
  /** Looks at samples and validation losses that the verdict rests on. */
  readonly checks: number;
  readonly validations: number;
  /** Held-out images of the validation losses, where they are few. */
  readonly heldOut?: number;
  /** Of a run that learnt by heart: the loss of guessing, which its last validation loss is above. */
  readonly guessing?: number;
  /** Why samples were not looked at, where the log says so. */
  readonly why?: string;
}

/** Rank correlation of a loss and KID over the checks of a run. */
export interface LossCorrelation {
  readonly loss: string;
  readonly rho: number | null;
  readonly n: number;
}

/** One result of `tessera eval`. */
export interface Measured {
  readonly metric: string;
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly row: 'samples' | 'floor' | 'reconstruction';
  /** Whose captions were painted: `validation` of held-out images, `train`, `test`. */
  readonly split: string;
  readonly features: string | null;
  readonly weights: string | null;
  readonly step: number | null;
  readonly n: number | null;
  readonly reference: number | null;
  readonly seed: number | null;
  /** Different captions that the samples are of; left out where earlier versions did not count them. */
  readonly captions?: number;
  /** Why there is no value, where the metric does not apply. */
  readonly reason: string | null;
}

export interface Sampling {
  /** Network passes an image: codes of a transformer, evaluations of a denoiser, 1 of a generator. */
  readonly passes: number;
  readonly msPerImage: number;
  /** Images the time is the mean of. */
  readonly images: number;
}

/** A picture that a page can hold. */
export interface Embedded {
  /** data:image/png;base64,... */
  readonly uri: string;
  readonly width: number;
  readonly height: number;
}

/** The same captions by every run, beside what they were written for. */
export interface SampleSheet {
  readonly captions: readonly string[];
  /** Whether the captions are of images that were never trained on; others are of training images, or given by hand. */
  readonly heldOut: boolean;
  /** The images themselves, one a caption; null where captions were given by hand. */
  readonly real: readonly Embedded[] | null;
  /** What the tokenizer of a run makes of them. */
  readonly reconstructions: readonly { readonly run: string; readonly images: readonly Embedded[] }[];
  /** Some images of each caption. */
  readonly painted: readonly { readonly run: string; readonly images: readonly (readonly Embedded[])[] }[];
}

/** How near samples come to training images. */
export interface NearestTraining {
  readonly samples: number;
  readonly heldOut: number;
  readonly training: number;
  /** Median distances: root mean square of the differences of pixels in [0, 1]. */
  readonly sampleMedian: number;
  /** null: nothing is held out; so is the ratio. */
  readonly heldOutMedian: number | null;
  readonly ratio: number | null;
  readonly authentic: number | null;
  /** Distances over the held-out images' median distance. */
  readonly sampleRatios: readonly number[];
  readonly heldOutRatios: readonly number[];
  /** The samples that are nearest to a training image, beside that image. */
  readonly closest: readonly {
    readonly caption: string;
    readonly trained: string;
    readonly distance: number;
    readonly sample: Embedded;
    readonly image: Embedded;
  }[];
}

/** What a family is called in sentences. */
export function familyName(family: string): string {
  return familyOf(family).words.title;
}

/** Families that two players train. */
export function isGame(family: string): boolean {
  return familyOf(family).game === true;
}
