/** @file The examples for browsers, installed as a stranger installs them: built by vite, by esbuild and by nothing, each paints. */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser, chromium } from '../../scripts/pictures/chromium.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { packageRoot } from '../../src/io/package-root.ts';
import { serveSite } from './site.ts';
import { tinyRun } from './tiny-run.ts';

const root = packageRoot();
const noWasm = !existsSync(join(root, 'native', 'build', 'tessera-paint.wasm'));
const reason = chromium === undefined ? 'no chromium' : noWasm ? 'no tessera-paint.wasm' : undefined;

const app = mkdtempSync(join(tmpdir(), 'tessera-examples-'));
const run = (folder: string, script: string, ...argv: string[]) =>
  spawnSync(process.execPath, [script, ...argv], { cwd: folder, encoding: 'utf8' });
const installed = (name: string) => join(root, 'node_modules', name);
/** What is in the package for pages. */
const packaged = join(app, 'plain', 'node_modules', 'tesserae', 'dist', 'browser');

describe.skipIf(reason !== undefined)(
  `the examples for browsers${reason === undefined ? '' : ` (skipped: ${reason})`}`,
  { timeout: 60_000 },
  () => {
    let browser: Browser;
    beforeAll(async () => {
      const names = ['plain', 'esbuild', 'vite'];
      for (const name of names) {
        cpSync(join(root, 'examples', `browser-${name}`), join(app, name), { recursive: true });
        const own = join(app, name, 'node_modules', 'tesserae');
        mkdirSync(own, { recursive: true });
        cpSync(join(root, 'package.json'), join(own, 'package.json'));
        if (name === names[0]) {
          const bundled = run(root, join(root, 'scripts', 'bundle-browser.mjs'), '--out', join(own, 'dist', 'browser'));
          expect(bundled.status, bundled.stderr).toBe(0);
        } else cpSync(packaged, join(own, 'dist', 'browser'), { recursive: true });
      }
      symlinkSync(installed('esbuild'), join(app, 'esbuild', 'node_modules', 'esbuild'));
      await selectBackend('cpu');
      const files = await tinyRun();
      for (const place of ['plain/run', 'esbuild/dist/run', 'vite/public/run']) {
        mkdirSync(join(app, place), { recursive: true });
        for (const [name, bytes] of files) writeFileSync(join(app, place, name), bytes);
      }
      browser = await Browser.start();
    });
    afterAll(async () => {
      await browser?.close();
      rmSync(app, { recursive: true, force: true });
    });

    /** Paints as a visitor does. @returns what the page says then */
    async function paintAt(url: string): Promise<string> {
      await browser.open(url);
      await browser.until(`/WebAssembly paints|expected|fail/.test(document.querySelector('output').value)`);
      expect(await browser.read('document.querySelector("output").value')).toMatch(/^WebAssembly paints: /);
      await browser.read(`document.querySelector('button').click()`);
      await browser.until(`document.querySelector('output').value === 'painted 16 of 16 codes'`);
      return browser.read(`(() => {
        const { width, height } = document.querySelector('canvas');
        const { data } = document.querySelector('canvas').getContext('2d').getImageData(0, 0, width, height);
        return width + ' x ' + height + ', opaque ' + (data[3] === 255);
      })()`);
    }

    async function paintFrom(folder: string): Promise<string> {
      const site = await serveSite({ '/': folder });
      try {
        return await paintAt(`${site.url}/index.html`);
      } finally {
        await site.close();
      }
    }

    test('paint without a bundler', async () => {
      cpSync(packaged, join(app, 'plain', 'tesserae'), {
        recursive: true,
      });
      expect(await paintFrom(join(app, 'plain'))).toBe('32 x 32, opaque true');
    });

    test('paint when esbuild has bundled them', async () => {
      const { status, stderr } = run(join(app, 'esbuild'), 'build.mjs');
      expect(status, stderr).toBe(0);
      expect(await paintFrom(join(app, 'esbuild', 'dist'))).toBe('32 x 32, opaque true');
    });

    test('paint when vite has built them', async () => {
      const vite = join(installed('vite'), 'bin', 'vite.js');
      const { status, stderr } = run(join(app, 'vite'), vite, 'build', '--logLevel', 'warn');
      expect(status, stderr).toBe(0);
      expect(await paintFrom(join(app, 'vite', 'dist'))).toBe('32 x 32, opaque true');
    });

    test('paint while vite serves them', async () => {
      const vite = join(installed('vite'), 'bin', 'vite.js');
      const child = spawn(process.execPath, [vite, '--host', '127.0.0.1', '--port', '0'], {
        cwd: join(app, 'vite'),
        env: { ...process.env, NO_COLOR: '1' },
      });
      try {
        const url = await new Promise<string>((resolve, reject) => {
          let text = '';
          child.stdout.setEncoding('utf8').on('data', part => {
            text += part;
            const [, found] = /(http:\/\/127\.0\.0\.1:\d+)/.exec(text) ?? [];
            if (found !== undefined) resolve(found);
          });
          child.once('close', () => reject(new Error(text)));
        });
        expect(await paintAt(`${url}/`)).toBe('32 x 32, opaque true');
      } finally {
        child.kill('SIGKILL');
      }
    });
  },
);
