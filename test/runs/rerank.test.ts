import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { env } from '@huggingface/transformers';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { blank, fill, type Picture, type Rgb } from '../../src/image/images.ts';
import { loadClip, rank } from '../../src/runs/rerank.ts';
import { CLIP_SIZE, CLIP_WORDS, writeClip } from '../features/clip-fixture.ts';
import { expectAllclose } from '../support.ts';

const S = CLIP_SIZE;
const RED: Rgb = [255, 0, 0];
const GREEN: Rgb = [0, 255, 0];
const BLUE: Rgb = [0, 0, 255];
const WHITE: Rgb = [255, 255, 255];

const root = mkdtempSync(join(tmpdir(), 'tessera-rerank-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
function clipFolder(fixture?: Parameters<typeof writeClip>[1]): string {
  const folder = join(root, `clip-${made++}`);
  writeClip(folder, fixture);
  return folder;
}

function noise(seed: number, size = S): Picture {
  const random = new Random(seed);
  return { width: size, height: size, data: Uint8Array.from({ length: size * size * 3 }, () => random.integer(256)) };
}

/** One colour above, another below. */
function halves(above: Rgb, below: Rgb, size = S): Picture {
  const picture = blank(size, size, below);
  fill(picture, { left: 0, top: 0, width: size, height: size / 2 }, above);
  return picture;
}

/** By hand: means of the colours in [-1, 1], and half of what the upper half is brighter than the lower. */
function imageEmbedding({ width, height, data }: Picture): number[] {
  const embedding = [0, 0, 0, 0];
  for (let i = 0; i < data.length; i++) {
    const value = (data[i] / 255 - 0.5) / 0.5;
    embedding[i % 3] += value / (width * height);
    embedding[3] += (i < data.length / 2 ? value : -value) / data.length;
  }
  return embedding;
}

/**
 * By hand: a picture whose rows are each of one colour, at the model's size, by Keys's cubic convolution with a = -1/2,
 * widened when it reduces (what PIL calls bicubic, and what CLIP was trained with).
 */
function scaleRows({ height, width, data }: Picture): Picture {
  const scale = height / S;
  const widen = Math.max(1, scale);
  const cubic = (x: number) =>
    x < 1 ? 1.5 * x ** 3 - 2.5 * x ** 2 + 1 : x < 2 ? -0.5 * x ** 3 + 2.5 * x ** 2 - 4 * x + 2 : 0;
  const scaled = blank(S, S);
  for (let y = 0; y < S; y++) {
    const weights = Array.from({ length: height }, (_, row) => cubic(Math.abs(row + 0.5 - (y + 0.5) * scale) / widen));
    const total = weights.reduce((a, b) => a + b);
    const colour = [0, 1, 2].map(c => {
      const sum = weights.reduce((value, weight, row) => value + (weight / total) * data[row * width * 3 + c], 0);
      return Math.max(0, Math.min(255, Math.round(sum)));
    });
    fill(scaled, { left: 0, top: y, width: S, height: 1 }, [colour[0], colour[1], colour[2]]);
  }
  return scaled;
}

/** By hand: the sum of the words and of the end mark. */
function textEmbedding(words: readonly (keyof typeof CLIP_WORDS)[]): number[] {
  return [...words, '|' as const]
    .map(word => CLIP_WORDS[word])
    .reduce((sum, embedding) => sum.map((value, i) => value + embedding[i]), [0, 0, 0, 0]);
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

async function failure(promise: Promise<unknown>): Promise<UserError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof UserError)) throw new Error(`expected a UserError, got ${String(error)}`);
  expect(error.message).not.toContain('\n');
  return error;
}

