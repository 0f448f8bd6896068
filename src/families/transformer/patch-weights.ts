/** @file A patch tokenizer as tensors of a file, and out of them: its weights by name, and what its quantizer remembers. */
import { PatchTokenizer } from '../../../tokenizer/patch.ts';
import type { PatchConfig } from '../../config/patch.ts';
import type { SafetensorsFile, TensorData } from '../../io/safetensors.ts';
import { Checkpoint } from '../../nn/module.ts';
import { namedValues } from '../../training/named-values.ts';
import { omittedKey } from './omitted.ts';

/** Names of what the quantizer remembers begin so. */
const STATE = 'state.';

/** All tensors of a patch tokenizer. @param weights its parameters by name */
export async function patchTensors(
  weights: ReadonlyMap<string, TensorData>,
  tokenizer: PatchTokenizer,
): Promise<Map<string, TensorData>> {
  const tensors = new Map(weights);
  await tokenizer.readObserved();
  for (const [name, data] of Object.entries(tokenizer.state())) {
    tensors.set(STATE + name, { dtype: 'F32', shape: [data.length], data });
  }
  return tensors;
}

/** The tokenizer of a file of such tensors. @param where their file, for messages. @throws UserError if they do not fit the config */
export function patchOfTensors(
  config: { readonly patch: PatchConfig; readonly images: { readonly imageSize: number } },
  { tensors, metadata }: SafetensorsFile,
  where: string,
): PatchTokenizer {
  const stored = [...namedValues(tensors, where)];
  const isState = ([name]: (typeof stored)[number]) => name.startsWith(STATE);
  const values = new Map(stored.filter(entry => !isState(entry)));
  const state = stored
    .filter(isState)
    .map(([name, { values: numbers }]) => [name.slice(STATE.length), numbers] as const);
  const checkpoint = new Checkpoint(values, where).without(metadata[omittedKey]);
  const tokenizer = new PatchTokenizer(config.patch, config.images.imageSize, checkpoint);
  try {
    tokenizer.parameters.load(values, where);
    tokenizer.loadState(Object.fromEntries(state), where);
    return tokenizer;
  } catch (error) {
    tokenizer.dispose();
    throw error;
  }
}
