/** @file A study: what it compares, how people take part, answers that they send, and what they show. */
import type { CollectAnswer, StudyFacts } from '../studio/studies/messages.ts';
import type { WorkTicket } from '../studio/trainings/messages.ts';
import { call, keyed } from './api.ts';
import { command, element, failure, fill } from './dom.ts';
import type { Page } from './page.ts';
import { every } from './polling.ts';
import { followWork } from './work-view.ts';

export const studyPage: Page = {
  open: async (main, { study }, { signal, setTitle }) => {
    const facts = await call<StudyFacts>(`/api/studies/${study}`, { signal });
    setTitle(facts.name);
    const counts = element('dd', { role: 'status' });
    const show = ({ raters, finished, problem }: StudyFacts) => {
      const words = problem ?? `${raters} ${raters === 1 ? 'person' : 'people'}, ${finished} to the end`;
      if (counts.textContent !== words) fill(counts, words);
    };
    fill(main, heading(facts, counts), taking(facts), collecting(facts, signal), reporting(facts, signal));
    show(facts);
    every(3000, signal, async () => show(await call<StudyFacts>(`/api/studies/${study}`, { signal })));
    return undefined;
  },
};

/** What people are asked, in words. */
const QUESTIONS: Readonly<Record<string, string>> = {
  fits: 'which fits the caption',
  finished: 'which looks more finished',
  real: 'real or painted',
};

function heading({ name, systems, questions, trials, pictures, hash }: StudyFacts, counts: HTMLElement): HTMLElement[] {
  const row = (term: string, value: string) => [element('dt', {}, term), element('dd', {}, value)];
  return [
    element('h1', {}, name),
    element('p', { class: 'lead' }, 'Who takes part sees no names: only this page, which is yours, has them.'),
    element(
      'dl',
      { class: 'study-facts' },
      row('compared', systems.length === 0 ? 'not known here: study.key.json is not there' : systems.join(', ')),
      row('asked', questions.map(question => QUESTIONS[question] ?? question).join(', ')),
      row('of a person', `${trials} trials`),
      row('pictures', String(pictures)),
      element('dt', {}, 'answers of'),
      counts,
      row('hash', hash),
    ),
  ];
}

function taking({ id, name, serve }: StudyFacts): HTMLElement[] {
  return [
    element('h2', {}, 'Take part'),
    element(
      'p',
      {},
      element(
        'a',
        { href: keyed(`/api/studies/${id}/page`), target: '_blank', rel: 'noopener' },
        'Take part in this browser',
      ),
      ': answers arrive here as they are given, and it can be gone on with later.',
    ),
    element('p', {}, `Others need no studio. Send them take.html of ${name}, or serve it to machines around:`),
    command(serve),
  ];
}

function collecting({ id }: StudyFacts, signal: AbortSignal): HTMLElement[] {
  const said = element('div', { role: 'status' });
  const input = element('input', { type: 'file', id: 'study-file', accept: '.jsonl' });
  input.addEventListener('change', () => {
    void (async () => {
      const text = await input.files?.[0]?.text();
      if (text === undefined) return;
      const { taken, again, leftOut } = await call<CollectAnswer>(`/api/studies/${id}/collect`, {
        method: 'POST',
        body: { text },
        signal,
      });
      const before = again === 0 ? '' : `, ${again} were here before`;
      fill(
        said,
        element('p', { class: 'good' }, `${taken} answers taken${before}.`),
        leftOut.map(line => element('p', { class: 'bad' }, line)),
      );
    })().catch((error: unknown) => fill(said, failure(error)));
  });
  return [
    element('h2', {}, 'Take in answers'),
    element('p', {}, element('label', { for: 'study-file' }, 'A file that somebody sent, answers-....jsonl '), input),
    said,
  ];
}

function reporting({ id, hasReport }: StudyFacts, signal: AbortSignal): HTMLElement[] {
  const said = element('div');
  const button = element('button', { type: 'button', class: 'main' }, 'Make the report');
  button.addEventListener('click', () => {
    button.disabled = true;
    const enable = () => {
      button.disabled = false;
    };
    void call<WorkTicket>(`/api/studies/${id}/report`, { method: 'POST', body: {} }).then(
      ({ work }) => followWork(said, { work, signal, onEnd: enable }),
      (error: unknown) => {
        enable();
        fill(said, failure(error));
      },
    );
  });
  const before = element(
    'a',
    { href: keyed(`/api/studies/${id}/report`), target: '_blank', rel: 'noopener' },
    'the last one',
  );
  return [element('h2', {}, 'Results'), element('p', {}, button, hasReport ? [' or open ', before] : ''), said];
}