describe('score', () => {
  const pictures = [noise(1), blank(S, S, RED), halves(BLUE, WHITE), noise(2), blank(S, S, GREEN), halves(WHITE, BLUE)];

  test.each(['towers', 'joint'] as const)('equals the cosine worked out by hand (%s)', async layout => {
    const clip = await loadClip(clipFolder({ layout }), { batchSize: 4 }); // 6 pictures: the second batch is smaller
    for (const [caption, words] of [
      ['red', ['red']],
      ['e sky', ['sky']], // a letter alone has no embedding
      ['a sky', ['sky', '|']], // not in the vocabulary: CLIP's unknown token is the end mark
      ['Blue  SKY', ['blue', 'sky']],
      ['', []],
    ] as const) {
      const scores = await clip.score(caption, pictures);
      const text = textEmbedding(words);
      expectAllclose(
        scores,
        pictures.map(picture => cosine(imageEmbedding(picture), text)),
        { absolute: 1e-6 },
      );
    }
    await clip.dispose();
  });

  test('puts the right picture first', async () => {
    const clip = await loadClip(clipFolder());
    const colours = [blank(S, S, GREEN), blank(S, S, RED), blank(S, S, BLUE)];
    for (const [caption, best] of [
      ['green', 0],
      ['red', 1],
      ['blue', 2],
    ] as const) {
      expect(rank(await clip.score(caption, colours))[0]).toBe(best);
    }
    expect(rank(await clip.score('sky', pictures))[0]).toBe(5);
    await clip.dispose();
  });

  test('cuts a caption to the positions there are and keeps its end mark', async () => {
    const clip = await loadClip(clipFolder());
    const caption = `red ${'blue '.repeat(100)}`; // start, red, four blue, end: seven positions
    const text = textEmbedding(['red', 'blue', 'blue', 'blue', 'blue']);
    const [score] = await clip.score(caption, [pictures[0]]);
    expect(score).toBeCloseTo(cosine(imageEmbedding(pictures[0]), text), 6);
    const fits = await clip.score('red blue blue blue blue', [pictures[0]]);
    expect(fits[0]).toBe(score);
    await clip.dispose();
  });

  test('does not depend on the batch, and gives nothing for no pictures', async () => {
    const folder = clipFolder();
    const [one, all] = [await loadClip(folder, { batchSize: 1 }), await loadClip(folder)];
    expect([...(await one.score('red sky', pictures))]).toEqual([...(await all.score('red sky', pictures))]);
    expect(await one.score('red', [])).toEqual(new Float64Array(0));
    await one.dispose();
    await all.dispose();
  });

  test('enlarges without a frame, reduces as PIL does, and takes the middle of what is not square', async () => {
    const clip = await loadClip(clipFolder());
    const target = imageEmbedding(blank(S, S, WHITE));
    const small = blank(2, 2, WHITE);
    const large = blank(50, 50, WHITE);
    const wide = blank(2 * S, S, RED);
    fill(wide, { left: S / 2, top: 0, width: S, height: S }, WHITE);
    const scores = await clip.score('red', [small, large, wide]);
    expectAllclose(
      scores,
      [small, large, wide].map(() => cosine(target, textEmbedding(['red']))),
      { absolute: 1e-6 },
    );
    for (const size of [11, 16, 32]) {
      const pair = [halves(WHITE, BLUE, size), halves(BLUE, WHITE, size)];
      const expected = pair.map(picture => cosine(imageEmbedding(scaleRows(picture)), textEmbedding(['sky'])));
      expectAllclose(await clip.score('sky', pair), expected, { absolute: 0.01 });
    }
    await clip.dispose();
  });

  test('is refused after dispose, which may be called twice', async () => {
    const clip = await loadClip(clipFolder());
    await clip.dispose();
    await clip.dispose();
    await expect(clip.score('red', [pictures[0]])).rejects.toThrow(/disposed/);
  });
});

test('rank puts the best first, keeps ties in order and NaN last', () => {
  expect(rank([0.25, 0.5, -1, 0.5, 0.75])).toEqual([4, 1, 3, 0, 2]);
  expect(rank(new Float64Array([Number.NaN, -2, Number.NaN, Number.NEGATIVE_INFINITY]))).toEqual([1, 0, 2, 3]);
  expect(rank([])).toEqual([]);
});

