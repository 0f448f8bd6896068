/** @file What a run knows, asked by its folder: all of its captions, or those with the words of a search. */
import { UserError } from '../../core/errors.ts';
import { shellWord } from '../../core/shell.ts';
import { readRun } from '../../families/config.ts';
import { runPaths } from '../../io/runfolder.ts';
import type { LearntCaptions } from './parse.ts';
import { readLearnt } from './record.ts';
import { type CaptionSearch, type FoundCaptions, listCaptions, searchCaptions } from './search.ts';

/** What a run was trained on, in numbers, and the captions that were asked for. */
export interface KnownCaptions extends Partial<CaptionSearch> {
  /** Images that it was trained on. */
  readonly images: number;
  /** Their different captions, and how many of them are kept: all, but of a large data set. */
  readonly captions: number;
  readonly kept: number;
  /** The different words of all of them. */
  readonly words: number;
  /** Those with every word of a search; without one all, those of the most images first. */
  readonly found: FoundCaptions;
}

/**
 * @param options.search words in any order; @param options.limit most captions of each kind
 * @throws UserError if there is no run, it does not know its captions, or the search has no word
 */
export async function queryCaptions(
  run: string,
  { search, limit }: { readonly search?: string; readonly limit: number },
): Promise<KnownCaptions> {
  const learnt = await expectLearnt(run);
  const { images, captions, kept, words, wordsLeftOut } = learnt;
  const counts = { images, captions, kept, words: words.size + wordsLeftOut };
  if (search === undefined) return { ...counts, found: listCaptions(learnt, limit) };
  const found = searchCaptions(learnt, search, limit);
  if (found !== undefined) return { ...counts, ...found };
  throw new UserError('captions: search', `expected words, got '${search}'`, 'e.g. heart');
}

/** @throws UserError if there is no run, or it does not know its captions */
async function expectLearnt(run: string): Promise<LearntCaptions> {
  await readRun(run, 'captions');
  const learnt = await readLearnt(runPaths(run).learnt);
  if (learnt !== undefined) return learnt;
  throw new UserError(
    'captions',
    `${run} does not know what it was trained on: it was made before runs kept their captions`,
    `\`tessera train --out ${shellWord(run)} --data DATA\` with its data keeps them, of a run that is done too; an export must be made again`,
  );
}
