/** @file The words about tier T2, made from its numbers: other numbers would say the opposite. */
import { fisherExact, wilson } from '../../../src/metrics/intervals.ts';
import { capitalise } from '../../../src/report/sentences.ts';
import { byFamily, type ModesResult, type ModesSummary, type References, stands } from './modes-results.ts';
import { K } from './modes-score.ts';
import { comparePairs } from './pairs.ts';
import { aboutPairs, formatP, formatRate } from './ring-words.ts';

/** Below this a difference is called one. */
const LEVEL = 0.05;

/** One statement a line; only about what took part. */
export function concludeModes(results: readonly ModesResult[], references: References | undefined): string[] {
  const families = byFamily(results);
  return [
    ...aboutReferences(references),
    ...families.flatMap(aboutFamily),
    ...aboutClaim(families),
    ...aboutPrediction(families),
  ];
}

function aboutReferences(references: References | undefined): string[] {
  if (references === undefined) return [];
  const { real, reconstruction } = references;
  const ceiling =
    reconstruction === null
      ? ''
      : `; of what the patch tokenizer gives back, ${percent(reconstruction.right, reconstruction.images)}, which is the most that a transformer on its tokens can be expected to reach`;
  return [`The oracle reads ${percent(real.right, real.images)} of real pictures as what they are${ceiling}.`];
}

function aboutFamily(family: ModesSummary): string[] {
  const { label, successes, runs, interval, results } = family;
  const [low, high] = interval.map(value => Math.round(100 * value));
  const scored = results.flatMap(result => (result.score === null ? [] : [{ ...result, score: result.score }]));
  const broken = results.filter(({ finite }) => !finite).length;
  const nonfinite = broken === 0 ? '' : `, and ${broken} met a loss that is not finite`;
  const first = `${capitalise(label)}: ${successes} of ${runs} runs paint at least half of the ${K} scenes (95% interval ${low} to ${high}%)${nonfinite}.`;
  if (scored.length === 0) return [first];
  const best = scored.reduce((a, b) => (b.score.right / b.score.images > a.score.right / a.score.images ? b : a));
  const { score } = best;
  const hits = scored.map(({ score: { hit } }) => hit);
  const range = Math.min(...hits) === Math.max(...hits) ? `${hits[0]}` : `${Math.min(...hits)} to ${Math.max(...hits)}`;
  return [
    `${first} Scenes painted: ${range}. Its best run (${formatRate(best.lr)}, seed ${best.seed}) shows what was asked for in ${percent(score.right, score.images)} of its pictures, and no scene at all in ${percent(score.rejected, score.images)}.`,
  ];
}

/** Each trained by likelihood or denoising against the GANs, family by family. */
function aboutClaim(families: readonly ModesSummary[]): string[] {
  const models = families.filter(({ kind }) => kind !== 'gan');
  const gans = families.filter(({ kind, without }) => kind === 'gan' && without === undefined);
  return models.flatMap(model =>
    gans.map(gan => {
      const p = fisherExact(model.successes, model.runs - model.successes, gan.successes, gan.runs - gan.successes);
      const [of, against] = [model, gan].map(({ successes, runs }) => `${successes} of ${runs}`);
      const verdict =
        p >= LEVEL
          ? 'no difference in how often they stand can be told'
          : `the ${model.successes * gan.runs > gan.successes * model.runs ? 'former' : 'latter'} stands more often`;
      return `${capitalise(model.label)} against ${gan.label}: ${of} runs against ${against}, Fisher's exact p ${formatP(p)}: ${verdict}.`;
    }),
  );
}

function aboutPrediction(families: readonly ModesSummary[]): string[] {
  const pairs = families.flatMap(predicted => {
    const without = families.find(({ family }) => family === predicted.without);
    return without === undefined ? [] : [{ predicted, without }];
  });
  return pairs.map(({ predicted, without }) => {
    const [a, b] = [predicted, without].map(({ results }) =>
      results.map(result => ({ lr: result.lr, seed: result.seed, success: stands(result) })),
    );
    const counts = `${predicted.successes} of ${predicted.runs} runs stand with it, ${without.successes} of ${without.runs} without`;
    return `Prediction in ${without.label}: ${counts}${aboutPairs(comparePairs(a, b))}.`;
  });
}

/** `93% (92 to 94)`, with Wilson's interval. */
export function percent(successes: number, trials: number): string {
  if (trials === 0) return 'none';
  const [low, high] = wilson(successes, trials).map(value => shareOf(value));
  return `${shareOf(successes / trials)}% (${low} to ${high})`;
}

/** Whole percents, with a digit more near the ends, where it tells something. */
function shareOf(share: number): string {
  const value = 100 * share;
  return value > 0 && value < 100 && (value < 2 || value > 98) ? value.toFixed(1) : value.toFixed(0);
}
