/** @file What a program may import. */
export type { BackendName } from './backends/index.ts';
export type { RunConfig } from './config.ts';
export { ShapeError, UserError } from './errors.ts';
export type { SamplingOptions } from './generate.ts';
export { startBackend as selectBackend } from './kernels/start.ts';
export { type OpenOptions, openPainter, type Painter, type PainterOptions } from './painter.ts';
export { encodePng, type Picture, readPngText } from './pictures.ts';
export { type LoadOptions, type Painting, type PaintOptions, Tessera } from './pipeline.ts';
export { shippedModel, type WeightKind } from './runs.ts';
