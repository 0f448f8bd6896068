/**
 * @file Builds the kernels for WebAssembly with clang (Debian, Ubuntu: apt-get install clang-19 lld-19 wasi-libc
 * libc++-19-dev-wasm32 libclang-rt-19-dev-wasm32, or another version; binaryen makes the file smaller):
 * native/build/tessera.wasm, for Node without a compiler and for pages. It is in the npm package, so that nobody who installs that needs this.
 *
 *   node scripts/build-wasm.mjs            builds it if it is missing or older than its sources
 *   node scripts/build-wasm.mjs --strict   fails where it cannot; otherwise it is left out
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, compile, semantics, source, standard, works } from './native-flags.mjs';

const NAME = 'tessera.wasm';
/** The same for pages that paint: without the kernels that training alone calls, it is little more than half as large. */
const PAINTING = 'tessera-paint.wasm';
const ofTraining =
  /Gradient$|^(adamw|addAll|dropout|groupNorm|gumbelSoftmax|klToUniform|leakySlope|linearCrossEntropy|muon|peak\w+|pixelLosses|pull|shiftImages|smooth\w+|squaredNorm)$/;

/** As src/device/native/wasm-addon.ts makes the memory. */
const FIRST_BYTES = 32 * 65536;
const STACK_BYTES = 1 << 20;

const sources = ['conv.cc', 'kernels.cc', 'wasm_threads.cc', 'wasm_addon.cc'].map(name => join(source, name));

const target = ['--target=wasm32-wasi', '-msimd128', '-matomics', '-mbulk-memory'];
const arithmetic = semantics.filter(flag => flag !== '-pthread'); // threads are workers
const compiling = [standard, '-O3', '-fno-exceptions', '-fno-rtti', '-DNDEBUG', ...arithmetic];
const linking = [
  ...target,
  '-nostartfiles',
  // The C library was built without threads: what it has that is not for several is called behind a lock.
  ...['no-entry', 'gc-sections', 'strip-all', 'stack-first', 'shared-memory', 'import-memory', 'no-check-features'].map(
    flag => `-Wl,--${flag}`,
  ),
  `-Wl,--initial-memory=${FIRST_BYTES}`,
  '-Wl,--max-memory=4294967296',
  `-Wl,-z,stack-size=${STACK_BYTES}`,
  ...['__wasm_call_ctors', '__stack_pointer', '__wasm_init_tls', '__tls_size'].map(name => `-Wl,--export=${name}`),
];

/** Versions of a program, the newest first: clang++, clang++-19, ... */
function versionsOf(program) {
  const folders = (process.env.PATH ?? '').split(':').filter(folder => folder !== '' && existsSync(folder));
  const numbered = folders.flatMap(folder => readdirSync(folder)).filter(name => name.startsWith(`${program}-`));
  const version = name => Number(name.slice(program.length + 1));
  const known = [...new Set(numbered)].filter(name => Number.isInteger(version(name)));
  return [...known.sort((a, b) => version(b) - version(a)), program];
}

/** A clang that compiles and links for WebAssembly: it, its linker and the libraries are packages apart. */
function findClang() {
  const program = '#include <vector>\nint main() { return static_cast<int>(std::vector<int>(3).size()); }\n';
  for (const name of versionsOf('clang++').filter(works)) {
    const flags = ['--target=wasm32-wasi', '-fno-exceptions', '-x', 'c++', '-', '-o', '/dev/null'];
    if (spawnSync(name, flags, { input: program, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0) return name;
  }
  return undefined;
}

/** The sources of the kernels for painting: their table is shorter, and the linker leaves out what nothing names. */
function paintingSources() {
  const lines = readFileSync(join(source, 'kernels.cc'), 'utf8').split('\n');
  const kept = lines.filter(line => !ofTraining.test(/^ +\{"(\w+)", /.exec(line)?.[1] ?? ''));
  mkdirSync(build, { recursive: true });
  const file = join(build, 'painting.cc');
  writeFileSync(file, kept.join('\n'));
  return sources.map(path => (path.endsWith('kernels.cc') ? file : path));
}

/** Makes the file smaller, and a little faster, if binaryen is there. */
function optimise(name) {
  if (!works('wasm-opt')) return '';
  const file = join(build, name);
  const features = ['simd', 'bulk-memory', 'threads', 'sign-ext', 'nontrapping-float-to-int', 'mutable-globals'];
  const flags = ['-O3', ...features.map(name => `--enable-${name}`), file, '-o', `${file}.opt`];
  if (spawnSync('wasm-opt', flags, { stdio: ['ignore', 'ignore', 'inherit'] }).status === 0) {
    renameSync(`${file}.opt`, file);
    return ', optimised';
  }
  rmSync(`${file}.opt`, { force: true });
  return '';
}

const strict = process.argv.includes('--strict');

function giveUp(message) {
  if (strict) console.error(`build-wasm: ${message}`);
  process.exit(strict ? 1 : 0);
}

const clang = findClang();
if (clang === undefined) giveUp('no clang that compiles for wasm32-wasi (see the head of scripts/build-wasm.mjs)');
try {
  for (const [name, files] of [
    [NAME, sources],
    [PAINTING, paintingSources()],
  ]) {
    const result = await compile(clang, name, files, [...target, ...compiling], linking);
    if (result !== 'up to date') console.log(`${name}: ${result}${optimise(name)}`);
  }
} catch (error) {
  giveUp(error.message);
}
