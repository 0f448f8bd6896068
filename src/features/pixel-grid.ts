/**
 * @file The plainest features there are: the picture itself, reduced to 8 x 8 pixels by averaging areas. They see
 * colours and layout, nothing finer, and need no network. A cosine transform of them would change no distance.
 */
import type { Picture } from '../image/images.ts';
import { resizeArea } from '../image/resize.ts';
import type { FeatureExtractor } from './extractor.ts';

const SIDE = 8;

/** Their name in results. */
export const pixelFeatures = `pixels-${SIDE}`;

export class PixelFeatures implements FeatureExtractor {
  readonly name = pixelFeatures;
  readonly dimension = SIDE * SIDE * 3;

  /** @returns [n, 192] in [0, 1] */
  async images(pictures: readonly Picture[]): Promise<Float64Array> {
    const rows = new Float64Array(pictures.length * this.dimension);
    pictures.forEach((picture, i) => {
      const { data } = resizeArea(picture, SIDE, SIDE);
      for (let j = 0; j < data.length; j++) rows[i * this.dimension + j] = data[j] / 255;
    });
    return rows;
  }

  dispose(): void {}
}
