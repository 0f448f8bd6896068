/**
 * @file The trainer in a real browser: its worker trains what was dropped, is paused, and goes on after a reload. What comes out is
 * compared with what Node trains on the same pictures, bit for bit.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unzipSync, zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser, chromium } from '../../scripts/pictures/chromium.ts';
import type { RunConfigInput } from '../../src/config/run.ts';
import { packageRoot } from '../../src/io/package-root.ts';
import { train } from '../../src/library/train.ts';
import type { Ask, Tell } from '../../src/trainer/messages.ts';
import { byHeart, temporaryFolder, tessera, writeDrawings } from '../cli/program.ts';
import { type Site, serveSite } from './site.ts';

const noWasm = !existsSync(join(packageRoot(), 'native', 'build', 'tessera.wasm'));
const reason = chromium === undefined ? 'no chromium' : noWasm ? 'no tessera.wasm' : undefined;
const skipped = reason === undefined ? '' : ` (skipped: ${reason})`;

const config = {
  ...byHeart,
  images: { ...byHeart.images, validation: 0.25 },
  patchTrain: { ...byHeart.patchTrain, steps: 4 },
  train: {
    ...byHeart.train,
    steps: 10,
    batchSize: 4,
    saveEvery: 4,
    evalEvery: 5,
    sampleEvery: 10,
    logEvery: 1,
    checkSamples: 0,
  },
} satisfies RunConfigInput;

/** A page whose worker is asked by hand. `pause` asks for it at a step of the transformer. */
const page = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module">
const heard = [];
let hear = () => {};
const worker = new Worker('/lib/train-worker.js', { type: 'module' });
worker.onmessage = ({ data }) => { heard.push(data); hear(data); };
worker.onerror = event => hear({ type: 'refused', text: event.message });
globalThis.ask = (message, type, pauseAt) => new Promise(resolve => {
  hear = data => {
    if (data.type === 'progress' && data.event.type === 'step' && data.event.stage === 'transformer' && data.event.step === pauseAt) {
      worker.postMessage({ type: 'pause' });
    }
    if (data.type === type || data.type === 'refused') resolve(data);
  };
  worker.postMessage(message);
});
globalThis.files = async names => Promise.all(names.map(async path => {
  const bytes = await (await fetch('/data/' + path)).arrayBuffer();
  return { path, file: new File([bytes], path.split('/').at(-1), { lastModified: 1e12 }) };
}));
globalThis.base64 = async blob => {
  let text = '';
  for (const byte of new Uint8Array(await blob.arrayBuffer())) text += String.fromCharCode(byte);
  return btoa(text);
};
</script>`;

const out = temporaryFolder();
const data = join(out, 'drawings');
let site: Site;
let browser: Browser;

beforeAll(async () => {
  const script = join(packageRoot(), 'scripts', 'bundle-trainer.mjs');
  expect(spawnSync(process.execPath, [script, '--out', join(out, 'lib')], { stdio: 'inherit' }).status).toBe(0);
  await writeDrawings(data);
  if (reason !== undefined) return;
  const names = readdirSync(data);
  const member = (name: string) => [`some/${name}`, new Uint8Array(readFileSync(join(data, name)))] as const;
  const broken = [
    ['some/torn.png', new Uint8Array(readFileSync(join(data, names[0])).subarray(0, 60))],
    ['some/torn.txt', new TextEncoder().encode('a torn picture')],
    ['some/notes.md', new TextEncoder().encode('of nobody')],
    ['../outside.txt', new TextEncoder().encode('elsewhere')],
  ] as const;
  writeFileSync(join(data, 'all.zip'), zipSync(Object.fromEntries([...names.map(member), ...broken])));
  site = await serveSite({
    '/lib/': join(out, 'lib'),
    '/data/': data,
    '/': new Map([['index.html', page]]),
  });
  browser = await Browser.start();
  await browser.open(`${site.url}/index.html`);
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
});

/** Asks the worker, and gives what it answers, without what does not fit JSON. */
async function ask<T extends Tell['type']>(
  message: Ask | { readonly type: 'take'; readonly name: string; readonly files: readonly string[] },
  type: T,
  pauseAt = -1,
): Promise<Extract<Tell, { type: T }>> {
  const files = 'files' in message ? `files(${JSON.stringify(message.files)})` : 'undefined';
  const asked = `ask({ ...${JSON.stringify(message)}, files: await ${files} }, '${type}', ${pauseAt})`;
  const answer = await browser.read<Tell>(`(async () => JSON.parse(JSON.stringify(await ${asked})))()`);
  expect(answer).toMatchObject({ type });
  return answer as Extract<Tell, { type: T }>;
}

/** The run as it is downloaded, by the names of its files. */
async function downloaded(): Promise<Record<string, Uint8Array>> {
  const zip = await browser.read<string>(`ask({ type: 'pack' }, 'packed').then(({ zip }) => base64(zip))`);
  return unzipSync(Buffer.from(zip, 'base64'));
}

const lossesOf = (log: string) =>
  log
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Record<string, number>)
    .map(({ stage, step, loss, norm, val_loss }) => ({ stage, step, loss, norm, val_loss }));

describe(`the trainer in a browser${skipped}`, () => {
  test.skipIf(reason !== undefined)(
    'trains what Node trains by WebAssembly, bit for bit, also with a pause and a reload; and Node paints with it',
    async () => {
      const names = readdirSync(data).filter(name => name !== 'all.zip');
      await ask({ type: 'take', name: 'drawings', files: names }, 'there');
      const { plan } = await ask({ type: 'plan', fields: config, backend: 'wasm' }, 'planned');
      expect(plan).toMatchObject({ backend: 'wasm', problems: [], unused: [] });
      expect(await ask({ type: 'train', backend: 'wasm' }, 'ended', 5)).toMatchObject({ isDone: false });
      await browser.reload();
      const { there } = await ask({ type: 'look' }, 'there');
      expect(there).toMatchObject({ data: { name: 'drawings', files: 16 }, run: { isDone: false } });
      expect(there.run?.detail.card).toMatchObject({ stage: 'transformer', steps: 10 });
      expect(await ask({ type: 'train', backend: 'wasm' }, 'ended')).toMatchObject({ isDone: true });
      const files = await downloaded();

      const node = join(out, 'node');
      await train({ data: onlyDrawings(names), out: node, config, backend: 'wasm' });
      const own = (name: string) => files[`drawings-run/${name}`];
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      const log = lossesOf(text(own('metrics.jsonl')));
      expect(log.filter(({ stage }) => String(stage) === 'transformer').length).toBeGreaterThan(10);
      expect(log).toEqual(lossesOf(readFileSync(join(node, 'metrics.jsonl'), 'utf8')));
      for (const name of ['tokenizer.json', 'patch.safetensors', 'model.safetensors', 'ema.safetensors']) {
        expect(Buffer.from(own(name)).equals(readFileSync(join(node, name))), name).toBe(true);
      }

      for (const [name, bytes] of Object.entries(files)) {
        mkdirSync(dirname(join(out, name)), { recursive: true });
        writeFileSync(join(out, name), bytes);
      }
      const run = join(out, 'drawings-run');
      const painted = await tessera(
        'sample',
        '--run',
        run,
        '--text',
        'red circle',
        '--outputs-dir',
        join(out, 'painted'),
      );
      expect(painted).toMatchObject({ code: 0 });
    },
  );

  test.skipIf(reason !== undefined)(
    'takes a ZIP file by the rules for folders, and names what it does not use',
    async () => {
      await ask({ type: 'discard' }, 'there');
      const { there } = await ask({ type: 'take', name: 'all', files: ['all.zip'] }, 'there');
      expect(there).toMatchObject({ data: { name: 'all', files: 19 } });
      const { plan } = await ask({ type: 'plan', fields: config, backend: 'wasm' }, 'planned');
      expect(plan.problems).toEqual([{ id: 'some/torn.png', what: expect.stringContaining('breaks off') }]);
      expect(plan.unused.map(({ id }) => id)).toEqual(['../outside.txt', 'some/notes.md']);
    },
  );
});

/** A folder of the drawings alone. */
function onlyDrawings(names: readonly string[]): string {
  const folder = join(out, 'alone');
  mkdirSync(folder);
  for (const name of names) writeFileSync(join(folder, name), readFileSync(join(data, name)));
  return folder;
}
