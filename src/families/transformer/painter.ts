/** @file The transformer as a painter like any other. */
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import type { RunConfig } from '../../config/run.ts';
import type { Picture } from '../../image/images.ts';
import { ordersOf } from '../orders.ts';
import type { Likelihood, Painter, PainterOptions } from '../painter.ts';
import { type Batch, type BatchPainter, PaintQueue } from '../queue.ts';
import type { CodePainter, Painting } from './codepainter.ts';
import { measureNats } from './likelihood.ts';

/** Paints code by code. */
class TransformerBrush implements BatchPainter {
  readonly batchSize: number;
  private readonly codes: CodePainter;

  constructor(codes: CodePainter) {
    this.codes = codes;
    this.batchSize = codes.batchSize;
  }

  async paint({ orders, settings, onUnfinished, onLogProbabilities, onStep }: Batch): Promise<readonly Picture[]> {
    let pictures: readonly Picture[] = [];
    for await (const painting of this.codes.paintOrders(orders, {
      ...settings,
      previews: onUnfinished !== undefined,
    })) {
      pictures = painting.pictures;
      onUnfinished?.(pictures);
      if (painting.painted === painting.total) onLogProbabilities?.(rowsOf(painting));
      onStep(painting.painted / painting.total);
    }
    return pictures;
  }
}

/** The log-probabilities of each picture's codes. */
function rowsOf({ logProbabilities, total }: Painting): Float64Array[] {
  return Array.from({ length: logProbabilities.length / total }, (_, i) =>
    logProbabilities.slice(i * total, (i + 1) * total),
  );
}

/** A transformer of any origin as a painter. */
export class TransformerPainter implements Painter {
  readonly family = 'transformer';
  readonly run: string;
  readonly config: RunConfig;
  readonly imageSize: number;
  readonly grid: number;
  readonly step: number;
  /** The same model as what paints one caption with previews, codes and probabilities. */
  readonly codes: CodePainter;
  private readonly queue: PaintQueue;

  constructor(codes: CodePainter) {
    this.codes = codes;
    this.queue = new PaintQueue(new TransformerBrush(codes), codes.folder);
    this.run = codes.folder;
    this.config = codes.config;
    this.imageSize = codes.imageSize;
    this.grid = codes.patch.grid;
    this.step = codes.step;
  }

  get parameters(): number {
    return this.codes.model.parameters.count() + this.codes.patch.parameters.count();
  }

  get passes(): number {
    return this.codes.model.codes;
  }

  get tokenizer(): PatchTokenizer {
    return this.codes.patch;
  }

  get likelihood(): Likelihood {
    const { model } = this.codes;
    return {
      codes: model.codes,
      measureNats: async (pictures, captions) => {
        const ids = new Int32Array(captions.length * model.config.captionLength);
        captions.forEach((caption, i) => {
          ids.set(this.codes.encodeCaption(caption).ids, i * model.config.captionLength);
        });
        const codes = await this.codes.encode(pictures);
        return (await measureNats(model, { captions: ids, codes })).image;
      },
    };
  }

  get settings(): string {
    const { temperature, cfgScale } = this.config.sampling;
    return `temperature ${temperature}, guidance ${cfgScale}`;
  }

  cutAt(caption: string): number | undefined {
    return this.codes.encodeCaption(caption).cut ? this.config.model.captionLength : undefined;
  }

  async paint(captions: readonly string[], options: PainterOptions = {}): Promise<Picture[]> {
    return this.queue.paint(ordersOf(this, captions, options), options);
  }

  dispose(): void {
    this.queue.close(() => this.codes.dispose());
  }
}
