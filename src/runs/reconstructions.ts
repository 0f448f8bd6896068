/** @file Pictures through a patch tokenizer and back, and the sheet that shows originals above reconstructions. */
import type { PatchTokenizer } from '../../tokenizer/patch.ts';
import { Images, type Picture } from '../image/images.ts';
import { imagesToTensor, tensorToImages } from '../image/pixels.ts';
import { stackRows } from '../image/sheet.ts';

/** What comes back from the codes of pictures of the tokenizer's size. */
export async function reconstructPictures(tokenizer: PatchTokenizer, pictures: readonly Picture[]): Promise<Picture[]> {
  const images = imagesToTensor(Images.of(pictures));
  const codes = tokenizer.encode(images);
  const again = tokenizer.decode(codes);
  const result = await tensorToImages(again);
  for (const tensor of [images, codes, again]) tensor.dispose();
  return result.pictures();
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
