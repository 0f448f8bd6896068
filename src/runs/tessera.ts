/** @file What a program holds: a trained run that paints captions code by code. */
import { UserError } from '../core/errors.ts';
import { CodePainter } from '../families/transformer/codepainter.ts';
import { type OpenOptions, openPainter } from './open-painter.ts';

export type LoadOptions = OpenOptions;

/** A trained run of a family that paints codes. */
export class Tessera extends CodePainter {
  /**
   * Loads a run.
   * @param folder as `tessera train --out` or `tessera export` made it, or `shippedModel()`
   * @throws UserError if something is missing, a tokenizer is not the one that the model was trained with, or the run's
   *   family paints no codes
   */
  static async load(folder: string, options: LoadOptions = {}): Promise<Tessera> {
    const painter = await openPainter(folder, options);
    if (painter.codes !== undefined) return new Tessera(painter.codes);
    painter.dispose();
    throw new UserError(
      'load',
      `${folder} is a ${painter.family} run, which paints no codes`,
      'open it with openPainter',
    );
  }
}
