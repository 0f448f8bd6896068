/**
 * @file A family from outside, one file: it trains, resumes bit for bit, paints, is evaluated and stands on a page beside a
 * family of the program; the command line knows it too; taken out again, nothing of it is left.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ownSections, runSchema } from '../../src/families/config.ts';
import { familyNames } from '../../src/families/families.ts';
import {
  compare,
  evaluate,
  openPainter,
  type ProgressEvent,
  type RunConfigInput,
  removeFamily,
  train,
} from '../../src/index.ts';
import { readCompletion } from '../../src/runs/completion.ts';
import { hardlyTrained, root, snapshot, temporaryFolder, writeDrawings } from '../cli/program.ts';
import './toy-family.ts';

const folder = temporaryFolder();
const data = join(folder, 'drawings');
const config: RunConfigInput = {
  family: 'tiles',
  images: { imageSize: 32, crops: 2, validation: 0.25 },
  train: { steps: 40, batchSize: 8 },
};
const trainIn = (out: string, more: { readonly signal?: AbortSignal; readonly config?: RunConfigInput } = {}) =>
  train({ data, out: join(folder, out), config, backend: 'cpu', ...more });

beforeAll(async () => {
  await writeDrawings(data, 32);
  expect(await trainIn('straight')).toEqual({ finished: true });
});
afterAll(() => {
  if (familyNames().includes('tiles')) removeFamily('tiles');
});

const weightsOf = (out: string) =>
  Object.entries(snapshot(join(folder, out))).filter(([file]) => /^(model|ema|best)\.safetensors$/.test(file));

test('learns, and keeps in its folder what is its own', () => {
  const lines = readFileSync(join(folder, 'straight', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n');
  const losses = lines.flatMap(line => (JSON.parse(line) as { val_loss?: number }).val_loss ?? []);
  expect(losses).toHaveLength(4);
  expect(losses[3]).toBeLessThan(losses[0]);
  const stored = JSON.parse(readFileSync(join(folder, 'straight', 'config.json'), 'utf8'));
  expect(Object.keys(stored)).toEqual(['seed', 'family', 'images', 'caption', 'tiles', 'train', 'sampling']);
});

test('stopped and gone on with, ends bit for bit where it would have', async () => {
  const stop = new AbortController();
  const steps: number[] = [];
  const onProgress = (event: ProgressEvent) => {
    if (event.type !== 'step') return;
    steps.push(event.step);
    if (event.step === 17) stop.abort();
  };
  const options = { data, out: join(folder, 'stopped'), config, backend: 'cpu', onProgress } as const;
  expect(await train({ ...options, signal: stop.signal })).toEqual({ finished: false });
  expect(steps.at(-1)).toBe(17);
  expect(await trainIn('stopped')).toEqual({ finished: true });
  expect(weightsOf('stopped')).toEqual(weightsOf('straight'));
  expect(weightsOf('straight').length).toBeGreaterThanOrEqual(2);
});

test('paints what its captions say', async () => {
  const painter = await openPainter(join(folder, 'straight'), { backend: 'cpu' });
  const [red, blue] = await painter.paint(['red circle', 'blue circle']);
  const mean = (pixels: Uint8Array, channel: number) =>
    pixels.filter((_, i) => i % 3 === channel).reduce((a, b) => a + b) / (pixels.length / 3);
  expect(mean(red.data, 0)).toBeGreaterThan(mean(red.data, 2));
  expect(mean(blue.data, 2)).toBeGreaterThan(mean(blue.data, 0));
  expect(await painter.paint(['red circle'])).toEqual([red]);
  // A caption that comes again is another picture: the next of the seed.
  const [first, second] = await painter.paint(['red circle', 'red circle']);
  expect(first).toEqual(red);
  expect(second).not.toEqual(red);
  painter.dispose();
});

test('refuses what its family does not follow, instead of painting without it', async () => {
  const painter = await openPainter(join(folder, 'straight'), { backend: 'cpu' });
  const completion = { image: { width: 32, height: 32, data: new Uint8Array(32 * 32 * 3) }, keep: [true] };
  for (const options of [{ temperature: 1 }, { steps: 5 }, { completion }]) {
    await expect(painter.paint(['red circle'], options)).rejects.toThrow(
      /^paint: \w+: expected none with a tiles run, since a matrix paints all tiles at once; got one$/,
    );
  }
  await expect(readCompletion(painter, { image: 'x.png', keepRows: 1 })).rejects.toThrow('completes no pictures');
  expect(await painter.paint(['red circle'], { temperature: undefined })).toHaveLength(1);
  const stopped = AbortSignal.abort(new Error('enough'));
  await expect(painter.paint(['red circle'], { signal: stopped })).rejects.toThrow('enough');
  painter.dispose();
  await expect(painter.paint(['red circle'])).rejects.toThrow('was disposed of');
});

test('is evaluated, and stands on a page beside a transformer', async () => {
  const run = join(folder, 'straight');
  const { records: results } = await evaluate({ run, data, metrics: ['kid', 'nll'], numImages: 16 });
  const of = (metric: string) => results.find(result => result.metric === metric && result.row === 'samples');
  expect(Number.isFinite(of('kid')?.value)).toBe(true);
  expect(of('nll')?.value).toBe(null);
  expect(JSON.stringify(of('nll')?.details)).toContain('tiles have no likelihood');

  const other = join(folder, 'transformer');
  const { images } = config;
  await train({ data, out: other, config: { ...hardlyTrained, images } });
  const out = join(folder, 'page.html');
  await compare({ runs: [run, other], out, data, metrics: ['kid'], numImages: 16 });
  const page = readFileSync(out, 'utf8');
  expect(page).toContain('--tone-tiles: #7a6a00');
  expect(page).toContain('tone-tiles');
  expect(page).toContain('squared error');
});

test('is a choice of the command line that is started with its file', async () => {
  const toy = pathToFileURL(join(root, 'test/families/toy-family.ts')).href;
  const argv = ['--import', 'tsx', '--import', toy, join('src', 'cli.ts'), 'train', '--help', '--all'];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { cwd: root });
  expect(stdout).toMatch(/tiles/);
  expect(stdout).toContain('--buckets');
});

test('taken out, it is unknown, and runs of others are read as before', async () => {
  removeFamily('tiles');
  expect(familyNames()).toEqual(['transformer', 'dcgan', 'r3gan', 'diffusion']);
  expect(Object.keys(runSchema().shape)).not.toContain('tiles');
  await expect(openPainter(join(folder, 'straight'))).rejects.toThrow(
    /config\.json: family: expected one of .*, got "tiles"$/,
  );
  const painter = await openPainter(join(folder, 'transformer'));
  expect(Object.keys(ownSections(painter.config))).toContain('model');
  painter.dispose();
});
