/**
 * @file What the work of a training costs, in seconds: as counted operations predict it for a machine whose speed is known.
 * Machine.ts measures the same numbers.
 */
import { autoencoderFlops } from '../../../tokenizer/autoencoder.ts';
import type { RunConfig } from '../../config/run.ts';
import { familyOf } from '../../families/families.ts';
import { planningOf } from '../../families/planning.ts';
import type { Survey } from './survey.ts';

/** What computes. */
export interface Machine {
  readonly backend: string;
  readonly cores: number;
  /** In bytes. */
  readonly memory: number;
  /** Operations a second of a training step of the transformer, or of whatever was measured. */
  readonly flopsPerSecond: number;
}

/** Stages with a training loop. */
export const trainedStages = ['text', 'patch', 'model'] as const;
export type TrainedStage = (typeof trainedStages)[number];

/** The section of the config that a stage is trained by. */
export const sectionOf = { text: 'textTrain', patch: 'patchTrain', model: 'train' } as const;

/** Seconds that a loop spends on each thing it does. */
export interface LoopCosts {
  readonly step: number;
  /** Measuring on the held-out images. */
  readonly evaluation: number;
  /** Painting a sheet of samples or reconstructions. */
  readonly sheet: number;
  readonly save: number;
}

/** Seconds of all the work of a training, each by its piece. */
export interface Costs {
  readonly loops: Readonly<Partial<Record<TrainedStage, LoopCosts>>>;
  /** One crop of one image to codes, and one decoded. */
  readonly encode: number;
  readonly decode: number;
}

/** Images that are trained on, and images that every evaluation measures. */
export interface Sides {
  readonly training: number;
  readonly heldOut: number;
}

/** The stages of a family that are trained, in their order. */
export function trainedStagesOf(family: string): readonly TrainedStage[] {
  const { stages } = familyOf(family);
  return trainedStages.filter(stage => stage === 'model' || stages.includes(stage));
}

/** Operations of the forward and backward pass of one image, by stage. */
export function flopsOf(config: RunConfig): Readonly<Record<TrainedStage, number>> {
  return {
    text: 2e8 * (config.text.width / 128) ** 2,
    patch: patchFlops(config),
    model: planningOf(familyOf(config.family)).operations(config),
  };
}

function patchFlops({ patch, images }: RunConfig): number {
  const codeChannels = patch.quantizer === 'fsq' ? patch.levels.length : patch.codeDim;
  const { encode, decode } = autoencoderFlops(patch, { imageSize: images.imageSize, codeChannels, channels: 3 });
  return 3 * (encode + decode);
}

/** Convolutions and what lies between products come less near a processor's peak than a transformer does. */
const EFFICIENCY: Readonly<Record<TrainedStage, number>> = { text: 0.3, patch: 0.4, model: 1 };
/** Pictures of a sheet: twelve that were trained on, twelve held out. */
export const SHEET = 24;

/** Bytes a parameter of a saved state and of the weights beside it, and bytes that are written in a second, by a slow disk. */
const SAVED_BYTES = 28;
const WRITTEN_A_SECOND = 2e8;
/** Share of what a saved state is of the weights that an evaluation keeps where it is the best. */
export const BEST_SHARE = 4 / SAVED_BYTES;

/** Seconds that a saved state of so many parameters takes. */
export function saveSeconds(parameters: number): number {
  return (parameters * SAVED_BYTES) / WRITTEN_A_SECOND;
}

/** The costs of a config on a machine, by its counted operations. @param sides see `Sides` */
export function predictCosts(
  config: RunConfig,
  machine: Machine,
  { survey, sides }: { readonly survey: Survey; readonly sides: Sides },
): Costs {
  const flops = flopsOf(config);
  const seconds = (stage: TrainedStage, images: number) =>
    (flops[stage] * images) / (machine.flopsPerSecond * EFFICIENCY[stage]);
  const loop = (stage: TrainedStage): LoopCosts => ({
    step: seconds(stage, config[sectionOf[stage]].batchSize),
    evaluation: seconds(stage, measuredBy(stage, config, sides)) / 3,
    sheet: sheetOf(stage, config, seconds(stage, SHEET) / 3),
    save: saveSeconds(parametersOf(config, stage)),
  });
  return {
    loops: Object.fromEntries(trainedStagesOf(config.family).map(stage => [stage, loop(stage)])),
    encode: seconds('patch', 1) / 6,
    decode: survey.decodeSeconds / Math.min(machine.cores, DECODERS),
  };
}

/** Threads that images are decoded on. */
export const DECODERS = 4;

function sheetOf(stage: TrainedStage, config: RunConfig, pass: number): number {
  if (stage !== 'model') return stage === 'patch' ? pass + 0.1 : 0;
  return pass * planningOf(familyOf(config.family)).passes(config).painting + 0.2;
}

/** Images whose passes an evaluation makes, those that are painted for it included. */
function measuredBy(stage: TrainedStage, config: RunConfig, { heldOut }: Sides): number {
  if (stage !== 'model') return heldOut;
  const { validation, validatedAtMost, checking } = planningOf(familyOf(config.family)).passes(config);
  return validation * Math.min(validatedAtMost, heldOut) + config.train.checkSamples * checking;
}

function parametersOf(config: RunConfig, stage: TrainedStage): number {
  return stage === 'model' ? (familyOf(config.family).leastParameters?.(config) ?? 1e7) : 1e6;
}
