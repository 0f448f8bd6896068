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
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  build,
  compile,
  compiler,
  flagsOf,
  kernelSources,
  knowsFlags,
  semantics,
  source,
  standard,
} from './native-flags.mjs';

const require = createRequire(import.meta.url);

const common = [
  standard,
  '-O3',
  '-fPIC',
  '-shared',
  '-fvisibility=hidden',
  ...semantics,
  ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
];

const argv = process.argv.slice(2);
const strict = argv.includes('--strict');

function giveUp(message) {
  console.warn(`build-native: ${message}`);
  console.warn('  the slower WebAssembly backend will be used; to get the native one, install a C++ compiler');
  console.warn(
    '  (Debian, Ubuntu: apt-get install g++; macOS: xcode-select --install) and run: npx tesserae build-native',
  );
  process.exit(strict ? 1 : 0);
}

/** Compiles one .node file unless the one there was made from the same sources with the same flags. */
function make(cxx, name, files, flags) {
  const include = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
  return compile(cxx, `${name}.node`, files, [...common, ...flags.split(' ').filter(Boolean), `-I${include}`]);
}

const cxx = compiler();
if (cxx === null) giveUp('no C++ compiler found (looked for $CXX, c++, g++, clang++)');
try {
  await make(cxx, 'cpu', [join(source, 'cpu.cc')], '');
  const best = require(join(build, 'cpu.node')).instructionSet;
  const one = argv.includes('--isa') ? argv[argv.indexOf('--isa') + 1] : best;
  const wanted = argv.includes('--all') ? Object.keys(flagsOf) : [one];
  for (const isa of wanted) {
    if (!(isa in flagsOf)) giveUp(`unknown instruction set ${isa}, expected one of ${Object.keys(flagsOf).join(', ')}`);
    const flags = `-DTESSERA_ISA="${isa}" ${flagsOf[isa]}`.trim();
    if (isa === 'amx' && !knowsFlags(cxx, flagsOf.amx)) {
      console.warn(
        `build-native: ${cxx} knows no AMX, which makes training several times faster here (GCC 11, clang 12 or newer do)`,
      );
      if (wanted.length === 1) wanted.push('avx512bf16');
      continue;
    }
    const result = await make(cxx, isa, [...kernelSources, join(source, 'addon.cc')], flags);
    if (result !== 'up to date' || process.stdout.isTTY) console.log(`native ${isa}: ${result}`);
  }
} catch (error) {
  giveUp(error.message);
}
