/**
 * @file A metric from outside: one file defines it, and the program measures it, logs it, prints it and puts it on pages;
 * once it is taken out, it is refused, and what it left in logs is shown by its name.
 */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import '../../examples/custom-metric.ts';
import { readJsonLines } from '../../src/io/jsonlines.ts';
import { allMetrics, removeMetric } from '../../src/metrics/define.ts';
import { hardlyTrained, startProgram, temporaryFolder, tessera, writeConfig, writeSplitDrawings } from './program.ts';

const folder = temporaryFolder();
const at = (...names: string[]) => join(folder, ...names);
const [data, run, other] = [at('data'), at('runs', 'first'), at('runs', 'second')];
const name = 'colourfulness';

beforeAll(async () => {
  await writeSplitDrawings(data);
  const config = writeConfig(at('config.json'), hardlyTrained);
  const { code } = await tessera('train', '--data', data, '--out', run, '--config', config, '--threads', '1');
  expect(code).toBe(0);
  cpSync(run, other, { recursive: true });
});

afterAll(() => {
  if (allMetrics().has(name)) removeMetric(name);
});

const evaluate = (...flags: string[]) => ['eval', '--run', run, '--data', data, '-n', '8', '--threads', '1', ...flags];

test('a program that loads it before the commands measures it beside the others', async () => {
  const { code, stdout } = await startProgram(
    ['--import', './examples/custom-metric.ts', join('src', 'cli.ts')],
    evaluate('--metrics', `kid,${name}`, '--features', 'pixels'),
  );
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ {2}kid x 1000 +\S+ \[/m);
  expect(stdout).toMatch(/^without features\n {2}colourfulness +\S+ \[\S+, \S+\] +\S+ \[\S+, \S+\] +\S+ \[/m);
  const lines = readJsonLines(join(run, 'metrics.jsonl')) as Record<string, unknown>[];
  const own = lines.filter(({ metric }) => metric === name);
  expect(own.map(({ row }) => row)).toEqual(['samples', 'floor', 'reconstruction']);
  for (const line of own) expect(line).toMatchObject({ stage: 'eval', step: 2, features: null, n: 8, seed: 0 });
  // Drawings in red, blue, green and orange on white; a model that knows nothing paints near grey.
  const [samples, floor] = own.map(({ value }) => Number(value));
  expect(floor).toBeGreaterThan(60);
  expect(samples).toBeLessThan(floor / 2);
});

test('it is measured where a run has no result of it, and shown on the page', async () => {
  const out = at('page.html');
  const flags = ['--data', data, '--metrics', name, '-n', '8', '--features', 'pixels', '--out', out];
  const { code, stderr } = await tessera('compare', run, other, ...flags, '--threads', '1');
  expect(code).toBe(0);
  expect(stderr).toContain(`${other}: measuring ${name}`);
  expect(stderr).not.toContain(`${run}: measuring`);
  const page = readFileSync(out, 'utf8');
  expect(page).toContain(`${name}<small>about 0 for grey images, 100 for very colourful ones</small>`);
  const { runs } = JSON.parse(readFileSync(at('page.json'), 'utf8')) as { runs: { metrics: { metric: string }[] }[] };
  for (const { metrics } of runs) expect(metrics.map(({ metric }) => metric)).toContain(name);
});

test('help lists it while it is there', async () => {
  expect((await tessera('eval', '--help')).stdout).toMatch(/--metrics <[^>]*\bcolourfulness\b/);
});

test('taken out, it is refused, and its results are shown by their name', async () => {
  removeMetric(name);
  const { code, stderr } = await tessera(...evaluate('--metrics', name));
  expect(code).toBe(2);
  expect(stderr).toMatch(/^eval: --metrics: expected .*kid.*nearest.*, got .*colourfulness/m);
  expect((await tessera('eval', '--help')).stdout).not.toContain(name);
  const out = at('later.html');
  expect((await tessera('compare', run, '--out', out)).code).toBe(0);
  expect(readFileSync(out, 'utf8')).toContain(`${name}<small></small>`);
});
