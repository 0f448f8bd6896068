/** @file The captions that a run was trained on, from a program; what the command `captions` does. */
import { checkOptions, checkValue, pathCheck, textCheck, wholeCheck } from '../core/checks.ts';
import { type KnownCaptions, queryCaptions } from '../runs/learnt/query.ts';
import { shippedModel } from '../runs/run.ts';

/** What of a run's captions is wanted. */
export interface KnownCaptionsOptions {
  /** Words in any order, which the captions have, also as the beginnings of longer words. Default: all captions. */
  readonly search?: string;
  /** Most captions of each kind; default 20. */
  readonly limit?: number;
}

/**
 * Lists captions that a run was trained on. With a search also other captions of the same images, and for words that no
 * caption has those that are spelt alike.
 * @param run folder of a run, trained or exported; default the model that comes with the package
 * @throws UserError if there is no run, the search has no word, or the run was made before runs kept their captions
 */
export async function knownCaptions(
  run: string = shippedModel(),
  options: KnownCaptionsOptions = {},
): Promise<KnownCaptions> {
  checkValue('knownCaptions: run', run, pathCheck);
  checkOptions('knownCaptions', options, { search: textCheck, limit: wholeCheck({ least: 1 }) });
  const { search, limit = 20 } = options;
  return queryCaptions(run, { search, limit });
}
