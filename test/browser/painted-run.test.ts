/**
 * @file What a page is given to paint with: the settings as the schemas read them, and kernels of which painting misses none,
 * whatever the run.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { chooseEngine } from '../../src/browser/choose.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { registerNative } from '../../src/device/native/native.ts';
import { openWasm } from '../../src/device/native/wasm-addon.ts';
import { activeGpu } from '../../src/device/webgpu/webgpu.ts';
import { runSchema } from '../../src/families/config.ts';
import { resolveConfig } from '../../src/families/resolve.ts';
import { readPaintedConfig } from '../../src/families/transformer/painted-config.ts';
import { openRunBytes } from '../../src/families/transformer/painted-run.ts';
import { packageRoot } from '../../src/io/package-root.ts';
import { noWebgpu } from '../support.ts';
import { bytesOf, type TinyOptions, tinyRun } from './tiny-run.ts';

const paintKernels = join(packageRoot(), 'native', 'build', 'tessera-paint.wasm');

/** Runs that between them have every kind of part. */
const kinds: Readonly<Record<string, TinyOptions>> = {
  plain: {},
  interlaced: { model: { order: 'interlaced', mlp: 'gelu', norm: 'layer', positions: 'learned' } },
  'of DALL·E': { model: { attention: 'dalle', convKernel: 3, positions: 'rope', qkNorm: false, layers: 4 } },
  'of vq': { patch: { quantizer: 'vq', codebookSize: 24 } },
  'of dvae': { patch: { quantizer: 'dvae', codebookSize: 24 } },
};

/** Paints in every way that a page can ask for. */
async function paintAll(files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const painter = openRunBytes('test', bytesOf(files));
  try {
    let codes: Int32Array = new Int32Array();
    const settings = { temperature: 0.9, topK: 7, topP: 0.8, cfgScale: 2, previews: true };
    const orders = [0, 1].map(number => ({ caption: 'a red apple', seed: 1, number }));
    for await (const painting of painter.paintOrders(orders, settings)) codes = painting.codes.slice(0, 16);
    const given = codes.map((code, i) => (i % 3 === 0 ? code : -1));
    const order = [{ caption: '', seed: 2, number: 0 }];
    for await (const painting of painter.paintOrders(order, { temperature: 0, cfgScale: 1, given }))
      codes = painting.codes;
    given.forEach((code, i) => {
      if (code >= 0) expect(codes[i]).toBe(code);
    });
    expect(await painter.encode(await painter.decode(codes))).toHaveLength(16);
  } finally {
    painter.dispose();
  }
}

test.each([
  ['auto', 8.7e6, 'wasm', 'the run has 8.7 M parameters'],
  ['auto', 30e6, 'webgpu', 'the run has 30.0 M parameters'],
  ['wasm', 85e6, 'wasm', 'it was asked for'],
  ['webgpu', 1e6, 'webgpu', 'it was asked for'],
] as const)('%s paints %d numbers by %s, and says why', (backend, parameters, engine, because) => {
  expect(chooseEngine(backend, parameters)).toEqual({ engine, because });
});

describe('the config of a run', () => {
  const where = 'config.json';

  test.each(['tiny', 'small', 'base'] as const)('is read as the schemas read it: preset %s', name => {
    const config = resolveConfig({ preset: name });
    const read = readPaintedConfig(JSON.parse(JSON.stringify(config)), where);
    const { images, patch, model, sampling } = config;
    expect(read).toEqual({ images: { imageSize: images.imageSize }, patch, model, sampling });
  });

  test('has the defaults of the schemas', () => {
    const { images, patch, model, sampling } = runSchema().parse({});
    expect(readPaintedConfig({}, where)).toEqual({ images: { imageSize: images.imageSize }, patch, model, sampling });
  });

  test.each([
    [{ family: 'diffusion' }, 'config.json: expected a run of the family transformer, got "diffusion"'],
    [{ model: { width: 0 } }, 'config.json: model: width: expected a whole number from 1 to 65536, got 0'],
    [{ model: { later: 1 } }, 'config.json: model: later: expected a setting that this version knows, got another'],
    [{ patch: [] }, 'config.json: patch: expected an object, got Array of 0'],
    [{ model: { width: 30 } }, 'config: width 30 / heads 4: expected a multiple of 4 channels a head'],
    ['x', 'config.json: expected the config of a run, got "x"'],
  ])('is refused where it is wrong: %j', (config, message) => {
    expect(() => readPaintedConfig(config, where)).toThrow(message);
  });
});

const noKernels = existsSync(paintKernels) ? '' : ' (skipped: no tessera-paint.wasm)';

describe.skipIf(noKernels !== '')(`the kernels for painting${noKernels}`, () => {
  test.each(Object.keys(kinds))('are enough for a run that is %s', async kind => {
    await selectBackend('cpu');
    const files = await tinyRun(kinds[kind]);
    if (tf.findBackendFactory('wasm') === null)
      registerNative(await openWasm(readFileSync(paintKernels), { threads: 1 }));
    await tf.setBackend('wasm');
    await paintAll(files);
  });
});

describe.skipIf(noWebgpu !== undefined)(`on a GPU${noWebgpu === undefined ? '' : ` (skipped: ${noWebgpu})`}`, () => {
  afterEach(() => vi.restoreAllMocks());

  test.each(['plain', 'of DALL·E'])('no kernel of a run that is %s binds more than a browser grants', async kind => {
    await selectBackend('cpu');
    const files = await tinyRun(kinds[kind]);
    await selectBackend('webgpu', { precision: 'fp32' });
    const gpu = activeGpu();
    if (gpu === undefined) throw new Error('no GPU backend');
    const counts = new Map<string, number>();
    const dispatch = gpu.dispatch.bind(gpu);
    vi.spyOn(gpu, 'dispatch').mockImplementation(program => {
      counts.set(program.name, program.bindings.length);
      dispatch(program);
    });
    await paintAll(files);
    expect(counts.size).toBeGreaterThan(5);
    expect([...counts].filter(([, count]) => count > 10)).toEqual([]);
  });
});
