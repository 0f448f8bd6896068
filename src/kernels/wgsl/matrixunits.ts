/** @file Whether a GPU's matrix units multiply as they should. */
import type { MatrixShape } from '../../backends/webgpu/dawn.ts';
import type { GpuBackend } from '../../backends/webgpu/webgpu.ts';

/** Stands in until the products on matrix units are there. */
export async function probeMatrixUnits(backend: GpuBackend): Promise<{ units?: MatrixShape; reason?: string }> {
  if (backend.summary.matrices.length === 0) return { reason: 'this GPU or its driver shows none' };
  return { reason: 'there are no kernels for them yet' };
}
