/** @file The form of a training, made of what the command `train` takes: few fields at first, all of them on request. */

import type { Home } from '../studio/messages.ts';
import type { FormField, FormGroup } from '../studio/program.ts';
import type { FormAnswer, TrainingOrder, WorkTicket } from '../studio/trainings/messages.ts';
import { call } from './api.ts';
import { element, failure, fill } from './dom.ts';

interface FormOptions {
  readonly home: Home;
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
  readonly onStart: () => void;
}

/** What was typed, by the path of its field: kept when the form is drawn anew. */
type Typed = Map<string, string>;

/** Draws the form into a place. */
export async function trainingForm(place: HTMLElement, options: FormOptions): Promise<void> {
  const { home, query, signal, onStart } = options;
  const typed: Typed = new Map();
  const goOn = home.runs.find(({ id }) => id === query.get('run'));
  const data = dataControl(home, query.get('data') ?? '');
  const out = outControl(home, goOn?.name ?? '');
  const said = element('div', { role: 'status' });
  const fields = element('div');
  const all = element('input', { type: 'checkbox', id: 'form-all' });
  const start = element('button', { class: 'main' }, 'Start');
  const draw = async () => {
    const asked = new URLSearchParams({ preset: typed.get('preset') ?? '', family: typed.get('family') ?? '' });
    const form = await call<FormAnswer>(`/api/trainings/form?${asked}`, { signal });
    fill(
      fields,
      element('p', { class: 'soft' }, form.note.replace(/ Defaults of a preset: .*/, '')),
      groupsOf(form, all.checked, { typed, home, redraw }),
    );
  };
  const redraw = () => void draw().catch((error: unknown) => fill(said, failure(error)));
  all.addEventListener('change', redraw);
  const form = element(
    'form',
    { class: 'training-form' },
    element('div', { class: 'form-fields' }, data.field, out.field),
    fields,
    element('p', { class: 'form-end' }, start, element('label', { for: 'form-all' }, all, ' all flags of the command')),
    said,
  );
  form.addEventListener('submit', event => {
    event.preventDefault();
    start.disabled = true;
    void send({ data: data.value(), out: out.value(), values: Object.fromEntries(typed) })
      .then(() => {
        fill(said, element('p', { class: 'good' }, 'Started: it is at the top of this page.'));
        onStart();
      })
      .catch((error: unknown) => fill(said, failure(error)))
      .finally(() => {
        start.disabled = false;
      });
  });
  fill(place, form);
  await draw();
}

function send(order: TrainingOrder): Promise<WorkTicket> {
  return call<WorkTicket>('/api/trainings', { method: 'POST', body: order });
}

function groupsOf({ basic, all }: FormAnswer, isAll: boolean, options: FieldOptions): HTMLElement[] {
  const groups: readonly FormGroup[] = isAll ? all : basic;
  return groups
    .filter(({ fields }) => fields.length > 0)
    .map(({ title, fields }) =>
      element(
        'fieldset',
        { class: 'form-group' },
        element('legend', {}, title),
        element(
          'div',
          { class: 'form-fields' },
          fields.map(field => fieldView(field, options)),
        ),
      ),
    );
}

interface FieldOptions {
  readonly typed: Typed;
  readonly home: Home;
  readonly redraw: () => void;
}

/** Fields that the defaults of others follow. */
const LEADING: readonly string[] = ['preset', 'family'];

function fieldView(field: FormField, { typed, home, redraw }: FieldOptions): HTMLElement {
  const { path, name, description, takes, kind } = field;
  const id = `flag-${path}`;
  const value = typed.get(path) ?? '';
  const input = path === 'from' ? select(id, fromChoices(home), value) : controlOf(field, id, value);
  input.addEventListener('change', () => {
    if (input.value.trim() === '') typed.delete(path);
    else typed.set(path, input.value);
    if (LEADING.includes(path)) redraw();
  });
  if (kind === 'number' || kind === 'text') input.title = takes;
  return element(
    'div',
    { class: 'form-field' },
    element('label', { for: id }, name),
    input,
    element('small', {}, description),
  );
}

function controlOf(
  { kind, choices = [], otherwise }: FormField,
  id: string,
  value: string,
): HTMLInputElement | HTMLSelectElement {
  const nothing = { value: '', text: otherwise === '' ? 'not given' : `${otherwise} (default)` };
  if (kind === 'choice')
    return select(id, [nothing, ...choices.map(choice => ({ value: choice, text: choice }))], value);
  if (kind === 'boolean') {
    const words = { true: 'yes', false: 'no' };
    const usual = otherwise === 'true' || otherwise === 'false' ? `${words[otherwise]} (default)` : 'no (default)';
    return select(
      id,
      [
        { value: '', text: usual },
        { value: 'true', text: 'yes' },
        { value: 'false', text: 'no' },
      ],
      value,
    );
  }
  const inputmode = kind === 'number' ? 'decimal' : 'text';
  return element('input', { id, inputmode, value, placeholder: otherwise, autocomplete: 'off', spellcheck: 'false' });
}

/** A choice, by its value and its words. */
interface Choice {
  readonly value: string;
  readonly text: string;
}

function fromChoices({ runs }: Home): Choice[] {
  const trained = runs
    .filter(({ canPaint, isShipped }) => canPaint && isShipped !== true)
    .map(({ id, name }) => ({ value: id, text: name }));
  return [{ value: '', text: 'nothing' }, { value: 'emoji', text: 'emoji, which comes with the package' }, ...trained];
}

function select(id: string, choices: readonly Choice[], value: string): HTMLSelectElement {
  const made = element(
    'select',
    { id },
    choices.map(({ value: each, text }) => element('option', { value: each }, text)),
  );
  made.value = value;
  return made;
}

interface Control<T> {
  readonly field: HTMLElement;
  readonly value: () => T;
}

/** The data: one that the studio knows, or the path of another. @param chosen an id, or a path */
function dataControl({ datasets }: Home, chosen: string): Control<TrainingOrder['data']> {
  const choices = [
    ...datasets.map(({ id, name }) => ({ value: id, text: name })),
    { value: '', text: 'another folder' },
  ];
  const isKnown = datasets.some(({ id }) => id === chosen);
  const known = select('form-data', choices, isKnown ? chosen : chosen === '' ? choices[0].value : '');
  const path = element('input', {
    id: 'form-path',
    value: isKnown ? '' : chosen,
    placeholder: 'e.g. photos',
    'aria-label': 'path of the data',
    autocomplete: 'off',
  });
  const show = () => {
    path.hidden = known.value !== '';
  };
  known.addEventListener('change', show);
  show();
  return {
    field: element(
      'div',
      { class: 'form-field' },
      element('label', { for: 'form-data' }, 'data'),
      known,
      path,
      element('small', {}, 'captioned images: a folder, archive or index file'),
    ),
    value: () => (known.value === '' ? { path: path.value } : { id: known.value }),
  };
}

/** The run: a new name, or one that is there and gone on with. */
function outControl({ folder, runs }: Home, name: string): Control<string> {
  const input = element('input', {
    id: 'form-out',
    required: true,
    value: name,
    list: 'form-runs',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  return {
    field: element(
      'div',
      { class: 'form-field' },
      element('label', { for: 'form-out' }, 'run'),
      element('span', { class: 'form-prefix' }, element('code', {}, `${folder}/`), input),
      element(
        'datalist',
        { id: 'form-runs' },
        runs.map(run => element('option', { value: run.name })),
      ),
      element('small', {}, 'a new name; or one that is there, which goes on with the same data'),
    ),
    value: () => input.value.trim(),
  };
}
