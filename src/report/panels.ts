/**
 * @file The parts of the page that are tables and pictures: budget, samples, metrics, stability, cost, nearest images.
 */
import { stageTitles } from '../families/family.ts';
import { type Embedded, familyName, isGame, type Measured, type Report, type RunReport } from './contents.ts';
import { progressText } from './curves.ts';
import { type Dot, dotChart, histogram } from './dotchart.ts';
import { totalOf } from './history.ts';
import { type Cell, type Html, html, image, table } from './markup.ts';
import { formatMeasured, type MeasuredRow, measuredRows } from './measures.ts';
import { formatAmount, formatCount, formatNumber, formatSeconds } from './numbers.ts';
import { failureShares } from './verdicts.ts';

type Runs = readonly RunReport[];

/** A longer name may be broken into lines. */
const LONG_NAME = 24;

/** A run's name with its family's colour. */
function nameOf({ name, family }: RunReport): Html {
  const kind = name.length > LONG_NAME ? '' : 'nowrap';
  return html`<span class="${kind}"><span class="swatch tone-${family}"></span>${name}</span>`;
}

const missing: Html = html`<span class="missing">not measured</span>`;

/** Who was compared, on what budget. */
export function budgetTable(runs: Runs): Html {
  const preparing = [...new Set(runs.flatMap(({ stages }) => stages.slice(0, -1).map(({ stage }) => stage)))];
  const titles: Readonly<Record<string, string>> = stageTitles;
  const rows = runs.map((run): Cell[] => {
    const main = run.stages.at(-1);
    const total = totalOf(run.stages, 'seconds');
    const parts = run.stages.map(
      ({ stage, seconds }) => `${titles[stage] ?? familyName(run.family)} ${formatSeconds(seconds)}`,
    );
    return [
      html`${nameOf(run)}<small>${run.group}</small>`,
      html`${run.seed}<small class="nowrap">lr ${run.learningRate}</small>`,
      run.parameters === null
        ? missing
        : html`${formatAmount(run.parameters)}${run.trainingOnly === null || run.trainingOnly === 0 ? undefined : html`<small>+ ${formatAmount(run.trainingOnly)} in training</small>`}`,
      html`${formatCount(run.step)}${run.step < run.steps ? html`<small class="bad">of ${formatCount(run.steps)}</small>` : undefined}`,
      main?.images == null ? missing : formatAmount(main.images),
      total === null && run.stages.every(({ seconds }) => seconds === null)
        ? missing
        : html`<span class="nowrap">${total === null ? 'partly measured' : formatSeconds(total)}</span>${run.stages.length > 1 ? html`<small>${parts.map(part => part.replaceAll(' ', '\u00a0')).join(' + ')}</small>` : undefined}`,
      totalOf(run.stages, 'flops') === null
        ? missing
        : html`<span class="nowrap">${formatAmount(totalOf(run.stages, 'flops'), 'FLOP')}</span>`,
      run.sampling === null ? missing : formatCount(run.sampling.passes),
      run.sampling === null ? missing : formatNumber(run.sampling.msPerImage),
      html`<small>${run.aids.join(', ')}</small>`,
    ];
  });
  const unmeasured = runs.some(({ stages }) => stages.some(({ seconds, flops }) => seconds === null || flops === null));
  return html`${table({
    caption: html`Training times, spent in training steps, and operations are those of all stages${preparing.length > 0 ? `, ${preparing.map(stage => titles[stage]).join(' and ')} included` : ''}; operations are counted from the shapes, forward and backward.`,
    head: [
      'run',
      'seed',
      'parameters to sample',
      'steps',
      'images seen',
      'training time',
      'operations',
      'passes an image',
      'ms an image',
      'help that is on',
    ],
    rows,
  })}
${unmeasured ? html`<p class="missing">Not measured: trained before times and operations were logged; train again with <code>tessera train</code> to have them.</p>` : undefined}`;
}

