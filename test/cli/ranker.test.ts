/**
 * @file Choosing among pictures by a network of `tessera features`: named by a flag, or brought along by the run. And measuring what is
 * painted otherwise than the run is by itself, which is told and not kept.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { selectBackend } from '../../src/device/backends.ts';
import { decodePicture } from '../../src/image/decode.ts';
import { openNamedFeatures } from '../../src/runs/open-features.ts';
import { hardlyTrained, snapshot, temporaryFolder, tessera, writeConfig, writeDrawings } from './program.ts';

const folder = temporaryFolder();
const at = (...names: string[]) => join(folder, ...names);
const [data, run, ranker, exported] = [at('data'), at('run'), at('ranker'), at('exported')];

beforeAll(async () => {
  await writeDrawings(data);
  const images = { ...hardlyTrained.images, validation: 0.5 };
  const config = writeConfig(at('config.json'), { ...hardlyTrained, images });
  expect((await tessera('train', '--data', data, '--out', run, '--config', config)).code).toBe(0);
  const small = ['--steps', '3', '--batch-size', '4', '--image-size', '32', '--width', '16', '--dim', '16'];
  const features = await tessera('features', '--data', data, '--out', ranker, ...small, '--image-width', '4');
  expect(features.stderr).not.toContain('expected');
  expect(features.code).toBe(0);
  expect((await tessera('export', '--run', run, '--out', exported, '--ranker', ranker)).code).toBe(0);
}, 120_000);

/** Paints four of a caption, and keeps so many by the network; @returns the numbers of those kept, with their scores. */
async function kept(where: string, count: number, ...flags: string[]) {
  const out = at(`kept-${count}-${flags.length}-${where === run ? 'run' : 'exported'}`);
  const { code, stdout, stderr } = await tessera(
    ...['sample', '--run', where, '--outputs-dir', out, '--text', 'red circle', '--temperature', '3', '--json'],
    ...['--cfg-scale', '1', '-n', `${count}`, '--best-of', '4', ...flags],
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('hint') });
  const { captions } = JSON.parse(stdout) as {
    captions: { images: { path: string; index: number; score: number }[] }[];
  };
  return captions[0].images;
}

describe('a network of captions and images', () => {
  test('keeps the pictures that it finds nearest to the caption, best first', async () => {
    const all = await kept(run, 4, '--rerank', ranker);
    expect(all.map(({ index }) => index).sort()).toEqual([0, 1, 2, 3]);
    await selectBackend('native');
    const features = await openNamedFeatures(ranker);
    const pictures = await Promise.all(all.map(async ({ path }) => decodePicture(readFileSync(path), path)));
    const [rows, text] = [await features.images(pictures), await features.text?.(['red circle'])];
    const d = features.dimension;
    const cosines = all.map((_, i) => {
      let dot = 0;
      for (let j = 0; j < d; j++) dot += rows[i * d + j] * (text as Float64Array)[j]; // of length 1 both
      return dot;
    });
    await features.dispose();
    expect(cosines).toEqual([...cosines].sort((a, b) => b - a));
    expect(new Set(cosines).size).toBe(4);
    all.forEach(({ score }, i) => {
      expect(score).toBeCloseTo(cosines[i], 2); // pictures are written as bytes
    });
    const [best] = await kept(run, 1, '--rerank', ranker);
    expect(best.index).toBe(all[0].index);
  });

  test('goes along with a run, and chooses there unasked', async () => {
    expect(readdirSync(join(exported, 'ranker')).sort()).toEqual(['text.safetensors', 'tokenizer.json']);
    const all = await kept(exported, 4);
    const two = await kept(exported, 2);
    expect(two.map(({ index }) => index)).toEqual(all.slice(0, 2).map(({ index }) => index));
    const again = at('again');
    expect((await tessera('export', '--run', exported, '--out', again)).code).toBe(0);
    expect(readFileSync(join(again, 'ranker', 'text.safetensors'))).toEqual(
      readFileSync(join(exported, 'ranker', 'text.safetensors')),
    );
  });

  test('has to be there', async () => {
    const sample = await tessera(
      'sample',
      '--run',
      run,
      '--text',
      'red',
      '--best-of',
      '4',
      '--outputs-dir',
      at('none'),
    );
    expect(sample.code).toBe(2);
    expect(sample.stderr).toContain(`sample: expected --rerank with --best-of, got none, and none came with ${run}\n`);
    expect(existsSync(at('none'))).toBe(false);
    const bad = await tessera('export', '--run', run, '--out', at('bad'), '--ranker', data);
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain(`export: --ranker: expected a folder of \`tessera features\`, got ${data}`);
    expect(existsSync(at('bad'))).toBe(false);
  });
});

describe('an evaluation of pictures that are painted otherwise', () => {
  const measure = (where: string, ...flags: string[]) =>
    tessera('eval', '--run', where, '--data', data, '--metrics', 'kid', '-n', '4', '--reference', '4', ...flags);

  test('is told and not kept', async () => {
    const before = snapshot(run);
    const chosen = await measure(run, '--temperature', '0.5', '--best-of', '3', '--rerank', ranker, '--json');
    expect(chosen.stderr).toContain(
      `${run} is painted with temperature 0.5, the best of 3: what is measured is told, and not kept in its log`,
    );
    expect(chosen.code).toBe(0);
    expect(snapshot(run)).toEqual(before);
    const value = ({ stdout }: { stdout: string }) =>
      (JSON.parse(stdout) as { records: { row: string; value: number }[] }).records.find(r => r.row === 'samples')
        ?.value;
    const plain = await measure(run, '--temperature', '0.5', '--json');
    expect(value(chosen)).not.toBe(value(plain));
  });

  test("is an evaluation like any other where what is asked for is the run's own", async () => {
    const own = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as { sampling: { temperature: number } };
    const { code, stderr } = await measure(run, '--temperature', `${own.sampling.temperature}`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringContaining('not kept') });
  });

  test('is refused by the network that has chosen them, and of settings that the family has not', async () => {
    const judged = await measure(run, '--best-of', '2', '--rerank', ranker, '--features', ranker);
    expect(judged.code).toBe(2);
    expect(judged.stderr).toContain(`eval: the features ${ranker} are what ranks the pictures`);
    // Its copy that came with the run is rounded, and still the same network.
    const copied = await measure(exported, '--best-of', '2', '--features', ranker);
    expect(copied.code).toBe(2);
    expect(copied.stderr).toContain(`eval: the features ${ranker} are what ranks the pictures`);
    const steps = await measure(run, '--steps', '3');
    expect(steps.code).toBe(2);
    expect(steps.stderr).toContain(`eval: --steps: ${run} is a transformer run`);
  });
});
