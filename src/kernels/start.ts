/**
 * @file Starts a backend as programs do it: `selectBackend` of device/backends.ts, which knows no kernels, with products on
 * a GPU's matrix units where these were seen to multiply as they should.
 */
import { type BackendName, type BackendOptions, selectBackend } from '../device/backends.ts';
import { activeNative, type NativeBackend } from '../device/native/native.ts';
import { activeGpu, type GpuBackend } from '../device/webgpu/webgpu.ts';
import { probeMatrixUnits } from './gemm/matrixunits.ts';

type StartOptions = Omit<BackendOptions, 'probe'>;

/**
 * Makes a backend the active one.
 * @returns the name of the backend that is active now
 * @throws UserError if the backend asked for cannot be had, or the precision not on it
 */
export function startBackend(name: BackendName, options: StartOptions = {}): Promise<string> {
  return selectBackend(name, { ...options, probe: probeMatrixUnits });
}

/** The native backend itself, for tools that measure it. @throws UserError if it cannot be had */
export async function startNative(options: StartOptions = {}): Promise<NativeBackend> {
  await startBackend('native', options);
  return activeNative() as NativeBackend; // just started
}

/** The WebGPU backend itself, likewise. */
export async function startGpu(options: StartOptions = {}): Promise<GpuBackend> {
  await startBackend('webgpu', options);
  return activeGpu() as GpuBackend; // just started
}
