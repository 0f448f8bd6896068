/** @file The way from picture to picture: its ends are what `sample` paints, what lies between moves, and others are refused. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunConfigInput } from '../../src/config/run.ts';
import { hardlyTrained, temporaryFolder, tessera, writeConfig, writeDrawings } from './program.ts';

const folder = temporaryFolder();
const data = join(folder, 'data');
const steps = { steps: 4, batchSize: 4, evalEvery: 4, sampleEvery: 4, saveEvery: 4, checkSamples: 0 };
const config = {
  images: { imageSize: 16, validation: 0, crops: 1 },
  caption: { vocabSize: 300, bpeDropout: 0 },
  text: { length: 8, dim: 16, width: 16, layers: 1, heads: 2, imageWidth: 8 },
  textTrain: { steps: 4, batchSize: 4 },
  gan: { latent: 8, width: 8 },
  diffusion: { width: 8, multipliers: [1, 2], attention: [4], embedding: 16, sampleSteps: 3 },
  train: steps,
} satisfies RunConfigInput;

async function train(name: string, fields: RunConfigInput): Promise<string> {
  const run = join(folder, name);
  const { code, stderr } = await tessera(
    'train',
    '--data',
    data,
    '--out',
    run,
    '--config',
    writeConfig(`${run}.json`, fields),
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return run;
}

/** The frames of a file, [width * height * 3] each. */
async function framesOf(path: string): Promise<Buffer[]> {
  const { data: pixels, info } = await sharp(path, { animated: true })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const height = info.pageHeight ?? info.height;
  const size = info.width * height * 3;
  return Array.from({ length: info.height / height }, (_, i) => pixels.subarray(i * size, (i + 1) * size));
}

const pixelsOf = (png: string) => sharp(png).removeAlpha().raw().toBuffer();
const distance = (a: Buffer, b: Buffer) =>
  Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0) / a.length);

beforeAll(async () => {
  await writeDrawings(data, 16);
}, 60_000);

describe.each(['dcgan', 'r3gan', 'diffusion'])('%s', family => {
  let run: string;
  const out = join(folder, `${family}.webp`);
  const between = (...more: readonly string[]) =>
    tessera('interpolate', '--run', run, '--text', 'red circle|blue square', '--seeds', '3,5', '--scale', '1', ...more);

  beforeAll(async () => {
    run = await train(family, { ...config, family });
  }, 60_000);

  test('the ends are the pictures that `sample` paints, bit for bit, in any batch', async () => {
    const { code, stdout } = await between('--frames', '7', '--out', out);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/\.webp: 7 images, 0\.3 s, \d/) });
    const frames = await framesOf(out);
    expect(frames).toHaveLength(7);
    for (const [caption, seed, at] of [
      ['red circle', '3', 0],
      ['blue square', '5', 6],
    ] as const) {
      const painted = join(folder, `${family}-${seed}`);
      await tessera(
        'sample',
        '--run',
        run,
        '--text',
        caption,
        '--seed',
        seed,
        '--num-images',
        '1',
        '--outputs-dir',
        painted,
      );
      const png = join(painted, caption.replace(' ', '_'), '0.png');
      expect(frames[at].equals(await pixelsOf(png))).toBe(true);
    }
    const again = join(folder, `${family}-again.webp`);
    await between('--frames', '7', '--batch-size', '2', '--out', again);
    expect(readFileSync(again).equals(readFileSync(out))).toBe(true);
  });

  test('what lies between moves from the one to the other', async () => {
    const frames = await framesOf(out);
    const whole = distance(frames[0], frames[6]);
    const steps = frames.slice(1).map((frame, i) => distance(frame, frames[i]));
    expect(Math.min(...steps)).toBeGreaterThan(0);
    expect(Math.max(...steps)).toBeLessThan(whole);
    expect(distance(frames[1], frames[0])).toBeLessThan(distance(frames[1], frames[6]));
    expect(distance(frames[5], frames[6])).toBeLessThan(distance(frames[5], frames[0]));
  });
});

describe('files', () => {
  const run = join(folder, 'dcgan');

  test('a GIF that loops comes back to where it began, enlarged', async () => {
    const out = join(folder, 'loop.gif');
    const args = ['--text', 'red circle', '--seeds', '1-3', '--frames', '9', '--loop', '--fps', '10', '--out', out];
    const { stdout } = await tessera('interpolate', '--run', run, ...args, '--json');
    const { size: bytes } = statSync(out);
    expect(JSON.parse(stdout)).toEqual({ path: out, frames: 9, seconds: 0.9, bytes });
    const { width, pageHeight, pages, delay, loop, format } = await sharp(out, { animated: true }).metadata();
    expect({ width, pageHeight, pages, loop, format }).toEqual({
      width: 256,
      pageHeight: 256,
      pages: 9,
      loop: 0,
      format: 'gif',
    });
    expect(delay).toEqual(Array(9).fill(100));
    const frames = await framesOf(out);
    expect(distance(frames[8], frames[0])).toBeLessThan(distance(frames[4], frames[0]));
  });

  test('refuses what has nothing between two pictures, and what does not go together, in a line', async () => {
    const transformer = await train('transformer', hardlyTrained);
    const refusal = async (...args: readonly string[]) => {
      const { code, stderr } = await tessera('interpolate', ...args);
      expect(code).toBe(2);
      return stderr.split('\n')[0];
    };
    expect(await refusal('--run', transformer, '--text', 'a|b')).toBe(
      `interpolate: --run: nothing lies between two pictures of ${transformer}: a transformer paints code by code, not out of noise that could be moved`,
    );
    const asked = ['--run', run, '--text'];
    expect(await refusal(...asked, 'a|b', '--seeds', '1-3')).toMatch(
      /as many seeds as captions, or one of either, got 2 and 3/,
    );
    expect(await refusal(...asked, 'a')).toMatch(/expected two captions or two seeds at least/);
    expect(await refusal(...asked, 'a|b|c', '--frames', '2')).toMatch(/--frames: expected at least 3, got 2/);
    expect(await refusal(...asked, 'a|b', '--cfg-scale', '2')).toMatch(/--cfg-scale: .* is a dcgan run/);
    expect(await refusal(...asked, 'a|b', '--out', 'x.png')).toMatch(
      /--out: expected a name that ends in .webp or .gif/,
    );
    expect(await refusal(...asked, 'a|b', '--seeds', '1,1')).toMatch(/expected each seed once, got 1 again/);
  }, 60_000);
});
