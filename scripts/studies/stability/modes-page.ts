/** @file Tier T2 in Markdown and in pictures. */

import { markdownTable } from '../../../src/cli/terminal/tables.ts';
import { spanInWords } from '../../../src/core/times.ts';
import type { Picture } from '../../../src/image/images.ts';
import { drawSheet } from '../../../src/image/sheet.ts';
import { deviation, mean } from '../../../src/metrics/intervals.ts';
import {
  byRate,
  type ModesResult,
  type ModesSettings,
  type ModesSummary,
  type References,
  stands,
} from './modes-results.ts';
import { attributeNames, K, klFloor, type Score } from './modes-score.ts';
import { concludeModes, percent } from './modes-words.ts';
import { formatRate } from './ring-words.ts';

/** The whole page. @param pictures names of the sample sheets, which lie beside it */
export function modesPage(
  results: readonly ModesResult[],
  context: {
    readonly settings: ModesSettings;
    readonly references: References | undefined;
    readonly pictures: readonly string[];
    /** Labels of the families whose gradients are clipped. */
    readonly clipped: readonly string[];
  },
): string {
  const { settings, references, pictures, clipped } = context;
  const { budget, perMode, images, glance } = settings;
  const spent = 'seconds' in budget ? `${spanInWords(budget.seconds)} of training` : `${budget.images} images seen`;
  const familyCount = new Set(results.map(({ family }) => family)).size;
  const spentByAll = results.reduce((sum, { seconds, firstSeconds }) => sum + seconds + firstSeconds, 0);
  return `# A thousand captioned scenes

${plural(results.length, 'run', 'runs')} of ${plural(familyCount, 'family', 'families')} on ${K} scenes of 32 x 32 pixels, ${plural(perMode, 'picture', 'pictures')} of each; every run may spend ${spent}, its first stage (patch tokenizer or text encoder, which runs of a kind share) included; ${spanInWords(spentByAll)} in all. A finished run paints ${images} pictures, all captions in turn, without guidance and at temperature 1, and a program reads them back: no learned judge. A run stands if its loss stays finite and it paints at least ${K / 2} of the scenes. Nothing restarts; a step whose loss is not finite is skipped, and ten in a row end the run.${clipping(clipped)}

## What the numbers say

${concludeModes(results, references)
  .map(line => `- ${line}`)
  .join('\n')}

## By learning rate

Means over seeds. *Scenes*: different ones painted, whatever was asked for. *KL*: from even use of all scenes, over the pictures that show one; drawn evenly at random, as many pictures would have the *floor*; asked for evenly, a faithful model is below it. *None*: pictures that show no scene. *As asked*: pictures that show the scene of their caption; then each attribute alone, none of which a rejected picture has. Of several seeds, the deviation of scenes follows them.

${rateTable(results, references)}

## Every run

With 95% intervals of Wilson over its pictures. Looks before the last are at ${glance} pictures.

${runTable(results)}
${pictures.map(name => `\n![samples](${name})\n`).join('')}`;
}

function rateTable(results: readonly ModesResult[], references: References | undefined): string {
  const head = ['', 'lr', 'stand', 'scenes', 'KL', 'floor', 'none', 'as asked', ...attributeNames];
  const rows = byRate(results).map(summary => [
    summary.label,
    formatRate(summary.results[0].lr),
    `${summary.successes}/${summary.runs}`,
    ...scoreCells(scoresOf(summary)),
  ]);
  const fixed = [
    ['real pictures', references?.real] as const,
    ['through the patch tokenizer', references?.reconstruction ?? undefined] as const,
  ].flatMap(([label, score]) => (score === undefined ? [] : [[label, '', '', ...scoreCells([score])]]));
  return markdownTable(head, [...fixed, ...rows], { align: 'right' }).join('\n');
}

function runTable(results: readonly ModesResult[]): string {
  const head = [
    '',
    'lr',
    'seed',
    'stands',
    'scenes at each look',
    'as asked',
    'none',
    'steps',
    'minutes',
    'parameters',
  ];
  const rows = results.map(result => {
    const { label, lr, seed, finite, checks, score, steps, seconds, firstSeconds, parameters } = result;
    return [
      label,
      formatRate(lr),
      String(seed),
      stands(result) ? 'yes' : finite ? 'no' : 'not finite',
      checks.map(({ score: { hit } }) => hit).join(', '),
      score === null ? '' : percent(score.right, score.images),
      score === null ? '' : percent(score.rejected, score.images),
      String(steps),
      ((seconds + firstSeconds) / 60).toFixed(1),
      parameters === null ? '' : `${(parameters / 1e6).toFixed(2)} M`,
    ];
  });
  return markdownTable(head, rows, { align: 'right' }).join('\n');
}

function scoresOf({ results }: ModesSummary): Score[] {
  return results.flatMap(({ score }) => (score === null ? [] : [score]));
}

/** Means of what `rateTable` shows of scores. */
function scoreCells(scores: readonly Score[]): string[] {
  if (scores.length === 0) return Array<string>(5 + attributeNames.length).fill('');
  const share = (of: (score: Score) => number) => `${(100 * mean(scores.map(s => of(s) / s.images))).toFixed(0)}%`;
  const nats = (of: (score: Score) => number | null) => {
    const values = scores.map(of).filter(value => value !== null);
    return values.length === 0 ? '' : mean(values).toFixed(3);
  };
  const hits = scores.map(({ hit }) => hit);
  return [
    hits.length === 1 ? String(hits[0]) : `${mean(hits).toFixed(0)} ± ${deviation(hits).toFixed(0)}`,
    nats(({ kl }) => kl),
    nats(klFloor),
    share(({ rejected }) => rejected),
    share(({ right }) => right),
    ...attributeNames.map(name => share(({ attributes }) => attributes[name])),
  ];
}

/** What helps a training besides its loss has to be said. */
function clipping(labels: readonly string[]): string {
  return labels.length === 0 ? '' : ` Gradients are clipped in training: ${labels.join(', ')}.`;
}

function plural(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** Samples of a family's runs, a row a run, the same captions below each other. */
export async function sampleSheet(
  label: string,
  rows: readonly { readonly name: string; readonly pictures: readonly Picture[] }[],
): Promise<Picture> {
  return drawSheet(
    rows.flatMap(({ pictures }) => pictures.map(picture => ({ picture }))),
    {
      columns: rows[0].pictures.length,
      gap: 4,
      cellScale: 2,
      title: label,
      note: 'The same captions for every run, a column each.',
      rowLabels: rows.map(({ name }) => name),
    },
  );
}
