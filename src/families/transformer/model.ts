/** @file The transformer as a model of its family: painting code by code, and training on captions and codes. */
import { codebookSizeOf } from '../../config/patch-sizes.ts';
import type { Making, Model } from '../family.ts';
import { CodePainter } from './codepainter.ts';
import { Dalle } from './dalle.ts';
import { TransformerPainter } from './painter.ts';
import { DalleTask } from './task.ts';

/** A transformer with fresh weights, or with weights to be loaded. */
export function createTransformer(making: Making<'captions' | 'patch'>): Model {
  const { config, folder, parts, random, step } = making;
  const { captions, patch } = parts;
  const vocabulary = { caption: captions.vocabSize, image: codebookSizeOf(config.patch), grid: config.patch.grid };
  const model = new Dalle(config.model, vocabulary, random);
  return {
    painter: new TransformerPainter(new CodePainter({ folder, config, captions, patch, model, step })),
    task: async data => {
      const { batchSize, accumulate, balance } = config.train;
      const { bpeDropout, firstShare } = config.caption;
      const { imageSize } = config.images;
      const codes = { ...(await data.codes()), rehearsal: data.rehearsal };
      return new DalleTask(model, captions, codes, {
        ...{ batchSize, accumulate, bpeDropout, firstShare, balance, imageSize },
        seed: config.seed,
      });
    },
    load: (values, where) => model.parameters.load(values, where),
    dispose: () => model.dispose(),
  };
}
