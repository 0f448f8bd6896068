/** @file Which charts the log of a stage makes: what belongs together on one axis, what is marked, and that nothing is left out. */
import { describe, expect, test } from 'vitest';
import { chartsOf, type Look, type Series } from '../../src/web/page/stage-charts.ts';
import type { Measurement, StageCurves } from '../../src/web/studio/messages.ts';

const look: Look = { loss: 'nats', smooth: 0, log: false };
const curve = (n: number, value: (i: number) => number | null): Measurement[] =>
  Array.from({ length: n }, (_, i) => [10 * i, value(i)]);
const falling = curve(5, i => 5 - i);

function stageOf(curves: Record<string, readonly Measurement[]>, more: Partial<StageCurves> = {}): StageCurves {
  const costs = { seconds: null, images: null, flops: null };
  const none = { judged: null, bestAt: null, turnedAt: null };
  return {
    name: 'transformer',
    title: 'transformer',
    total: 100,
    step: 40,
    ...costs,
    curves,
    means: {},
    ...none,
    ...more,
  };
}

const seriesOf = (stage: StageCurves, name = 'a'): Series => ({ name, tone: name, dash: 0, stage });
const transformer = stageOf(
  {
    loss: falling,
    image: falling,
    caption: falling,
    val_loss: falling,
    val_image: falling,
    val_caption: falling,
    val_perplexity: falling,
    norm: falling,
    lr: falling,
    tokensPerSecond: falling,
    check_kid: falling,
    brandNew: falling,
  },
  { judged: 'val_image', bestAt: [30, 2] },
);
const linesOf = (figures: ReturnType<typeof chartsOf>) =>
  Object.fromEntries(figures.map(({ id, chart }) => [id, chart.lines.map(({ name }) => name)]));

describe('the charts of a stage', () => {
  test('have the loss that it is judged by first, beside its training loss, with the best marked', () => {
    const [first, ...rest] = chartsOf([seriesOf(transformer)], look);
    expect(first.id).toBe('image');
    expect(first.chart.lines.map(({ name }) => name)).toEqual(['training', 'held out']);
    expect(first.chart.y.label).toBe('nats');
    expect(first.chart.marks).toEqual([{ x: 30, name: 'best' }]);
    expect(linesOf(rest)).toMatchObject({ caption: ['training', 'held out'], norm: [''], brandNew: [''] });
    const turned = chartsOf([seriesOf({ ...transformer, turnedAt: [30, 2] })], look)[0].chart.marks;
    expect(turned).toEqual([{ x: 30, name: 'learns by heart from here on' }]);
  });

  test('leave nothing out that was logged, and show nothing twice', () => {
    const figures = chartsOf([seriesOf(transformer)], look);
    // val_loss is val_image: the loss that it is judged by under its other name.
    const shown = figures.reduce((sum, { chart }) => sum + chart.lines.length, 0);
    expect(shown).toBe(Object.keys(transformer.curves).length - 1);
    expect(new Set(figures.map(({ id }) => id)).size).toBe(figures.length);
  });

  test('of a game have both players on one axis; its held-out loss is the KID of samples, once', () => {
    const gan = stageOf({ D_loss: falling, G_loss: falling, val_loss: falling, check_kid: falling, D_norm: falling });
    const lines = linesOf(chartsOf([seriesOf({ ...gan, name: 'dcgan' })], look));
    expect(lines).toEqual({ D_loss: ['D', 'G'], check_kid: [''], D_norm: [''] });
  });

  test('of a patch tokenizer show its PSNR instead of that with another sign', () => {
    const psnr = curve(5, i => 20 + i);
    const patch = stageOf({ loss: falling, val_psnr: psnr, val_loss: psnr.map(([x, y]) => [x, -y!] as const) });
    expect(linesOf(chartsOf([seriesOf({ ...patch, name: 'patch' })], look))).toEqual({ loss: [''], val_psnr: [''] });
  });

  test('of several runs have a line of each, and losses of one family alone', () => {
    const other = seriesOf({ ...transformer, curves: { ...transformer.curves, image: curve(9, i => i) } }, 'b');
    const strange = seriesOf({ ...transformer, name: 'diffusion' }, 'c');
    const lines = linesOf(chartsOf([seriesOf(transformer), other, strange], look));
    expect(lines.image).toEqual(['a', 'b']);
    expect(lines.val_image).toEqual(['a', 'b']);
    expect(lines.check_kid).toEqual(['a', 'b', 'c']);
    expect(lines.norm).toEqual(['a', 'b', 'c']);
  });

  test('smooth a loss to the mean of what came before, over means of stretches where there are some', () => {
    const share = 0.5;
    const [{ chart }] = chartsOf(
      [
        seriesOf(
          stageOf({
            loss: [
              [0, 4],
              [1, 8],
              [2, null],
              [3, 0],
            ],
          }),
        ),
      ],
      { ...look, smooth: share },
    );
    const [raw, smooth] = chart.lines;
    expect(raw).toMatchObject({ tone: 'faint' });
    // 4; (8 + 4/2) / 1.5; a gap; (0 + 8/2 + 4/4) / 1.75
    expect(smooth.points.map(({ y }) => y)).toEqual(
      [4, 10 / 1.5, null, 5 / 1.75].map(y => (y === null ? null : expect.closeTo(y, 12))),
    );
    const constant = stageOf({ loss: curve(5, i => (i % 2 === 0 ? 0 : 9)) }, { means: { loss: curve(3, () => 1) } });
    const [, mean] = chartsOf([seriesOf(constant)], { ...look, smooth: 0.9 })[0].chart.lines;
    expect(mean.points.every(({ y }) => Math.abs(y! - 1) < 1e-12)).toBe(true);
  });

  test('are logarithmic where that was asked for and can be, and of the steps that were', () => {
    const negative = stageOf({ loss: curve(5, i => i - 2) });
    const [chart] = chartsOf([seriesOf(transformer)], { ...look, log: true, range: [10, 30] }).map(
      ({ chart }) => chart,
    );
    expect(chart.y.log).toBe(true);
    expect(chart.lines[0].points.map(({ x }) => x)).toEqual([10, 20, 30]);
    expect(chartsOf([seriesOf(negative)], { ...look, log: true })[0].chart.y.log).toBe(false);
  });
});
