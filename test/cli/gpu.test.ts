/**
 * @file The program on a GPU, a software one: what is missing is one line with its mend, a GPU that is lost in the middle of
 * a training leaves what was saved last as it was. And on a stand-in for tfjs-node-gpu, a package as npm would install it.
 */
import { cpSync, mkdirSync, readdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RunConfigInput } from '../../src/config/run.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import { noWebgpu } from '../support.ts';
import { hardlyTrained, root, snapshot, startTessera, temporaryFolder, writeConfig, writeDrawings } from './program.ts';
import type { Stop } from './stopping.ts';

const folder = temporaryFolder();
const data = join(folder, 'data');
const config = join(folder, 'config.json');
const losing = join(folder, 'losing.mjs');

/** As little as has every stage; the transformer goes on until it is stopped. */
const small = {
  ...hardlyTrained,
  images: { ...hardlyTrained.images, imageSize: 8 },
  patch: { ...hardlyTrained.patch, grid: 2, width: 4, maxWidth: 4 },
  model: { ...hardlyTrained.model, captionLength: 4, width: 8, layers: 1 },
  train: { ...hardlyTrained.train, steps: 1_000_000, evalEvery: 1_000_000, sampleEvery: 1_000_000 },
} satisfies RunConfigInput;

/**
 * Loses the GPU at some submission, as a driver does that resets it: everything fails from there on. Dawn gives "destroyed"
 * as the reason of its own `destroy`, so another is put in its place.
 */
const loseGpu = `
  import { globals } from '${join(root, 'node_modules', 'webgpu', 'index.js')}';
  const { requestDevice } = globals.GPUAdapter.prototype;
  const { submit } = globals.GPUQueue.prototype;
  let left = 4;
  let lose;
  globals.GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    const lost = new Promise(resolve => {
      lose = () => {
        device.destroy();
        resolve({ reason: 'unknown', message: 'VK_ERROR_DEVICE_LOST' });
      };
    });
    return Object.defineProperty(device, 'lost', { value: lost });
  };
  globals.GPUQueue.prototype.submit = function (...commands) {
    if (left-- === 0) lose();
    return submit.apply(this, commands);
  };`;

const train = (out: string, ...flags: string[]) =>
  ['train', '--data', data, '--out', join(folder, out), '--config', config].concat(flags);

beforeAll(async () => {
  await writeDrawings(data);
  writeConfig(config, small);
  writeFileSync(losing, loseGpu);
});

/** The project with packages of its own: all that are there but Dawn, and what stands in for tfjs-node-gpu. */
function copyProject(): string {
  const copy = join(folder, 'project');
  const link = (from: string, to: string, without: string) => {
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(from)) if (name !== without) symlinkSync(join(from, name), join(to, name));
  };
  link(join(root, 'node_modules'), join(copy, 'node_modules'), 'webgpu');
  const scope = join(copy, 'node_modules', '@tensorflow');
  unlinkSync(scope);
  link(join(root, 'node_modules', '@tensorflow'), scope, 'tfjs-node-gpu');
  const standIn = join(scope, 'tfjs-node-gpu');
  mkdirSync(standIn);
  writeFileSync(join(standIn, 'package.json'), '{"name": "@tensorflow/tfjs-node-gpu", "main": "index.js"}');
  writeFileSync(
    join(standIn, 'index.js'),
    `const tf = require('@tensorflow/tfjs-core');
     const { MathBackendCPU } = require('@tensorflow/tfjs-backend-cpu');
     tf.registerBackend('tensorflow', () => Object.assign(new MathBackendCPU(), { isUsingGpuDevice: false }));
     tf.copyRegisteredKernels('cpu', 'tensorflow');`,
  );
  for (const part of ['src', 'tokenizer', 'data', 'package.json', 'tsconfig.json']) {
    cpSync(join(root, part), join(copy, part), { recursive: true });
  }
  return copy;
}

