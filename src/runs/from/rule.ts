/**
 * @file How long and how fast a training from a trained model goes on, by the number of its pictures: the one place of these
 * numbers. A start like this is best after few passes over the data and learns it by heart soon after, so it is measured
 * often, and what was best is kept (docs/training.md, "From a trained model").
 */
import type { RunConfig } from '../../config/run.ts';

/** What is known before the training. */
export interface FromData {
  /** Images that are trained on, and held out. */
  readonly training: number;
  readonly heldOut: number;
  /** Whether the model has a held-out likelihood, by which it is known when to stop; others paint to be measured. */
  readonly likelihood: boolean;
}

/** Passes over the data, at most, those that show changed pictures among them; where nothing is held out, nobody tells when to stop. */
const PASSES = 14;
const PASSES_UNMEASURED = 2;
const FEWEST_STEPS = 160;
/** Passes between evaluations. */
const EVALUATION = 1 / 4;
const FEWEST_BETWEEN = 2;
/** Passes and steps, both, without a better evaluation, after which it ends: in these the captions of the training are learnt. */
const PATIENT_PASSES = 4;
const PATIENT_STEPS = 120;
/** Strength of the pull towards the source's weights, in the place of decay. */
const PULL = 0.1;
/** Of models without a likelihood: whole images move further from the source, and nothing tells when to stop. */
const FEWEST_STEPS_PAINTED = 400;
const EVALUATIONS_PAINTED = 10;
const WARMUP = 0.03;
/** Share of the peak learning rate of the source. */
const RATE = 1;
/** Share of images that is held out of few, where few of few would say nothing. */
const HELD_OUT = [
  { below: 500, share: 0.2 },
  { below: 2000, share: 0.1 },
] as const;
/** Tuning a patch tokenizer: steps, and the share of the source's peak learning rate. */
const PATCH_STEPS = 600;
const PATCH_RATE = 1 / 4;

/** Fields of the new run that are not as in its source; what the user sets goes over them. */
export function ruleOf(
  source: Pick<RunConfig, 'train'> & Partial<Pick<RunConfig, 'patchTrain'>>,
  data: FromData,
): { readonly train: Partial<RunConfig['train']>; readonly patchTrain?: Partial<RunConfig['patchTrain']> } {
  if (!data.likelihood) return { train: ruleOfPainted(source.train, data) };
  const { training, heldOut } = data;
  const { batchSize, lr } = source.train;
  const pass = training / batchSize;
  const steps = Math.max(FEWEST_STEPS, Math.round((heldOut > 0 ? PASSES : PASSES_UNMEASURED) * pass));
  const evalEvery = Math.min(steps, Math.max(FEWEST_BETWEEN, Math.round(EVALUATION * pass)));
  const often = Math.min(steps, Math.max(evalEvery, Math.round(pass), 10));
  return {
    train: {
      steps,
      lr: lr * RATE,
      warmup: WARMUP,
      evalEvery,
      sampleEvery: often,
      saveEvery: often,
      logEvery: Math.min(10, evalEvery),
      patience: Math.ceil(Math.max(PATIENT_PASSES * pass, PATIENT_STEPS) / evalEvery),
      pull: PULL,
      plateau: 0,
    },
    ...(source.patchTrain && {
      patchTrain: { steps: Math.min(PATCH_STEPS, source.patchTrain.steps), lr: source.patchTrain.lr * PATCH_RATE },
    }),
  };
}

/** For GANs and diffusion models. */
function ruleOfPainted({ batchSize }: RunConfig['train'], { training }: FromData): Partial<RunConfig['train']> {
  const steps = Math.max(FEWEST_STEPS_PAINTED, Math.round((PASSES * training) / batchSize));
  const every = Math.ceil(steps / EVALUATIONS_PAINTED);
  return { steps, evalEvery: every, sampleEvery: every, saveEvery: every, logEvery: 10, plateau: 0 };
}

/** Share of the images to hold out, where nobody asks for another. @param share the source's */
export function heldOutShare(images: number, share: number): number {
  return Math.max(share, HELD_OUT.find(({ below }) => images < below)?.share ?? 0);
}
