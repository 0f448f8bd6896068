/**
 * @file Which charts the log of a stage makes, and what is drawn in each: a training loss beside the held-out one of its kind,
 * quality, looks at samples, the engine; and whatever else was logged, under its own name. Of several runs one line each. Knows
 * no document.
 */
import type { Line, LineChart } from '../../report/linechart.ts';
import type { Measurement, StageCurves } from '../studio/messages.ts';

/** A run's log of the stage that is shown. */
export interface Series {
  readonly name: string;
  readonly tone: string;
  readonly dash: number;
  readonly stage: StageCurves;
}

/** A chart with its heading. */
export interface Figure {
  /** Unique in a stage. */
  readonly id: string;
  readonly heading: string;
  readonly chart: LineChart;
}

export interface Look {
  /** What the stage minimises, for an axis. */
  readonly loss: string;
  /** From 0 to below 1: how much of the mean before stays in a smoothed loss. */
  readonly smooth: number;
  /** Whether losses are drawn in logarithms, where they can be. */
  readonly log: boolean;
  /** The steps that are shown; default all. */
  readonly range?: readonly [from: number, to: number];
}

/** A chart of these names of the log: training steps, and the same of held-out data. */
interface Plan {
  readonly id: string;
  readonly heading: string;
  readonly label: string;
  readonly training?: string;
  readonly heldOut?: string;
  readonly kind: 'loss' | 'measure';
  readonly guide?: { readonly y: number; readonly name: string };
}

/** What names of the log mean. */
const MEANINGS: Readonly<Record<string, readonly [heading: string, label?: string]>> = {
  loss: ['Loss'],
  image: ['Loss of image codes', 'nats a code'],
  caption: ['Loss of captions', 'nats a token'],
  l1: ['L1 distance'],
  l2: ['Squared distance'],
  edges: ['Distance of edges'],
  scale: ['Scale of similarities'],
  norm: ['Gradient norm'],
  D_norm: ['Gradient norm, discriminator'],
  G_norm: ['Gradient norm, generator'],
  lr: ['Learning rate'],
  imagesPerSecond: ['Images a second', 'images/s'],
  tokensPerSecond: ['Tokens a second', 'tokens/s'],
  val_psnr: ['Reconstructions of held-out images', 'PSNR, dB'],
  val_usage: ['Codes that occur', 'share of the codebook'],
  val_bits_per_dim: ['Bits a dimension, held out', 'bits'],
  val_captionTop1: ['Caption found by its image', 'share'],
  val_imageTop1: ['Image found by its caption', 'share'],
  val_loss_least: ['Held-out loss, least noise'],
  val_loss_less: ['Held-out loss, less noise'],
  val_loss_more: ['Held-out loss, more noise'],
  val_loss_most: ['Held-out loss, most noise'],
  D_accuracy: ['Accuracy of the discriminator', 'share'],
  D_real: ['Discriminator on real images'],
  D_fake: ['Discriminator on samples'],
  D_mismatch: ['Discriminator on wrong captions'],
  D_r1: ['Penalty at real images (R1)'],
  D_r2: ['Penalty at samples (R2)'],
  G_fake: ['Discriminator on samples, in the generator’s step'],
};

const KID = { heading: 'KID of samples', label: 'lower is better' };
const COVERAGE = { heading: 'Coverage of real images by samples', label: '1: as real ones' };
const SPREAD = { heading: 'Spread of samples', label: '1: as real ones' };
const REAL = { y: 1, name: 'real images' };

/** The charts of a stage, the most telling first. @param series the run itself first */
export function chartsOf(series: readonly Series[], look: Look): Figure[] {
  const [{ stage }] = series;
  const figures = plansOf(stage).flatMap(plan => figuresOf(plan, series, look));
  return figures.filter(({ chart }) => chart.lines.length > 0);
}

