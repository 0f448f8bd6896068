/** @file The library: what a program may import. What the commands do, these do, with the same checks and no terminal. */

export type { Dataset, Format, Item, Problem, Split } from '../data/dataset.ts';
export { openDataset, splitOf } from '../data/index.ts';

export { BpeTokenizer } from '../tokenizer/bpe.ts';
export type { PictureCodec } from '../tokenizer/codec.ts';
export { type Command, type CommandDefinition, defineCommand } from './cli/command.ts';
export type { RunConfig, RunConfigInput } from './config/run.ts';
export { ShapeError, UserError } from './core/errors.ts';
export type { BackendName } from './device/backends.ts';
export type { Painter, PainterOptions } from './families/painter.ts';
export type { SamplingOptions } from './families/transformer/generate.ts';
export { type LoadOptions, type Painting, type PaintOptions, Tessera } from './families/transformer/tessera.ts';
export type { Picture } from './image/images.ts';
export { encodePng, readPngText } from './image/png.ts';
export { defineKernel, type KernelDefinition, run as runKernel } from './kernels/registry.ts';
export { startBackend as selectBackend } from './kernels/start.ts';
export type { EngineOptions } from './library/engine.ts';
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
  type SequenceShape,
} from './nn/masks.ts';
export { shippedModel, type WeightKind } from './runs/run.ts';
