/**
 * @file Without a compiler: a copy of the sources that has no addon warns once, says how to mend it, and does the whole
 * job on WebAssembly; and so it does on plain JavaScript, where that is asked for.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunConfigInput } from '../../src/config/run.ts';
import { decodePicture } from '../../src/image/decode.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { hardlyTrained, root, startTessera, temporaryFolder, writeConfig, writeDrawings } from './program.ts';

const folder = temporaryFolder();
/** The project as it comes, with the kernels in WebAssembly, on a machine without a compiler. */
const copy = join(folder, 'project');
const data = join(folder, 'data');
const config = join(folder, 'config.json');
const run = join(folder, 'run');
const builds = join(copy, 'native', 'build');
const kernels = join('native', 'build', 'tessera.wasm');
const present = existsSync(join(root, kernels));

/** As little as shows that every stage works: the cpu backend is slow. */
const small = {
  ...hardlyTrained,
  images: { ...hardlyTrained.images, imageSize: 8 },
  patch: { ...hardlyTrained.patch, grid: 2, width: 4, maxWidth: 4 },
  model: { ...hardlyTrained.model, captionLength: 4, width: 8, layers: 1 },
} satisfies RunConfigInput;

const here = (...argv: string[]) => startTessera(argv, { cwd: copy });
const train = (out: string, ...flags: string[]) =>
  here('train', '--data', data, '--out', join(folder, out), '--config', config, ...flags);
const WARNING =
  /^warning: no native addon \((.+)\); using the slower wasm backend\n {2}hint: install a C\+\+ compiler/gm;

beforeAll(async () => {
  mkdirSync(copy);
  for (const part of ['src', 'tokenizer', 'data', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  mkdirSync(builds, { recursive: true });
  if (present) cpSync(join(root, kernels), join(copy, kernels));
  await writeDrawings(data);
  writeConfig(config, small);
});

/** The finite losses that a run has written. */
function losses(out: string): number[] {
  const records = readJsonLines(join(folder, out, 'metrics.jsonl')) as { loss?: number }[];
  return records.flatMap(({ loss }) => (typeof loss === 'number' ? [loss] : []));
}

describe.skipIf(!present)(`without the addon${present ? '' : ' (skipped: no kernels in WebAssembly)'}`, () => {
  test('training warns once, says how to mend it, and completes on wasm', async () => {
    const { code, stderr } = await train('run');
    expect([...stderr.matchAll(WARNING)].map(([, reason]) => reason)).toEqual(['it was never built']);
    expect(stderr).toContain('computing on wasm');
    expect(stderr).not.toMatch(/^ +at /m);
    expect(code).toBe(0);
    expect(losses('run')).toHaveLength(2); // the last step of each training
    expect(existsSync(join(run, 'ema.safetensors'))).toBe(true);
  });

  test('painting does, too', async () => {
    const outputs = join(folder, 'outputs');
    const argv = ['sample', '--run', run, '--text', 'red circle', '--num-images', '2', '--outputs-dir', outputs];
    const { code, stderr } = await here(...argv);
    expect(stderr.match(WARNING)).toHaveLength(1);
    expect(code).toBe(0);
    const path = join(outputs, 'red_circle', '1.png');
    expect(await decodePicture(readFileSync(path), path)).toMatchObject({ width: 8, height: 8 });
  });

  test('the cpu backend does the whole job when it is asked for, without a warning', async () => {
    const { code, stderr } = await train('on cpu', '--backend', 'cpu');
    expect(stderr).not.toContain('warning');
    expect(stderr).toContain('computing on cpu');
    expect(code).toBe(0);
    // The same training on other arithmetic.
    const [patch, model] = losses('run');
    expect(losses('on cpu')[0]).toBeCloseTo(patch, 2);
    expect(losses('on cpu')[1]).toBeCloseTo(model, 2);
    const outputs = join(folder, 'painted on cpu');
    const argv = ['sample', '--run', join(folder, 'on cpu'), '--text', 'red circle', '--num-images', '1'];
    const painted = await here(...argv, '--backend', 'cpu', '--outputs-dir', outputs);
    expect(painted.code).toBe(0);
    for (const said of [stderr, painted.stderr]) expect(said).not.toContain('TensorFlow.js'); // which advertises itself
    expect(existsSync(join(outputs, 'red_circle', '0.png'))).toBe(true);
  });

  test('the native backend is refused with its mend where it is asked for', async () => {
    const { code, stderr } = await train('none', '--backend', 'native');
    expect(stderr).toMatch(
      /^backend native: no native addon \(it was never built\)\n {2}hint: install a C\+\+ compiler .*build.native/,
    );
    expect(code).toBe(2);
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });

  test('a copy without a model says so where no run is named', async () => {
    const { code, stderr } = await here('sample', '--text', 'red circle');
    expect(stderr).toMatch(
      /^load: no model came with this copy of tessera \(looked for .*config\.json\)\n {2}hint: name a run/,
    );
    expect(code).toBe(2);
  });

  test('doctor names what works and how to get the rest', async () => {
    const { code, stdout, stderr } = await here('doctor');
    // Where there is no driver Dawn warns by itself, with the place in its own sources: that is no stack of ours.
    expect(stderr).not.toMatch(/^ +at .*(\.[jt]s|node:)/m);
    expect(stdout).toMatch(/native.*(never built|not)/);
    expect(stdout).toMatch(/wasm/);
    expect(stdout).toMatch(/hint: install a C\+\+ compiler/);
    expect(code).toBe(0);
  });
});

test.skipIf(!present)('an addon that cannot be loaded is one warning with its reason, in one line', async () => {
  const broken = join(builds, 'cpu.node');
  writeFileSync(broken, 'not a shared library');
  try {
    const { code, stderr } = await here(
      'sample',
      '--run',
      run,
      '--text',
      '',
      '--num-images',
      '1',
      '--outputs-dir',
      join(folder, 'x'),
    );
    expect([...stderr.matchAll(WARNING)].map(([, reason]) => reason)).toEqual([expect.stringContaining('cpu.node')]);
    expect(code).toBe(0);
  } finally {
    rmSync(broken);
  }
});
