/**
 * @file The words of the conclusion, made from the numbers: every sentence here is a template, and which one is used is
 * decided by counts and intervals alone. It names no winner whose interval overlaps another's, says what was not
 * measured, and says where the claim that games are the unstable ones is not supported.
 */
import { allQuantities } from '../metrics/define.ts';
import { wilson } from '../metrics/intervals.ts';
import { type LossAt, learntByHeartSince, lowestOf } from '../metrics/turning.ts';
import { type Finding, familyName, isGame, type Measured, type Point, type RunReport } from './contents.ts';
import { totalOf, validationOf } from './history.ts';
import { apart, formatMeasured, leaderOf, measuredRows, measureOf } from './measures.ts';
import { formatAmount, formatCount, formatNumber, formatSeconds } from './numbers.ts';
import { capitalise, joinWords } from './sentences.ts';
import { failureShares, hasFailed, type Share } from './verdicts.ts';

type Runs = readonly RunReport[];

/** All that the numbers of these runs say, in the order of the report. */
export function conclude(runs: Runs): Finding[] {
  return [
    ...budget(runs),
    ...quality(runs),
    ...ceiling(runs),
    ...stability(runs),
    ...overfitting(runs),
    ...memorised(runs),
    ...cost(runs),
  ];
}

/** Budgets within this share of each other count as equal. */
const EQUAL = 0.1;

function budget(runs: Runs): Finding[] {
  if (runs.length < 2) return [];
  const spans = [
    spanOf(runs, 'training time', run => totalOf(run.stages, 'seconds'), formatSeconds),
    spanOf(
      runs,
      'training operations',
      run => totalOf(run.stages, 'flops'),
      flops => formatAmount(flops, 'FLOP'),
    ),
    spanOf(runs, 'images seen', run => totalOf(run.stages.slice(-1), 'images'), formatCount),
    spanOf(runs, 'parameters for sampling', run => run.parameters, formatCount),
  ];
  const ofKind = (kind: Span['kind']) => spans.filter(span => span.kind === kind);
  const equal = ofKind('equal').map(({ what }) => what);
  const parts = [
    equal.length > 0
      ? `Equal to within ${100 * EQUAL} %: ${joinWords(equal)}.`
      : 'The runs are equal on no axis of the budget.',
    ...ofKind('different').map(({ what, text }) => `${capitalise(what)} ${verb(what)} from ${text}.`),
    ...ofKind('unknown').map(({ what, text }) => `${capitalise(what)}: not recorded for ${text}.`),
  ];
  if (equal.length === 0 || !equal.some(what => what !== 'parameters for sampling')) {
    parts.push('A difference in quality below may be a difference in budget.');
  }
  return [{ topic: 'budget', text: parts.join(' ') }];
}

interface Span {
  readonly kind: 'equal' | 'different' | 'unknown';
  readonly what: string;
  readonly text: string;
}

function spanOf(
  runs: Runs,
  what: string,
  amount: (run: RunReport) => number | null,
  format: (value: number) => string,
): Span {
  const known = runs.flatMap(run => {
    const value = amount(run);
    return value === null ? [] : [{ name: run.name, value }];
  });
  if (known.length < runs.length) {
    const missing = runs.filter(run => amount(run) === null).map(({ name }) => name);
    return { kind: 'unknown', what, text: joinWords(missing) };
  }
  const sorted = known.sort((a, b) => a.value - b.value);
  const [least, most] = [sorted[0], sorted[sorted.length - 1]];
  const kind = most.value <= least.value * (1 + EQUAL) ? 'equal' : 'different';
  return { kind, what, text: `${format(least.value)} (${least.name}) to ${format(most.value)} (${most.name})` };
}

/** Fewer images or captions than this are called few. */
const FEW = 30;

