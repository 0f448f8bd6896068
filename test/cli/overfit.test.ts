/**
 * @file The whole job through the command line: eight captioned drawings are learnt by heart, and come back from their
 * captions exactly as far as the patch tokenizer can show them. Then everything that painting can be asked for.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { decodePicture } from '../../src/image/decode.ts';
import { type Painting, type Picture, readPngText, Tessera } from '../../src/index.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { CLIP_WORDS, writeClip } from '../features/clip-fixture.ts';
import {
  byHeart,
  captions,
  draw,
  fileOf,
  type Outcome,
  snapshot,
  startTessera,
  temporaryFolder,
  tessera,
  writeConfig,
  writeSplitDrawings,
} from './program.ts';

const folder = temporaryFolder();
const data = join(folder, 'data');
const drawings = join(data, 'train');
const run = join(folder, 'run');
const SIDE = 4;
let trained: Outcome;

beforeAll(async () => {
  await writeSplitDrawings(data);
  const config = writeConfig(join(folder, 'config.json'), byHeart);
  trained = await startTessera(['train', '--data', data, '--out', run, '--config', config, '--threads', '1']);
});

const picture = (path: string): Promise<Picture> => decodePicture(readFileSync(path), path);
/** Paints in this process; fails aloud. */
async function sample(out: string, ...argv: string[]): Promise<string> {
  const outputs = join(folder, out);
  const { code, stderr } = await tessera('sample', '--run', run, '--outputs-dir', outputs, '--threads', '1', ...argv);
  expect(stderr).not.toMatch(/hint/);
  expect(code).toBe(0);
  return outputs;
}
async function withTessera<T>(work: (loaded: Tessera) => Promise<T>): Promise<T> {
  const loaded = await Tessera.load(run);
  try {
    return await work(loaded);
  } finally {
    loaded.dispose();
  }
}
/** The same codes decoded in a batch of another size: sums in another order, so a byte may round the other way. */
function expectSamePicture(actual: Picture, expected: Picture, message?: string): void {
  expect([actual.width, actual.height]).toEqual([expected.width, expected.height]);
  const largest = actual.data.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.data[i])), 0);
  expect(largest, message).toBeLessThanOrEqual(2);
}
function psnr(a: Picture, b: Picture): number {
  const squares = a.data.reduce((sum, value, i) => sum + (value - b.data[i]) ** 2, 0);
  return 10 * Math.log10((255 ** 2 * a.data.length) / squares);
}

describe('training', () => {
  test('ends well, says which stages it did, and leaves a run that stands alone', () => {
    expect(trained.code).toBe(0);
    expect(trained.stdout).toContain(`${run}: trained`);
    for (const stage of ['caption tokenizer', 'patch tokenizer', 'codes', 'transformer']) {
      expect(trained.stderr).toMatch(new RegExp(`^\\[\\d/4\\] ${stage}: done in .+`, 'm'));
    }
    for (const file of ['config.json', 'tokenizer.json', 'patch.safetensors', 'model.safetensors', 'ema.safetensors']) {
      expect(existsSync(join(run, file)), file).toBe(true);
    }
    for (const file of ['reconstructions.png', 'samples.png', 'best.safetensors', 'state/model/current']) {
      expect(existsSync(join(run, file)), file).toBe(true);
    }
  });

  test('comes down to nearly nothing from the nats of a code that is guessed', () => {
    const records = readJsonLines(join(run, 'metrics.jsonl')) as Record<string, number | string>[];
    const image = records.filter(({ stage, image }) => stage === 'transformer' && image !== undefined);
    expect(image[0].image).toBeGreaterThan(2);
    expect(image.at(-1)?.image).toBeLessThan(0.1); // a tenth of the captions are left out, and then it must guess
    const measured = records.filter(({ val_image }) => val_image !== undefined);
    expect(measured.at(-1)?.val_image).toBeLessThan(0.02);
  });
});

