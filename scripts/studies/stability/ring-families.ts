/**
 * @file Who takes part in tier T1, with which settings: the prediction paper's own game (tanh networks, momentum, no
 * average), GAN losses with and without penalties and prediction on one modern set-up, and what is trained by
 * likelihood, by denoising and by explicit energies. Settings are those of a pilot and are the same at every learning
 * rate.
 */
import type { GanLoss } from '../../../src/families/gan/adversarial.ts';
import { makeDiffusion, makeFlow } from './denoise.ts';
import { makeJem, makeNce } from './energies.ts';
import { type GanSpec, makeGan } from './gan.ts';
import type { Learner, LearnerOptions } from './learner.ts';
import { makeTokens } from './tokens.ts';

export type Kind = 'gan' | 'likelihood' | 'denoising' | 'energy';

export interface Family {
  readonly name: string;
  readonly label: string;
  readonly kind: Kind;
  /** Of GANs: which part of the ablation it is. */
  readonly gan?: Pick<GanSpec, 'loss' | 'bend' | 'r1' | 'r2' | 'predict'>;
  readonly make: (options: LearnerOptions) => Learner;
}

const GAMMA = 0.1;
/** The networks of Yadav et al. 2018 (figure 8) are wider than the study's. */
const PAPER_WIDTH = 128;

const lossNames: Readonly<Record<GanLoss, string>> = {
  minimax: 'minimax',
  nonsaturating: 'non-saturating',
  hinge: 'hinge',
  relativistic: 'relativistic',
};

function gan(name: string, label: string, spec: GanSpec): Family {
  return { name, label, kind: 'gan', gan: spec, make: options => makeGan(spec, options) };
}

/** Without and with prediction. */
function pair(name: string, label: string, spec: Omit<GanSpec, 'predict'>): Family[] {
  return [
    gan(name, label, { ...spec, predict: false }),
    gan(`${name}-predicted`, `${label}, prediction`, { ...spec, predict: true }),
  ];
}

/**
 * The toy of Yadav et al. 2018: minimax at momentum 0.9; and the usual loss at the usual momentum on the same networks.
 */
const ofThePaper: readonly Family[] = (
  [
    ['minimax', 0.9],
    ['nonsaturating', 0.5],
  ] as const
).flatMap(([loss, beta1]) =>
  pair(`tanh-${loss}`, `tanh nets, ${lossNames[loss]}`, {
    loss,
    bend: 'tanh',
    width: PAPER_WIDTH,
    beta1,
    beta2: 0.999,
    ema: 0,
    r1: 0,
    r2: 0,
  }),
);

const penalties = [
  { name: '', label: '', r1: 0, r2: 0 },
  { name: '-r1', label: ' + R1', r1: GAMMA, r2: 0 },
  { name: '-r1r2', label: ' + R1 + R2', r1: GAMMA, r2: GAMMA },
] as const;

/** Every loss with every penalty; Adam as in Huang et al. 2024, and the average of G's weights is what samples. */
const ablation: readonly Family[] = penalties.flatMap(({ name, label, r1, r2 }) =>
  (['minimax', 'nonsaturating', 'hinge', 'relativistic'] as const).flatMap(loss =>
    pair(`${loss}${name}`, `${lossNames[loss]}${label}`, {
      loss,
      bend: 'lrelu',
      beta1: 0,
      beta2: 0.99,
      ema: 0.999,
      r1,
      r2,
    }),
  ),
);

export const families: readonly Family[] = [
  { name: 'tokens', label: 'two tokens, cross-entropy', kind: 'likelihood', make: makeTokens },
  { name: 'diffusion', label: 'denoising (EDM)', kind: 'denoising', make: makeDiffusion },
  { name: 'flow', label: 'rectified flow', kind: 'denoising', make: makeFlow },
  ...ofThePaper,
  ...ablation,
  { name: 'nce', label: 'noise-contrastive energy', kind: 'energy', make: makeNce },
  { name: 'jem', label: 'JEM energy, Langevin', kind: 'energy', make: makeJem },
];
