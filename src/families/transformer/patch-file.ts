/** @file The file of a patch tokenizer, `patch.safetensors` of a run. */
import type { PatchTokenizer } from '../../../tokenizer/patch.ts';
import { readSafetensors, writeSafetensors } from '../../io/files.ts';
import type { TensorData } from '../../io/safetensors.ts';
import { patchOfTensors, patchTensors } from './patch-weights.ts';

/** Writes a patch tokenizer. @param weights its parameters by name */
export async function savePatchTokenizer(
  path: string,
  weights: ReadonlyMap<string, TensorData>,
  tokenizer: PatchTokenizer,
): Promise<void> {
  await writeSafetensors(path, await patchTensors(weights, tokenizer), { format: 'tessera patch tokenizer' });
}

/** Reads what `savePatchTokenizer` wrote. @throws UserError if the file does not fit the config */
export async function loadPatchTokenizer(
  config: Parameters<typeof patchOfTensors>[0],
  path: string,
): Promise<PatchTokenizer> {
  return patchOfTensors(config, await readSafetensors(path), path);
}
