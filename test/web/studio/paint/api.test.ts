/** @file Painting through the studio's API: what comes back is what `tessera sample` paints, and what can go wrong is one line. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runPaths } from '../../../../src/io/runfolder.ts';
import type {
  GivenPicture,
  NearestPicture,
  PaintDone,
  PaintingFacts,
} from '../../../../src/web/studio/paint/messages.ts';
import {
  captions,
  draw,
  fileOf,
  hardlyTrained,
  temporaryFolder,
  tessera,
  writeConfig,
  writeDrawings,
} from '../../../cli/program.ts';
import { type Painting, TestStudio } from './test-studio.ts';

const folder = temporaryFolder();
const runs = join(folder, 'runs');
const data = join(folder, 'runs', 'drawings');
const grid = 4;
let studio: TestStudio;
let run: string;
let gan: string;

beforeAll(async () => {
  await writeDrawings(data);
  const rows = captions.map(caption => JSON.stringify({ file_name: fileOf(caption), text: caption }));
  writeFileSync(join(data, 'metadata.jsonl'), rows.join('\n'));
  const config = writeConfig(join(folder, 'config.json'), hardlyTrained);
  await program('train', '--data', data, '--out', join(runs, 'tiny'), '--config', config);
  const rival = writeConfig(join(folder, 'rival.json'), {
    ...{ family: 'dcgan', images: { imageSize: 32, validation: 0 }, caption: { vocabSize: 280 } },
    text: { length: 8, dim: 16, width: 16, layers: 1, heads: 2, imageWidth: 8 },
    textTrain: { steps: 1, batchSize: 4 },
    ...{ gan: { latent: 8, width: 8 }, train: { steps: 1, batchSize: 4, checkSamples: 0 } },
  });
  await program('train', '--data', data, '--out', join(runs, 'gan'), '--config', rival);
  studio = await TestStudio.open(runs);
  [gan, run] = [await studio.idOf('gan'), await studio.idOf('tiny')];
});
afterAll(async () => {
  await studio?.close();
});

/** The program, which must succeed. */
async function program(...argv: string[]): Promise<void> {
  expect(await tessera(...argv, '--quiet')).toMatchObject({ code: 0 });
}

/** What the command of a painting writes, by the files' names. */
async function runCommand(command: string, cwd = folder): Promise<(file: string) => Buffer> {
  const words = command.match(/'[^']*'|[^ ]+/g) ?? [];
  const argv = words
    .map(word => word.replaceAll("'", ''))
    .map(word => (word.endsWith('.png') ? join(cwd, word) : word));
  rmSync(join(folder, 'out'), { recursive: true, force: true });
  expect(argv.slice(0, 3)).toEqual(['npx', 'tesserae', 'sample']);
  await program(...argv.slice(2), '--outputs-dir', join(folder, 'out'));
  return file => readFileSync(join(folder, 'out', file));
}

const order = { captions: ['red circle'], seed: 5, numImages: 3 };
const pngOf = async ({ images }: PaintDone, place = 0) => studio.bytes(images[place].url);