describe('a local folder', () => {
  test.each([
    ['onnx', '_quantized'],
    ['onnx', '_fp16'],
    ['', ''],
  ])('may hold its ONNX files in "%s" with the ending "%s"', async (subfolder, suffix) => {
    const clip = await loadClip(clipFolder({ subfolder, suffix }));
    expect((await clip.score('red', [blank(S, S, RED)]))[0]).toBeGreaterThan(0.98);
    await clip.dispose();
  });

  test('may be given relative to the working directory, though it reads like a hub id', async () => {
    const folder = relative(process.cwd(), clipFolder());
    const clip = await loadClip(folder);
    expect(clip.name).toBe(folder);
    expect((await clip.score('red', [blank(S, S, RED)]))[0]).toBeGreaterThan(0.98);
    await clip.dispose();
  });

  test.each(['config.json', 'tokenizer.json', 'tokenizer_config.json', 'preprocessor_config.json'])(
    'without %s is refused by that name',
    async file => {
      const folder = clipFolder();
      rmSync(join(folder, file));
      expect((await failure(loadClip(folder))).message).toBe(`rerank: no ${file} in ${folder}`);
      writeFileSync(join(folder, file), '{"half');
      expect((await failure(loadClip(folder))).message).toMatch(`${file}: expected JSON`);
    },
  );

  test('without ONNX files, or with one tower only, is refused with what was looked for', async () => {
    const folder = clipFolder();
    rmSync(join(folder, 'onnx/vision_model.onnx'));
    const error = await failure(loadClip(folder));
    expect(error.message).toMatch(/no ONNX model in .*onnx\/text_model\.onnx with onnx\/vision_model\.onnx/);
    expect(error.hint).toMatch(/optimum-cli export onnx/);
    const other = await failure(loadClip(clipFolder(), { precision: 'q8' }));
    expect(other.message).toMatch('onnx/text_model_quantized.onnx');
  });

  test.each([
    ['text_model', 'towers', 0],
    ['vision_model', 'towers', 300],
    ['model', 'joint', 500],
  ] as const)('with a %s.onnx that is cut short is refused by its name', async (name, layout, length) => {
    const folder = clipFolder({ layout });
    truncateSync(join(folder, `onnx/${name}.onnx`), length);
    const error = await failure(loadClip(folder));
    expect(error.message).toMatch(`rerank: cannot load ${join(folder, `onnx/${name}.onnx`)} (`);
  });

  test('with bytes that are no model is refused by its name', async () => {
    const folder = clipFolder();
    writeFileSync(join(folder, 'onnx/text_model.onnx'), noise(3, 16).data);
    expect((await failure(loadClip(folder))).message).toMatch('text_model.onnx');
  });

  test('that is not a CLIP is refused', async () => {
    const folder = clipFolder();
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ model_type: 'bert' }));
    expect((await failure(loadClip(folder))).message).toMatch(/expected a CLIP \(model_type clip\) in .*, got "bert"/);
  });

  test('whose files do not fit each other fails in one line', async () => {
    const folder = clipFolder();
    const path = join(folder, 'preprocessor_config.json');
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(String(S), '16'));
    const silent = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const clip = await loadClip(folder);
    expect((await failure(clip.score('red', [blank(S, S, RED)]))).message).toMatch(/cannot score pictures \(.*16/);
    await clip.dispose();
    silent.mockRestore();
  });

  test('that is a file, or not there, is refused', async () => {
    const folder = clipFolder();
    expect((await failure(loadClip(join(folder, 'config.json')))).message).toMatch(
      /expected a folder or a hub id, got the file/,
    );
    for (const path of [join(folder, 'none'), './none', '../a/b', 'none']) {
      const error = await failure(loadClip(path));
      expect(error.message).toBe(`rerank: there is no folder ${path}`);
      expect(error.hint).toMatch('Xenova/clip-vit-base-patch32');
    }
  });
});