/** The same captions by every run, beside the images they were written for. */
export function sampleTable({ grid, runs, imageSize }: Report): Html {
  if (grid === null) {
    return html`<p class="missing">Nothing was painted: give captions with <code>--captions 'red apple|blue heart'</code> or held-out images with <code>--data</code>.</p>`;
  }
  const shown = imageSize < 48 ? imageSize * 2 : Math.min(imageSize, 96);
  const { real, reconstructions, painted, captions } = grid;
  const cell = (pictures: readonly Embedded[], alt: (i: number) => string) =>
    html`<div class="some">${pictures.map((picture, i) => image(picture, alt(i), shown))}</div>`;
  const byName = (name: string) => runs.find(run => run.name === name);
  const head: Cell[] = [
    'caption',
    ...(real === null ? [] : [html`<span class="anchor">real image</span>`]),
    ...reconstructions.map(({ run }) => html`<span class="anchor">tokenizer of ${run}</span>`),
    ...painted.map(({ run }) => {
      const found = byName(run);
      return found === undefined ? run : html`${nameOf(found)}<small>${found.group}</small>`;
    }),
  ];
  const rows = captions.map((caption, i): Cell[] => [
    caption,
    ...(real === null ? [] : [cell([real[i]], () => `the real image: ${caption}`)]),
    ...reconstructions.map(({ run, images }) => cell([images[i]], () => `reconstructed by ${run}: ${caption}`)),
    ...painted.map(({ run, images }) => cell(images[i], n => `${run}, image ${n + 1}: ${caption}`)),
  ]);
  const trained = 'Captions of training images, since nothing is held out';
  const unseen = 'Captions of held-out images, which no run was trained on';
  const what = grid.heldOut ? unseen : real === null ? 'Captions given by hand' : trained;
  const caption = `${what}; none was chosen for its result. Every run paints with the same seed.`;
  return table({ caption, head, rows, kind: 'grid' });
}

/** All metrics, with what real images and the tokenizer alone score. */
export function metricsTable(runs: Runs, data: string | null): Html {
  const rows = measuredRows(runs);
  const fill = runs.filter(({ metrics }) => !metrics.some(({ row }) => row === 'samples'));
  const command = (run: RunReport) => `tessera eval --run ${run.run} --data ${data ?? 'DATA'} --num-images 256`;
  const how = fill.map(
    run => html`<p class="missing">${run.name}: not measured; <code>${command(run)}</code> fills it.</p>`,
  );
  if (rows.length === 0) return html`${how}`;
  const painted = paintedImages(runs);
  const caption = `Intervals of 95 % in brackets. The best is marked only where its interval overlaps no other and all were measured alike.${painted}${captionsPainted(runs)}`;
  const tables = Array.from({ length: Math.ceil(runs.length / BESIDE) }, (_, i) =>
    resultTable(
      rows,
      runs.slice(i * BESIDE, (i + 1) * BESIDE),
      i === 0 ? caption : 'The same metrics of further runs.',
    ),
  );
  return html`${tables}
${how}`;
}

/** How many images the runs painted to be measured, and of how many captions. A likelihood is of fewer, real ones. */
function paintedImages(runs: Runs): string {
  const own = runs.map(({ metrics }) => metrics.filter(({ row }) => row === 'samples'));
  const counts = [...new Set(own.map(all => Math.max(0, ...all.map(({ n }) => n ?? 0))))].filter(n => n > 0);
  if (counts.length === 0) return '';
  const captions = [...new Set(own.flatMap(all => all.flatMap(each => each.captions ?? [])))].sort((a, b) => a - b);
  const of = captions.length === 0 ? '' : ` of ${captions.map(formatCount).join(', ')} captions`;
  return ` Painted images: ${counts
    .sort((a, b) => a - b)
    .map(formatCount)
    .join(', ')}${of}.`;
}

/** Whose captions were painted, where they are not those of held-out images alone. */
function captionsPainted(runs: Runs): string {
  const splits = [...new Set(runs.flatMap(({ metrics }) => metrics.map(({ split }) => split)))];
  if (splits.every(split => split === 'validation')) return '';
  const each = splits.map(split => {
    const whose = split.replace('train', 'training').replace('validation', 'held-out').replaceAll(',', ' and ');
    const names = runs.filter(({ metrics }) => metrics.some(metric => metric.split === split)).map(({ name }) => name);
    return `of ${whose} images${splits.length === 1 ? '' : ` by ${names.join(', ')}`}`;
  });
  return ` Captions painted: those ${each.join('; ')}.`;
}

/** Runs beside one another in a table; more are in further tables. */
const BESIDE = 6;

function resultTable(rows: readonly MeasuredRow[], runs: Runs, caption: string): Html {
  const tokenizers = runs.filter(({ name }) =>
    rows.some(({ reconstructions }) => typeof reconstructions.get(name)?.value === 'number'),
  );
  const floored = rows.some(({ floor }) => floor !== null);
  const body = rows.map((row): Cell[] => {
    const { measure, features, floor, samples, reconstructions } = row;
    const arrow = measure.better === null ? '' : measure.better === 'lower' ? ' ↓' : ' ↑';
    return [
      html`${measure.heading}${arrow}<small>${[features, measure.note].filter(Boolean).join('; ')}</small>`,
      ...runs.map(run => resultCell(samples.get(run.name), row, run)),
      ...tokenizers.map(({ name }) => resultCell(reconstructions.get(name), row)),
      ...(floored ? [resultCell(floor ?? undefined, row)] : []),
    ];
  });
  const head: Cell[] = [
    'metric',
    ...runs.map(nameOf),
    ...tokenizers.map(
      ({ name }) =>
        html`<span class="anchor">tokenizer of ${name}${fewer(rows, row => row.reconstructions.get(name))}</span>`,
    ),
    ...(floored
      ? [html`<span class="anchor">real images${fewer(rows, ({ floor }) => floor ?? undefined)}</span>`]
      : []),
  ];
  return table({ caption, head, rows: body, kind: 'results' });
}

