/** @file Bundles the page into dist, and copies what it starts beside it. */
import { copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

await build({ entryPoints: ['main.js'], outdir: 'dist', bundle: true, format: 'esm', minify: true });
copyFileSync('index.html', 'dist/index.html');
for (const file of ['worker.js', 'worker-webgpu.js', 'tessera.wasm']) {
  copyFileSync(fileURLToPath(import.meta.resolve(`tesserae/browser/${file}`)), `dist/${file}`);
}