let copy: string;
beforeAll(() => {
  copy = copyProject();
});

test('a package that registers a backend "tensorflow" is trained on, and told of where it has no GPU', async () => {
  const few = writeConfig(join(folder, 'few.json'), { ...small, train: { ...small.train, steps: 2 } });
  const argv = [
    'train',
    '--data',
    data,
    '--out',
    join(folder, 'tensorflow'),
    '--config',
    few,
    '--backend',
    'tensorflow',
  ];
  const { code, stderr } = await startTessera(argv, { cwd: copy });
  expect(stderr).toMatch(/^warning: @tensorflow\/tfjs-node-gpu computes on the CPU: .+\n {2}hint: /m);
  expect(stderr).toContain('computing on tensorflow');
  expect(stderr).not.toMatch(/^ +at /m);
  expect(code).toBe(0);
}, 400_000);

describe('what is missing is one line with its mend', () => {
  test('the package', async () => {
    const { code, stderr } = await startTessera(train('none', '--backend', 'webgpu'), { cwd: copy });
    expect(stderr).toBe(
      'backend webgpu: the package webgpu is not installed\n' +
        '  hint: install it with `npm install webgpu`, and the driver of your GPU\n',
    );
    expect(code).toBe(2);
  });

  test.skipIf(process.platform !== 'linux' || noWebgpu !== undefined)('the driver', async () => {
    const env = { VK_ICD_FILENAMES: join(folder, 'nothing.json') };
    const { code, stderr } = await startTessera(train('none', '--backend', 'webgpu'), { env });
    expect(stderr).toMatch(
      /^backend webgpu: no GPU adapter was found\n {2}hint: install the driver of your GPU .*\n$/m,
    );
    expect(stderr).not.toMatch(/^ +at (?!CheckVk)/m); // Dawn's own warning stays
    expect(code).toBe(2);
    expect(snapshot(join(folder, 'none'))).toEqual({});
  });

  test('the precision, which is refused before anything is written', async () => {
    const { code, stderr } = await startTessera(train('none', '--backend', 'cpu', '--precision', 'f16'));
    expect(stderr).toMatch(/^precision: expected auto or fp32 on the cpu backend, got f16\n {2}hint: /);
    expect(code).toBe(2);
    expect(snapshot(join(folder, 'none'))).toEqual({});
  });
});

const missing = noWebgpu ?? registerAddon();
const title = `a GPU that is lost${missing === undefined ? '' : ` (skipped: ${missing})`}`;
test.skipIf(missing !== undefined)(
  `${title} ends the training in one line, and what was saved is whole`,
  async () => {
    const stop: Stop = { signal: 'SIGTERM', stage: 'transformer', step: 0 };
    const stopped = (...flags: string[]) => startTessera(train('run', ...flags), { stop });
    expect((await stopped()).code).toBe(143);
    // All but which engine it was that computed, and the curves for TensorBoard, which every start makes anew of the log.
    const saved = () =>
      Object.fromEntries(
        Object.entries(snapshot(join(folder, 'run'))).filter(
          ([name]) => !/^(state.engine\.json|tensorboard)/.test(name),
        ),
      );
    const before = saved();
    expect(Object.keys(before).some(name => name.startsWith('state'))).toBe(true);

    const env = { NODE_OPTIONS: `--import ${losing}` };
    const lost = await startTessera(train('run', '--backend', 'webgpu'), { env });
    expect(lost.stderr).toMatch(/^webgpu: lost .+ \(VK_ERROR_DEVICE_LOST\)\n {2}hint: what was saved last is whole/m);
    expect(lost.stderr).not.toMatch(/^ +at /m);
    expect(lost.code).toBe(2);
    expect(saved()).toEqual(before);

    const again = await stopped();
    expect(again.stderr).toContain('going on with the run that is there');
    expect(again.code).toBe(143);
  },
  400_000,
);
