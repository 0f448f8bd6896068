/** @file The curves and pictures of a training, as the studio's page of a run shows them, of what the worker tells. */
import { element, fill } from '../../web/page/dom.ts';
import { CurvesView } from '../../web/page/run-curves.ts';
import { StagesView } from '../../web/page/run-stages.ts';
import type { Begun } from '../messages.ts';
import { NewestSheets } from './sheets.ts';

export class CurvesOfRun {
  readonly root = element('div', { hidden: true });
  readonly sheets = new NewestSheets();
  private readonly stages = new StagesView(() => this.redraw());
  private readonly curves: CurvesView;
  private run: Begun | undefined;

  constructor() {
    this.curves = new CurvesView({ onRange: range => this.zoom(range), front: this.sheets.root });
    fill(this.root, this.stages.root, this.curves.root);
  }

  draw(run: Begun): void {
    this.run = run;
    this.root.hidden = false;
    this.stages.follow(run.detail.card.stage ?? undefined);
    this.redraw();
  }

  clear(): void {
    this.run = undefined;
    this.root.hidden = true;
    this.sheets.clear();
  }

  private zoom(range: readonly [number, number] | undefined): void {
    this.curves.range = range;
    this.redraw();
  }

  private redraw(): void {
    if (this.run === undefined) return;
    const { detail, curves } = this.run;
    this.stages.draw(detail.stages, curves.stages, detail);
    const name = this.stages.chosen ?? curves.stages.at(-1)?.name;
    const stage = curves.stages.find(each => each.name === name);
    const series = stage === undefined ? [] : [{ name: detail.card.name, tone: 'run-0', dash: 0, stage }];
    this.curves.draw(series, name === detail.stages.at(-1)?.name ? detail.loss : 'loss');
    this.sheets.show(name === 'patch' ? 'reconstructions' : 'samples');
  }
}
