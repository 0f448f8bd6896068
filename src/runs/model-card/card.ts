/**
 * @file The card of an exported model: a README.md that says what the model is, how to paint with it, what it was trained on and
 * how good it is known to be, in the form that hubs read (a header of YAML, Hugging Face's "model cards"). It says only what
 * the run knows: what was not measured or not recorded is said to be so.
 */
import { basename } from 'node:path';
import { printable } from '../../core/printable.ts';
import { shellWord } from '../../core/shell.ts';
import { familyOf } from '../../families/families.ts';
import { measureOf } from '../../report/measures.ts';
import { formatCount, formatNumber, formatSeconds } from '../../report/numbers.ts';
import type { CardFacts } from './card-facts.ts';

/** The whole file. */
export function modelCard(facts: CardFacts): string {
  const sections = [
    header(facts),
    about(facts),
    painting(facts),
    data(facts),
    training(facts),
    quality(facts),
    limits(facts),
  ];
  return `${sections.join('\n\n')}\n`;
}

function header({ config, license = 'unknown' }: CardFacts): string {
  const tags = ['text-to-image', 'tesserae', config.family];
  return [
    '---',
    `license: ${license}`,
    'library_name: tesserae',
    'pipeline_tag: text-to-image',
    'tags:',
    ...tags.map(tag => `- ${tag}`),
    '---',
  ].join('\n');
}

/** Where the package is. */
const PACKAGE = 'https://www.npmjs.com/package/tesserae';

function about({ name, config, weights, step, dtype, parameters, hasSamples }: CardFacts): string {
  const { title, paints } = familyOf(config.family).words;
  const { imageSize } = config.images;
  const lines = [
    `# ${plain(name)}`,
    '',
    `A model of [Tessera](${PACKAGE}) (${title}) that paints pictures of ${imageSize} x ${imageSize} pixels for captions: ${paints}.`,
    `Its weights are ${WEIGHTS[weights]}, of step ${formatCount(step)}: ${formatCount(parameters)} numbers, matrices in ${dtype}.`,
  ];
  return [...lines, ...(hasSamples ? ['', `![Sheet of samples](samples.png)`, '', SHEET] : [])].join('\n');
}

const WEIGHTS = {
  ema: 'the average of those of its training',
  best: 'the average of those of its training where the held-out loss was lowest',
  last: 'those of its training as they were last',
} as const;

const SHEET = 'The sheet was painted while it was trained, by the averaged weights of the step that stands on it.';

function painting({ name }: CardFacts): string {
  const folder = shellWord(name);
  return [
    '## How to paint',
    '',
    '```',
    `npx tesserae sample --run ${folder} --text 'a caption' --num-images 8`,
    '```',
    '',
    '```ts',
    "import { encodePng, openPainter } from 'tesserae';",
    '',
    `const painter = await openPainter(${JSON.stringify(name)});`,
    "const [picture] = await painter.paint(['a caption'], { seed: 1 });",
    'const png = await encodePng(picture);',
    '```',
  ].join('\n');
}

function data(facts: CardFacts): string {
  const { config, isAttributed, captions } = facts;
  const { split } = config.images;
  const others =
    split.length === 1 && split[0] === 'train' ? [] : [`Published splits trained on: ${split.join(', ')}.`];
  const owner = isAttributed
    ? 'Whose images they are stands in [ATTRIBUTION.md](ATTRIBUTION.md).'
    : 'Whose images they are was not recorded.';
  const some =
    captions === undefined
      ? []
      : [
          '',
          `Some of its ${formatCount(captions.count)} captions:`,
          '',
          ...captions.examples.map(text => `- \`${code(text)}\``),
        ];
  return ['## What it was trained on', '', countsOf(facts), ...startOf(facts), ...others, owner, ...some].join('\n');
}

function countsOf({ dataName, images, config }: CardFacts): string {
  if (images === undefined) return 'How many images it was trained on was not recorded.';
  const { training, heldOut } = images;
  const named = dataName === undefined ? '' : ` of \`${code(dataName)}\``;
  const trained = `${formatCount(training)} captioned image${training === 1 ? '' : 's'}${named}`;
  if (heldOut === undefined) return `${trained}.`;
  if (heldOut === 0) return `${trained}; none were held out.`;
  const share = `${Number((100 * config.images.validation).toPrecision(3))}%`;
  return `${trained}; ${formatCount(heldOut)} more were held out: the validation split of the data, or where it has none ${share}, chosen by a hash of names.`;
}

function startOf({ config }: CardFacts): string[] {
  const { from } = config;
  return from === undefined
    ? []
    : [
        `It was started from the ${from.weights} weights of \`${code(basename(from.name))}\`, step ${formatCount(from.step)}, and has what these had learnt.`,
      ];
}

