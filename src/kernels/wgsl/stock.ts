/** @file Kernels of ours before tfjs's own, for the operations of tfjs that a training step sends often. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { InputInfos } from '../../device/native/native.ts';
import { GpuBackend } from '../../device/webgpu/webgpu.ts';

/** Returns undefined where tfjs is to do it. */
export type StockOverride = (
  inputs: InputInfos,
  attributes: Readonly<Record<string, unknown>>,
  backend: GpuBackend,
) => TensorInfo | undefined;

/** Asks `ours` first; tfjs's own kernel stays for what it leaves. */
export function overrideStock(kernelName: string, ours: StockOverride): void {
  const stock = tf.getKernel(kernelName, 'webgpu');
  if (stock === undefined) return;
  tf.unregisterKernel(kernelName, 'webgpu');
  tf.registerKernel({
    ...stock,
    kernelFunc: call => {
      const { backend, inputs, attrs = {} } = call;
      const made = backend instanceof GpuBackend ? ours(inputs as InputInfos, { ...attrs }, backend) : undefined;
      return made ?? stock.kernelFunc(call);
    },
  });
}
