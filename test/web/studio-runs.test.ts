/** @file What the studio reads of runs, and how little: cards from the ends of logs, curves as they grow, lists of what lies in a folder. */
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { runPaths } from '../../src/io/runfolder.ts';
import { readHistory } from '../../src/report/history.ts';
import { verdictOf } from '../../src/report/verdicts.ts';
import { Library } from '../../src/web/studio/library.ts';
import type { Curves, Home, RunDetail } from '../../src/web/studio/messages.ts';
import { Cards } from '../../src/web/studio/runs/card.ts';
import { decimate, type Measured, meansOf } from '../../src/web/studio/runs/decimate.ts';
import { RunLog } from '../../src/web/studio/runs/log.ts';
import { type Course, configOf, recordsOf } from '../report/synthetic.ts';
import { key, openTestStudio } from './open-studio.ts';
import { studioFolder, writeRun } from './written-runs.ts';

const lines = (records: readonly object[]) => records.map(record => `${JSON.stringify(record)}\n`).join('');
const logOf = (path: string) => new RunLog(async () => path);
const tokens: Course = { name: 'tokens', family: 'transformer', steps: 1000 };

describe('a folder', () => {
  test('shows runs, data sets and studies by marks, some folders deep, and each by the hash of its real path', async () => {
    const folder = studioFolder();
    await writeRun(join(folder, 'a', 'b'), tokens);
    await writeRun(folder, { ...tokens, name: 'é 星 <b>' });
    for (const [name, file] of [
      ['shapes', 'metadata.jsonl'],
      ['study', 'study.json'],
      ['.hidden', 'config.json'],
      ['node_modules/x', 'config.json'],
      ['a/b/c/d', 'config.json'], // four folders deep
      ['empty', 'x'],
    ]) {
      mkdirSync(join(folder, name), { recursive: true });
      writeFileSync(join(folder, name, file), '{}');
    }
    symlinkSync(join(folder, 'a'), join(folder, 'again')); // inside: the same run, once
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'));
    const library = await Library.open(folder);
    const { runs, datasets, studies, left } = await library.look();
    expect(runs.map(({ name }) => name)).toEqual(['a/b/tokens', 'é 星 <b>']);
    expect(datasets.map(({ name }) => name)).toEqual(['shapes']);
    expect(studies.map(({ name }) => name)).toEqual(['study']);
    expect(left).toEqual([]);
    const { createHash } = await import('node:crypto');
    const hash = createHash('sha256').update(join(folder, 'a/b/tokens')).digest('hex');
    expect(runs[0].id).toBe(hash.slice(0, 12));
    expect(await library.run(runs[0].id)).toEqual(runs[0]);
    await expect(library.dataset(runs[0].id)).rejects.toThrow('no such thing');
  });

  test('may be a run itself, may come later where that is wanted, and must else be there', async () => {
    const folder = studioFolder();
    const run = await writeRun(folder, tokens);
    expect((await (await Library.open(run)).look()).runs.map(({ name }) => name)).toEqual(['tokens']);
    await expect(Library.open(join(folder, 'none'))).rejects.toThrow('expected a folder, got none');
    await expect(Library.open(runPaths(run).config)).rejects.toThrow('expected a folder, got a file');
    const later = await Library.open(join(folder, 'later'), { mayBeMissing: true });
    expect((await later.look()).runs).toEqual([]);
    await writeRun(join(folder, 'later'), tokens);
    expect((await later.look()).runs.map(({ name }) => name)).toEqual(['tokens']);
  });

  test('of data is one data set, or those that lie in it', async () => {
    const folder = studioFolder();
    const [photos, sets] = ['photos', 'sets'].map(name => join(folder, name));
    for (const path of [photos, join(sets, 'a'), join(sets, 'b')]) mkdirSync(path, { recursive: true });
    for (const set of ['a', 'b']) writeFileSync(join(sets, set, 'metadata.jsonl'), '');
    const library = await Library.open(folder, { depth: 0, data: [photos, sets] });
    expect((await library.look()).datasets.map(({ path }) => path)).toEqual([photos, join(sets, 'a'), join(sets, 'b')]);
  });
});

