/** @file What follows from the sizes of a patch tokenizer, for those who read its settings without checking them. */
import type { PatchConfig } from './patch.ts';
import type { ImagesConfig } from './run.ts';

/** Number of codes of a patch tokenizer. */
export function codebookSizeOf(patch: Pick<PatchConfig, 'quantizer' | 'levels' | 'codebookSize'>): number {
  return patch.quantizer === 'fsq' ? patch.levels.reduce((a, b) => a * b, 1) : patch.codebookSize;
}

/** Pixels along one side of a patch. */
export function patchSizeOf(config: {
  readonly images: Pick<ImagesConfig, 'imageSize'>;
  readonly patch: Pick<PatchConfig, 'grid'>;
}): number {
  return config.images.imageSize / config.patch.grid;
}
