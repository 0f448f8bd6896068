/** @file Odd images come out as 8-bit RGB squares, crops land where they should. */

import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { cropFor, type DecodeOptions, decodeImage } from '../../src/image/decode.ts';
import type { Picture } from '../../src/image/images.ts';
import { plain } from '../data/files.ts';

/** The colour at a place given in fractions of the side. */
function at({ width, height, data }: Picture, x: number, y: number): number[] {
  const i = (Math.floor(y * height) * width + Math.floor(x * width)) * 3;
  return [...data.subarray(i, i + 3)];
}

function near(found: readonly number[], wanted: readonly number[], tolerance = 3): void {
  for (const [c, value] of wanted.entries()) expect(Math.abs(found[c] - value)).toBeLessThanOrEqual(tolerance);
}

/** Left half red, right half blue, with a green band on top. */
async function flag(width: number, height: number): Promise<Buffer> {
  const band = Math.round(height / 5);
  const part = (
    background: string,
    w: number,
    h: number,
  ): { create: { width: number; height: number; channels: 3; background: string } } => ({
    create: { width: w, height: h, channels: 3, background },
  });
  return await sharp({ create: { width, height, channels: 3, background: 'red' } })
    .composite([
      { input: part('blue', Math.floor(width / 2), height), left: Math.ceil(width / 2), top: 0 },
      { input: part('lime', width, band), left: 0, top: 0 },
    ])
    .png()
    .toBuffer();
}

describe('decoding', () => {
  const square = (bytes: Uint8Array): Promise<Picture> => decodeImage(bytes, { size: 8 });

  test('grey, 16-bit grey, 16-bit colour, CMYK and palette images become 8-bit RGB', async () => {
    const grey = await sharp(await plain('#808080'))
      .toColourspace('b-w')
      .png()
      .toBuffer();
    const grey16 = await sharp(await plain('#808080'))
      .toColourspace('grey16')
      .png()
      .toBuffer();
    const rgb16 = await sharp(await plain('#804020'))
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    const cmyk = await sharp(await plain('red'))
      .toColourspace('cmyk')
      .jpeg()
      .toBuffer();
    const palette = await sharp(await plain('#804020'))
      .png({ palette: true })
      .toBuffer();
    expect((await sharp(grey16).metadata()).depth).toBe('ushort');
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    for (const bytes of [grey, grey16]) near(at(await square(bytes), 0.5, 0.5), [128, 128, 128]);
    for (const bytes of [rgb16, palette]) near(at(await square(bytes), 0.5, 0.5), [128, 64, 32]);
    near(at(await square(cmyk), 0.5, 0.5), [237, 28, 36], 45); // red as process inks print it
  });

  test('transparent parts show the background', async () => {
    const clear = await sharp({
      create: { width: 9, height: 9, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0 } },
    })
      .png()
      .toBuffer();
    const half = await sharp({
      create: { width: 9, height: 9, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0.5 } },
    })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    near(at(await square(clear), 0.5, 0.5), [255, 255, 255], 0);
    near(at(await square(half), 0.5, 0.5), [255, 128, 128]);
    near(at(await decodeImage(clear, { size: 8, background: '#0000ff' }), 0.5, 0.5), [0, 0, 255], 0);
  });

  test('an animation gives its first frame', async () => {
    const frames = Buffer.concat([Buffer.alloc(6 * 6 * 3, 0).fill(200, 0), Buffer.alloc(6 * 6 * 3, 10)]);
    const gif = await sharp(frames, { raw: { width: 6, height: 12, channels: 3, pageHeight: 6 } })
      .gif({ delay: [100, 100] })
      .toBuffer();
    expect((await sharp(gif).metadata()).pages).toBe(2);
    near(at(await square(gif), 0.5, 0.5), [200, 200, 200]);
  });

  test('turned by EXIF: what a viewer shows, also with a crop', async () => {
    const turned = await sharp(await flag(40, 20))
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .withMetadata({ orientation: 6 })
      .toBuffer(); // top is the picture's left
    for (const crop of ['center', { scale: 1, x: 0, y: 0 }] as const) {
      const rgb = await decodeImage(turned, { size: 16, crop });
      near(at(rgb, 0.95, 0.5), [0, 255, 0], 40);
      near(at(rgb, 0.3, 0.05), [255, 0, 0], 40);
      near(at(rgb, 0.3, 0.95), [0, 0, 255], 40);
    }
  });

  test('one pixel, one row, one column and sizes far apart', async () => {
    for (const [w, h] of [
      [1, 1],
      [1, 300],
      [300, 1],
      [3000, 20],
    ]) {
      const bytes = await plain('#123456', w, h);
      for (const crop of ['center', { scale: 1.2, x: 0.1, y: 0 }] as const) {
        const rgb = await decodeImage(bytes, { size: 16, crop });
        expect(rgb.data.length).toBe(16 * 16 * 3);
        near(at(rgb, 0.5, 0.5), [0x12, 0x34, 0x56]);
      }
    }
  });

  test('a cut or empty image rejects', async () => {
    const noisy = await sharp({
      create: {
        width: 64,
        height: 64,
        channels: 3,
        background: 'red',
        noise: { type: 'gaussian', mean: 128, sigma: 50 },
      },
    })
      .jpeg()
      .toBuffer();
    await expect(square(noisy.subarray(0, noisy.length >> 1))).rejects.toThrow();
    await expect(square(new Uint8Array())).rejects.toThrow();
  });
});

