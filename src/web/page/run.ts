/** @file The page of a run: how it is trained, live: its state, its stages, curves, pictures, codes and settings; other runs beside it. */
import type { Home, LiveEvents, RunCard, RunDetail } from '../studio/messages.ts';
import { call, listen } from './api.ts';
import { CurveStore } from './curve-store.ts';
import { element, failure, fill } from './dom.ts';
import type { Context, Page } from './page.ts';
import { CurvesView } from './run-curves.ts';
import { drawHead, percent } from './run-head.ts';
import { OthersView } from './run-others.ts';
import { settingsSection } from './run-settings.ts';
import { SheetsView } from './run-sheets.ts';
import { StagesView } from './run-stages.ts';

export const runPage: Page = {
  open: async (main, { run }, { query, signal, setTitle, knows }) => {
    const detail = await call<RunDetail>(`/api/runs/${run}`, { signal });
    const others = (query.get('with') ?? '').split(',').filter(id => /^[0-9a-f]{12}$/.test(id) && id !== run);
    const view = new RunView(main, detail, { signal, knows, setTitle });
    await view.open(others);
    return () => view.close();
  },
};

type Around = Pick<Context, 'signal' | 'knows' | 'setTitle'>;

class RunView {
  private detail: RunDetail;
  private readonly around: Around;
  private readonly stores = new Map<string, CurveStore>();
  private readonly head = element('div');
  private readonly trouble = element('div');
  private readonly silence = element('div');
  private readonly stages: StagesView;
  private readonly curves: CurvesView;
  private readonly sheets: SheetsView;
  private readonly others: OthersView;
  private unlisten = () => {};
  private cards: readonly RunCard[] = [];

  constructor(main: HTMLElement, detail: RunDetail, around: Around) {
    this.detail = detail;
    this.around = around;
    this.stages = new StagesView(() => this.draw());
    this.sheets = new SheetsView(detail.card.id, { onStep: step => this.curves.cursor(step), signal: around.signal });
    this.curves = new CurvesView({ onRange: range => void this.zoom(range), front: this.sheets.root });
    this.others = new OthersView(ids => void this.compare(ids));
    fill(
      main,
      this.head,
      this.stages.root,
      this.silence,
      this.trouble,
      this.others.root,
      this.curves.root,
      this.sheets.codes,
      settingsSection(detail),
    );
    this.keys(main);
  }

  async open(others: readonly string[]): Promise<void> {
    const { signal } = this.around;
    this.drawHead();
    this.stages.choose(this.detail.card.stage ?? undefined);
    const own = this.store(this.detail.card.id);
    await Promise.all([own.read(signal), this.sheets.read(this.detail.card.id)]);
    this.cards = (await call<Home>('/api/home', { signal })).runs;
    await this.compare(others.filter(id => this.cards.some(card => card.id === id)));
  }

  close(): void {
    this.unlisten();
    this.curves.close();
  }

  private store(id: string): CurveStore {
    const store = this.stores.get(id) ?? new CurveStore(id);
    this.stores.set(id, store);
    return store;
  }

  private get ids(): string[] {
    return [this.detail.card.id, ...this.others.chosen];
  }

  /** Lays other runs over this one. */
  private async compare(ids: readonly string[]): Promise<void> {
    const { id } = this.detail.card;
    const { signal } = this.around;
    this.others.set(
      this.cards.filter(card => card.id !== id),
      ids,
    );
    const search = ids.length === 0 ? '' : `?with=${ids.join(',')}`;
    history.replaceState(null, '', `#/run/${id}${search}`);
    try {
      await Promise.all(ids.map(other => Promise.all([this.store(other).read(signal), this.sheets.read(other)])));
      fill(this.trouble);
    } catch (error) {
      if (!signal.aborted) fill(this.trouble, failure(error));
    }
    this.draw();
    this.listen();
  }

  /** Hears what is new of all runs that are shown. */
  private listen(): void {
    this.unlisten();
    const path = () => `/api/events?runs=${this.ids.map(id => this.store(id).place).join(',')}`;
    this.unlisten = listen(
      path,
      {
        curves: ({ id, ...news }: LiveEvents['curves']) => {
          const store = this.store(id);
          if (store.add(news)) void store.read(this.around.signal, this.curves.range).then(() => this.draw());
          this.draw();
        },
        run: ({ id, ...state }: LiveEvents['run']) => {
          if (id !== this.detail.card.id) return;
          this.detail = { ...this.detail, ...state };
          this.stages.follow(state.card.stage ?? undefined);
          this.drawHead();
          this.draw();
        },
        sheets: ({ id, ...sheets }: LiveEvents['sheets']) => this.sheets.set(id, sheets),
        gone: ({ id, error }: LiveEvents['gone']) => {
          const name = this.cards.find(card => card.id === id)?.name ?? 'the run';
          fill(this.trouble, failure(`${name}: ${error}`));
        },
      },
      isHeard => {
        fill(
          this.silence,
          isHeard
            ? undefined
            : failure('The studio does not answer; it is asked again. Is `tessera studio` still running?'),
        );
      },
    );
  }

  private async zoom(range: readonly [number, number] | undefined): Promise<void> {
    this.curves.range = range;
    await Promise.all(this.ids.map(id => this.store(id).read(this.around.signal, range)));
    this.draw();
  }

  private drawHead(): void {
    const { live, name, step, steps } = this.detail.card;
    this.around.setTitle(live ? `${percent(step, steps)} ${name}` : name);
    drawHead(this.head, this.detail, this.around.knows);
  }

  private draw(): void {
    const { card, stages, loss } = this.detail;
    const own = this.store(card.id);
    this.stages.draw(stages, own.curves.stages, this.detail);
    const name = this.stages.chosen ?? own.curves.stages.at(-1)?.name;
    const main = stages.at(-1)?.name;
    const series = this.ids.flatMap((id, i) => {
      const store = this.store(id);
      const known = this.cards.find(each => each.id === id) ?? card;
      // What paints is compared with what paints, whatever it is called.
      const stage = name === undefined ? undefined : store.stage(name === main ? known.family : name);
      return stage === undefined ? [] : [{ name: known.name, tone: `run-${i % 6}`, dash: i % 4, stage }];
    });
    this.curves.draw(series, name === main ? loss : 'loss');
    this.sheets.show(
      name === 'patch' ? 'reconstructions' : 'samples',
      this.ids,
      id => this.cards.find(each => each.id === id)?.name ?? card.name,
    );
  }

  /** Arrows turn the pictures, wherever the focus is that needs none itself. */
  private keys(main: HTMLElement): void {
    const onKey = (event: KeyboardEvent) => {
      const { target, key } = event;
      const isTaken =
        target instanceof Element && target.closest('input, select, textarea, [role=tab], .wide, .plot') !== null;
      if (isTaken || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (key !== 'ArrowLeft' && key !== 'ArrowRight') return;
      if (this.sheets.turn(key === 'ArrowLeft' ? -1 : 1)) event.preventDefault();
    };
    main.ownerDocument.addEventListener('keydown', onKey, { signal: this.around.signal });
  }
}
