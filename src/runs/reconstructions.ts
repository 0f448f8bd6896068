/** @file Pictures through a patch tokenizer and back, and the sheet that shows originals above reconstructions. */
import { PictureCodec } from '../../tokenizer/codec.ts';
import type { PatchTokenizer } from '../../tokenizer/patch.ts';
import type { Picture } from '../image/images.ts';
import { stackRows } from '../image/sheet.ts';

/** What comes back from the codes of pictures of the tokenizer's size. */
export async function reconstructPictures(tokenizer: PatchTokenizer, pictures: readonly Picture[]): Promise<Picture[]> {
  const codec = new PictureCodec(tokenizer);
  return codec.decode(await codec.encode(pictures));
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