describe('painting what was learnt', () => {
  test('gives every drawing back from its caption, code for code', async () => {
    const outputs = join(folder, 'greedy');
    const argv = ['--text', captions.join('|'), '--temperature', '0', '--num-images', '1', '--seed', '1'];
    const { code, stdout } = await startTessera([
      'sample',
      '--run',
      run,
      '--outputs-dir',
      outputs,
      '--threads',
      '1',
      ...argv,
    ]);
    expect(code).toBe(0);
    const originals = await Promise.all(captions.map(async c => decodePicture(await draw(c), c)));
    const reconstructed = await withTessera(async loaded => loaded.decode(await loaded.encode(originals)));
    for (const [i, caption] of captions.entries()) {
      const name = caption.replace(' ', '_');
      expect(stdout).toContain(join(outputs, name));
      const painted = await picture(join(outputs, name, '0.png'));
      expectSamePicture(painted, reconstructed[i], caption);
      // Nearer to its own drawing than to any other: the patch tokenizer has learnt them as well.
      const nearness = originals.map(original => psnr(painted, original));
      expect(nearness.indexOf(Math.max(...nearness)), caption).toBe(i);
      expect(nearness[i]).toBeGreaterThan(15);
      expect(existsSync(join(outputs, name, 'grid.png'))).toBe(true);
    }
    const sheet = await picture(join(outputs, 'grid.png'));
    expect(sheet.width).toBeGreaterThan(4 * 32);
  });

  test('writes into every PNG what it was made of', async () => {
    const outputs = await sample('text', '--text', 'red circle', '--num-images', '2', '--seed', '7', '--top-k', '5');
    const text = readPngText(readFileSync(join(outputs, 'red_circle', '1.png')));
    expect(text).toMatchObject({
      Title: 'red circle',
      Software: 'Tessera',
      'tessera:seed': '7',
      'tessera:topK': '5',
      'tessera:image': '1',
      'tessera:run': run,
    });
    const json = JSON.parse(readFileSync(join(outputs, 'red_circle', 'caption.json'), 'utf8'));
    expect(json).toMatchObject({ caption: 'red circle', seed: 7, images: [0, 1] });
  });

  test('is the same byte for byte with the same seed, in batches of any size, and not with another', async () => {
    const wild = ['--text', '', '--num-images', '5', '--cfg-scale', '1', '--temperature', '1'];
    const first = await sample('seed1', ...wild, '--seed', '1');
    const again = await sample('seed1-again', ...wild, '--seed', '1');
    const other = await sample('seed2', ...wild, '--seed', '2');
    expect(Object.keys(snapshot(first)).sort()).toEqual(
      ['caption.json', 'grid.png', ...[0, 1, 2, 3, 4].map(i => `${i}.png`)].map(f => join('no_caption', f)).sort(),
    );
    expect(snapshot(again)).toEqual(snapshot(first));
    const pixels = (outputs: string) =>
      Promise.all([0, 1, 2, 3, 4].map(i => picture(join(outputs, 'no_caption', `${i}.png`))));
    expect(await pixels(other)).not.toEqual(await pixels(first));
    const inTwos = await sample('seed1-twos', ...wild, '--seed', '1', '--batch-size', '2');
    const alone = await sample('seed1-alone', ...wild, '--seed', '1', '--batch-size', '1');
    for (const outputs of [inTwos, alone]) expect(await pixels(outputs)).toEqual(await pixels(first));
  });
});

