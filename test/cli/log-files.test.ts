/** @file What a training leaves beside its weights: lines that name the pictures it wrote, the log for other programs. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { writeLogs } from '../../src/index.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { readCodeUsage } from '../../src/runs/code-usage.ts';
import { readEvents } from '../runs/read-events.ts';
import { hardlyTrained, temporaryFolder, tessera, writeConfig, writeDrawings } from './program.ts';

const folder = temporaryFolder();
const [data, run, file] = ['data', 'run', 'config.json'].map(name => join(folder, name));
const train = (...more: readonly string[]) => tessera('train', '--data', data, '--out', run, ...more);
const path = (...names: readonly string[]) => join(run, ...names);
const log = () =>
  readJsonLines(path('metrics.jsonl')) as { stage: string; step: number; loss?: number; val_usage?: number }[];
const rows = (csv = path('metrics.csv')) => readFileSync(csv, 'utf8').trimEnd().split('\n');
let said: string;

beforeAll(async () => {
  await writeDrawings(data);
  writeConfig(file, { ...hardlyTrained, train: { ...hardlyTrained.train, sampleEvery: 1, logEvery: 1 } });
  said = (await train('--config', file)).stderr;
});

test('every picture that is written is named, once', () => {
  const wrote = said.split('\n').filter(line => line.includes('wrote'));
  expect(wrote).toEqual([
    ...[1, 2].map(step => `step ${step}: wrote ${path('reconstructions.png')}`),
    ...[1, 2].map(step => `step ${step}: wrote ${path('samples.png')}`),
  ]);
  expect(readdirSync(path('samples'))).toEqual(['000001.png', '000002.png']);
  expect(readFileSync(path('samples', '000002.png'))).toEqual(readFileSync(path('samples.png')));
  expect(readdirSync(path('reconstructions'))).toEqual(['000001.png', '000002.png']);
  expect(readFileSync(path('reconstructions', '000002.png'))).toEqual(readFileSync(path('reconstructions.png')));
});

test('metrics.csv has a row a record, the event file a point', () => {
  const [header, ...others] = rows();
  expect(header).toMatch(/^stage,step,.*\bloss\b/);
  expect(others.map(row => row.split(',').slice(0, 2))).toEqual(log().map(({ stage, step }) => [stage, String(step)]));
  const { curves, sheets } = readEvents(path('tensorboard'));
  const ofStage = (name: string) =>
    log().flatMap(({ stage, step, loss }) => (stage === name && loss !== undefined ? [[step, Math.fround(loss)]] : []));
  for (const stage of ['patch', 'transformer']) {
    expect(curves[`${stage}/loss`].map(([step, value]) => [step, value])).toEqual(ofStage(stage));
  }
  expect(ofStage('transformer')).toHaveLength(2);
  expect(sheets).toMatchObject([
    { tag: 'reconstructions', step: 1 },
    { tag: 'reconstructions', step: 2 },
    { tag: 'samples', step: 1 },
    { tag: 'samples', step: 2 },
  ]);
});

test('the counts of codes say what the log says of them', () => {
  const measured = log().filter(record => record.val_usage !== undefined);
  const usage = readCodeUsage(path('usage.jsonl'));
  expect(usage.map(({ step }) => step)).toEqual(measured.map(({ step }) => step));
  expect(usage.map(({ counts }) => counts.filter(count => count > 0).length / counts.length)).toEqual(
    measured.map(record => record.val_usage),
  );
});

test('a training that goes on keeps what it is told to, from its first record on', async () => {
  const { code, stderr } = await train('--steps', '3', '--log-files', 'csv');
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('step 3: wrote') });
  expect(rows()).toHaveLength(log().length + 1);
  expect(Math.max(...readEvents(path('tensorboard')).curves['transformer/loss'].map(([step]) => step))).toBe(2);
  await train('--steps', '4', '--log-files', 'none');
  expect(rows()).toHaveLength(log().filter(({ step }) => step < 4).length + 1);
});

test('`logs` makes both of a run of any age, and into another folder', async () => {
  const { code, stdout } = await tessera('logs', '--run', run);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${path('metrics.csv')}\n${path('tensorboard')}\n` });
  expect(rows()).toHaveLength(log().length + 1);
  const { stdout: json } = await tessera('logs', '--run', run, '--json');
  expect(JSON.parse(json)).toEqual({ paths: [path('metrics.csv'), path('tensorboard')] });
  const steps = readEvents(path('tensorboard')).curves['transformer/loss'].map(([step]) => step);
  expect(steps).toEqual([1, 2, 3, 4]);
  const out = join(folder, 'tables');
  expect((await tessera('logs', '--run', run, '--formats', 'csv', '--out', out)).stdout).toBe(
    `${join(out, 'metrics.csv')}\n`,
  );
  expect(rows(join(out, 'metrics.csv'))).toEqual(rows());
  expect(existsSync(join(out, 'tensorboard'))).toBe(false);
  expect(await writeLogs({ run, formats: ['tensorboard'], out })).toEqual([join(out, 'tensorboard')]);
  expect(readEvents(join(out, 'tensorboard')).curves['transformer/loss']).toHaveLength(4);
  await expect(writeLogs({ run, formats: [] })).rejects.toThrow(/formats: expected an array of at least 1 formats/);
});

test('`logs` refuses what has no log, in a line', async () => {
  rmSync(path('metrics.jsonl'));
  const { code, stderr } = await tessera('logs', '--run', run);
  const expected = `logs: ${run} has no log yet (no ${path('metrics.jsonl')})\n`;
  expect({ code, stderr }).toEqual({ code: 2, stderr: expected });
});
