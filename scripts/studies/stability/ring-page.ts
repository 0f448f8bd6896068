/** @file Tier T1 in Markdown: what was done, the conclusion, the table. */
import { markdownTable } from '../../../src/cli/terminal/tables.ts';
import { type FamilyResult, type Settings, type Summary, summarise } from './ring-results.ts';
import { conclude, formatRate } from './ring-words.ts';

/** The whole page. @param results families in the order of the table, all with these settings */
export function ringPage(results: readonly FamilyResult[], settings: Settings): string {
  const summaries = results.map(summarise);
  const { lrs, seeds, steps, batch, width, samples } = settings;
  return `# Stability on a ring of eight Gaussians

${results.length} families, ${seeds.length} seeds at ${lrs.length} learning rates, ${steps} steps of ${batch} points, networks ${width} units wide (the prediction paper's tanh networks 128). A run succeeds if all 8 modes hold at least 1% of its ${samples} samples within three deviations and more than 30% of all samples are that near to a mode. Runs of one seed share data and noise. Nothing restarts, skips or clips.

![successes of each family at each learning rate](map.png)

## What the numbers say

${conclude(summaries)
  .map(line => `- ${line}`)
  .join('\n')}

## Table

Successes of ${seeds.length} seeds, and the mean share of samples near a mode. *Octaves*: width of the band of rates with at least 80% successes and a share near the modes within 1.5 times of the best. *Best rate*: mean and deviation over seeds of the share near a mode where most runs succeed. *Dropped*: a mode is left out at the end, being the nearest to less than 1% of the samples; other failures are blurred. *Fell*: all modes at an earlier look, not at the end.

${ringTable(summaries, settings)}

![samples of each family at each learning rate](samples.png)
`;
}

function ringTable(summaries: readonly Summary[], { lrs }: Settings): string {
  const head = [
    'family',
    ...lrs.map(formatRate),
    'all',
    '95%',
    'octaves',
    'best rate',
    'dropped',
    'fell',
    'not finite',
  ];
  const rows = summaries.map(summary => [
    summary.label,
    ...summary.rates.map(({ successes, near }) => `${successes} (${near.toFixed(2)})`),
    `${summary.successes}/${summary.runs}`,
    summary.interval.map(value => value.toFixed(2)).join(' to '),
    summary.band === undefined ? 'none' : summary.band.octaves.toFixed(1),
    `${summary.best.near.toFixed(2)} ± ${summary.best.spread.toFixed(2)}`,
    String(summary.dropped),
    String(summary.fell),
    String(summary.nonFinite),
  ]);
  return markdownTable(head, rows, { align: 'right' }).join('\n');
}