describe('a hub id', () => {
  const files = join(root, 'hub');
  const hubHost = env.remoteHost;
  let server: Server;
  let asked: string[] = [];

  beforeAll(async () => {
    server = createServer(({ url = '' }, response) => {
      asked.push(url);
      const path = join(files, url.replace('/resolve/main/', '/'));
      if (!existsSync(path) || !statSync(path).isFile()) response.writeHead(404).end();
      else response.writeHead(200, { 'content-length': statSync(path).size }).end(readFileSync(path));
    });
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
    for (const layout of ['towers', 'joint'] as const) {
      mkdirSync(join(files, 'someone', layout), { recursive: true });
      writeClip(join(files, 'someone', layout), { layout });
    }
  });
  afterEach(() => {
    env.remoteHost = hubHost;
    asked = [];
  });
  afterAll(() => server.close());

  function useServer(): void {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the server has no port');
    env.remoteHost = `http://127.0.0.1:${address.port}/`;
  }

  test.each(['towers', 'joint'] as const)('is downloaded once and scores as a folder does (%s)', async layout => {
    useServer();
    const cacheDir = join(root, `cache-${layout}`);
    const downloads = new Map<string, number>();
    const onDownload = (file: string, loaded: number, total: number) => downloads.set(file, loaded / total);
    const clip = await loadClip(`someone/${layout}`, { cacheDir, onDownload });
    const pictures = [noise(4), blank(S, S, BLUE)];
    const scores = await clip.score('blue sky', pictures);
    const text = textEmbedding(['blue', 'sky']);
    expectAllclose(
      scores,
      pictures.map(picture => cosine(imageEmbedding(picture), text)),
      { absolute: 1e-6 },
    );
    expect(downloads.get(layout === 'towers' ? 'onnx/vision_model.onnx' : 'onnx/model.onnx')).toBe(1);
    await clip.dispose();

    asked = [];
    const again = await loadClip(`someone/${layout}`, { cacheDir });
    expect(await again.score('blue sky', pictures)).toEqual(scores);
    expect(asked.filter(url => url.includes(layout === 'towers' ? 'vision_model' : '/model.onnx'))).toEqual([]);
    await again.dispose();

    const model = layout === 'towers' ? 'text_model' : 'model';
    truncateSync(join(cacheDir, `someone/${layout}/onnx/${model}.onnx`), 200);
    const damaged = await failure(loadClip(`someone/${layout}`, { cacheDir }));
    const path = join(cacheDir, 'someone', layout, 'onnx', `${model}.onnx`);
    expect(damaged.message).toMatch(`rerank: ${path} is not the file that was downloaded: its SHA-256 was `);
    expect(damaged.hint).toMatch(`remove ${join(cacheDir, 'someone', layout)} to download the model again`);
  });

  test('may name a revision, which is said with the folder of its files, and is kept by itself', async () => {
    useServer();
    const cacheDir = join(root, 'cache-revision');
    const told: unknown[] = [];
    const onModel = (model: unknown) => told.push(model);
    const clip = await loadClip('someone/towers@main', { cacheDir, onModel });
    await clip.dispose();
    const folder = join(cacheDir, 'someone', 'towers');
    expect(told).toEqual([{ id: 'someone/towers', revision: 'main', folder }]);
    const hashes = JSON.parse(readFileSync(join(folder, 'tessera-sha256.json'), 'utf8')) as Record<string, string>;
    const model = readFileSync(join(folder, 'onnx', 'text_model.onnx'));
    expect(hashes['onnx/text_model.onnx']).toBe(createHash('sha256').update(model).digest('hex'));
    const other = await failure(loadClip('someone/towers@0a1b2c', { cacheDir, onModel }));
    expect(other.message).toMatch('gives no config.json of someone/towers');
    expect(asked.at(-1)).toBe('/someone/towers/resolve/0a1b2c/config.json');
    expect(told.at(-1)).toMatchObject({ revision: '0a1b2c', folder: join(folder, '0a1b2c') });
  });

  test('refuses settings that were changed after they came, and takes them again once they are removed', async () => {
    useServer();
    const cacheDir = join(root, 'cache-changed');
    await (await loadClip('someone/towers', { cacheDir })).dispose();
    const path = join(cacheDir, 'someone', 'towers', 'preprocessor_config.json');
    writeFileSync(path, `${readFileSync(path, 'utf8')} `);
    expect((await failure(loadClip('someone/towers', { cacheDir }))).message).toMatch(
      `${path} is not the file that was downloaded`,
    );
    rmSync(join(cacheDir, 'someone', 'towers'), { recursive: true });
    await (await loadClip('someone/towers', { cacheDir })).dispose();
  });

  test.each(['a/../b', '../a', 'a/b@../c', 'a/b@', 'a/b?x=1', 'http://a/b', 'a/b@x/y', `a/${'b'.repeat(300)}`])(
    'refuses %s before any request',
    async id => {
      useServer();
      const error = await failure(loadClip(id, { cacheDir: join(root, 'cache-tricks') }));
      expect(error.message).toMatch('there is no folder');
      expect(asked).toEqual([]);
    },
  );

  test('that the hub does not have fails in one line that names it', async () => {
    useServer();
    const error = await failure(loadClip('someone/else', { cacheDir: join(root, 'cache-none') }));
    expect(error.message).toMatch(/127\.0\.0\.1:\d+\/ gives no config\.json of someone\/else/);
  });

  test('fails in one line without a network, saying what was not reached and that a folder works', async () => {
    env.remoteHost = 'http://127.0.0.1:9/';
    const error = await failure(loadClip('Xenova/clip-vit-base-patch32', { cacheDir: join(root, 'cache-offline') }));
    expect(error.message).toMatch(
      /^rerank: cannot reach http:\/\/127\.0\.0\.1:9\/ for config\.json of Xenova\/clip-vit-base-patch32 \(.+\)$/,
    );
    expect(error.hint).toMatch(/give a folder/);
  });
});

test('without the optional package the message says what to install', async () => {
  vi.doMock('@huggingface/transformers', () => {
    throw new Error("Cannot find package '@huggingface/transformers'");
  });
  const error = await failure(loadClip(clipFolder()));
  expect(error.message).toMatch(/expected the optional package @huggingface\/transformers/);
  expect(error.hint).toBe('npm install @huggingface/transformers');
  vi.doUnmock('@huggingface/transformers');
});
