/** @file Where work of the library computes: options that its functions share, and the checks of them. */
import { choiceCheck, wholeCheck } from '../core/checks.ts';
import { type BackendName, backendNames } from '../device/backends.ts';
import { type PrecisionName, precisionNames } from '../device/precision.ts';

/** Where to compute. One backend is active at a time: the one that was started last. */
export interface EngineOptions {
  /** Default `auto`: a GPU where there is one, else the native addon, else WebAssembly. */
  readonly backend?: BackendName;
  /** Of the operands of matrix products; default `auto`: bf16 or f16 where the hardware multiplies them, else fp32. */
  readonly precision?: PrecisionName;
  /** Of the native backend; default: as many as the processor has cores. */
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