describe('a card', () => {
  const cardOf = async (run: string) => {
    const library = await Library.open(run);
    const [place] = (await library.look()).runs;
    return await new Cards(library).of(place);
  };

  test('tells where a training is by the end of its log alone, however long that is', async () => {
    const run = await writeRun(studioFolder(), tokens, [10]);
    const { metrics } = runPaths(run);
    const text = readFileSync(metrics, 'utf8');
    // 8 GiB, a hole but for its end, which no program reads at once.
    const file = openSync(metrics, 'w');
    ftruncateSync(file, 2 ** 33);
    closeSync(file);
    appendFileSync(metrics, `\n${text.slice(text.length - 4000)}`);
    const card = await cardOf(run);
    const last = JSON.parse(text.trimEnd().split('\n').at(-1)!) as { step: number };
    expect(card).toMatchObject({
      family: 'transformer',
      stage: 'transformer',
      step: last.step,
      live: false,
      hasSamples: true,
    });
    expect(card.steps).toBe(configOf('transformer').train.steps);
    expect(card.problem).toBeUndefined();
  });

  test('is found behind whatever was measured since', async () => {
    const run = await writeRun(studioFolder(), tokens);
    const { metrics } = runPaths(run);
    const { step } = JSON.parse(readFileSync(metrics, 'utf8').trimEnd().split('\n').at(-1)!) as { step: number };
    const record = { stage: 'eval', step: 3, metric: 'kid', value: 0.1, features: 'x'.repeat(200) };
    for (const count of [100, 1000]) {
      appendFileSync(metrics, lines(Array.from({ length: count }, () => record)));
      expect(await cardOf(run)).toMatchObject({ stage: 'transformer', step });
    }
  });

  test('of features says what they are', async () => {
    const run = await writeRun(studioFolder(), tokens);
    writeFileSync(runPaths(run).metrics, lines([{ stage: 'text', step: 600, loss: 1 }]));
    expect(await cardOf(run)).toMatchObject({ title: 'network that judges pictures', stage: 'text', step: 600 });
  });

  test('is live while a process holds the lock', async () => {
    const run = await writeRun(studioFolder(), tokens);
    const { lock } = runPaths(run);
    mkdirSync(join(run, 'state'));
    const holder = { pid: process.ppid, host: hostname(), started: null, space: null };
    writeFileSync(lock, JSON.stringify(holder));
    expect((await cardOf(run)).live).toBe(true);
    writeFileSync(lock, JSON.stringify({ ...holder, pid: 2 ** 22 + 7 })); // more than Linux gives
    expect((await cardOf(run)).live).toBe(false);
  });

  test('says why a run cannot be shown', async () => {
    const folder = studioFolder();
    for (const [text, problem] of [
      ['{', 'its config.json cannot be read'],
      ['{"a":1}', 'names no family'],
      ['{"family":"vae"}', 'family vae is not known'],
    ]) {
      writeFileSync(join(folder, 'config.json'), text);
      expect((await cardOf(folder)).problem).toContain(problem);
    }
  });
});

describe('a log', () => {
  test('is read once, and then only what was appended', async () => {
    const records = recordsOf(tokens);
    const path = join(studioFolder(), 'metrics.jsonl');
    writeFileSync(path, lines(records.slice(0, 200)));
    const handle = await open(path);
    const spy = vi.spyOn(Object.getPrototypeOf(handle) as FileHandle, 'read');
    await handle.close();
    const bytes = async () => {
      const read = await Promise.all(spy.mock.results.map(({ value }) => value as Promise<{ bytesRead: number }>));
      spy.mockClear();
      return read.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
    };
    const log = logOf(path);
    expect(await log.update()).toBe(true);
    expect(await bytes()).toBe(statSync(path).size);
    expect(await log.update()).toBe(false);
    expect(await bytes()).toBe(0);
    // A record that is being written, and its rest.
    const [first, second] = [lines([records[200]]), lines(records.slice(201, 210))];
    appendFileSync(path, first.slice(0, 20));
    await log.update();
    expect(await bytes()).toBe(20);
    appendFileSync(path, first.slice(20) + second);
    await log.update();
    expect(await bytes()).toBe(first.length - 20 + second.length);
    spy.mockRestore();
    const whole = logOf(path);
    await whole.update();
    expect(log.stages).toEqual(whole.stages);
    expect(log.end).toBe(statSync(path).size);
    expect(log.epoch).toBe(0);
  });

  test('that was cut or replaced is read anew, as a training that goes on leaves it', async () => {
    const records = recordsOf(tokens);
    const path = join(studioFolder(), 'metrics.jsonl');
    writeFileSync(path, lines(records.slice(0, 50)));
    const log = logOf(path);
    await log.update();
    truncateSync(path, lines(records.slice(0, 20)).length);
    await log.update();
    expect(log.epoch).toBe(1);
    expect(log.stages.get('patch')!.steps).toHaveLength(20);
    writeFileSync(`${path}.new`, lines(records.slice(0, 60)));
    renameSync(`${path}.new`, path);
    await log.update();
    expect(log.epoch).toBe(2);
    expect(log.stages.get('patch')!.steps).toHaveLength(60);
  });

  test('passes over lines that are no records, and has gaps where a number was not finite', async () => {
    const path = join(studioFolder(), 'metrics.jsonl');
    const step = (step: unknown, loss: unknown) => JSON.stringify({ stage: 'transformer', step, loss, lr: 1 });
    writeFileSync(path, `${step(1, 5)}\nhello\n[1]\n{"stage":\n${step('2', 4)}\n\n${step(3, null)}\n${step(4, 3)}\n`);
    const log = logOf(path);
    await log.update();
    const { steps, columns } = log.stages.get('transformer')!;
    expect(steps).toEqual([1, 3, 4]);
    expect(columns.get('loss')!.values).toEqual([5, Number.NaN, 3]);
  });

  test.each([
    ['stable', {}],
    ['collapsed', { collapses: 2500, coverage: 0 }],
  ])('keeps enough of its records for the verdict that all of them give: %s', async (_, more) => {
    const course: Course = { name: 'long', family: 'r3gan', steps: 5000, ...more };
    // Ten records of training steps where there was one.
    const all = recordsOf(course).flatMap(record =>
      'lr' in record ? Array.from({ length: 10 }, () => record) : [record],
    );
    const path = join(studioFolder(), 'metrics.jsonl');
    writeFileSync(path, lines(all));
    const log = logOf(path);
    await log.update();
    const config = configOf('r3gan');
    const judge = (records: readonly object[]) => verdictOf(readHistory(records, config, { weights: 'ema' }), config);
    expect(judge(log.records())).toEqual(judge(all));
    expect(log.records().length).toBeLessThan(all.length);
  });
});

