/** @file The transformer as a painter like any other. */
import type { RunConfig } from '../../config/run.ts';
import type { Picture } from '../../image/images.ts';
import { imageNumbers, type Painter, type PainterOptions } from '../painter.ts';
import type { CodePainter } from './codepainter.ts';

/** Paints code by code. */
export class TransformerPainter implements Painter {
  readonly family = 'transformer';
  readonly run: string;
  readonly config: RunConfig;
  readonly imageSize: number;
  readonly step: number;
  readonly codes: CodePainter;

  constructor(codes: CodePainter) {
    this.codes = codes;
    this.run = codes.folder;
    this.config = codes.config;
    this.imageSize = codes.imageSize;
    this.step = codes.step;
  }

  get parameters(): number {
    return this.codes.model.parameters.count() + this.codes.patch.parameters.count();
  }

  get passes(): number {
    return this.codes.model.codes;
  }

  get settings(): string {
    const { temperature, cfgScale } = this.config.sampling;
    return `temperature ${temperature}, guidance ${cfgScale}`;
  }

  cutAt(caption: string): number | undefined {
    return this.codes.encodeCaption(caption).cut ? this.config.model.captionLength : undefined;
  }

  async paint(captions: readonly string[], options: PainterOptions = {}): Promise<Picture[]> {
    const { seed, temperature, topK, topP, cfgScale, onProgress } = options;
    const firstImage = imageNumbers(captions, options);
    const request = { seed, temperature, topK, topP, cfgScale, onProgress, firstImage };
    return [...(await this.codes.paintFinished(captions, request))];
  }

  nats(pictures: readonly Picture[], captions: readonly string[]): Promise<number> {
    return this.codes.nats(pictures, captions);
  }

  dispose(): void {
    this.codes.dispose();
  }
}
