/**
 * @file Contrastive towers in a file: averaged weights, and beside them everything needed to build the model again, so
 * that `text.safetensors` can be opened wherever it lies. It does not depend on the code that trains them.
 */

import { UserError } from '../../core/errors.ts';
import { Random } from '../../core/random.ts';
import { readSafetensors, writeSafetensors } from '../../io/files.ts';
import { asTensors, namedValues, type Weights } from '../../training/loop.ts';
import { type TextConfig, textSchema } from './config.ts';
import { Contrastive } from './contrastive.ts';

const FORMAT = 'tessera contrastive towers';

/** Writes both towers. */
export async function saveTowers(path: string, model: Contrastive, weights: Weights): Promise<void> {
  const { config, sizes } = model;
  const metadata = { format: FORMAT, config: JSON.stringify({ config, sizes }) };
  await writeSafetensors(path, asTensors(weights), metadata);
}

/**
 * Opens what `saveTowers` wrote.
 * @returns the model, the caller's to dispose
 * @throws UserError if the file is no such file or damaged
 */
export async function loadTowers(path: string): Promise<Contrastive> {
  const { tensors, metadata } = await readSafetensors(path);
  if (metadata.format !== FORMAT) {
    throw new UserError(
      path,
      `expected ${FORMAT}, got ${metadata.format ?? 'a file without a format'}`,
      'train a network of features with `tessera features --data datasets/emoji --out features/emoji`',
    );
  }
  const { config, sizes } = JSON.parse(metadata.config) as { config: TextConfig; sizes: Contrastive['sizes'] };
  const model = new Contrastive(textSchema.parse(config), sizes, new Random(0));
  try {
    model.parameters.load(namedValues(tensors), path);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}
