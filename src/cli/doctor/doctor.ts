/** @file What `tessera doctor` prints: which backends work on this machine, how fast each multiplies, and how to get the others. */
import { cpus, totalmem } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../core/errors.ts';
import { backendNames } from '../../device/backends.ts';
import { activeDevice } from '../../device/device.ts';
import { linear } from '../../kernels/linear/linear.ts';
import { measurePeak, type Peak } from '../../kernels/peak/peak.ts';
import { startBackend, startNative } from '../../kernels/start.ts';
import type { Session } from '../../runs/session.ts';
import { describeGpu } from './gpu.ts';

/** Side of the matrices that are multiplied, by how fast a backend is expected to be. */
const SIDE = { native: 1024, tensorflow: 1024, wasm: 512, cpu: 192 } as const;

/** Prints a line for each backend, and some more for a GPU. */
export async function examineBackends(session: Session): Promise<void> {
  const [processor] = cpus();
  session.print(`node ${process.versions.node}, ${process.platform} ${process.arch}`);
  session.print(
    `${cpus().length} x ${processor?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  );
  session.print(`tfjs-core ${tf.version_core}`);
  for (const name of backendNames) {
    if (name === 'auto') continue;
    try {
      if (name === 'webgpu') {
        const [first, ...rest] = await describeGpu(session);
        session.print(`${name.padEnd(10)} works: ${first}`);
        for (const line of rest) session.print(`${' '.repeat(11)}${line}`);
        continue;
      }
      await startBackend(name);
      const speeds: string[] = [];
      for (const precision of activeDevice().precisions) {
        await startBackend(name, { precision });
        speeds.push(`${(await multiplyRate(SIDE[name], session.now)).toFixed(0)} GFLOP/s ${precision}`);
      }
      const native = name === 'native' ? await startNative() : undefined;
      const detail = native === undefined ? '' : ` (${native.instructionSet})`;
      const peak = native === undefined ? '' : `; ${describePeak(measurePeak(native, session.now))}`;
      session.print(`${name.padEnd(10)} works${detail}: ${speeds.join(', ')}${peak}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      session.print(`${name.padEnd(10)} ${error.message}`);
      session.print(`${' '.repeat(11)}hint: ${error.hint ?? ''}`);
    }
  }
  await startBackend('auto');
  session.print(`--backend auto takes ${tf.getBackend()}`);
}

/** What no kernel can exceed. */
function describePeak({ gflops, bandwidth }: Peak): string {
  const rates = Object.values(gflops).map(rate => rate.toFixed(0));
  return `at most ${rates.join(', ')}, and ${bandwidth.toFixed(0)} GB/s of memory`;
}

/** GFLOP/s of square matrix products, the median of five. */
async function multiplyRate(side: number, now: () => number): Promise<number> {
  const x = tf.ones([side, side]);
  const w = tf.ones([side, side]);
  const times: number[] = [];
  for (let i = 0; i < 6; i++) {
    const started = now();
    const y = linear(x, w);
    await y.data();
    times.push(now() - started);
    y.dispose();
  }
  x.dispose();
  w.dispose();
  const median = times.slice(1).sort((a, b) => a - b)[2]; // the first call warms up
  return (2 * side ** 3) / (median * 1e6);
}
