/**
 * @file The page of `tessera export --page` and `--single` in a real browser: served from a subfolder and opened from a disk it
 * paints the codes that Node paints, keeps what it has loaded, paints parts anew, and says what to do where a file is missing.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser, chromium } from '../../scripts/pictures/chromium.ts';
import { readPngText } from '../../src/image/png.ts';
import { packageRoot } from '../../src/io/package-root.ts';
import { fingerprint } from '../../src/io/runfolder.ts';
import { Tessera } from '../../src/library/tessera.ts';
import { shippedModel } from '../../src/runs/run.ts';
import { exportPage } from '../../src/web/painter/export-page.ts';
import { type Site, serveSite } from './site.ts';

const noWasm = !existsSync(join(packageRoot(), 'native', 'build', 'tessera-paint.wasm'));
const reason = chromium === undefined ? 'no chromium' : noWasm ? 'no tessera-paint.wasm' : undefined;
const skipped = reason === undefined ? '' : ` (skipped: ${reason})`;

const temporary = mkdtempSync(join(tmpdir(), 'tessera-painter-'));
const at = (...names: string[]) => join(temporary, ...names);
const asked = '#caption=red+apple&seed=3&temperature=1';
/** A page on a server that lacks most of its files. */
const lacking = new Map<string, Uint8Array>();
const pageFile = (name: string) => readFileSync(at('page', name));
const painted = "document.querySelector('.stage > .actions')?.hidden === false";

describe.skipIf(reason !== undefined)(`the page that paints${skipped}`, { timeout: 120_000 }, () => {
  let site: Site;
  let browser: Browser;
  let codes: string;

  beforeAll(async () => {
    const script = join(packageRoot(), 'scripts', 'bundle-browser.mjs');
    expect(spawnSync(process.execPath, [script, '--out', at('lib')], { stdio: 'inherit' }).status).toBe(0);
    const request = { run: shippedModel(), dtype: 'bf16', scripts: at('lib') } as const;
    await exportPage({ ...request, out: at('page'), isSingle: false });
    await exportPage({ ...request, out: at('one.html'), isSingle: true });
    for (const name of ['index.html', 'page.js', 'style.css', 'run/config.json']) lacking.set(name, pageFile(name));
    site = await serveSite({ '/some/where/': at('page'), '/lacking/': lacking });
    browser = await Browser.start({ downloads: at('saved') });
    await browser.look({ width: 1200, height: 900, isStill: true });
    const model = await Tessera.load(shippedModel(), { precision: 'fp32' });
    for await (const painting of model.paint('red apple', { seed: 3, temperature: 1, previews: false })) {
      codes = painting.codes.join(' ');
    }
    model.dispose();
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
    rmSync(temporary, { recursive: true, force: true });
  });

  const open = async (url: string) => {
    browser.console.length = 0;
    await browser.open('about:blank'); // so that another # is another page
    await browser.open(url);
    await browser.until(painted);
  };
  const click = (words: string) =>
    browser.read(
      `[...document.querySelectorAll('button')].find(({ textContent }) => textContent === '${words}').click()`,
    );
  /** What the file of the picture that is shown says of it. */
  const saved = async () => {
    await browser.download(() => click('Save'));
    const [name] = readdirSync(at('saved'));
    const text = readPngText(readFileSync(at('saved', name)));
    rmSync(at('saved', name));
    return { name, text };
  };
  const loaded = () =>
    browser.read<string[]>(`performance.getEntriesByType('resource').map(({ name }) => name.split('/').pop())`);

  test('in a subfolder of any server paints what Node paints, in a PNG that says how, on a phone too', async () => {
    await open(`${site.url}/some/where/index.html${asked}`);
    const { name, text } = await saved();
    expect(name).toBe('red-apple-seed3.png');
    expect(text).toEqual({
      Title: 'red apple',
      Software: 'Tessera',
      'tessera:run': 'emoji',
      'tessera:family': 'transformer',
      'tessera:weights': 'ema',
      'tessera:weights_sha256': await fingerprint(join(shippedModel(), 'ema.safetensors')),
      'tessera:backend': 'wasm',
      'tessera:seed': '3',
      'tessera:temperature': '1',
      'tessera:topK': '0',
      'tessera:topP': '0.9',
      'tessera:cfgScale': '1',
      'tessera:image': '0',
      'tessera:codes': codes,
    });
    expect(browser.console).toEqual([]); // neither an error nor what the policy refused
    await browser.look({ width: 360, height: 780, isPhone: true, isStill: true });
    expect(await browser.read('document.documentElement.scrollWidth')).toBe(360);
    await browser.look({ width: 1200, height: 900, isStill: true });
  });

  test('paints a part anew by keys alone, and the rest stays', async () => {
    await click('Change a part');
    await browser.until("document.activeElement?.matches('.part-editor canvas')");
    await browser.press('ArrowRight');
    await browser.press(' ', 'Space');
    await browser.press('ArrowDown');
    await browser.press(' ', 'Space');
    await browser.read("document.querySelector('#caption').value = 'blue heart'");
    await click('Paint the marked part');
    await browser.until(painted);
    const { text } = await saved();
    const [before, after] = [codes, text['tessera:codes']].map(list => list.split(' '));
    const changed = after.flatMap((code, i) => (code === before[i] ? [] : [i]));
    expect(changed.every(cell => cell === 1 || cell === 9)).toBe(true);
    expect(text).toMatchObject({ Title: 'blue heart', 'tessera:completed': 'on a page' });
  });

  test('loads its weights once, and what codes pictures for a picture alone', async () => {
    const weights = async () => (await loaded()).filter(name => /packed$/.test(name)).sort();
    expect(await weights()).toEqual(['ema.safetensors.packed', 'patch.safetensors.packed']);
    await open(`${site.url}/some/where/index.html${asked}`);
    expect(await weights()).toEqual([]);
    await browser.read(`(async () => {
      const canvas = document.createElement('canvas');
      const file = new File([await new Promise(resolve => canvas.toBlob(resolve))], 'own.png', { type: 'image/png' });
      const files = new DataTransfer();
      files.items.add(file);
      const input = document.querySelector('#own-picture');
      input.files = files.files;
      input.dispatchEvent(new Event('change'));
    })()`);
    await browser.until("document.querySelector('.part-editor')?.hidden === false");
    expect(await weights()).toEqual(['encoder.safetensors.packed']);
    expect(browser.console).toEqual([]);
  });

  test('says what is missing, what to do, and tries again', async () => {
    await browser.open(`${site.url}/lacking/index.html`);
    await browser.until("document.querySelector('.failure') !== null");
    const words = () => browser.read<string>("document.querySelector('.loading').textContent");
    expect(await words()).toMatch(
      /expected a file at .*\/lacking\/run\/.*, the server answers 404.*put the whole exported folder/,
    );
    for (const name of readdirSync(at('page'))) if (name !== 'run') lacking.set(name, pageFile(name));
    for (const name of readdirSync(at('page', 'run'))) lacking.set(`run/${name}`, pageFile(`run/${name}`));
    await click('Try again');
    await browser.until(painted);
  });

  test('as one file paints the same from a disk, and loads nothing', async () => {
    await open(pathToFileURL(at('one.html')).href + asked);
    expect((await saved()).text['tessera:codes']).toBe(codes);
    expect(browser.console).toEqual([]);
    expect(await loaded()).toEqual([]);
  });
});
