/**
 * @file Bundles the trainer for browsers, into dist/browser/trainer: its page, and its worker, which is the program's own training
 * with the forms of Node's modules of src/trainer/node in their place, and every `name.browser.ts` in that of `name.ts`.
 *
 *   node scripts/bundle-trainer.mjs [--out FOLDER]
 */
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from './native-flags.mjs';
import { twins } from './twins.mjs';

const trainer = join(root, 'src', 'trainer');
const own = join(trainer, 'node');
const small = join(own, 'small.ts');
const many = ['buffer', 'child_process', 'crypto', 'module', 'os', 'stream', 'stream/promises', 'timers/promises'];

/** Node's modules, and what a browser has otherwise. A name that a form lacks is an error of the bundle. */
const forms = {
  'node:fs': join(own, 'fs.ts'),
  'node:fs/promises': join(own, 'fs-promises.ts'),
  'node:path': 'path-browserify',
  'tar-stream': small,
  ...Object.fromEntries([...many, 'url', 'util', 'zlib'].map(name => [`node:${name}`, small])),
};

/** The form of sharp, as what it exports by default. */
const sharp = {
  name: 'sharp',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^sharp$/ }, () => ({ path: 'sharp', namespace: 'default' }));
    onLoad({ filter: /^sharp$/, namespace: 'default' }, () => ({
      contents: `export { sharp as default } from './sharp.ts';`,
      resolveDir: own,
    }));
  },
};

/** @param outdir where `trainer.js`, `train-worker.js` and the kernels in WebAssembly come, as far as these were built */
async function bundleTrainer(outdir) {
  const result = await build({
    entryPoints: {
      trainer: join(trainer, 'page', 'main.ts'),
      'train-worker': join(trainer, 'worker.ts'),
      isolate: join(trainer, 'isolate.ts'),
    },
    outdir,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    metafile: true,
    legalComments: 'none',
    logLevel: 'warning',
    logOverride: { 'empty-import-meta': 'silent' },
    alias: forms,
    external: ['webgpu', '@tensorflow/tfjs-node-gpu'],
    inject: [join(own, 'globals.ts')],
    plugins: [twins, sharp],
  });
  const kernels = join(root, 'native', 'build', 'tessera.wasm');
  if (existsSync(kernels)) copyFileSync(kernels, join(outdir, 'tessera.wasm'));
  return result;
}

const [, , flag, folder] = process.argv;
await bundleTrainer(flag === '--out' ? folder : join(root, 'dist', 'browser', 'trainer'));