/** One sentence for each metric that leads the report. */
function quality(runs: Runs): Finding[] {
  const rows = measuredRows(runs).filter(({ measure }) => measure.leads);
  if (rows.length === 0) {
    const titles = allQuantities().flatMap(({ name, leads }) => (leads ? measureOf(name).title : []));
    return [
      { topic: 'quality', text: `${joinWords(titles)} were not measured: nothing is said of which run paints best.` },
    ];
  }
  const findings = rows.flatMap((row): Finding[] => {
    const { features, measure, samples } = row;
    const leader = leaderOf(samples, measure);
    if (leader === undefined) return [];
    const by = `By ${measure.heading}${features === null ? '' : ` (features ${features})`}`;
    const first = samples.get(leader.name);
    const shown = (value: number | null | undefined) => formatMeasured(value ?? Number.NaN, row);
    const range = first?.low == null || first.high === null ? '' : ` [${shown(first.low)}, ${shown(first.high)}]`;
    return [{ topic: 'quality', text: rankingOf(by, `${shown(first?.value)}${range}`, leader, samples.size) }];
  });
  const caution =
    'These intervals are over samples of one trained network each; they do not tell what another seed of the same training would give.';
  const captions = Math.min(...rows.flatMap(row => [...row.samples.values()].map(each => each.captions ?? Infinity)));
  const few = captions < FEW ? ` Of other captions than these ${captions} they tell nothing either.` : '';
  return rows.some(({ samples }) => samples.size > 1)
    ? [...findings, { topic: 'quality', text: `${caution}${few}` }]
    : findings;
}

type Ranked = NonNullable<ReturnType<typeof leaderOf>>;

function rankingOf(
  by: string,
  value: string,
  { name, tied, behind, clear, alike, few }: Ranked,
  measured: number,
): string {
  if (measured === 1) return `${by}, ${name} scores ${value}; no other run was measured.`;
  if (!alike) return `${by}, no order is claimed: the runs were measured on different numbers of images.`;
  if (few !== undefined) {
    return `${by}, no order is claimed: the samples are of ${few} ${few === 1 ? 'caption' : 'captions'} only.`;
  }
  if (clear) return `${by}, ${name} is best with ${value}: its interval overlaps no other.`;
  const rest =
    behind.length > 0 ? ` ${joinWords(behind)} ${behind.length === 1 ? 'is' : 'are'} worse than ${name}.` : '';
  return `${by}, the intervals of ${joinWords([name, ...tied])} overlap: no order between them is claimed.${rest}`;
}

/** What the tokenizer alone costs, beside what real images score. */
function ceiling(runs: Runs): Finding[] {
  const row = measuredRows(runs).find(({ measure, reconstructions }) => measure.leads && reconstructions.size > 0);
  if (row === undefined) return [];
  const shown = ({ value, low, high }: Measured) => {
    const ends =
      low === null || high === null ? '' : ` [${[low, high].map(end => formatMeasured(end, row)).join(', ')}]`;
    return `${formatMeasured(Number(value), row)}${ends}`;
  };
  const { floor } = row;
  const beside = floor === null || floor.value === null ? '' : ` where real images score ${shown(floor)}`;
  const measured = [...row.reconstructions].filter(([, { value }]) => value !== null);
  if (measured.length === 0) return [];
  const parts = measured.map(([name, found]) => `${shown(found)} (${name})`);
  const own = runs.filter(({ name }) => row.reconstructions.get(name)?.value != null);
  const painters = joinWords([...new Set(own.map(({ family }) => `the ${familyName(family)}`))]);
  const isClear = floor === null || measured.every(([, found]) => apart(found, floor));
  const what = isClear
    ? `what it loses, ${painters} cannot paint`
    : 'the intervals overlap, so that no loss by the tokenizer is shown';
  const counts = [...new Set(measured.flatMap(([, { n }]) => n ?? []))].filter(n => n < FEW);
  const few = counts.length === 0 ? '' : `, measured on ${joinWords(counts.map(formatCount))} images`;
  const text = `Reconstructions by the tokenizer have a ${row.measure.heading} of ${joinWords(parts)}${beside}${few}: ${what}.`;
  return [{ topic: 'ceiling', text }];
}

/** Who failed, how sure that is, and what it says of the claim. */
function stability(runs: Runs): Finding[] {
  const shares = failureShares(runs).filter(({ learningRate }) => learningRate === null);
  const pooled = shares.sort((a, b) => b.failed - a.failed); // stable: those that failed come first
  const counts = pooled.map((share, i) => countOf(share, runs, i === 0));
  const texts = [`${counts.join('; ')}.`, ...certainty(pooled), claimOf(pooled)];
  return [...texts.map(text => ({ topic: 'stability' as const, text })), ...unfinished(runs)];
}

