/** @file The moving picture of the README: frames of a real painting, each with more of it than the one before. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, expect, test } from 'vitest';
import { paintFrames, writeAnimation } from '../../scripts/pictures/appearing.ts';
import { shippedModel } from '../../src/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'pictures-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The grey of what has not been painted. */
function unpainted({ data }: { readonly data: Uint8Array }): number {
  let count = 0;
  for (let i = 0; i < data.length; i += 3) if (data[i] === 235 && data[i + 1] === 235 && data[i + 2] === 235) count++;
  return count;
}

test('frames fill up code by code, and become an animation that goes round', async () => {
  const options = { captions: ['red apple', 'butterfly'], seed: 1, every: 16, delay: 50, pause: 900 };
  const frames = await paintFrames(shippedModel(), options);
  expect(frames).toHaveLength(4); // 64 codes
  const grey = frames.map(unpainted);
  // Two pictures of 128 x 128 pixels, a quarter of each more every time.
  expect(grey.map(count => Math.round((count / (2 * 128 * 128)) * 4))).toEqual([3, 2, 1, 0]);

  const path = join(folder, 'appearing.webp');
  await writeAnimation(path, frames, options);
  const { pages, loop, delay, width, height } = await sharp(path).metadata();
  expect({ pages, loop, delay }).toEqual({ pages: 4, loop: 0, delay: [50, 50, 50, 900] });
  expect({ width, height }).toEqual({ width: frames[0].width, height: frames[0].height });
});