/**
 * Says so where real images or reconstructions are not as many as the samples: coverage, recall and FD depend on it.
 */
function fewer(rows: readonly MeasuredRow[], of: (row: MeasuredRow) => Measured | undefined): Html | undefined {
  for (const row of rows) {
    const counts = [...row.samples.values()].flatMap(({ n }) => n ?? []);
    const own = of(row)?.n ?? null;
    if (own !== null && own > 0 && counts.length > 0 && counts.every(n => n !== own)) {
      return html`<small>${formatCount(own)} images, not ${formatCount(counts[0])}</small>`;
    }
  }
  return undefined;
}

function resultCell(found: Measured | undefined, row: MeasuredRow, run?: RunReport): Cell {
  if (found === undefined || found.value === null) {
    return html`<span class="missing">–${found?.reason == null ? undefined : html`<small>${found.reason}</small>`}</span>`;
  }
  const { low, high, value, step } = found;
  const format = (shown: number) => formatMeasured(shown, row);
  const range =
    low === null || high === null ? undefined : html`<small class="nowrap">[${format(low)}, ${format(high)}]</small>`;
  const old = run !== undefined && step !== null && step !== run.step;
  const cell = html`<b>${format(value)}</b>${range}${old ? html`<small>at step ${formatCount(step)}</small>` : undefined}`;
  return { cell, kind: run !== undefined && row.best === run.name ? 'best' : '' };
}

/** The leading metrics as dots with their intervals. */
export function metricsCharts(runs: Runs): Html {
  const rows = measuredRows(runs).filter(({ measure, samples }) => measure.leads && samples.size > 0);
  return html`<div class="charts">${rows.map(row => {
    const { measure, samples, features, floor, reconstructions } = row;
    const scaled = (value: number | null) => (value === null ? null : value * measure.scale);
    const dot = (name: string, tone: string, { value, low, high }: Measured): Dot => {
      const text = value === null ? '–' : formatMeasured(value, row);
      return { name, tone, value: scaled(value), low: scaled(low), high: scaled(high), text };
    };
    const dots = [
      ...runs.flatMap(({ name, family }) => {
        const found = samples.get(name);
        return found === undefined ? [] : [dot(name, family, found)];
      }),
      ...[...reconstructions].map(([name, found]) => dot(`tokenizer of ${name}`, 'real', found)),
      ...(floor === null ? [] : [dot('real images', 'real', floor)]),
    ];
    const label = `${measure.heading}${measure.better === null ? '' : ` (${measure.better} is better)`}`;
    const title = `${label}${features === null ? '' : `, features ${features}`}`;
    return html`<figure>${dotChart({ title, label, dots, width: 552 })}</figure>`;
  })}</div>`;
}

const verdicts = { stable: 'stable', collapsed: 'collapsed', diverged: 'diverged', unchecked: 'not checked' } as const;

/** What became of every run, and of how many. */
export function stabilityPanel(runs: Runs): Html {
  const rows = runs.map((run): Cell[] => {
    const { kind, rule, step, checks, validations, heldOut, why } = run.verdict;
    const images = heldOut === undefined ? '' : ` of ${heldOut} held-out ${heldOut === 1 ? 'image' : 'images'}`;
    const style = kind === 'stable' ? 'good' : kind === 'unchecked' ? 'missing' : 'bad';
    const basis = [
      checks > 0 ? `${checks} looks at samples` : '',
      validations > 0 ? `${validations} validation ${validations === 1 ? 'loss' : 'losses'}${images}` : '',
      kind === 'unchecked' ? (why ?? '') : '',
    ];
    return [
      nameOf(run),
      run.group,
      `${run.learningRate}`,
      html`<span class="${style}">${verdicts[kind]}</span>`,
      rule === null ? '–' : `${rule}, step ${formatCount(step)}`,
      basis.filter(Boolean).join(', ') || '–',
      progressText(run),
    ];
  });
  const shares = failureShares(runs);
  const dots = shares
    .filter(({ trials }) => trials > 0)
    .map(({ family, learningRate, failed, trials, interval }) => ({
      name: learningRate === null ? familyName(family) : `lr ${learningRate}`,
      tone: family,
      value: failed / trials,
      low: interval[0],
      high: interval[1],
      text: `${failed} of ${trials}`,
    }));
  const label = 'share of runs that collapsed or diverged, with Wilson’s 95 % interval';
  return html`${dots.length === 0 ? undefined : html`<div class="charts"><figure>${dotChart({ title: label, label, dots, range: [0, 1], width: 680 })}</figure></div>`}
${table({
  caption:
    'Rules fixed before the training, judged where it ends: a loss that is not finite; coverage of the samples below a tenth of that of real images, or KID above twice its best, at three checks in a row; samples nearer to each other than a fifth of what real images are; a validation loss worse than knowing nothing, with a training loss that is so too. A rule that was broken since the first check may be a collapse, or too short a training. Rank correlation: Spearman’s, of a loss with KID over the checks (how many); near 1 the loss tells quality.',
  head: ['run', 'group', 'learning rate', 'verdict', 'rule that was broken', 'judged by', 'loss with KID'],
  rows,
})}`;
}

