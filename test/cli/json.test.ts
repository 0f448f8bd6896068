/** @file `--json` and `--quiet`: one object on standard output with the fields that help names, and silence elsewhere. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineCommand } from '../../src/cli/command.ts';
import { commands } from '../../src/cli/commands.ts';
import { runTessera } from '../../src/cli.ts';
import { packageRoot } from '../../src/io/package-root.ts';
import type { MadeStudy } from '../../src/study/assemble.ts';
import { answersOf } from '../study/small-study.ts';
import {
  captured,
  hardlyTrained,
  temporaryFolder,
  tessera,
  writeConfig,
  writeItem,
  writeSplitDrawings,
} from './program.ts';

const root = temporaryFolder();
const run = join(root, 'run');
const data = join(root, 'data');
const asked = new Set<string>();

/** Whether the scripts of pages are there. */
const isBuilt = existsSync(join(packageRoot(), 'dist', 'browser', 'trainer', 'trainer.js'));

type Answer = Readonly<Record<string, unknown>>;

/** What a command answers; it must be all that it writes, in the fields of its definition. */
async function answerOf(name: string, ...flags: string[]): Promise<Answer> {
  const { answer, stderr } = await ask(name, ...flags);
  expect(stderr).toBe('');
  return answer;
}

async function ask(name: string, ...flags: string[]): Promise<{ readonly answer: Answer; readonly stderr: string }> {
  asked.add(name);
  const { code, stdout, stderr } = await tessera(...name.split(' '), ...flags, '--json', '--quiet');
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout.split('\n')).toHaveLength(2);
  const answer = JSON.parse(stdout) as Answer;
  const spec = await commands.find(command => command.name === name)?.spec();
  expect(Object.keys(answer)).toEqual(Object.keys(spec?.result ?? {}));
  return { answer, stderr };
}

beforeAll(async () => {
  await writeSplitDrawings(data);
  const config = writeConfig(join(root, 'config.json'), hardlyTrained);
  const looks = ['--train.eval-every', '1', '--sample-every', '1'];
  const { answer, stderr } = await ask('train', '--data', data, '--out', run, '--config', config, ...looks);
  expect(stderr).not.toMatch(/computing|steps|done/); // there may be warnings
  const weights = ['ema', 'best', 'last'].map(kind => (answer.weights as Record<string, string>)[kind]);
  for (const path of [...weights, answer.metrics, answer.samples])
    expect([path, existsSync(String(path))]).toEqual([path, true]);
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
  const losses = lines
    .map(line => JSON.parse(line) as { stage: string; step: number; val_image?: number })
    .flatMap(({ stage, step, val_image }) => (stage === 'transformer' && val_image ? [{ step, loss: val_image }] : []));
  expect(losses.map(({ step }) => step)).toEqual([1, 2]);
  const best = losses[0].loss <= losses[1].loss ? losses[0] : losses[1];
  expect(answer).toMatchObject({ run, family: 'transformer', steps: 2, paints: 'ema', best, last: losses[1] });
}, 120_000);

