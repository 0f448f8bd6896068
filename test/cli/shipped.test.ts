/**
 * @file The model that comes with the package: its credits are those of the drawings, it is small, and it paints a caption
 * without being asked for, the same each time. Where there are no weights (yet), what needs them is skipped aloud.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decodePicture } from '../../src/image/decode.ts';
import type { Picture } from '../../src/image/images.ts';
import { readPngText } from '../../src/image/png.ts';
import { evaluate, shippedModel, Tessera } from '../../src/index.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import { isOfPackage } from '../../src/runs/run.ts';
import { root, snapshot, temporaryFolder, tessera, writeDrawings } from './program.ts';

const model = join(root, 'models', 'emoji');
const missing = existsSync(runPaths(model).config) ? undefined : 'models/emoji has no weights';
const withModel = (name: string, body: () => Promise<void>) =>
  test.skipIf(missing !== undefined)(missing === undefined ? name : `${name} (skipped: ${missing})`, body);

const outputs = temporaryFolder();

interface IconSet {
  readonly name: string;
  readonly author: { readonly name: string; readonly url: string };
  readonly license: { readonly title: string; readonly url: string };
}

describe('the model that comes with the package', () => {
  test.each(['noto', 'fluent-emoji-flat', 'twemoji'])('credits the makers of %s as their package asks', style => {
    const read = createRequire(import.meta.url);
    const { name, author, license } = read(`@iconify-json/${style}/info.json`) as IconSet;
    const { version } = read(`@iconify-json/${style}/package.json`) as { version: string };
    const row = readFileSync(join(model, 'README.md'), 'utf8')
      .split('\n')
      .find(line => line.includes(`\`@iconify-json/${style}\``));
    for (const part of [name, author.name, author.url, license.title, license.url, version])
      expect(row).toContain(part);
  });

  test('is packed', () => {
    const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
    expect(files).toContain('models');
  });

  withModel('is nothing but a run, with two sets of weights in less than 40 MB', async () => {
    expect(shippedModel()).toBe(model);
    const files = readdirSync(model);
    expect(files).toEqual(expect.arrayContaining(['config.json', 'patch.safetensors', 'tokenizer.json', 'README.md']));
    expect(files).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(state|codes)$/)]));
    expect(files.reduce((sum, file) => sum + statSync(join(model, file)).size, 0)).toBeLessThan(40e6);
    expect(readFileSync(join(model, 'metrics.jsonl'), 'utf8')).not.toContain('"run":"/');
  });

  withModel('is measured without a byte written into the package', async () => {
    const data = join(outputs, 'drawings');
    await writeDrawings(data);
    const before = snapshot(model);
    const said: string[] = [];
    const { records } = await evaluate({
      run: model,
      data,
      metrics: ['kid'],
      numImages: 8,
      reference: 8,
      onProgress: event => {
        if (event.type === 'message') said.push(event.text);
      },
    });
    expect(records.map(({ metric }) => metric)).toContain('kid');
    expect(said).toContain(`${model} came with the package: what is measured is told, and not kept in its log`);
    expect(snapshot(model)).toEqual(before);
    expect([model, join(root, 'models'), root, outputs, join(root, 'models', '..', 'src')].map(isOfPackage)).toEqual([
      ...[true, false, false, false, false],
    ]);
  });

  withModel('paints where no run is named, says so, and paints the same from a program', async () => {
    const { code, stdout, stderr } = await tessera(
      ...['sample', '--text', 'red apple', '--num-images', '4', '--outputs-dir', outputs],
    );
    expect(
      stderr.match(/^using the model that comes with Tessera \(.*models.emoji\); another: --run RUN$/gm),
    ).toHaveLength(1);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${join(outputs, 'red_apple')}: 4 images, grid.png\n` });
    const files = [0, 1, 2, 3].map(i => join(outputs, 'red_apple', `${i}.png`));
    const painted = await Promise.all(files.map(file => decodePicture(readFileSync(file), file)));
    expect(readPngText(readFileSync(files[0]))).toMatchObject({ 'tessera:run': 'models/emoji' });
    const loaded = await Tessera.load(shippedModel());
    try {
      let pictures: readonly Picture[] = [];
      for await (const painting of loaded.paint('red apple', { seed: 0, previews: false })) {
        expect(painting.total).toBe(loaded.config.patch.grid ** 2);
        pictures = painting.pictures;
      }
      expect(Buffer.from(pictures[0].data).equals(Buffer.from(painted[0].data))).toBe(true);
    } finally {
      loaded.dispose();
    }
    // Most of them are red where they are not white.
    expect(painted.filter(picture => redness(picture) > 0.25).length).toBeGreaterThanOrEqual(3);
  });
});

/** How much more red than green and blue there is, from 0 to 1, in pixels that are not near white. */
function redness({ data }: Picture): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = data.subarray(i, i + 3);
    if (Math.min(r, g, b) > 230) continue;
    sum += (r - (g + b) / 2) / 255;
    count++;
  }
  return count < data.length / 3 / 20 ? 0 : sum / count;
}
