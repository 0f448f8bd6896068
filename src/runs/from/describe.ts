/** @file What is said of a training from a trained model when it begins: what it takes over, and what the rule made of the rest. */
import type { RunConfig } from '../../config/run.ts';
import { counted, formatWhole } from '../../core/numbers.ts';
import { familyOf } from '../../families/families.ts';
import { divideData } from '../run-images.ts';
import type { PlannedStart } from './plan.ts';

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;

/** The weights that a source is left with, in words. */
const KINDS = { best: 'best on validation', ema: 'averaged', last: 'last' } as const;

/** Some lines. @param config of the new run */
export function describeStart({ source, adapted, captions, dataset }: PlannedStart, config: RunConfig): string[] {
  const { heldOut } = divideData(dataset, config.images);
  const { weights, step } = source.from;
  const numbers = [...source.values.values()].reduce((sum, { values }) => sum + values.length, 0);
  const size = numbers < 1e6 ? `${formatWhole(numbers / 1e3)} thousand` : `${(numbers / 1e6).toFixed(1)} million`;
  return [
    `from ${source.said}: ${KINDS[weights]} weights of step ${formatWhole(step)}, ${size} parameters`,
    `caption tokenizer kept: ${captions.mean.toFixed(1)} ids a caption, ${describeCuts(captions)}`,
    `${config.family}: ${describeWeights(source.values, adapted)}; ${describeTraining(config, heldOut.length)}`,
    ...adapted.report.map(line => `  ${line}`),
    ...(source.lacks === undefined ? [] : [`  ${source.said} has not ${source.lacks}: it starts anew`]),
  ];
}

function describeCuts({ cut, lengthened }: PlannedStart['captions']): string {
  if (lengthened === undefined) return `${percent(cut)} cut`;
  const { from, to } = lengthened;
  return `${percent(cut)} would be cut at ${from}, so that they get ${to} positions (${percent(lengthened.cut)} cut)`;
}

function describeWeights(source: PlannedStart['source']['values'], { values }: PlannedStart['adapted']): string {
  const same = [...source].filter(([name, { values: numbers }]) => values.get(name)?.values === numbers).length;
  return same === values.size ? `all ${same} tensors kept` : `${same} of ${values.size} tensors kept`;
}

/** How long it goes on, and what tells when it is enough. */
function describeTraining({ train, family }: RunConfig, heldOut: number): string {
  const { lr, steps, evalEvery, patience, checkSamples } = train;
  const rate = `learning rate ${lr}, `;
  const count = counted(steps, 'step');
  if (heldOut === 0) return `${rate}${count}, not validated: nothing is held out`;
  if (familyOf(family).validation === undefined && checkSamples === 0) return `${rate}${count}, not validated`;
  const validated = `validated every ${formatWhole(evalEvery)}`;
  if (patience === 0) return `${rate}${count}, ${validated}`;
  return `${rate}at most ${count}, ${validated}, ends after ${patience} without a better one`;
}
