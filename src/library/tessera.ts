/** @file A trained run as what paints captions code by code: previews, completion, codes and their probabilities. */

import { checkValue, textCheck } from '../core/checks.ts';
import { UserError } from '../core/errors.ts';
import { CodePainter } from '../families/transformer/codepainter.ts';
import { TransformerPainter } from '../families/transformer/painter.ts';
import { runPaths } from '../io/runfolder.ts';
import type { LearntWords } from '../runs/learnt/parse.ts';
import { readLearntWords } from '../runs/learnt/record.ts';
import { type UnseenWord, unseenWords } from '../runs/learnt/unseen.ts';
import { type OpenOptions, openPainter } from './open.ts';

/** A trained run of the transformer. */
export class Tessera extends CodePainter {
  private learnt: Promise<LearntWords | undefined> | undefined;

  /**
   * Loads a run.
   * @param folder as `train` or `exportRun` made it; default the model that comes with the package
   * @throws UserError if something is missing, a tokenizer is not the one that the model was trained with, or it is no
   *   transformer run
   */
  static async load(folder?: string, options: OpenOptions = {}): Promise<Tessera> {
    const painter = await openPainter(folder, options);
    if (painter instanceof TransformerPainter) return new Tessera(painter.codes);
    painter.dispose();
    throw new UserError(
      'load',
      `${painter.run} is a ${painter.family} run, no transformer`,
      'open it with openPainter',
    );
  }

  /**
   * The words of a caption that are in none that the run was trained on, each with the known word that is spelt most alike, if
   * one is. The first call reads the run's words.
   * @returns them in the order of the caption; undefined where the run was made before runs kept their captions
   * @throws UserError if the caption is not text, or the file of the words is damaged
   */
  async unseenWords(caption: string): Promise<UnseenWord[] | undefined> {
    checkValue('unseenWords: caption', caption, textCheck);
    this.learnt ??= readLearntWords(runPaths(this.folder).learnt);
    const learnt = await this.learnt;
    return learnt === undefined ? undefined : unseenWords(caption, learnt);
  }
}
