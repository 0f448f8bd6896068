/**
 * @file Comparing runs: two that were hardly trained are painted, measured and put on a page; what cannot be compared is
 * refused with one line that names it, and nothing is written.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { compareCommand } from '../../src/cli/commands/compare.ts';
import { TerminalReporter } from '../../src/cli/terminal/progress.ts';
import { UserError } from '../../src/core/errors.ts';
import { decodePicture } from '../../src/image/decode.ts';
import type { Report } from '../../src/report/contents.ts';
import type { CompareRequest } from '../../src/runs/compare.ts';
import {
  captions,
  hardlyTrained,
  startTessera,
  temporaryFolder,
  tessera,
  writeConfig,
  writeSplitDrawings,
} from './program.ts';

const folder = temporaryFolder();
const at = (...names: string[]) => join(folder, ...names);
const data = at('data');
const [first, second] = [at('runs', 'first'), at('runs', 'second')];

/** @returns what was printed */
async function compare(runs: readonly string[], given: Partial<CompareRequest> = {}): Promise<string[]> {
  const printed: string[] = [];
  const sink = { write: () => true, columns: 80 };
  const now = () => performance.now();
  const reporter = new TerminalReporter({ stream: sink as never, isTTY: false, colours: 0 as never, now });
  const session = { reporter, now, signal: new AbortController().signal, cacheDir: at('cache') };
  const measured = { metrics: [], features: ['pixels'], reference: 8, numImages: 8 };
  const fixed = { out: at('report.html'), seed: 3, weights: 'ema', backend: 'auto', precision: 'auto' } as const;
  try {
    await compareCommand({ ...session, print: line => printed.push(line) }, { ...fixed, ...measured, runs, ...given });
  } finally {
    reporter.close();
  }
  return printed;
}

