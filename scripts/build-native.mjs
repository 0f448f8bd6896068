/**
 * @file Builds the native addon with the machine's C++ compiler, and nothing else: no node-gyp, no Python, no header
 * download. One file per instruction set lands in native/build; by default only the best that this processor runs.
 *
 *   node scripts/build-native.mjs            build what is missing or older than its sources
 *   node scripts/build-native.mjs --all      every instruction set of this architecture
 *   node scripts/build-native.mjs --isa avx2 one of them
 *
 * A failed build is not an error: the program falls back to WebAssembly and says so once. `--strict` makes it one.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const source = join(root, 'native');
const build = join(source, 'build');

const flagsOf =
  process.arch === 'x64'
    ? {
        avx512bf16: '-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mavx2 -mfma -mf16c -mbmi2',
        avx512: '-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mf16c -mbmi2',
        avx2: '-mavx2 -mfma -mf16c -mbmi2',
        portable: '',
      }
    : { portable: '' };

// Reassociation lets loops over sums become vectors; NaN and infinity keep their meaning.
const common = [
  '-std=c++17',
  '-O3',
  '-fPIC',
  '-shared',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  '-pthread',
  '-fno-math-errno',
  '-fno-trapping-math',
  '-fassociative-math',
  '-fno-signed-zeros',
  '-freciprocal-math',
  '-ffp-contract=fast',
  ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
];

const argv = process.argv.slice(2);
const strict = argv.includes('--strict');

function compiler() {
  for (const name of [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean)) {
    if (spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0) return name;
  }
  return null;
}

function giveUp(message) {
  console.warn(`build-native: ${message}`);
  console.warn('  the slower WebAssembly backend will be used; to get the native one, install a C++ compiler');
  console.warn(
    '  (Debian, Ubuntu: apt-get install g++; macOS: xcode-select --install) and run: npx tessera build-native',
  );
  process.exit(strict ? 1 : 0);
}

function stampOf(cxx, flags) {
  const hash = createHash('sha256').update(`${cxx} ${common.join(' ')} ${flags} ${process.arch}`);
  for (const name of readdirSync(source).sort()) {
    if (/\.(cc|h)$/.test(name)) hash.update(name).update(readFileSync(join(source, name)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** Compiles one .node file unless the one there was made from the same sources with the same flags. */
async function make(cxx, name, files, flags) {
  const target = join(build, `${name}.node`);
  const stampFile = join(build, `${name}.stamp`);
  const stamp = stampOf(cxx, flags);
  if (existsSync(target) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return 'up to date';
  const include = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
  const temporary = `${target}.${process.pid}`;
  const args = [
    ...common,
    ...flags.split(' ').filter(Boolean),
    `-I${include}`,
    `-I${source}`,
    ...files.map(file => join(source, file)),
    '-o',
    temporary,
  ];
  const started = performance.now();
  const child = spawn(cxx, args, { stdio: ['ignore', 'inherit', 'pipe'] });
  let errors = '';
  child.stderr.on('data', chunk => {
    errors += chunk;
  });
  const status = await new Promise(resolve => child.on('close', resolve));
  if (errors) process.stderr.write(errors);
  if (status !== 0) {
    rmSync(temporary, { force: true });
    throw new Error(`${cxx} failed on ${name} (exit ${status})`);
  }
  renameSync(temporary, target);
  writeFileSync(stampFile, stamp);
  return `built in ${((performance.now() - started) / 1000).toFixed(1)} s`;
}

const cxx = compiler();
if (cxx === null) giveUp('no C++ compiler found (looked for $CXX, c++, g++, clang++)');
mkdirSync(build, { recursive: true });
try {
  await make(cxx, 'cpu', ['cpu.cc'], '');
  const best = require(join(build, 'cpu.node')).instructionSet;
  const one = argv.includes('--isa') ? argv[argv.indexOf('--isa') + 1] : best;
  const wanted = argv.includes('--all') ? Object.keys(flagsOf) : [one];
  for (const isa of wanted) {
    if (!(isa in flagsOf)) giveUp(`unknown instruction set ${isa}, expected one of ${Object.keys(flagsOf).join(', ')}`);
    const flags = `-DTESSERA_ISA="${isa}" ${flagsOf[isa]}`.trim();
    const result = await make(cxx, isa, ['addon.cc', 'kernels.cc', 'threads.cc'], flags);
    if (result !== 'up to date' || process.stdout.isTTY) console.log(`native ${isa}: ${result}`);
  }
} catch (error) {
  giveUp(error.message);
}