function training({ config, seconds }: CardFacts): string {
  const { train, images, seed, family } = config;
  const { words, stages } = familyOf(family);
  const rows: [string, string][] = [
    [
      'images',
      `${images.imageSize} x ${images.imageSize}${stages.includes('codes') ? `, as ${config.patch.grid} x ${config.patch.grid} codes` : ''}`,
    ],
    ['steps', `${formatCount(train.steps)} of ${formatCount(train.batchSize)}`],
    ['optimizer', `${train.optimizer}, learning rate ${train.lr}`],
    ['regularisers and other help', (words.aids?.(config) ?? []).join(', ') || 'none beyond averaging and clipping'],
    ['seed', String(seed)],
    ...(seconds === null ? [] : [['time in training steps, all stages', formatSeconds(seconds)] as [string, string]]),
  ];
  return [
    '## How it was trained',
    '',
    '| | |',
    '|---|---|',
    ...rows.map(([what, value]) => `| ${what} | ${value} |`),
    '',
    'Every hyperparameter is in `config.json`, the log in `metrics.jsonl`.',
  ].join('\n');
}

function quality(facts: CardFacts): string {
  return ['## How good it is', '', ...heldOutLines(facts), ...measuredLines(facts), ...verdictLines(facts)].join('\n');
}

function heldOutLines({ config, images, validation }: CardFacts): string[] {
  const { words, validation: rule } = familyOf(config.family);
  if (images?.heldOut === 0) {
    return ['Nothing was held out: how it does on captions that it has never seen is not known.'];
  }
  if (rule === undefined) return ['The losses of its training say nothing about its pictures; they stand in the log.'];
  if (validation === undefined) return ['No held-out loss was logged.'];
  const { best, last } = validation;
  const untaught = rule.untaught(config);
  const known = Number.isFinite(untaught) ? `; a model that has learnt nothing has ${formatNumber(untaught)}` : '';
  const told = (point: typeof best) => `${formatNumber(point.value, 4)} at step ${formatCount(point.step)}`;
  const rose = last.step > best.step && Number(last.value) > Number(best.value);
  const lines = [
    `Held-out ${words.loss}: ${told(best)} at its lowest, ${told(last)} at the last (lower is better${known}).`,
  ];
  return rose ? [...lines, 'It rose towards the end: from there on the model learned images by heart.'] : lines;
}

function measuredLines({ measured }: CardFacts): string[] {
  const rows = measured.filter(({ row, value }) => row !== 'floor' && value !== null);
  if (rows.length === 0) return ['', 'It was not evaluated: `tessera eval` measures it.'];
  const lines = rows.map(({ metric, row, value, low, high, features, split, n }) => {
    const { heading, scale, better, note } = measureOf(metric);
    const shown = (x: number | null) => formatNumber(x === null ? null : x * scale);
    const floor = measured.find(each => each.row === 'floor' && each.metric === metric && each.features === features);
    const interval = low === null || high === null ? '' : ` (${shown(low)} to ${shown(high)})`;
    const means = [
      row === 'samples' ? '' : 'of reconstructions',
      better === null ? '' : `${better} is better`,
      note ?? '',
    ];
    const cells = [
      heading,
      `${shown(value)}${interval}`,
      floor === undefined || floor.value === null ? '' : shown(floor.value),
      `${n === null ? '' : `${formatCount(n)}, `}${split}`,
      [...means, features === null ? '' : `features ${plain(features)}`].filter(Boolean).join('; '),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return ['', '| metric | value (95%) | real images | pictures, captions of | |', '|---|---|---|---|---|', ...lines];
}

function verdictLines({ verdict: { kind, rule, step } }: CardFacts): string[] {
  if (kind === 'stable' || rule === null || step === null) return [];
  return ['', `By the rules that Tessera judges trainings by it ${kind} at step ${formatCount(step)} (${rule}).`];
}

function limits({ name, images, captions, isAttributed, license }: CardFacts): string {
  const few = images === undefined ? '' : ` of ${formatCount(images.training)} images`;
  const search = captions === undefined ? '' : `: \`tessera captions --run ${shellWord(name)} --search WORD\` tells`;
  return [
    '## Limits',
    '',
    `- It knows what the captions${few} name, in their words; other words mean little or nothing to it${search}.`,
    '- What it paints well it may have by heart. `tessera sample --nearest --data DATA` shows beside each sample the training image that it is nearest to.',
    '- Nothing was filtered: it has whatever its images and captions have of mistakes, slants and things not meant for everybody.',
    `- Whether it may be used for a purpose depends on the licences of those images${isAttributed ? ', see ATTRIBUTION.md' : ''}${
      license === undefined ? '. No licence was stated for the weights.' : '.'
    }`,
  ].join('\n');
}

/** Somebody's text in a sentence: no markup of it counts. */
function plain(text: string): string {
  return printable(text).replace(/[\\`*_{}[\]<>()#+!|~&-]/g, sign => (sign === '-' ? sign : `\\${sign}`));
}

/** Somebody's text between backticks, which cannot hold any. */
function code(text: string): string {
  return printable(text, { most: 200 }).replaceAll('`', "'").replaceAll('|', '/');
}
