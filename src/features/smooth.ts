/** @file Pictures at the size that a pretrained network reads: by one antialiased filter, whatever the way. */
import sharp from 'sharp';
import type { Picture } from '../image/images.ts';

/** sharp's names. */
export type ResizeKernel = 'nearest' | 'lanczos3' | 'linear' | 'cubic';

/** Scales a picture to exactly that size. One that has it is given back itself. */
export async function resizeSmooth(
  picture: Picture,
  size: { readonly width: number; readonly height: number; readonly kernel: ResizeKernel },
): Promise<Picture> {
  const { width, height, data } = picture;
  if (width === size.width && height === size.height) return picture;
  const resized = await sharp(data, { raw: { width, height, channels: 3 } })
    .resize({ ...size, fit: 'fill' })
    .raw()
    .toBuffer();
  return { width: size.width, height: size.height, data: new Uint8Array(resized) };
}
