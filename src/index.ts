/** @file What a program may import. */

export type { Problem } from '../data/dataset.ts';
export { type Candidate, captionsFrom, type Format, imageFile, type Source } from '../data/formats/format.ts';
export { defineFormat, removeFormat } from '../data/formats/formats.ts';
export type { RunConfig } from './config/run.ts';
export { ShapeError, UserError } from './core/errors.ts';
export type { BackendName } from './device/backends.ts';
export type { Painting, PaintOptions } from './families/transformer/codepainter.ts';
export type { SamplingOptions } from './families/transformer/generate.ts';
export type { Picture } from './image/images.ts';
export { encodePng, readPngText } from './image/png.ts';
export type { WeightKind } from './io/runfolder.ts';
export { startBackend } from './kernels/start.ts';
export {
  defineMetric,
  type Estimate,
  type Evidence,
  type MetricDefinition,
  type Quantity,
  removeMetric,
} from './metrics/define.ts';
export { bootstrap, type Interval, mean, wilson } from './metrics/intervals.ts';
export { type OpenOptions, openPainter, type Painter, type PainterOptions } from './runs/painter.ts';
export { shippedModel } from './runs/run.ts';
export { type LoadOptions, Tessera } from './runs/tessera.ts';
