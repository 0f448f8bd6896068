/** @file From a comparison by eye to one by numbers, `tessera compare`, and to one by people, `tessera study make`. */
import type { CompareOrder, StudyOrder } from '../studio/compare/messages.ts';
import type { Home, RunCard } from '../studio/messages.ts';
import type { WorkTicket } from '../studio/trainings/messages.ts';
import { call } from './api.ts';
import { element, failure, fill } from './dom.ts';
import { followWork } from './work-view.ts';

interface Next {
  /** What the page has now. */
  readonly order: () => {
    readonly runs: readonly RunCard[];
    readonly captions: readonly string[];
    readonly seed: number;
  };
  readonly signal: AbortSignal;
}

export function compareNext(home: Home, next: Next): HTMLElement {
  return element('div', { class: 'compare-next' }, reportForm(home, next), studyForm(home, next));
}

function dataChoice(id: string, { datasets }: Home, without: string): HTMLSelectElement {
  return element(
    'select',
    { id },
    datasets.map(each => element('option', { value: each.id }, each.name)),
    element('option', { value: '' }, without),
  );
}

function reportForm(home: Home, { order, signal }: Next): HTMLElement {
  const data = dataChoice('report-data', home, 'none: losses, costs and pictures alone');
  const images = element('input', { id: 'report-images', type: 'number', min: 2, max: 10_000, value: 64 });
  return startForm({
    title: 'Make the report',
    lead: 'Losses, metrics with intervals, cost and samples of the chosen runs, as one page.',
    fields: [
      field('report-data', 'Data that they were trained on', data),
      field('report-images', 'Images of each to measure by', images),
    ],
    start: () => {
      const { runs, captions, seed } = order();
      const measured = data.value === '' ? {} : { data: data.value, numImages: Number(images.value) };
      const body: CompareOrder = { runs: runs.map(({ id }) => id), captions, seed, ...measured };
      return call<WorkTicket>('/api/compare', { method: 'POST', body });
    },
    signal,
  });
}

function studyForm(home: Home, { order, signal }: Next): HTMLElement {
  const name = element('input', {
    id: 'study-name',
    required: true,
    value: 'studies/first',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const data = dataChoice('study-data', home, 'none: the captions above, without real pictures');
  const trials = element('input', { id: 'study-trials', type: 'number', min: 4, max: 1000, value: 60 });
  return startForm({
    title: 'Ask people',
    lead: 'A page that shows two pictures at a time, blind, and asks which is better; then a report of what people said.',
    fields: [
      field('study-name', `Its name in ${home.folder}`, name),
      field('study-data', 'Captions and real pictures of', data),
      field('study-trials', 'Questions to a person', trials),
    ],
    start: () => {
      const { runs, captions, seed } = order();
      const body: StudyOrder = {
        runs: runs.map(({ id }) => id),
        captions: data.value === '' ? captions : [],
        ...(data.value === '' ? {} : { data: data.value }),
        ...{ out: name.value.trim(), trials: Number(trials.value), seed },
      };
      return call<WorkTicket>('/api/studies', { method: 'POST', body });
    },
    signal,
  });
}

function field(id: string, words: string, control: HTMLElement): HTMLElement {
  return element('p', { class: 'form-field' }, element('label', { for: id }, words), control);
}

interface StartForm {
  readonly title: string;
  readonly lead: string;
  readonly fields: readonly HTMLElement[];
  readonly start: () => Promise<WorkTicket>;
  readonly signal: AbortSignal;
}

function startForm({ title, lead, fields, start, signal }: StartForm): HTMLElement {
  const said = element('div', { role: 'status' });
  const button = element('button', {}, title);
  const form = element(
    'form',
    { class: 'compare-start' },
    element('h2', {}, title),
    element('p', { class: 'soft' }, lead),
    fields,
    element('p', {}, button),
    said,
  );
  form.addEventListener('submit', event => {
    event.preventDefault();
    button.disabled = true;
    const enable = () => {
      button.disabled = false;
    };
    void start().then(
      ({ work }) => followWork(said, { work, signal, onEnd: enable }),
      (error: unknown) => {
        enable();
        fill(said, failure(error));
      },
    );
  });
  return form;
}
