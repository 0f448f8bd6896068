/** @file Kernels of ours before tfjs's own, for the operations of tfjs that a training step sends often. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { GpuBackend } from './webgpu.ts';

/** Returns undefined where tfjs is to do it. */
export type WebgpuOverride = (
  inputs: Readonly<Record<string, TensorInfo>>,
  attributes: Readonly<Record<string, unknown>>,
  backend: GpuBackend,
) => TensorInfo | undefined;

/**
 * Asks `ours` first; tfjs's own kernel stays for what it leaves.
 * @param kernelName tfjs's name, e.g. `BatchMatMul`
 */
export function overrideWebgpu(kernelName: string, ours: WebgpuOverride): void {
  const stock = tf.getKernel(kernelName, 'webgpu');
  if (stock === undefined) return;
  tf.unregisterKernel(kernelName, 'webgpu');
  tf.registerKernel({
    ...stock,
    kernelFunc: call => {
      const { backend, inputs, attrs = {} } = call;
      const made =
        backend instanceof GpuBackend ? ours(inputs as Record<string, TensorInfo>, { ...attrs }, backend) : undefined;
      return made ?? stock.kernelFunc(call);
    },
  });
}
