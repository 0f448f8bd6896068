/** @file Where work of the library computes: the choice of a backend, and the options that functions share. */
import { checkOptions, checkValue, choiceCheck, functionCheck, wholeCheck } from '../core/checks.ts';
import { type BackendName, backendNames } from '../device/backends.ts';
import { type PrecisionName, precisionNames } from '../device/precision.ts';
import { startBackend as start } from '../kernels/start.ts';

/** Where to compute. One backend is active at a time: the one that was started last. */
export interface EngineOptions {
  /** Default `auto`: a GPU where there is one, else the native addon, else WebAssembly. */
  readonly backend?: BackendName;
  /** Of the operands of matrix products; default `auto`: bf16 or f16 where the hardware multiplies them, else fp32. */
  readonly precision?: PrecisionName;
  /** Of the native backend; default: as it has them, at first as many as the processor has cores. */
  readonly threads?: number;
}

export const engineChecks = {
  backend: choiceCheck(backendNames),
  precision: choiceCheck(precisionNames),
  threads: wholeCheck({ least: 1, most: 64 }),
};

/** With what is left out filled in. */
export function engineOf({ backend = 'auto', precision = 'auto', threads }: EngineOptions) {
  return { backend, precision, threads };
}

/** How a backend is started. */
export interface BackendOptions extends Omit<EngineOptions, 'backend'> {
  /** Called at most once, with a line for people and how to mend it, when the backend is slower than it could be. */
  readonly warn?: (message: string, hint: string) => void;
  /** Called with a line that says which GPU computes, and how, if one does. */
  readonly tell?: (message: string) => void;
}

/**
 * Makes a backend the active one, for whatever is opened and computed from now on.
 * @returns the name of the backend that is active now: what `auto` has found
 * @throws UserError if the backend cannot be had here, or the precision not on it
 */
export async function startBackend(backend: BackendName, options: BackendOptions = {}): Promise<string> {
  checkValue('startBackend: backend', backend, engineChecks.backend);
  const { precision, threads } = engineChecks;
  checkOptions('startBackend', options, { precision, threads, warn: functionCheck, tell: functionCheck });
  return start(backend, options);
}
