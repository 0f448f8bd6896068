/**
 * @file The families of tier T2 and their configs: what differs between them is what is compared, and the rest is
 * alike. None augments, since place and colour are what the captions speak of; none is guided or sharpened in sampling,
 * since the whole distribution is looked at; all paint with averaged weights. Widths make a step of every family about
 * the same work, 14 to 21 GFLOP: at as many parameters as the others a GAN's step would be several times theirs.
 */

import { presets } from '../../../src/config/presets.ts';
import type { RunConfig, RunConfigInput } from '../../../src/config/run.ts';
import { mergeConfig } from '../../../src/config/schema.ts';
import { checkConfig, runSchema } from '../../../src/families/config.ts';
import { familyOf } from '../../../src/families/families.ts';
import type { FirstStage } from '../../stages.ts';

export interface ModesFamily {
  readonly name: string;
  readonly label: string;
  readonly kind: 'likelihood' | 'denoising' | 'gan';
  readonly first: FirstStage;
  /** Share of a run's budget that the first stage has. */
  readonly firstShare: number;
  /** The same but for the prediction method, where there is one. */
  readonly without?: string;
  readonly fields: Partial<Record<keyof RunConfigInput, object | string>>;
}

const dcgan = (name: string, label: string, gan: Partial<RunConfig['gan']>, without?: string): ModesFamily => ({
  name,
  label,
  kind: 'gan',
  first: 'text',
  firstShare: TEXT_SHARE,
  without,
  fields: { family: 'dcgan', gan: { width: 64, ...gan } },
});

/** A thousand regular captions are soon learnt; a patch tokenizer of flat shapes is not as soon. */
const TEXT_SHARE = 0.1;
const PATCH_SHARE = 0.3;

/** In the order of the table. */
export const modesFamilies: readonly ModesFamily[] = [
  {
    name: 'transformer',
    label: 'transformer on tokens',
    kind: 'likelihood',
    first: 'patch',
    firstShare: PATCH_SHARE,
    fields: { family: 'transformer' },
  },
  {
    name: 'diffusion',
    label: 'diffusion (EDM)',
    kind: 'denoising',
    first: 'text',
    firstShare: TEXT_SHARE,
    fields: { family: 'diffusion' },
  },
  dcgan('dcgan', 'DCGAN, non-saturating', { loss: 'nonsaturating' }),
  dcgan('dcgan-predict', 'DCGAN, non-saturating, prediction', { loss: 'nonsaturating', predict: 'G' }, 'dcgan'),
  dcgan('dcgan-minimax', 'DCGAN, minimax', { loss: 'minimax' }),
  dcgan('dcgan-minimax-predict', 'DCGAN, minimax, prediction', { loss: 'minimax', predict: 'G' }, 'dcgan-minimax'),
  dcgan('dcgan-hinge', 'DCGAN, hinge', { loss: 'hinge' }),
  {
    name: 'r3gan',
    label: 'R3GAN (relativistic, R1, R2)',
    kind: 'gan',
    first: 'text',
    firstShare: TEXT_SHARE,
    fields: { family: 'r3gan', gan: { width: 48, r1: 0.5, r2: 0.5 } },
  },
];

/** Side of the pictures. */
export const SIDE = 32;

/**
 * The config of a family's runs, at its own learning rate.
 * @param fields go over everything else
 */
export function modesConfig(family: ModesFamily, fields: Readonly<Record<string, unknown>> = {}): RunConfig {
  const { family: kind } = runSchema().pick({ family: true }).parse(family.fields);
  const shared = {
    images: { imageSize: SIDE, crops: 1, cropAmount: 0, padCrops: false, flip: false },
    patch: { stem: 2 },
    textTrain: { crop: 0 },
    model: { captionLength: 24, width: 128 },
    gan: { augment: [] },
    sampling: { temperature: 1, topK: 0, topP: 1, cfgScale: 1 },
    // The oracle looks at the samples instead.
    train: { balance: 0, checkSamples: 0 },
  };
  return checkConfig(
    runSchema().parse(mergeConfig(presets.tiny, familyOf(kind).defaults, shared, family.fields, fields)),
  );
}
