/**
 * @file Checks the native kernels where Node cannot go. Records the kernel calls that tests make (test/native/record.ts),
 * builds test/native/replay.cc for every instruction set, with sanitizers and for another processor, and makes the calls
 * again there. A difference, an access outside a buffer, undefined behaviour or a race of threads fails it; what this
 * machine lacks is skipped aloud.
 *
 *   node scripts/sanitize.mjs                      everything
 *   node scripts/sanitize.mjs --record FOLDER      replay what lies there instead of recording
 *   node scripts/sanitize.mjs --only plain,thread  some of plain, address, thread, arm; or quick: one build, unoptimised
 *   node scripts/sanitize.mjs --mutate 20          instead: the mutation loop (scripts/mutate), with as many of each file, on
 *                                                  an addon under the address and undefined-behaviour sanitizers
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  build,
  compile,
  compiler,
  flagsOf,
  kernelSources,
  root,
  semantics,
  source,
  standard,
  works,
} from './native-flags.mjs';

const require = createRequire(import.meta.url);

/** The tests whose calls are recorded: those of the kernels first, as records of a kernel are limited. */
const recorded = [
  ['test/kernels', 'test/native/empty.test.ts', 'test/native/refuse.test.ts'],
  ['test/families/transformer', 'test/training/optimizer.test.ts', 'test/tokenizer/patch.test.ts', 'test/nn'],
];

const files = [...kernelSources, join(root, 'test', 'native', 'replay.cc')];

const sanitized = ['-O1', '-g1', '-fno-omit-frame-pointer'];
const address = [...sanitized, '-fsanitize=address,undefined,float-cast-overflow', '-fno-sanitize-recover=all'];
const thread = [...sanitized, '-fsanitize=thread', '-Wl,--wrap=__tsan_atomic64_fetch_add'];

// Memory is born as NaN, so that results show who reads it before it is written.
const addressOptions = 'max_malloc_fill_size=1073741824:malloc_fill_byte=255';

const crossCompiler = 'aarch64-linux-gnu-g++';
const emulator = ['qemu-aarch64-static', 'qemu-aarch64'].find(works);

/**
 * What to check: `kind` for --only; the compiler and its flags; how the program is run; why it cannot be.
 * @param isas the instruction sets that this processor runs, the best first
 */
function checksFor(cxx, isas) {
  const flags = isa => flagsOf[isa].split(' ').filter(Boolean);
  const own = isas.flatMap(isa => [
    { kind: 'plain', name: isa, cxx, flags: ['-O3', ...flags(isa)] },
    { kind: 'address', name: isa, cxx, flags: [...address, ...flags(isa)], env: { ASAN_OPTIONS: addressOptions } },
  ]);
  own.push({ kind: 'quick', name: isas[0], cxx, flags: flags(isas[0]) });
  own.push({
    kind: 'thread',
    name: isas[0],
    cxx,
    flags: [...thread, ...flags(isas[0])],
    env: { TSAN_OPTIONS: 'halt_on_error=1' },
  });
  if (process.arch === 'arm64') return own;
  const missing = works(crossCompiler)
    ? emulator === undefined && 'no qemu-aarch64 (Debian, Ubuntu: apt-get install qemu-user-static)'
    : `no ${crossCompiler} (Debian, Ubuntu: apt-get install g++-aarch64-linux-gnu)`;
  const arm = { kind: 'arm', cxx: crossCompiler, missing: missing || undefined };
  return [
    ...own,
    { ...arm, name: 'plain', flags: ['-O3', '-static'], run: [emulator] },
    {
      ...arm,
      name: 'address',
      flags: address,
      run: [emulator, '-L', '/usr/aarch64-linux-gnu'],
      args: ['--most', '8'], // minutes enough
      // Looking for leaks needs ptrace, which the emulator has not.
      env: { ASAN_OPTIONS: `${addressOptions}:detect_leaks=0` },
    },
  ];
}

/** Records what the tests call. A failing test is an error: what it recorded may be wrong. */
function record(folder) {
  const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
  for (const tests of recorded) {
    const result = spawnSync(process.execPath, [vitest, 'run', ...tests], {
      cwd: root,
      env: { ...process.env, TESSERA_RECORD: folder },
      encoding: 'utf8',
    });
    if (result.status !== 0) giveUp(`${result.stdout}\n${result.stderr}\nthe recorded tests fail`);
  }
}

function giveUp(message) {
  console.error(`sanitize: ${message}`);
  process.exit(1);
}

/** @returns whether it passed, one line of result, and all output. */
async function run({ kind, name, cxx, flags, run: prefix = [], args: more = [], env = {} }, folder, complete) {
  const target = `replay-${kind}-${name}`;
  try {
    await compile(cxx, target, files, [standard, ...semantics, ...flags]);
  } catch (error) {
    return { passed: false, line: error.message, output: '' };
  }
  const started = performance.now();
  const [program, ...args] = [...prefix, join(build, target), ...(complete ? ['--complete'] : []), ...more, folder];
  const child = spawn(program, args, { env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      output += chunk;
    });
  }
  const status = await new Promise(resolve => child.on('close', (code, signal) => resolve(code ?? signal)));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  // GCC 12 knows no kernel that spreads memory this widely (sysctl vm.mmap_rnd_bits above 28).
  if (output.includes('unexpected memory mapping'))
    return { passed: true, line: 'skipped: no room for its shadow', output };
  const line = status === 0 ? `${summaryOf(output)}, ${seconds} s` : `FAILED (exit ${status})`;
  return { passed: status === 0, line, output };
}