describe('--json prints one object', () => {
  test('of sample: every file, its seed and number', async () => {
    const outputs = join(root, 'outputs');
    const flags = ['--run', run, '--outputs-dir', outputs, '--text', 'red circle|blue square', '--seeds', '4,6'];
    const { captions, ...rest } = await answerOf('sample', ...flags);
    expect(rest).toEqual({ outputs, grid: join(outputs, 'grid.png') });
    const paths = [join(outputs, 'red_circle'), join(outputs, 'blue_square')];
    expect(captions).toEqual(
      paths.map((path, i) => ({
        caption: ['red circle', 'blue square'][i],
        path,
        grid: join(path, 'grid.png'),
        images: [4, 6].map(seed => ({ path: join(path, `seed${seed}.png`), seed, index: 0 })),
      })),
    );
    for (const path of paths) for (const seed of [4, 6]) expect(existsSync(join(path, `seed${seed}.png`))).toBe(true);
    expect(await answerOf('sample', '--run', run, '--outputs-dir', outputs, '--text', 'red square')).toMatchObject({
      grid: null,
    });
  });

  test('of eval: the records that it adds to the log', async () => {
    const answer = await answerOf('eval', '--run', run, '--data', data, '-n', '8', '--metrics', 'kid');
    const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
    const records = lines.map(line => JSON.parse(line) as { stage: string }).filter(({ stage }) => stage === 'eval');
    expect(records.length).toBeGreaterThan(1);
    expect(answer).toEqual({ run, step: 2, weights: 'ema', split: ['validation'], seed: 0, records });
  });

  test('of captions: what it was trained on', async () => {
    const { captions, found } = await answerOf('captions', '--run', run, '--search', 'red');
    expect(captions).toBe(8);
    expect((found as { captions: { caption: string }[] }).captions.map(({ caption }) => caption).sort()).toEqual([
      'red circle',
      'red square',
    ]);
  });

  test('of compare: where the page and its data are', async () => {
    const out = join(root, 'page.html');
    const { findings, ...rest } = await answerOf('compare', run, '--out', out);
    expect(rest).toEqual({ page: out, data: join(root, 'page.json'), runs: [run] });
    const { findings: written } = JSON.parse(readFileSync(join(root, 'page.json'), 'utf8')) as { findings: unknown };
    expect(findings).toEqual(written);
  });

  test('of a study: what was made, what was taken, and what it shows', async () => {
    const out = join(root, 'study');
    const { hash, ...made } = await answerOf('study make', run, '--data', data, '--out', out, '--trials', '10');
    expect(made).toMatchObject({
      study: out,
      page: join(out, 'take.html'),
      systems: ['run', 'copy', 'real'],
      captions: 8,
      votes: 8,
    });
    expect(readdirSync(join(out, 'pictures'))).toHaveLength(Number(made.pictures));
    const study = JSON.parse(readFileSync(join(out, 'study.json'), 'utf8')) as MadeStudy['study'];
    const key = JSON.parse(readFileSync(join(out, 'study.key.json'), 'utf8')) as MadeStudy['key'];
    expect(study.hash).toBe(hash);
    const given = answersOf({ study, key }, { rater: '00000000000000d4', slot: 0, choose: () => 'left' });
    const file = join(root, 'answers.jsonl');
    writeFileSync(file, given.map(answer => `${JSON.stringify(answer)}\n`).join(''));
    expect(await answerOf('study collect', out, file)).toEqual({
      study: out,
      taken: 14,
      again: 0,
      raters: 1,
      finished: 1,
      leftOut: [],
    });
    const { page, findings, results } = await answerOf('study report', out);
    expect(page).toBe(join(out, 'report.html'));
    expect(readFileSync(String(page), 'utf8')).toContain('<h1>Which picture?</h1>');
    expect(findings).toContainEqual({ topic: expect.any(String), text: expect.any(String) });
    expect(results).toMatchObject({ raters: { answered: 1 }, study: { hash, captions: 8 } });
  });

  test('of export: what it weighs', async () => {
    const out = join(root, 'exported');
    const { bytes, ...rest } = await answerOf('export', '--run', run, '--out', out);
    expect(rest).toEqual({ out, weights: 'ema', step: 2, dtype: 'bf16' });
    expect(bytes).toBe(statSync(join(out, 'ema.safetensors')).size);
  });

  test('of reconstruct: the number that people read, with all digits', async () => {
    const out = join(root, 'pairs.png');
    const argv = ['--run', run, '--out', out, data];
    const { images, psnr } = await answerOf('reconstruct', ...argv);
    expect(images).toBe(16);
    const { stdout } = await tessera('reconstruct', ...argv);
    expect(stdout).toBe(`${out}: 16 images, mean PSNR ${Number(psnr).toFixed(2)} dB\n`);
  });

  test('of features: in words, how good they are', async () => {
    const out = join(root, 'features');
    const flags = ['--image-size', '16', '--steps', '1', '--batch-size', '4'];
    expect(await answerOf('features', '--data', data, '--out', out, ...flags)).toEqual({
      out,
      quality: expect.stringMatching(/\d/),
    });
  });

  test('of what draws data: how much', async () => {
    const out = (name: string) => ['--out', join(root, name), '--size', '16'];
    const shapes = await answerOf('data shapes', ...out('shapes'), '--count', '12');
    expect(shapes).toMatchObject({ out: join(root, 'shapes'), upToDate: false, others: [] });
    const pictures = readdirSync(join(root, 'shapes'), { recursive: true }).filter(name => /\.png$/.test(String(name)));
    expect(Number(shapes.train) + Number(shapes.heldOut)).toBe(pictures.length);
    expect(shapes.neverTrained).toContainEqual(expect.any(String));
    writeFileSync(join(root, 'shapes', 'mine.txt'), 'mine');
    expect(await answerOf('data shapes', ...out('shapes'), '--count', '12')).toEqual({
      ...shapes,
      upToDate: true,
      others: ['mine.txt'],
    });
    expect(await answerOf('data modes', ...out('modes'), '--per-mode', '1')).toMatchObject({ upToDate: false });
    expect(await answerOf('data emoji', ...out('emoji'), '--styles', 'noto', '--limit', '3')).toMatchObject({
      drawings: { noto: 3 },
    });
  });

  test('of data inspect: all that is known of the data', async () => {
    expect(await answerOf('data inspect', data)).toMatchObject({ images: 16, train: 8, validation: 8 });
  });

  test('of doctor: every backend, with its speed or what is missing', async () => {
    const { backends, auto } = await answerOf('doctor');
    for (const { name, works, speeds, gpu, problem, hint } of backends as Answer[]) {
      if (works === false) expect({ problem, hint }).toEqual({ problem: expect.any(String), hint: expect.any(String) });
      else if (name === 'webgpu') expect(gpu).toContainEqual(expect.stringContaining('GB/s'));
      else expect((speeds as { fp32: number }).fp32).toBeGreaterThan(0);
    }
    expect((backends as Answer[]).find(({ name }) => name === auto)?.works).toBe(true);
  }, 120_000);

  test('of logs and interpolate: what was written', async () => {
    const csv = join(run, 'metrics.csv');
    expect(await answerOf('logs', '--run', run, '--formats', 'csv')).toEqual({ paths: [csv] });
    const [gan, path] = [join(root, 'gan'), join(root, 'between.gif')];
    const config = writeConfig(join(root, 'gan.json'), {
      ...hardlyTrained,
      family: 'dcgan',
      textTrain: { steps: 1, batchSize: 4 },
      text: { dim: 8, width: 8, layers: 1, heads: 2, imageWidth: 8 },
      gan: { width: 4 },
      train: { steps: 1, batchSize: 4, checkSamples: 0 },
    });
    expect((await tessera('train', '--data', data, '--out', gan, '--config', config)).code).toBe(0);
    const between = await answerOf('interpolate', '--run', gan, '--text', 'red|blue', '--frames', '4', '--out', path);
    expect(between).toEqual({ path, frames: 4, seconds: 4 / 24, bytes: statSync(path).size });
  });

  test.skipIf(!isBuilt)(`of trainer: the files of the page${isBuilt ? '' : ' (skipped: npm run build)'}`, async () => {
    const out = join(root, 'trainer');
    const { files, ...rest } = await answerOf('trainer', '--out', out);
    expect(rest).toEqual({ out });
    expect([...(files as string[])].sort()).toEqual(readdirSync(out).sort());
  });

  test('of every command that has one', async () => {
    for (const { name, spec } of commands) {
      if (name === 'trainer' && !isBuilt) continue; // skipped aloud above
      if ((await spec()).result !== undefined) expect(asked, `no test of ${name} --json`).toContain(name);
    }
  });

  test('and nothing where it fails', async () => {
    const { code, stdout, stderr } = await tessera('sample', '--run', join(root, 'none'), '--text', 'x', '--json');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/none/);
  });
});

