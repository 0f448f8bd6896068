/** @file A process that the page started, as it is shown: what it is, what it said last, how it ended, and a button that stops it. */
import type { WorkCard, WorkTicket } from '../studio/trainings/messages.ts';
import { call, keyed } from './api.ts';
import { command, element, failure, fill } from './dom.ts';
import { clockTime, every } from './polling.ts';

const STATES: Readonly<Record<WorkCard['state'], string>> = {
  running: 'under way',
  stopping: 'stopping after this step, and saving',
  done: 'done',
  stopped: 'stopped',
  failed: 'ended',
};

/** Whether it goes on. */
export function isOver({ state }: WorkCard): boolean {
  return state !== 'running' && state !== 'stopping';
}

/** A process in full. @param onStop hears of the button */
export function workView(work: WorkCard, onStop: (work: WorkCard) => void): HTMLElement {
  const { id, kind, title, state, why, lines, seconds, run, study, data } = work;
  const stop = element('button', { type: 'button', onclick: () => onStop(work) }, 'Stop');
  if (state === 'stopping') stop.disabled = true;
  const isTraining = kind === 'training';
  return element(
    'section',
    { class: `work work-${state}`, 'data-work': id, 'aria-label': `${kind} ${title}` },
    element(
      'p',
      { class: 'work-head' },
      element('b', {}, title),
      element('span', { class: 'soft' }, kind),
      element('span', { class: `work-state work-is-${state}` }, why ?? STATES[state]),
      element('span', { class: 'soft' }, clockTime(seconds)),
      isOver(work) ? undefined : stop,
      isTraining && run !== null ? element('a', { href: `#/run/${run}` }, 'watch it') : undefined,
      isTraining && state !== 'done' && isOver(work)
        ? element('a', { href: `#/trainings?run=${run}&data=${encodeURIComponent(data ?? '')}` }, 'go on')
        : undefined,
      work.hasPage
        ? element('a', { href: keyed(`/api/trainings/${id}/page`), target: '_blank', rel: 'noopener' }, 'open the page')
        : undefined,
      kind === 'study' && state === 'done' && study !== null
        ? element('a', { href: `#/study/${study}` }, 'go to the study')
        : undefined,
    ),
    lines.length === 0
      ? element('p', { class: 'soft' }, isOver(work) ? 'It said nothing.' : 'Nothing said yet.')
      : linesView(lines),
    element('details', {}, element('summary', {}, 'as a command'), command(work.command)),
  );
}

/** What it said last, the newest in sight. */
function linesView(lines: readonly string[]): HTMLElement {
  const text = lines.slice(-12).join('\n');
  const view = element('pre', { class: 'work-lines', tabindex: 0, 'aria-label': 'what it said last' }, text);
  requestAnimationFrame(() => {
    view.scrollTop = view.scrollHeight;
  });
  return view;
}

/** Asks a process to stop. */
export function stopWork({ id }: WorkCard): Promise<WorkTicket> {
  return call<WorkTicket>(`/api/trainings/${id}/stop`, { method: 'POST', body: {} });
}

/** Shows a process until it has ended, or the page is left. @param onEnd hears how it ended */
export function followWork(
  place: HTMLElement,
  {
    work,
    signal,
    onEnd = () => {},
  }: { readonly work: WorkCard; readonly signal: AbortSignal; readonly onEnd?: (work: WorkCard) => void },
): void {
  const show = (now: WorkCard) => {
    fill(
      place,
      workView(now, each => void stopWork(each).then(({ work: told }) => show(told), complain)),
    );
    return isOver(now);
  };
  const complain = (error: unknown) => {
    place.append(failure(error));
  };
  const leaving = new AbortController();
  signal.addEventListener('abort', () => leaving.abort(), { once: true });
  show(work);
  every(1000, leaving.signal, async () => {
    const { work: now } = await call<WorkTicket>(`/api/trainings/${work.id}`, { signal: leaving.signal });
    if (!show(now)) return;
    leaving.abort();
    onEnd(now);
  });
}
