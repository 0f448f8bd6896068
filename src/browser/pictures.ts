/** @file A picture of a page as the tokenizer takes it: of the run's size, without transparency. */
import { checkValue } from '../core/checks.ts';
import type { Picture } from '../image/images.ts';

/** @param size pixels along each side; a picture of another size is scaled, its proportions with it */
export function pictureOf(image: ImageData | ImageBitmap, size: number): Picture {
  checkValue('encode: picture', image, {
    expected: 'an ImageData or an ImageBitmap',
    fits: value => value instanceof ImageData || value instanceof ImageBitmap,
  });
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext('2d', { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D; // it is new
  context.fillStyle = '#fff';
  context.fillRect(0, 0, size, size);
  context.imageSmoothingQuality = 'high';
  context.drawImage(image instanceof ImageData ? onCanvas(image) : image, 0, 0, size, size);
  const { data } = context.getImageData(0, 0, size, size);
  const rgb = new Uint8Array(size * size * 3);
  for (let i = 0, j = 0; i < rgb.length; i += 3, j += 4) {
    rgb[i] = data[j];
    rgb[i + 1] = data[j + 1];
    rgb[i + 2] = data[j + 2];
  }
  return { width: size, height: size, data: rgb };
}

/** Pixels put on a canvas would cover what is there: they are drawn from one of their own. */
function onCanvas(image: ImageData): OffscreenCanvas {
  const canvas = new OffscreenCanvas(image.width, image.height);
  (canvas.getContext('2d') as OffscreenCanvasRenderingContext2D).putImageData(image, 0, 0);
  return canvas;
}
