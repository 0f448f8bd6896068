/**
 * @file How near a reconstruction is to its original, pixel by pixel: the peak signal-to-noise ratio and the structural
 * similarity index. What a patch tokenizer loses here no transformer behind it can win back.
 */
import type { Picture } from '../image/images.ts';
import { defineBuiltInMetric } from './define.ts';
import { mean, meanInterval } from './intervals.ts';

const ceiling = 'of reconstructions: a ceiling, not a quality of samples';

defineBuiltInMetric({
  name: 'recon',
  gives: [
    { name: 'psnr', title: 'PSNR of the tokenizer', better: null, unit: 'dB', note: ceiling },
    { name: 'ssim', title: 'SSIM of the tokenizer', better: null, note: ceiling },
  ],
  needs: ['pictures', 'heldOut'],
  rows: ['reconstruction'],
  byDefault: true,
  measure: ({ pictures, heldOut }, random) =>
    ([psnr, ssim] as const).map((similarity, at) => {
      const values = heldOut.pictures.map((original, i) => similarity(original, pictures.pictures[i]));
      const interval = meanInterval(values, { random });
      return { metric: at === 0 ? 'psnr' : 'ssim', value: mean(values), interval, n: values.length, reference: 0 };
    }),
});

/** Decibels of a copy, whose ratio would be infinite. */
const COPY = 100;

/** Peak signal-to-noise ratio of 8-bit pictures, 10 log10(255^2 / MSE), in dB; at most 100. */
export function psnr(a: Picture, b: Picture): number {
  expectSameSize(a, b);
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i] - b.data[i]) ** 2;
  return sum === 0 ? COPY : Math.min(COPY, 10 * Math.log10((255 * 255 * a.data.length) / sum));
}

/** Side of the window, and standard deviation of its weights in pixels. */
const WINDOW = 11;
const SIGMA = 1.5;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

/**
 * Structural similarity: over Gaussian windows of 11 x 11 pixels that lie inside the picture,
 *
 *   mean of (2 mu_a mu_b + C1)(2 s_ab + C2) / ((mu_a^2 + mu_b^2 + C1)(s_a^2 + s_b^2 + C2)), C = (0.01, 0.03 * 255)^2,
 *
 * the mean over red, green and blue.
 * @param a at least 11 pixels a side; @param b of the same size
 * @returns in [-1, 1], 1 for a copy
 * @see Wang et al. 2004, Image Quality Assessment
 */
export function ssim(a: Picture, b: Picture): number {
  expectSameSize(a, b);
  const { width, height } = a;
  if (width < WINDOW || height < WINDOW) {
    throw new RangeError(`ssim: expected at least ${WINDOW} x ${WINDOW} pixels, got ${width} x ${height}`);
  }
  let total = 0;
  for (let c = 0; c < 3; c++) {
    const x = channel(a, c);
    const y = channel(b, c);
    const times = (p: Float64Array, q: Float64Array) => p.map((v, i) => v * q[i]);
    const [mx, my, mxx, myy, mxy] = [x, y, times(x, x), times(y, y), times(x, y)].map(v => smooth(v, width, height));
    let sum = 0;
    for (let i = 0; i < mx.length; i++) {
      const product = mx[i] * my[i];
      const squares = mx[i] ** 2 + my[i] ** 2;
      const luminance = (2 * product + C1) / (squares + C1);
      sum += (luminance * (2 * (mxy[i] - product) + C2)) / (mxx[i] + myy[i] - squares + C2);
    }
    total += sum / mx.length;
  }
  return total / 3;
}

function channel({ data }: Picture, c: number): Float64Array {
  return Float64Array.from({ length: data.length / 3 }, (_, i) => data[i * 3 + c]);
}

const WEIGHTS = gaussianWindow();

function gaussianWindow(): Float64Array {
  const weights = Float64Array.from({ length: WINDOW }, (_, i) =>
    Math.exp(-((i - (WINDOW - 1) / 2) ** 2) / (2 * SIGMA * SIGMA)),
  );
  const sum = weights.reduce((a, b) => a + b);
  return weights.map(v => v / sum);
}

/** Weighted means of every window that fits. @returns [height - 10, width - 10] */
function smooth(values: Float64Array, width: number, height: number): Float64Array {
  const across = width - WINDOW + 1;
  const down = height - WINDOW + 1;
  const rows = new Float64Array(height * across);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < across; x++) {
      let sum = 0;
      for (let k = 0; k < WINDOW; k++) sum += WEIGHTS[k] * values[y * width + x + k];
      rows[y * across + x] = sum;
    }
  }
  const means = new Float64Array(down * across);
  for (let y = 0; y < down; y++) {
    for (let x = 0; x < across; x++) {
      let sum = 0;
      for (let k = 0; k < WINDOW; k++) sum += WEIGHTS[k] * rows[(y + k) * across + x];
      means[y * across + x] = sum;
    }
  }
  return means;
}

function expectSameSize(a: Picture, b: Picture): void {
  if (a.width === b.width && a.height === b.height) return;
  throw new RangeError(`expected pictures of one size, got ${a.width} x ${a.height} and ${b.width} x ${b.height}`);
}
