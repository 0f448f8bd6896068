/**
 * @file The page in a real browser, Debian's chromium, without a network: pictures and charts are there and nothing
 * complains. Skipped aloud where there is no chromium.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { renderPage } from '../../src/report/page.ts';
import { captions, four, reportOf } from './synthetic.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome'];
const browser = names.find(name => spawnSync(name, ['--version']).status === 0);
if (browser === undefined) console.warn(`no ${names.join(', ')}: the report is not looked at in a browser`);

const folder = mkdtempSync(join(tmpdir(), 'tessera-report-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the browser on a file, which must not reach any network. */
function browse(file: string, ...flags: string[]): Promise<{ stdout: string; stderr: string }> {
  const home = join(folder, 'home');
  mkdirSync(home, { recursive: true });
  const fixed = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--hide-scrollbars'];
  const offline = ['--host-resolver-rules=MAP * ~NOTFOUND', '--disable-background-networking', '--no-first-run'];
  const where = [`--user-data-dir=${join(home, 'profile')}`, '--enable-logging=stderr', '--virtual-time-budget=4000'];
  const argv = [...fixed, ...offline, ...where, ...flags, pathToFileURL(file).href];
  const child = spawn(browser ?? '', argv, { env: { ...process.env, HOME: home } });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve({ stdout, stderr }));
  });
}

/** What the page's own script would find out, if it had one: written into the page's title for --dump-dom to show. */
const probe = `<script>addEventListener('load', () => {
  const images = [...document.images];
  const boxes = [...document.querySelectorAll('svg.chart')].map(svg => svg.getBoundingClientRect());
  document.title = JSON.stringify({
    images: images.length,
    decoded: images.filter(image => image.complete && image.naturalWidth === 64 && image.naturalHeight === 64).length,
    charts: boxes.length,
    drawn: boxes.filter(box => box.width > 100 && box.height > 50).length,
    wide: document.documentElement.scrollWidth,
    captions: [...document.querySelectorAll('table.grid tbody th')].map(cell => cell.textContent),
    bold: document.querySelectorAll('table.grid tbody th b').length,
  });
});</script>`;

const consoleLines = (stderr: string) => stderr.split('\n').filter(line => /CONSOLE/.test(line));

describe.skipIf(browser === undefined)('the page in a browser', { timeout: 60_000 }, () => {
  const file = join(folder, 'report.html');
  beforeAll(async () => {
    writeFileSync(file, renderPage(await reportOf(four)));
  });

  test('shows all its pictures, charts and captions', async () => {
    // The page forbids scripts; the probe needs a copy that allows one.
    const probed = join(folder, 'probed.html');
    const page = readFileSync(file, 'utf8').replace('default-src &#39;none&#39;', 'script-src &#39;unsafe-inline&#39;');
    writeFileSync(probed, page.replace('</head>', `${probe}</head>`));
    const { stdout, stderr } = await browse(probed, '--window-size=1200,900', '--dump-dom');
    const title = /<title>(\{.*?\})<\/title>/.exec(stdout)?.[1].replaceAll('&lt;', '<').replaceAll('&gt;', '>');
    const found = JSON.parse((title ?? '{}').replaceAll('&amp;', '&')) as Record<string, unknown>;
    expect(found).toEqual({ images: 188, decoded: 188, charts: 17, drawn: 17, wide: 1200, captions, bold: 0 });
    expect(consoleLines(stderr)).toEqual([]);
  });

  test('says nothing on the console, and is drawn, light and dark', async () => {
    const means: number[] = [];
    for (const [name, ...flags] of [
      ['light'],
      ['dark', '--force-dark-mode', '--blink-settings=preferredColorScheme=0'],
    ]) {
      const picture = join(folder, `${name}.png`);
      const { stderr } = await browse(file, '--window-size=1200,2400', `--screenshot=${picture}`, ...flags);
      expect(consoleLines(stderr)).toEqual([]);
      const { channels } = await sharp(picture).stats();
      means.push(channels[0].mean);
      expect(channels[0].stdev).toBeGreaterThan(10); // not an empty page
    }
    expect(means[0]).toBeGreaterThan(200);
    expect(means[1]).toBeLessThan(90);
  });

  test('would say so if it tried to load something', async () => {
    const loading = join(folder, 'loading.html');
    const page = readFileSync(file, 'utf8');
    writeFileSync(loading, page.replace('<main>', '<main><img src="https://example.org/a.png" alt="" />'));
    const { stderr } = await browse(loading, '--dump-dom');
    expect(consoleLines(stderr).join('\n')).toMatch(/Content Security Policy/);
  });
});
