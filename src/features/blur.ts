/**
 * @file Gaussian blur, to compare pictures as seen from farther off: rows of metrics at radii 0, 1, 2, 4 and 8 say
 * whether a model fails at detail or at the whole (Ramesh et al. 2021, arXiv:2102.12092, figure 9).
 */
import type { Picture } from '../image/images.ts';

/** Weights beyond so many deviations are left out. */
const REACH = 3;

/**
 * Blurs a picture; its edge goes on outside. Rounded to bytes, as all pictures that are measured are.
 * @param radius standard deviation in pixels; 0 gives the picture itself
 */
export function blur(picture: Picture, radius: number): Picture {
  if (radius === 0) return picture;
  const reach = Math.ceil(REACH * radius);
  const weights = Float64Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * radius * radius)),
  );
  const total = weights.reduce((a, b) => a + b);
  for (let i = 0; i < weights.length; i++) weights[i] /= total;
  const { width, height } = picture;
  const across = blurLines(picture.data, weights, {
    lines: height,
    step: 3,
    line: width * 3,
    length: width,
  });
  const down = blurLines(across, weights, { lines: width, step: width * 3, line: 3, length: height });
  const data = new Uint8Array(down.length);
  new Uint8ClampedArray(data.buffer).set(down); // which rounds
  return { width, height, data };
}

/** One direction: `lines` lines, `line` apart, of `length` pixels, `step` apart. */
function blurLines(
  values: ArrayLike<number>,
  weights: Float64Array,
  { lines, line, step, length }: { lines: number; line: number; step: number; length: number },
): Float64Array {
  const reach = (weights.length - 1) / 2;
  const result = new Float64Array(values.length);
  const padded = new Float64Array((length + 2 * reach) * 3); // one line with its ends going on
  for (let l = 0; l < lines; l++) {
    for (let x = 0; x < length + 2 * reach; x++) {
      const from = l * line + Math.min(length - 1, Math.max(0, x - reach)) * step;
      for (let c = 0; c < 3; c++) padded[x * 3 + c] = values[from + c];
    }
    for (let x = 0; x < length; x++) {
      let [red, green, blue] = [0, 0, 0];
      for (let k = 0, at = x * 3; k < weights.length; k++, at += 3) {
        const weight = weights[k];
        red += weight * padded[at];
        green += weight * padded[at + 1];
        blue += weight * padded[at + 2];
      }
      const to = l * line + x * step;
      result[to] = red;
      result[to + 1] = green;
      result[to + 2] = blue;
    }
  }
  return result;
}
