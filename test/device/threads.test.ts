/** @file Several JavaScript threads may call kernels: the pool of C++ threads is one a process, and they take turns at it. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { loadAddon } from '../../src/device/native/open-addon.ts';

const loaded = loadAddon();
const build = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'native', 'build');

/** What a worker runs: many squared norms of `size` twos, and how many of them were wrong. */
const program = `
  const { parentPort, workerData: { file, size } } = require('node:worker_threads');
  const addon = require(file);
  const squaredNorm = addon.kernelNames().indexOf('squaredNorm');
  const [x, sum] = [new Float32Array(size).fill(2), new Float64Array(1)];
  let wrong = 0;
  for (let i = 0; i < 1500; i++) {
    if (i % 100 === 0) addon.setThreads(2 + (i / 100) % 3);
    addon.call(squaredNorm, [sum, x], Float64Array.of(size), 1);
    if (sum[0] !== 4 * size) wrong++;
  }
  parentPort.postMessage(wrong);
`;

test.skipIf('reason' in loaded)('workers that compute at the same time all get their own results', async () => {
  if ('reason' in loaded) return;
  const file = join(build, `${loaded.instructionSet}.node`);
  const wrong = [1e5, 2e5, 3e5].map(
    size =>
      new Promise<number>((resolve, reject) => {
        const worker = new Worker(program, { eval: true, workerData: { file, size } });
        worker.on('message', resolve).on('error', reject);
      }),
  );
  expect(await Promise.all(wrong)).toEqual([0, 0, 0]);
});
