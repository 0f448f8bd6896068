/**
 * @file The library in a real browser: what scripts/bundle-browser.mjs makes is served, and a page paints with it. What comes
 * out is compared with Node's.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser, chromium } from '../../scripts/pictures/chromium.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import { openRunBytes } from '../../src/families/transformer/painted-run.ts';
import { packageRoot } from '../../src/io/package-root.ts';
import { shippedModel } from '../../src/runs/run.ts';
import { type Site, serveSite } from './site.ts';
import { bytesOf, tinyRun } from './tiny-run.ts';

const noWasm = !existsSync(join(packageRoot(), 'native', 'build', 'tessera-paint.wasm'));
const reason = chromium === undefined ? 'no chromium' : noWasm ? 'no tessera-paint.wasm' : undefined;
const skipped = reason === undefined ? '' : ` (skipped: ${reason})`;

const lib = mkdtempSync(join(tmpdir(), 'tessera-bundle-'));
let files: ReadonlyMap<string, Uint8Array>;
let places: Parameters<typeof serveSite>[0];
let site: Site;

beforeAll(async () => {
  const script = join(packageRoot(), 'scripts', 'bundle-browser.mjs');
  expect(spawnSync(process.execPath, [script, '--out', lib], { stdio: 'inherit' }).status).toBe(0);
  if (reason !== undefined) return;
  await selectBackend('wasm');
  files = await tinyRun();
  const broken = new Map(files).set(
    'patch.safetensors',
    Uint8Array.from(files.get('patch.safetensors') ?? [], byte => byte ^ 1),
  );
  const page =
    '<!doctype html><meta charset="utf-8"><script type="module">globalThis.T = await import("/lib/tessera.js")</script>';
  places = {
    '/lib/': lib,
    '/emoji/': shippedModel(),
    '/tiny/': files,
    '/broken/': broken,
    '/': new Map([['index.html', page]]),
  };
  site = await serveSite(places);
});
afterAll(async () => {
  rmSync(lib, { recursive: true, force: true });
  await site?.close();
});

/** The codes that Node paints of some run's files. */
async function paintedInNode(
  run: ReadonlyMap<string, Uint8Array>,
  caption: string,
  options: object,
): Promise<number[]> {
  const painter = openRunBytes('test', bytesOf(run));
  let codes: number[] = [];
  for await (const painting of painter.paint(caption, options)) codes = [...painting.codes];
  painter.dispose();
  return codes;
}

/** A browser with a page that has the library as `T`, and helpers. */
async function openPage(options: Parameters<typeof Browser.start>[0] = {}, from = site): Promise<Browser> {
  const browser = await Browser.start(options);
  await browser.open(`${from.url}/index.html`);
  await browser.until('globalThis.T !== undefined');
  await browser.read(`globalThis.paintAll = async (run, caption, options) => {
    const parts = [];
    for await (const { codes, done, picture } of run.paint(caption, options)) {
      parts.push({ codes: [...codes], done, size: [picture.width, picture.height], mean: picture.data.reduce((a, b) => a + b) });
    }
    return parts;
  }`);
  await browser.read(
    `globalThis.failure = promise => promise.then(() => 'none', ({ name, message, hint }) => ({ name, message, hint }))`,
  );
  return browser;
}

interface Part {
  readonly codes: number[];
  readonly done: number;
  readonly size: [number, number];
}

const last = (parts: readonly Part[]) => parts[parts.length - 1];

test('what painting needs without WebGPU is at most 250 kB, compressed', () => {
  const names = ['tessera.js', 'worker.js', ...(noWasm ? [] : ['tessera.wasm'])];
  const sizes = names.map(name => gzipSync(readFileSync(join(lib, name)), { level: 9 }).length);
  expect(
    sizes.reduce((sum, size) => sum + size, 0),
    sizes.join(' + '),
  ).toBeLessThanOrEqual(250_000);
});