describe('a painting', () => {
  test('is what `tessera sample` paints of the same, to the last byte of its file', async () => {
    const { done, events } = await studio.paint({ run, ...order, captions: ['red circle', ' blue  square '], topK: 7 });
    expect(done.images.map(({ caption, index }) => `${caption} ${index}`)).toEqual(
      ['red circle', 'blue square'].flatMap(caption => [0, 1, 2].map(index => `${caption} ${index}`)),
    );
    expect(done.command).toContain('--top-k 7');
    const fileOf = await runCommand(done.command);
    for (const [place, { index, caption }] of done.images.entries()) {
      const file = `${caption.replace(' ', '_')}/${index}.png`;
      expect(await pngOf(done, place)).toEqual(fileOf(file));
    }
    // Every picture appeared piece by piece.
    const tiles = events.flatMap(([name, event]) => (name === 'tiles' ? [(event as { image: number }).image] : []));
    expect(new Set(tiles)).toEqual(new Set([0, 1, 2, 3, 4, 5]));
  });

  test('says of every code how likely it was, and says 0 of what could be nothing else', async () => {
    const { done } = await studio.paint({ run, ...order });
    for (const { logProbabilities = [] } of done.images) {
      expect(logProbabilities).toHaveLength(grid ** 2);
      expect(Math.max(...logProbabilities)).toBeLessThan(0); // nearly untaught: no code is certain
      expect(Math.min(...logProbabilities)).toBeGreaterThan(3 * Math.log(1 / 64)); // of 64 codes
    }
    const sure = await studio.paint({ run, ...order, temperature: 0, cfgScale: 1 });
    expect(new Set(sure.done.images[0].logProbabilities)).toEqual(new Set([0]));
  });

  test('of another family has no tiles, and a setting that it does not follow is refused in words', async () => {
    const facts = await studio.json<PaintingFacts>(`/api/runs/${gan}/painting`);
    expect(facts.grid).toBeNull();
    expect(facts.settings.map(({ value }) => value)).toEqual([null, null, null, null, null, null]);
    expect(facts.settings[0].why).toBe('a generator paints the whole image in one pass');
    const { done } = await studio.paint({ run: gan, ...order });
    const fileOf = await runCommand(done.command);
    expect(await pngOf(done, 2)).toEqual(fileOf('red_circle/2.png'));
    expect(done.images[0].logProbabilities).toBeUndefined();
    const refused = await studio.post('/api/paint', { run: gan, ...order, topK: 2 });
    expect(refused.status).toBe(400);
    expect(refused.body.error).toBe('paint: topK: has no effect, since a generator paints the whole image in one pass');
  });

  test('tells of words that the run has never seen, and offers those that it has', async () => {
    const { done } = await studio.paint({ run, ...order, captions: ['rde circle'], numImages: 1 });
    expect(done.unseen).toBe('rde: never seen in training; nearest in spelling: red');
    expect(await studio.json(`/api/runs/${run}/captions?search=circle%20red`)).toMatchObject({
      captions: [{ caption: 'red circle', images: 1 }],
      total: 1,
      unseen: [],
    });
    expect(await studio.json(`/api/runs/${run}/captions?search=grean`)).toMatchObject({
      unseen: [{ word: 'grean', near: ['green'] }],
    });
  });

  test('has a nearest training image: that with the least squared differences of pixels', async () => {
    const { done } = await studio.paint({ run, ...order, numImages: 1 });
    const pixels = async (png: Buffer) => sharp(png).removeAlpha().raw().toBuffer();
    const painted = await pixels(await pngOf(done));
    const distances: [number, string][] = [];
    for (const caption of captions) {
      const other = await pixels(await draw(caption));
      const squares = painted.reduce((sum, value, i) => sum + (value - other[i]) ** 2, 0);
      distances.push([Math.sqrt(squares / painted.length) / 255, caption]);
    }
    const [[distance, caption]] = distances.sort(([x], [y]) => x - y);
    const set = await studio.datasetOf('drawings');
    const near = await studio.json<NearestPicture>(`${done.images[0].url}/nearest?data=${set}`);
    expect(near).toMatchObject({ of: 8, caption });
    expect(near.distance).toBeCloseTo(distance, 6);
  });
});

