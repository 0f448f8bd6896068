/** @file What a program may set of sampling: the ranges of `sampling` in a run's config, checked where a call begins. */
import { numberCheck, seedCheck, wholeCheck } from '../core/checks.ts';

/** By the names of `SamplingOptions`. */
export const samplingChecks = {
  seed: seedCheck,
  temperature: numberCheck({ least: 0, most: 100 }),
  fineTemperature: numberCheck({ least: 0, most: 100 }),
  topK: wholeCheck({ least: 0 }),
  topP: numberCheck({ above: 0, most: 1 }),
  cfgScale: numberCheck({ least: 0, most: 100 }),
};
