/**
 * @file `tessera export --onnx` of the model that comes with Tessera: by onnxruntime it paints the codes and pixels that
 * Tessera paints, and so does the example that goes with it. What cannot be exported is refused in a line.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TransformerPainter } from '../../src/families/transformer/painter.ts';
import { decodeImage } from '../../src/image/decode.ts';
import { fingerprint } from '../../src/io/runfolder.ts';
import { Tessera } from '../../src/library/tessera.ts';
import type { OnnxFacts } from '../../src/runs/onnx/readme.ts';
import { loadPainter } from '../../src/runs/open-painter.ts';
import { shippedModel } from '../../src/runs/run.ts';
import { int64, noOnnx, openNetwork, Reader } from '../runs/onnx/run-onnx.ts';
import { expectAllclose } from '../support.ts';
import { root, temporaryFolder, tessera, writeConfig } from './program.ts';

const folder = temporaryFolder();
const out = join(folder, 'red apples', 'onnx');
const captions = ['red apple', 'Cat with tears of joy, twemoji style', ''];
const here = noOnnx === undefined ? '' : ` (skipped: ${noOnnx})`;

let facts: OnnxFacts;
let model: Tessera;

beforeAll(async () => {
  const { code, stdout, stderr } = await tessera('export', '--onnx', out);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(
    /onnx: ema weights of step 7000 as ONNX, \d\d\.\d MB; for example python '.*red apples\/onnx\/paint.py' 'a caption'\n$/,
  );
  facts = JSON.parse(readFileSync(join(out, 'painting.json'), 'utf8')) as OnnxFacts;
  model = await Tessera.load(shippedModel(), { backend: 'native', precision: 'fp32' });
});

afterAll(() => model?.dispose());

/** The codes and the picture that Tessera paints greedily. */
async function painted(caption: string): Promise<{ codes: number[]; pixels: Uint8Array }> {
  let last: { codes: number[]; pixels: Uint8Array } | undefined;
  for await (const { codes, pictures } of model.paint(caption, { temperature: 0, every: 64 })) {
    last = { codes: [...codes], pixels: pictures[0].data };
  }
  return last as NonNullable<typeof last>;
}

test('the folder says what it is, and where its parts are from', async () => {
  expect(readdirSync(out).sort()).toEqual([
    ...[
      'ATTRIBUTION.md',
      'MODEL.md',
      'README.md',
      'decoder.onnx',
      'paint.mjs',
      'paint.py',
      'painting.json',
      'pixels.onnx',
      'tokenizer.json',
    ],
  ]);
  const shipped = (name: string) => join(shippedModel(), name);
  expect(await fingerprint(join(out, 'tokenizer.json'))).toBe(await fingerprint(shipped('tokenizer.json')));
  expect(facts).toMatchObject({
    ...{ source: 'emoji', weights: 'ema', step: 7000, imageSize: 128, grid: 8, codes: 64, codebookSize: 4375 },
    ...{ captionLength: 20, positions: 84, sampling: { temperature: 0.3, topK: 0, topP: 0.9, cfgScale: 1 } },
    tokenizers: {
      captions: await fingerprint(shipped('tokenizer.json')),
      patch: await fingerprint(shipped('patch.safetensors')),
    },
  });
  // Metadata of a network is text in its bytes: key, then value.
  for (const name of ['decoder.onnx', 'pixels.onnx']) {
    const bytes = readFileSync(join(out, name)).toString('latin1');
    for (const value of [facts.tokenizers.captions, JSON.stringify(facts.sampling)]) expect(bytes).toContain(value);
  }
});