describe('crops', () => {
  test('the middle of a wide image, and places along it', async () => {
    const bytes = await flag(60, 20);
    const middle = await decodeImage(bytes, { size: 20 });
    near(at(middle, 0.2, 0.8), [255, 0, 0]);
    near(at(middle, 0.8, 0.8), [0, 0, 255]);
    const left = await decodeImage(bytes, { size: 20, crop: { scale: 1, x: 0, y: 0, along: 0 } });
    near(at(left, 0.95, 0.8), [255, 0, 0]);
    const whole = await decodeImage(bytes, { size: 20, crop: { scale: 1, x: 0, y: 0 } });
    expect(Math.max(...whole.data.map((v, i) => Math.abs(v - middle.data[i])))).toBeLessThanOrEqual(2);
  });

  test('zooming in shows less, zooming out pads, shifting moves, flipping mirrors', async () => {
    const bytes = await flag(40, 40);
    const show = (crop: DecodeOptions['crop']): Promise<Picture> => decodeImage(bytes, { size: 40, crop });
    near(at(await show({ scale: 0.5, x: 0, y: 0 }), 0.2, 0.02), [255, 0, 0]); // no green band any more
    const small = await show({ scale: 2, x: 0, y: 0 });
    near(at(small, 0.05, 0.05), [255, 255, 255], 0);
    near(at(small, 0.4, 0.6), [255, 0, 0]);
    const shifted = await show({ scale: 1, x: 0.25, y: 0 });
    near(at(shifted, 0.4, 0.8), [0, 0, 255]);
    near(at(shifted, 0.9, 0.8), [255, 255, 255], 0);
    near(at(await show({ scale: 1, x: 0, y: 0, flip: true }), 0.2, 0.8), [0, 0, 255]);
  });

  test('drawn crops stay inside the image, or near it with padding, and never flip unless asked', () => {
    const random = new Random(1);
    for (let i = 0; i < 500; i++) {
      const inside = cropFor(random);
      expect(inside.scale).toBeGreaterThanOrEqual(8 / 9);
      expect(Math.abs(inside.x) + inside.scale / 2).toBeLessThanOrEqual(0.5 + 1e-9);
      expect(Math.abs(inside.along! - 0.5)).toBeLessThanOrEqual(1 / 8);
      expect(inside.flip).toBe(false);
      const padded = cropFor(random, { pad: true });
      expect(padded.scale).toBeGreaterThanOrEqual(7 / 8);
      expect(padded.scale).toBeLessThanOrEqual(9 / 8);
      expect(Math.abs(padded.y)).toBeLessThanOrEqual(1 / 16);
    }
    const { scale, x, y, along } = cropFor(random, { amount: 0 });
    expect([scale, x + 0, y + 0, along]).toEqual([1, 0, 0, 0.5]);
  });
});
