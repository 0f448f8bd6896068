/**
 * @file The contract of a model family: all that the rest of the program knows of it. A family is one folder and one line in
 * families.ts; one from outside is a file that calls `defineFamily` before the command line or the library is used. The
 * definition itself is light (settings, words); what computes is imported when a model is made.
 */
import type { z } from 'zod';
import type { BpeTokenizer } from '../../tokenizer/bpe.ts';
import type { PatchTokenizer } from '../../tokenizer/patch.ts';
import type { RunConfig, RunConfigInput } from '../config/run.ts';
import type { Random } from '../core/random.ts';
import type { CodeSet } from '../io/codes.ts';
import type { Checkpoint, NamedValues } from '../nn/module.ts';
import type { CaptionedImages, EncodeCaptions, ImageStream } from '../training/captioned.ts';
import type { Metrics } from '../training/measured.ts';
import type { Task, Weights } from '../training/task.ts';
import type { Painter } from './painter.ts';
import type { FamilyPlanning } from './planning.ts';

export const stageNames = ['captions', 'text', 'patch', 'codes'] as const;
/**
 * What a family may have trained or made before its own model, in the order of the run:
 * `captions` the caption tokenizer, `text` the frozen text encoder (needs `captions`), `patch` the patch tokenizer,
 * `codes` the data set as codes (needs `patch`).
 */
export type StageName = (typeof stageNames)[number];

/** What a stage is called in the progress of a training, in messages and on pages. */
export const stageTitles: Readonly<Record<StageName, string>> = {
  captions: 'caption tokenizer',
  text: 'text encoder',
  patch: 'patch tokenizer',
  codes: 'codes',
};

/** Names of parts' fingerprints in the metadata of weights. */
export const fingerprintKeys: Readonly<Record<keyof Parts, string>> = {
  captions: 'caption_tokenizer',
  text: 'text_encoder',
  patch: 'patch_tokenizer',
};

/** A frozen text encoder: captions in, rows of features out. */
export interface TextEncoder {
  /** '' is a row of zeros. */
  readonly encode: EncodeCaptions;
  /** Features of a caption. */
  readonly dim: number;
  /** Numbers that encoding captions needs. */
  readonly parameters: number;
  dispose(): void;
}

/** What the stages leave for a model to be made of. */
export interface Parts {
  readonly captions: BpeTokenizer;
  readonly text: TextEncoder;
  readonly patch: PatchTokenizer;
}

/** Those that the stages of a family leave. */
export type PartsOf<Stage extends StageName> = Pick<Parts, Stage & keyof Parts>;

/** What a model is made with. */
export interface Making<Stage extends StageName = StageName> {
  readonly config: RunConfig;
  /** The run's folder, for messages. */
  readonly folder: string;
  /** The painter disposes them with itself; the model does not. */
  readonly parts: PartsOf<Stage>;
  /**
   * Where fresh weights come from; where weights will be loaded, which makes drawing them a waste, the checkpoint that they
   * come from. For `new Parameters(random)`, which refuses what the checkpoint does not hold.
   */
  readonly random: Random | Checkpoint;
  /** The training step of the weights that will be loaded; 0 while they are trained. */
  readonly step: number;
}

/** A data set as codes, with the captions of each item. */
export interface CaptionedCodes {
  readonly set: CodeSet;
  readonly captions: readonly (readonly string[])[];
}

/** Other data that a share of every batch comes from, so that it is not forgotten. */
export interface Rehearsal {
  readonly codes: CaptionedCodes;
  /** From 0 to 1. */
  readonly share: number;
}

/** What a model is trained on. */
export interface TrainingData {
  /** An endless stream of captioned training images. @param options.balance see `train.balance` */
  stream(options: { readonly batchSize: number; readonly balance?: number }): Promise<ImageStream>;
  /** The middle crops of held-out images with the first caption of each. */
  heldOut(): Promise<CaptionedImages>;
  /** Both sides of the split as codes. @throws if `codes` is not among the family's stages */
  codes(): Promise<{ readonly training: CaptionedCodes; readonly heldOut: CaptionedCodes }>;
  /** What is rehearsed, as codes; absent where nothing is. */
  readonly rehearsal?: Rehearsal;
}

/** A model of a family, its weights fresh or loaded. */
export interface Model {
  readonly painter: Painter;
  /** What trains it. */
  task(data: TrainingData): Task | Promise<Task>;
  /** Those of all trained weights that painting needs; default all. */
  weightsForPainting?(weights: Weights): Weights;
  /** Takes over what `weightsForPainting` gave. @param where the file, for errors */
  load(values: NamedValues, where: string): void;
  /** Frees its own parameters. */
  dispose(): void;
}

/** What another run has trained, to start a model of the same family from. */
export interface Start {
  readonly config: RunConfig;
  /** Its weights, as `Model.weightsForPainting` gave them, and those besides that its training would go on with. */
  readonly values: NamedValues;
  /** Caption ids, pads not counted. */
  readonly vocabulary: number;
}

