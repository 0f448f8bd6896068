/** @file The probe of matrix units: what it finds, and that it finds nothing where something is wrong. */
import { describe, expect, test } from 'vitest';
import { selectBackend } from '../../src/device/backends.ts';
import { activeGpu, type GpuBackend } from '../../src/device/webgpu/webgpu.ts';
import { multiply } from '../../src/kernels/gemm/gemm.ts';
import { probeMatrixUnits } from '../../src/kernels/gemm/matrixunits.ts';
import { noWebgpu } from '../support.ts';

describe.skipIf(noWebgpu !== undefined)(`matrix units ${noWebgpu ?? ''}`, () => {
  test('are used if the adapter has them and they compute what fp32 does', async () => {
    await selectBackend('webgpu');
    const backend = activeGpu() as GpuBackend;
    const { matrices } = backend.summary;
    const { units, reason } = await probeMatrixUnits(backend);
    if (matrices.length === 0) {
      expect(units).toBeUndefined();
      expect(reason).toMatch(/^no /);
    } else {
      expect(reason).toBeUndefined();
      expect(matrices).toContainEqual({ M: units?.M, N: units?.N, K: units?.K });
    }
    expect(backend.matrixUnits).toEqual(units);
    expect(backend.precision).toBe('fp32');
  });

  test('are left alone if results differ', async context => {
    await selectBackend('webgpu');
    const backend = activeGpu() as GpuBackend;
    if (backend.summary.matrices.length === 0) return context.skip('no matrix units');
    const { units, reason } = await probeMatrixUnits(backend, (to, product) =>
      multiply(to, { ...product, variant: 'wrong', store: product.store.replace('value', '1.01 * value') }),
    );
    expect(units).toBeUndefined();
    expect(reason).toMatch(/8x8x8: gave .* instead of/);
    expect(backend.matrixUnits).toBeUndefined();
  });

  test('are left alone if the kernel does not compile, and the backend goes on', async context => {
    await selectBackend('webgpu');
    const backend = activeGpu() as GpuBackend;
    if (backend.summary.matrices.length === 0) return context.skip('no matrix units');
    const { units, reason } = await probeMatrixUnits(backend, (to, product) =>
      multiply(to, { ...product, variant: 'broken', store: 'this is not WGSL' }),
    );
    expect(units).toBeUndefined();
    expect(reason).toContain('expected');
    await backend.finish();
  });
});
