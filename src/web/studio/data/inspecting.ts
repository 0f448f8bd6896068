/** @file `data inspect` of a data set that the page shows, once it is asked for: every picture is decoded, and those that look alike are found. */
import type { Dataset } from '../../../../data/dataset.ts';
import { mapBounded } from '../../../../data/files.ts';
import { formatInspection, inspectDataset } from '../../../../data/inspect.ts';
import { findTwins, looksOf } from '../../../../data/twins.ts';
import { UserError } from '../../../core/errors.ts';
import type { InspectionAnswer } from './messages.ts';

/** Problems and groups that are told. */
const MOST_PROBLEMS = 500;
const MOST_GROUPS = 100;
const MOST_IN_GROUP = 24;

/** One look at a data set, which goes on when nobody waits for it. */
export class Inspecting {
  private readonly dataset: Dataset;
  private readonly stopping = new AbortController();
  private answer: InspectionAnswer = { state: 'none' };

  constructor(dataset: Dataset) {
    this.dataset = dataset;
  }

  get state(): InspectionAnswer {
    return this.answer;
  }

  stop(): void {
    this.stopping.abort(new Error('stopped'));
  }

  /** @param options.signal stops it; @param options.onError hears of mistakes */
  begin({ signal, onError }: { readonly signal: AbortSignal; readonly onError: (error: unknown) => void }): void {
    if (this.answer.state === 'under way' || this.answer.state === 'done') return;
    this.answer = { state: 'under way', done: 0, total: 2 * this.dataset.items.length };
    signal.addEventListener('abort', () => this.stop(), { once: true });
    this.look().then(
      answer => {
        this.answer = answer;
      },
      (error: unknown) => {
        if (this.stopping.signal.aborted) return;
        const isUsers = error instanceof UserError;
        this.answer = { state: 'failed', message: isUsers ? error.message : 'a mistake of this server' };
        if (!isUsers) onError(error);
      },
    );
  }

  private async look(): Promise<InspectionAnswer> {
    const { items } = this.dataset;
    const { signal } = this.stopping;
    const total = 2 * items.length;
    const tell = (done: number) => {
      this.answer = { state: 'under way', done, total };
    };
    const inspection = await inspectDataset(this.dataset, { signal, onProgress: tell });
    let done = items.length;
    const looks = await mapBounded(items, 4, async item => {
      signal.throwIfAborted();
      tell(++done);
      return item
        .read()
        .then(looksOf)
        .catch(() => undefined); // which the inspection has listed
    });
    const groups = findTwins(looks);
    const named = (index: number) => ({ index, id: items[index].id });
    return {
      state: 'done',
      lines: formatInspection(inspection),
      problems: inspection.problems.slice(0, MOST_PROBLEMS),
      twins: groups.slice(0, MOST_GROUPS).map(group => group.slice(0, MOST_IN_GROUP).map(named)),
      groups: groups.length,
    };
  }
}
