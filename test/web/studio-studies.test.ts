/** @file Comparisons and studies from the page: what the commands are started with, answers as they come and as files, and a report. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { resolveConfig } from '../../src/families/resolve.ts';
import { idOf } from '../../src/web/studio/library.ts';
import type { CollectAnswer, StudyFacts } from '../../src/web/studio/studies/messages.ts';
import type { WorkTicket } from '../../src/web/studio/trainings/messages.ts';
import { temporaryFolder } from '../cli/program.ts';
import { answersOf, systemNames, writeSmallStudy } from '../study/small-study.ts';
import { key, openTestStudio, until } from './open-studio.ts';

/** In the place of the program: makes the page that it is asked for, of its arguments. */
const stand = `
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const words = process.argv.slice(1);
const after = flag => words[words.indexOf(flag) + 1];
const file = words.includes('--captions-file') ? after('--captions-file') : words.includes('--text-file') ? after('--text-file') : undefined;
const said = JSON.stringify({ words, captions: file && readFileSync(file, 'utf8') });
if (words[0] === 'compare') writeFileSync(after('--out'), '<!DOCTYPE html><script>1</script>' + said);
if (words[1] === 'report') writeFileSync(words[2] + '/report.html', 'report');
console.log(said);
`;

const root = await realpath(temporaryFolder());
const [folder, data] = [join(root, 'runs'), join(root, 'photos')];
const runs = ['a', 'b'].map(name => join(folder, name));
for (const run of [...runs, data]) mkdirSync(run, { recursive: true });
for (const run of runs) writeFileSync(join(run, 'config.json'), JSON.stringify(resolveConfig({ preset: 'tiny' })));
writeFileSync(join(data, 'metadata.jsonl'), '');
const at = join(folder, 'studies', 'small');
const made = await writeSmallStudy(at);
const studio = await openTestStudio({ folder, data: [data], words: [process.execPath, '-e', stand, '--'] });
const path = `/api/studies/${idOf(at)}`;
const ids = runs.map(idOf);

const ended = async (response: Response) => {
  const { work, error } = (await response.json()) as WorkTicket & { readonly error?: string };
  expect(error).toBeUndefined();
  const { work: over } = await until(
    () => studio.json<WorkTicket>(`/api/trainings/${work.id}`),
    ({ work: { state } }) => state !== 'running',
  );
  return over;
};
const saidBy = ({ lines }: WorkTicket['work']) =>
  JSON.parse(lines[0]) as { readonly words: string[]; readonly captions?: string };

test('a report is made by the command, and served as a page that may do nothing', async () => {
  const body = { runs: ids, captions: ['red | blue', ' a\u0007b ', ''], seed: 4, data: idOf(data), numImages: 16 };
  const work = await ended(await studio.post('/api/compare', body));
  const { words, captions } = saidBy(work);
  const out = words[words.indexOf('--out') + 1];
  expect(words).toEqual([
    ...['compare', ...runs, '--out', out, '--seed', '4', '--data', data, '--num-images', '16'],
    ...['--captions-file', expect.any(String)],
  ]);
  expect(captions).toBe('red | blue\nab\n');
  const page = await studio.get(`/api/trainings/${work.id}/page`);
  expect(page.status).toBe(200);
  expect(page.headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none';.*frame-ancestors 'none'$/);
  expect((await page.text()).startsWith('<!DOCTYPE html>')).toBe(true);
});

test.each([
  ['no run', { runs: [] }, 400],
  ['a run that nobody knows', { runs: ['ffffffffffff'] }, 404],
  ['a path for a run', { runs: ['/etc'] }, 400],
  ['a path for data', { data: '/etc' }, 400],
])('a report of %s is refused', async (_, more, status) => {
  const body = { runs: ids, captions: [], seed: 1, ...more };
  expect((await studio.post('/api/compare', body)).status).toBe(status);
});

test('a study is made below the folder alone', async () => {
  const body = { runs: ids, captions: ['red'], seed: 1, out: 'studies/first', trials: 12 };
  const work = await ended(await studio.post('/api/studies', body));
  expect(saidBy(work).words.slice(0, 6)).toEqual(['study', 'make', ...runs, '--out', join(folder, 'studies/first')]);
  expect(work.study).toBe(idOf(join(folder, 'studies', 'first')));
  for (const out of ['../first', '/tmp/first', 'studies/../../x', '']) {
    expect((await studio.post('/api/studies', { ...body, out })).status).toBe(400);
  }
  expect((await studio.post('/api/studies', { ...body, captions: ['  '] })).status).toBe(400);
});

test('a study says what it is; its page has no names, and sends its answers here', async () => {
  const facts = await studio.json<StudyFacts>(path);
  expect(facts).toMatchObject({ name: 'studies/small', trials: 12, systems: systemNames, raters: 0, finished: 0 });
  const page = await (await studio.get(`${path}/page`)).text();
  expect(page).toContain(`"post":"${path}/answers"`);
  for (const name of systemNames) expect(page).not.toContain(name);
  expect(page).not.toContain(key);
});

test('answers are on the disk before the page hears that they have arrived, and are counted', async () => {
  const answers = answersOf(made, { rater: '0123456789abcdef', slot: 0, choose: () => 'left' });
  const sent = await studio.post(`${path}/answers`, { answers: answers.slice(0, 5) });
  expect(await sent.json()).toEqual({ taken: 5 });
  const file = join(at, 'answers', '0123456789abcdef.jsonl');
  expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(5);
  expect((await studio.post(`${path}/answers`, { answers: [{ ...answers[5], study: 'another' }] })).status).toBe(400);
  await studio.post(`${path}/answers`, { answers: answers.slice(5) });
  expect(await studio.json<StudyFacts>(path)).toMatchObject({ raters: 1, finished: 1, problem: null });
});

test('a file of answers is taken, line by line, and what is left out is named', async () => {
  const answers = answersOf(made, { rater: 'fedcba9876543210', slot: 1, choose: () => 'right' });
  const text = [...answers.map(answer => JSON.stringify(answer)), '{"study":"another"}'].join('\n');
  const collected = (await (await studio.post(`${path}/collect`, { text })).json()) as CollectAnswer;
  expect(collected).toMatchObject({ taken: answers.length, again: 0 });
  expect(collected.leftOut).toEqual([expect.stringMatching(/^the file/)]);
  expect(await studio.json<StudyFacts>(path)).toMatchObject({ raters: 2, finished: 2 });
  const none = await studio.post(`${path}/collect`, { text: 'nothing' });
  expect({ status: none.status, ...((await none.json()) as object) }).toMatchObject({
    status: 400,
    error: expect.stringContaining('the file'),
  });
  // What the page sends afterwards is taken with them.
  const third = answersOf(made, { rater: '00000000000000aa', slot: 0, choose: () => 'tie' });
  await studio.post(`${path}/answers`, { answers: third.slice(0, 1) });
  expect(await studio.json<StudyFacts>(path)).toMatchObject({ raters: 3, finished: 2 });
});

test('there is no report before one was made', async () => {
  expect((await studio.get(`${path}/report`)).status).toBe(404);
  expect(await studio.json<StudyFacts>(path)).toMatchObject({ hasReport: false });
});

test('a report of a study is made by the command, and served', async () => {
  const work = await ended(await studio.post(`${path}/report`, {}));
  expect(saidBy(work).words).toEqual(['study', 'report', at]);
  for (const page of [`/api/trainings/${work.id}/page`, `${path}/report`]) {
    expect(await (await studio.get(page)).text()).toBe('report');
  }
  expect(await studio.json<StudyFacts>(path)).toMatchObject({ hasReport: true });
});
