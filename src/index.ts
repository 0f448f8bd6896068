/** @file The library: what a program may import. What the commands do, these do, with the same checks and no terminal. */
export { type Dataset, type Item, type Problem, type Split, splitOf } from '../data/dataset.ts';
export { type Division, type DivisionOptions, divideItems, type Placed } from '../data/division.ts';
export { type Candidate, type Format, imageFile, type Reading, type Source } from '../data/formats/format.ts';
export { defineFormat, removeFormat } from '../data/formats/formats.ts';
export type { Drawn } from '../data/generators/drawn.ts';
export type { EmojiResult } from '../data/generators/emoji.ts';
export type { ModesResult } from '../data/generators/modes.ts';
export type { ShapesResult } from '../data/generators/shapes.ts';
export type { InspectedItem, Inspection, Spread } from '../data/inspect.ts';
export { type OpenOptions as OpenDatasetOptions, openDataset } from '../data/open.ts';
export { captionsFrom } from '../data/text.ts';
export { BpeTokenizer, type EncodedCaption, type EncodeOptions } from '../tokenizer/bpe.ts';
export type { PictureCodec } from '../tokenizer/codec.ts';
export type { Tokenizer } from '../tokenizer/index.ts';
export type { PatchLoss, PatchTokenizer } from '../tokenizer/patch.ts';
export type {
  PixelLoss,
  PixelModel,
  Quantized,
  Quantizer,
  QuantizerState,
  TrainingMoment,
} from '../tokenizer/quantizers/quantizer.ts';
export { type Command, type CommandDefinition, defineCommand, type Input } from './cli/command.ts';
export type { CommandSpec, Positional } from './cli/flag-table.ts';
export type { Given } from './cli/flags.ts';
export type { PatchConfig, PatchTrainConfig } from './config/patch.ts';
export { type PresetName, presetNames } from './config/presets.ts';
export type { RunConfig, RunConfigInput, Sections } from './config/run.ts';
export { ShapeError, UserError } from './core/errors.ts';
export { Random, type RandomState } from './core/random.ts';
export { type BackendName, backendNames } from './device/backends.ts';
export type { InputInfos } from './device/native/native.ts';
export { type PrecisionName, precisionNames } from './device/precision.ts';
export {
  type Adapted,
  type CaptionedCodes,
  type FamilyDefinition,
  type FamilyWords,
  type Making,
  type Model,
  type Parts,
  type PartsOf,
  type Rehearsal,
  type SamplingSetting,
  type StageName,
  type Start,
  samplingSettings,
  type TextEncoder,
  type TrainingData,
} from './families/family.ts';
export { ordersOf, type Painted } from './families/orders.ts';
export type { InterpolateOptions, Keyframe, Likelihood, Painter, PainterOptions } from './families/painter.ts';
export type {
  FamilyPlanning,
  PictureKind,
  PlannedData,
  PlannedFields,
  PlanPasses,
  PlanRung,
  Regularisation,
} from './families/planning.ts';
export {
  type Batch,
  type BatchPainter,
  type CallOptions,
  type Completion,
  type Order,
  PaintQueue,
  type PaintSettings,
} from './families/queue.ts';
export { defineFamily, removeFamily } from './families/registry.ts';
export type { CodePainter, Painting, PaintOptions } from './families/transformer/codepainter.ts';
export type { SamplingOptions } from './families/transformer/generate.ts';
export { type AnimationFormat, type AnimationOptions, encodeAnimation } from './image/animation.ts';
export type { Images, Picture, Size } from './image/images.ts';
export type { Nearest, NearestImages } from './image/nearest.ts';
export { encodePng, readPngText } from './image/png.ts';
export type { Cell, Heading, SheetOptions } from './image/sheet.ts';
export type { CodeSet } from './io/codes.ts';
export { type WeightKind, weightKinds } from './io/runfiles.ts';
export type { TensorArray, TensorData } from './io/safetensors.ts';
export {
  type Attributes,
  defineKernel,
  type Gradients,
  type Inputs,
  type KernelDefinition,
  removeKernel,
  run as runKernel,
} from './kernels/registry.ts';
export { type KnownCaptionsOptions, knownCaptions } from './library/captions.ts';
export { openClip, type Ranked, rankPictures } from './library/clip.ts';
export {
  type DrawEmojiOptions,
  type DrawModesOptions,
  type DrawShapesOptions,
  drawEmoji,
  drawModes,
  drawShapes,
  type InspectOptions,
  inspectDataset,
} from './library/data.ts';
export { type BackendOptions, type EngineOptions, startBackend } from './library/engine.ts';
export { type CompareOptions, compare, type EvaluateOptions, evaluate } from './library/measure.ts';
export {
  type ExportOptions,
  exportRun,
  type OpenOptions,
  openPainter,
  openTokenizers,
  type Reconstructed,
  readRunConfig,
  reconstruct,
  type Tokenizers,
  type WriteLogsOptions,
  writeLogs,
} from './library/open.ts';
export { decodePicture, drawSheet, findNearest, keepOf } from './library/pictures.ts';
export { type PlanOptions, planTraining, type TrainingPlan } from './library/plan.ts';
export type { ProgressEvent, StageStart, StageStep, WorkOptions } from './library/progress.ts';
export {
  type CollectStudyOptions,
  collectStudy,
  type MakeStudyOptions,
  makeStudy,
  type ReportStudyOptions,
  reportStudy,
} from './library/study.ts';
export { Tessera } from './library/tessera.ts';
export {
  type Trained,
  type TrainFeatureNetworkOptions,
  type TrainOptions,
  train,
  trainFeatureNetwork,
} from './library/train.ts';
export {
  blurRadii,
  type Captioned,
  defineMetric,
  type Estimate,
  type Evidence,
  type FeaturePair,
  type MetricDefinition,
  type MetricRow,
  metricRows,
  type Quantity,
  removeMetric,
} from './metrics/define.ts';
export { type BootstrapOptions, bootstrap, type Interval, mean, wilson } from './metrics/intervals.ts';
export type { Matrix } from './metrics/matrix.ts';
export {
  defineMask,
  type MaskPattern,
  type MaskRule,
  type MaskShape,
  overImage,
  removeMask,
  type SequenceShape,
} from './nn/masks.ts';
export { type NamedValues, type Parameter, type ParameterOptions, Parameters } from './nn/module.ts';
export type {
  Embedded,
  Finding,
  LossCorrelation,
  Measured,
  NearestTraining,
  Point,
  Report,
  RunReport,
  SampleCheck,
  SampleSheet,
  Sampling,
  Stage,
  TrainingCost,
  Verdict,
} from './report/contents.ts';
export type { Comparison } from './runs/compare.ts';
export type { Evaluation } from './runs/evaluate.ts';
export type { EvalRecord } from './runs/evaluation/record.ts';
export type { Exported } from './runs/export.ts';
export type { KnownCaptions } from './runs/learnt/query.ts';
export type { CaptionSearch, FoundCaptions, KnownCaption } from './runs/learnt/search.ts';
export type { NearWord, UnseenWord } from './runs/learnt/unseen.ts';
export type { Clip } from './runs/rerank.ts';
export { shippedModel } from './runs/run.ts';
export type { Labelled, Reporter, Session, StageOptions, Update } from './runs/session.ts';
export type { MadeStudy } from './study/assemble.ts';
export type { Collected } from './study/collect.ts';
export type { StudyResults } from './study/report/results.ts';
export type { StudyReport } from './study/report-study.ts';
export type { Study, StudyKey } from './study/study.ts';
export type { CaptionedImages, EncodeCaptions, ImageStream } from './training/captioned.ts';
export type { Metrics } from './training/measured.ts';
export type { BatchOf, Losses, Player } from './training/moves.ts';
export type { OptimizerConfig } from './training/optimizer.ts';
export type { Task, TaskState, Weights } from './training/task.ts';
