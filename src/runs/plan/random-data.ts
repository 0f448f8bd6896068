/** @file Random pictures with captions of the data, to measure by: what a training costs does not depend on what it shows. */
import { codebookSizeOf } from '../../config/patch-sizes.ts';
import type { RunConfig } from '../../config/run.ts';
import type { Random } from '../../core/random.ts';
import type { CaptionedCodes, TrainingData } from '../../families/family.ts';
import { Images } from '../../image/images.ts';
import type { CaptionedImages, ImageStream } from '../../training/captioned.ts';
import { codedCrops } from '../run-images.ts';

/** Random pictures with captions of the data. */
export class RandomData implements TrainingData {
  private readonly config: RunConfig;
  private readonly all: readonly string[];
  private readonly heldOutCount: number;
  private readonly random: Random;

  /** @param options.captions of the data, in turn; @param options.heldOut how many images are held out */
  constructor(
    config: RunConfig,
    {
      captions,
      heldOut,
      random,
    }: { readonly captions: readonly string[]; readonly heldOut: number; readonly random: Random },
  ) {
    this.config = config;
    this.all = captions;
    this.heldOutCount = heldOut;
    this.random = random;
  }

  captions(count: number): string[] {
    return Array.from({ length: count }, (_, i) => this.all[i % this.all.length]);
  }

  images(count: number): CaptionedImages {
    const { imageSize: size } = this.config.images;
    const images = Images.allocate(count, { width: size, height: size });
    const { bytes } = images;
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.random.uint32();
      for (let b = 0; b < 4 && i + b < bytes.length; b++) bytes[i + b] = word >>> (8 * b);
    }
    return { images, captions: this.captions(count) };
  }

  /** Always the same batch: what it costs does not depend on what it shows. */
  streamOf(batchSize: number): ImageStream {
    const batch = this.images(batchSize);
    return { next: async () => batch, state: () => null, restore: () => {} };
  }

  async stream({ batchSize }: { readonly batchSize: number }): Promise<ImageStream> {
    return this.streamOf(batchSize);
  }

  async heldOut(): Promise<CaptionedImages> {
    return this.images(this.heldOutCount);
  }

  async codes(): ReturnType<TrainingData['codes']> {
    const { train } = this.config;
    return {
      training: this.codesOf(2 * train.batchSize, codedCrops(this.config)),
      heldOut: this.codesOf(this.heldOutCount, 1),
    };
  }

  private codesOf(count: number, crops: number): CaptionedCodes {
    const { patch } = this.config;
    const length = patch.grid ** 2;
    const codebook = codebookSizeOf(patch);
    const codes = Uint16Array.from({ length: count * crops * length }, () => this.random.integer(codebook));
    const ids = Array.from({ length: count }, (_, i) => String(i));
    return { set: { ids, crops, length, codes }, captions: this.captions(count).map(caption => [caption]) };
  }
}