/** The message of the refusal. */
async function refusal(runs: readonly string[], given: Partial<CompareRequest> = {}): Promise<string> {
  const error = await compare(runs, given).then(
    () => 'not refused',
    thrown => thrown as Error,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
}

function reportAt(name: string): { readonly page: string; readonly report: Report } {
  return {
    page: readFileSync(at(`${name}.html`), 'utf8'),
    report: JSON.parse(readFileSync(at(`${name}.json`), 'utf8')) as Report,
  };
}

/** A copy of a run whose config differs. */
function variant(name: string, change: (config: Record<string, Record<string, unknown>>) => void): string {
  cpSync(first, at('runs', name), { recursive: true });
  const path = at('runs', name, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Record<string, unknown>>;
  change(config);
  writeFileSync(path, JSON.stringify(config));
  return at('runs', name);
}

beforeAll(async () => {
  await writeSplitDrawings(data);
  const config = writeConfig(at('config.json'), hardlyTrained);
  const { code, stderr } = await startTessera(['train', '--data', data, '--out', first, '--config', config]);
  expect(stderr).not.toMatch(/^ +at /m);
  expect(code).toBe(0);
  cpSync(first, second, { recursive: true });
});

describe('tessera compare', () => {
  test('paints and measures runs on the data they were trained on', async () => {
    const printed = await compare([first, second], { data, metrics: ['kid', 'nearest'] });
    const { page, report } = reportAt('report');
    expect(printed).toEqual([
      ...report.findings.map(({ text }) => text),
      `${at('report.html')}: 2 runs compared; the same as data in ${at('report.json')}`,
    ]);
    expect(report.runs.map(({ name, family, step }) => [name, family, step])).toEqual([
      ['first', 'transformer', 2],
      ['second', 'transformer', 2],
    ]);
    for (const { sampling, nearest, metrics, parameters, stages } of report.runs) {
      expect(sampling).toMatchObject({ passes: 16, images: 8 });
      expect(nearest).toMatchObject({ samples: 8, heldOut: 8, training: 8, heldOutMedian: 0 });
      expect(metrics.map(({ metric, row }) => `${metric} ${row}`)).toContain('kid samples');
      expect(parameters).toBeGreaterThan(1000);
      expect(stages.map(({ stage }) => stage)).toEqual(['patch', 'transformer']);
    }
    const { grid } = report;
    expect(grid?.captions.toSorted()).toEqual(captions.toSorted());
    expect(grid?.heldOut).toBe(true);
    expect(grid?.real).toHaveLength(8);
    expect(grid?.reconstructions.map(({ run }) => run)).toEqual(['first']); // both have the same tokenizer
    expect(grid?.painted.map(({ images }) => images.map(row => row.length))).toEqual(Array(2).fill(Array(8).fill(4)));
    // The same weights and the same seed paint the same images, and different images of each caption.
    expect(grid?.painted[1].images).toEqual(grid?.painted[0].images);
    const [one, two] = grid?.painted[0].images[0] ?? [];
    const bytes = Buffer.from(one.uri.split(',')[1], 'base64');
    expect(await decodePicture(bytes, 'one')).toMatchObject({ width: 32, height: 32 });
    expect(two.uri).not.toBe(one.uri);
    expect(page).toContain(one.uri);
    expect(readdirSync(folder).filter(name => name.includes('.tmp'))).toEqual([]);
  });

  test('measures nothing twice', async () => {
    const log = readFileSync(join(first, 'metrics.jsonl'), 'utf8');
    await compare([first], { data, metrics: ['kid', 'nearest'], out: at('again.html') });
    expect(readFileSync(join(first, 'metrics.jsonl'), 'utf8')).toBe(log);
    await compare([first], { data, metrics: ['kid', 'nearest'], features: ['pixels', 'random'], out: at('more.html') });
    const more = reportAt('more').report.runs[0].metrics.filter(({ row }) => row === 'samples');
    expect(more.map(({ metric, features }) => `${metric} ${features?.replace(/-.*/, '')}`)).toEqual([
      'kid pixels',
      'nearest-ratio undefined',
      'authentic undefined',
      'kid random',
    ]);
    const [before, after] = ['report', 'again'].map(name => reportAt(name).report.runs[0].metrics);
    expect(after).toEqual(before);
  });

  test('paints captions given by hand, without data', async () => {
    await compare([first], { captions: ['a <b>&"', 'red circle'], out: at('hand.htm') });
    const { grid, runs } = JSON.parse(readFileSync(at('hand.json'), 'utf8')) as Report;
    expect(grid).toMatchObject({
      captions: ['a <b>&"', 'red circle'],
      real: null,
      heldOut: false,
      reconstructions: [],
    });
    expect(runs[0].nearest).toBeNull();
    expect(readFileSync(at('hand.htm'), 'utf8')).toContain('a &lt;b&gt;&amp;&quot;');
  });

  test('reads what there is of runs that are no more than a config and a log', async () => {
    const bare = at('runs', 'bare');
    mkdirSync(bare);
    cpSync(join(first, 'config.json'), join(bare, 'config.json'));
    await compare([bare, first], { captions: ['red'], out: at('bare.html') });
    const { page, report } = reportAt('bare');
    expect(report.runs[0]).toMatchObject({ step: 0, stages: [], sampling: null, parameters: null });
    expect(report.runs[0].verdict.kind).toBe('unchecked');
    expect(report.grid?.painted.map(({ run }) => run)).toEqual(['first']);
    expect(page).toContain(`tessera eval --run ${bare}`);
    await compare([bare], { out: at('nothing.html') });
    expect(reportAt('nothing').report.grid).toBeNull();
  });
});

describe('what cannot be compared', () => {
  const nothing = () => expect(existsSync(at('refused.html')) || existsSync(at('refused.json'))).toBe(false);
  const out = at('refused.html');

  test('no run, the same run twice, a folder that is no run', async () => {
    expect(await refusal([], { out })).toBe('compare: expected at least one run, got none');
    expect(await refusal([first, `${first}/`], { out })).toBe(`compare: expected every run once, got ${first}/ twice`);
    expect(await refusal([first, data], { out })).toBe(`compare: no run in ${data} (looked for config.json)`);
    nothing();
  });

  test('runs of different image sizes', async () => {
    const large = variant('large', config => {
      config.images.imageSize = 64;
    });
    expect(await refusal([first, large], { out })).toBe(`compare: ${first} paints 32 x 32 pixels, ${large} 64 x 64`);
    nothing();
  });

  test('runs of different splits: by their share, and by the images held out', async () => {
    const share = variant('share', config => {
      config.images.validation = 0.25;
    });
    expect(await refusal([first, share], { out })).toMatch(
      /^compare: the data splits differ: \S+share held out 0\.25 of the images, \S+first 0:/,
    );
    const other = at('runs', 'other');
    cpSync(first, other, { recursive: true });
    const codes = join(other, 'codes', 'validation.safetensors');
    const bytes = readFileSync(codes);
    const place = bytes.indexOf('red-circle');
    bytes.write('new', place);
    writeFileSync(codes, bytes);
    expect(await refusal([first, other], { out })).toMatch(
      /^compare: the data splits differ: \S+other held out other images than \S+first:/,
    );
    nothing();
  });

  test('a report that is a folder or a JSON file', async () => {
    expect(await refusal([first], { out: folder })).toBe(`compare: --out: expected a file, got the folder ${folder}`);
    expect(await refusal([first], { out: at('a.json') })).toBe(
      `compare: --out: expected an HTML file, got ${at('a.json')}`,
    );
    rmSync(at('a.json'), { force: true });
  });

  test('ends the program with 2 and one line', async () => {
    expect(await tessera('compare', first, first, '--out', out)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: `compare: expected every run once, got ${first} twice\n`,
    });
    const { code, stderr } = await tessera('compare', first, '--out', out, '--metrics', 'fid');
    expect({ code, stderr: stderr.split('\n')[0] }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/^compare: --metrics: expected .*kid.*, got .*fid/) as string,
    });
    expect((await tessera('compare', '--out', out)).code).toBe(2);
    nothing();
  });

  test('data that is not there', async () => {
    expect(await refusal([first], { out, data: at('nowhere') })).toContain('no such folder or file');
    nothing();
  });
});