describe('--quiet', () => {
  test('leaves results, and the errors', async () => {
    const flags = ['--run', run, '--outputs-dir', join(root, 'quiet'), '-n', '1', '-q', '--text', 'red circle'];
    expect(await tessera('sample', ...flags)).toMatchObject({
      code: 0,
      stdout: `${join(root, 'quiet', 'red_circle')}: 1 image, grid.png\n`,
      stderr: '',
    });
    const { code, stderr } = await tessera('sample', '--quiet', '--text', 'x', '--top-p', '2');
    expect({ code, line: stderr.split('\n')[0] }).toEqual({
      code: 2,
      line: 'sample: --top-p: expected a number above 0 and at most 1, got 2',
    });
  });

  test('leaves warnings: pictures that cannot be used are named', async () => {
    const broken = join(root, 'broken');
    await writeSplitDrawings(broken);
    await writeItem(join(broken, 'train'), 'torn.png', Buffer.from('no picture'), 'torn');
    const config = join(root, 'config.json');
    const argv = ['--data', broken, '--out', join(root, 'quiet-run'), '--config', config, '--quiet'];
    const { code, stderr } = await tessera('train', ...argv);
    expect(code).toBe(0);
    expect(stderr.split('\n')[0]).toBe('1 item skipped, 16 used:');
    expect(stderr).toContain('torn.png');
    expect(stderr).not.toMatch(/computing|steps|done/);
  });
});

