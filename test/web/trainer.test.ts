/** @file The page of the trainer as a folder: what is written, over what, and what is refused. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { exportTrainer } from '../../src/web/trainer/export.ts';

const room = mkdtempSync(join(tmpdir(), 'tessera-trainer-'));
afterAll(() => rmSync(room, { recursive: true, force: true }));

const scripts = join(room, 'built');
const built = ['trainer.js', 'train-worker.js', 'isolate.js', 'tessera.wasm'];
mkdirSync(scripts);
for (const name of built) writeFileSync(join(scripts, name), name);

test('a folder has the document, its looks and what was built, and is written anew over itself', async () => {
  const out = join(room, 'page');
  const files = await exportTrainer(out, { scripts });
  expect([...files].sort()).toEqual(readdirSync(out).sort());
  expect([...files].sort()).toEqual(['index.html', 'style.css', ...built].sort());
  writeFileSync(join(scripts, 'trainer.js'), 'another version');
  await exportTrainer(out, { scripts });
  expect(readFileSync(join(out, 'trainer.js'), 'utf8')).toBe('another version');
  // The document names its files, and no other place.
  const page = readFileSync(join(out, 'index.html'), 'utf8');
  expect([...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, to]) => to)).toEqual([
    'data:,',
    'style.css',
    'trainer.js',
  ]);
});

test('a folder of the user stays as it is', async () => {
  const out = join(room, 'own');
  mkdirSync(out);
  writeFileSync(join(out, 'index.html'), '<title>mine</title>');
  await expect(exportTrainer(out, { scripts })).rejects.toThrow(/index\.html/);
  expect(readdirSync(out)).toEqual(['index.html']);
});

test('a package without the built page says how to build it', async () => {
  const why = await exportTrainer(join(room, 'none'), { scripts: join(room, 'nowhere') }).catch(error => error);
  expect(why).toMatchObject({ name: 'UserError', hint: 'npm run build' });
});
