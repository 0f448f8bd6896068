/**
 * @file `npm run ladder`: one matrix product from the naive triple loop to the addon's kernel, step by step. Builds
 * ladder.cc with the addon's own flags, checks and times every step, and prints the table of docs/kernels.md.
 *
 *   npm run ladder                                  1,008 x 1,024 x 1,024, two seconds a step, all threads
 *   npm run ladder -- --size 504,512,512 --seconds 1 --threads 1
 *   npm run ladder -- --size 20,70,40 --seconds 0   only the checks
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build, compile, compiler, flagsOf, semantics, source, standard } from '../../native-flags.mjs';

const here = dirname(fileURLToPath(import.meta.url));

/** Ends with one line, as the program does for what a user can mend. */
function refuse(message) {
  console.error(`ladder: ${message}`);
  process.exit(2);
}

/** The flags as they were given, or one line about the first that is unknown. */
function readFlags() {
  const options = {
    size: { type: 'string', default: '1008,1024,1024' },
    seconds: { type: 'string', default: '2' },
    threads: { type: 'string', default: String(availableParallelism()) },
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    return refuse(`expected --size m,k,n, --seconds S or --threads N: ${error.message}`);
  }
}

const values = readFlags();
const size = values.size.split(',').map(Number);
if (size.length !== 3 || !size.every(side => Number.isInteger(side) && side > 0)) {
  refuse(`--size: expected three whole numbers m,k,n above 0, got ${values.size}`);
}
const seconds = Number(values.seconds);
if (!(seconds >= 0)) refuse(`--seconds: expected a number of at least 0, got ${values.seconds}`);
const threads = Number(values.threads);
if (!(Number.isInteger(threads) && threads >= 1 && threads <= 64)) {
  refuse(`--threads: expected a whole number from 1 to 64, got ${values.threads}`);
}

const cxx = compiler();
if (cxx === null) refuse('no C++ compiler found (looked for $CXX, c++, g++, clang++)');
const processor = join(build, 'cpu.node');
if (!existsSync(processor)) refuse(`${processor} is missing; run \`npm run build:native\``);
const isa = createRequire(import.meta.url)(processor).instructionSet;

const flags = ['-O3', standard, ...semantics, ...flagsOf[isa].split(' ').filter(Boolean)];
await compile(cxx, `ladder-${isa}`, [join(here, 'ladder.cc'), join(source, 'threads.cc')], flags);
const run = spawnSync(join(build, `ladder-${isa}`), [...size, seconds, threads].map(String), {
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
});
if (run.status !== 0) refuse(`a step computes something else than the product (exit code ${run.status})`);
const [problem, ...lines] = run.stdout
  .trim()
  .split('\n')
  .map(line => JSON.parse(line));
const isPeak = ({ name }) => name === 'peak';
const peakOf = step =>
  lines.find(line => isPeak(line) && line.precision === step.precision && line.threads === step.threads).gflops;
const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

const version = spawnSync(cxx, ['--version'], { encoding: 'utf8' }).stdout.split('\n')[0];
const date = new Date().toISOString().slice(0, 10);
console.log(`${problem.m} x ${problem.k} x ${problem.n}, ${isa}, ${cpus()[0].model}, ${version}, ${date}\n`);
console.log('| step | threads | GFLOP/s | over the first | of the peak of its threads and precision | largest error |');
console.log('|---|---|---|---|---|---|');
const steps = lines.filter(line => !isPeak(line));
for (const step of steps) {
  const share = `${Math.round((100 * step.gflops) / peakOf(step))}% of ${number.format(peakOf(step))}`;
  const timed =
    seconds > 0 ? [number.format(step.gflops), number.format(step.gflops / steps[0].gflops), share] : ['', '', ''];
  console.log(`| ${[step.name, step.threads, ...timed, step.error.toExponential(1)].join(' | ')} |`);
}
if (!steps.some(({ precision }) => precision === 'bf16')) {
  console.log(`\nwithout bf16: ${isa} has no instruction for its dot products`);
}