describe('a completion', () => {
  test('keeps what it shall of the tokenizer’s copy, and is what the command paints of the saved files', async () => {
    const { body: given } = await studio.post<GivenPicture>(
      `/api/pictures?run=${run}`,
      await draw('orange circle', 50),
    );
    const keep = Array.from({ length: grid ** 2 }, (_, i) => i % 3 !== 1);
    const { done } = await studio.paint({ run, ...order, completion: { picture: given.id, keep } });
    const patches = async (png: Buffer) => patchesOf(await sharp(png).removeAlpha().raw().toBuffer());
    const { done: all } = await studio.paint({
      ...{ run, ...order, numImages: 1 },
      completion: { picture: given.id, keep: keep.map(() => true) },
    });
    expect(await patches(await pngOf(all))).toEqual(await patches(await studio.bytes(given.reconstruction)));
    const chances = done.images[1].logProbabilities ?? [];
    expect(chances.map(chance => chance === 0)).toEqual(keep);

    expect(done.needs).toEqual(['picture.png', 'mask.png']);
    await sharp(await studio.bytes(given.url)).toFile(join(folder, 'picture.png'));
    const mask = Uint8Array.from({ length: 32 * 32 }, (_, i) => (keep[(i >> 8) * grid + ((i & 31) >> 3)] ? 0 : 255));
    await sharp(mask, { raw: { width: 32, height: 32, channels: 1 } }).toFile(join(folder, 'mask.png'));
    const fileOf = await runCommand(done.command);
    for (const place of [0, 2]) {
      const [ours, theirs] = [await pngOf(done, place), fileOf(`red_circle/${place}.png`)];
      expect(await patches(ours)).toEqual(await patches(theirs));
    }
  });

  test('of whole rows is told as rows', async () => {
    const { body: given } = await studio.post<GivenPicture>(`/api/pictures?run=${run}`, await draw('red square'));
    for (const rows of [0, 1, 3]) {
      const keep = Array.from({ length: grid ** 2 }, (_, i) => i < rows * grid);
      const { done } = await studio.paint({ run, ...order, numImages: 1, completion: { picture: given.id, keep } });
      expect(done.command).toMatch(new RegExp(`--image picture.png --keep-rows ${rows}$`));
      expect(done.needs).toEqual(['picture.png']);
    }
  });
});

/** The pixels of each patch, as text. */
function patchesOf(pixels: Buffer): string[] {
  const side = 32 / grid;
  return Array.from({ length: grid ** 2 }, (_, patch) => {
    const [left, top] = [(patch % grid) * side, Math.floor(patch / grid) * side];
    const rows = Array.from({ length: side }, (_, y) => ((top + y) * 32 + left) * 3);
    return rows.map(at => pixels.subarray(at, at + side * 3).toString('hex')).join();
  });
}

describe('the line', () => {
  test('says how many are before, and who leaves it makes room', async () => {
    const jobs: Painting[] = [];
    for (const seed of [1, 2, 3, 4]) jobs.push(await studio.start({ run, ...order, numImages: 16, seed }));
    await studio.post(`/api/paint/${jobs[1].job}`, undefined, 'DELETE');
    const ends = await Promise.all(jobs.map(each => each.ended));
    expect(ends.map(([name]) => name)).toEqual(['done', 'failed', 'done', 'done']);
    expect(ends[1][1]).toMatchObject({ cancelled: true });
    const positions = (events: Painting['events']) =>
      events.flatMap(([name, event]) => (name === 'queued' ? [(event as { position: number }).position] : []));
    expect(positions(jobs[3].events).at(-1)).toBe(1);
    expect(positions(jobs[3].events)[0]).toBeGreaterThan(1);
  });

  test('goes on after what is under way was cancelled', async () => {
    const long = await studio.start({ run, ...order, captions: ['a', 'b', 'c', 'd'], numImages: 16 });
    await long.until('tiles');
    await studio.post(`/api/paint/${long.job}`, undefined, 'DELETE');
    expect(await long.ended).toMatchObject(['failed', { cancelled: true }]);
    expect((await studio.paint({ run, ...order })).done.images).toHaveLength(3);
  });

  test('goes on after the painting process was killed, which is said in a line', async () => {
    const painting = await studio.start({ run, ...order, captions: ['a', 'b', 'c', 'd'], numImages: 16 });
    await painting.until('started');
    for (const pid of studio.pids) process.kill(pid, 'SIGKILL');
    expect(await painting.ended).toEqual([
      'failed',
      {
        message: 'paint: the painting process ended with SIGKILL',
        hint: 'ask again, and a new one is started',
        cancelled: false,
      },
    ]);
    expect((await studio.paint({ run, ...order })).done.images).toHaveLength(3);
  });

  test('loads weights anew that were trained on meanwhile', async () => {
    await studio.paint({ run, ...order });
    const before = studio.pids;
    await studio.paint({ run, ...order });
    expect(studio.pids).toEqual(before);
    const { last, ema } = runPaths(join(runs, 'tiny')).weights;
    cpSync(last, ema); // which a training does by another way
    const { done } = await studio.paint({ run, ...order });
    expect(studio.pids).not.toEqual(before);
    expect(await pngOf(done)).toEqual((await runCommand(done.command))('red_circle/0.png'));
  });
});

