/**
 * @file Selects a backend as programs do it: one of backends/index.ts, whose products run on a GPU's matrix units where
 * these were seen to multiply as they should.
 */
import { type BackendName, type BackendOptions, selectBackend } from '../device/backends.ts';
import { probeMatrixUnits } from './gemm/matrixunits.ts';

/**
 * Makes a backend the active one.
 * @returns the name of the backend that is active now
 * @throws UserError if the backend asked for cannot be had, or the precision not on it
 */
export function startBackend(name: BackendName, options: Omit<BackendOptions, 'probe'> = {}): Promise<string> {
  return selectBackend(name, { ...options, probe: probeMatrixUnits });
}
