/**
 * @file Bundles what a page takes of the package, into dist/browser: tessera.js is imported, and starts worker.js, or
 * worker-webgpu.js, and tessera.wasm beside it. Each stands alone: no file imports another.
 *
 *   node scripts/bundle-browser.mjs [--out DIR] [--list]    # with what is in them, by size
 */
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './native-flags.mjs';
import { twins } from './twins.mjs';

const source = join(root, 'src', 'browser');

/**
 * The worker of WebAssembly is without WebGPU: tfjs's own part of that alone is larger than all the rest, and the kernels in
 * WGSL come next. What their files export does nothing there, and is asked for by no backend but that one.
 */
const withoutWebgpu = {
  name: 'without-webgpu',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /\/webgpu\.ts$/ }, ({ resolveDir, path }) => {
      const none = join(resolveDir, path.replace(/webgpu\.ts$/, 'webgpu.none.ts'));
      return existsSync(none) ? { path: none } : undefined;
    });
    onLoad({ filter: /\/src\/kernels\/(.*\/webgpu[\w-]*|wgsl\/[\w-]+)\.ts$/ }, ({ path }) => {
      const exported = readFileSync(path, 'utf8').matchAll(/^export (?:async )?(?:function|const|class) (\w+)/gm);
      return { contents: Array.from(exported, ([, name]) => `export function ${name}() {}`).join('\n') };
    });
  },
};

const bundles = [
  { entryPoints: { tessera: join(root, 'src', 'browser.ts') }, plugins: [twins] },
  { entryPoints: { worker: join(source, 'worker', 'wasm.ts') }, plugins: [withoutWebgpu, twins] },
  { entryPoints: { 'worker-webgpu': join(source, 'worker', 'webgpu.ts') }, plugins: [twins] },
  // The page of `export --page`, as a plain script, which runs from a disk too; it names the parts of the engine itself.
  {
    entryPoints: { painter: join(root, 'src', 'painter', 'main.ts') },
    plugins: [twins],
    format: 'iife',
    define: { 'import.meta.url': 'document.baseURI' },
  },
];

/** @returns what esbuild says of each bundle */
export async function bundleBrowser(outdir = join(root, 'dist', 'browser')) {
  const { build } = await import('esbuild');
  const built = await Promise.all(
    bundles.map(bundle =>
      build({
        format: 'esm',
        ...bundle,
        outdir,
        bundle: true,
        platform: 'browser',
        target: 'es2022',
        minify: true,
        metafile: true,
        legalComments: 'none',
        logLevel: 'warning',
      }),
    ),
  );
  const wasm = join(root, 'native', 'build', 'tessera-paint.wasm'); // the kernels that painting calls
  if (existsSync(wasm)) copyFileSync(wasm, join(outdir, 'tessera.wasm'));
  return built;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const out = process.argv.indexOf('--out');
  for (const { metafile } of await bundleBrowser(out === -1 ? undefined : process.argv[out + 1])) {
    if (!process.argv.includes('--list')) continue;
    for (const [file, { bytes, inputs }] of Object.entries(metafile.outputs)) {
      console.log(file, bytes);
      const sizes = Object.entries(inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput);
      for (const [input, { bytesInOutput }] of sizes) console.log(`  ${bytesInOutput}  ${input}`);
    }
  }
}
