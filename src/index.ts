/** @file The library: what a program may import. What the commands do, these do, with the same checks and no terminal. */
export type { Dataset, Item, Problem, Split } from '../data/dataset.ts';
export { splitOf } from '../data/dataset.ts';
export { type Candidate, captionsFrom, type Format, imageFile, type Source } from '../data/formats/format.ts';
export { defineFormat, removeFormat } from '../data/formats/formats.ts';
export { type OpenOptions as OpenDatasetOptions, openDataset } from '../data/open.ts';
export { BpeTokenizer, type EncodedCaption, type EncodeOptions } from '../tokenizer/bpe.ts';
export type { PictureCodec } from '../tokenizer/codec.ts';
export { type Command, type CommandDefinition, defineCommand } from './cli/command.ts';
export type { RunConfig, RunConfigInput } from './config/run.ts';
export { ShapeError, UserError } from './core/errors.ts';
export { Random } from './core/random.ts';
export { type BackendName, backendNames } from './device/backends.ts';
export { type PrecisionName, precisionNames } from './device/precision.ts';
export {
  type CaptionedCodes,
  defineFamily,
  type FamilyDefinition,
  type FamilyWords,
  type Making,
  type Model,
  type Parts,
  removeFamily,
  type TrainingData,
} from './families/family.ts';
export type { Painter, PainterOptions } from './families/painter.ts';
export type { Painting, PaintOptions } from './families/transformer/codepainter.ts';
export type { SamplingOptions } from './families/transformer/generate.ts';
export type { Picture } from './image/images.ts';
export { encodePng, readPngText } from './image/png.ts';
export { type WeightKind, weightKinds } from './io/runfolder.ts';
export { defineKernel, type KernelDefinition, run as runKernel } from './kernels/registry.ts';
export { type BackendOptions, type EngineOptions, startBackend } from './library/engine.ts';
export { type CompareOptions, compare, type EvaluateOptions, evaluate } from './library/measure.ts';
export {
  type ExportOptions,
  exportRun,
  type OpenOptions,
  openPainter,
  openTokenizers,
  type Tokenizers,
} from './library/open.ts';
export { decodePicture } from './library/pictures.ts';
export type { LabelledPicture, ProgressEvent, StageStart, StageStep, WorkOptions } from './library/progress.ts';
export {
  type Trained,
  type TrainFeatureNetworkOptions,
  type TrainOptions,
  train,
  trainFeatureNetwork,
} from './library/train.ts';
export {
  defineMetric,
  type Estimate,
  type Evidence,
  type MetricDefinition,
  type Quantity,
  removeMetric,
} from './metrics/define.ts';
export { bootstrap, type Interval, mean, wilson } from './metrics/intervals.ts';
export {
  defineMask,
  type MaskPattern,
  type MaskRule,
  type MaskShape,
  overImage,
  removeMask,
  type SequenceShape,
} from './nn/masks.ts';
export { type NamedValues, Parameters } from './nn/module.ts';
export { shippedModel } from './runs/run.ts';
export { type LoadOptions, Tessera } from './runs/tessera.ts';
export type { Losses, Metrics, Task } from './training/loop.ts';
