/**
 * @file The words about tier T1, made from its numbers: nothing is said here that other numbers would not unsay. What
 * the study set out to show is treated like its opposite.
 */
import { fisherExact, wilson } from '../../../src/metrics/intervals.ts';
import { capitalise, joinWords } from '../../../src/report/sentences.ts';
import { addPairs, comparePairs, type Pairs } from './pairs.ts';
import type { Summary } from './ring-results.ts';

/** Below this a difference is called one. */
const LEVEL = 0.05;

interface Count {
  readonly successes: number;
  readonly runs: number;
}

/** One statement a paragraph; only about families that took part. */
export function conclude(summaries: readonly Summary[]): string[] {
  const plain = summaries.filter(({ gan }) => gan?.predict !== true);
  return [
    ...plain.filter(({ kind }) => kind !== 'gan').map(aboutFamily),
    ...aboutPenalties(plain),
    ...aboutModern(plain),
    ...aboutClaim(plain),
    ...aboutPrediction(summaries),
    ...aboutNumbers(summaries),
  ];
}

function aboutFamily(summary: Summary): string {
  return `${capitalise(summary.label)}: ${share(summary)} succeeded${failures(summary)}${band(summary)}.`;
}

/** GANs without prediction, by network and penalty. */
function aboutPenalties(plain: readonly Summary[]): string[] {
  const groups = [
    { name: "GANs on the prediction paper's tanh networks", is: bend('tanh') },
    { name: 'GANs without a penalty', is: penalised(false, false) },
    { name: 'GANs with R1', is: penalised(true, false) },
    { name: 'GANs with R1 and R2', is: penalised(true, true) },
  ];
  return groups.flatMap(({ name, is }) => {
    const members = plain.filter(is);
    if (members.length === 0) return [];
    const each = members.map(({ gan, successes, runs }) => `${gan?.loss} ${successes} of ${runs}`).join(', ');
    return [`${name}: ${share(pool(members))} succeeded (${each}).`];
  });
}

const isModern = (summary: Summary) => summary.gan?.loss === 'relativistic' && penalised(true, true)(summary);

/** The relativistic GAN with both penalties, which other GANs' failures say nothing about. */
function aboutModern(plain: readonly Summary[]): string[] {
  const modern = plain.find(isModern);
  if (modern === undefined) return [];
  const name = 'The relativistic GAN with R1 and R2';
  if (modern.successes === modern.runs) {
    return [
      `${name} shows no failure in ${modern.runs} runs: the claim that GANs are unstable does not hold for it here.`,
    ];
  }
  if (modern.successes === 0) return [`${name} succeeded in none of ${modern.runs} runs.`];
  const steady = modern.rates.filter(({ successes, runs }) => successes === runs).map(({ lr }) => formatRate(lr));
  const where =
    steady.length === 0
      ? 'there is no rate at which all of its runs succeed'
      : `at ${joinWords(steady)} all of its runs succeed, so that there the claim that GANs are unstable does not hold for it`;
  return [`${name} failed in ${modern.runs - modern.successes} of ${modern.runs} runs${failures(modern)}; ${where}.`];
}

/**
 * Minimisation against games: each trained by likelihood or denoising against GANs without a penalty and the modern
 * one.
 */
function aboutClaim(plain: readonly Summary[]): string[] {
  const rivals = [
    { name: 'GANs without a penalty', count: pool(plain.filter(s => penalised(false, false)(s) || bend('tanh')(s))) },
    { name: 'the relativistic GAN with R1 and R2', count: pool(plain.filter(isModern)) },
  ].filter(({ count }) => count.runs > 0);
  return plain
    .filter(({ kind }) => kind === 'likelihood' || kind === 'denoising')
    .flatMap(model =>
      rivals.map(({ name, count }) => {
        const { p, higher } = compare(model, count);
        const verdict =
          p >= LEVEL
            ? 'no difference in how often they succeed can be told'
            : `the ${higher === 'first' ? 'former' : 'latter'} succeeds more often`;
        return `${capitalise(model.label)} against ${name}: ${countText(model)} against ${countText(count)}, Fisher's exact p ${formatP(p)}: ${verdict}.`;
      }),
    );
}

