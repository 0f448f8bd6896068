/** @file What tests share: one comparison with explicit tolerances, backends to run on, and numerical gradients. */
import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { Random } from '../src/core/random.ts';
import { selectBackend } from '../src/device/backends.ts';
import { registerAddon, registerWasm } from '../src/device/native/load.ts';
import { activeNative, type NativeBackend } from '../src/device/native/native.ts';
import { describeAdapter } from '../src/device/webgpu/dawn.ts';

export interface Tolerance {
  readonly relative?: number;
  readonly absolute?: number;
}

/** Fails unless |a - b| <= absolute + relative * |b| everywhere; says where the largest violation is. */
export function expectAllclose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance = {},
): void {
  const { relative = 1e-5, absolute = 1e-6 } = tolerance;
  expect(actual.length).toBe(expected.length);
  let worst = 0;
  let at = -1;
  for (let i = 0; i < expected.length; i++) {
    const excess = Math.abs(actual[i] - expected[i]) - (absolute + relative * Math.abs(expected[i]));
    if (!(excess <= worst)) {
      worst = excess;
      at = i;
      if (Number.isNaN(excess)) break;
    }
  }
  if (at >= 0) {
    throw new Error(
      `not close at ${at} of ${expected.length}: got ${actual[at]}, expected ${expected[at]} (over by ${worst})`,
    );
  }
}

/** A tensor of independent normals. */
export function normal(shape: number[], seed: number, deviation = 1): tf.Tensor {
  return tf.tensor(new Random(seed).normals(tf.util.sizeFromShape(shape), deviation), shape);
}

/** SwiftShader, a GPU in software, as Debian's chromium package brings it. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Why WebGPU cannot be tested here, or undefined. Where no driver has been chosen (VK_ICD_FILENAMES), SwiftShader is
 * taken if it is there, so that every machine tests the same; TESSERA_TEST_GPU=1 takes the real GPU.
 */
export const noWebgpu: string | undefined = await (async () => {
  if (process.env.TESSERA_TEST_GPU !== '1' && existsSync(SWIFTSHADER)) process.env.VK_ICD_FILENAMES ??= SWIFTSHADER;
  try {
    await describeAdapter();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
})();

/**
 * The same test body on every backend that this machine has; the missing ones are skipped with the reason in their name.
 * Matrix products run in fp32 unless the test sets `precision`.
 */
export function onEveryBackend(title: string, body: (backend: string) => Promise<void> | void): void {
  const missing: Readonly<Record<string, string | undefined>> = { ...noKernels, webgpu: noWebgpu };
  describe(title, () => {
    for (const name of ['native', 'webgpu', 'cpu', 'wasm'] as const) {
      const reason = missing[name];
      test.skipIf(reason !== undefined)(reason !== undefined ? `${name} (skipped: ${reason})` : name, async () => {
        await selectBackend(name, { precision: 'fp32' });
        await body(name);
      });
    }
  });
}

/** Why the C++ kernels cannot be tested here, by what they are built for; undefined where they can. */
export const noKernels: Readonly<Record<'native' | 'wasm', string | undefined>> = {
  native: registerAddon(),
  wasm: await registerWasm(),
};

/** The native backend in fp32, for tests of it alone, or the same in WebAssembly. */
export async function useNative(name: 'native' | 'wasm' = 'native'): Promise<NativeBackend> {
  await selectBackend(name, { precision: 'fp32' });
  const backend = activeNative();
  if (backend === undefined) throw new Error(`no ${name} backend`);
  return backend;
}

/**
 * Central differences of a scalar function of one tensor, at a sample of its entries.
 * @returns the entries' indices and the numerical derivatives
 */
export async function finiteDifferences(
  f: (x: tf.Tensor) => tf.Tensor,
  x: tf.Tensor,
  options: { readonly step?: number; readonly samples?: number; readonly seed?: number } = {},
): Promise<{ readonly indices: number[]; readonly derivatives: number[] }> {
  const { step = 1e-2, samples = 12, seed = 1 } = options;
  const values = await x.data();
  const random = new Random(seed);
  const indices =
    values.length <= samples
      ? [...values.keys()]
      : Array.from({ length: samples }, () => random.integer(values.length));
  const derivatives: number[] = [];
  for (const index of indices) {
    const at = async (delta: number) => {
      const moved = Float32Array.from(values);
      moved[index] += delta;
      const y = tf.tidy(() => f(tf.tensor(moved, x.shape)));
      const [value] = await y.data();
      y.dispose();
      return value;
    };
    derivatives.push(((await at(step)) - (await at(-step))) / (2 * step));
  }
  return { indices, derivatives };
}