describe.skipIf(reason !== undefined)(`a page${skipped}`, { timeout: 120_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openPage();
    await browser.read(`(async () => { globalThis.run = await T.Tessera.load('/tiny/') })()`);
  });
  afterAll(() => browser?.close());

  test('paints the shipped model as Node does, tile by tile, and knows its captions', async () => {
    const model = shippedModel();
    const names = ['config.json', 'tokenizer.json', 'patch.safetensors', 'ema.safetensors'];
    const read = new Map(names.map(name => [name, new Uint8Array(readFileSync(join(model, name)))]));
    await selectBackend(registerAddon() === undefined ? 'native' : 'wasm', { precision: 'fp32' });
    const expected = await paintedInNode(read, 'red apple', { seed: 7 });
    await selectBackend('wasm');
    const {
      parts,
      info,
      backend,
      reason: why,
      progress,
      unseen,
    } = await browser.read<{
      parts: Part[];
      info: { parameters: number; captions: string[]; grid: number };
      backend: string;
      reason: string;
      progress: { loaded: number; total: number };
      unseen: { word: string; nearest?: { word: string } }[];
    }>(`(async () => {
      let progress;
      const emoji = await T.Tessera.load('/emoji/', { onProgress: news => { progress = news } });
      const parts = await paintAll(emoji, 'red apple', { seed: 7 });
      const unseen = await emoji.unseenWords('red appel');
      emoji.dispose();
      return { parts, info: emoji.info, backend: emoji.backend, reason: emoji.backendReason, progress, unseen };
    })()`);
    expect(last(parts).codes).toEqual(expected);
    expect(parts.map(({ done }) => done)).toEqual([8, 16, 24, 32, 40, 48, 56, 64]);
    expect(parts[0].codes.slice(8).every(code => code === -1)).toBe(true);
    expect(last(parts).size).toEqual([128, 128]);
    expect(info).toMatchObject({ grid: 8 });
    expect(info.parameters).toBeGreaterThan(8e6);
    expect(info.captions).toContain('red apple');
    expect(unseen).toMatchObject([{ word: 'appel', nearest: { word: 'apple' } }]);
    expect(backend).toBe('wasm');
    expect(why).toMatch(/^WebAssembly paints: the run has 8\.\d M parameters/);
    const bytes = names.reduce((sum, name) => sum + readFileSync(join(model, name)).length, 0);
    expect(progress).toMatchObject({ loaded: bytes, total: bytes });
  });

  test('paints several pictures of a seed, and completes what is kept', async () => {
    const both = await paintedInNode(files, 'a red apple', { seed: 3, images: 2, topK: 5 });
    const { two, kept } = await browser.read<{ two: Part[]; kept: Part[] }>(`(async () => {
      const two = await paintAll(run, 'a red apple', { seed: 3, count: 2, topK: 5 });
      const codes = Int32Array.from(two[two.length - 1].codes.slice(0, 16));
      const mask = Array.from(codes, (_, i) => i < 6 || i === 9);
      return { two, kept: await paintAll(run, 'a blue sea', { seed: 4, kept: { codes, mask } }) };
    })()`);
    expect(last(two).codes).toEqual(both);
    const stays = last(kept).codes.filter((_, i) => i < 6 || i === 9);
    expect(stays).toEqual(both.slice(0, 16).filter((_, i) => i < 6 || i === 9));
    expect(last(kept).codes.every(code => code >= 0)).toBe(true);
  });

  test('turns pictures into codes and back', async () => {
    const { size, again } = await browser.read<{ size: number[]; again: number }>(`(async () => {
      const picture = await run.decode(Int32Array.from({ length: 16 }, (_, i) => i));
      const codes = await run.encode(picture);
      return { size: [picture.width, picture.height], again: codes.length };
    })()`);
    expect(size).toEqual([32, 32]);
    expect(again).toBe(16);
  });

  test('paintings wait for one another; one that is aborted, or left, makes room', async () => {
    const order = await browser.read<string[]>(`(async () => {
      const order = [];
      const stop = new AbortController();
      const first = (async () => {
        for await (const { done } of run.paint('one', { signal: stop.signal })) {
          if (done === 4) stop.abort(new Error('enough'));
        }
      })().catch(({ message }) => order.push(message));
      const second = (async () => {
        for await (const { done } of run.paint('two')) { order.push('two ' + done); break; }
      })();
      const third = paintAll(run, 'three').then(parts => order.push('three ' + parts.length));
      await Promise.all([first, second, third]);
      return order;
    })()`);
    expect(order).toEqual(['enough', 'two 4', 'three 4']);
  });

  test('takes files that were dropped', async () => {
    const expected = await paintedInNode(files, 'green leaves', { seed: 1 });
    const parts = await browser.read<Part[]>(`(async () => {
      const names = ${JSON.stringify([...files.keys()])};
      const dropped = await Promise.all(names.map(async name => new File([await (await fetch('/tiny/' + name)).blob()], name)));
      const own = await T.Tessera.load(dropped);
      const parts = await paintAll(own, 'green leaves', { seed: 1 });
      own.dispose();
      return parts;
    })()`);
    expect(last(parts).codes).toEqual(expected);
  });

  test('names what is wrong, and how to mend it', async () => {
    const said = await browser.read<Record<string, { name: string; message: string; hint?: string }>>(`(async () => ({
      broken: await failure(T.Tessera.load('/broken/')),
      missing: await failure(T.Tessera.load('/nowhere/')),
      files: await failure(T.Tessera.load([new File(['x'], 'x.png')])),
      kernels: await failure(T.Tessera.load('/tiny/', { wasmUrl: '/lib/none.wasm' })),
      worker: await failure(T.Tessera.load('/tiny/', { workerUrl: '/lib/none.js' })),
      option: await failure((async () => paintAll(run, 'x', { temperature: -1 }))()),
      kept: await failure((async () => paintAll(run, 'x', { kept: { codes: new Int32Array(16), mask: Array(16).fill(true) } }))()),
      aborted: await failure(T.Tessera.load('/tiny/', { signal: AbortSignal.abort(new Error('stop')) })),
      disposed: await (async () => {
        const other = await T.Tessera.load('/tiny/');
        other.dispose();
        return failure((async () => paintAll(other, 'x'))());
      })(),
    }))()`);
    expect(said.broken).toMatchObject({ name: 'UserError', message: expect.stringMatching(/patch\.safetensors/) });
    expect(said.missing).toMatchObject({
      name: 'UserError',
      message: expect.stringContaining('/nowhere/config.json: expected a file of a run, got 404'),
    });
    expect(said.missing.hint).toMatch(/config\.json/);
    expect(said.files.message).toBe('load: files: expected those of a run, with config.json, got x.png');
    expect(said.kernels).toMatchObject({ name: 'UserError', message: expect.stringContaining('none.wasm') });
    expect(said.worker).toMatchObject({ name: 'UserError', message: expect.stringContaining('none.js') });
    expect(said.option.message).toBe('paint: temperature: expected a number from 0 to 100, got -1');
    expect(said.kept.message).toMatch(/^paint: kept: mask: expected 16 of true and false, some of them false/);
    expect(said.aborted.message).toBe('stop');
    expect(said.disposed.message).toMatch(/was disposed of$/);
  });

  test('without a GPU, WebAssembly paints, and says so in a line', async () => {
    const { backend, lines } = await browser.read<{ backend: string; lines: string[] }>(`(async () => {
      const lines = [];
      const own = await T.Tessera.load('/tiny/', { backend: 'webgpu', onBackend: (name, why) => lines.push(name + ': ' + why) });
      const { backend } = own;
      own.dispose();
      return { backend, lines };
    })()`);
    expect(backend).toBe('wasm');
    expect(lines).toEqual([expect.stringMatching(/^wasm: WebAssembly paints: .*(no GPU|no WebGPU)/)]);
  });
});

