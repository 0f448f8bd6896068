/** @file A trained run as what paints captions code by code: previews, completion, codes and their probabilities. */
import { UserError } from '../core/errors.ts';
import { CodePainter } from '../families/transformer/codepainter.ts';
import { TransformerPainter } from '../families/transformer/painter.ts';
import { type OpenOptions, openPainter } from './open.ts';

/** A trained run of the transformer. */
export class Tessera extends CodePainter {
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
}
