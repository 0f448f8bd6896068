/** @file What stands for webgpu.ts in a bundle that is to compute without WebGPU. */

/** No backend is one. */
export class GpuBackend {}

export function activeGpu(): undefined {
  return undefined;
}
