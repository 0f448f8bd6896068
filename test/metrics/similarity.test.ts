import { describe, expect, test } from 'vitest';
import type { Picture } from '../../src/image/images.ts';
import { psnr, ssim } from '../../src/metrics/similarity.ts';

/** A picture from a function of column, row and colour. */
function drawn(width: number, height: number, at: (x: number, y: number, c: number) => number): Picture {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return at(pixel % width, Math.floor(pixel / width), i % 3);
  });
  return { width, height, data };
}

const grey = (value: number) => drawn(16, 16, () => value);
const ramp = drawn(16, 16, x => 16 * x);

/** Their figures are those of scipy.ndimage.gaussian_filter(sigma 1.5, radius 5), cut by 5 on every side. */
const original = drawn(24, 20, (x, y, c) => [7 * x + 13 * y * y, x * y * 3, x * x + y * 29][c] % 256);
const other = drawn(
  24,
  20,
  (x, y, c) => [7 * x + 13 * y * y + 20 * ((x + y) % 3), Math.floor((x * y * 3) / 2), x * x + y * 29 + 11][c] % 256,
);

describe('the signal-to-noise ratio', () => {
  test('of pictures off by 1 and by 16, and of others', () => {
    expect(psnr(grey(100), grey(101))).toBeCloseTo(48.1308, 4);
    expect(psnr(grey(100), grey(84))).toBeCloseTo(24.0484, 4);
    expect(psnr(original, other)).toBeCloseTo(12.924538336286176, 10);
  });

  test('of a copy is 100 dB', () => {
    expect(psnr(original, original)).toBe(100);
    expect(() => psnr(original, ramp)).toThrow('expected pictures of one size, got 24 x 20 and 16 x 16');
  });
});

describe('structural similarity', () => {
  test.each([
    ['constants', grey(100), grey(150), 0.923092],
    ['a ramp and its transpose', ramp, drawn(16, 16, (_, y) => 16 * y), 0.0460397],
    ['a brighter ramp', ramp, drawn(16, 16, x => 16 * x + 8), 0.9975709],
    ['a ramp and its negative', ramp, drawn(16, 16, x => 255 - 16 * x), -0.8213434],
    ['colours, by scipy', original, other, 0.5805986448385413],
  ])('of %s', (_, a, b, expected) => {
    expect(ssim(a, b)).toBeCloseTo(expected, 6);
    expect(ssim(b, a)).toBeCloseTo(expected, 6);
  });

  test('of a copy is 1, and of less than a window is refused', () => {
    expect(ssim(original, original)).toBeCloseTo(1, 12);
    const small = drawn(10, 20, () => 5);
    expect(() => ssim(small, small)).toThrow('ssim: expected at least 11 x 11 pixels, got 10 x 20');
  });
});