describe('completing an image', () => {
  const given = 'blue square';
  const image = join(drawings, fileOf(given));
  const greedy = ['--text', 'red circle', '--temperature', '0', '--num-images', '1', '--image', image];

  /** What the library paints with the same request, with the codes that the files do not hold. */
  const paint = (keep: readonly boolean[]) =>
    withTessera(async loaded => {
      let last: Painting | undefined;
      const options = { image: await picture(image), keep, temperature: 0, seed: 0 };
      for await (const painting of loaded.paint('red circle', options)) last = painting;
      return { ...(last as Painting), given: await loaded.encode([options.image]) };
    });

  test('--keep-rows keeps the codes of the upper rows and paints the rest', async () => {
    const outputs = await sample('rows', ...greedy, '--keep-rows', '2');
    const keep = Array.from({ length: SIDE * SIDE }, (_, i) => i < 2 * SIDE);
    const { codes, pictures, given: before } = await paint(keep);
    expectSamePicture(await picture(join(outputs, 'red_circle', '0.png')), pictures[0]);
    expect(codes.subarray(0, 2 * SIDE)).toEqual(before.subarray(0, 2 * SIDE));
    expect([...codes].every(code => code >= 0)).toBe(true);
  });

  test('--mask keeps what is black and paints what is white, wherever it lies', async () => {
    const mask = join(folder, 'mask.png');
    const white = { create: { width: 16, height: 32, channels: 3, background: 'white' } } as const;
    await sharp({ create: { width: 32, height: 32, channels: 3, background: 'black' } })
      .composite([{ input: white, left: 16, top: 0 }])
      .png()
      .toFile(mask);
    const outputs = await sample('mask', ...greedy, '--mask', mask);
    const keep = Array.from({ length: SIDE * SIDE }, (_, i) => i % SIDE < SIDE / 2);
    const { codes, pictures, given: before } = await paint(keep);
    expectSamePicture(await picture(join(outputs, 'red_circle', '0.png')), pictures[0]);
    const kept = (all: Int32Array) => [...all].filter((_, i) => keep[i]);
    expect(kept(codes)).toEqual(kept(before));
  });

  test('an image kept nowhere is not seen: the caption alone decides', async () => {
    const outputs = await sample('none', ...greedy, '--keep-rows', '0');
    const plain = await picture(join(folder, 'greedy', 'red_circle', '0.png'));
    expectSamePicture(await picture(join(outputs, 'red_circle', '0.png')), plain);
  });
});

test('--rerank keeps the picture that CLIP likes best', async () => {
  const clip = join(folder, 'clip');
  writeClip(clip);
  // Painted without guidance at a high temperature, the images of one caption differ.
  const wild = ['--text', 'red', '--temperature', '3', '--cfg-scale', '1', '--seed', '3', '--rerank', clip];
  const all = join(await sample('ranked', ...wild, '--best-of', '4', '--num-images', '4'), 'red');
  const best = join(await sample('best', ...wild, '--best-of', '4', '--num-images', '1'), 'red');
  const index = [0, 1, 2, 3].filter(i => existsSync(join(best, `${i}.png`)));
  expect(index).toHaveLength(1);
  // The fixture's own formula (clip-fixture.ts) on whole pictures: cosine of mean colour and brightness with the words.
  const scores = await Promise.all(
    [0, 1, 2, 3].map(async i =>
      cosine(embed(await picture(join(all, `${i}.png`))), sum(CLIP_WORDS.red, CLIP_WORDS['|'])),
    ),
  );
  expect(index[0]).toBe(scores.indexOf(Math.max(...scores)));
  expect(new Set(scores.map(score => score.toFixed(6))).size).toBeGreaterThan(1);
  const written = Number(readPngText(readFileSync(join(best, `${index[0]}.png`)))['tessera:score']);
  expect(written).toBeCloseTo(Math.max(...scores), 1);
});