/** Calls, and the largest differences in fp32 and bf16, of the lines that the replay prints. */
function summaryOf(output) {
  const lines = [...output.matchAll(/^(.*?) +(\d+) calls, largest difference (.*)$/gm)];
  const calls = lines.reduce((sum, [, , count]) => sum + Number(count), 0);
  const [fp32, bf16] = [false, true].map(rounded => {
    const differences = lines.filter(([, name]) => name.endsWith(' bf16') === rounded).map(([, , , x]) => Number(x));
    return Math.max(0, ...differences).toExponential(1);
  });
  return `${calls} calls, largest difference ${fp32}, in bf16 ${bf16}`;
}

/**
 * Runs the mutation loop in a copy of the built program whose addon is under the sanitizers. Node itself is not, so that
 * their runtime is loaded before it.
 * @returns the loop's exit code
 */
async function mutate(count, cxx, isa) {
  const include = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
  const runtime = spawnSync(cxx, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim();
  if (!runtime.includes('/')) {
    console.log(`sanitize: skipped, ${cxx} has no libasan.so that could be loaded before Node`);
    return 0;
  }
  const name = `mutate-${isa}.node`;
  const shared = ['-fPIC', '-shared', '-fvisibility=hidden', `-DTESSERA_ISA="${isa}"`, `-I${include}`];
  const flags = [standard, ...semantics, ...shared, ...address, ...flagsOf[isa].split(' ').filter(Boolean)];
  console.log(`addon ${isa}: ${await compile(cxx, name, [...kernelSources, join(source, 'addon.cc')], flags)}`);
  const copy = mkdtempSync(join(tmpdir(), 'tessera-sanitized-'));
  try {
    for (const part of ['dist', 'package.json']) cpSync(join(root, part), join(copy, part), { recursive: true });
    mkdirSync(join(copy, 'native', 'build'), { recursive: true });
    copyFileSync(join(build, 'cpu.node'), join(copy, 'native', 'build', 'cpu.node'));
    copyFileSync(join(build, name), join(copy, 'native', 'build', `${isa}.node`));
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    // Node's own memory is never given back to the sanitizer, which would call it leaked; freed memory is kept for a while.
    const more = 'detect_leaks=0:quarantine_size_mb=64:allocator_may_return_null=1:detect_container_overflow=0';
    const env = { ...process.env, LD_PRELOAD: runtime, ASAN_OPTIONS: more };
    const program = join(copy, 'dist', 'scripts', 'mutate', 'mutate.js');
    return spawnSync(process.execPath, [program, '--count', count], { stdio: 'inherit', env }).status ?? 1;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

const { values: options } = parseArgs({
  options: { record: { type: 'string' }, only: { type: 'string' }, mutate: { type: 'string' } },
});
const cxx = compiler();
if (cxx === null) {
  console.log('sanitize: skipped, no C++ compiler found (looked for $CXX, c++, g++, clang++)');
  process.exit(0);
}
const built = spawnSync(process.execPath, [join(root, 'scripts', 'build-native.mjs'), '--strict'], {
  stdio: 'inherit',
});
if (built.status !== 0) giveUp('the addon cannot be built');

const isas = Object.keys(flagsOf);
const best = require(join(build, 'cpu.node')).instructionSet;
if (options.mutate !== undefined) {
  const ready = spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { stdio: 'inherit' });
  if (ready.status !== 0) giveUp('the program cannot be built');
  process.exit(await mutate(options.mutate, cxx, best));
}
const wanted = options.only?.split(',');
const checks = checksFor(cxx, isas.slice(isas.indexOf(best))).filter(
  ({ kind }) => wanted?.includes(kind) ?? kind !== 'quick',
);
if (checks.length === 0) giveUp(`--only ${options.only}: expected some of plain, address, thread, arm, quick`);

const folder = options.record ?? mkdtempSync(join(tmpdir(), 'tessera-record-'));
if (options.record === undefined) record(folder);
const left = [...checks];
let failed = 0;
const work = async () => {
  for (let check = left.shift(); check !== undefined; check = left.shift()) {
    const label = `${check.kind} ${check.name}`.padEnd(22);
    if (check.missing !== undefined) {
      console.log(`${label} skipped: ${check.missing}`);
      continue;
    }
    const { passed, line, output } = await run(check, folder, options.record === undefined);
    console.log(`${label} ${line}`);
    if (passed) continue;
    failed++;
    console.log(output.replaceAll(/^.* calls, largest difference .*\n/gm, ''));
  }
};
await Promise.all(Array.from({ length: availableParallelism() }, work));
if (options.record === undefined) rmSync(folder, { recursive: true });
process.exit(failed > 0 ? 1 : 0);
