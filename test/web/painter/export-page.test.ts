/**
 * @file What a page that paints is made of: a run without what painting does not read, in fewer bytes, a document that loads
 * nothing from elsewhere; and what is refused with nothing written.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { selectBackend } from '../../../src/device/backends.ts';
import { openRunBytes } from '../../../src/families/transformer/painted-run.ts';
import { parseSafetensors, toFloat32 } from '../../../src/io/safetensors.ts';
import { exportPage } from '../../../src/web/painter/export-page.ts';
import type { PageFacts } from '../../../src/web/painter/facts.ts';
import { fromPlanes, toPlanes } from '../../../src/web/painter/planes.ts';
import { bytesOf, tinyRun } from '../../browser/tiny-run.ts';

const temporary = mkdtempSync(join(tmpdir(), 'tessera-page-'));
const at = (...names: string[]) => join(temporary, ...names);
const request = { run: at('it<!--s'), dtype: 'bf16', scripts: at('lib') } as const;
let run: ReadonlyMap<string, Uint8Array>;

beforeAll(async () => {
  await selectBackend('cpu');
  run = await tinyRun({ model: { order: 'interlaced' } });
  for (const folder of [request.run, at('lib'), at('empty')]) mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of run) writeFileSync(join(request.run, name), bytes);
  writeFileSync(at('credits.md'), '# By hand\n\n<b>me</script>');
  for (const name of ['painter.js', 'worker.js', 'tessera.wasm'])
    writeFileSync(join(at('lib'), name), `"${name}</script>"`);
});
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

const factsOf = (page: string) =>
  JSON.parse(/<script type="application\/json" id="facts">(.*)<\/script>/.exec(page)?.[1] ?? '') as PageFacts;

test.each([0, 1, 2, 7, 8])('%d bytes in planes come back', length => {
  const bytes = Uint8Array.from({ length }, (_, i) => 10 + i);
  expect(fromPlanes(toPlanes(bytes))).toEqual(bytes);
  expect(toPlanes(Uint8Array.of(1, 2, 3, 4, 5))).toEqual(Uint8Array.of(1, 3, 5, 2, 4));
});

describe('a page as a folder', () => {
  const out = at('page');
  let facts: PageFacts;
  const fileOf = (name: string) => {
    const bytes = readFileSync(join(out, facts.files[name].path));
    expect(facts.files[name]).toMatchObject({
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
    return facts.files[name].isPacked ? fromPlanes(gunzipSync(bytes)) : bytes;
  };

  beforeAll(async () => {
    await exportPage({ ...request, out, isSingle: false, attribution: at('credits.md'), examples: ['a red apple'] });
    facts = factsOf(readFileSync(join(out, 'index.html'), 'utf8'));
  });

  test('says what it is, and allows its own parts alone', () => {
    expect(readdirSync(out).sort()).toEqual(['index.html', 'page.js', 'run', 'style.css', 'tessera.wasm', 'worker.js']);
    expect(facts).toMatchObject({
      ...{ run: 'it<!--s', imageSize: 32, grid: 4, order: 'interlaced', isSingle: false, weights: 'ema' },
      ...{ credits: '# By hand\n\n<b>me</script>', examples: ['a red apple'] },
    });
    const page = readFileSync(join(out, 'index.html'), 'utf8');
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(page)?.[1].replaceAll('&#39;', "'");
    expect(policy?.split('; ').slice(0, 3)).toEqual([
      ...["default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "style-src 'self'"],
    ]);
    const places = [...page.matchAll(/ (?:src|href)="([^"]*)"/g)].map(([, place]) => place.slice(0, 5));
    expect(places).toEqual(['data:', 'style', 'page.']);
    expect(readFileSync(join(out, 'style.css'), 'utf8')).not.toMatch(/url\(|@import/);
  });

  test('has of the weights what painting reads: matrices rounded, nothing else changed', async () => {
    const [before, after] = [run.get('ema.safetensors') ?? new Uint8Array(), fileOf('ema.safetensors')].map(bytes =>
      parseSafetensors(bytes, 'ema'),
    );
    const names = [...before.tensors.keys()].filter(name => name !== 'caption_head.weight');
    expect([...after.tensors.keys()].sort()).toEqual(names.sort());
    for (const name of names) {
      const [was, is] = [before, after].map(({ tensors }) => tensors.get(name));
      if (was === undefined || is === undefined) throw new Error(name);
      expect(is.dtype).toBe(was.shape.length > 1 ? 'BF16' : 'F32');
      const errors = toFloat32(is).map(
        (value, i) => Math.abs(value - toFloat32(was)[i]) - Math.abs(toFloat32(was)[i]) / 256,
      );
      expect(Math.max(...errors)).toBeLessThanOrEqual(0);
    }
    const encoder = parseSafetensors(fileOf(facts.encoder), 'encoder').tensors;
    const whole = parseSafetensors(run.get('patch.safetensors') ?? new Uint8Array(), 'patch').tensors;
    expect(encoder.size).toBeGreaterThan(3);
    for (const [name, tensor] of encoder) expect(tensor, name).toEqual(whole.get(name));
  });

  test('paints, and refuses to read pictures without its encoder', async () => {
    const files = new Map(
      ['config.json', 'tokenizer.json', 'patch.safetensors', 'ema.safetensors'].map(name => [name, fileOf(name)]),
    );
    const painter = openRunBytes('page', bytesOf(files));
    let pictures = 0;
    for await (const painting of painter.paint('a red apple', { every: 16 })) pictures = painting.pictures.length;
    expect(pictures).toBe(1);
    const picture = { width: 32, height: 32, data: new Uint8Array(32 * 32 * 3) };
    await expect(painter.codec.encode([picture])).rejects.toThrow(
      'cannot read pictures: this copy of the run is for painting',
    );
    painter.dispose();
    expect(tf.memory().numTensors).toBeLessThan(1000);
  });
});

test('a page as one file has all of it, and lets its own script alone run', async () => {
  const out = at('one.html');
  await exportPage({ ...request, out, isSingle: true, dtype: 'f32' });
  const page = readFileSync(out, 'utf8');
  const facts = factsOf(page);
  expect(facts).toMatchObject({ isSingle: true, credits: null });
  for (const name of [...Object.keys(facts.files), 'worker.js', 'tessera.wasm']) {
    const text = new RegExp(`<script type="text/plain" id="file:${name}">([^<]*)</script>`).exec(page)?.[1] ?? '';
    const expected = facts.files[name]?.bytes ?? readFileSync(join(request.scripts, name)).length;
    expect(Buffer.from(text, 'base64').length, name).toBe(expected);
  }
  const [script] = [...page.matchAll(/<script>([^<]*(?:<(?!\/script)[^<]*)*)<\/script>/g)].map(([, code]) => code);
  expect(script).toBe('"painter.js<\\/script>"');
  const hash = createHash('sha256').update(script).digest('base64');
  expect(page.replaceAll('&#39;', "'")).toContain(`script-src 'sha256-${hash}' 'wasm-unsafe-eval'`);
});

describe('is refused with nothing written', () => {
  const refusal = (changes: Partial<Parameters<typeof exportPage>[0]>) =>
    exportPage({ ...request, out: at('new'), isSingle: false, ...changes }).then(
      () => 'nothing',
      (error: Error) => error.message,
    );

  test('where something is in the way, the page is not built, or the run is none that a page paints', async () => {
    expect(await refusal({ out: request.run })).toMatch(/expected a new or empty folder/);
    expect(await refusal({ out: at('credits.md'), isSingle: true })).toMatch(
      /^export: --single: .*credits\.md is there and would be written over$/,
    );
    expect(await refusal({ scripts: at('empty') })).toMatch(
      /^export: --page: expected the built page, got no .*painter\.js$/,
    );
    mkdirSync(at('gan'));
    writeFileSync(at('gan', 'config.json'), '{"family":"dcgan"}');
    expect(await refusal({ run: at('gan') })).toMatch(
      /^export: --page: expected a run of the family transformer, got dcgan/,
    );
    expect(existsSync(at('new'))).toBe(false);
  });
});