function embed({ data: bytes, height }: Picture): number[] {
  const mean = (from: number, to: number, channels: readonly number[]) => {
    const values = [...bytes.subarray(from, to)].filter((_, i) => channels.includes(i % 3));
    return values.reduce((a, b) => a + b, 0) / values.length / 127.5 - 1;
  };
  const half = (bytes.length / height) * (height / 2);
  const colours = [0, 1, 2].map(channel => mean(0, bytes.length, [channel]));
  return [...colours, (mean(0, half, [0, 1, 2]) - mean(half, bytes.length, [0, 1, 2])) / 2];
}
const sum = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value + b[i]);
function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((total, value, i) => total + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

test('--nearest shows the training image that a sample was learnt from', async () => {
  const argv = ['--text', 'green square', '--temperature', '0', '--num-images', '1', '--nearest', '--data', data];
  const outputs = await sample('nearest', ...argv);
  const sheet = await picture(join(outputs, 'green_square', 'grid.png'));
  const inSheet = async (caption: string) => contains(sheet, await decodePicture(await draw(caption), caption));
  expect(await inSheet('green square')).toBe(true);
  for (const other of captions.filter(c => c !== 'green square')) expect(await inSheet(other), other).toBe(false);
});

/** Whether a picture is somewhere in a sheet, each pixel drawn as a block of 4. */
function contains(sheet: Picture, small: Picture): boolean {
  const scale = 4;
  for (let top = 0; top + small.height * scale <= sheet.height; top++) {
    for (let left = 0; left + small.width * scale <= sheet.width; left++) if (matches(top, left)) return true;
  }
  return false;

  function matches(top: number, left: number): boolean {
    for (let i = 0; i < small.width * small.height; i++) {
      // From the middle outwards, where the drawings differ from white paper.
      const place = (i + small.width * (small.height / 2) + small.width / 2) % (small.width * small.height);
      const x = left + (place % small.width) * scale;
      const y = top + Math.floor(place / small.width) * scale;
      for (let c = 0; c < 3; c++) {
        if (sheet.data[(y * sheet.width + x) * 3 + c] !== small.data[place * 3 + c]) return false;
      }
    }
    return true;
  }
}

describe('as a library', () => {
  test('paint yields images that grow and ends with whole ones', async () => {
    await withTessera(async loaded => {
      const seen: Painting[] = [];
      for await (const painting of loaded.paint('orange circle', { seed: 1, temperature: 0, images: 2 })) {
        seen.push(painting);
      }
      expect(seen.map(({ painted }) => painted)).toEqual([4, 8, 12, 16]);
      for (const { painted, total, codes, pictures } of seen) {
        expect(total).toBe(SIDE * SIDE);
        expect(pictures).toHaveLength(2);
        expect([...codes].filter(code => code >= 0)).toHaveLength(2 * painted);
      }
      // The unfinished part is plain grey, the finished picture is that of the command line.
      const [first, last] = [seen[0].pictures[0], (seen.at(-1) as Painting).pictures[0]];
      expect([...first.data.subarray(-3)]).toEqual([235, 235, 235]);
      expectSamePicture(last, await picture(join(folder, 'greedy', 'orange_circle', '0.png')));
    });
  });

  test('a reader that stops early leaves no tensors behind', async () => {
    const tf = await import('@tensorflow/tfjs-core');
    await withTessera(async loaded => {
      const before = tf.memory().numTensors;
      for await (const { painted } of loaded.paint('red circle')) if (painted >= 8) break;
      expect(tf.memory().numTensors).toBe(before);
    });
  });
});

test('reconstruct puts images through the codes and says how good they are', async () => {
  const out = join(folder, 'again.png');
  const { code, stdout } = await tessera('reconstruct', '--run', run, drawings, '--out', out, '--threads', '1');
  expect(code).toBe(0);
  const said = /8 images, mean PSNR ([\d.]+) dB/.exec(stdout);
  const originals = await Promise.all(captions.map(async c => decodePicture(await draw(c), c)));
  const again = await withTessera(async loaded => loaded.decode(await loaded.encode(originals)));
  const mean = originals.reduce((total, original, i) => total + psnr(original, again[i]), 0) / captions.length;
  expect(Number(said?.[1])).toBeCloseTo(mean, 1);
  expect(existsSync(out)).toBe(true);
});
