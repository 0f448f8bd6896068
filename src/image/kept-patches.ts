/** @file A mask picture as the patches that are kept of a picture to complete. */
import type { Picture } from './images.ts';

/**
 * A patch is painted anew where the mask is mostly white, and kept where it is mostly black; red alone is read.
 * @param mask square, its side a multiple of `grid`
 * @param grid patches along each side
 * @returns [grid * grid] in raster order
 */
export function keptPatches({ data, width: size }: Picture, grid: number): boolean[] {
  const patch = size / grid;
  return Array.from({ length: grid * grid }, (_, i) => {
    const left = (i % grid) * patch;
    const top = Math.floor(i / grid) * patch;
    let sum = 0;
    for (let y = top; y < top + patch; y++) {
      for (let x = left; x < left + patch; x++) sum += data[(y * size + x) * 3];
    }
    return sum / (patch * patch) < 128;
  });
}
