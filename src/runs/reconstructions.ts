/** @file Pictures through a patch tokenizer and back, and the sheet that shows originals above reconstructions. */
import type { PatchTokenizer } from '../../tokenizer/patch.ts';
import { fromFloats, type Picture } from '../image/images.ts';
import { imagesToTensor } from '../image/pixels.ts';
import { stackRows } from '../image/sheet.ts';

/** `count` of the images [n, S, S, 3], spread evenly over them. */
export function spreadPictures(images: Uint8Array, size: number, count: number): Picture[] {
  const bytes = size * size * 3;
  const n = images.length / bytes;
  const take = Math.min(n, count);
  return Array.from({ length: take }, (_, i) => {
    const from = Math.floor((i * n) / take) * bytes;
    return { width: size, height: size, data: images.slice(from, from + bytes) };
  });
}

/** What comes back from the codes of pictures of the tokenizer's size. */
export async function reconstructPictures(tokenizer: PatchTokenizer, pictures: readonly Picture[]): Promise<Picture[]> {
  const size = tokenizer.imageSize;
  const images = imagesToTensor(Buffer.concat(pictures.map(({ data }) => data)), size);
  const codes = tokenizer.encode(images);
  const again = tokenizer.decode(codes);
  const values = (await again.data()) as Float32Array;
  for (const tensor of [images, codes, again]) tensor.dispose();
  return fromFloats(values, size, size);
}

/** Originals above reconstructions, enlarged to about 128 pixels a side. */
export async function reconstructionSheet(
  originals: readonly Picture[],
  again: readonly Picture[],
  options: { readonly columns: number; readonly note: string },
): Promise<Picture> {
  const cellScale = Math.max(1, Math.round(128 / originals[0].width));
  return stackRows(originals, again, { ...options, cellScale, title: 'Reconstructions' });
}
