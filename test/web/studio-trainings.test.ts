/** @file Processes that the page starts: what they are started with, what is refused, and how they end. */
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { train } from '../../src/cli/commands/train.ts';
import { takeLock } from '../../src/io/lock.ts';
import { runPaths } from '../../src/io/runfolder.ts';
import { idOf } from '../../src/web/studio/library.ts';
import type { FormAnswer, WorkCard, WorkTicket } from '../../src/web/studio/trainings/messages.ts';
import { temporaryFolder } from '../cli/program.ts';
import { openTestStudio, until } from './open-studio.ts';

/** In the place of the program: says its arguments, and at the first signal saves, in a moment; a second one would end it at once. */
const stand = `
const { writeFileSync } = require('node:fs');
const out = process.argv.find((_, i) => process.argv[i - 1] === '--out');
let signals = 0;
process.on('SIGINT', () => {
  if (signals++ > 0) process.exit(1);
  setTimeout(() => { writeFileSync(out + '.saved', ''); process.exit(130); }, 50);
});
if (process.argv.includes('--seed=7')) { console.error('train: expected another seed'); process.exit(2); }
console.log(JSON.stringify(process.argv.slice(1)));
setInterval(() => {}, 1000);
`;

const root = await realpath(temporaryFolder());
const folder = join(root, 'runs');
const data = join(root, 'photos; rm -rf $HOME');
mkdirSync(folder);
mkdirSync(data);
writeFileSync(join(data, 'metadata.jsonl'), '');
const studio = await openTestStudio({ folder, data: [data], words: [process.execPath, '-e', stand, '--'] });
const known = idOf(data);
const order = { data: { id: known }, out: 'first', values: {} };
const start = async (more: object) => {
  const response = await studio.post('/api/trainings', { ...order, ...more });
  return { status: response.status, ...((await response.json()) as Partial<WorkTicket> & { error?: string }) };
};
const cardOf = async (id: string) => (await studio.json<WorkTicket>(`/api/trainings/${id}`)).work;
const spoken = (id: string) =>
  until(
    () => cardOf(id),
    ({ lines }) => lines.length > 0,
  );
const ended = (id: string) =>
  until(
    () => cardOf(id),
    ({ state }) => !['running', 'stopping'].includes(state),
  );

describe('the form of a training', () => {
  test('has the flags that help shows, and all others on request', async () => {
    const { basic, all, note } = await studio.json<FormAnswer>('/api/trainings/form');
    const { basic: shown = {} } = await train.spec();
    const paths = Object.values(shown)
      .flat()
      .filter(path => !['data', 'out'].includes(path));
    expect(basic.flatMap(({ fields }) => fields.map(({ path }) => path))).toEqual(paths);
    const every = all.flatMap(({ fields }) => fields.map(({ path }) => path));
    expect(every).toEqual(expect.arrayContaining([...paths, 'images.crops', 'train.beta2']));
    expect(every.length).toBeGreaterThan(100);
    for (const own of ['data', 'out', 'config', 'json']) expect(every).not.toContain(own);
    expect(note).toContain('planned');
  });

  test('says the defaults of a preset', async () => {
    const steps = async (asked: string) => {
      const { all } = await studio.json<FormAnswer>(`/api/trainings/form?${asked}`);
      return all.flatMap(({ fields }) => fields).find(({ path }) => path === 'train.steps')?.otherwise;
    };
    expect(await steps('')).toBe('planned');
    expect(Number(await steps('preset=tiny'))).toBeGreaterThan(0);
  });
});

describe('a training', () => {
  test('is started with arguments that no shell has read, and told where it stands', async () => {
    const { work } = await start({
      values: { 'train.steps': '20', 'images.flip': 'true', from: 'a; touch b', 'train.lr': '' },
    });
    expect(work).toMatchObject({
      kind: 'training',
      state: 'running',
      run: idOf(join(folder, 'first')),
      data: idOf(data),
    });
    const { lines, command } = await spoken(work!.id);
    expect(JSON.parse(lines[0])).toEqual([
      ...['train', '--data', data, '--out', join(folder, 'first')],
      ...['--train.steps=20', '--images.flip', '--from=a; touch b'],
    ]);
    expect(command).toContain(`--data '${data}'`);
    await studio.post(`/api/trainings/${work!.id}/stop`, {});
    await studio.post(`/api/trainings/${work!.id}/stop`, {}); // a second signal would not let it save
    expect(await ended(work!.id)).toMatchObject({ state: 'stopped', why: 'stopped, and saved' });
    expect(existsSync(join(folder, 'first.saved'))).toBe(true);
  });

  test.each<[string, object, number, string]>([
    ['data that nobody knows', { data: { id: 'ffffffffffff' } }, 404, 'no such thing'],
    ['data that is not there', { data: { path: join(root, 'nowhere') } }, 400, 'is not there'],
    ['a run above the folder', { out: '../first' }, 400, 'expected the name of a folder'],
    ['a run somewhere else', { out: '/tmp/first' }, 400, 'expected the name of a folder'],
    ['a run on a way out', { out: 'a/../../b' }, 400, 'expected the name of a folder'],
    ['a run behind a link', { out: 'link/b' }, 400, 'leads out of it'],
    ['a hidden run', { out: '.ssh' }, 400, 'expected the name of a folder'],
    ['a field that is none', { values: { 'no.such': '1' } }, 400, 'expected a field of the form'],
    ['a flag in a field', { values: { out: '/tmp/b' } }, 400, 'expected a field of the form'],
    ['a value that is none', { values: { 'train.steps': 'many' } }, 400, 'expected a whole number'],
    ['a run that is trained', { out: 'busy' }, 409, 'is being trained already'],
    ['too much', { more: true }, 400, 'unrecognized'],
  ])('with %s is refused', async (_, more, status, says) => {
    if (!existsSync(join(folder, 'link'))) symlinkSync(root, join(folder, 'link'));
    const { lock } = runPaths(join(folder, 'busy'));
    const before = (await studio.json<{ works: WorkCard[] }>('/api/trainings')).works.length;
    if (!existsSync(lock)) {
      mkdirSync(join(folder, 'busy', 'state'), { recursive: true });
      await takeLock(lock);
    }
    const refused = await start(more);
    expect(refused).toMatchObject({ status, error: expect.stringContaining(says) });
    expect((await studio.json<{ works: WorkCard[] }>('/api/trainings')).works).toHaveLength(before);
  });

  test('that refuses says why', async () => {
    const { work } = await start({ out: 'seventh', values: { seed: '7' } });
    const { state, why, lines } = await ended(work!.id);
    expect({ state, why }).toEqual({ state: 'failed', why: 'refused, as its last line says' });
    expect(lines.at(-1)).toBe('train: expected another seed');
  });

  test('ends with the studio, which waits until it has saved', async () => {
    const own = join(root, 'others');
    mkdirSync(own);
    const other = await openTestStudio({ folder: own, data: [data], words: [process.execPath, '-e', stand, '--'] });
    const response = await other.post('/api/trainings', { ...order, out: 'last' });
    const { work } = (await response.json()) as WorkTicket;
    await until(
      () => other.json<WorkTicket>(`/api/trainings/${work.id}`),
      ({ work: { lines } }) => lines.length > 0,
    );
    await other.close();
    expect(readFileSync(join(own, 'last.saved'), 'utf8')).toBe('');
  });
});