describe.skipIf(reason !== undefined)(`a page with a GPU in software${skipped}`, { timeout: 120_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openPage({ gpu: true });
  });
  afterAll(() => browser?.close());

  test('paints greedily the codes of fp32, and goes on by WebAssembly when the device is lost', async () => {
    const expected = await paintedInNode(files, 'a red apple', { temperature: 0 });
    const { parts, backend } = await browser.read<{ parts: Part[]; backend: string }>(`(async () => {
      globalThis.lines = [];
      globalThis.own = await T.Tessera.load('/tiny/', { backend: 'webgpu', onBackend: (name, why) => lines.push(name + ': ' + why) });
      return { backend: own.backend, parts: await paintAll(own, 'a red apple', { temperature: 0 }) };
    })()`);
    expect(backend).toBe('webgpu');
    expect(last(parts).codes).toEqual(expected);

    await browser.loseGpu();
    const again = await browser.read<{ parts: Part[]; backend: string; lines: string[] }>(`(async () => {
      const parts = await paintAll(own, 'a blue sea', { seed: 5 });
      return { parts, backend: own.backend, lines };
    })()`);
    expect(again.backend).toBe('wasm');
    expect(again.lines).toEqual([
      expect.stringMatching(/^webgpu: WebGPU paints: it was asked for \(.+\)$/),
      expect.stringMatching(/^wasm: webgpu: .*lost.*; WebAssembly paints instead/),
    ]);
    expect(again.parts.map(({ done }) => done)).toEqual([4, 8, 12, 16]);
    expect(last(again.parts).codes).toEqual(await paintedInNode(files, 'a blue sea', { seed: 5 }));
  });
});

describe.skipIf(reason !== undefined)(`an isolated page${skipped}`, { timeout: 120_000 }, () => {
  test('paints the same on several threads', async () => {
    const isolated = await serveSite(places, { isolated: true });
    const browser = await openPage({}, isolated);
    try {
      const { parts, isolation } = await browser.read<{ parts: Part[]; isolation: boolean }>(`(async () => {
        const own = await T.Tessera.load('/tiny/');
        return { parts: await paintAll(own, 'a red apple', { seed: 9 }), isolation: crossOriginIsolated };
      })()`);
      expect(isolation).toBe(true);
      expect(last(parts).codes).toEqual(await paintedInNode(files, 'a red apple', { seed: 9 }));
    } finally {
      await browser.close();
      await isolated.close();
    }
  });
});
