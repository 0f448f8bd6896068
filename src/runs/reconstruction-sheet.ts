/** @file The sheet that shows pictures above what comes back of them from their codes. */
import type { Picture } from '../image/images.ts';
import { stackRows } from '../image/sheet.ts';

/** Originals above reconstructions, enlarged to about 128 pixels a side. */
export async function reconstructionSheet(
  originals: readonly Picture[],
  again: readonly Picture[],
  options: { readonly columns: number; readonly note: string },
): Promise<Picture> {
  const cellScale = Math.max(1, Math.round(128 / originals[0].width));
  return stackRows(originals, again, { ...options, cellScale, title: 'Reconstructions' });
}