describe('refusals', () => {
  test('of orders name what is wrong, and nothing is painted', async () => {
    const completion = { picture: '0123456789ab', keep: [true] };
    const wrong: readonly [body: unknown, status: number, error: string][] = [
      [{}, 400, 'run: Invalid input: expected string, received undefined'],
      [{ run, ...order, run2: 1 }, 400, 'Unrecognized key: "run2"'],
      [{ run: '../../etc', ...order }, 400, 'run: Invalid string: must match pattern /^[0-9a-f]{12}$/'],
      [{ run: '0123456789ab', ...order }, 404, 'there is no such thing here'],
      [{ run, ...order, captions: [] }, 400, 'captions: Too small: expected array to have >=1 items'],
      [{ run, ...order, captions: [1] }, 400, 'captions.0: Invalid input: expected string, received number'],
      [{ run, ...order, seed: 2 ** 32 }, 400, 'seed: Too big: expected number to be <=4294967295'],
      [{ run, ...order, numImages: 17 }, 400, 'numImages: Too big: expected number to be <=16'],
      [{ run, ...order, topP: 0 }, 400, 'topP: Too small: expected number to be >0'],
      [{ run, ...order, completion }, 404, 'this picture is not kept any more: give it again'],
    ];
    for (const [body, status, error] of wrong) {
      expect(await studio.post('/api/paint', body)).toEqual({ status, body: { error } });
    }
    const many = { run, ...order, captions: ['a', 'b', 'c', 'd', 'e'], numImages: 16 };
    expect((await studio.post('/api/paint', many)).body.error).toContain('at most 64 images');
  });

  test('of pictures: no picture, another kind, too long, and of a run that completes none', async () => {
    const at = `/api/pictures?run=${run}`;
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    expect(await studio.post(at, svg)).toMatchObject({ status: 400, body: { error: /expected a PNG, JPEG or WebP/ } });
    const cut = (await draw('red circle')).subarray(0, 60);
    expect(await studio.post(at, cut)).toMatchObject({ status: 400, body: { error: /^picture: corrupt image/ } });
    expect((await studio.post(at, { a: 1 })).status).toBe(415);
    expect((await studio.post(at, Buffer.alloc(20_000_001))).status).toBe(413);
    const whole = await studio.post(`/api/pictures?run=${gan}`, await draw('red circle'));
    expect(whole).toMatchObject({ status: 400, body: { error: /completes no pictures/ } });
  });

  test('of a completion that does not fit the grid, which the painter finds', async () => {
    const { body: given } = await studio.post<GivenPicture>(`/api/pictures?run=${run}`, await draw('red circle'));
    const painting = await studio.start({ run, ...order, completion: { picture: given.id, keep: [true, false] } });
    expect(await painting.ended).toMatchObject(['failed', { message: 'paint: keep: expected 16 patches, got 2' }]);
  });
});

test('all painting processes end with the studio', async () => {
  await studio.paint({ run, ...order });
  const pids = studio.pids;
  expect(pids).not.toEqual([]);
  await studio.close();
  for (const pid of pids) await expect.poll(() => isThere(pid), { timeout: 20_000 }).toBe(false);
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
