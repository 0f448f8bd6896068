/**
 * @file The optional TensorFlow backend, with a stand-in for the package (tfjs-node-gpu needs CUDA 11): what registers a
 * backend `tensorflow` is used, the model computes on it what it computes on cpu, and every way to fail is one line.
 */
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test } from 'vitest';
import '../../src/backends/index.ts';
import { loadTensorflow } from '../../src/backends/tensorflow.ts';
import { UserError } from '../../src/errors.ts';
import { valueAndGradients } from '../../src/kernels/autodiff.ts';
import { expectAllclose } from '../support.ts';
import { batchOf, configs, randomModel } from '../tiny-model.ts';

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
function importer(there: Readonly<Record<string, () => void>>): (name: string) => Promise<unknown> {
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
    expect(await loadTensorflow(importer({ [CPU]: () => register(false) }))).toEqual({ name: CPU, gpu: false });
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

test('a training step on it has the losses and gradients of the cpu backend', async () => {
  const step = async () => {
    const model = randomModel(configs.modern);
    const batch = batchOf([3, 5], configs.modern);
    const variables = model.parameters.list().map(({ variable }) => variable as tf.Tensor);
    const { loss, gradients } = valueAndGradients(() => ({ loss: model.loss(batch).loss, aux: [] }), variables);
    const values = await Promise.all([loss, ...gradients].map(async t => [...((await t?.data()) ?? [])]));
    tf.dispose([loss, ...gradients.filter(g => g !== null)]);
    model.dispose();
    return values;
  };
  await tf.setBackend('cpu');
  const expected = await step();
  await loadTensorflow(importer({ [GPU]: () => register(false) }));
  const actual = await step();
  expect(tf.getBackend()).toBe('tensorflow');
  expect(actual.length).toBe(expected.length);
  expect(Math.max(...expected.flat().map(Math.abs))).toBeGreaterThan(0.1);
  for (const [i, values] of expected.entries()) expectAllclose(actual[i], values);
});
