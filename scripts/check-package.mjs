/**
 * @file Checks the package as a stranger meets it: packed, installed in an empty folder without a compiler run, painted
 * and trained with by `npx` where no compiler is found, and its declarations and the README's example compiled by TypeScript with nothing skipped, as modules of
 * Node and for a bundler. Needs `dist`, and the npm registry for what the package depends on.
 *
 *   node scripts/check-package.mjs            all of it
 *   node scripts/check-package.mjs --bare     painting and training alone, with how long they take
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from './native-flags.mjs';

const folder = mkdtempSync(join(tmpdir(), 'tesserae-package-'));
const app = join(folder, 'app');
const windows = process.platform === 'win32';
const problems = [];

/** Lines that are shown of what went wrong. */
const SHOWN = 12;

/** Runs a program to its end. */
function run(program, argv, cwd, env = {}) {
  const started = performance.now();
  const { status, stdout, stderr, error } = spawnSync(program, argv, {
    cwd,
    encoding: 'utf8',
    env: { ...clean(), ...env },
    shell: windows, // npm and npx are scripts there
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr, seconds: (performance.now() - started) / 1000 };
}

/** The environment without what npm tells its scripts, which would look as if the stranger were in this project. */
function clean() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));
}

function expect(holds, what, detail = '') {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`);
  if (holds) return;
  problems.push(what);
  const lines = detail.trimEnd().split('\n');
  for (const line of lines.slice(0, SHOWN)) console.log(`       ${line}`);
  if (lines.length > SHOWN) console.log(`       ... and ${lines.length - SHOWN} lines more`);
}

/** The example of the README: its first TypeScript that imports the package. */
function readmeExample() {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code);
  return blocks.find(code => /from 'tesserae'/.test(code));
}

/** What a program writes that computes with tfjs, whose own declarations cannot be checked. */
const tensors = `import * as tf from '@tensorflow/tfjs-core';
import { defineKernel, runKernel } from 'tesserae/tfjs';

defineKernel({ name: 'Twice', reference: ({ x }) => [tf.add(x as tf.Tensor, x as tf.Tensor)] });
export const twice = (x: tf.Tensor): tf.Tensor => runKernel('Twice', { x })[0];
`;

/** A kernel from outside, in WGSL as well; which of them computes is its caller's affair. */
const kernel = `import * as tf from '@tensorflow/tfjs-core';
import { startBackend } from 'tesserae';
import { defineKernel, mapElements, read, run } from 'tesserae/kernels';

defineKernel({
  name: 'Square1',
  reference: ({ x }) => [tf.add(tf.square(x as tf.Tensor), 1)],
  webgpu: ({ x }, _, backend) => {
    const y = backend.output(x.shape);
    mapElements(backend, { name: 'square1', output: y, bindings: [read('x', x)], value: 'x[i] * x[i] + 1.0' });
    return [y];
  },
});
await startBackend('cpu');
const [made] = await run('Square1', { x: tf.tensor1d([3]) })[0].data();
if (made !== 10) throw new Error('expected 10, got ' + made);
`;

/** A page's program. */
const page = `import { Tessera, UserError } from 'tesserae/browser';

export async function paint(caption: string): Promise<ImageData | undefined> {
  const run = await Tessera.load('run/', { onProgress: ({ loaded }) => console.log(loaded) });
  let last: ImageData | undefined;
  try {
    for await (const { picture } of run.paint(caption, { seed: 1 })) last = picture;
  } catch (error) {
    if (error instanceof UserError) console.error(error.message, error.hint);
  }
  run.dispose();
  return last;
}
`;

/** Everything that the entries export, so that each declaration is read. */
const everything = `import * as library from 'tesserae';
import { commands, defineCommand, runTessera } from 'tesserae/cli';

export const names: readonly string[] = [...Object.keys(library), ...commands.map(({ name }) => name)];
export const program: readonly unknown[] = [defineCommand, runTessera];
`;

function pack() {
  const { status, stdout, stderr } = run(
    'npm',
    ['pack', '--ignore-scripts', '--json', '--pack-destination', folder],
    root,
  );
  if (status !== 0) throw new Error(`npm pack failed:\n${stderr}`);
  const [{ filename, size, unpackedSize, files }] = Object.values(JSON.parse(stdout));
  const mib = bytes => (bytes / 2 ** 20).toFixed(1);
  console.log(`${filename}: ${mib(size)} MiB packed, ${mib(unpackedSize)} MiB in ${files.length} files`);
  const names = files.map(({ path }) => path);
  const stray = names.filter(name =>
    /^((dist\/(scripts|examples|test)|test|runs|datasets)\/|native\/build\/(?!tessera\.wasm$))/.test(name),
  );
  expect(stray.length === 0, 'packs the program alone', stray.join('\n'));
  const needed = [
    'dist/src/cli.js',
    'dist/types/src/index.d.ts',
    'dist/src/web/page/main.js',
    ...['tessera.js', 'worker.js', 'worker-webgpu.js', 'tessera.wasm'].map(name => `dist/browser/${name}`),
    ...['trainer.js', 'train-worker.js', 'isolate.js', 'tessera.wasm'].map(name => `dist/browser/trainer/${name}`),
    'models/emoji/config.json',
    'native/addon.cc',
    'native/build/tessera.wasm',
  ];
  const lacking = needed.filter(name => !names.includes(name));
  expect(lacking.length === 0, 'packs the model, the C++ sources and the kernels in WebAssembly', lacking.join('\n'));
  return join(folder, filename);
}

function install(tarball) {
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{"name":"stranger","private":true,"type":"module"}\n');
  const { status, stderr, seconds } = run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--prefer-offline', tarball],
    app,
  );
  expect(status === 0, `installs, in ${seconds.toFixed(0)} s`, stderr);
  // New versions of npm name the packages that have scripts of installation, which is npm's to say, not ours.
  const warnings = stderr.split('\n').filter(line => /warn/i.test(line) && !line.includes('install-scripts'));
  expect(warnings.length === 0, 'without a warning of npm', warnings.join('\n'));
  return status === 0;
}

/**
 * Folders of programs that have Node, npm and a shell, and no compiler.
 * @returns what the environment is to have
 */
function withoutCompiler() {
  if (windows) return {};
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const name of ['sh', 'env', 'uname']) {
    const found = ['/bin', '/usr/bin'].map(place => join(place, name)).find(existsSync);
    if (found !== undefined) symlinkSync(found, join(bin, name));
  }
  const node = dirname(process.execPath);
  for (const name of ['node', 'npm', 'npx']) symlinkSync(join(node, name), join(bin, name));
  return { PATH: bin, CXX: '' };
}

/** Trains a small model for a few steps, likewise. */
function train(env) {
  const drawn = run(
    'npx',
    ['tesserae', 'data', 'shapes', '--out', 'shapes', '--count', '40', '--size', '16'],
    app,
    env,
  );
  expect(drawn.status === 0, 'draws pictures to train on', drawn.stderr);
  const size = ['--preset', 'tiny', '--image-size', '16', '--grid', '4', '--width', '32', '--layers', '1'];
  const steps = ['--steps', '4', '--patch-train.steps', '4', '--batch-size', '8'];
  const argv = ['tesserae', 'train', '--data', 'shapes', '--out', 'run', ...size, ...steps];
  const { status, stderr, seconds } = run('npx', argv, app, env);
  const trained = existsSync(join(app, 'run', 'ema.safetensors'));
  expect(status === 0 && trained, `trains, in ${seconds.toFixed(0)} s`, stderr);
  expect(stderr.includes('computing on wasm'), 'on WebAssembly', stderr);
  const refused = run('npx', ['tesserae', 'build-native'], app, env);
  expect(/no C\+\+ compiler found/.test(refused.stderr), 'where there is no compiler', refused.stderr);
}

/** Paints as the README says, where nothing was compiled: on WebAssembly, which is said once. */
function paint(env) {
  const argv = ['tesserae', 'sample', '--text', windows ? '"red apple"' : 'red apple', '-n', '1'];
  const { status, stdout, stderr, seconds } = run('npx', argv, app, env);
  expect(
    status === 0 && existsSync(join(app, 'outputs', 'red_apple', '0.png')),
    `paints, in ${seconds.toFixed(0)} s`,
    stderr,
  );
  expect(stdout.includes('1 image'), 'prints where the image is', stdout);
  const known =
    /^(using the model that comes with|warning: no native addon| {2}hint: install a C\+\+ compiler|red apple: )/;
  const strange = stderr.split('\n').filter(line => line !== '' && !known.test(line));
  expect(strange.length === 0, 'says nothing else', strange.join('\n'));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const name of ['tessera', 'tesserae']) {
    const said = run('npx', [name, '--version'], app, env);
    expect(said.status === 0 && said.stdout.trim() === version, `${name} is a command`, said.stderr);
  }
}

/** Compiles some files as a strict program would. */
function compile({ module, moduleResolution, skipLibCheck, files, dom = false }) {
  const place = dom ? { lib: ['es2023', 'dom', 'dom.iterable'], types: [] } : { types: ['node'] };
  const options = { target: 'es2023', module, moduleResolution, strict: true, skipLibCheck, ...place };
  writeFileSync(
    join(app, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...options, outDir: 'compiled', rootDir: '.' }, files }),
  );
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout } = run(process.execPath, [tsc, '-p', app], app);
  const how = skipLibCheck ? 'libraries skipped' : 'no library skipped';
  expect(status === 0, `${files.join(' and ')} compile with moduleResolution ${moduleResolution}, ${how}`, stdout);
}

/** The types of Node, which a program that writes files has. */
function linkNodeTypes() {
  const to = join(app, 'node_modules', '@types', 'node');
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  symlinkSync(join(root, 'node_modules', '@types', 'node'), to, 'junction');
}

try {
  const installed = install(pack());
  if (installed) {
    const env = withoutCompiler();
    paint(env);
    train(env);
  }
  if (installed && !process.argv.includes('--bare')) {
    const example = readmeExample();
    expect(example !== undefined, 'the README has an example of the library');
    linkNodeTypes();
    writeFileSync(join(app, 'everything.ts'), everything);
    writeFileSync(join(app, 'example.ts'), example ?? '');
    writeFileSync(join(app, 'tensors.ts'), tensors);
    writeFileSync(join(app, 'kernel.ts'), kernel);
    writeFileSync(join(app, 'page.ts'), page);
    for (const [module, moduleResolution] of [
      ['nodenext', 'nodenext'],
      ['esnext', 'bundler'],
    ]) {
      compile({ module, moduleResolution, skipLibCheck: true, files: ['tensors.ts', 'kernel.ts'] });
      compile({ module, moduleResolution, skipLibCheck: false, files: ['everything.ts', 'example.ts'] });
      compile({ module, moduleResolution, skipLibCheck: false, files: ['page.ts'], dom: true });
    }
    const outside = run(process.execPath, [join('compiled', 'kernel.js')], app);
    expect(outside.status === 0, 'a kernel from outside runs', outside.stderr);
    const { status, stderr, seconds } = run(process.execPath, [join('compiled', 'example.js')], app);
    expect(status === 0, `the README's example runs, in ${seconds.toFixed(0)} s`, stderr);
    expect(stderr === '', 'without a word on stderr', stderr);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (problems.length > 0) {
  console.error(`check-package: ${problems.length} problems`);
  process.exitCode = 1;
}