/** 1 of 3 DCGAN runs collapsed (coverage rule, step 4,000); what 0 runs did is said once. */
function countOf({ family, failed, trials, unchecked }: Share, runs: Runs, first: boolean): string {
  const name = familyName(family);
  const whys = [...new Set(runs.flatMap(run => (run.family === family ? (run.verdict.why ?? []) : [])))];
  const because = unchecked > 0 && whys.length > 0 ? ` (${whys.join('; ')})` : '';
  const unjudged = `${unchecked} ${name} ${unchecked === 1 ? 'run was' : 'runs were'} not checked${because}`;
  if (trials === 0) return unjudged;
  const own = runs.filter(run => run.family === family && hasFailed(run));
  const kinds = [...new Set(own.map(({ verdict }) => verdict.kind))].sort().join(' or ');
  const why = own.map(({ verdict: { rule, step } }) => `${rule}, step ${formatCount(step)}`);
  const what = failed > 0 ? ` ${kinds} (${why.join('; ')})` : first ? ' collapsed or diverged' : '';
  return `${failed} of ${trials} ${name} ${trials === 1 ? 'run' : 'runs'}${what}${unchecked > 0 ? `; ${unjudged}` : ''}`;
}

/** Wilson's intervals of the shares, those that are equal together. */
function certainty(shares: readonly Share[]): string[] {
  const byRange = new Map<string, string[]>();
  for (const { family, trials, interval } of shares) {
    if (trials === 0) continue;
    const range = interval.map(end => formatNumber(100 * end, 2)).join(' to ');
    byRange.set(range, [...(byRange.get(range) ?? []), familyName(family)]);
  }
  const parts = [...byRange].map(([range, names]) => `${range} % (${joinWords(names)})`);
  return parts.length === 0 ? [] : [`95 % intervals of the true share of failures: ${parts.join(', ')}.`];
}

/** What the counts say of the claim that games are unstable where likelihood and denoising are stable. */
function claimOf(shares: readonly Share[]): string {
  const claim = 'the claim that adversarial training is the unstable one';
  const games = shares.filter(({ family }) => isGame(family));
  const others = shares.filter(({ family }) => !isGame(family));
  if (games.length === 0) return `No adversarial family was compared: these runs say nothing of ${claim}.`;
  const judged = games.filter(({ trials }) => trials > 0);
  if (judged.length === 0)
    return `No adversarial family's samples were checked in training: these runs say nothing of ${claim}.`;
  const [a, b] = [failuresOf(games), failuresOf(others)];
  if (a.failed === 0) {
    const names = joinWords(judged.map(({ family }) => familyName(family)));
    const besides = b.failed > 0 ? ` ${b.failed} of ${b.trials} other runs failed.` : '';
    return `No adversarial run collapsed or diverged: ${claim} is not supported here. ${names} ${judged.length === 1 ? 'was' : 'were'} stable in ${a.trials} ${a.trials === 1 ? 'run' : 'runs'}.${besides}`;
  }
  const stable = judged.filter(({ failed }) => failed === 0).map(({ family }) => familyName(family));
  const but = stable.length === 0 ? '' : ` That does not hold for ${joinWords(stable)}, of which no run failed.`;
  if (b.trials === 0) return `${capitalise(claim)} cannot be tested: only adversarial families were judged here.${but}`;
  if (b.failed * a.trials >= a.failed * b.trials) {
    return `Other families failed as often as the adversarial ones (${b.failed} of ${b.trials} against ${a.failed} of ${a.trials}): ${claim} is not supported here.${stable.length === 0 ? '' : ` No ${joinWords(stable)} run failed.`}`;
  }
  const [ofGames, ofOthers] = [wilson(a.failed, a.trials), wilson(b.failed, b.trials)];
  const counts = `${a.failed} of ${a.trials} against ${b.failed} of ${b.trials}`;
  const sure =
    ofGames[0] > ofOthers[1]
      ? 'the 95 % intervals do not overlap'
      : 'but the 95 % intervals overlap: too few runs to tell it from chance';
  return `Adversarial families failed more often than the other families (${counts}), ${sure}.${but}`;
}

function failuresOf(shares: readonly Share[]): { readonly failed: number; readonly trials: number } {
  return {
    failed: shares.reduce((sum, { failed }) => sum + failed, 0),
    trials: shares.reduce((sum, { trials }) => sum + trials, 0),
  };
}

