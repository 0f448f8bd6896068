/**
 * @file Contrastive towers in a file: averaged weights, and beside them everything needed to build the model again, so
 * that `text.safetensors` can be opened wherever it lies. It does not depend on the code that trains them.
 */

import { z } from 'zod';
import { count } from '../../config/fields.ts';
import { parseConfig } from '../../config/schema.ts';
import { UserError } from '../../core/errors.ts';
import { readSafetensors, writeSafetensors } from '../../io/files.ts';
import { parseJson } from '../../io/json.ts';
import { Checkpoint } from '../../nn/module.ts';
import { asTensors, namedValues } from '../../training/named-values.ts';
import type { Weights } from '../../training/task.ts';
import { checkText, textSchema } from './config.ts';
import { Contrastive } from './contrastive.ts';

const FORMAT = 'tessera contrastive towers';

/** Writes both towers. */
export async function saveTowers(path: string, model: Contrastive, weights: Weights): Promise<void> {
  const { config, sizes } = model;
  const metadata = { format: FORMAT, config: JSON.stringify({ config, sizes }) };
  await writeSafetensors(path, asTensors(weights), metadata);
}

/** What the towers are built from. */
const towersSchema = z.object({
  config: textSchema,
  sizes: z.object({ vocabulary: count.max(2 ** 23), imageSize: count.max(4096) }),
});

/**
 * Opens what `saveTowers` wrote.
 * @param vocabulary ids of the tokenizer that captions come from, where there is one
 * @returns the model, the caller's to dispose
 * @throws UserError if the file is no such file or damaged, or the towers read another vocabulary
 */
export async function loadTowers(path: string, vocabulary?: number): Promise<Contrastive> {
  const { tensors, metadata } = await readSafetensors(path);
  if (metadata.format !== FORMAT) {
    throw new UserError(
      path,
      `expected ${FORMAT}, got ${metadata.format ?? 'a file without a format'}`,
      'train a network of features with `tessera features --data datasets/emoji --out features/emoji`',
    );
  }
  const where = `${path}: config`;
  const { config, sizes } = parseConfig(towersSchema, parseJson(metadata.config ?? '', where), where);
  checkText({ text: config });
  if (vocabulary !== undefined && vocabulary !== sizes.vocabulary) {
    const what = `reads ${sizes.vocabulary} caption ids, expected the ${vocabulary} of the caption tokenizer beside it`;
    throw new UserError(path, what, 'put back the files that were trained together');
  }
  const values = namedValues(tensors, path);
  const model = new Contrastive(config, sizes, new Checkpoint(values, path));
  try {
    model.parameters.load(values, path);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}
