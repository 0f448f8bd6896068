/** @file The verdict on a training in sentences: which rule was broken and what it says, or what the verdict rests on. */
import type { Verdict } from '../../../report/contents.ts';
import { formatCount, formatNumber } from '../../../report/numbers.ts';
import type { Judgement } from '../messages.ts';

/** What the rules say, by the beginnings of their names. */
const RULES: readonly (readonly [name: string, says: string])[] = [
  ['coverage rule', 'samples cover less than a tenth of what real images cover, three checks in a row'],
  ['spread rule', 'samples are less than a fifth as different from each other as real images are'],
  ['KID rule', 'samples are twice as far from real images (KID) as they were at best, three checks in a row'],
  ['not finite', 'a loss is not finite'],
  ['validation loss rule', 'the held-out loss is above that of a model that has learnt nothing'],
];

export function judgementOf(verdict: Verdict): Judgement {
  const { kind, rule, step } = verdict;
  const basis = basisOf(verdict);
  if (rule === null) return { kind, words: basis, step };
  const says = RULES.find(([name]) => rule.startsWith(name))?.[1] ?? rule;
  const since = rule.endsWith('since the first check')
    ? ' This holds since the first check: a collapse, or a training that has yet to learn to paint.'
    : '';
  return { kind, words: `From step ${formatCount(step)} on ${says} (${rule.split(',')[0]}).${since}`, step };
}

function basisOf({ kind, checks, validations, heldOut, guessing, why }: Verdict): string {
  const images = heldOut === undefined ? '' : ` of ${counted(heldOut, 'held-out image')}`;
  const seen = [
    ...(checks > 0 ? [counted(checks, 'look at samples', 'looks at samples')] : []),
    ...(validations > 0 ? [`${counted(validations, 'held-out loss', 'held-out losses')}${images}`] : []),
  ].join(' and ');
  const byHeart =
    guessing === undefined
      ? ''
      : ` Its held-out loss is above that of guessing (${formatNumber(guessing)}) and its training loss below: it learns by heart.`;
  if (kind === 'stable') return `No rule was broken, by ${seen}.${byHeart}`;
  const reason = why === undefined ? 'Nothing was measured yet that tells' : sentence(why);
  const hint = checks > 0 ? '' : ' `--check-samples 128` looks at samples at every validation.';
  return `${reason}.${byHeart}${hint}`;
}

function sentence(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}

function counted(n: number, one: string, many = `${one}s`): string {
  return `${formatCount(n)} ${n === 1 ? one : many}`;
}