/** Pairs that differ by prediction alone, pooled: all, and by network and penalty. */
function aboutPrediction(summaries: readonly Summary[]): string[] {
  const pairs = summaries.flatMap(without => {
    if (without.gan?.predict !== false) return [];
    const { loss, bend: bent, r1, r2 } = without.gan;
    const predicted = summaries.find(
      ({ gan }) => gan?.predict === true && gan.loss === loss && gan.bend === bent && gan.r1 === r1 && gan.r2 === r2,
    );
    return predicted === undefined ? [] : [{ without, predicted }];
  });
  const groups = [
    { name: 'in all games together', is: () => true },
    { name: "in the prediction paper's own game (tanh networks, minimax, momentum 0.9)", is: isPapers },
    { name: 'in games without a penalty on leaky networks', is: penalised(false, false) },
    { name: 'in games with R1', is: penalised(true, false) },
    { name: 'in games with R1 and R2', is: penalised(true, true) },
  ];
  return groups.flatMap(({ name, is }) => {
    const members = pairs.filter(({ without }) => is(without));
    if (members.length === 0) return [];
    const predicted = pool(members.map(pair => pair.predicted));
    const without = pool(members.map(pair => pair.without));
    const compared = addPairs(members.map(pair => comparePairs(pair.predicted.outcomes, pair.without.outcomes)));
    const counts = `${countText(predicted)} runs succeed with it, ${countText(without)} without`;
    return [`Prediction ${name}: ${counts}${aboutPairs(compared)}.`];
  });
}

/** What pairs that differ by prediction alone say of it. */
export function aboutPairs({ first, second, p }: Pairs): string {
  const verdict = p >= LEVEL ? 'no effect can be told' : first > second ? 'prediction helps' : 'prediction does harm';
  return `; of the pairs of one rate and seed, ${first} with it alone and ${second} without it alone, McNemar's exact p ${formatP(p)}: ${verdict}`;
}

/** How failures show. */
function aboutNumbers(summaries: readonly Summary[]): string[] {
  const games = summaries.filter(({ kind }) => kind === 'gan');
  const others = summaries.filter(({ kind }) => kind !== 'gan');
  const sides = [
    { name: 'GANs', members: games },
    { name: 'the other families', members: others },
  ];
  return sides.flatMap(({ name, members }) => {
    const failed = members.reduce((sum, { runs, successes }) => sum + runs - successes, 0);
    if (failed === 0) return [];
    const nonFinite = members.reduce((sum, summary) => sum + summary.nonFinite, 0);
    const dropped = members.reduce((sum, summary) => sum + summary.dropped, 0);
    const fell = members.reduce((sum, summary) => sum + summary.fell, 0);
    return [
      `Of the ${failed} failed runs of ${name}, ${nonFinite} met a number that is not finite, ${dropped} leave a mode out, and ${fell} held all modes at an earlier look and do not at the end; what fails without leaving a mode out is blurred.`,
    ];
  });
}

function bend(kind: 'tanh' | 'lrelu') {
  return ({ gan }: Summary) => gan?.bend === kind;
}

function penalised(r1: boolean, r2: boolean) {
  return ({ gan }: Summary) => gan?.bend === 'lrelu' && gan.r1 > 0 === r1 && gan.r2 > 0 === r2;
}

function isPapers({ gan }: Summary): boolean {
  return gan?.bend === 'tanh' && gan.loss === 'minimax';
}

function pool(members: readonly Count[]): Count {
  return {
    successes: members.reduce((sum, { successes }) => sum + successes, 0),
    runs: members.reduce((sum, { runs }) => sum + runs, 0),
  };
}

function compare(a: Count, b: Count): { readonly p: number; readonly higher: 'first' | 'second' } {
  const p = fisherExact(a.successes, a.runs - a.successes, b.successes, b.runs - b.successes);
  return { p, higher: a.successes / a.runs >= b.successes / b.runs ? 'first' : 'second' };
}

function countText({ successes, runs }: Count): string {
  return `${successes} of ${runs}`;
}

/** `20 of 25 runs (80%, 95% interval 61 to 91%)`. */
function share(count: Count): string {
  const { successes, runs } = count;
  const [low, high] = wilson(successes, runs).map(value => Math.round(100 * value));
  return `${countText(count)} runs (${Math.round((100 * successes) / runs)}%, 95% interval ${low} to ${high}%)`;
}

/** Where the failures are. */
function failures({ rates }: Summary): string {
  const where = rates.filter(({ successes, runs }) => successes < runs);
  if (where.length === 0) return '';
  return `, with failures at ${joinWords(where.map(({ lr, successes, runs }) => `${formatRate(lr)} (${runs - successes} of ${runs})`))}`;
}

function band({ band: found }: Summary): string {
  if (found === undefined) return '';
  if (found.octaves === 0) return `; steady at ${formatRate(found.low)} alone`;
  const rates = `${formatRate(found.low)} to ${formatRate(found.high)}`;
  return `; steady over ${found.octaves.toFixed(1)} octaves of the learning rate, ${rates}`;
}

/** 3e-4 rather than 0.0003. */
export function formatRate(lr: number): string {
  return lr.toExponential().replace('e+0', '').replace('e+', 'e');
}

/** `= 0.13`, `< 0.001`. */
export function formatP(p: number): string {
  return p < 0.001 ? '< 0.001' : `= ${p.toFixed(p < 0.1 ? 3 : 2)}`;
}
