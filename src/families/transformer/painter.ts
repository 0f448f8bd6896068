/** @file The transformer as a painter like any other. */
import type { RunConfig } from '../../config/run.ts';
import type { Picture } from '../../image/images.ts';
import { imageNumbers, type Painter, type PainterOptions } from '../painter.ts';
import type { Tessera } from './tessera.ts';

/** Paints code by code. */
export class TransformerPainter implements Painter {
  readonly family = 'transformer';
  readonly run: string;
  readonly config: RunConfig;
  readonly imageSize: number;
  readonly step: number;
  readonly tessera: Tessera;

  constructor(tessera: Tessera) {
    this.tessera = tessera;
    this.run = tessera.folder;
    this.config = tessera.config;
    this.imageSize = tessera.imageSize;
    this.step = tessera.step;
  }

  get parameters(): number {
    return this.tessera.model.parameters.count() + this.tessera.patch.parameters.count();
  }

  get passes(): number {
    return this.tessera.model.codes;
  }

  get settings(): string {
    const { temperature, cfgScale } = this.config.sampling;
    return `temperature ${temperature}, guidance ${cfgScale}`;
  }

  cutAt(caption: string): number | undefined {
    return this.tessera.encodeCaption(caption).cut ? this.config.model.captionLength : undefined;
  }

  async paint(captions: readonly string[], options: PainterOptions = {}): Promise<Picture[]> {
    const { seed, temperature, topK, topP, cfgScale, onProgress } = options;
    const firstImage = imageNumbers(captions, options);
    const request = { seed, temperature, topK, topP, cfgScale, onProgress, firstImage };
    return [...(await this.tessera.paintFinished(captions, request))];
  }

  dispose(): void {
    this.tessera.dispose();
  }
}
