/**
 * @file `auto` on a machine with a GPU, which a software one stands in for: what is found is given here, the device is
 * real. It is taken and told of; a GPU that cannot be had is one warning; a precision that needs another backend decides.
 */
import * as tf from '@tensorflow/tfjs-core';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { UserError } from '../../src/core/errors.ts';
import { selectBackend } from '../../src/device/backends.ts';
import { registerAddon } from '../../src/device/native/load.ts';
import { activeNative } from '../../src/device/native/native.ts';
import type { AdapterSummary, MatrixShape } from '../../src/device/webgpu/adapter.ts';
import { findGpu } from '../../src/device/webgpu/dawn.ts';
import { activeGpu } from '../../src/device/webgpu/webgpu.ts';
import { noWebgpu } from '../support.ts';

vi.mock(import('../../src/device/webgpu/dawn.ts'), async original => ({ ...(await original()), findGpu: vi.fn() }));

const noNative = registerAddon();
const found = vi.mocked(findGpu);
const warn = vi.fn();
const tell = vi.fn();
const units = { M: 16, N: 16, K: 16 };

beforeEach(async () => {
  vi.clearAllMocks();
  found.mockResolvedValue({});
  const gpu = activeGpu(); // of the test before
  if (gpu !== undefined) Object.assign(gpu, { matrixUnits: undefined, noMatrixUnits: undefined });
  await tf.setBackend('cpu');
});

describe.skipIf(noNative !== undefined)(
  `without a GPU${noNative === undefined ? '' : ` (skipped: ${noNative})`}`,
  () => {
    test('the native backend is taken without a word', async () => {
      expect(await selectBackend('auto', { warn, tell })).toBe('native');
      expect([warn.mock.calls, tell.mock.calls]).toEqual([[], []]);
    });

    test('a GPU that is there but cannot be used is one warning with its mend', async () => {
      found.mockResolvedValue({ problem: new UserError('backend webgpu', 'no GPU adapter was found', 'install it') });
      expect(await selectBackend('auto', { warn, tell })).toBe('native');
      expect(warn.mock.calls).toEqual([
        ['the GPU is not used: backend webgpu: no GPU adapter was found', 'install it'],
      ]);
    });

    test('f16 is refused with what the native backend has', async () => {
      await selectBackend('native');
      const able = activeNative()?.supportsBf16 ? 'auto or fp32 or bf16' : 'auto or fp32';
      await expect(selectBackend('auto', { precision: 'f16' })).rejects.toThrow(
        `precision: expected ${able} on the native backend, got f16`,
      );
    });
  },
);

const skipped = noWebgpu ?? noNative;
describe.skipIf(skipped !== undefined)(`with a GPU${skipped === undefined ? '' : ` (skipped: ${skipped})`}`, () => {
  beforeEach(() => found.mockResolvedValue({ gpu: { name: 'a GPU' } as AdapterSummary }));

  /** Says of the matrix units what a test wants to hear, and how often it was asked. */
  const probing = (answer: { units?: MatrixShape; reason?: string }) => vi.fn(async () => answer);

  test('it is taken, with its matrix units where they work, and told of in one line', async () => {
    const probe = probing({ units });
    expect(await selectBackend('auto', { tell, probe })).toBe('webgpu');
    expect(activeGpu()?.precision).toBe('f16');
    const { name = '' } = activeGpu()?.summary ?? {};
    expect(tell.mock.calls).toHaveLength(1);
    expect(tell.mock.calls[0][0]).toMatch(/^GPU: .+, .+; products in f16 on its matrix units \(16 x 16 x 16\)$/);
    expect(tell.mock.calls[0][0]).toContain(name);
    await selectBackend('auto', { probe });
    expect(probe).toHaveBeenCalledTimes(1);
  });

  test('without matrix units products are fp32, and the reason is told', async () => {
    await selectBackend('auto', { tell, probe: probing({ reason: 'they round wrongly' }) });
    expect(activeGpu()?.precision).toBe('fp32');
    expect(tell.mock.calls[0][0]).toMatch(/; products in fp32, no matrix units: they round wrongly$/);
  });

  test('f16 asked for where the matrix units do not work is refused with the reason', async () => {
    const probe = probing({ reason: 'they round wrongly' });
    await expect(selectBackend('webgpu', { precision: 'f16', probe })).rejects.toThrow(
      'precision: expected auto or fp32 on the webgpu backend, got f16 (they round wrongly)',
    );
  });

  test('fp32 asked for does not look at the matrix units', async () => {
    const probe = probing({ units });
    await selectBackend('auto', { precision: 'fp32', probe, tell });
    expect([activeGpu()?.precision, probe.mock.calls.length]).toEqual(['fp32', 0]);
    expect(tell.mock.calls[0][0]).toMatch(/; products in fp32$/);
  });

  test('bf16 is for the processor: it is refused on the GPU and decides for the native backend', async () => {
    await expect(selectBackend('webgpu', { precision: 'bf16' })).rejects.toThrow('on the webgpu backend, got bf16');
    await selectBackend('native');
    const work = selectBackend('auto', { precision: 'bf16' });
    if (activeNative()?.supportsBf16) expect(await work).toBe('native');
    else await expect(work).rejects.toThrow('on the native backend, got bf16');
  });

  test('a GPU in software is taken only where it is asked for, with a warning', async () => {
    await selectBackend('webgpu', { warn, tell });
    if (!activeGpu()?.summary.software) return; // tested on a real one
    expect(warn.mock.calls).toEqual([[expect.stringContaining('is a GPU in software'), 'use --backend native']]);
  });
});
