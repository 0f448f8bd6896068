/** @file The frozen text encoder as families use it: captions in, rows of features out. */
import type { TextEncoder } from '../family.ts';
import type { Contrastive } from './contrastive.ts';
import { type CaptionEncoder, encodeCaptions } from './frozen.ts';

/** The text tower of a contrastive pair. @param captions the tokenizer that it was trained with */
export function textEncoderOf(model: Contrastive, captions: CaptionEncoder): TextEncoder {
  const { dim } = model.config;
  return {
    dim,
    parameters: model.textCount(),
    encode: async texts => {
      const rows = await encodeCaptions(model, captions, texts, { scaled: true });
      texts.forEach((text, i) => {
        if (text === '') rows.fill(0, i * dim, (i + 1) * dim);
      });
      return rows;
    },
    dispose: () => model.dispose(),
  };
}
