/**
 * @file The trainer's page: pictures are dropped, a plan is shown in words, and the training runs in a worker of this very browser,
 * with curves and pictures as the studio shows them. It goes on after a reload; nothing leaves the device.
 */

import { element, failure, fill, prose } from '../../web/page/dom.ts';
import { download } from '../../web/page/download.ts';
import type { Begun, Tell, There, TrainerBackend } from '../messages.ts';
import { TrainerClient } from './client.ts';
import { CurvesOfRun } from './curves.ts';
import { DropView } from './drop.ts';
import type { Dropped } from './dropped.ts';
import { isolate } from './isolation.ts';
import { PlanView } from './plan.ts';
import { ProgressView } from './progress.ts';

class TrainerPage {
  private readonly trouble = element('div');
  private readonly front = element('div');
  private readonly actions = element('div', { class: 'actions' });
  private readonly progress = new ProgressView();
  private readonly curves = new CurvesOfRun();
  private client: TrainerClient;
  private name = '';
  private run: Begun | undefined;
  private state: 'idle' | 'training' | 'pausing' = 'idle';
  private plan: PlanView | undefined;
  private readonly backend: TrainerBackend;

  /** @param backend where to compute */
  constructor(main: HTMLElement, backend: TrainerBackend) {
    this.backend = backend;
    this.client = this.connect();
    fill(main, this.trouble, this.front, this.actions, this.progress.root, this.curves.root);
    this.client.ask({ type: 'look' });
  }

  private connect(): TrainerClient {
    const fail = (what: string) =>
      fill(this.trouble, failure(new Error(`${what}: reload the page; what was saved is kept`)));
    return new TrainerClient(message => this.hear(message), fail);
  }

  private hear(message: Tell): void {
    switch (message.type) {
      case 'there':
        this.showThere(message.there);
        return;
      case 'taking':
        this.progress.taking(message.done, message.total);
        return;
      case 'planned':
        this.progress.rest();
        this.plan?.show(message.plan);
        return;
      case 'progress':
        if (this.state !== 'idle') this.progress.take(message.event); // else it is the plan's, which is shown as a whole
        return;
      case 'run':
        if (this.run === undefined) this.showRun(message.run); // which can be downloaded now
        this.run = message.run;
        this.curves.draw(message.run);
        return;
      case 'sheet':
        this.curves.sheets.take(message.kind, message.png);
        return;
      case 'ended':
        this.ended(message.isDone);
        return;
      case 'packed':
        download(message.zip, message.name);
        return;
      case 'refused': {
        const error = Object.assign(new Error(message.text), { hint: message.hint });
        fill(this.trouble, failure(error));
        if (message.asked === 'plan') this.plan?.show(undefined);
        if (message.asked === 'train') this.restart();
        if (message.asked === 'take') this.showThere({});
        return;
      }
    }
  }

  /** After an error the worker's files may not be those that are kept: another one reads them anew. */
  private restart(): void {
    this.client.end();
    this.state = 'idle';
    this.progress.rest();
    this.client = this.connect();
    this.client.ask({ type: 'look' });
  }

  private showThere({ data, run, isElsewhere }: There): void {
    this.run = run;
    this.progress.rest();
    this.curves.clear();
    this.plan = undefined;
    if (isElsewhere === true) {
      const again = element('button', { type: 'button', class: 'main' }, 'Look again');
      again.addEventListener('click', () => this.client.ask({ type: 'look' }));
      fill(this.front, element('p', {}, 'Another tab of this browser has the trainer open: go on there, or close it.'));
      fill(this.actions, again);
    } else if (data === undefined) this.showDrop();
    else {
      this.name = data.name;
      if (run === undefined) this.showPlan();
      else this.showRun(run);
    }
  }

  private showDrop(): void {
    const drop = new DropView(
      dropped => this.take(dropped),
      error => fill(this.trouble, failure(error)),
    );
    fill(this.front, introduction(), drop.root);
    fill(this.actions);
  }

  private take({ name, files }: Dropped): void {
    fill(this.trouble);
    fill(this.front, element('p', {}, `Taking ${name} in`));
    this.client.ask({ type: 'take', name, files });
  }

