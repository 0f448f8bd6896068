/**
 * @file What npm runs after `npm ci` in a clone, and before it packs: compiles the sources to dist and the C++ addon for
 * this machine, so that `npx tessera` works from then on. Without a C++ compiler the addon is left out, with a warning.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { root } from './native-flags.mjs';

const require = createRequire(import.meta.url);

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

// npx links the clone and prepares it again when it first runs the program.
const isBuilt = existsSync(join(root, 'dist', 'src', 'cli.js'));
if (process.env.npm_command !== 'exec' || !isBuilt) {
  const compiler = typescript();
  if (compiler !== undefined) run(compiler, '-p', 'tsconfig.build.json');
  else if (!isBuilt) console.warn('prepare: dist is not built, TypeScript is not installed; run `npm ci` to get it');
  run(join('scripts', 'build-native.mjs'));
}
