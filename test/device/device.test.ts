/** @file What every backend says of itself as a device. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { selectBackend } from '../../src/device/backends.ts';
import { activeDevice } from '../../src/device/device.ts';
import '../../src/kernels/elementwise/elementwise.ts'; // tf.add in the device's own memory
import { packageRoot } from '../../src/io/package-root.ts';
import { onEveryBackend, useNative } from '../support.ts';

onEveryBackend('a device says what it is', async name => {
  const device = activeDevice();
  const onGpu = name === 'webgpu';
  expect([device.name, device.precision, device.precisions[0]]).toEqual([name, 'fp32', 'fp32']);
  expect([device.lossScaling, device.decidesSteps, device.readsWait]).toEqual([false, onGpu, onGpu]);
});

onEveryBackend('a device counts the bytes of its tensors, and trims what none of them uses', async name => {
  const device = activeDevice();
  const counts = name === 'native' || name === 'wasm' || name === 'webgpu';
  expect(device.memoryUse() !== undefined).toBe(counts);
  device.trim();
  const before = device.memoryUse()?.used ?? 0;
  const x = tf.tensor(new Float32Array(1 << 16));
  const y = tf.add(x, 1); // made on the device
  const during = device.memoryUse() ?? { used: 0, peak: 0 };
  if (counts) expect(during.used - before).toBeGreaterThanOrEqual(4 << 16);
  expect(during.peak).toBeGreaterThanOrEqual(during.used);
  tf.dispose([x, y]);
  await tf.ones([1]).data();
  device.trim();
  expect(device.memoryUse()?.used ?? 0).toBeLessThan(during.used + 1);
});

test('the precision of the native device follows what was asked for', async ({ skip }) => {
  const { precisions } = await useNative();
  if (!precisions.includes('bf16')) skip('this processor has no bf16');
  await selectBackend('native', { precision: 'auto' });
  expect(activeDevice().precision).toBe('bf16');
});

test('whoever is above device and kernels asks no backend by name', () => {
  const root = packageRoot();
  const folders = ['src', 'data', 'tokenizer', 'scripts', 'examples'];
  const files = folders.flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => join(folder, name)),
  );
  const above = files.filter(path => !/^src\/(device|kernels)\//.test(path));
  expect(above.length).toBeGreaterThan(100);
  const asking = above.filter(path => /\bactive(Gpu|Native)\b/.test(readFileSync(join(root, path), 'utf8')));
  expect(asking).toEqual([]);
});
