/** @file Scaling pictures: up by repeating pixels, to any size by averaging areas. */

import type { Picture } from './images.ts';

/** Every pixel becomes `scale` x `scale` of the same colour. @param scale a whole number of at least 1 */
export function resizeNearest(picture: Picture, scale: number): Picture {
  if (!Number.isInteger(scale) || scale < 1)
    throw new RangeError(`resizeNearest: expected a whole scale, got ${scale}`);
  const width = picture.width * scale;
  const height = picture.height * scale;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / scale) * picture.width;
    for (let x = 0; x < width; x++) {
      const from = (row + Math.floor(x / scale)) * 3;
      const to = (y * width + x) * 3;
      data[to] = picture.data[from];
      data[to + 1] = picture.data[from + 1];
      data[to + 2] = picture.data[from + 2];
    }
  }
  return { width, height, data };
}

/**
 * Scales to any size by averaging the area each new pixel covers; enlarging repeats and blends pixels. A picture that has
 * the size is given back itself.
 * @param width at least 1; @param height at least 1
 */
export function resizeArea(picture: Picture, width: number, height: number): Picture {
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0)) {
    throw new RangeError(`resizeArea: expected whole sizes of at least 1, got ${width} x ${height}`);
  }
  if (picture.width === width && picture.height === height) return picture;
  if (picture.width % width === 0 && picture.height % height === 0) return reduceWhole(picture, width, height);
  const columns = coverage(picture.width, width);
  const rows = coverage(picture.height, height);
  const data = new Uint8Array(width * height * 3);
  const sum = [0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      sum.fill(0);
      for (const [fromY, shareY] of rows[y]) {
        for (const [fromX, shareX] of columns[x]) {
          const at = (fromY * picture.width + fromX) * 3;
          for (let c = 0; c < 3; c++) sum[c] += picture.data[at + c] * shareX * shareY;
        }
      }
      for (let c = 0; c < 3; c++) data[(y * width + x) * 3 + c] = Math.round(sum[c]);
    }
  }
  return { width, height, data };
}

/** `resizeArea` where every new pixel covers the same number of whole ones, which is the usual case and much quicker. */
function reduceWhole(picture: Picture, width: number, height: number): Picture {
  const [across, down] = [picture.width / width, picture.height / height];
  const data = new Uint8Array(width * height * 3);
  const sums = new Uint32Array(width * 3);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (let row = y * down; row < (y + 1) * down; row++) {
      let at = row * picture.width * 3;
      for (let x = 0; x < width * 3; x += 3) {
        for (let i = 0; i < across; i++, at += 3) {
          sums[x] += picture.data[at];
          sums[x + 1] += picture.data[at + 1];
          sums[x + 2] += picture.data[at + 2];
        }
      }
    }
    for (let x = 0; x < width * 3; x++) data[y * width * 3 + x] = Math.round(sums[x] / (across * down));
  }
  return { width, height, data };
}

/** For each of `size` pixels, which of `from` pixels it covers and by what share; shares add to 1. */
function coverage(from: number, size: number): readonly (readonly (readonly [number, number])[])[] {
  const scale = from / size;
  return Array.from({ length: size }, (_, i) => {
    const start = i * scale;
    const end = start + scale;
    const shares: [number, number][] = [];
    for (let at = Math.floor(start); at < Math.min(from, end); at++) {
      const share = (Math.min(at + 1, end) - Math.max(at, start)) / scale;
      if (share > 1e-9) shares.push([at, share]);
    }
    return shares;
  });
}