/** What a stage has beside its losses, in the order in which it is shown. */
function plansOf({ name, curves, judged }: StageCurves): Plan[] {
  const left = new Set(Object.keys(curves));
  const taken = (...names: string[]) => names.filter(each => left.delete(each)).length > 0;
  const plans: Plan[] = [];
  const add = (plan: Plan) => {
    if (taken(...[plan.training, plan.heldOut].filter(each => each !== undefined))) plans.push(plan);
  };
  const measure = (key: string, words?: { heading: string; label: string }, guide?: Plan['guide']) => {
    const [heading, label = ''] = key === 'loss' ? ['Loss of captions and codes together'] : (MEANINGS[key] ?? [key]);
    const source = /^(val|check)_/.test(key) ? { heldOut: key } : { training: key };
    add({
      id: key,
      heading: words?.heading ?? heading,
      label: words?.label ?? label,
      kind: 'measure',
      guide,
      ...source,
    });
  };
  addLosses();
  measure('check_kid', KID);
  measure('check_coverage', COVERAGE, REAL);
  measure('check_spread', SPREAD, REAL);
  for (const key of ['val_psnr', 'val_usage']) measure(key);
  measure('val_perplexity', perplexityOf(name));
  for (const key of ['tokensPerSecond', 'imagesPerSecond', 'norm', 'D_norm', 'G_norm', 'lr']) measure(key);
  for (const key of [...left].sort()) measure(key);
  return plans;

  function addLosses(): void {
    // Of a game no loss measures progress, and its `val_loss` is the KID of samples; that of a patch tokenizer its PSNR.
    const repeats = ['val_psnr', 'check_kid'].some(key => isSame(curves.val_loss, curves[key]));
    if (repeats) left.delete('val_loss');
    if (left.has('D_loss')) {
      add({
        id: 'D_loss',
        heading: 'Losses of discriminator and generator',
        label: 'loss',
        training: 'D_loss',
        heldOut: 'G_loss',
        kind: 'loss',
      });
    }
    const main = judged === 'val_image' ? 'image' : 'loss';
    if (main === 'image') left.delete('val_loss'); // the same
    add({
      id: main,
      heading: 'Loss',
      label: '',
      training: main,
      heldOut: left.has(`val_${main}`) ? `val_${main}` : undefined,
      kind: 'loss',
    });
    for (const key of [...left]) {
      if (!left.has(`val_${key}`)) continue;
      const [heading, label = ''] = MEANINGS[key] ?? [key];
      add({ id: key, heading, label, training: key, heldOut: `val_${key}`, kind: 'loss' });
    }
  }
}

/** Whether one curve is another, up to its sign. */
function isSame(a: readonly Measurement[] = [], b: readonly Measurement[] = []): boolean {
  const last = a.at(-1)?.[1];
  const other = b.at(-1)?.[1];
  return typeof last === 'number' && typeof other === 'number' && Math.abs(last) === Math.abs(other);
}

function perplexityOf(stage: string): { heading: string; label: string } {
  return stage === 'patch'
    ? { heading: 'Codes in use (perplexity)', label: 'as many, evenly used' }
    : { heading: 'Perplexity of held-out codes', label: 'codes it hesitates between' };
}

/** One chart, or of several runs one of training and one of held-out data. */
function figuresOf(plan: Plan, series: readonly Series[], look: Look): Figure[] {
  const { id, heading, training, heldOut, kind } = plan;
  const isMain = kind === 'loss' && (id === 'loss' || id === 'image');
  const shown = { ...plan, label: isMain ? look.loss : plan.label };
  if (series.length === 1) {
    const [{ stage }] = series;
    // Of a game its held-out loss is the KID of samples.
    const isJudge = id === 'check_kid' && isSame(stage.curves.val_loss, stage.curves.check_kid);
    return [
      figure({ ...shown, heading }, ownLines(plan, stage, look), look, isMain || isJudge ? marksOf(stage, look) : []),
    ];
  }
  const names = [...(training === undefined ? [] : [training]), ...(heldOut === undefined ? [] : [heldOut])];
  // Families minimise different things, whose values on one axis would say nothing.
  const comparable = kind === 'loss' ? series.filter(({ stage }) => stage.name === series[0].stage.name) : series;
  return names.map(name => {
    const lines = comparable.map(each => otherLine(each, name, kind, look)).filter(({ points }) => points.length > 0);
    const whose =
      names.length === 1 ? '' : plan.id === 'D_loss' ? `: ${name[0]}` : name === heldOut ? ', held out' : ', training';
    return figure(
      { ...shown, id: name, heading: `${plan.id === 'D_loss' ? 'Loss' : heading}${whose}` },
      lines,
      look,
      [],
    );
  });
}