describe('a command of a program of your own', () => {
  const add = (answers: readonly number[]) =>
    defineCommand({
      name: 'add',
      summary: 'add numbers',
      examples: ['tessera add 1 2'],
      positionals: [{ name: 'NUMBER', description: 'added', many: true }],
      result: { sum: 'of all' },
      flags: () => z.object({}),
      run: async ({ print, reporter }, { positionals, answer }) => {
        reporter.message('adding');
        const sum = positionals.reduce((total, word) => total + Number(word), 0);
        print(`sum ${sum}`);
        for (const _ of answers) answer({ sum });
      },
    });
  const program = (answers: readonly number[], ...argv: string[]) =>
    captured(() => runTessera(argv, [...commands, add(answers)]));

  test('has both, and explains its fields', async () => {
    expect(await program([1], 'add', '1', '2')).toMatchObject({ stdout: 'sum 3\n', stderr: 'adding\n' });
    expect(await program([1], 'add', '1', '2', '-q')).toMatchObject({ stdout: 'sum 3\n', stderr: '' });
    expect(await program([1], 'add', '1', '2', '--json')).toMatchObject({ stdout: '{"sum":3}\n', stderr: 'adding\n' });
    expect((await program([1], 'add', '--help')).stdout).toMatch(/^--json prints an object of:\n {2}sum +of all$/m);
  });

  test('that gives no answer, or two, is wrong', async () => {
    expect((await program([], 'add', '1', '--json')).stderr).toContain('add: ended without an answer');
    expect((await program([1, 2], 'add', '1', '--json')).stderr).toContain('add: answered twice');
  });

  test('keeps flags of its own of these names', async () => {
    const own = defineCommand({
      name: 'own',
      summary: 'keeps its flags',
      examples: ['tessera own'],
      result: { json: 'its own' },
      flags: () => z.object({ json: z.string().default('x'), quiet: z.number().default(1) }),
      run: async ({ print }, { values }) => print(JSON.stringify(values)),
    });
    const { stdout } = await captured(() => runTessera(['own', '--json', 'y', '--quiet', '2'], [own]));
    expect(stdout).toBe('{"json":"y","quiet":2}\n');
  });
});

test('the documentation names the fields of every command', async () => {
  const page = readFileSync('docs/cli.md', 'utf8');
  for (const { name, spec } of commands) {
    const { result } = await spec();
    if (result === undefined) continue;
    const fields = Object.keys(result).map(field => `\`${field}\``);
    expect(page).toContain(`| ${name} | ${fields.join(', ')} |`);
  }
});

test('--version --json is an object too', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect((await tessera('--version', '--json')).stdout).toBe(`{"version":"${version}"}\n`);
});