function unfinished(runs: Runs): Finding[] {
  return runs
    .filter(({ step, steps }) => step < steps)
    .map(({ name, step, steps }) => ({
      topic: 'stability',
      text: `${name} stopped at step ${formatCount(step)} of ${formatCount(steps)}: what made it stop is not in its log.`,
    }));
}

function overfitting(runs: Runs): Finding[] {
  const found = runs.flatMap(({ name, stages, family, verdict }) => {
    const main = stages.at(-1);
    const known = finiteOf(validationOf(main, { family }));
    const training = finiteOf(main?.curves.image ?? main?.curves.loss ?? []);
    const least = learntByHeartSince(known, training) ?? (verdict.guessing === undefined ? undefined : lowestOf(known));
    const last = known.at(-1);
    if (least === undefined || last === undefined) return [];
    const { guessing, heldOut } = verdict;
    const worse = guessing === undefined ? '' : `, above the ${formatNumber(guessing)} of guessing`;
    const of = heldOut === undefined ? '' : `, on ${heldOut} held-out ${heldOut === 1 ? 'image' : 'images'}`;
    const how = `from ${formatNumber(least.value)} at step ${formatCount(least.step)} to ${formatNumber(last.value)}${worse}${of}`;
    return [{ name, how }];
  });
  if (found.length === 0) return [];
  const [each, who] = [found.map(({ name, how }) => `${how} (${name})`), joinWords(found.map(({ name }) => name))];
  const text = `${who} ${found.length === 1 ? 'learns' : 'learn'} by heart: the loss on held-out images rose again, ${joinWords(each)}. That is no instability, but it is a failure to generalise.`;
  return [{ topic: 'overfitting', text }];
}

function finiteOf(points: readonly Point[]): LossAt[] {
  return points.flatMap(({ step, value }) => (value === null ? [] : [{ step, value }]));
}

/** Ratios of more runs are told by their ends. */
const MOST_RATIOS = 6;

function memorised(runs: Runs): Finding[] {
  const known = runs.flatMap(({ name, nearest }) =>
    nearest?.ratio === null || nearest === null ? [] : [{ name, ...nearest, ratio: nearest.ratio }],
  );
  if (known.length === 0) return [];
  const ratios = known.map(({ name, ratio }) => ({ name, ratio })).sort((a, b) => a.ratio - b.ratio);
  const describe = ({ name, ratio }: (typeof ratios)[number]) => `${formatNumber(ratio, 2)} (${name})`;
  const [first, last] = [ratios[0], ratios[ratios.length - 1]];
  const told = known.length > MOST_RATIOS ? `${describe(first)} to ${describe(last)}` : joinWords(ratios.map(describe));
  const heldOut = Math.min(...known.map(run => run.heldOut));
  const few =
    heldOut < FEW
      ? ` The median of held-out images is over ${heldOut} ${heldOut === 1 ? 'image' : 'images'} only.`
      : '';
  const text = `Median distance to the nearest training image over that of held-out images: ${told}. Near 1 samples are as new as held-out images, near 0 they are copies, and above 1 they are further from the training images than real images are, as failed pictures are too.${few}`;
  return [{ topic: 'memorisation', text }];
}

/** Times that differ by less than this factor are called about the same. */
const ALIKE = 1.5;

function cost(runs: Runs): Finding[] {
  const known = runs.flatMap(({ name, sampling }) => (sampling === null ? [] : [{ name, ...sampling }]));
  if (known.length < 2) return [];
  const sorted = known.sort((a, b) => a.msPerImage - b.msPerImage);
  const [fast, slow] = [sorted[0], sorted[sorted.length - 1]];
  if (slow.msPerImage < ALIKE * fast.msPerImage) {
    const range = `${formatNumber(fast.msPerImage)} to ${formatNumber(slow.msPerImage)} ms an image`;
    return [{ topic: 'cost', text: `Sampling costs about the same by every run: ${range} on this machine.` }];
  }
  const describe = ({ name, msPerImage, passes }: typeof fast) =>
    `${name} (${formatNumber(msPerImage)} ms an image, ${formatCount(passes)} ${passes === 1 ? 'pass' : 'passes'})`;
  const text = `Sampling is cheapest with ${describe(fast)} and dearest with ${describe(slow)}: a factor of ${formatNumber(slow.msPerImage / fast.msPerImage, 2)} on this machine.`;
  return [{ topic: 'cost', text }];
}

function verb(what: string): string {
  return what === 'training time' ? 'goes' : 'go';
}