/** The weights that a model starts from, and what is not as it was, a line each. Those that are missing are new. */
export interface Adapted {
  readonly values: NamedValues;
  readonly report: readonly string[];
}

/** Settings of painting that a family may follow. */
export const samplingSettings = ['temperature', 'fineTemperature', 'topK', 'topP', 'cfgScale', 'steps'] as const;
export type SamplingSetting = (typeof samplingSettings)[number];

/** What a family is called and shown by. */
export interface FamilyWords {
  /** In sentences, e.g. `DCGAN`. */
  readonly title: string;
  /** How it paints, a sentence without its full stop: `a generator paints the whole image in one pass`. */
  readonly paints: string;
  /** CSS colours of its curves, on light and on dark paper. */
  readonly colour: { readonly light: string; readonly dark: string };
  /** What the rate of its training counts; default images. */
  readonly unit?: 'tokens' | 'images';
  /** What is minimised, for the axis of a chart, e.g. `denoising loss`. */
  readonly loss: string;
  /** Why it has no likelihood, where it has none. */
  readonly noLikelihood?: string;
  /** A few words about a record of the log that stand beside the progress, e.g. `held out 2.310 nats a code`. */
  readonly progress?: (record: Metrics) => string | undefined;
  /** Regularisers and other help that a config switches on, beyond averaging and clipping. */
  readonly aids?: (config: RunConfig) => readonly string[];
  /** A setting (`gan.loss`, `hinge`) as it is told in a run's name; undefined: by the field's name and value. */
  readonly setting?: (field: string, value: string) => string | undefined;
}

/** In words, why a run of a family does not follow a setting. */
export function whyIgnored(setting: SamplingSetting, words: FamilyWords): string {
  if (setting === 'fineTemperature' && words.unit === 'tokens')
    return 'its codes do not come in the order interlaced, coarse ones first';
  return words.paints;
}

/** See the file's doc. */
export interface FamilyDefinition<Stage extends StageName = StageName> {
  /** What `--family` calls it; also the name of its stage in the log. */
  readonly name: string;
  /** Sections of the run's config that it reads beside those of every run. */
  readonly sections: Readonly<Record<string, z.ZodObject>>;
  /** Where its config differs from the presets. */
  readonly defaults?: Partial<Record<keyof RunConfigInput, object>>;
  /** @throws UserError naming fields that do not fit together */
  readonly check?: (config: RunConfig) => void;
  /**
   * A lower bound of the numbers that its networks are made of while it is trained, those of the stages before it included,
   * from the config alone: where they cannot fit the memory, nothing is begun. Left out: none is known.
   */
  readonly leastParameters?: (config: RunConfig) => number;
  /**
   * What a run that is to be made must not be either: settings with which something would be trained and nothing learnt. Runs
   * that are there are spared.
   * @throws UserError naming the field
   */
  readonly checkNew?: (config: RunConfig) => void;
  /** The stages before its own. */
  readonly stages: readonly Stage[];
  /** Settings of painting that it follows, and their values where nobody sets them; others are refused. */
  readonly sampling: (config: RunConfig) => Readonly<Partial<Record<SamplingSetting, number>>>;
  /** Whether images appear piece by piece, so that previews can be shown and given images completed. */
  readonly piecewise?: boolean;
  /** Whether images come of noise, so that there are images between two: its painter has `interpolate`. */
  readonly interpolates?: boolean;
  /** Whether two players train it, so that its losses measure no progress. */
  readonly game?: boolean;
  /** The held-out loss that it is judged by, from the curves of its stage; left out where none says anything. */
  readonly validation?: {
    /** Names in the log, the first that is there counts. */
    readonly curves: readonly string[];
    /** What a model that has learnt nothing has. */
    readonly untaught: (config: RunConfig) => number;
    /** Whether it is enough to call a training stable, without a look at samples. */
    readonly suffices: boolean;
  };
  readonly words: FamilyWords;
  /** What plans of its trainings know of it; what is left out has the defaults of planning.ts. */
  readonly planning?: FamilyPlanning;
  /**
   * Sections, or fields of them, that its networks depend on: what is started from another run has its values of them. Default all
   * that it brings but those of trainings (`...Train`). Of no meaning beside `adapt`.
   */
  readonly sized?: readonly string[];
  /**
   * What another run of the family has trained, for a model of another config. Left out: only what is of the same size can be
   * taken over, see `sized`.
   * @param target.newCodes whether another patch tokenizer makes the codes
   * @throws UserError naming the field that cannot be mapped
   */
  readonly adapt?: (
    start: Start,
    target: { readonly config: RunConfig; readonly newCodes: boolean; readonly random: Random },
  ) => Adapted | Promise<Adapted>;
  /** Makes a model; imports what computes. */
  create(making: Making<Stage>): Promise<Model>;
}

/** A registered family. */
export type Family = FamilyDefinition;