function figure(
  { id, heading, label, kind, guide }: Plan,
  lines: readonly Line[],
  { log, range }: Look,
  marks: LineChart['marks'],
): Figure {
  const ys = lines.flatMap(({ points }) => points.flatMap(({ y }) => y ?? []));
  const logs = log && kind === 'loss' && ys.length > 0 && Math.min(...ys) > 0;
  const chart: LineChart = {
    title: `${heading} by step`,
    x: { label: 'step', range },
    y: { label: logs ? `${label}${label === '' ? '' : ', '}log scale` : label, log: logs },
    lines,
    marks,
    guides: guide === undefined || lines.length === 0 ? [] : [guide],
  };
  return { id, heading, chart };
}

/** A run by itself: training steps faint where they are smoothed, and held-out data strong. */
function ownLines({ training, heldOut, kind }: Plan, { curves, means }: StageCurves, { smooth, range }: Look): Line[] {
  const steps = pointsOf(curves[training ?? ''], range);
  const held = pointsOf(curves[heldOut ?? ''], range);
  const both = steps.length > 0 && held.length > 0;
  const names = training === 'D_loss' ? ['D', 'G'] : both ? ['training', 'held out'] : ['', ''];
  const smoothed = kind === 'loss' && smooth > 0 && steps.length > 2;
  const isGame = training === 'D_loss';
  const lines: Line[] = [
    ...(smoothed ? [{ name: '', tone: 'faint', points: steps, thin: true }] : []),
    {
      name: names[0],
      tone: 'first',
      points: smoothed ? smoothedOf(pointsOf(means[training ?? ''], range), steps, smooth) : steps,
      thin: steps.length > 300 && !smoothed,
    },
    {
      name: names[1],
      tone: training === undefined ? 'first' : 'second',
      points: smoothed && isGame ? smoothedOf(pointsOf(means[heldOut ?? ''], range), held, smooth) : held,
      dots: held.length <= 40 && !isGame,
      thin: held.length > 300 && !smoothed,
    },
  ];
  return lines.filter(({ points }) => points.length > 0);
}

/** One of several runs. */
function otherLine(
  { name, tone, dash, stage }: Series,
  key: string,
  kind: Plan['kind'],
  { smooth, range }: Look,
): Line {
  const points = pointsOf(stage.curves[key], range);
  const isHeld = /^(val|check)_/.test(key);
  const smoothed = kind === 'loss' && !isHeld && smooth > 0;
  return {
    name,
    tone,
    dash,
    points: smoothed ? smoothedOf(pointsOf(stage.means[key], range), points, smooth) : points,
    dots: isHeld && points.length <= 40,
  };
}

type Points = Line['points'];

function pointsOf(curve: readonly Measurement[] = [], range?: readonly [number, number]): Points {
  const within = range === undefined ? curve : curve.filter(([step]) => step >= range[0] && step <= range[1]);
  return within.map(([x, y]) => ({ x, y }));
}

/**
 * The running mean of a curve, each value counting less the older it is; without the pull to 0 that it begins with.
 * @param means of stretches, where the curve has only the extremes of them; else none
 */
function smoothedOf(means: Points, points: Points, share: number): Points {
  let [mean, weight] = [0, 0];
  return (means.length > 0 ? means : points).map(({ x, y }) => {
    if (y === null) return { x, y };
    mean = share * mean + (1 - share) * y;
    weight = share * weight + (1 - share);
    return { x, y: mean / weight };
  });
}

/** Where the held-out loss is lowest, and where it turned. */
function marksOf({ bestAt, turnedAt }: StageCurves, { range }: Look): LineChart['marks'] {
  const marks =
    turnedAt !== null
      ? [{ x: turnedAt[0], name: 'learns by heart from here on' }]
      : bestAt !== null
        ? [{ x: bestAt[0], name: 'best' }]
        : [];
  return marks.filter(({ x }) => range === undefined || (x >= range[0] && x <= range[1]));
}