  private showPlan(): void {
    const plan = new PlanView(this.name, fields => {
      fill(this.trouble);
      this.client.ask({ type: 'plan', fields, backend: this.backend });
    });
    this.plan = plan;
    const start = element('button', { type: 'button', class: 'main', disabled: true }, 'Start training');
    start.addEventListener('click', () => this.train());
    plan.onReady = isReady => {
      start.disabled = !isReady;
    };
    fill(this.front, plan.root);
    fill(this.actions, start, this.discardButton('Take other pictures', false));
    plan.ask();
  }

  private train(): void {
    fill(this.trouble);
    this.state = 'training';
    this.progress.begin();
    void navigator.storage.persist?.();
    this.client.ask({ type: 'train', backend: this.backend });
    this.showRun(this.run);
  }

  private showRun(run: Begun | undefined): void {
    const isUnderWay = this.state !== 'idle';
    const pause = element('button', { type: 'button', disabled: this.state === 'pausing' }, 'Pause');
    pause.addEventListener('click', () => {
      this.state = 'pausing';
      this.client.ask({ type: 'pause' });
      this.showRun(this.run);
    });
    const goOn = element('button', { type: 'button', class: 'main' }, 'Continue');
    goOn.addEventListener('click', () => this.train());
    const pack = element('button', { type: 'button' }, 'Download the run');
    pack.addEventListener('click', () => this.client.ask({ type: 'pack' }));
    const isDone = run?.isDone === true;
    fill(
      this.front,
      element('h1', {}, this.name),
      element('p', { class: 'lead' }, this.words(isDone)),
      isDone ? this.after() : undefined,
    );
    fill(
      this.actions,
      isUnderWay ? pause : isDone ? undefined : goOn,
      run === undefined && isUnderWay ? undefined : pack,
      isUnderWay ? undefined : this.discardButton('Delete', true),
    );
    if (run !== undefined) this.curves.draw(run);
  }

  private words(isDone: boolean): string {
    if (this.state === 'pausing') return 'Pauses after this step, and saves.';
    if (this.state === 'training') {
      return 'Trains in this tab. What is saved now and then is kept when the tab is closed, the page reloaded or the device goes to sleep: “Continue” goes on from there. Keep the tab in front: browsers slow others down.';
    }
    return isDone ? 'Trained to its end.' : 'Paused. It goes on from where it was saved last.';
  }

  private after() {
    const command = `tessera sample --run ${this.name}-run --text "…"`;
    return element(
      'p',
      {},
      prose(`The download is a folder that Tessera paints with: unpack it, then \`${command}\`.`),
    );
  }

  private ended(isDone: boolean): void {
    this.state = 'idle';
    this.progress.rest();
    document.title = isDone ? 'done: Tessera trainer' : 'Tessera trainer';
    if (this.run === undefined) this.client.ask({ type: 'look' });
    else this.showRun({ ...this.run, isDone });
  }

  private discardButton(words: string, asks: boolean): HTMLElement {
    const button = element('button', { type: 'button', class: 'apart' }, words);
    button.addEventListener('click', () => {
      const question = `Delete the pictures and the training of ${this.name} from this browser? It cannot be undone.`;
      if (asks && !confirm(question)) return;
      fill(this.trouble);
      this.curves.clear();
      this.client.ask({ type: 'discard' });
    });
    return button;
  }
}

function introduction(): HTMLElement {
  return element(
    'div',
    {},
    element('h1', {}, 'Train in this browser'),
    element(
      'p',
      { class: 'lead' },
      'Drop captioned pictures here. A small model learns them on this very device, and paints after your words; nothing is sent anywhere.',
    ),
  );
}

const main = document.querySelector('main');
if (main !== null) {
  const asked = new URLSearchParams(location.search).get('backend') ?? 'auto';
  const backend = (['auto', 'wasm', 'webgpu', 'cpu'] as const).find(name => name === asked) ?? 'auto';
  if (!(await isolate())) new TrainerPage(main, backend);
}
