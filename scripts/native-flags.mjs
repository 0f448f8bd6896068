/**
 * @file How the C++ sources are compiled: the instruction sets of each architecture, the flags that decide what the
 * arithmetic means, which compiler, and builds that are made again only where something has changed. The addon
 * (build-native.mjs) and the checks of its kernels (sanitize.mjs) share it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Where the sources lie. */
export const source = join(root, 'native');

/** Sources of the kernels and of their threads, the longest to compile first. */
export const kernelSources = ['conv.cc', 'kernels.cc', 'threads.cc'].map(name => join(source, name));

/** Where builds land. */
export const build = join(source, 'build');

/** Flags of each instruction set of this architecture, the best first. */
export const flagsOf =
  process.arch === 'x64'
    ? {
        amx: '-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mamx-tile -mamx-bf16 -mavx2 -mfma -mf16c -mbmi2',
        avx512bf16: '-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mavx2 -mfma -mf16c -mbmi2',
        avx512: '-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mf16c -mbmi2',
        avx2: '-mavx2 -mfma -mf16c -mbmi2',
        portable: '',
      }
    : { portable: '' };

export const standard = '-std=c++17';

/** Reassociation lets loops over sums become vectors; NaN and infinity keep their meaning. */
export const semantics = [
  '-Wall',
  '-Wextra',
  '-pthread',
  '-Wno-unused-command-line-argument', // clang's word on flags that are for the linker or for the compiler alone
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fassociative-math',
  '-fno-signed-zeros',
  '-freciprocal-math',
  '-ffp-contract=fast',
];

/** The C++ compiler: `$CXX` if it works, else the usual names; null without one. */
export function compiler() {
  for (const name of [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean)) {
    if (works(name)) return name;
  }
  return null;
}

/** Whether a compiler takes the flags of an instruction set. */
export function knowsFlags(cxx, flags) {
  const words = ['-x', 'c++', '-fsyntax-only', ...flags.split(' ').filter(Boolean), '-'];
  return spawnSync(cxx, words, { input: '#include <immintrin.h>\n', stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
}

/** Whether a program is there and answers. */
export function works(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

/**
 * Compiles into native/build/<name>, the sources side by side, unless what is there was made by the same command from the
 * same sources.
 * @param files absolute paths; all of native/ counts as their source too
 * @param linking the flags that the objects are linked by, if they are others
 * @returns what was done, in words
 */
export async function compile(cxx, name, files, flags, linking = flags) {
  mkdirSync(build, { recursive: true });
  const target = join(build, name);
  const stampFile = join(build, `${name.replace(/\.(node|wasm)$/, '')}.stamp`);
  const stamp = stampOf([cxx, ...new Set([...flags, ...linking]), process.arch], files);
  if (existsSync(target) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return 'up to date';
  const temporary = `${target}.${process.pid}`;
  const objects = files.map((_, i) => `${temporary}.${i}.o`);
  const started = performance.now();
  try {
    const parts = files.map((file, i) => call(cxx, [...flags, `-I${source}`, '-c', file, '-o', objects[i]]));
    const failed = (await Promise.all(parts)).find(status => status !== 0);
    const status = failed ?? (await call(cxx, [...linking, ...objects, '-o', temporary]));
    if (status !== 0) throw new Error(`${cxx} failed on ${name} (exit ${status})`);
    renameSync(temporary, target);
  } finally {
    for (const file of [...objects, temporary]) rmSync(file, { force: true });
  }
  writeFileSync(stampFile, stamp);
  return `built in ${((performance.now() - started) / 1000).toFixed(1)} s`;
}

/** Runs the compiler; what it complains of is shown when it is done. @returns its exit status */
async function call(cxx, args) {
  const child = spawn(cxx, args, { stdio: ['ignore', 'inherit', 'pipe'] });
  let errors = '';
  child.stderr.on('data', chunk => {
    errors += chunk;
  });
  const status = await new Promise(resolve => child.on('close', resolve));
  if (errors) process.stderr.write(errors);
  return status;
}

// Of the words and the bytes, not of where they lie.
function stampOf(command, files) {
  const hash = createHash('sha256').update(command.join(' ').replaceAll(root, ''));
  const own = readdirSync(source).filter(name => /\.(cc|h)$/.test(name));
  const all = new Set([...own.map(name => join(source, name)), ...files]);
  for (const file of [...all].sort()) hash.update(basename(file)).update(readFileSync(file));
  return hash.digest('hex').slice(0, 16);
}