describe.skipIf(noOnnx !== undefined)(`by onnxruntime${here}`, () => {
  test('the likeliest codes of three captions are ours, and so are logits and pixels', async () => {
    const [decoder, pixels] = await Promise.all(
      ['decoder.onnx', 'pixels.onnx'].map(name => openNetwork(readFileSync(join(out, name)))),
    );
    const rows = captions.length;
    const reader = new Reader(decoder, rows);
    const { start, caption: words, code: first } = facts.ids;
    let ids = captions.flatMap(text => [start, ...Array.from(model.encodeCaption(text).ids, id => words + id)]);
    const codes: number[][] = captions.map(() => []);
    const all: Float32Array[] = [];
    for (let place = 0; place < facts.codes; place++) {
      const logits = await reader.next(ids);
      const K = logits.length / rows;
      all.push(logits);
      const best = captions.map((_, row) => {
        const own = logits.subarray(row * K, (row + 1) * K);
        return own.indexOf(own.reduce((a, b) => Math.max(a, b)));
      });
      best.forEach((code, row) => {
        codes[row][facts.cells[place]] = code;
      });
      ids = best.map(code => first + code);
    }
    const ours = await Promise.all(captions.map(painted));
    expect(codes).toEqual(ours.map(picture => picture.codes));
    await expectLogits(codes, all);
    const drawn = await pixels.run({ codes: int64(codes.flat(), [rows, facts.codes]) });
    const levels = Float32Array.from(drawn.pixels.data, value => value * 255);
    // Ours are rounded to levels.
    expectAllclose(
      levels,
      ours.flatMap(picture => [...picture.pixels]),
      { absolute: 0.5 + 255e-4, relative: 0 },
    );
  });

  test('the example in JavaScript paints a PNG of the same picture', async () => {
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const png = join(folder, 'painted.png');
    const argv = [join(out, 'paint.mjs'), captions[1], '--temperature', '0', '--out', png];
    const said = execFileSync(process.execPath, argv, { encoding: 'utf8' });
    const ours = await painted(captions[1]);
    expect(said).toBe(`${png}: codes [${ours.codes.join(', ')}]\n`);
    const picture = await decodeImage(readFileSync(png));
    expectAllclose(picture.data, ours.pixels, { absolute: 1, relative: 0 });
  });
});

/** Compares logits, [codes][captions, K], with those of our model for the same codes. */
async function expectLogits(codes: readonly (readonly number[])[], found: readonly Float32Array[]): Promise<void> {
  const painter = await loadPainter(shippedModel(), { start: async () => undefined }); // on the backend that is active
  if (!(painter instanceof TransformerPainter)) throw new Error('another painter');
  const [rows, N] = [codes.length, facts.codes];
  const ids = captions.flatMap(text => [...model.encodeCaption(text).ids]);
  const given = [tf.tensor2d(ids, [rows, facts.captionLength], 'int32'), tf.tensor2d(codes.flat(), [rows, N], 'int32')];
  const logits = painter.codes.model.logits(given[0], given[1]); // [captions, codes, K]
  const expected = await logits.data();
  const K = facts.codebookSize;
  found.forEach((values, place) => {
    for (let row = 0; row < rows; row++) {
      const at = (row * N + facts.cells[place]) * K;
      const own = values.subarray(row * K, (row + 1) * K);
      expectAllclose(own, expected.subarray(at, at + K), { absolute: 1e-3, relative: 0 });
    }
  });
  tf.dispose([...given, logits]);
  painter.dispose();
}

describe('is refused in a line', () => {
  const refused = async (...argv: string[]) => {
    const { code, stderr } = await tessera('export', ...argv);
    expect(code).toBe(2);
    return stderr;
  };

  test('without a form, with two, and with a flag of another', async () => {
    expect(await refused('--run', shippedModel())).toMatch(
      /^export: expected one of --out, --onnx, --page, --single, got none\n/,
    );
    expect(await refused('--out', 'a', '--onnx', 'b')).toMatch(/^export: expected one of .*, got --out and --onnx\n/);
    expect(await refused('--onnx', join(folder, 'typed'), '--dtype', 'f32')).toMatch(
      /^export: --dtype: expected with --out or --page or --single alone, got it with --onnx\n/,
    );
    expect(await refused('--out', join(folder, 'typed'))).toMatch(/^export: --run: expected a folder, got nothing\n/);
    expect(existsSync(join(folder, 'typed'))).toBe(false);
  });

  test('of a family that has no such networks', async () => {
    const gan = join(folder, 'gan');
    mkdirSync(gan);
    writeConfig(join(gan, 'config.json'), { family: 'dcgan' });
    expect(await refused('--run', gan, '--onnx', join(folder, 'generator'))).toMatch(
      /^export: --onnx: expected a run of the family transformer, got dcgan, of which no ONNX graph is known\n/,
    );
  });

  test('into a folder that has something', async () => {
    expect(await refused('--onnx', out)).toMatch(
      /onnx: expected a new or empty folder, .* got one with ATTRIBUTION\.md and/,
    );
  });
});
