/** @file Features by their name, with the caption tokenizers that those of `tessera features` are read by. */
import { BpeTokenizer } from '../../tokenizer/bpe.ts';
import type { FeatureExtractor } from '../features/extractor.ts';
import type { HubOptions } from '../features/hub-options.ts';
import { openFeatures } from '../features/open.ts';
import { readJson } from '../io/files.ts';

/** Opens features, see `openFeatures`; a backend must have been selected. @throws UserError */
export function openNamedFeatures(name: string, hub: HubOptions = {}): Promise<FeatureExtractor> {
  const readCaptions = async (path: string) =>
    BpeTokenizer.fromJSON((await readJson(path)) as Parameters<typeof BpeTokenizer.fromJSON>[0], path);
  return openFeatures(name, { ...hub, readCaptions });
}