/** What an image costs to paint. */
export function costTable(runs: Runs, backend: string | null): Html {
  if (runs.every(({ sampling }) => sampling === null)) {
    return html`<p class="missing">Not measured: nothing was painted. <code>tessera compare</code> with <code>--data</code> or <code>--captions</code> measures it.</p>`;
  }
  const rows = runs.map((run): Cell[] => {
    const { sampling } = run;
    if (sampling === null) return [nameOf(run), missing, missing, missing, missing];
    const { passes, msPerImage, images } = sampling;
    return [
      nameOf(run),
      formatCount(passes),
      formatNumber(msPerImage),
      formatNumber(1000 / msPerImage),
      formatCount(images),
    ];
  });
  return table({
    caption: `Measured while painting in batches${backend === null ? '' : ` on ${backend}`}, one run at a time.`,
    head: ['run', 'network passes an image', 'ms an image', 'images a second', 'images timed'],
    rows,
  });
}

/** Whether samples are copies: the nearest training images, and how near they are beside held-out images. */
export function nearestPanel(runs: Runs, data: string | null): Html {
  const known = runs.flatMap(run => (run.nearest === null ? [] : [{ run, nearest: run.nearest }]));
  if (known.length === 0) {
    return html`<p class="missing">Not measured: ${data === null ? html`give the training images with <code>--data</code>.` : 'no run was painted.'}</p>`;
  }
  const charts = known.map(({ run, nearest }) => {
    const { sampleRatios, heldOutRatios, ratio, authentic } = nearest;
    const facts = [
      `ratio of medians ${ratio === null ? '–' : formatNumber(ratio, 2)}`,
      ...(authentic === null ? [] : [`authentic ${formatNumber(100 * authentic, 3)} %`]),
    ];
    const caption = html`<figcaption class="tone-${run.family}">${run.name}: ${facts.join(', ')}</figcaption>`;
    if (nearest.heldOut === 0) {
      return html`<figure>${caption}<p class="missing">Nothing is held out: there is no distance to compare these with.</p></figure>`;
    }
    return html`<figure>${caption}${histogram({
      title: `distances to the nearest training image, samples of ${run.name} and held-out images`,
      label: 'distance over the median of held-out images',
      tone: run.family,
      name: 'samples',
      values: sampleRatios,
      beside: { name: 'held-out', values: heldOutRatios },
      most: 2,
    })}</figure>`;
  });
  const strips = known.map(({ run, nearest }) => {
    const items = nearest.closest.map(
      ({ caption, trained, distance, sample, image: real }) =>
        html`<li>${image(sample, `sample of ${run.name}: ${caption}`, 60)}${image(real, `nearest training image: ${trained}`, 60)}${formatNumber(distance, 2)}</li>`,
    );
    return html`<h3>${nameOf(run)}</h3><ul class="strip">${items}</ul>`;
  });
  return html`<div class="charts">${charts}</div>
<p>The ${known[0].nearest.closest.length} samples of each run that are nearest to a training image: the sample above, that image below, and their distance (root mean square over pixels in [0, 1]). Distances are between pixels: they find copies, not borrowed ideas.</p>
${strips}`;
}

/** The warning that goes with every loss of a game. */
export function lossWarning(runs: Runs): Html {
  const games = runs.some(({ family }) => isGame(family));
  return html`<p class="warning">Losses of different families are different quantities: they share no axis.${
    games
      ? ' And a GAN’s loss is no measure of progress: at its equilibrium, where samples cannot be told from real images, it equals its loss at the very start, where nobody has learnt anything.'
      : ''
  }</p>`;
}
