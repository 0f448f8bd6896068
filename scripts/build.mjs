/**
 * @file Builds what `npx tesserae` runs: the sources into dist, and the C++ addon for this machine, which is left out with a
 * warning where there is no compiler, and the kernels in WebAssembly, where clang has what that needs. npm runs it after
 * `npm ci` in a clone and before it packs (`prepare`).
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { root } from './native-flags.mjs';

const require = createRequire(import.meta.url);
const program = join(root, 'dist', 'src', 'cli.js');

/** Runs a script, whose failure is this one's. */
function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** TypeScript's compiler; undefined after `npm ci --omit=dev`. */
function typescript() {
  try {
    return join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');
  } catch {
    return undefined;
  }
}

// At its first call npx links the clone and prepares it again: nothing to do there if `npm ci` has.
if (process.env.npm_command !== 'exec' || !existsSync(program)) {
  const compiler = typescript();
  if (compiler !== undefined) {
    run(compiler, '-p', 'tsconfig.page.json'); // before the rest, which has the declarations of what both compile
    run(compiler, '-p', 'tsconfig.bundle.json'); // for its declarations alone
    run(compiler, '-p', 'tsconfig.build.json');
    // Scripts that a page or an export takes as they are.
    for (const scripts of [join('src', 'study', 'page', 'browser'), join('src', 'runs', 'onnx', 'examples')]) {
      cpSync(join(root, scripts), join(root, 'dist', scripts), { recursive: true });
    }
    run(join('scripts', 'public-types.mjs'));
    chmodSync(program, 0o755); // npm makes it executable when it links it, but not when it is compiled anew
  } else if (!existsSync(program)) {
    console.warn('build: dist is not there, and no TypeScript to compile it; run `npm ci` with dev dependencies');
  }
  run(join('scripts', 'build-native.mjs'));
  run(join('scripts', 'build-wasm.mjs'));
  if (compiler !== undefined) run(join('scripts', 'bundle-browser.mjs')); // esbuild comes with the compiler
  if (compiler !== undefined) run(join('scripts', 'bundle-trainer.mjs'));
}
