/**
 * @file The optional TensorFlow backend, with a stand-in for the package (tfjs-node-gpu needs CUDA 11): what registers a
 * backend `tensorflow` is used, the model computes on it what it computes on cpu, and every way to fail is one line.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test } from 'vitest';
import '../../src/device/backends.ts';
import { UserError } from '../../src/core/errors.ts';
import { loadTensorflow } from '../../src/device/tensorflow.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { Optimizer } from '../../src/training/optimizer.ts';
import { batchOf, configs, randomModel } from '../families/transformer/tiny-model.ts';
import { expectAllclose } from '../support.ts';

const GPU = '@tensorflow/tfjs-node-gpu';
const CPU = '@tensorflow/tfjs-node';

/** Registers what tfjs-node does: a backend of that name with a kernel for every operation. */
function register(isUsingGpuDevice: boolean): void {
  class StandIn extends MathBackendCPU {
    readonly isUsingGpuDevice = isUsingGpuDevice;
  }
  tf.registerBackend('tensorflow', () => new StandIn());
  tf.copyRegisteredKernels('cpu', 'tensorflow');
}

/** Imports only what is there; everything else fails as Node says it. */
function importer(there: Readonly<Record<string, () => unknown>>): (name: string) => Promise<unknown> {
  return async name => {
    if (name in there) return there[name]();
    throw Object.assign(new Error(`Cannot find package '${name}' imported from /somewhere/tensorflow.js\nmore`), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
  };
}

async function refusal(work: Promise<unknown>): Promise<UserError> {
  const error = await work.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  return error as UserError;
}

afterEach(async () => {
  await tf.setBackend('cpu');
  if (tf.findBackendFactory('tensorflow') === null) return;
  tf.removeBackend('tensorflow');
  for (const { kernelName } of tf.getKernelsForBackend('tensorflow')) tf.unregisterKernel(kernelName, 'tensorflow');
});

describe('loading', () => {
  test('takes the package for GPUs and says whether it found one', async () => {
    const loaded = await loadTensorflow(importer({ [GPU]: () => register(true), [CPU]: () => register(false) }));
    expect(loaded).toEqual({ name: GPU, gpu: true });
    expect(tf.getBackend()).toBe('tensorflow');
  });

  test('settles for the package without', async () => {
    expect(await loadTensorflow(importer({ [CPU]: () => register(false) }))).toEqual({
      name: CPU,
      gpu: false,
      slow: { why: 'it is built without CUDA', hint: expect.stringContaining(`npm install ${GPU}`) },
    });
  });

  test('names what is missing where the package for GPUs computes on the processor', async () => {
    const load = importer({ [GPU]: () => tf.findBackendFactory('tensorflow') ?? register(false) });
    const slow = async (there: (library: string) => boolean) => (await loadTensorflow(load, there)).slow;
    expect(await slow(() => false)).toMatchObject({ why: 'there is no NVIDIA driver (libcuda.so.1)' });
    expect(await slow(name => !/cudart|cudnn/.test(name))).toEqual({
      why: 'these libraries are not found: libcudart.so.11.0, libcudnn.so.8',
      hint: expect.stringContaining('CUDA 11.2 and cuDNN 8'),
    });
    expect(await slow(() => true)).toMatchObject({ why: 'TensorFlow found no GPU that it can use' });
  });

  test.skipIf(process.platform !== 'linux' || existsSync('/dev/nvidiactl'))(
    'finds that there is no driver',
    async () => {
      const { slow } = await loadTensorflow(importer({ [GPU]: () => register(false) }));
      expect(slow?.why).toContain('libcuda.so.1');
    },
  );

  test('puts back what later versions of Node have removed before the package is imported', async () => {
    const util = createRequire(import.meta.url)('node:util') as { isNullOrUndefined?: (x: unknown) => boolean };
    const before = util.isNullOrUndefined;
    util.isNullOrUndefined = undefined;
    try {
      const seen: unknown[] = [];
      const load = importer({
        [GPU]: () => {
          seen.push(util.isNullOrUndefined?.(null), util.isNullOrUndefined?.(0));
          register(true);
        },
      });
      await loadTensorflow(load);
      expect(seen).toEqual([true, false]);
    } finally {
      util.isNullOrUndefined = before;
    }
  });

  test('names both packages where neither is installed, and how to get one', async () => {
    const { message, hint } = await refusal(loadTensorflow(importer({})));
    expect(message).toBe(`backend tensorflow: ${GPU} is not installed; ${CPU} is not installed`);
    expect(hint).toContain(`npm install ${GPU}@4.22.0`);
  });

  test('passes on in one line why a package that is there does not start', async () => {
    const broken = () => {
      throw new Error('libcudart.so.11.0: cannot open shared object file\n  at dlopen');
    };
    const { message } = await refusal(loadTensorflow(importer({ [GPU]: broken })));
    expect(message).toContain(`${GPU}: libcudart.so.11.0: cannot open shared object file; ${CPU} is not installed`);
    expect(message).not.toContain('\n');
  });

  test('a package that misses a package of its own is not called absent', async () => {
    const broken = () => {
      throw Object.assign(new Error("Cannot find package 'rimraf' imported from x"), { code: 'ERR_MODULE_NOT_FOUND' });
    };
    expect((await refusal(loadTensorflow(importer({ [GPU]: broken })))).message).toContain("'rimraf'");
  });

  test('sees a package that registered with another copy of tfjs-core', async () => {
    const { message } = await refusal(loadTensorflow(importer({ [GPU]: () => {} })));
    expect(message).toContain(`${GPU}: imported, but it registered with another copy of tfjs-core`);
  });
});

test('a training on it has the losses, gradients and weights of the cpu backend', async () => {
  const train = async () => {
    const model = randomModel(configs.modern);
    const batch = batchOf([3, 5], configs.modern);
    const variables = model.parameters.list().map(({ variable }) => variable as tf.Tensor);
    const optimizer = new Optimizer(model.parameters.list(), {
      beta1: 0.9,
      beta2: 0.95,
      weightDecay: 0.1,
      clip: 1,
      ema: 0.9,
    });
    const seen: number[][] = [];
    for (let step = 0; step < 2; step++) {
      const { loss, gradients } = valueAndGradients(() => ({ loss: model.loss(batch).loss, aux: [] }), variables);
      for (const t of [loss, ...gradients]) seen.push([...((await t?.data()) ?? [])]);
      await optimizer.step(gradients, 1e-2);
      loss.dispose();
    }
    for (const variable of variables) seen.push([...(await variable.data())]);
    optimizer.dispose();
    model.dispose();
    return seen;
  };
  await tf.setBackend('cpu');
  const expected = await train();
  await loadTensorflow(importer({ [GPU]: () => register(true) }));
  const actual = await train();
  expect(tf.getBackend()).toBe('tensorflow');
  expect(actual.length).toBe(expected.length);
  expect(Math.max(...expected.flat().map(Math.abs))).toBeGreaterThan(0.1);
  for (const [i, values] of expected.entries()) expectAllclose(actual[i], values);
});