describe('fewer points', () => {
  const curve = (n: number, value: (i: number) => number | null): Measured[] =>
    Array.from({ length: n }, (_, i) => [i, value(i)]);

  test('have the ends, every extreme and every kind of gap of all', () => {
    const points = curve(10_000, i => (i === 5001 ? 1000 : i === 7003 ? -1000 : i === 3000 ? null : Math.sin(i / 300)));
    const few = decimate(points, 200);
    expect(few.length).toBeLessThanOrEqual(201); // and the gap
    expect(few[0]).toEqual(points[0]);
    expect(few.at(-1)).toEqual(points.at(-1));
    for (const i of [5001, 7003, 3000]) expect(few).toContainEqual(points[i]);
    expect(few.map(([step]) => step)).toEqual(few.map(([step]) => step).toSorted((a, b) => a - b));
    // Of every stretch between two the lowest and the highest, by a loop that knows nothing of stretches' ends.
    for (let i = 0; i + 1 < few.length; i++) {
      const between = points.filter(([step]) => step > few[i][0] && step < few[i + 1][0]).flatMap(([, y]) => y ?? []);
      const near = few.slice(Math.max(0, i - 2), i + 4).flatMap(([, y]) => y ?? []);
      expect(between.every(y => y >= Math.min(...near) && y <= Math.max(...near))).toBe(true);
    }
  });

  test('have means that the mean of all is kept by', () => {
    const points = curve(1000, i => (i * i) % 17);
    const mean = (some: readonly Measured[]) => some.reduce((sum, [, y]) => sum + y!, 0) / some.length;
    const means = meansOf(points, 100);
    expect(means).toHaveLength(100);
    expect(mean(means)).toBeCloseTo(mean(points), 12);
    expect(means[0]).toEqual([4, mean(points.slice(0, 10))]);
    expect(
      meansOf(
        curve(3, () => null),
        2,
      ),
    ).toEqual([
      [0, null],
      [1, null],
    ]);
  });

  test('are all points where there are few', () => {
    const points = curve(7, i => i);
    expect(decimate(points, 7)).toBe(points);
    expect(decimate(points, 4)).toEqual([
      [0, 0],
      [1, 1],
      [5, 5],
      [6, 6],
    ]);
  });
});

describe('over the wire', () => {
  test('a run that grows is told as it grows', async () => {
    const folder = studioFolder();
    const run = await writeRun(folder, tokens, [10, 20]);
    const { port, json: get } = await openTestStudio({ folder });
    const home = await get<Home>('/api/home');
    const { id } = home.runs[0];
    const detail = await get<RunDetail>(`/api/runs/${id}`);
    expect(detail.judgement?.kind).toBe('stable');
    expect(detail.settings.find(({ name }) => name === 'train.lr')?.description).toBe('peak learning rate');
    const curves = await get<Curves>(`/api/runs/${id}/curves?points=50`);
    expect(curves.stages.map(({ name }) => name)).toEqual(['patch', 'transformer']);
    expect(curves.stages[0].curves.loss.length).toBeLessThanOrEqual(50);
    expect(await get(`/api/runs/${id}/sheets`)).toMatchObject({ samples: [10, 20], reconstructions: [] });

    const response = await fetch(
      `http://127.0.0.1:${port}/api/events?runs=${id}:${curves.epoch}:${curves.end}&key=${key}`,
    );
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const events = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const until = async (wanted: RegExp) => {
      while (!wanted.test(text)) {
        const { value, done } = await events.read();
        if (done) throw new Error('the events ended');
        text += value;
      }
      return wanted.exec(text)!;
    };
    await until(/event: run\ndata: .*\n\n[\s\S]*event: sheets\ndata: .*\n\n/);
    expect(text).not.toContain('event: curves'); // all of that was known
    appendFileSync(runPaths(run).metrics, lines([{ stage: 'transformer', step: 1010, loss: 1.25, lr: 0.1 }]));
    const [, data] = await until(/event: curves\ndata: (.*)\n\n/);
    const news = JSON.parse(data) as Curves & { id: string };
    expect(news.id).toBe(id);
    expect(news.stages.flatMap(stage => Object.entries(stage.curves))).toEqual([
      ['loss', [[1010, 1.25]]],
      ['lr', [[1010, 0.1]]],
    ]);
    rmSync(run, { recursive: true });
    const [, gone] = await until(/event: gone\ndata: (.*)\n\n/);
    expect(JSON.parse(gone)).toEqual({ id, error: 'there is no such thing here' });
    await events.cancel();
  });
});
